"""Habits of WeChat that are disputed or slow, each with a switch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

CHOICES: Final[Mapping[str, tuple[str, str]]] = {
    "early_close": ("accept", "refuse"),
    "refund_spacing": ("on", "off"),
    "short_expiry": ("refuse", "accept"),
    "expired_payment": ("refuse", "accept"),
    "lengths": ("bytes", "characters"),
}


@dataclass(frozen=True)
class Rules:
    """What the sandbox insists on. Waits are WeChat's own, divided by `speed`."""

    speed: float = 1.0
    early_close: str = "accept"  # refuse: no close in a trade's first five minutes
    refund_spacing: str = "on"  # a minute between two refunds of one trade
    short_expiry: str = "refuse"  # JSAPI orders that live less than five minutes
    expired_payment: str = "refuse"  # a shopper who pays after time_expire
    lengths: str = "bytes"  # how body, attach, refund_desc are measured
    refund_seconds: float = 3.0  # from PROCESSING to SUCCESS
    pages: list[str] | None = None  # released pages, for check_path; None knows them all

    def wait(self, seconds: float) -> float:
        """How long a wait of WeChat's lasts here."""
        return seconds / self.speed

    def changed(self, wishes: Mapping[str, Any]) -> "Rules":
        """The rules with these switches set.

        Raises: ValueError naming the switch that doesn't exist or can't be set so.
        """
        known = {field.name for field in fields(self)}
        for name, value in wishes.items():
            if name not in known:
                raise ValueError(f"no rule {name!r}; rules: {', '.join(sorted(known))}")
            if name in CHOICES and value not in CHOICES[name]:
                raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}")
            if name in {"speed", "refund_seconds"} and not _is_positive(value, name == "speed"):
                raise ValueError(f"{name} is a positive number")
            if name == "pages" and not (value is None or _is_texts(value)):
                raise ValueError("pages is null or a list of page paths")
        return replace(self, **wishes)

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def _is_positive(value: object, zero_excluded: bool) -> bool:  # noqa: FBT001
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value > 0 or (value == 0 and not zero_excluded)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
