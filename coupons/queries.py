"""Looking coupons up: what is on offer, and what lies in a wallet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

import orjson
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from backend.api import PAGE_SIZE, decode_cursor
from backend.errors import NotFound
from coupons import offers, promotions
from coupons.claiming import midnight
from coupons.models import Coupon, CouponStatus, CouponTemplate, Way
from shop.catalogue import categories_of
from shop.models import Customer, Sku

# Expiry is a fact of the clock: what has run out is expired, swept or not.
_TABS: Final[dict[str, str]] = {
    "usable": "c.status = 'claimed' AND c.valid_until > %(at)s",
    "held": "c.status = 'held'",
    "used": "c.status = 'used'",
    "expired": "c.status IN ('expired', 'voided', 'passed')"
    " OR (c.status = 'claimed' AND c.valid_until <= %(at)s)",
}
TABS: Final = tuple(_TABS)

_WALLET_SQL: Final = """
SELECT c.id, c.template_id, c.name, c.kind, c.terms, c.status, c.code, c.valid_from, c.valid_until,
    c.claimed_at
FROM coupons_coupon c
WHERE c.merchant_id = %(merchant)s AND c.customer_id = %(customer)s
  AND (%(before)s::bigint IS NULL OR c.id < %(before)s) AND ({where})
ORDER BY c.id DESC LIMIT %(limit)s
"""


def offered(merchant: int, at: dt.datetime) -> QuerySet[CouponTemplate]:
    """What may be claimed now, soonest to end first."""
    return (
        CouponTemplate.objects.prefetch_related("lots")
        .filter(
            merchant_id=merchant,
            is_published=True,
            way=Way.CLAIM,
            starts_at__lte=at,
            ends_at__gt=at,
        )
        .order_by("ends_at", "pk")
    )


def about(templates: Iterable[CouponTemplate], merchant: int, product: int) -> list[CouponTemplate]:
    """Those of the templates that are for a product: what its page offers.

    Raises: NotFound.
    """
    skus = list(
        Sku.objects.filter(merchant_id=merchant, product_id=product).values_list("pk", flat=True)
    )
    if not skus:
        raise NotFound(f"product {product}")
    categories = categories_of(merchant, [product]).get(product, ())
    return [
        template
        for template in templates
        if promotions.about(
            template.kind, template.terms, product=product, skus=skus, categories=categories
        )
    ]


def claimed(
    customer: Customer, templates: list[int], at: dt.datetime
) -> dict[int, tuple[int, int]]:
    """How many of each template this customer has had: in all, and today."""
    rows = (
        Coupon.objects.filter(
            merchant_id=customer.merchant_id, customer_id=customer.pk, template_id__in=templates
        )
        .values_list("template_id")
        .annotate(n=Count("pk"), today=Count("pk", filter=Q(claimed_at__gte=midnight(at))))
    )
    return {template: (n, today) for template, n, today in rows}


def claimable(template: CouponTemplate, had: tuple[int, int], at: dt.datetime) -> bool:
    """Whether a claim of an offered template would be taken now, in a store that has some.

    The claim itself asks again: `coupons.claiming`.
    """
    each_day = template.per_customer_per_day
    return (
        template.remaining > 0
        and had[0] < template.per_customer
        and (each_day is None or had[1] < each_day)
        and not offers.is_over_today(template, template.lots.all(), timezone.localdate(at))
    )


def wallet_page(
    customer: Customer, tab: str, cursor: str | None, at: dt.datetime
) -> list[dict[str, Any]]:
    """A page of a wallet and one row more, newest first.

    Raises: BadCursor.
    """
    parameters = {
        "merchant": customer.merchant_id,
        "customer": customer.pk,
        "at": at,
        "before": decode_cursor(cursor, int)[0] if cursor else None,
        "limit": PAGE_SIZE + 1,
    }
    with connection.cursor() as db:
        db.execute(_WALLET_SQL.format(where=_TABS[tab]), parameters)
        return [
            _shape(pk, template, name, kind, orjson.loads(terms), *rest, at=at)
            for pk, template, name, kind, terms, *rest in db.fetchall()
        ]


def usable_count(customer: Customer, at: dt.datetime) -> int:
    """How many coupons of a wallet can be used now or later."""
    return Coupon.objects.filter(
        Q(valid_until__gt=at),
        merchant_id=customer.merchant_id,
        customer_id=customer.pk,
        status=CouponStatus.CLAIMED,
    ).count()


def one(customer: Customer, pk: int) -> Coupon:
    """A coupon of the customer's.

    Raises: NotFound.
    """
    found = Coupon.objects.filter(
        pk=pk, merchant_id=customer.merchant_id, customer_id=customer.pk
    ).first()
    if found is None:
        raise NotFound(f"coupon {pk}")
    return found


def shape_of(coupon: Coupon, at: dt.datetime) -> dict[str, Any]:
    """A coupon as a shopper sees it."""
    return _shape(
        coupon.pk, coupon.template_id, coupon.name, coupon.kind, coupon.terms, coupon.status,
        coupon.code, coupon.valid_from, coupon.valid_until, coupon.claimed_at, at=at,
    )  # fmt: skip


def _shape(
    pk: int,
    template: int,
    name: str,
    kind: str,
    terms: Any,
    written: str,
    code: str,
    valid_from: dt.datetime,
    valid_until: dt.datetime,
    claimed_at: dt.datetime,
    *,
    at: dt.datetime,
) -> dict[str, Any]:
    ran_out = written == CouponStatus.CLAIMED and valid_until <= at
    status = CouponStatus.EXPIRED if ran_out else CouponStatus(written)
    return {
        "id": pk,
        "template": template,
        "name": name,
        "kind": kind,
        "text": promotions.text(kind, terms),
        "terms": terms,
        "status": status.value,
        "status_text": status.label,
        "code": code,
        "valid_from": valid_from,
        "valid_until": valid_until,
        "claimed_at": claimed_at,
    }
