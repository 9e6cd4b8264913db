"""满赠: something of the shop's own comes along with the goods, for nothing."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from backend.money import Fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount, Gift

_MOST_UNITS: Final = 99


class GiftWithGoods:
    """Terms: `sku`, `units` (1 where it is left out), `threshold_fen` (the goods' own, said here as
    what it comes along with). Only for promotions that nobody claims.
    """

    kind: ClassVar[str] = Gift.KIND
    label: ClassVar[str | Promise] = _("gift")
    group: ClassVar[str] = "gift"
    at_counter: ClassVar[str] = ""
    terms: ClassVar[frozenset[str]] = frozenset({"sku", "units", "threshold_fen"})

    def check(self, terms: Mapping[str, Any]) -> None:
        checks.whole(terms, "sku", least=1, most=checks.BIGGEST_ID)
        if "units" in terms:
            checks.whole(terms, "units", least=1, most=_MOST_UNITS)
        if "threshold_fen" in terms:
            checks.fen(terms, "threshold_fen")

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """Nothing comes off; whether there is any left of the gift, pricing knows."""
        return Discount(gift=Gift(terms["sku"], terms.get("units", 1)))

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return None

    def text(self, terms: Mapping[str, Any]) -> str:
        units = terms.get("units", 1)
        if "threshold_fen" not in terms:
            return ngettext("%(units)s gift", "%(units)s gifts", units) % {"units": units}
        said = ngettext(
            "%(units)s gift when you spend %(threshold)s",
            "%(units)s gifts when you spend %(threshold)s",
            units,
        )
        return said % {"units": units, "threshold": Fen(terms["threshold_fen"])}
