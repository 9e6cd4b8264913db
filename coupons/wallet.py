"""Coupons move here: claimed, held by a purchase, used, given back."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.api import KeyReused, NotFound
from backend.errors import DomainError
from backend.money import Fen
from coupons.models import Coupon, CouponEvent, CouponStatus, CouponTemplate, CouponUse


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
SELECT * FROM claimed
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
            with transaction.atomic():
                claimed = list(Coupon.objects.raw(_CLAIM_SQL, parameters))
        except IntegrityError:
            # The same customer at the same moment: the other one took the ordinal, or the key.
            first = _first(merchant, customer, template, key)
            if first is not None:
                return first, False
            continue
        if claimed:
            return claimed[0], True
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


def usable(merchant: int, customer: int, at: dt.datetime) -> list[Coupon]:
    """What lies unused in a wallet and is valid now, soonest to expire first."""
    return list(
        Coupon.objects.filter(
            merchant_id=merchant,
            customer_id=customer,
            status=CouponStatus.CLAIMED,
            valid_from__lte=at,
            valid_until__gt=at,
        ).order_by("valid_until", "pk")[:200]
    )


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
    for pk in sorted(saved):
        held = Coupon.objects.filter(
            pk=pk,
            merchant_id=merchant,
            customer_id=customer,
            status=CouponStatus.CLAIMED,
            valid_from__lte=at,
            valid_until__gt=at,
        ).update(status=CouponStatus.HELD)
        if not held:
            raise CouponUnavailable(f"coupon {pk}", detail={"coupon": pk})
        CouponUse.objects.create(
            merchant_id=merchant, coupon_id=pk, reference=reference, saved_fen=saved[pk]
        )
        _note(merchant, pk, "held", reference)


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


def _finish(
    merchant: int, reference: str, state: CouponUse.State, status: CouponStatus, event: str
) -> None:
    held: Iterable[int] = CouponUse.objects.filter(
        merchant_id=merchant, reference=reference, state=CouponUse.State.HELD
    ).values_list("coupon_id", flat=True)
    with transaction.atomic():
        for pk in sorted(held):
            moved = Coupon.objects.filter(pk=pk, status=CouponStatus.HELD).update(status=status)
            if moved:
                CouponUse.objects.filter(
                    coupon_id=pk, reference=reference, state=CouponUse.State.HELD
                ).update(state=state)
                _note(merchant, pk, event, reference)


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


def _note(merchant: int, coupon: int, event: str, reference: str) -> None:
    CouponEvent.objects.create(
        merchant_id=merchant, coupon_id=coupon, event=event, reference=reference
    )


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
