"""What a basket costs. Pure: facts in, quote out; no database, no clock, no writes.

The price is made in one written order: unit price, the shop's promotions, coupons on goods, freight
and what comes off it. Every amount taken off is shared over the lines to the fen, so that line,
order and purchase are sums of one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from backend.money import Fen, split_fen
from coupons.promotions import (
    PROMOTIONS,
    Basket,
    BasketLine,
    Discount,
    Gift,
    Voucher,
    choice,
    discount,
    group_of,
)  # fmt: skip
from coupons.promotions.choice import Offer
from orders import gifts
from orders.quotes import (
    Applied,
    Circumstances,
    FreightRule,
    Line,
    Part,
    Problem,
    Quote,
    Share,
    Unusable,
    Usable,
    Wish,
)


class NotTogether(Exception):
    """Coupons were named that may not be used together."""


def quote(
    wishes: Sequence[Wish],
    vouchers: Sequence[Voucher],
    freight: FreightRule | None,
    *,
    coupons: Sequence[int] | None = None,
    problems: Sequence[Problem] = (),
    given: Circumstances | None = None,
) -> Quote:
    """Price a basket.

    Of the vouchers, automatic ones apply whenever their terms are met, the best of those that don't
    go together. `coupons` None takes the best lawful choice of the rest, a list just those;
    `freight` None leaves it open.

    Raises: NotTogether.
    """
    given = given or Circumstances()
    basket = _basket(wishes, given)
    promoted = _promote([one for one in vouchers if one.automatic], basket, wishes, freight, given)
    basket = _reduced(basket, promoted.off)
    left = [line.total for line in basket.lines]
    charge = _charge(left, wishes, freight, spared=promoted.spared)
    most_freight = charge(left)
    offers, unusable = _weigh([one for one in vouchers if not one.automatic], basket, most_freight)
    if coupons is None:
        chosen = choice.best(offers, left, charge)
    else:
        chosen = tuple(offer for offer in offers if offer.voucher.id in coupons)
        if not choice.lawful(chosen):
            raise NotTogether
    lines = _shared(wishes, promoted, chosen, choice.taken_off(chosen, left))
    parts = _spared(_parts(lines, freight), (*promoted.chosen, *chosen))
    saved = _saved(parts)
    # Freight to be spared there may be only where something else has brought it back.
    freight_now = sum((part.freight for part in parts), Fen(0)) - Fen(promoted.spared)
    usable = []
    for offer in offers:
        saves = saved.get((False, offer.voucher.id), Fen(0))
        could = offer.discount.goods + max(Fen(0), min(freight_now, offer.discount.freight))
        if saves or could:
            usable.append(Usable(offer.voucher, saves or could, chosen=bool(saves)))
        else:
            unusable.append(Unusable(offer.voucher, "no_freight", Fen(0)))
    return Quote(
        parts=parts,
        usable=tuple(sorted(usable, key=lambda one: -one.saves)),
        unusable=tuple(unusable),
        problems=tuple(problems),
        freight_known=freight is not None,
        applied=(
            *(
                Applied(
                    offer.voucher,
                    saved.get((True, offer.voucher.id), Fen(0)),
                    missing=offer.discount.missing,
                )
                for offer in promoted.chosen
            ),
            *promoted.gifts,
        ),
        not_applied=promoted.others,
    )


@dataclass(frozen=True)
class _Promoted:
    """What the shop's promotions do: which, what comes off each line for each, and for all."""

    chosen: tuple[Offer, ...] = ()
    taken: Sequence[Sequence[int]] = ()
    off: Sequence[int] = ()
    gifts: tuple[Applied, ...] = ()
    others: tuple[Unusable, ...] = ()

    @property
    def spared(self) -> int:
        """How much of the freight they pay, where there is so much."""
        return sum(offer.discount.freight for offer in self.chosen)


def _promote(
    promotions: Sequence[Voucher],
    basket: Basket,
    wishes: Sequence[Wish],
    freight: FreightRule | None,
    given: Circumstances,
) -> _Promoted:
    """The promotions of a basket: those that together save most, then the gifts."""
    if not promotions or not wishes:
        return _Promoted()
    # To a threshold read before coupons, what promotions take off has come off already.
    rule = replace(freight, reads_before_coupons=False) if freight else None
    totals = [line.total for line in basket.lines]
    charge = _charge(totals, wishes, rule)
    offers, others = _weigh(
        [one for one in promotions if one.kind != Gift.KIND], basket, charge(totals)
    )
    # Nobody chooses them: however many groups there are, each applies.
    chosen = choice.best(offers, totals, charge, most=len(offers))
    taken = choice.taken_off(chosen, totals)
    along, not_along = gifts.choose(
        [one for one in promotions if one.kind == Gift.KIND],
        basket,
        wishes,
        given,
        beside=chosen,
    )
    worth = {offer.group: offer.discount.goods + offer.discount.freight for offer in chosen}
    return _Promoted(
        chosen,
        taken,
        [sum(shares) for shares in zip(*taken, strict=True)],
        tuple(along),
        (*(one for one in others if _is_better(one, worth)), *not_along),
    )


def _is_better(other: Unusable, worth: Mapping[str, Fen]) -> bool:
    """Whether a promotion that isn't had could be more than the one of its group that is."""
    most = PROMOTIONS[other.voucher.kind].most(other.voucher.terms)
    had = worth.get(group_of(other.voucher))
    return had is None or most is None or most > had


