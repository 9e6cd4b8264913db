"""折扣: a part of the price is paid, the rest comes off, up to a cap."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, split_fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount


class PercentOff:
    """Terms: `pay_percent` (88 is 八八折: 88 % is paid), `cap_fen` (the most it takes off)."""

    kind: ClassVar[str] = "percent_off"
    label: ClassVar[str | Promise] = _("percent off")
    group: ClassVar[str] = "goods"
    at_counter: ClassVar[str] = "bill"
    terms: ClassVar[frozenset[str]] = frozenset({"pay_percent", "cap_fen"})

    def check(self, terms: Mapping[str, Any]) -> None:
        checks.whole(terms, "pay_percent", least=1, most=99)
        if "cap_fen" in terms:
            checks.fen(terms, "cap_fen")

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """A fen that doesn't come out even is paid, not taken off."""
        off = basket.goods * (100 - terms["pay_percent"]) // 100
        off = min(off, terms.get("cap_fen", off))
        return Discount(tuple(split_fen(Fen(off), [line.total for line in basket.lines])))

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return Fen(terms["cap_fen"]) if "cap_fen" in terms else None

    def text(self, terms: Mapping[str, Any]) -> str:
        """8.8 折，最多减 50.00 元."""
        percent = terms["pay_percent"]
        # Chinese counts what is paid, in tenths; English what comes off, in hundredths.
        facts = {"off": 100 - percent, "tenths": checks.tenths(percent)}
        said = translate("%(off)s%% off") % facts
        if "cap_fen" not in terms:
            return said
        cap = translate("up to %(cap)s") % {"cap": Fen(terms["cap_fen"])}
        return translate("%(one)s, %(two)s") % {"one": said, "two": cap}
