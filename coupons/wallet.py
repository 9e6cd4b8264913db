"""Coupons move here: claimed, held by a purchase, used, given back."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

import orjson
from django.db import IntegrityError, connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.api import KeyReused, NotFound
from backend.errors import DomainError
from backend.money import Fen
from coupons.models import Coupon, CouponStatus, CouponTemplate, CouponUse
from coupons.promotions import Voucher


class SoldOut(DomainError):
    code = "sold_out"
    message = _("All of these coupons have been claimed.")


class ClaimLimitReached(DomainError):
    code = "claim_limit_reached"
    message = _("You have claimed as many of these as you may.")


class NotStarted(DomainError):
    code = "not_started"
    message = _("These coupons can't be claimed yet.")


class Ended(DomainError):
    code = "ended"
    message = _("These coupons can't be claimed any more.")


class CouponUnavailable(DomainError):
    code = "coupon_unavailable"
    message = _("This coupon can't be used now.")


# A hot template is one row: counting it and writing the coupon are one statement, so its lock is
# held for one round trip. The ordinal makes two claims of one customer at once collide.
_CLAIM_SQL: Final = """
WITH mine AS (
    SELECT count(*)::int AS n FROM coupons_coupon
    WHERE merchant_id = %(merchant)s AND template_id = %(template)s AND customer_id = %(customer)s
), given AS (
    UPDATE coupons_coupontemplate t
    SET given = t.given + 1
    FROM mine
    WHERE t.id = %(template)s AND t.merchant_id = %(merchant)s AND t.is_published
      AND t.starts_at <= %(at)s AND t.ends_at > %(at)s
      AND t.given < t.total AND mine.n < t.per_customer
    RETURNING t.id, t.name, t.kind, t.terms, t.valid_from, t.valid_until, t.valid_days, mine.n
), claimed AS (
    INSERT INTO coupons_coupon (merchant_id, template_id, customer_id, ordinal, code, name, kind,
        terms, status, valid_from, valid_until, claimed_at, source, idempotency_key)
    SELECT %(merchant)s, id, %(customer)s, n + 1, %(code)s, name, kind, terms, 'claimed',
        coalesce(valid_from, %(at)s),
        coalesce(valid_until, %(at)s + make_interval(days => valid_days)),
        %(at)s, %(source)s::jsonb, %(key)s
    FROM given
    RETURNING *
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT merchant_id, id, 'claimed', '', '', claimed_at FROM claimed
)
SELECT {claimed} FROM claimed
"""


def claim(
    *,
    merchant: int,
    template: int,
    customer: int,
    key: str | None = None,
    source: Mapping[str, Any] | None = None,
) -> tuple[Coupon, bool]:
    """Put one coupon of a template into a customer's wallet; say whether it is new.

    The same key again gives the first coupon. Nothing is counted when it is refused.

    Locks: the template's row, for one statement.
    Raises: NotFound, NotStarted, Ended, SoldOut, ClaimLimitReached.
    """
    at = timezone.now()
    parameters = {
        "merchant": merchant,
        "template": template,
        "customer": customer,
        "at": at,
        "code": new_code(),
        "source": json.dumps(dict(source or {})),
        "key": key,
    }
    for _attempt in range(3):
        try:
            with rows.alone():
                claimed = rows.read(_CLAIM_SQL, parameters, claimed=Coupon)
        except IntegrityError:
            # The same customer at the same moment: the other one took the ordinal, or the key.
            first = _first(merchant, customer, template, key)
            if first is not None:
                return first, False
            continue
        if claimed:
            return claimed[0][0], True
        break
    first = _first(merchant, customer, template, key)
    if first is not None:
        return first, False
    raise _why_not(merchant, template, customer, at)


def _first(merchant: int, customer: int, template: int, key: str | None) -> Coupon | None:
    """What this Idempotency-Key gave before.

    Raises: KeyReused when that was of another template.
    """
    if key is None:
        return None
    first = Coupon.objects.filter(
        merchant_id=merchant, customer_id=customer, idempotency_key=key
    ).first()
    if first is not None and first.template_id != template:
        raise KeyReused
    return first


def _why_not(merchant: int, template: int, customer: int, at: dt.datetime) -> DomainError:
    """The reason a claim was refused, in the order a shopper would ask."""
    offer = CouponTemplate.objects.filter(
        pk=template, merchant_id=merchant, is_published=True
    ).first()
    if offer is None:
        return NotFound(f"coupon template {template}")
    if at < offer.starts_at:
        return NotStarted(detail={"starts_at": offer.starts_at})
    if at >= offer.ends_at:
        return Ended()
    mine = Coupon.objects.filter(
        merchant_id=merchant, template_id=template, customer_id=customer
    ).count()
    if mine >= offer.per_customer:
        return ClaimLimitReached(detail={"per_customer": offer.per_customer})
    return SoldOut()


def new_code() -> str:
    """A code nobody guesses: 16 characters out of 32 that are not mistaken for one another."""
    return "".join(secrets.choice("23456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _i in range(16))


_USABLE_SQL: Final = """
SELECT id, name, kind, terms FROM coupons_coupon
WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND status = 'claimed'
  AND valid_from <= %(at)s AND valid_until > %(at)s
