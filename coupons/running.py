"""Promotions that nobody claims: which run, which goods they are for, what comes along."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import NotFound
from coupons import promotions
from coupons.models import CouponTemplate, Way
from coupons.promotions import Gift, scope
from shop.catalogue import picture_url
from shop.goods import Goods
from shop.models import Sku

# So many may run at once: every quote weighs them, and `coupons.wallet` reads no more.
MOST: Final = 50
# What becomes of a coupon in a wallet.
_OF_COUPONS: Final = frozenset({"personal", "given_back", "grace_days"})


def check(kind: str, way: str, terms: Mapping[str, Any]) -> None:
    """Refuse terms that a promotion has no coupon for, and gifts that would need one.

    Raises: ValidationError, at the field.
    """
    if way != Way.AUTOMATIC:
        if kind == Gift.KIND:
            raise ValidationError({"kind": _("A gift comes along by itself: nobody claims it.")})
        return
    if known := sorted(_OF_COUPONS.intersection(terms)):
        names = ", ".join(known)
        raise ValidationError({"terms": _("Only for coupons: %(names)s") % {"names": names}})
    if "promotion" in terms.get("not_with", ()):
        raise ValidationError({"terms": _("Promotions are kept apart by their groups.")})
    if kind == Gift.KIND and terms.get("exclusive"):
        raise ValidationError({"terms": _("Gifts are kept apart by their groups.")})
    if kind == Gift.KIND and "store_percent" in terms:
        raise ValidationError({"terms": _("Nobody bears a part of a gift: it takes nothing off.")})


_RUNNING_SQL: Final = """
SELECT id, name, kind, terms, ends_at FROM coupons_coupontemplate
WHERE merchant_id = %s AND is_published AND way = 'automatic' AND starts_at <= %s AND ends_at > %s
ORDER BY ends_at, id
"""


def has_room(template: CouponTemplate) -> bool:
    """Whether as many may be published as there are, at no time of this one's more than `MOST`.

    Counted roughly: all that run at some time of it.
    """
    others = CouponTemplate.objects.filter(
        merchant_id=template.merchant_id, is_published=True, way=Way.AUTOMATIC,
        starts_at__lt=template.ends_at, ends_at__gt=template.starts_at,
    ).exclude(pk=template.pk)  # fmt: skip
    return others.count() < MOST


def about(
    merchant: int,
    at: dt.datetime,
    *,
    product: int,
    skus: Iterable[int],
    categories: tuple[int, ...],
    store: int | None,
) -> list[dict[str, Any]]:
    """Those that run now and are for a product, in this store or in any, soonest to end first: what
    its page says.
    """
    own = list(skus)
    with connection.cursor() as cursor:
        cursor.execute(_RUNNING_SQL, [merchant, at, at])
        running = [(*row[:3], orjson.loads(row[3]), row[4]) for row in cursor.fetchall()]
    return [
        {**shape(pk, name, kind, terms), "ends_at": ends_at}
        for pk, name, kind, terms, ends_at in running
        if promotions.about(
            kind, terms, product=product, skus=own, categories=categories, store=store
        )
    ]


def one(merchant: int, pk: int) -> CouponTemplate:
    """A promotion that is published and has begun; when it is over, old links lead to it.

    Raises: NotFound.
    """
    found = CouponTemplate.objects.filter(
        pk=pk, merchant_id=merchant, way=Way.AUTOMATIC, is_published=True,
        starts_at__lte=timezone.now(),
    ).first()  # fmt: skip
    if found is None:
        raise NotFound(f"promotion {pk}")
    return found


def is_for(template: CouponTemplate, store: int | None) -> bool:
    """Whether it is for a store's goods at all."""
    return store is None or store in template.terms.get("stores", [store])


def goods(template: CouponTemplate) -> Goods:
    """The goods it is for."""
    terms = template.terms
    named = {name: tuple(terms[name]) for name in scope.GOODS if name in terms}
    return Goods(**named, only=promotions.own_skus(template.kind, terms))


def gift(template: CouponTemplate) -> dict[str, Any] | None:
    """What comes along with its goods, if anything does."""
    if template.kind != Gift.KIND:
        return None
    sku = (
        Sku.objects.filter(merchant_id=template.merchant_id, pk=template.terms["sku"])
        .select_related("product")
        .first()
    )
    if sku is None:
        return None
    pictures = sku.product.pictures
    return {
        "sku": sku.pk,
        "product": sku.product_id,
        "name": sku.product.name,
        "picture": picture_url(sku.picture or (pictures[0] if pictures else "")),
        "specs": [
            {"name": spec["name"], "value": value}
            for spec, value in zip(sku.product.specs, sku.spec_values, strict=False)
        ],
        "quantity": template.terms.get("units", 1),
    }


def shape(pk: int, name: str, kind: str, terms: Mapping[str, Any]) -> dict[str, Any]:
    """A promotion wherever it is named."""
    return {"id": pk, "name": name, "kind": kind, "text": promotions.text(kind, terms)}
