"""Payments, from the unified order to paid or closed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from . import clock, fields
from .accounts import Merchant
from .faults import Fault, is_fault
from .people import People
from .rules import Rules
from .store import Store
from .wire import MD5, ResultFail, ReturnFail, is_signed

NOTPAY: Final = "NOTPAY"
SUCCESS: Final = "SUCCESS"
REFUND: Final = "REFUND"
CLOSED: Final = "CLOSED"
PREPAY_LIFE: Final = 2 * 3600.0
DESCRIPTIONS: Final = {
    SUCCESS: "支付成功",
    REFUND: "转入退款",
    NOTPAY: "订单未支付",
    CLOSED: "订单已关闭",
    "REVOKED": "订单已撤销",
    "USERPAYING": "用户支付中，需要输入密码",
    "PAYERROR": "支付失败(其他原因，如银行返回失败)",
    "ACCEPT": "已接收，等待扣款",
}


class PaymentRefused(Exception):
    """The shopper could not pay; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Trade:
    """One out_trade_no of one merchant."""

    mch_id: str
    sub_mch_id: str
    out_trade_no: str
    request: dict[str, str]  # as first sent, without nonce_str and sign
    created_at: float
    expires_at: float
    state: str = NOTPAY
    transaction_id: str = ""
    paid_at: float = 0.0
    coupon_fee: int = 0
    prepay: dict[str, float] = field(default_factory=dict)  # prepay_id: made at

    @property
    def key(self) -> str:
        return trade_key(self.mch_id, self.sub_mch_id, self.out_trade_no)

    @property
    def appid(self) -> str:
        return self.request["appid"]

    @property
    def total_fee(self) -> int:
        return int(self.request["total_fee"])

    @property
    def sign_type(self) -> str:
        return self.request.get("sign_type") or MD5

    @property
    def is_paid(self) -> bool:
        return self.state in {SUCCESS, REFUND}


def trade_key(mch_id: str, sub_mch_id: str, out_trade_no: str) -> str:
    """out_trade_no is unique for a merchant number (a provider's: for each sub-merchant)."""
    return f"{mch_id}/{sub_mch_id}/{out_trade_no}"


class TellsMerchants(Protocol):
    """Who carries the news that a trade was paid."""

    def payment(self, trade: Trade) -> None: ...


