"""Why it is cheaper: what is offered, and what lies in whose wallet."""

from coupons.models.cards import Card, CardAsk, CardDifference, CardReport, WeChatBatch
from coupons.models.codes import Code, CodeBatch
from coupons.models.counter import Redemption, Till, TillNonce
from coupons.models.coupons import Coupon, CouponEvent, CouponStatus, CouponUse
from coupons.models.figures import CouponFigure, CouponFigureDay
from coupons.models.grants import Grant, GrantTarget
from coupons.models.offers import (
    CouponLot,
    CouponStoreCount,
    CouponTemplate,
    Way,
    promotion_kinds,
)
from coupons.models.passes import CouponPass
from coupons.models.promotions import PromotionUse

__all__ = [
    "Card", "CardAsk", "CardDifference", "CardReport", "Code", "CodeBatch", "Coupon", "CouponEvent",
    "CouponFigure", "CouponFigureDay", "CouponLot", "CouponPass", "CouponStatus",
    "CouponStoreCount", "CouponTemplate", "CouponUse", "Grant", "GrantTarget", "PromotionUse",
    "Redemption", "Till", "TillNonce", "Way", "WeChatBatch", "promotion_kinds",
]  # fmt: skip