ORDER BY valid_until, id LIMIT 200
"""


def usable(merchant: int, customer: int, at: dt.datetime) -> list[Voucher]:
    """What lies unused in a wallet and is valid now, soonest to expire first."""
    parameters: dict[str, Any] = {"merchant": merchant, "customer": customer, "at": at}
    with connection.cursor() as cursor:
        cursor.execute(_USABLE_SQL, parameters)
        return [
            Voucher(pk, name, kind, orjson.loads(terms))
            for pk, name, kind, terms in cursor.fetchall()
        ]


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
    if not saved:
        return
    parameters: dict[str, Any] = {
        "merchant": merchant,
        "customer": customer,
        "coupons": list(saved),
        "saved": list(saved.values()),
        "reference": reference,
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_SQL, parameters)
        held = {pk for (pk,) in cursor.fetchall()}
    if missing := set(saved) - held:
        raise CouponUnavailable(f"coupons {sorted(missing)}", detail={"coupon": min(missing)})


_HOLD_SQL: Final = """
WITH mine AS (
    SELECT c.id, w.saved
    FROM unnest(%(coupons)s::bigint[], %(saved)s::bigint[]) AS w(id, saved)
    JOIN coupons_coupon c ON c.id = w.id
    WHERE c.merchant_id = %(merchant)s AND c.customer_id = %(customer)s
    ORDER BY c.id FOR UPDATE OF c
), held AS (
    UPDATE coupons_coupon c SET status = 'held' FROM mine
    WHERE c.id = mine.id AND c.status = 'claimed'
      AND c.valid_from <= %(at)s AND c.valid_until > %(at)s
    RETURNING c.id, mine.saved
), used AS (
    INSERT INTO coupons_couponuse (merchant_id, coupon_id, reference, saved_fen, state, at)
    SELECT %(merchant)s, id, %(reference)s, saved, 'held', %(at)s FROM held
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT %(merchant)s, id, 'held', %(reference)s, '', %(at)s FROM held
)
SELECT id FROM held
"""


def use(merchant: int, reference: str) -> None:
    """What a purchase held is used. Again, it changes nothing.

    Locks: the coupons, by id.
    """
    _finish(merchant, reference, CouponUse.State.USED, CouponStatus.USED, "used")


def let_go(merchant: int, reference: str) -> None:
    """What a purchase held is unused again; its dates go on as they were.

    Locks: the coupons, by id.
    """
    _finish(merchant, reference, CouponUse.State.RETURNED, CouponStatus.CLAIMED, "let_go")


_FINISH_SQL: Final = """
WITH mine AS (
    SELECT c.id
    FROM coupons_couponuse u JOIN coupons_coupon c ON c.id = u.coupon_id
    WHERE u.merchant_id = %(merchant)s AND u.reference = %(reference)s AND u.state = 'held'
    ORDER BY c.id FOR UPDATE OF c
), moved AS (
    UPDATE coupons_coupon c SET status = %(status)s FROM mine
    WHERE c.id = mine.id AND c.status = 'held'
    RETURNING c.id
), ended AS (
    UPDATE coupons_couponuse u SET state = %(state)s FROM moved
    WHERE u.coupon_id = moved.id AND u.reference = %(reference)s AND u.state = 'held'
)
INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
SELECT %(merchant)s, id, %(event)s, %(reference)s, '', now() FROM moved
"""


def _finish(
    merchant: int, reference: str, state: CouponUse.State, status: CouponStatus, event: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            _FINISH_SQL,
            {
                "merchant": merchant,
                "reference": reference,
                "state": state.value,
                "status": status.value,
                "event": event,
            },
        )


def expire(*, at: dt.datetime, limit: int = 1000) -> int:
    """Mark what has run out, for lists; nothing else depends on it. The number marked."""
    due = list(
        Coupon.objects.filter(status=CouponStatus.CLAIMED, valid_until__lte=at)
        .order_by("valid_until")
        .values_list("pk", flat=True)[:limit]
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (UPDATE coupons_coupon SET status = 'expired' WHERE id = ANY(%s)"
            " AND status = 'claimed' AND valid_until <= %s RETURNING id, merchant_id)"
            " INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)"
            " SELECT merchant_id, id, 'expired', '', 'sweep', %s FROM gone",
            [due, at, at],
        )
        return int(cursor.rowcount)


_VOID_SQL: Final = """
WITH gone AS (
    UPDATE coupons_coupon SET status = 'voided'
    WHERE id IN (
        SELECT id FROM coupons_coupon
        WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND status = 'claimed'
        ORDER BY id FOR UPDATE)
    RETURNING id, merchant_id
)
INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
SELECT merchant_id, id, 'voided', %(reference)s, '', %(at)s FROM gone
"""


def void_all(merchant: int, customer: int, *, reference: str = "erased") -> int:
    """A customer's unused coupons are void; again, it changes nothing. The number voided.

    Locks: the coupons, by id.
    """
    parameters: dict[str, Any] = {
        "merchant": merchant,
        "customer": customer,
        "reference": reference,
        "at": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_VOID_SQL, parameters)
        return int(cursor.rowcount)
