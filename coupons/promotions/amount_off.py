"""立减: so much off, whatever is bought."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, split_fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount


class AmountOff:
    """Terms: `off_fen`."""

    kind: ClassVar[str] = "amount_off"
    label: ClassVar[str | Promise] = _("amount off")
    group: ClassVar[str] = "goods"
    at_counter: ClassVar[str] = "bill"
    terms: ClassVar[frozenset[str]] = frozenset({"off_fen"})

    def check(self, terms: Mapping[str, Any]) -> None:
        checks.fen(terms, "off_fen")

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """`off_fen`, or all of it where the goods cost less, shared by what the lines cost."""
        off = Fen(min(terms["off_fen"], basket.goods))
        return Discount(tuple(split_fen(off, [line.total for line in basket.lines])))

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return Fen(terms["off_fen"])

    def text(self, terms: Mapping[str, Any]) -> str:
        return translate("%(off)s off") % {"off": Fen(terms["off_fen"])}
