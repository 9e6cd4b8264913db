"""满减: spend so much, save so much; in one step or several."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, split_fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, Discount

_MOST_TIERS: Final = 10


class SpendAndSave:
    """Terms: `threshold_fen` and `off_fen`, or `tiers` of them: the highest one reached counts."""

    kind: ClassVar[str] = "spend_and_save"
    label: ClassVar[str | Promise] = _("spend and save")
    group: ClassVar[str] = "goods"
    at_counter: ClassVar[str] = "bill"
    terms: ClassVar[frozenset[str]] = frozenset({"threshold_fen", "off_fen", "tiers"})

    def check(self, terms: Mapping[str, Any]) -> None:
        """Something comes off, never more than is spent; more is saved where more is spent."""
        if "tiers" in terms and ("threshold_fen" in terms or "off_fen" in terms):
            raise ValidationError({"terms": _("Either one step, or tiers: not both.")})
        tiers = terms.get("tiers", [terms])
        if not isinstance(tiers, list) or not 1 <= len(tiers) <= _MOST_TIERS:
            raise ValidationError({"terms": _("From 1 to 10 tiers.")})
        before = (0, 0)
        for tier in tiers:
            if not isinstance(tier, Mapping):
                raise ValidationError({"terms": _("Terms are names and values.")})
            if "tiers" in terms and set(tier) != {"threshold_fen", "off_fen"}:
                raise ValidationError({"terms": _("A tier says threshold_fen and off_fen.")})
            step = checks.fen(tier, "threshold_fen"), checks.fen(tier, "off_fen")
            if step[1] > step[0]:
                raise ValidationError({"terms": _("It would take off more than is spent.")})
            if step[0] <= before[0] or step[1] <= before[1]:
                raise ValidationError({"terms": _("Each tier asks more and saves more.")})
            before = step

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """What the highest tier reached takes off, shared by what the lines cost."""
        tiers = self._tiers(terms)
        reached = [tier for tier in tiers if basket.goods >= tier["threshold_fen"]]
        above = tiers[len(reached) :]
        missing = Fen(above[0]["threshold_fen"] - basket.goods) if above else Fen(0)
        if not reached:
            return Discount(reason="below_threshold", missing=missing)
        off = Fen(min(reached[-1]["off_fen"], basket.goods))
        shares = split_fen(off, [line.total for line in basket.lines])
        return Discount(tuple(shares), missing=missing)

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        return Fen(self._tiers(terms)[-1]["off_fen"])

    def text(self, terms: Mapping[str, Any]) -> str:
        """满 100.00 元减 20.00 元."""
        return translate(", ").join(
            translate("%(off)s off when you spend %(threshold)s")
            % {"off": Fen(tier["off_fen"]), "threshold": Fen(tier["threshold_fen"])}
            for tier in self._tiers(terms)
        )

    @staticmethod
    def _tiers(terms: Mapping[str, Any]) -> Sequence[Mapping[str, int]]:
        tiers: Sequence[Mapping[str, int]] = terms.get("tiers", [terms])
        return tiers
