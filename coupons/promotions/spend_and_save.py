"""满减: spend so much, save so much."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions.basket import Basket, Discount

_MOST: Final = 10**9  # ten million yuan: beyond it someone has typed yuan for fen


class SpendAndSave:
    """Terms: `threshold_fen`, `off_fen`."""

    kind: ClassVar[str] = "spend_and_save"
    label: ClassVar[str | Promise] = _("spend and save")

    def check(self, terms: Mapping[str, Any]) -> None:
        """Both amounts are whole fen; something comes off, and not more than is spent."""
        for name in ("threshold_fen", "off_fen"):
            value = terms.get(name)
            if type(value) is not int or not 0 < value <= _MOST:
                raise ValidationError(
                    {"terms": _("%(name)s is a whole number of fen.") % {"name": name}}
                )
        if terms["off_fen"] > terms["threshold_fen"]:
            raise ValidationError({"terms": _("It would take off more than is spent.")})
        if unknown := sorted(set(terms) - {"threshold_fen", "off_fen"}):
            raise ValidationError(
                {"terms": _("Unknown terms: %(names)s") % {"names": ", ".join(unknown)}}
            )

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """`off_fen` once the goods reach `threshold_fen`."""
        missing = terms["threshold_fen"] - basket.goods
        if missing > 0:
            return Discount(missing=Fen(missing))
        return Discount(goods=Fen(min(terms["off_fen"], basket.goods)))

    def text(self, terms: Mapping[str, Any]) -> str:
        """满 100.00 元减 20.00 元."""
        return translate("%(off)s off when you spend %(threshold)s") % {
            "off": Fen(terms["off_fen"]),
            "threshold": Fen(terms["threshold_fen"]),
        }
