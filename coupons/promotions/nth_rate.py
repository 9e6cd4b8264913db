"""第二件半价: every Nth unit of a sku at a rate."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount


class NthRate:
    """Terms: `nth` (2: every second), `pay_percent` (50: half of it is paid; 0: it is free)."""

    kind: ClassVar[str] = "nth_rate"
    label: ClassVar[str | Promise] = _("every Nth at a rate")
    group: ClassVar[str] = "goods"
    at_counter: ClassVar[str] = ""
    terms: ClassVar[frozenset[str]] = frozenset({"nth", "pay_percent"})

    def check(self, terms: Mapping[str, Any]) -> None:
        checks.whole(terms, "nth", least=2, most=10)
        checks.whole(terms, "pay_percent", least=0, most=99)

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """Counted within a line: the units of a sku from one store."""
        rate = 100 - terms["pay_percent"]
        off = tuple(
            Fen(line.total // line.quantity * rate // 100 * (line.quantity // terms["nth"]))
            for line in basket.lines
        )
        return Discount(off) if any(off) else Discount(reason="too_few")

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return None

    def text(self, terms: Mapping[str, Any]) -> str:
        percent = terms["pay_percent"]
        facts = {"nth": terms["nth"], "off": 100 - percent, "tenths": checks.tenths(percent)}
        if not percent:
            return translate("One in %(nth)s free") % facts
        return translate("One in %(nth)s at %(off)s%% off") % facts
