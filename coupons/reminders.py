"""Messages about coupons, to those who agreed: one was given to them, one is about to expire."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from django.conf import settings
from django.utils import timezone, translation

from coupons import promotions, queries
from coupons.models import Coupon, CouponStatus
from shop import messages
from shop.models import Customer, Message, MessageTemplate

AHEAD: Final = dt.timedelta(hours=24)
EVENTS: Final = (MessageTemplate.Event.COUPON_GIVEN, MessageTemplate.Event.COUPON_EXPIRES)


def remind(
    customer: Customer, coupon_id: int, accepted: Sequence[str], *, key: str | None = None
) -> int:
    """The customer accepted these templates in the prompt, for this coupon. How many are planned.

    Raises: NotFound.
    """
    coupon = queries.one(customer, coupon_id)
    messages.agree(customer, accepted, key=key)
    now = timezone.now()
    planned = given(coupon, now)
    at = messages.waking(max(now, coupon.valid_until - AHEAD))
    if at < coupon.valid_until:
        planned += messages.plan(
            MessageTemplate.Event.COUPON_EXPIRES, merchant=coupon.merchant_id,
            customer=coupon.customer_id, about=coupon.pk, at=at,
        )  # fmt: skip
    return planned


def given(coupon: Coupon, at: dt.datetime) -> int:
    """Tell a customer that they have this coupon, where they agreed. How many are planned."""
    return messages.plan(
        MessageTemplate.Event.COUPON_GIVEN, merchant=coupon.merchant_id,
        customer=coupon.customer_id, about=coupon.pk, at=at,
    )  # fmt: skip


def words(message: Message) -> Mapping[str, str] | None:
    """What a message about a coupon says; None once the coupon is used or over."""
    coupon = Coupon.objects.filter(
        pk=message.about, merchant_id=message.merchant_id, customer_id=message.customer_id
    ).first()
    if (
        coupon is None
        or coupon.status != CouponStatus.CLAIMED
        or coupon.valid_until <= timezone.now()
    ):
        return None
    until = timezone.localtime(coupon.valid_until)
    with translation.override(settings.LANGUAGE_CODE):
        text = promotions.text(coupon.kind, coupon.terms)
    return {
        "name": coupon.name,
        "text": text,
        "until": f"{until.year}年{until.month}月{until.day}日 {until:%H:%M}",
    }
