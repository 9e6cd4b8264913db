"""What a basket costs. Pure: facts in, quote out; no database, no clock, no writes.

The price is made in one written order: unit price, coupons on goods, freight. Every amount taken
off is shared over the lines to the fen, so that line, order and purchase are sums of one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from backend.money import Fen, split_fen
from coupons.promotions import PROMOTIONS, Basket, BasketLine, Voucher


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
    """What one coupon takes off one line."""

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

    @cached_property
    def store_phone(self) -> str:
        return self.lines[0].wish.offered.store_phone

    @cached_property
    def goods(self) -> Fen:
        return sum((line.wish.goods for line in self.lines), Fen(0))

    @cached_property
    def discount(self) -> Fen:
        return sum((line.discount for line in self.lines), Fen(0))

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
        return {choice.voucher.id: choice.saves for choice in self.usable if choice.chosen}


def quote(
    wishes: Sequence[Wish],
    vouchers: Sequence[Voucher],
    freight: FreightRule | None,
    *,
    coupons: Sequence[int] | None = None,
    problems: Sequence[Problem] = (),
) -> Quote:
    """Price a basket.

    `coupons` None takes the best lawful choice, a list just those; `freight` None leaves it open.
    Of coupons one may be used at a time; ties go to the earlier in `vouchers`.
    """
    lines = [Line(wish) for wish in wishes]
    basket = Basket(
        tuple(
            BasketLine(
                w.offered.sku, w.offered.product, w.offered.store, w.offered.unit_price, w.quantity
            )
            for w in wishes
        )
    )
    usable: list[Usable] = []
    unusable: list[Unusable] = []
    for voucher in vouchers:
        discount = PROMOTIONS[voucher.kind].discount(basket, voucher.terms)
        if discount.goods > 0:
            usable.append(Usable(voucher, discount.goods, chosen=False))
        else:
            reason = "below_threshold" if discount.missing else "not_applicable"
            unusable.append(Unusable(voucher, reason, discount.missing))
    usable.sort(key=lambda choice: -choice.saves)
    wanted = [choice.voucher.id for choice in usable[:1]] if coupons is None else list(coupons)
    usable = [replace(choice, chosen=choice.voucher.id in wanted) for choice in usable]
    for choice in usable:
        if choice.chosen:
            lines = _apply(lines, choice)
    return Quote(
        parts=_parts(lines, freight),
        usable=tuple(usable),
        unusable=tuple(unusable),
        problems=tuple(problems),
        freight_known=freight is not None,
    )


def _apply(lines: Sequence[Line], choice: Usable) -> list[Line]:
    """Share one coupon over the lines by what is still to be paid for each."""
    shares = split_fen(choice.saves, [line.payable for line in lines])
    return [
        replace(line, shares=(*line.shares, Share(choice.voucher, share))) if share else line
        for line, share in zip(lines, shares, strict=True)
    ]


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
