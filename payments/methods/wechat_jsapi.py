"""Paying inside the mini program: JSAPI of WeChat Pay's API v2, through wechatpy."""

from typing import ClassVar

from django.conf import settings
from django.urls import reverse

from backend.wechat.pay import WeChatPay
from backend.wechat.trades import CloseOutcome, PrepayRequest, RefundRequest, RefundState, Trade
from payments.models import Payment, Refund
from shop.merchants import pay_credentials
from shop.models import PayAccount


def notify_url(kind: str, slug: str) -> str:
    """Where WeChat tells us of a payment or a refund of this merchant."""
    return f"{settings.PUBLIC_BASE_URL}{reverse(f'wechat-pay-{kind}', args=[slug])}"


def wechat(account: PayAccount | None) -> WeChatPay:
    """WeChat Pay as the account a payment was opened with."""
    if account is None:
        raise ValueError("a payment by WeChat has an account")
    return WeChatPay(pay_credentials(account))


class WeChatJsapi:
    """`wx.requestPayment`."""

    name: ClassVar[str] = "wechat_jsapi"

    def start(self, payment: Payment) -> str:
        return wechat(payment.account).prepay(PrepayRequest.from_json(payment.request or {}))

    def client(self, payment: Payment) -> dict[str, str]:
        return wechat(payment.account).client_parameters(payment.prepay_id)

    def ask(self, payment: Payment) -> Trade:
        return wechat(payment.account).ask(payment.out_trade_no)

    def close(self, payment: Payment) -> CloseOutcome:
        return wechat(payment.account).close(payment.out_trade_no)

    def refund(self, refund: Refund) -> str:
        payment = refund.payment
        request = RefundRequest(
            out_trade_no=payment.out_trade_no,
            transaction_id=payment.transaction_id or "",
            out_refund_no=refund.out_refund_no,
            amount_fen=refund.amount_fen,
            total_fen=payment.amount_fen,
            reason=refund.reason,
            notify_url=notify_url("refund", refund.merchant.slug),
        )
        return wechat(payment.account).refund(request).refund_id

    def ask_refund(self, refund: Refund) -> RefundState | None:
        return wechat(refund.payment.account).ask_refund(refund.out_refund_no)
