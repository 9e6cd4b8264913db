"""Coupons that come by themselves: at the first sign-in, after a payment, after a review.

Each has a key of its own, so that a sweep may find the same occasion twice and gives once.
"""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone

from backend.money import Fen
from coupons import cards, claiming, grants
from coupons.models import CouponTemplate, Way
from shop.models import Customer


def greet(customer_id: int) -> int:
    """A customer who is new, or whose phone is, has what waited for them; how many welcomed them.

    Again, or twice at once, it gives nothing more: each of them has a key.

    Locks: one of a template's lots at a time.
    """
    customer = Customer.objects.filter(
        pk=customer_id, greet_at__isnull=False, erased_at=None
    ).first()
    if customer is None:
        return 0
    cards.land(customer)
    again = grants.land(customer)
    given = give(
        Way.SIGN_IN, customer.merchant_id, customer.pk, occasion="", since=customer.created_at
    )
    # A phone verified meanwhile has set it anew.
    Customer.objects.filter(pk=customer_id, greet_at=customer.greet_at).update(greet_at=again)
    return given


def give(
    way: Way,
    merchant: int,
    customer: int,
    *,
    occasion: str,
    spent: Fen | None = None,
    since: dt.datetime | None = None,
) -> int:
    """Give what the merchant's templates give on such an occasion. How many were given.

    `occasion` is what happened, by number; `spent` what was paid; `since` when a customer came:
    who was there before a template began is not new to it.

    Locks: one of each template's lots.
    """
    at = timezone.now()
    live = CouponTemplate.objects.filter(
        Q(given_from_fen__isnull=True) | Q(given_from_fen__lte=spent or 0),
        merchant_id=merchant, way=way, is_published=True, starts_at__lte=since or at,
        ends_at__gt=at,
    )  # fmt: skip
    return sum(
        claiming.try_to_give(_giving(way, merchant, customer, template, occasion))
        for template in live.order_by("pk").values_list("pk", flat=True)
    )


def _giving(
    way: Way, merchant: int, customer: int, template: int, occasion: str
) -> claiming.Giving:
    key = f" {way.value}:{template}:{occasion}"
    return claiming.Giving(merchant, template, customer, way, key=key, reference=occasion)
