"""Why it is cheaper: what is offered, and what lies in whose wallet."""

from coupons.models.coupons import Coupon, CouponEvent, CouponStatus, CouponUse
from coupons.models.offers import (
    CouponLot,
    CouponStoreCount,
    CouponTemplate,
    Way,
    promotion_kinds,
)

__all__ = [
    "Coupon", "CouponEvent", "CouponLot", "CouponStatus", "CouponStoreCount", "CouponTemplate",
    "CouponUse", "Way", "promotion_kinds",
]  # fmt: skip
