"""WeChat Pay, API v2, through wechatpy: open a trade, ask, close, refund, read notifications."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from xml.sax.saxutils import escape

from wechatpy.crypto import RefundCrypto, WeChatRefundCrypto

from backend.money import Fen
from backend.wechat import wire
from backend.wechat.credentials import PayCredentials
from backend.wechat.errors import BadSignature, Refused, Retry, Unknown
from backend.wechat.gateway import Gateway
from backend.wechat.trades import (
    CloseOutcome,
    PrepayRequest,
    Receipt,
    RefundAnswer,
    RefundNotice,
    RefundRequest,
    RefundState,
    RefundStatus,
    Trade,
    TradeState,
)

__all__ = [
    "PAYMENT_ACCEPTED",
    "CloseOutcome",
    "PrepayRequest",
    "Receipt",
    "RefundAnswer",
    "RefundNotice",
    "RefundRequest",
    "RefundState",
    "RefundStatus",
    "Trade",
    "TradeState",
    "WeChatPay",
    "answer",
]

# Source: 查询订单 (API v2), `trade_state`. REFUND was paid, and then a refund began.
TRADE_STATES = {
    "SUCCESS": TradeState.PAID,
    "REFUND": TradeState.PAID,
    "NOTPAY": TradeState.OPEN,
    "USERPAYING": TradeState.OPEN,
    "ACCEPT": TradeState.OPEN,
    "CLOSED": TradeState.CLOSED,
    "REVOKED": TradeState.CLOSED,
    "PAYERROR": TradeState.CLOSED,
}
# Source: 查询退款 and 退款结果通知 (API v2), `refund_status`. CHANGE: the money bounced.
REFUND_STATUSES = {
    "PROCESSING": RefundStatus.PROCESSING,
    "SUCCESS": RefundStatus.SUCCEEDED,
    "REFUNDCLOSE": RefundStatus.CLOSED,
    "CHANGE": RefundStatus.STUCK,
}
CLOSE_REFUSALS = {
    "ORDERPAID": CloseOutcome.PAID,
    "ORDERCLOSED": CloseOutcome.CLOSED,
    "ORDERNOTEXIST": CloseOutcome.ABSENT,
    # What 关闭订单 answers inside its first five minutes is not documented; asking again is safe.
    "TRADE_STATE_ERROR": CloseOutcome.TOO_EARLY,
    "USERPAYING": CloseOutcome.TOO_EARLY,
}


def answer(ok: bool, message: str = "OK") -> bytes:  # noqa: FBT001
    """WeChat's own XML for "taken" or "send it again"."""
    code = "SUCCESS" if ok else "FAIL"
    words = escape(wire.plain(message, at_most=128))
    return f"<xml><return_code>{code}</return_code><return_msg>{words}</return_msg></xml>".encode()


PAYMENT_ACCEPTED = answer(ok=True)


