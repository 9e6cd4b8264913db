"""A coupon moves by a table: held by a purchase, used, redeemed, given back, expired, voided. A
promotion's use is marked with those of the purchase's coupons.

These statements are the only writers of `Coupon.status`. Each moves the coupon, its use and its
history together, and again changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from django.db import connection
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.money import Fen
from coupons.models import Coupon, CouponStatus, CouponUse
from coupons.promotions import Voucher


class CouponUnavailable(DomainError):
    code = "coupon_unavailable"
    message = _("This coupon can't be used now.")


class Event(StrEnum):
    """What happens to a coupon after it was claimed, as its history says it."""

    HOLD = "held"
    LET_GO = "let_go"
    USE = "used"
    REDEEM = "redeemed"
    UNDO = "undone"
    GIVE_BACK = "given_back"
    EXPIRE = "expired"
    VOID = "voided"
    PASS_ON = "passed"  # noqa: S105


@dataclass(frozen=True)
class Step:
    """From which status, to which; and whether only within the coupon's dates."""

    source: CouponStatus
    target: CouponStatus
    while_valid: bool = False
    told: str = ""  # what WeChat is told of it, where the coupon lies in a card pack


TRANSITIONS: Final[dict[Event, Step]] = {
    Event.HOLD: Step(CouponStatus.CLAIMED, CouponStatus.HELD, while_valid=True),
    Event.LET_GO: Step(CouponStatus.HELD, CouponStatus.CLAIMED),
    Event.USE: Step(CouponStatus.HELD, CouponStatus.USED, told="use"),
    Event.REDEEM: Step(CouponStatus.CLAIMED, CouponStatus.USED, while_valid=True, told="use"),
    Event.UNDO: Step(CouponStatus.USED, CouponStatus.CLAIMED, told="return"),
    Event.GIVE_BACK: Step(CouponStatus.USED, CouponStatus.CLAIMED, told="return"),
    Event.EXPIRE: Step(CouponStatus.CLAIMED, CouponStatus.EXPIRED),
    Event.VOID: Step(CouponStatus.CLAIMED, CouponStatus.VOIDED, told="deactivate"),
    Event.PASS_ON: Step(
        CouponStatus.CLAIMED, CouponStatus.PASSED, while_valid=True, told="deactivate"
    ),
}

_APPLICABLE_SQL: Final = """
(SELECT id, name, kind, terms, false, CASE WHEN valid_from > %(at)s THEN valid_from END, valid_until
 FROM coupons_coupon
 WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND status = 'claimed'
   AND valid_until > %(at)s
 ORDER BY id <> ALL(%(named)s::bigint[]), valid_until, id LIMIT 200)
UNION ALL
(SELECT id, name, kind, terms, true, NULL, ends_at FROM coupons_coupontemplate
 WHERE merchant_id = %(merchant)s AND is_published AND way = 'automatic'
   AND starts_at <= %(at)s AND ends_at > %(at)s
 ORDER BY ends_at, id LIMIT 50)  -- the desk publishes no more
ORDER BY 5, 7, 1
"""


def applicable(
    merchant: int, customer: int, at: dt.datetime, named: Iterable[int] = ()
) -> list[Voucher]:
    """What may make a basket cheaper: what lies unused in the wallet, soonest to expire first, then
    the shop's automatic promotions, soonest to end first.

    Of a wallet 200 are looked at, those that are `named` before others.
    """
    parameters: dict[str, Any] = {
        "merchant": merchant,
        "customer": customer,
        "at": at,
        "named": list(named),
    }
    with connection.cursor() as cursor:
        cursor.execute(_APPLICABLE_SQL, parameters)
        return [
            Voucher(pk, name, kind, orjson.loads(terms), automatic, begins)
            for pk, name, kind, terms, automatic, begins, _ends in cursor.fetchall()
        ]


# What WeChat must hear is written with what it must hear of; `coupons.cards` tells it.
_TOLD_SQL: Final = """
, told AS (
    INSERT INTO coupons_cardreport (merchant_id, card_id, call, request_no, at, act_at, tries,
        error)
    SELECT k.merchant_id, k.id, %(told)s, replace(gen_random_uuid()::text, '-', ''), %(at)s,
        %(at)s, 0, ''
    FROM moved JOIN coupons_card k ON k.coupon_id = moved.id
)"""


def check_usable(coupon: Coupon, at: dt.datetime) -> None:
    """Refuse a coupon that is not unused and valid at a moment.

    Raises: CouponUnavailable.
    """
    if coupon.status != CouponStatus.CLAIMED or not coupon.valid_from <= at < coupon.valid_until:
        raise CouponUnavailable(f"coupon {coupon.pk}", detail={"coupon": coupon.pk})


