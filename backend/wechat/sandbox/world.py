"""Everything the sandbox is, put together."""

import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import clock
from .accounts import Accounts
from .certificates import Authority
from .faults import Fault, Faults, is_fault
from .gateway import Gateway
from .marketing import Marketing
from .messages import payment_message, refund_message
from .notify import Letter, Notice, PostOffice
from .people import People
from .platform import OpenPlatform
from .refunds import Refund, Refunds
from .rules import Rules
from .schedule import Schedule
from .store import Store
from .tokens import Tokens
from .trades import Trade, Trades
from .v3 import Seal, envelope
from .vouchers import Vouchers


class World:
    """One lock guards it all; nothing slow is done while holding it."""

    def __init__(self, folder: Path | None, speed: float) -> None:
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.store = Store(folder)
        self.authority = Authority(self.store)
        self.accounts = Accounts(self.store, self.authority)
        self.people = People(self.store)
        self.tokens = Tokens(self.store)
        self.faults = Faults()
        self.schedule = Schedule()
        self.post = PostOffice(self.store, self.faults, self.schedule, self.lock)
        self.post.compose = self._compose
        self.trades = Trades(self.store, self.people, self.post)
        self.refunds = Refunds(self.store, self.trades, self.schedule, self.post, self.lock)
        self.gateway = Gateway(self.accounts, self.trades, self.refunds, self.faults)
        self.platform = OpenPlatform(self.accounts, self.people, self.tokens, self.faults)
        self.seal = Seal(self.store)
        self.vouchers = Vouchers(self.store)
        self.marketing = Marketing(self.accounts, self.vouchers, self.faults, self.seal)
        self._first_rules = Rules(speed=speed)
        self.set_rules(self._first_rules)

    def set_rules(self, rules: Rules) -> None:
        """From now on these hold."""
        self.rules = rules
        self.post.rules = self.trades.rules = self.refunds.rules = self.platform.rules = rules

    def reset_rules(self) -> None:
        self.set_rules(self._first_rules)

    def start(self) -> None:
        """Work left over from before a restart goes on."""
        self.schedule.start()
        with self.lock:
            for refund in self.refunds.unfinished():
                self.refunds.begin(refund)
            self.post.resume()

    def stop(self) -> None:
        self.stopping.set()
        with self.lock:
            self.store.close()

    def _compose(self, notice: Notice, fault: Fault | None) -> Letter:
        if notice.kind == "voucher_notification":
            stock_id, _slash, code = notice.about.partition("/")
            merchant = self.accounts.merchants[notice.where["mch_id"]]
            facts = self.vouchers.news(self.vouchers.coupons[stock_id, code])
            if is_fault(fault, "bare"):
                facts = {name: facts[name] for name in ("event_type", "coupon_code", "stock_id")}
            body = envelope("COUPON.SEND", "coupon", facts, merchant)
            head = {"Content-Type": "application/json", "Request-ID": secrets.token_hex(8)}
            return body, {**head, **self.seal.headers(body, fault)}
        if notice.kind == "payment_notification":
            trade = self.trades.all[notice.about]
            body = payment_message(trade, self.accounts.merchants[trade.mch_id], fault)
        else:
            refund = self.refunds.all[notice.about]
            trade = self.trades.all[refund.trade_key]
            body = refund_message(trade, refund, self.accounts.merchants[trade.mch_id], fault)
        return body, {"Content-Type": "text/xml; charset=utf-8"}

    def send_vouchers(
        self, mch_id: str, appid: str, openid: str, params: Mapping[str, Any]
    ) -> list[dict[str, str]]:
        """A person confirms the send-coupon plugin; the merchant will hear of what is new.

        Raises: ValueError, V3Error.
        """
        merchant = self.accounts.merchants.get(mch_id)
        if merchant is None:
            raise ValueError(f"no merchant {mch_id} is registered here")
        results, made = self.vouchers.send(merchant, appid, openid, params)
        url = self.vouchers.callbacks.get(mch_id, "")
        for coupon in made:
            if url:
                self.post.voucher(mch_id, f"{coupon.stock_id}/{coupon.code}", url)
        return results

    # -- the books -----------------------------------------------------------------------------

    def books(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Every trade, or those with the given mch_id, appid, out_trade_no or transaction_id."""
        rows = []
        for trade in self.trades.all.values():
            facts = {
                "mch_id": trade.mch_id,
                "appid": trade.appid,
                "out_trade_no": trade.out_trade_no,
                "transaction_id": trade.transaction_id,
            }
            if all(facts[name] == value for name, value in wanted.items() if name in facts):
                rows.append(facts | self._account(trade))
        return {"trades": rows}

    def _account(self, trade: Trade) -> dict[str, Any]:
        return {
            "sub_mch_id": trade.sub_mch_id,
            "state": trade.state,
            "total_fee": trade.total_fee,
            "coupon_fee": trade.coupon_fee,
            "openid": trade.request.get("openid", ""),
            "sub_openid": trade.request.get("sub_openid", ""),
            "attach": trade.request.get("attach", ""),
            "created_at": clock.iso(trade.created_at),
            "expires_at": clock.iso(trade.expires_at),
            "paid_at": clock.iso(trade.paid_at) if trade.paid_at else None,
            "prepay_ids": list(trade.prepay),
            "refunded_fee": self.refunds.refunded(trade),
            **self._news(f"payment_notification/{trade.key}"),
            "refunds": [self._refund(refund) for refund in self.refunds.of(trade)],
        }

    def _refund(self, refund: Refund) -> dict[str, Any]:
        return {
            "out_refund_no": refund.out_refund_no,
            "refund_id": refund.refund_id,
            "refund_fee": refund.refund_fee,
            "status": refund.status,
            "created_at": clock.iso(refund.created_at),
            "ended_at": clock.iso(refund.ended_at) if refund.ended_at else None,
            **self._news(f"refund_notification/{refund.key}"),
        }

    def _news(self, key: str) -> dict[str, Any]:
        notice = self.post.all.get(key)
        if notice is None:
            return {"notifications": [], "notification_answered": False, "notification_due": None}
        return {
            "notifications": list(notice.sent),
            "notification_answered": notice.answered,
            "notification_due": clock.iso(notice.due_at) if notice.due_at else None,
        }
