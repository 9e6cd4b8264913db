"""What we say to WeChat Pay and what it says back, as verified, frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from backend.money import Fen

TRADE_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")


class TradeState(StrEnum):
    PAID = "paid"
    OPEN = "open"
    CLOSED = "closed"
    ABSENT = "absent"


class CloseOutcome(StrEnum):
    CLOSED = "closed"
    PAID = "paid"
    TOO_EARLY = "too_early"
    ABSENT = "absent"


class RefundStatus(StrEnum):
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CLOSED = "closed"
    STUCK = "stuck"


def _check_amount(amount: int, name: str) -> None:
    # wechatpy sends 0 as an empty field, 1.5 as 1.5 and True as True.
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 1:
        raise ValueError(f"{name} must be a whole number of fen, one or more")


def _check_address(url: str) -> None:
    if len(url) > 256 or "?" in url or not url.startswith(("http://", "https://")):
        raise ValueError("notify_url is http(s), at most 256 characters, without a query")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepayRequest:
    """Everything WeChat gets to open a trade. The same request again is the same trade.

    Raises: ValueError for what WeChat would not take or wechatpy would mangle.
    """

    out_trade_no: str
    amount_fen: Fen
    openid: str
    body: str
    client_ip: str
    starts_at: datetime
    expires_at: datetime
    notify_url: str
    attach: str = ""

    def __post_init__(self) -> None:
        _check_amount(self.amount_fen, "amount_fen")
        _check_address(self.notify_url)
        if not TRADE_NUMBER.fullmatch(self.out_trade_no):
            raise ValueError("out_trade_no is 6 to 32 of 0-9 A-Z a-z _ - | *")
        if not self.openid or not self.client_ip:
            # Without an address wechatpy would ask the DNS for one to guess.
            raise ValueError("a prepay names the payer's openid and address")
        if self.starts_at.utcoffset() is None or self.expires_at.utcoffset() is None:
            raise ValueError("a naive time names no moment")

    def to_json(self) -> dict[str, Any]:
        """The request as JSON holds it, to keep beside the payment."""
        return {
            "out_trade_no": self.out_trade_no,
            "amount_fen": int(self.amount_fen),
            "openid": self.openid,
            "body": self.body,
            "client_ip": self.client_ip,
            "starts_at": self.starts_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "notify_url": self.notify_url,
            "attach": self.attach,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> PrepayRequest:
        """The request that `to_json` wrote down, equal in every field."""
        return cls(
            **{
                **kept,
                "amount_fen": Fen(kept["amount_fen"]),
                "starts_at": datetime.fromisoformat(kept["starts_at"]),
                "expires_at": datetime.fromisoformat(kept["expires_at"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money to give back out of one trade. The same `out_refund_no` again is the same refund."""

    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    amount_fen: Fen
    total_fen: Fen
    reason: str
    notify_url: str

    def __post_init__(self) -> None:
        _check_amount(self.amount_fen, "amount_fen")
        _check_amount(self.total_fen, "total_fen")
        _check_address(self.notify_url)
        if self.amount_fen > self.total_fen:
            raise ValueError("a refund is at most what was paid")
        if not REFUND_NUMBER.fullmatch(self.out_refund_no):
            raise ValueError("out_refund_no is 1 to 64 of 0-9 A-Z a-z _ - | * @")
        if not self.out_trade_no and not self.transaction_id:
            raise ValueError("a refund names its trade")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """WeChat's verified word about one trade. `amount_fen` is total_fee, never cash_fee.

    `paid` is False for an authentic notice of a payment that failed; `paid_at` is then the moment
    it was read, and the amount may be 0. `openid` is the payer's in the mini program paid in.
    """

    out_trade_no: str
    transaction_id: str
    appid: str
    mch_id: str
    sub_mch_id: str
    amount_fen: Fen
    openid: str
    paid_at: datetime
    attach: str
    paid: bool


@dataclass(frozen=True, slots=True)
class Trade:
    """Where a trade stands at WeChat; the receipt comes with PAID and only then."""

    state: TradeState
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAnswer:
    """WeChat took a refund on; the money is not there yet."""

    refund_id: str
    out_refund_no: str
    amount_fen: Fen


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundState:
    """Where a refund stands at WeChat."""

    status: RefundStatus
    refund_id: str
    amount_fen: Fen
    succeeded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundNotice:
    """A refund notification. `wechat_status` is WeChat's word (SUCCESS, CHANGE, REFUNDCLOSE)."""

    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    refund_id: str
    status: RefundStatus
    wechat_status: str
    amount_fen: Fen
    total_fen: Fen
    succeeded_at: datetime | None