class Trades:
    """Every trade. All calls are made under the world's lock."""

    def __init__(self, store: Store, people: People, post: TellsMerchants) -> None:
        self._store = store
        self._people = people
        self._post = post
        self.rules = Rules()
        self.all: dict[str, Trade] = {}
        self._by_prepay: dict[str, Trade] = {}
        self._by_transaction: dict[str, Trade] = {}
        for row in store.load("trade"):
            self._index(Trade(**row))

    def _index(self, trade: Trade) -> None:
        self.all[trade.key] = trade
        for prepay_id in trade.prepay:
            self._by_prepay[prepay_id] = trade
        if trade.transaction_id:
            self._by_transaction[trade.transaction_id] = trade

    def save(self, trade: Trade) -> None:
        self._index(trade)
        self._store.save("trade", trade.key, vars(trade))

    # -- what merchants call -------------------------------------------------------------------

    def unified_order(self, values: Mapping[str, str], merchant: Merchant) -> dict[str, str]:
        """A prepay_id for a new trade, or a fresh one for the same trade asked for again."""
        self._check_order(values, merchant)
        request = {k: v for k, v in values.items() if k not in {"nonce_str", "sign"} and v}
        number = fields.trade_number(values)
        trade = self.all.get(trade_key(merchant.mch_id, values.get("sub_mch_id", ""), number))
        if trade is None:
            expires_at = self._expiry(values, repeated=False)
            trade = Trade(
                mch_id=merchant.mch_id,
                sub_mch_id=values.get("sub_mch_id", ""),
                out_trade_no=number,
                request=request,
                created_at=clock.now(),
                expires_at=expires_at,
            )
        elif trade.is_paid:
            raise ResultFail("ORDERPAID", "该订单已支付")
        elif trade.state == CLOSED:
            raise ResultFail("ORDERCLOSED", "该订单已关闭")
        elif trade.request != request:
            raise ResultFail("OUT_TRADE_NO_USED", "商户订单号重复")
        else:
            self._expiry(values, repeated=True)
        prepay_id = f"wx{clock.digits(clock.now())}{secrets.token_hex(10)}"
        trade.prepay[prepay_id] = clock.now()
        self.save(trade)
        return {"trade_type": "JSAPI", "prepay_id": prepay_id}

    def _check_order(self, values: Mapping[str, str], merchant: Merchant) -> None:
        names = ("body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url")
        fields.need(values, *names, "trade_type")
        fields.check_lengths(values, self.rules.lengths)
        fields.amount(values, "total_fee")
        fields.check_choice(values, "trade_type", "JSAPI")
        fields.check_choice(values, "fee_type", "CNY")
        fields.check_choice(values, "limit_pay", "no_credit")
        fields.check_choice(values, "receipt", "Y")
        fields.check_choice(values, "profit_sharing", "Y", "N")
        fields.check_ip(values)
        fields.check_notify_url(values)
        if values.get("sub_openid") and merchant.subs:
            self._check_openid(values["sub_openid"], values.get("sub_appid", ""))
        else:
            fields.need(values, "openid")
            self._check_openid(values["openid"], values["appid"])

    def _check_openid(self, openid: str, appid: str) -> None:
        if not self._people.knows(openid):
            raise ReturnFail("无效的openid")
        if not self._people.belongs(openid, appid):
            raise ReturnFail("appid and openid not match")

    def _expiry(self, values: Mapping[str, str], *, repeated: bool) -> float:
        """When the trade expires; the default is WeChat's longest, seven days."""
        now = clock.now()
        try:
            starts = clock.from_digits(values["time_start"]) if values.get("time_start") else now
            if not values.get("time_expire"):
                return now + 7 * 86400
            expires = clock.from_digits(values["time_expire"])
        except ValueError:
            raise ReturnFail("time_start或time_expire参数格式错误") from None
        shortest = 300 if self.rules.short_expiry == "refuse" and not repeated else 60
        # A clock a second or two ahead of ours is no offence: times travel in whole seconds.
        if expires <= starts or expires - now < (0 if repeated else shortest - 2):
            raise ReturnFail("time_expire时间过短，刷卡至少1分钟，其他5分钟")
        return expires

    def find(self, values: Mapping[str, str], merchant: Merchant) -> Trade:
        """The trade a request names by transaction_id, else by out_trade_no.

        Raises: ResultFail ORDERNOTEXIST.
        """
        trade: Trade | None
        if values.get("transaction_id"):
            trade = self._by_transaction.get(values["transaction_id"])
        else:
            fields.need(values, "out_trade_no")
            number = values["out_trade_no"]
            trade = self.all.get(trade_key(merchant.mch_id, values.get("sub_mch_id", ""), number))
        if (
            trade is None
            or trade.mch_id != merchant.mch_id
            or trade.sub_mch_id != values.get("sub_mch_id", "")
            or trade.appid != values["appid"]
        ):
            raise ResultFail("ORDERNOTEXIST", "订单不存在")
        return trade

    def query(
        self, values: Mapping[str, str], merchant: Merchant, fault: Fault | None
    ) -> dict[str, str]:
        """The trade's state; everything about the payment once there is one."""
        trade = self.find(values, merchant)
        state = trade.state
        if fault is not None and fault.is_one_of("trade_state"):
            state = str(fault.options["state"])
        answer = {
            "out_trade_no": trade.out_trade_no,
            "attach": trade.request.get("attach", ""),
            "trade_state": state,
            "trade_state_desc": DESCRIPTIONS.get(state, state),
        }
        if state in {SUCCESS, REFUND} and trade.is_paid:
            answer |= payment_fields(trade)
        if fault is not None and fault.is_one_of("wrong_amount"):
            answer |= wrong_amount(answer, trade, fault)
        return answer

    def close(
        self, values: Mapping[str, str], merchant: Merchant, fault: Fault | None
    ) -> dict[str, str]:
        """The trade is closed: nobody can pay it any more."""
        fields.need(values, "out_trade_no")
        trade = self.find({k: v for k, v in values.items() if k != "transaction_id"}, merchant)
        if is_fault(fault, "order_paid") and trade.state == NOTPAY:
            self._paid(trade, 0)
        if trade.is_paid:
            raise ResultFail("ORDERPAID", "该订单已支付")
        if trade.state == CLOSED:
            raise ResultFail("ORDERCLOSED", "该订单已关闭")
        age = clock.now() - trade.created_at
        if self.rules.early_close == "refuse" and age < self.rules.wait(300):
            raise ResultFail("TRADE_STATE_ERROR", "订单生成后5分钟内不能关单")
        trade.state = CLOSED
        self.save(trade)
        return {"result_msg": "OK"}

    # -- what the shopper does -----------------------------------------------------------------

    def at_cashier(self, prepay_id: str) -> Trade:
        """The trade a prepay_id opens.

        Raises: PaymentRefused for a number that was never given out or is too old.
        """
        trade = self._by_prepay.get(prepay_id)
        if trade is None:
            raise PaymentRefused("unknown_prepay_id", "no such prepay_id")
        if clock.now() - trade.prepay[prepay_id] > PREPAY_LIFE:
            raise PaymentRefused("prepay_expired", "this prepay_id is older than two hours")
        return trade

    def check_client(self, trade: Trade, client: Mapping[str, Any], api_key: str) -> None:
        """The five parameters of wx.requestPayment open this trade, signed by its merchant.

        Raises: PaymentRefused, as the phone would with requestPayment:fail.
        """
        names = ("timeStamp", "nonceStr", "package", "signType", "paySign")
        if any(not isinstance(client.get(name), str) or not client[name] for name in names):
            raise PaymentRefused("bad_client", "five texts are needed: " + ", ".join(names))
        if client["signType"] != trade.sign_type:
            raise PaymentRefused("bad_client", "signType differs from the unified order's")
        appid = trade.request.get("sub_appid") or trade.appid
        signed = {name: client[name] for name in names[:4]} | {"appId": appid}
        signed["sign"] = client["paySign"]
        if not is_signed(signed, api_key, trade.sign_type):
            raise PaymentRefused("bad_pay_sign", "支付验证签名失败")

    def pay(self, trade: Trade, *, coupon_fee: int = 0, late: bool = False) -> None:
        """The shopper's money arrives. `late` lets it through though closed or expired.

        Raises: PaymentRefused.
        """
        if trade.is_paid:
            raise PaymentRefused("ORDERPAID", "该订单已支付")
        if trade.state == CLOSED and not late:
            raise PaymentRefused("ORDERCLOSED", "该订单已关闭")
        expired = clock.now() > trade.expires_at
        if expired and self.rules.expired_payment == "refuse" and not late:
            raise PaymentRefused("expired", "the order's time_expire has passed")
        if not 0 <= coupon_fee < trade.total_fee:
            raise PaymentRefused("bad_coupon_fee", "coupon_fee is less than the order's amount")
        self._paid(trade, coupon_fee)

    def _paid(self, trade: Trade, coupon_fee: int) -> None:
        now = clock.now()
        trade.state = SUCCESS
        trade.paid_at = now
        trade.coupon_fee = coupon_fee
        trade.transaction_id = f"42000{clock.digits(now)[:8]}{secrets.randbelow(10**15):015d}"
        self.save(trade)
        self._post.payment(trade)


def payment_fields(trade: Trade) -> dict[str, str]:
    """What a paid trade says of itself, in a query and in a notification."""
    fields_ = {
        "openid": trade.request.get("openid", ""),
        "is_subscribe": "N",
        "sub_openid": trade.request.get("sub_openid", ""),
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": str(trade.total_fee),
        "fee_type": "CNY",
        "cash_fee": str(trade.total_fee - trade.coupon_fee),
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "attach": trade.request.get("attach", ""),
        "time_end": clock.digits(trade.paid_at),
        "device_info": trade.request.get("device_info", ""),
    }
    if trade.coupon_fee:
        fields_ |= {
            "coupon_fee": str(trade.coupon_fee),
            "coupon_count": "1",
            "coupon_id_0": "10000",
            "coupon_fee_0": str(trade.coupon_fee),
        }
    return fields_


def wrong_amount(answer: Mapping[str, str], trade: Trade, fault: Fault) -> dict[str, str]:
    """The amounts of an answer, but wrong."""
    total = int(fault.options.get("amount", trade.total_fee + 1))
    wrong = {"total_fee": str(total)}
    if "cash_fee" in answer:
        wrong["cash_fee"] = str(max(total - trade.coupon_fee, 0))
    return wrong
