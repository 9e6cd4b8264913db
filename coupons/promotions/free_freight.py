"""免邮 and 运费券: freight comes off, all of it or up to an amount."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount


class FreeFreight:
    """Terms: `off_fen` (the most it takes off the freight; all of it where it is left out)."""

    kind: ClassVar[str] = "free_freight"
    label: ClassVar[str | Promise] = _("free freight")
    group: ClassVar[str] = "freight"
    at_counter: ClassVar[str] = ""
    terms: ClassVar[frozenset[str]] = frozenset({"off_fen"})

    def check(self, terms: Mapping[str, Any]) -> None:
        if "off_fen" in terms:
            checks.fen(terms, "off_fen")

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """As much as it may; how much freight there is, pricing knows."""
        return Discount(freight=Fen(terms.get("off_fen", checks.MOST_FEN)))

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return Fen(terms["off_fen"]) if "off_fen" in terms else None

    def text(self, terms: Mapping[str, Any]) -> str:
        if "off_fen" in terms:
            return translate("%(off)s off the freight") % {"off": Fen(terms["off_fen"])}
        return translate("Free freight")
