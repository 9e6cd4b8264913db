"""Terms that every kind may have: which goods, where, when, for whom, from how much on.

categories, products, skus   the goods it is for; none of the three: all of them
except_categories, except_products, except_skus   but not these
stores, delivery             ids of stores, kinds of delivery
customers                    "new" (nothing paid yet, nor waiting to be) or "returning"
threshold_fen                so much of the right goods must be in the basket
weekdays, hours, blackouts   0 is Monday; [["09:00", "21:00"]]; ["2026-12-24"]
group, exclusive             see `coupons.promotions.choice`
store_percent                the part of the discount that the store bears, 0 to 100
not_with                     not for goods sold at these other offers: "flash", "group"; or from
                             which a "promotion" took something
personal                     true: not to be passed on to a friend
given_back, grace_days       what becomes of it when all it was used for is refunded: "never", or
                             (left out) it comes back while it is valid, for so many days at least
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons.promotions import checks
from coupons.promotions.basket import Basket, BasketLine

_GOODS: Final = ("categories", "products", "skus")
GOODS: Final = (*_GOODS, *(f"except_{name}" for name in _GOODS))
_IDS: Final = (*GOODS, "stores")
TERMS: Final = frozenset(
    {
        *_IDS, "delivery", "customers", "threshold_fen", "weekdays", "hours", "blackouts",
        "group", "exclusive", "store_percent", "not_with", "given_back", "grace_days",
        "personal",
    }
)  # fmt: skip
_MOST_IDS: Final = 500
DELIVERY: Final = ("express", "pickup", "local", "virtual", "counter")
OFFERS: Final = ("flash", "group", "promotion")
CUSTOMERS: Final = ("new", "returning")


def check(terms: Mapping[str, Any]) -> None:
    """Refuse common terms that can't be kept.

    Raises: ValidationError, at the field.
    """
    for name in _IDS:
        _each(terms, name, lambda one: type(one) is int and 0 < one <= checks.BIGGEST_ID, _MOST_IDS)
    _each(terms, "delivery", lambda one: one in DELIVERY, len(DELIVERY))
    _each(terms, "weekdays", lambda one: type(one) is int and 0 <= one <= 6, 7)
    _each(terms, "hours", lambda one: _hours(one) is not None, 5)
    _each(terms, "blackouts", lambda one: _day(one) is not None, 100)
    if "customers" in terms and terms["customers"] not in CUSTOMERS:
        _wrong("customers")
    if "threshold_fen" in terms:
        checks.fen(terms, "threshold_fen")
    for name in ("exclusive", "personal"):
        if name in terms and type(terms[name]) is not bool:
            _wrong(name)
    group = terms.get("group", "x")
    if not isinstance(group, str) or not 0 < len(group) <= 24 or not group.isprintable():
        _wrong("group")
    _each(terms, "not_with", lambda one: one in OFFERS, len(OFFERS))
    if terms.get("given_back", "never") != "never":
        _wrong("given_back")
    if "grace_days" in terms:
        checks.whole(terms, "grace_days", least=1, most=365)
        if "given_back" in terms:
            raise ValidationError({"terms": _("What never comes back has no days of grace.")})
    if "store_percent" in terms:
        checks.whole(terms, "store_percent", least=0, most=100)


def _each(terms: Mapping[str, Any], name: str, fits: Callable[[Any], bool], most: int) -> None:
    if name not in terms:
        return
    found = terms[name]
    if not isinstance(found, list) or not 1 <= len(found) <= most or not all(map(fits, found)):
        _wrong(name)


def _wrong(name: str) -> None:
    raise ValidationError({"terms": _("%(name)s is not understood.") % {"name": name}})


def _hours(value: Any) -> tuple[dt.time, dt.time] | None:
    """From when until when in a day; the end comes after the beginning, and isn't part of it."""
    try:
        begins, ends = value
        found = dt.time.fromisoformat(begins), dt.time.fromisoformat(ends)
    except (TypeError, ValueError):
        return None
    plain = all(isinstance(one, str) and len(one) == 5 for one in value)
    return found if plain and found[0] < found[1] else None


