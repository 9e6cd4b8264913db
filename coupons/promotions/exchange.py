"""兑换券: a named sku for nothing, or for little."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount
from coupons.promotions.sku_price import down_to


class Exchange:
    """Terms: `sku`, `price_fen` (what is still paid for it; nothing where it is left out)."""

    kind: ClassVar[str] = "exchange"
    label: ClassVar[str | Promise] = _("exchange voucher")
    group: ClassVar[str] = "goods"
    at_counter: ClassVar[str] = "sku"
    terms: ClassVar[frozenset[str]] = frozenset({"sku", "price_fen"})

    def check(self, terms: Mapping[str, Any]) -> None:
        checks.whole(terms, "sku", least=1, most=checks.BIGGEST_ID)
        if "price_fen" in terms:
            checks.fen(terms, "price_fen", least=0)

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        return down_to(basket, terms["sku"], terms.get("price_fen", 0), 1)

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return None

    def text(self, terms: Mapping[str, Any]) -> str:
        if price := terms.get("price_fen", 0):
            return translate("One for %(price)s") % {"price": Fen(price)}
        return translate("One for free")
