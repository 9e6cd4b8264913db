"""单品价: a named sku for a fixed price."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount

_MOST_UNITS: Final = 999


def down_to(basket: Basket, sku: int, price: int, units: int) -> Discount:
    """So many units of the sku cost `price`, the first ones of the basket."""
    off: list[Fen] = []
    for line in basket.lines:
        taken = min(units, line.quantity) if line.sku == sku else 0
        units -= taken
        cost = line.total * taken // line.quantity  # where something came off it before, a share
        off.append(Fen(max(0, cost - price * taken)))
    if not any(off):
        return Discount(reason="not_in_basket")
    return Discount(tuple(off))


class SkuPrice:
    """Terms: `sku`, `price_fen`, `units` (how many at that price; 1 where it is left out)."""

    kind: ClassVar[str] = "sku_price"
    label: ClassVar[str | Promise] = _("special price")
    group: ClassVar[str] = "goods"
    at_counter: ClassVar[str] = "sku"
    terms: ClassVar[frozenset[str]] = frozenset({"sku", "price_fen", "units"})

    def check(self, terms: Mapping[str, Any]) -> None:
        checks.whole(terms, "sku", least=1, most=checks.BIGGEST_ID)
        checks.fen(terms, "price_fen")
        if "units" in terms:
            checks.whole(terms, "units", least=1, most=_MOST_UNITS)

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        return down_to(basket, terms["sku"], terms["price_fen"], terms.get("units", 1))

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return None

    def text(self, terms: Mapping[str, Any]) -> str:
        return translate("%(price)s each, up to %(units)s") % {
            "price": Fen(terms["price_fen"]),
            "units": terms.get("units", 1),
        }
