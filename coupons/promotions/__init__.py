"""Pure arithmetic, one file a kind. Basket in, discount out: no database, no clock, no writes.

A kind sees the goods it is for; which those are, where, when and for whom is asked here for all.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson
from django.core.exceptions import ValidationError
from django.utils.translation import get_language
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions import scope
from coupons.promotions.amount_off import AmountOff
from coupons.promotions.basket import Basket, BasketLine, Discount, Gift, Promotion, Voucher
from coupons.promotions.exchange import Exchange
from coupons.promotions.free_freight import FreeFreight
from coupons.promotions.gift import GiftWithGoods
from coupons.promotions.nth_rate import NthRate
from coupons.promotions.percent_off import PercentOff
from coupons.promotions.sku_price import SkuPrice
from coupons.promotions.spend_and_save import SpendAndSave

PROMOTIONS: Final[dict[str, Promotion]] = {
    promotion.kind: promotion
    for promotion in (
        SpendAndSave(), AmountOff(), PercentOff(), Exchange(), SkuPrice(), NthRate(), FreeFreight(),
        GiftWithGoods(),
    )
}  # fmt: skip

# Terms lie in every coupon, and every quote reads them.
MOST_BYTES: Final = 64 * 1024


def check(kind: str, terms: Mapping[str, Any]) -> None:
    """Refuse terms that can't be kept, or that nobody knows.

    Raises: ValidationError, at the field.
    """
    own = PROMOTIONS[kind].terms
    try:
        size = len(orjson.dumps(terms))
    except TypeError:
        size = MOST_BYTES + 1
    if size > MOST_BYTES:
        raise ValidationError({"terms": _("These terms are too long, or nested too deeply.")})
    if unknown := sorted(set(terms) - own - scope.TERMS):
        names = ", ".join(unknown)
        raise ValidationError({"terms": _("Unknown terms: %(names)s") % {"names": names}})
    scope.check(terms)
    PROMOTIONS[kind].check({name: value for name, value in terms.items() if name in own})


def discount(voucher: Voucher, basket: Basket) -> Discount:
    """What a voucher takes off this basket, line by line; else why not, and what is missing."""
    terms = voucher.terms
    if voucher.begins:
        return Discount(reason="not_yet")
    if reason := scope.against(basket, terms):
        return Discount(reason=reason)
    places = scope.eligible(basket, terms)
    if not places:
        return Discount(reason="not_applicable")
    some = replace(basket, lines=tuple(basket.lines[place] for place in places))
    missing = terms.get("threshold_fen", 0) - some.goods
    if missing > 0:
        return Discount(reason="below_threshold", missing=Fen(missing))
    found = PROMOTIONS[voucher.kind].discount(some, terms)
    if found.gift is not None:
        return replace(found, gift=replace(found.gift, places=tuple(places)))
    if not found.lines:
        return found
    spread = dict(zip(places, found.lines, strict=True))
    whole = tuple(spread.get(place, Fen(0)) for place in range(len(basket.lines)))
    return replace(found, lines=whole)


def group_of(voucher: Voucher) -> str:
    """The group that a voucher's terms name, or its kind's."""
    return str(voucher.terms.get("group", PROMOTIONS[voucher.kind].group))


def own_skus(kind: str, terms: Mapping[str, Any]) -> tuple[int, ...]:
    """The skus that the kind's own terms are about, as an exchange voucher's; none: any."""
    return (terms["sku"],) if PROMOTIONS[kind].at_counter == "sku" else ()


def about(
    kind: str,
    terms: Mapping[str, Any],
    *,
    product: int,
    skus: Iterable[int],
    categories: tuple[int, ...],
    store: int | None = None,
) -> bool:
    """Whether these terms are for a product: for one of its skus at least, in this store or any."""
    own = own_skus(kind, terms)
    return scope.about(
        terms, product=product, skus=skus, categories=categories, own=own, store=store
    )


def text(kind: str, terms: Mapping[str, Any]) -> str:
    """The terms in the reader's words, made from nothing but the terms."""
    return _text(kind, orjson.dumps(terms), get_language() or "")


# A wallet and a claim centre say the same few over and over.
@functools.lru_cache(maxsize=4096)
def _text(kind: str, written: bytes, _language: str) -> str:
    promotion, terms = PROMOTIONS[kind], orjson.loads(written)
    common = scope.texts(terms, threshold="threshold_fen" not in promotion.terms)
    return translate("; ").join([promotion.text(terms), *common])


__all__ = [
    "PROMOTIONS", "Basket", "BasketLine", "Discount", "Gift", "Promotion", "Voucher", "about",
    "check", "discount", "group_of", "own_skus", "text",
]  # fmt: skip
