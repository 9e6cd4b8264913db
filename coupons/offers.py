"""How many of a template may be given, dealt out to lots: rows that are counted side by side.

A template that gives many has sixteen lots, so that a rush doesn't queue at one row; a small one,
and one with a limit per day, which is kept exactly, has one. `docs/decisions/vouchers.md` has the
measurements.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, split_fen
from coupons import promotions
from coupons.models import CouponLot, CouponTemplate, Way

MOST: Final = 100_000_000
# The ways of templates that we give ourselves; staff may give any of them. What WeChat gives it
# counts too, and nobody else may; of what is automatic there is none to give.
WAYS: Final = (Way.CLAIM, Way.CODE, Way.GRANT, Way.SIGN_IN, Way.PAYMENT)
_LOTS: Final = 16
# Below it nobody waits long for one row, and the last vouchers are found at once.
_MANY: Final = 1000


def allowance(template: CouponTemplate) -> int:
    """How many may be given: the total, or fewer where the budget covers fewer."""
    if template.budget_fen is None:
        return template.total
    most = promotions.PROMOTIONS[template.kind].most(template.terms)
    if most is None:
        raise ValidationError({"budget_fen": _("These terms set no bound to what is taken off.")})
    return min(template.total, int(template.budget_fen) // int(most))


@transaction.atomic
def deal(template: CouponTemplate) -> None:
    """The template's lots share out what it may give. Again, it changes nothing.

    Call it whenever a template is made, or its total, budget or daily limit is changed.

    Locks: the template, then its lots, by number.
    Raises: ValidationError when more have been given than that.
    """
    row = CouponTemplate.objects.select_for_update().get(pk=template.pk)
    may = allowance(row)
    lots = list(row.lots.select_for_update().order_by("number"))
    given = sum(lot.given for lot in lots)
    if may < given:
        raise ValidationError(
            {"total": _("%(count)s have been given.") % {"count": given}},
        )
    wanted = _LOTS if may >= _MANY and row.per_day is None else 1
    for number in range(len(lots), wanted):
        lots.append(CouponLot(merchant_id=row.merchant_id, template=row, number=number))
    # Lots that are too many now keep what they gave, and give no more.
    free = split_fen(Fen(may - given), [1] * wanted) + [Fen(0)] * (len(lots) - wanted)
    if row.per_day is not None:
        _count_the_day(lots)
    for lot, more in zip(lots, free, strict=True):
        lot.share = lot.given + int(more)
        known = ["share", "day", "given_that_day"]
        lot.save(update_fields=None if lot._state.adding else known)


def _count_the_day(lots: list[CouponLot]) -> None:
    """A limit per day is kept by the first lot alone: it knows what the others gave on that day."""
    last = max((lot.day for lot in lots if lot.day), default=None)
    if last is None:
        return
    that_day = sum(lot.given_that_day for lot in lots if lot.day == last)
    for lot in lots:
        lot.day, lot.given_that_day = last, that_day if lot is lots[0] else 0


def fullest_lot(template: CouponTemplate) -> CouponLot | None:
    """The lot that has most left, locked; its last may just have been taken. None: no lot has any.

    Locks: that lot, and no other: it is chosen before it is locked.
    """
    chosen = (
        CouponLot.objects.filter(template=template, given__lt=F("share"))
        .order_by(F("given") - F("share"), "number")
        .values_list("pk", flat=True)
        .first()
    )
    if chosen is None:
        return None
    return CouponLot.objects.select_for_update(no_key=True).filter(pk=chosen).first()


def left_in(lot: CouponLot, template: CouponTemplate, today: dt.date) -> int:
    """How many a lot may still give, in all and today."""
    left = lot.share - lot.given
    if template.per_day is None:
        return left
    return max(0, min(left, template.per_day - _given_on(lot, today)))


def is_over_today(template: CouponTemplate, lots: Iterable[CouponLot], today: dt.date) -> bool:
    """Whether the template's limit of the day is reached; without one, never."""
    most = template.per_day
    return most is not None and all(
        _given_on(lot, today) >= most for lot in lots if lot.given < lot.share
    )


def _given_on(lot: CouponLot, today: dt.date) -> int:
    """What a lot gave that day; a clock that is behind counts on the day the lot has come to."""
    return lot.given_that_day if lot.day is not None and lot.day >= today else 0
