"""Money going back: accepted first, there a little later."""

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from . import clock, fields
from .accounts import Merchant
from .faults import Fault, is_fault
from .rules import Rules
from .schedule import Schedule
from .store import Store
from .trades import REFUND, Trade, Trades
from .wire import ResultFail

PROCESSING: Final = "PROCESSING"
SUCCESS: Final = "SUCCESS"
CHANGE: Final = "CHANGE"
REFUNDCLOSE: Final = "REFUNDCLOSE"
MOST: Final = 50
PAGE: Final = 10
YEAR: Final = 365 * 86400.0
SOURCES: Final = ("REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS")


@dataclass
class Refund:
    """One out_refund_no of one merchant."""

    trade_key: str
    mch_id: str
    out_refund_no: str
    refund_id: str
    refund_fee: int
    cash_refund_fee: int
    account: str
    notify_url: str
    created_at: float
    ends_as: str = SUCCESS
    status: str = PROCESSING
    ended_at: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.mch_id}/{self.out_refund_no}"


class TellsMerchants(Protocol):
    """Who carries the news that a refund has ended."""

    def refund(self, trade: Trade, refund: Refund) -> None: ...


class Refunds:
    """Every refund. All calls are made under the world's lock."""

    def __init__(
        self,
        store: Store,
        trades: Trades,
        schedule: Schedule,
        post: TellsMerchants,
        lock: AbstractContextManager[object],
    ) -> None:
        self._lock = lock
        self._store = store
        self._trades = trades
        self._schedule = schedule
        self._post = post
        self.rules = Rules()
        self.all: dict[str, Refund] = {}
        self._of_trade: dict[str, list[Refund]] = {}
        self._by_id: dict[str, Refund] = {}
        for row in store.load("refund"):
            self._index(Refund(**row))

    def _index(self, refund: Refund) -> None:
        if refund.key not in self.all:
            self.all[refund.key] = refund
            self._by_id[refund.refund_id] = refund
            self._of_trade.setdefault(refund.trade_key, []).append(refund)

    def _save(self, refund: Refund) -> None:
        self._index(refund)
        self._store.save("refund", refund.key, vars(refund))

    def of(self, trade: Trade) -> list[Refund]:
        """The refunds of a trade, oldest first."""
        return self._of_trade.get(trade.key, [])

    def refunded(self, trade: Trade) -> int:
        """Fen gone or going back; a closed refund gave nothing."""
        return sum(r.refund_fee for r in self.of(trade) if r.status != REFUNDCLOSE)

    def unfinished(self) -> list[Refund]:
        return [refund for refund in self.all.values() if refund.status == PROCESSING]

    # -- what merchants call -------------------------------------------------------------------

    def apply(
        self, values: Mapping[str, str], merchant: Merchant, fault: Fault | None
    ) -> dict[str, str]:
        """The refund is accepted. The same number again is the same refund."""
        fields.check_lengths(values, self.rules.lengths)
        number = fields.refund_number(values)
        total = fields.amount(values, "total_fee")
        wanted = fields.amount(values, "refund_fee")
        fields.check_choice(values, "refund_account", *SOURCES)
        fields.check_choice(values, "refund_fee_type", "CNY")
        if values.get("notify_url"):
            fields.check_notify_url(values)
        trade = self._trades.find(values, merchant)
        known = self.all.get(f"{merchant.mch_id}/{number}")
        if known is not None:
            if (known.trade_key, known.refund_fee) != (trade.key, wanted) or (
                total != trade.total_fee
            ):
                text = "订单金额或退款金额与之前请求不一致，请核实后再试"
                raise ResultFail("REFUND_FEE_MISMATCH", text)
            return self._answer(trade, known)
        self._check(trade, total, wanted)
        if is_fault(fault, "not_enough"):
            raise ResultFail("NOTENOUGH", "基本账户余额不足，请充值后重新发起")
        refund = Refund(
            trade_key=trade.key,
            mch_id=merchant.mch_id,
            out_refund_no=number,
            refund_id=f"50300{clock.digits(clock.now())[:8]}{secrets.randbelow(10**15):015d}",
            refund_fee=wanted,
            cash_refund_fee=self._cash_share(trade, wanted),
            account=values.get("refund_account") or SOURCES[0],
            notify_url=values.get("notify_url", ""),
            created_at=clock.now(),
        )
        if is_fault(fault, "refund_change"):
            refund.ends_as = CHANGE
        elif is_fault(fault, "refund_closed"):
            refund.ends_as = REFUNDCLOSE
        self._save(refund)
        trade.state = REFUND
        self._trades.save(trade)
        self.begin(refund)
        return self._answer(trade, refund)

    def _check(self, trade: Trade, total: int, wanted: int) -> None:
        """The trade can bear another refund of this amount."""
        if not trade.is_paid:
            raise ResultFail("TRADE_STATE_ERROR", "订单状态错误")
        if total != trade.total_fee:
            raise ResultFail("PARAM_ERROR", "订单总金额与原订单不一致")
        if clock.now() - trade.paid_at > YEAR:
            raise ResultFail("TRADE_OVERDUE", "订单已经超过退款期限")
        earlier = self.of(trade)
        refunded = self.refunded(trade)
        if refunded >= trade.total_fee:
            raise ResultFail("ERROR", "订单已全额退款")
        if refunded + wanted > trade.total_fee:
            raise ResultFail("ERROR", "累计退款金额大于支付金额")
        if len(earlier) >= MOST:
            raise ResultFail("ERROR", "单笔订单退款次数超过50次")
        if earlier and self.rules.refund_spacing == "on":
            age = clock.now() - earlier[-1].created_at
            if age < self.rules.wait(60):
                raise ResultFail("FREQUENCY_LIMITED", "同一笔订单的两次退款需间隔1分钟")

    def _cash_share(self, trade: Trade, wanted: int) -> int:
        """What goes back in money; the rest is the share of WeChat's own coupon."""
        cash = trade.total_fee - trade.coupon_fee
        before = self.refunded(trade)
        after = before + wanted
        return cash * after // trade.total_fee - cash * before // trade.total_fee

    def begin(self, refund: Refund) -> None:
        """The refund will end by itself, after the time it takes."""
        elapsed = clock.now() - refund.created_at
        wait = self.rules.wait(self.rules.refund_seconds) - elapsed
        self._schedule.after(max(wait, 0.001), lambda: self.end(refund))

    def end(self, refund: Refund) -> None:
        """The money is there, or has bounced, and the merchant hears of it."""
        with self._lock:
            if refund.status != PROCESSING:
                return
            refund.status = refund.ends_as
            refund.ended_at = clock.now()
            self._save(refund)
            if refund.notify_url:
                self._post.refund(self._trades.all[refund.trade_key], refund)

    def query(self, values: Mapping[str, str], merchant: Merchant) -> dict[str, str]:
        """One refund by its numbers, or a page of a trade's refunds."""
        one: Refund | None = None
        if values.get("refund_id"):
            one = self._by_id.get(values["refund_id"])
        elif values.get("out_refund_no"):
            one = self.all.get(f"{merchant.mch_id}/{values['out_refund_no']}")
        elif not values.get("transaction_id") and not values.get("out_trade_no"):
            fields.need(values, "out_trade_no")
        if values.get("refund_id") or values.get("out_refund_no"):
            if one is None or one.mch_id != merchant.mch_id:
                raise ResultFail("REFUNDNOTEXIST", "不存在对应退款单")
            trade = self._trades.all[one.trade_key]
            if trade.appid != values["appid"] or trade.sub_mch_id != values.get("sub_mch_id", ""):
                raise ResultFail("REFUNDNOTEXIST", "不存在对应退款单")
            page, total = [one], 1
        else:
            trade = self._trades.find(values, merchant)
            everything = self.of(trade)
            if not everything:
                raise ResultFail("REFUNDNOTEXIST", "不存在对应退款单")
            offset = values.get("offset") or "0"
            start = int(offset) if offset.isascii() and offset.isdigit() else 0
            page, total = everything[start : start + PAGE], len(everything)
        return self._listed(trade, page, total)

    def _answer(self, trade: Trade, refund: Refund) -> dict[str, str]:
        coupon = refund.refund_fee - refund.cash_refund_fee
        answer = {
            "transaction_id": trade.transaction_id,
            "out_trade_no": trade.out_trade_no,
            "out_refund_no": refund.out_refund_no,
            "refund_id": refund.refund_id,
            "refund_fee": str(refund.refund_fee),
            "total_fee": str(trade.total_fee),
            "cash_fee": str(trade.total_fee - trade.coupon_fee),
            "cash_refund_fee": str(refund.cash_refund_fee),
            "coupon_refund_fee": str(coupon),
            "coupon_refund_count": "1" if coupon else "0",
        }
        if coupon:
            answer |= {"coupon_refund_id_0": "10000", "coupon_refund_fee_0": str(coupon)}
        return answer

    def _listed(self, trade: Trade, page: list[Refund], total: int) -> dict[str, str]:
        answer = {
            "transaction_id": trade.transaction_id,
            "out_trade_no": trade.out_trade_no,
            "total_fee": str(trade.total_fee),
            "cash_fee": str(trade.total_fee - trade.coupon_fee),
            "refund_fee": str(sum(refund.refund_fee for refund in page)),
            "refund_count": str(len(page)),
            "total_refund_count": str(total),
        }
        for n, refund in enumerate(page):
            answer |= {
                f"out_refund_no_{n}": refund.out_refund_no,
                f"refund_id_{n}": refund.refund_id,
                f"refund_channel_{n}": "ORIGINAL",
                f"refund_fee_{n}": str(refund.refund_fee),
                f"refund_status_{n}": refund.status,
                f"refund_account_{n}": refund.account,
                f"refund_recv_accout_{n}": "支付用户零钱",  # WeChat's spelling
            }
            if refund.status == SUCCESS:
                answer[f"refund_success_time_{n}"] = clock.spoken(refund.ended_at)
        return answer
