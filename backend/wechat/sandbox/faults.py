"""Misbehaviour by appointment: the next few matching calls go wrong as told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from . import clock

PAY_CALLS: Final = frozenset({"unifiedorder", "orderquery", "closeorder", "refund", "refundquery"})
TOKEN_CALLS: Final = frozenset(
    {"getuserphonenumber", "getwxacodeunlimit", "getwxacode", "subscribe_send"}
)
PLATFORM_CALLS: Final = TOKEN_CALLS | {"jscode2session", "stable_token", "token"}
VOUCHER_CALLS: Final = frozenset(
    {
        "stock_create", "stock_query", "stock_modify", "stock_budget", "code_upload", "coupon_use",
        "coupon_return", "coupon_deactivate", "coupon_list", "coupon_query", "callback_set",
    }
)  # fmt: skip
CALLS: Final = PAY_CALLS | PLATFORM_CALLS | VOUCHER_CALLS
PAY_NOTICES: Final = frozenset({"payment_notification", "refund_notification"})
VOUCHER_NOTICES: Final = frozenset({"voucher_notification"})
NOTICES: Final = PAY_NOTICES | VOUCHER_NOTICES

# Each fault, and where it makes sense.
FAULTS: Final[Mapping[str, frozenset[str]]] = {
    "timeout_after_accepting": CALLS,
    "drop_before": CALLS,
    "html_200": CALLS,
    "http_502": CALLS,
    "text_200": CALLS,
    "systemerror": PAY_CALLS | VOUCHER_CALLS,
    "frequency": VOUCHER_CALLS,
    "bad_signature": PAY_CALLS | VOUCHER_CALLS,
    "stale": VOUCHER_CALLS | VOUCHER_NOTICES,
    "result_fail": PAY_CALLS | VOUCHER_CALLS | {"payment_notification"},
    "wrong_appid": PAY_CALLS | PAY_NOTICES,
    "wrong_mch": PAY_CALLS | PAY_NOTICES,
    "wrong_amount": frozenset({"orderquery"}) | PAY_NOTICES,
    "trade_state": frozenset({"orderquery"}),
    "order_paid": frozenset({"closeorder"}),
    "not_enough": frozenset({"refund"}),
    "refund_change": frozenset({"refund"}),
    "refund_closed": frozenset({"refund"}),
    "forged_signature": NOTICES,
    "bare": VOUCHER_NOTICES,  # without openid and times, as some documents show it
    "double": NOTICES,
    "concurrent": NOTICES,
    "lost": NOTICES,
    "hmac_notification": frozenset({"payment_notification"}),
    "late_success": frozenset({"pay"}),
    "token_expired": TOKEN_CALLS,
    "busy": PLATFORM_CALLS,
    "errcode": PLATFORM_CALLS,
}
ALIASES: Final = {
    "notification": "payment_notification",
    "payment notification": "payment_notification",
    "refund notification": "refund_notification",
    "cashier": "pay",
}
WHERE: Final = frozenset({"appid", "mch_id", "out_trade_no", "out_refund_no"})
OPTIONS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "seconds": (int, float),  # timeout_after_accepting: hold the caller so long before dropping
    "accepted": bool,  # html_200, http_502, text_200, systemerror, result_fail: done all the same
    "err_code": str,  # result_fail
    "errcode": int,  # errcode
    "copies": int,  # double, concurrent
    "amount": int,  # wrong_amount, in fen; left out, one fen more than the truth
    "state": str,  # trade_state
}


@dataclass
class Fault:
    """One appointment. `times` counts down."""

    match: str
    fault: str
    times: int
    where: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    made_at: float = field(default_factory=clock.now)

    @property
    def accepted(self) -> bool:
        return bool(self.options.get("accepted", False))

    @property
    def seconds(self) -> float:
        return float(self.options.get("seconds", 0))

    @property
    def copies(self) -> int:
        return int(self.options.get("copies", 2 if self.fault == "double" else 3))

    def is_one_of(self, *names: str) -> bool:
        return self.fault in names


def is_fault(fault: Fault | None, *names: str) -> bool:
    """Whether this call goes wrong in one of these ways."""
    return fault is not None and fault.fault in names


class Faults:
    """In order of appointment; the first that matches is used. A restart forgets them."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, wish: Mapping[str, Any]) -> Fault:
        """The next `times` matching calls misbehave.

        Raises: ValueError naming what is unknown or doesn't go together.
        """
        match = wish.get("match")
        name = wish.get("fault")
        times = wish.get("times", 1)
        if not isinstance(match, str) or not isinstance(name, str):
            raise ValueError("match and fault are needed, as text")
        call = match.strip("/").rsplit("/", 1)[-1]
        call = ALIASES.get(call, call)
        if call not in CALLS | NOTICES | {"pay"}:
            known = ", ".join(sorted(CALLS | NOTICES | {"pay"}))
            raise ValueError(f"nothing matches {match!r}; calls: {known}")
        if name not in FAULTS:
            raise ValueError(f"no fault {name!r}; faults: {', '.join(sorted(FAULTS))}")
        if call not in FAULTS[name]:
            raise ValueError(f"{name} goes with {', '.join(sorted(FAULTS[name]))}, not {call}")
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise ValueError("times is a whole number from 1")
        fault = Fault(call, name, times)
        for key, value in wish.items():
            if key in {"match", "fault", "times"}:
                continue
            if key in WHERE and isinstance(value, str):
                fault.where[key] = value
            elif key in OPTIONS and isinstance(value, OPTIONS[key]):
                fault.options[key] = value
            else:
                raise ValueError(f"{key} is unknown or of the wrong type")
        if name == "errcode" and "errcode" not in fault.options:
            raise ValueError("errcode is needed, as a number")
        if name == "trade_state" and "state" not in fault.options:
            raise ValueError("state is needed, as text")
        self._waiting.append(fault)
        return fault

    def take(
        self, call: str, about: Mapping[str, str], *, begun_at: float | None = None
    ) -> Fault | None:
        """The fault this call must show, used up by one; None for the honest answer.

        A fault that names no trade is not for news begun before it was appointed: an old
        notification that is still being retried would use it up.
        """
        for fault in self._waiting:
            if fault.match != call:
                continue
            if begun_at is not None and begun_at < fault.made_at and not fault.where:
                continue
            if any(about.get(key) != value for key, value in fault.where.items()):
                continue
            fault.times -= 1
            if fault.times == 0:
                self._waiting.remove(fault)
            return fault
        return None

    def clear(self) -> None:
        self._waiting.clear()

    def shown(self) -> list[dict[str, Any]]:
        return [
            {"match": f.match, "fault": f.fault, "times": f.times, **f.where, **f.options}
            for f in self._waiting
        ]