class WeChatPay:
    """One pay account at WeChat. Cheap to make; connections are shared by the whole process."""

    def __init__(self, credentials: PayCredentials) -> None:
        self.credentials = credentials

    @cached_property
    def _gateway(self) -> Gateway:
        return Gateway(self.credentials)

    def prepay(self, request: PrepayRequest) -> str:
        """Open a trade and return its prepay_id.

        Raises: Refused("ORDERPAID") when the trade is paid already (ask); Refused otherwise;
        Retry; Unknown when WeChat may or may not have accepted it: repeat the same request.
        Source: 统一下单 (API v2), `total_fee` in fen.
        """
        payer = "sub_user_id" if self.credentials.sub_appid else "user_id"
        opened = self._gateway.call(
            lambda: self._gateway.order.create(
                "JSAPI",
                wire.plain(request.body, at_most=128) or request.out_trade_no,
                int(request.amount_fen),
                request.notify_url,
                client_ip=request.client_ip,
                out_trade_no=request.out_trade_no,
                attach=wire.plain(request.attach, at_most=127) or None,
                time_start=wire.in_beijing(request.starts_at),
                time_expire=wire.in_beijing(request.expires_at),
                **{payer: request.openid},
            ),
            doubt=Unknown,
        )
        if not opened.get("prepay_id"):
            raise Unknown("an answer without a prepay_id")
        return opened["prepay_id"]

    def client_parameters(self, prepay_id: str) -> dict[str, str]:
        """The five fields `wx.requestPayment` wants, signed for the mini program paid in.

        Source: 小程序调起支付 (API v2); timeStamp is text.
        """
        signed: dict[str, str] = self._gateway.jsapi.get_jsapi_params(
            prepay_id, timestamp=str(int(time.time())), nonce_str=secrets.token_hex(16)
        )
        del signed["appId"]
        return signed

    def ask(self, out_trade_no: str) -> Trade:
        """Where a trade stands, with the receipt when the money came.

        Raises: Refused, or Retry when there is no answer to believe.
        Source: 查询订单 (API v2), `total_fee` in fen.
        """
        try:
            found = self._gateway.call(
                lambda: self._gateway.order.query(out_trade_no=out_trade_no), doubt=Retry
            )
        except Refused as refusal:
            if refusal.code == "ORDERNOTEXIST":
                return Trade(TradeState.ABSENT)
            raise
        state = TRADE_STATES.get(found.get("trade_state", ""))
        if state is None or found.get("out_trade_no") != out_trade_no:
            raise Retry("no_answer", "an answer about another trade, or in a state unheard of")
        if state is not TradeState.PAID:
            return Trade(state)
        try:
            return Trade(state, self._receipt(found))
        except wire.Unreadable as error:
            reason = str(error)
        raise Retry("no_answer", reason)

    def close(self, out_trade_no: str) -> CloseOutcome:
        """Close a trade, or learn why it stays: paid meanwhile, too young, not there.

        Raises: Refused, Retry, Unknown (ask; closing again is safe).
        Source: 关闭订单 (API v2).
        """
        try:
            self._gateway.call(lambda: self._gateway.order.close(out_trade_no), doubt=Unknown)
        except Refused as refusal:
            if refusal.code in CLOSE_REFUSALS:
                return CLOSE_REFUSALS[refusal.code]
            raise
        return CloseOutcome.CLOSED

    def refund(self, request: RefundRequest) -> RefundAnswer:
        """Hand a refund to WeChat, with the merchant's certificate. Taken is not yet arrived.

        Raises: Refused (NOTENOUGH: top up and repeat); Retry; Unknown: ask, then repeat with the
        same `out_refund_no`, never another. Source: 申请退款 (API v2), amounts in fen.
        """
        gateway = self._gateway.with_certificate()
        taken = gateway.call(
            lambda: gateway.refund.apply(
                int(request.total_fen),
                int(request.amount_fen),
                request.out_refund_no,
                transaction_id=request.transaction_id or None,
                out_trade_no=None if request.transaction_id else request.out_trade_no,
                refund_desc=wire.plain(request.reason, at_most=80) or None,
                notify_url=request.notify_url,
                refund_account=None,
            ),
            doubt=Unknown,
        )
        if taken.get("out_refund_no") != request.out_refund_no or not taken.get("refund_id"):
            raise Unknown("an answer about another refund")
        if taken.get("refund_fee") != str(int(request.amount_fen)):
            raise Unknown("an answer with another amount")
        return RefundAnswer(
            refund_id=taken["refund_id"],
            out_refund_no=request.out_refund_no,
            amount_fen=request.amount_fen,
        )

    def ask_refund(self, out_refund_no: str) -> RefundState | None:
        """Where a refund stands; None when WeChat never took it (the same one may be sent).

        Raises: Refused, or Retry when there is no answer to believe.
        Source: 查询退款 (API v2), `refund_fee_$n` in fen.
        """
        try:
            found = self._gateway.call(
                lambda: self._gateway.refund.query(out_refund_no=out_refund_no), doubt=Retry
            )
        except Refused as refusal:
            if refusal.code == "REFUNDNOTEXIST":
                return None
            raise
        try:
            return _refund_state(found, out_refund_no)
        except wire.Unreadable as error:
            reason = str(error)
        raise Retry("no_answer", reason)

    def payment_notification(self, body: bytes) -> Receipt:
        """The receipt in a payment notification, once its signature and its account are ours.

        Raises: BadSignature for anything not authentic or not readable.
        Source: 支付结果通知 (API v2), `total_fee` in fen.
        """
        try:
            notice = wire.read(body)
            if notice.get("return_code") == "SUCCESS" and self._authentic(notice):
                return self._receipt(notice)
            reason = "not signed with our key, or for another account"
        except Exception as error:
            reason = f"{type(error).__name__}"
        raise BadSignature(reason)

    def refund_notification(self, body: bytes) -> RefundNotice:
        """What a refund notification says. It has no signature: that it decrypts vouches for it.

        Raises: BadSignature for anything not authentic or not readable.
        Source: 退款结果通知 (API v2), `req_info`; amounts in fen.
        """
        try:
            notice = wire.read(body)
            if notice.get("return_code") == "SUCCESS" and self.credentials.are_named_in(notice):
                return _refund_notice(self._decrypted(wire.text(notice, "req_info")))
            reason = "for another account"
        except Exception as error:
            reason = f"{type(error).__name__}"
        raise BadSignature(reason)

    def _authentic(self, fields: Mapping[str, str]) -> bool:
        return wire.signature_fits(
            fields, self.credentials.api_key
        ) and self.credentials.are_named_in(fields)

    def _decrypted(self, req_info: str) -> dict[str, str]:
        key = WeChatRefundCrypto(self.credentials.api_key).key
        return wire.read(RefundCrypto(key).decrypt(req_info), root="root")

    def _receipt(self, fields: Mapping[str, str]) -> Receipt:
        paid = fields.get("result_code") == "SUCCESS"
        openid = fields.get("sub_openid") if self.credentials.sub_appid else fields.get("openid")
        return Receipt(
            out_trade_no=wire.text(fields, "out_trade_no"),
            transaction_id=wire.text(fields, "transaction_id")
            if paid
            else fields.get("transaction_id", ""),
            appid=fields["appid"],
            mch_id=fields["mch_id"],
            sub_mch_id=fields.get("sub_mch_id", ""),
            amount_fen=Fen(
                wire.amount(fields, "total_fee") if paid or fields.get("total_fee") else 0
            ),
            openid=openid or "",
            paid_at=wire.moment(fields.get("time_end", "")) if paid else datetime.now(UTC),
            attach=fields.get("attach", ""),
            paid=paid,
        )