def _day(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if len(value) == 10 else None
    except (TypeError, ValueError):
        return None


def against(basket: Basket, terms: Mapping[str, Any]) -> str:
    """Why these terms aren't for this shopper, here and now; empty where they are."""
    if terms.get("customers", basket.customer) != basket.customer:
        return f"for_{terms['customers']}_customers"
    if "delivery" in terms and basket.delivery not in terms["delivery"]:
        return "not_this_delivery"
    return "" if basket.at is None or _now(basket.at, terms) else "not_now"


def _now(at: dt.datetime, terms: Mapping[str, Any]) -> bool:
    if "weekdays" in terms and at.weekday() not in terms["weekdays"]:
        return False
    if at.date().isoformat() in terms.get("blackouts", ()):
        return False
    hours = [_hours(one) for one in terms.get("hours", ())]
    return not hours or any(one is not None and one[0] <= at.time() < one[1] for one in hours)


def eligible(basket: Basket, terms: Mapping[str, Any]) -> list[int]:
    """The places of the lines that these terms are for."""
    ids, barred = _ids(terms), frozenset(terms.get("not_with", ()))
    return [
        place
        for place, line in enumerate(basket.lines)
        if line.offer not in barred
        and not (line.off and "promotion" in barred)
        and _fits(line, ids)
    ]


def _ids(terms: Mapping[str, Any]) -> dict[str, frozenset[int]]:
    """The ids these terms name, to be looked up line by line."""
    return {name: frozenset(terms[name]) for name in _IDS if name in terms}


def about(
    terms: Mapping[str, Any],
    *,
    product: int,
    skus: Iterable[int],
    categories: tuple[int, ...],
    own: Iterable[int],
    store: int | None = None,
) -> bool:
    """Whether these terms are for a product: for one of its skus at least, in this store, or in
    whatever store. `shop.goods` asks the same of a whole catalogue.

    `own` are the skus that the kind's own terms name, as an exchange voucher does.
    """
    named, ids = set(own), _ids(terms)
    if store is None:
        ids.pop("stores", None)
    return any(
        _fits(BasketLine(sku, product, store or 0, Fen(0), 1, categories), ids)
        for sku in skus
        if not named or sku in named
    )


def _fits(line: BasketLine, ids: Mapping[str, frozenset[int]]) -> bool:
    if "stores" in ids and line.store not in ids["stores"]:
        return False
    wanted = [name for name in _GOODS if name in ids]
    if wanted and not any(_among(line, name, ids[name]) for name in wanted):
        return False
    barred = (name for name in _GOODS if f"except_{name}" in ids)
    return not any(_among(line, name, ids[f"except_{name}"]) for name in barred)


def _among(line: BasketLine, name: str, ids: frozenset[int]) -> bool:
    if name == "categories":
        return not ids.isdisjoint(line.categories)
    return (line.product if name == "products" else line.sku) in ids


_DAYS: Final = (
    _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"),
    _("Sunday"),
)  # fmt: skip
_DELIVERY_TEXTS: Final = {
    "express": _("express delivery"),
    "pickup": _("pick-up"),
    "local": _("local delivery"),
    "virtual": _("virtual goods"),
    "counter": _("the counter"),
}
_OFFER_TEXTS: Final = {
    "flash": _("flash sales"),
    "group": _("group buying"),
    "promotion": _("promotions"),
}


def texts(terms: Mapping[str, Any], *, threshold: bool = True) -> list[str]:
    """The common terms in the reader's words, one each."""
    said: list[str] = []
    if threshold and "threshold_fen" in terms:
        amount = Fen(terms["threshold_fen"])
        said.append(translate("from %(amount)s on") % {"amount": amount})
    if any(name in terms for name in _GOODS):
        said.append(translate("for some goods only"))
    if any(f"except_{name}" in terms for name in _GOODS):
        said.append(translate("some goods excepted"))
    if "stores" in terms:
        said.append(translate("in some stores only"))
    if "delivery" in terms:
        kinds = translate(", ").join(str(_DELIVERY_TEXTS[kind]) for kind in terms["delivery"])
        said.append(translate("for %(kinds)s") % {"kinds": kinds})
    if "customers" in terms:
        new = terms["customers"] == "new"
        said.append(translate("for new customers") if new else translate("for returning customers"))
    if "weekdays" in terms:
        said.append(translate(", ").join(str(_DAYS[day]) for day in sorted(terms["weekdays"])))
    if "hours" in terms:
        said.append(translate(", ").join(f"{begins}–{ends}" for begins, ends in terms["hours"]))
    if "blackouts" in terms:
        days = translate(", ").join(terms["blackouts"])
        said.append(translate("not on %(days)s") % {"days": days})
    if "not_with" in terms:
        offers = translate(", ").join(str(_OFFER_TEXTS[one]) for one in terms["not_with"])
        said.append(translate("not with %(offers)s") % {"offers": offers})
    if terms.get("exclusive"):
        said.append(translate("not together with others"))
    if terms.get("personal"):
        said.append(translate("not to be passed on"))
    if "given_back" in terms:
        said.append(translate("doesn't come back after a refund"))
    if "grace_days" in terms:
        days = translate("after a refund valid for %(days)s days at least")
        said.append(days % {"days": terms["grace_days"]})
    return said
