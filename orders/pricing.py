"""What a basket costs. Pure: facts in, quote out; no database, no clock, no writes.

The price is made in one written order: unit price, coupons on goods, freight. Every amount taken
off is shared over the lines to the fen, so that line, order and purchase are sums of one another.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from backend.money import Fen, split_fen
from coupons.promotions import Basket, BasketLine, Discount, Voucher, choice, discount
from coupons.promotions.choice import Offer


@dataclass(frozen=True)
class Offered:
    """A sku at a store as it is sold at this moment."""

    stock: int
    sku: int
    sku_code: str
    product: int
    store: int
    store_name: str
    store_phone: str
    name: str
    picture: str
    specs: tuple[Mapping[str, str], ...]
    list_price: Fen
    unit_price: Fen
    available: int | None  # None: never runs out
    for_sale: bool
    store_open: bool
    weight_g: int
    no_reason_return: bool
    no_return_ground: str


@dataclass(frozen=True)
class Wish:
    """So many of a sku at a store."""

    offered: Offered
    quantity: int
    source: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def goods(self) -> Fen:
        return self.offered.unit_price * self.quantity


@dataclass(frozen=True)
class Problem:
    """A line that can't be bought, and why."""

    sku: int
    store: int | None
    quantity: int
    reason: str
    available: int | None = None


@dataclass(frozen=True)
class FreightRule:
    """A flat fee, and the amount from which it is waived."""

    fee: Fen
    free_over: Fen | None
    reads_before_coupons: bool
    per_order: bool


@dataclass(frozen=True)
class Share:
    """What one coupon takes off one line, or off one store's freight."""

    voucher: Voucher
    amount: Fen


@dataclass(frozen=True)
class Line:
    """A wish with its share of every discount."""

    wish: Wish
    shares: tuple[Share, ...] = ()

    @cached_property
    def discount(self) -> Fen:
        return sum((share.amount for share in self.shares), Fen(0))

    @cached_property
    def payable(self) -> Fen:
        return self.wish.goods - self.discount


@dataclass(frozen=True)
class Part:
    """One store's part: what becomes an order."""

    store: int
    store_name: str
    lines: tuple[Line, ...]
    freight: Fen
    freight_shares: tuple[Share, ...] = ()

    @cached_property
    def store_phone(self) -> str:
        return self.lines[0].wish.offered.store_phone

    @cached_property
    def goods(self) -> Fen:
        return sum((line.wish.goods for line in self.lines), Fen(0))

    @cached_property
    def freight_off(self) -> Fen:
        return sum((share.amount for share in self.freight_shares), Fen(0))

    @cached_property
    def discount(self) -> Fen:
        return sum((line.discount for line in self.lines), Fen(0)) + self.freight_off

    @cached_property
    def payable(self) -> Fen:
        return self.goods + self.freight - self.discount


@dataclass(frozen=True)
class Usable:
    """A coupon that would take something off."""

    voucher: Voucher
    saves: Fen
    chosen: bool


@dataclass(frozen=True)
class Unusable:
    """A coupon that wouldn't, why, and how far the basket is from it."""

    voucher: Voucher
    reason: str
    missing: Fen


@dataclass(frozen=True)
class Quote:
    """The price of a basket, line by line. `freight_known` is False without an address."""

    parts: tuple[Part, ...]
    usable: tuple[Usable, ...]
    unusable: tuple[Unusable, ...]
    problems: tuple[Problem, ...]
    freight_known: bool = True

    @cached_property
    def goods(self) -> Fen:
        return sum((part.goods for part in self.parts), Fen(0))

    @cached_property
    def discount(self) -> Fen:
        return sum((part.discount for part in self.parts), Fen(0))

    @cached_property
    def freight(self) -> Fen:
        return sum((part.freight for part in self.parts), Fen(0))

    @cached_property
    def payable(self) -> Fen:
        return self.goods + self.freight - self.discount

    @cached_property
    def saved(self) -> dict[int, Fen]:
        """What each applied coupon takes off the whole purchase."""
        return {one.voucher.id: one.saves for one in self.usable if one.chosen}


