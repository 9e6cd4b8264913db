"""What comes along with the goods: which gifts, and from which of the basket's stores. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from backend.money import Fen
from coupons.promotions import Basket, Gift, Voucher, discount, group_of
from coupons.promotions.choice import Offer
from orders.quotes import Applied, Circumstances, Given, Offered, Unusable, Wish

GONE: Final = "gift_gone"


def choose(
    promotions: Sequence[Voucher],
    basket: Basket,
    wishes: Sequence[Wish],
    given: Circumstances,
    *,
    beside: Sequence[Offer],
) -> tuple[list[Applied], list[Unusable]]:
    """The gifts of a basket, and why there aren't others.

    Of one group one is given, the one that asks most, unless money off of that group applies
    (`beside`); one that names no group is of the gifts'. Beside an exclusive promotion there are
    none. A gift is for nothing and comes from a store that its goods come from; where none of them
    has any left, the next of its group is given.
    """
    applied: list[Applied] = []
    others: list[Unusable] = []
    alone, groups = any(offer.alone for offer in beside), {offer.group for offer in beside}
    taken = _taken(wishes)
    for voucher in sorted(promotions, key=lambda one: -one.terms.get("threshold_fen", 0)):
        group = group_of(voucher)
        if alone or group in groups:
            continue
        found = discount(voucher, basket)
        if found.gift is None:
            others.append(Unusable(voucher, found.reason, found.missing))
            continue
        wish = _wish(voucher, found.gift, wishes, given.gifts, taken)
        if wish is None:
            others.append(Unusable(voucher, GONE, Fen(0)))
            continue
        groups.add(group)
        taken[wish.offered.stock] = taken.get(wish.offered.stock, 0) + wish.quantity
        applied.append(Applied(voucher, Fen(0), (wish,)))
    return applied, others


def _taken(wishes: Sequence[Wish]) -> dict[int, int]:
    """How many of each stock row the basket asks for already."""
    taken: dict[int, int] = {}
    for wish in wishes:
        taken[wish.offered.stock] = taken.get(wish.offered.stock, 0) + wish.quantity
    return taken


def _wish(
    voucher: Voucher,
    gift: Gift,
    wishes: Sequence[Wish],
    offers: Mapping[int, Sequence[Offered]],
    taken: Mapping[int, int],
) -> Wish | None:
    """The gift from the first store that has it, of those its goods come from."""
    goods = tuple((wishes[at].offered.sku, wishes[at].offered.store) for at in gift.places)
    here = {offered.store: offered for offered in offers.get(gift.sku, ())}
    for _sku, store in goods:
        offered = here.get(store)
        if offered is not None and _has(offered, gift.units + taken.get(offered.stock, 0)):
            # What goes back with its goods needs no ground of its own; it may be off sale.
            free = replace(offered, unit_price=Fen(0), no_reason_return=True, no_return_ground="")
            return Wish(free, gift.units, given=Given(voucher, goods))
    return None


def _has(offered: Offered, quantity: int) -> bool:
    return offered.store_open and (offered.available is None or offered.available >= quantity)