def _refund_state(found: Mapping[str, str], out_refund_no: str) -> RefundState:
    number = next(
        (
            name.removeprefix("out_refund_no_")
            for name, value in found.items()
            if name.startswith("out_refund_no_") and value == out_refund_no
        ),
        None,
    )
    if number is None:
        raise wire.Unreadable("an answer about other refunds")
    status = _refund_status(found.get(f"refund_status_{number}", ""))
    succeeded_at = found.get(f"refund_success_time_{number}")
    return RefundState(
        status=status,
        refund_id=wire.text(found, f"refund_id_{number}"),
        amount_fen=Fen(wire.amount(found, f"refund_fee_{number}")),
        succeeded_at=wire.moment(succeeded_at) if succeeded_at else None,
    )


def _refund_notice(fields: Mapping[str, str]) -> RefundNotice:
    word = wire.text(fields, "refund_status")
    succeeded_at = fields.get("success_time")
    return RefundNotice(
        out_trade_no=wire.text(fields, "out_trade_no"),
        transaction_id=wire.text(fields, "transaction_id"),
        out_refund_no=wire.text(fields, "out_refund_no"),
        refund_id=wire.text(fields, "refund_id"),
        status=_refund_status(word),
        wechat_status=word,
        amount_fen=Fen(wire.amount(fields, "refund_fee")),
        total_fen=Fen(wire.amount(fields, "total_fee")),
        succeeded_at=wire.moment(succeeded_at) if succeeded_at else None,
    )


def _refund_status(word: str) -> RefundStatus:
    if word not in REFUND_STATUSES:
        raise wire.Unreadable("a refund in a state unheard of")
    return REFUND_STATUSES[word]
