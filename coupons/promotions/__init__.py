"""Pure arithmetic, one file a kind. Basket in, discount out: no database, no clock, no writes."""

from typing import Final

from coupons.promotions.basket import Basket, BasketLine, Discount, Promotion, Voucher
from coupons.promotions.spend_and_save import SpendAndSave

PROMOTIONS: Final[dict[str, Promotion]] = {
    promotion.kind: promotion for promotion in (SpendAndSave(),)
}

__all__ = ["PROMOTIONS", "Basket", "BasketLine", "Discount", "Promotion", "Voucher"]
