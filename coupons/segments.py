"""A segment: which customers a grant means, as a filter that can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

MOST: Final = 2**53
MOST_DAYS: Final = 3650
MOST_WORDS: Final = 50


class Asks(Enum):
    """What a filter asks for."""

    WORDS = auto()
    YES_OR_NO = auto()
    COUNT = auto()
    FEN = auto()
    DAYS = auto()
    STORE = auto()


@dataclass(frozen=True)
class Filter:
    """What it asks for, how it reads, and the condition on a customer `c` that it makes."""

    asks: Asks
    label: _StrPromise
    sql: str


FILTERS: Final[Mapping[str, Filter]] = {
    "tags": Filter(Asks.WORDS, _("with one of these tags"), "c.tags && %(tags)s::varchar[]"),
    "has_phone": Filter(
        Asks.YES_OR_NO, _("with a verified phone"), "(c.phone IS NOT NULL) = %(has_phone)s"
    ),
    "joined_within_days": Filter(
        Asks.DAYS,
        _("joined within the last days"),
        "c.created_at >= %(at)s - make_interval(days => %(joined_within_days)s)",
    ),
    "last_store": Filter(
        Asks.STORE, _("bought last from this store"), "c.last_store_id = %(last_store)s"
    ),
    "paid_within_days": Filter(
        Asks.DAYS,
        _("bought within the last days"),
        "c.last_paid_at >= %(at)s - make_interval(days => %(paid_within_days)s)",
    ),
    "not_paid_for_days": Filter(
        Asks.DAYS,
        _("bought nothing for days"),
        "(c.last_paid_at IS NULL"
        " OR c.last_paid_at < %(at)s - make_interval(days => %(not_paid_for_days)s))",
    ),
    "paid_purchases_from": Filter(
        Asks.COUNT, _("purchases, at least"), "c.paid_purchases >= %(paid_purchases_from)s"
    ),
    "paid_purchases_to": Filter(
        Asks.COUNT, _("purchases, at most"), "c.paid_purchases <= %(paid_purchases_to)s"
    ),
    "spent_from_fen": Filter(
        Asks.FEN, _("spent, at least (fen)"), "c.spent_fen >= %(spent_from_fen)s"
    ),
    "spent_to_fen": Filter(Asks.FEN, _("spent, at most (fen)"), "c.spent_fen <= %(spent_to_fen)s"),
    "has_unused_coupon": Filter(
        Asks.YES_OR_NO,
        _("with an unused coupon"),
        "EXISTS (SELECT 1 FROM coupons_coupon w WHERE w.customer_id = c.id"
        " AND w.status = 'claimed' AND w.valid_until > %(at)s) = %(has_unused_coupon)s",
    ),
}


def _fits(asks: Asks, value: Any) -> bool:
    match asks:
        case Asks.YES_OR_NO:
            return type(value) is bool
        case Asks.WORDS:
            return (
                isinstance(value, list)
                and 1 <= len(value) <= MOST_WORDS
                and all(isinstance(one, str) and 0 < len(one) <= 24 for one in value)
                and not any("\x00" in one for one in value)
            )
        case Asks.DAYS:
            return type(value) is int and 1 <= value <= MOST_DAYS
    return type(value) is int and 0 <= value <= MOST


def check(segment: Any) -> None:
    """Refuse a segment that isn't understood. An empty one means every customer.

    Raises: ValidationError, at the field.
    """
    if not isinstance(segment, dict):
        raise ValidationError({"segment": _("A segment is names and values.")})
    for name, value in segment.items():
        if name not in FILTERS or not _fits(FILTERS[name].asks, value):
            raise ValidationError({"segment": _("%(name)s is not understood.") % {"name": name}})


def condition(segment: Mapping[str, Any]) -> str:
    """The segment as SQL on a customer `c`; its values are named as its filters are."""
    return " AND ".join(["c.erased_at IS NULL", *(FILTERS[name].sql for name in segment)])