class NotTogether(Exception):
    """Coupons were named that may not be used together."""


@dataclass(frozen=True)
class Circumstances:
    """What terms may ask besides the basket. `categories`: by product, its own and those above."""

    at: dt.datetime | None = None
    new_customer: bool = False
    categories: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


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

    `coupons` None takes the best lawful choice, a list just those; `freight` None leaves it open.

    Raises: NotTogether.
    """
    basket = _basket(wishes, given or Circumstances())
    totals = [line.total for line in basket.lines]
    charge = _charge(wishes, freight)
    most_freight = charge([0] * len(totals))
    offers: list[Offer] = []
    unusable: list[Unusable] = []
    for voucher in vouchers:
        found = discount(voucher, basket) if totals else Discount(reason="not_applicable")
        if found.goods or (found.freight and most_freight):
            offers.append(Offer(voucher, found))
        else:
            reason = found.reason or ("no_freight" if found.freight else "not_applicable")
            unusable.append(Unusable(voucher, reason, found.missing))
    if coupons is None:
        chosen = choice.best(offers, totals, charge)
    else:
        chosen = tuple(offer for offer in offers if offer.voucher.id in coupons)
        if not choice.lawful(chosen):
            raise NotTogether
    lines = _discounted(wishes, chosen, choice.taken_off(chosen, totals))
    parts = _spared(_parts(lines, freight), chosen)
    saved = {offer.voucher.id: Fen(0) for offer in chosen}
    for share in (
        *(share for line in lines for share in line.shares),
        *(share for part in parts for share in part.freight_shares),
    ):
        saved[share.voucher.id] += share.amount
    usable = [
        Usable(
            offer.voucher,
            saved[offer.voucher.id]
            if offer.voucher.id in saved
            else offer.discount.goods + min(Fen(most_freight), offer.discount.freight),
            chosen=offer.voucher.id in saved,
        )
        for offer in offers
    ]
    return Quote(
        parts=parts,
        usable=tuple(sorted(usable, key=lambda one: -one.saves)),
        unusable=tuple(unusable),
        problems=tuple(problems),
        freight_known=freight is not None,
    )


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
        new_customer=given.new_customer,
    )


def _charge(wishes: Sequence[Wish], rule: FreightRule | None) -> choice.Freight:
    """What freight costs once so much has come off each line."""
    goods = [wish.goods for wish in wishes]
    stores = [wish.offered.store for wish in wishes]

    def charge(off: Sequence[int]) -> int:
        if rule is None or not goods:
            return 0
        if not rule.per_order:
            return _fee(rule, sum(goods, Fen(0)), Fen(sum(off)))
        total = 0
        for store in set(stores):
            own = [place for place, here in enumerate(stores) if here == store]
            spent = sum((goods[place] for place in own), Fen(0))
            total += _fee(rule, spent, Fen(sum(off[place] for place in own)))
        return total

    return charge


def _discounted(
    wishes: Sequence[Wish], chosen: Sequence[Offer], taken: Sequence[Sequence[int]]
) -> list[Line]:
    return [
        Line(
            wish,
            tuple(
                Share(offer.voucher, Fen(off[place]))
                for offer, off in zip(chosen, taken, strict=True)
                if off[place]
            ),
        )
        for place, wish in enumerate(wishes)
    ]


def _spared(parts: tuple[Part, ...], chosen: Sequence[Offer]) -> tuple[Part, ...]:
    """The freight that coupons take off, shared over the parts by what each still costs."""
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
    if rule.per_order:
        fees = [_fee(rule, part.goods, part.discount) for part in parts]
    else:
        goods = sum((part.goods for part in parts), Fen(0))
        discount = sum((part.discount for part in parts), Fen(0))
        fees = split_fen(_fee(rule, goods, discount), [part.goods for part in parts])
    return tuple(replace(part, freight=fee) for part, fee in zip(parts, fees, strict=True))


def _fee(rule: FreightRule, goods: Fen, discount: Fen) -> Fen:
    reads = goods if rule.reads_before_coupons else goods - discount
    return Fen(0) if rule.free_over is not None and reads >= rule.free_over else rule.fee