def _moved(sql: str, event: Event, values: Mapping[str, Any]) -> set[int]:
    """The coupons that a statement moved by this step of the table."""
    step = TRANSITIONS[event]
    named = {"event": event.value, "source": step.source.value, "target": step.target.value}
    if step.told:
        named["told"] = step.told
    sql = sql.format(told=_TOLD_SQL if step.told else "")
    with connection.cursor() as cursor:
        cursor.execute(sql, {**named, **values})
        return {pk for (pk,) in cursor.fetchall()}


# What a coupon was put to. Only while it is valid: expiry is a fact of the clock.
_TAKE_SQL: Final = """
WITH mine AS (
    SELECT c.id, w.saved
    FROM unnest(%(coupons)s::bigint[], %(saved)s::bigint[]) AS w(id, saved)
    JOIN coupons_coupon c ON c.id = w.id
    WHERE c.merchant_id = %(merchant)s AND c.customer_id = %(customer)s
    ORDER BY c.id FOR UPDATE OF c
), moved AS (
    UPDATE coupons_coupon c SET status = %(target)s FROM mine
    WHERE c.id = mine.id AND c.status = %(source)s
      AND c.valid_from <= %(at)s AND c.valid_until > %(at)s
    RETURNING c.id, mine.saved
), used AS (
    INSERT INTO coupons_couponuse (merchant_id, coupon_id, reference, saved_fen, state, at)
    SELECT %(merchant)s, id, %(reference)s, saved, %(target)s, %(at)s FROM moved
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT %(merchant)s, id, %(event)s, %(reference)s, %(by)s, %(at)s FROM moved
){told}
SELECT id FROM moved
"""


def _take(event: Event, saved: Mapping[int, Fen], **values: Any) -> None:
    taken = _moved(
        _TAKE_SQL, event, {"coupons": list(saved), "saved": list(saved.values()), **values}
    )
    if missing := set(saved) - taken:
        raise CouponUnavailable(f"coupons {sorted(missing)}", detail={"coupon": min(missing)})


def hold(
    *,
    merchant: int,
    customer: int,
    saved: Mapping[int, Fen],
    reference: str,
    at: dt.datetime,
) -> None:
    """Set coupons aside for a purchase: each was unused and valid, or nothing is held.

    Locks: the coupons, by id. Callers hold a transaction.
    Raises: CouponUnavailable.
    """
    if saved:
        _take(
            Event.HOLD, saved, merchant=merchant, customer=customer, reference=reference, at=at,
            by="",
        )  # fmt: skip


def redeem(
    *,
    merchant: int,
    customer: int,
    coupon: int,
    saved: Fen,
    reference: str,
    by: str,
    at: dt.datetime,
) -> None:
    """A coupon is used at the counter: it was unused and valid.

    Locks: the coupon. Callers hold a transaction.
    Raises: CouponUnavailable.
    """
    _take(
        Event.REDEEM, {coupon: saved}, merchant=merchant, customer=customer, reference=reference,
        at=at, by=by,
    )  # fmt: skip


# What becomes of the coupons that were put to one purchase or redemption, and of those uses.
# `by_rule`: only as the coupon's terms say, see `coupons.promotions.scope`.
_FINISH_SQL: Final = """
WITH mine AS (
    SELECT c.id
    FROM coupons_couponuse u JOIN coupons_coupon c ON c.id = u.coupon_id
    WHERE u.merchant_id = %(merchant)s AND u.reference = %(reference)s AND u.state = %(source)s
    ORDER BY c.id FOR UPDATE OF c
), moved AS (
    UPDATE coupons_coupon c
    SET status = %(target)s,
        valid_until = CASE WHEN %(by_rule)s AND c.terms ? 'grace_days'
            THEN greatest(c.valid_until,
                          %(at)s + make_interval(days => (c.terms->>'grace_days')::int))
            ELSE c.valid_until END
    FROM mine
    WHERE c.id = mine.id AND c.status = %(source)s
      AND (NOT %(by_rule)s OR coalesce(c.terms->>'given_back', '') <> 'never'
           AND (c.valid_until > %(at)s OR c.terms ? 'grace_days'))
    RETURNING c.id
), ended AS (
    UPDATE coupons_couponuse u SET state = %(state)s FROM moved
    WHERE u.coupon_id = moved.id AND u.reference = %(reference)s AND u.state = %(source)s
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT %(merchant)s, id, %(event)s, %(reference)s, %(by)s, %(at)s FROM moved
){more}{{told}}
SELECT id FROM moved
"""
_END_SQL: Final = _FINISH_SQL.format(more="")
_USE_SQL: Final = _FINISH_SQL.format(
    more=""", promoted AS (
    UPDATE coupons_promotionuse SET used_at = %(at)s
    WHERE merchant_id = %(merchant)s AND reference = %(reference)s AND used_at IS NULL
)"""
)


def _finish(
    event: Event,
    state: CouponUse.State,
    *,
    merchant: int,
    reference: str,
    at: dt.datetime,
    by: str = "",
) -> set[int]:
    values = {
        "merchant": merchant,
        "reference": reference,
        "state": state.value,
        "by_rule": event is Event.GIVE_BACK,
        "at": at,
        "by": by,
    }
    return _moved(_USE_SQL if event is Event.USE else _END_SQL, event, values)