def _weigh(
    vouchers: Sequence[Voucher], basket: Basket, most_freight: int
) -> tuple[list[Offer], list[Unusable]]:
    """Which vouchers would take something off a basket, and why the others wouldn't."""
    offers: list[Offer] = []
    unusable: list[Unusable] = []
    for voucher in vouchers:
        found = discount(voucher, basket) if basket.lines else Discount(reason="not_applicable")
        if found.goods or (found.freight and most_freight):
            offers.append(Offer(voucher, found))
        else:
            reason = found.reason or ("no_freight" if found.freight else "not_applicable")
            unusable.append(Unusable(voucher, reason, found.missing))
    return offers, unusable


def _basket(wishes: Sequence[Wish], given: Circumstances) -> Basket:
    return Basket(
        tuple(
            BasketLine(
                w.offered.sku,
                w.offered.product,
                w.offered.store,
                w.offered.unit_price,
                w.quantity,
                given.categories.get(w.offered.product, ()),
            )
            for w in wishes
        ),
        at=given.at,
        customer=given.customer,
    )


def _reduced(basket: Basket, off: Sequence[int]) -> Basket:
    """The basket as coupons see it: promotions have come off it."""
    if not any(off):
        return basket
    lines = zip(basket.lines, off, strict=True)
    return replace(basket, lines=tuple(replace(line, off=Fen(taken)) for line, taken in lines))


def _charge(
    goods: Sequence[Fen], wishes: Sequence[Wish], rule: FreightRule | None, *, spared: int = 0
) -> choice.Freight:
    """What freight costs once so much has come off each line of goods, beyond what is spared."""
    # The search asks thousands of times: plain numbers, and each store's lines and goods known.
    costs = [int(cost) for cost in goods]
    by_store: dict[int, list[int]] = {}
    for place, wish in enumerate(wishes):
        by_store.setdefault(wish.offered.store, []).append(place)
    each = [(own, sum(costs[place] for place in own)) for own in by_store.values()]
    whole = sum(costs)

    def charge(off: Sequence[int]) -> int:
        if rule is None or not costs:
            return 0
        if not rule.per_order:
            return max(0, _fee(rule, whole, sum(off)) - spared)
        fees = (_fee(rule, cost, sum(map(off.__getitem__, own))) for own, cost in each)
        return max(0, sum(fees) - spared)

    return charge


def _shared(
    wishes: Sequence[Wish],
    promoted: _Promoted,
    chosen: Sequence[Offer],
    taken: Sequence[Sequence[int]],
) -> list[Line]:
    """Every wish with its shares, promotions before coupons; then the gifts, which have none."""
    both = list(zip((*promoted.chosen, *chosen), (*promoted.taken, *taken), strict=True))
    lines = [
        Line(
            wish,
            tuple(
                Share(offer.voucher, Fen(off[place])) for offer, off in both if off[place]
            ),
        )
        for place, wish in enumerate(wishes)
    ]  # fmt: skip
    return lines + [Line(wish) for applied in promoted.gifts for wish in applied.gifts]


def _saved(parts: Sequence[Part]) -> dict[tuple[bool, int], Fen]:
    """What each voucher takes off in all: by whether it is automatic, and its id."""
    saved: dict[tuple[bool, int], Fen] = {}
    for part in parts:
        for share in (*part.freight_shares, *(s for line in part.lines for s in line.shares)):
            key = share.voucher.automatic, share.voucher.id
            saved[key] = saved.get(key, Fen(0)) + share.amount
    return saved


def _spared(parts: tuple[Part, ...], chosen: Sequence[Offer]) -> tuple[Part, ...]:
    """The freight that is taken off, shared over the parts by what each still costs."""
    for offer in chosen:
        left = [part.freight - part.freight_off for part in parts]
        spared = min(sum(left, Fen(0)), offer.discount.freight)
        if spared:
            parts = tuple(
                replace(part, freight_shares=(*part.freight_shares, Share(offer.voucher, off)))
                if off
                else part
                for part, off in zip(parts, split_fen(spared, left), strict=True)
            )
    return parts


def _parts(lines: Sequence[Line], rule: FreightRule | None) -> tuple[Part, ...]:
    by_store: dict[int, list[Line]] = {}
    for line in lines:
        by_store.setdefault(line.wish.offered.store, []).append(line)
    parts = [
        Part(store, some[0].wish.offered.store_name, tuple(some), Fen(0))
        for store, some in by_store.items()
    ]
    if rule is None or not parts:
        return tuple(parts)
    promoted = [sum((line.promoted for line in part.lines), Fen(0)) for part in parts]
    goods = [part.goods - off for part, off in zip(parts, promoted, strict=True)]
    coupons = [part.discount - off for part, off in zip(parts, promoted, strict=True)]
    if rule.per_order:
        fees = [Fen(_fee(rule, own, off)) for own, off in zip(goods, coupons, strict=True)]
    else:
        fee = Fen(_fee(rule, sum(goods, Fen(0)), sum(coupons, Fen(0))))
        fees = split_fen(fee, [part.goods for part in parts])
    return tuple(replace(part, freight=fee) for part, fee in zip(parts, fees, strict=True))


def _fee(rule: FreightRule, goods: int, coupons: int) -> int:
    """Freight in fen for goods after promotions, from which coupons take so much."""
    reads = goods if rule.reads_before_coupons else goods - coupons
    return 0 if rule.free_over is not None and reads >= rule.free_over else int(rule.fee)