def use(merchant: int, reference: str, *, at: dt.datetime) -> None:
    """What a purchase held is used, and so are its promotions. Again, it changes nothing.

    Locks: the coupons, by id; the purchase's promotion uses.
    """
    _finish(Event.USE, CouponUse.State.USED, merchant=merchant, reference=reference, at=at)


def let_go(merchant: int, reference: str, *, at: dt.datetime) -> None:
    """What a purchase held is unused again; its dates go on as they were.

    Locks: the coupons, by id.
    """
    _finish(Event.LET_GO, CouponUse.State.RETURNED, merchant=merchant, reference=reference, at=at)


def undo(merchant: int, reference: str, *, by: str, at: dt.datetime) -> bool:
    """What was redeemed at the counter is unused again; say whether anything was.

    Locks: the coupon.
    """
    returned = CouponUse.State.RETURNED
    return bool(_finish(Event.UNDO, returned, merchant=merchant, reference=reference, by=by, at=at))


def give_back(merchant: int, reference: str, *, at: dt.datetime) -> set[int]:
    """A purchase was wholly refunded: its coupons come back as their terms say; which did.

    "Wholly" means every order that took a share of it: the caller's to know. A coupon whose terms
    say never, or that ran out and has no days of grace, stays used.

    Locks: the coupons, by id.
    """
    returned = CouponUse.State.RETURNED
    return _finish(Event.GIVE_BACK, returned, merchant=merchant, reference=reference, at=at)


_LEAVE_SQL: Final = """
WITH mine AS (
    SELECT c.id FROM coupons_coupon c
    WHERE {which} AND c.status = %(source)s ORDER BY c.id FOR UPDATE
), moved AS (
    UPDATE coupons_coupon c SET status = %(target)s FROM mine
    WHERE c.id = mine.id AND c.status = %(source)s {still}
    RETURNING c.id, c.merchant_id
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT merchant_id, id, %(event)s, %(reference)s, %(by)s, %(at)s FROM moved
){{told}}
SELECT id FROM moved
"""
_EXPIRE_SQL: Final = _LEAVE_SQL.format(
    which="""c.id IN (SELECT id FROM coupons_coupon WHERE status = 'claimed'
        AND valid_until <= %(at)s ORDER BY valid_until LIMIT %(limit)s)""",
    still="AND c.valid_until <= %(at)s",
)
_OWN_SQL: Final = "c.merchant_id = %(merchant)s AND c.customer_id = %(customer)s"
_VOID_ALL_SQL: Final = _LEAVE_SQL.format(which=_OWN_SQL, still="")
_VOID_SQL: Final = _LEAVE_SQL.format(
    which="c.merchant_id = %(merchant)s AND c.id = ANY(%(coupons)s)", still=""
)
_PASS_SQL: Final = _LEAVE_SQL.format(
    which=f"{_OWN_SQL} AND c.id = %(coupon)s",
    still="AND c.valid_from <= %(at)s AND c.valid_until > %(at)s",
)


def expire(*, at: dt.datetime, limit: int = 1000) -> int:
    """Mark what has run out, for lists; nothing else depends on it. The number marked."""
    values = {"at": at, "limit": limit, "reference": "", "by": "sweep"}
    return len(_moved(_EXPIRE_SQL, Event.EXPIRE, values))


def void(merchant: int, coupons: Iterable[int], *, by: str, reason: str, at: dt.datetime) -> int:
    """Unused coupons are void; those held or used stay as they are. The number voided.

    Locks: the coupons, by id.
    """
    values = {
        "merchant": merchant,
        "coupons": list(coupons),
        "by": by,
        "reference": reason[:40],
        "at": at,
    }
    return len(_moved(_VOID_SQL, Event.VOID, values))


def void_all(merchant: int, customer: int, *, at: dt.datetime, reference: str = "erased") -> int:
    """A customer's unused coupons are void; again, it changes nothing. The number voided.

    Locks: the coupons, by id.
    """
    values: dict[str, Any] = {
        "merchant": merchant,
        "customer": customer,
        "reference": reference,
        "by": "",
        "at": at,
    }
    return len(_moved(_VOID_ALL_SQL, Event.VOID, values))


def pass_on(*, merchant: int, customer: int, coupon: int, reference: str, at: dt.datetime) -> None:
    """An unused, valid coupon leaves its customer's wallet for a friend's.

    Locks: the coupon. Callers hold a transaction.
    Raises: CouponUnavailable.
    """
    values = {
        "merchant": merchant,
        "customer": customer,
        "coupon": coupon,
        "reference": reference,
        "by": "shopper",
        "at": at,
    }
    if not _moved(_PASS_SQL, Event.PASS_ON, values):
        raise CouponUnavailable(f"coupon {coupon}", detail={"coupon": coupon})
