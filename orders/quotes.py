"""The price of a basket, in values: what is wished for, what comes off it, what is paid.

`orders.pricing` makes a quote; `orders.checkout` shows it, and places what it says.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backend.money import Fen
from coupons.promotions import Gift, Voucher


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
class Given:
    """That a line is a gift: which promotion gives it, and with which skus of which stores."""

    voucher: Voucher
    goods: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Wish:
    """So many of a sku at a store; wished for, or given along."""

    offered: Offered
    quantity: int
    source: Mapping[str, str] = field(default_factory=dict)
    given: Given | None = None

    @cached_property
    def goods(self) -> Fen:
        return self.offered.unit_price * self.quantity

    @property
    def offer(self) -> str:
        """At which offer's price it is; empty: the sku's own."""
        return Gift.KIND if self.given else ""


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
class Circumstances:
    """What terms may ask besides the basket. `customer`: as in `Basket`; `categories`: by product,
    its own and those above it; `gifts`: by sku, how each store has what promotions give along.
    """

    at: dt.datetime | None = None
    customer: str = "returning"
    categories: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    gifts: Mapping[int, Sequence[Offered]] = field(default_factory=dict)


@dataclass(frozen=True)
class Share:
    """What one coupon or promotion takes off one line, or off one store's freight."""

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
    def promoted(self) -> Fen:
        """What promotions take off it, and coupons therefore don't see."""
        own = (share.amount for share in self.shares if share.voucher.automatic)
        return sum(own, Fen(0))

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
    """A coupon that wouldn't, or a promotion that doesn't: why, and how far the basket is off."""

    voucher: Voucher
    reason: str
    missing: Fen


@dataclass(frozen=True)
class Applied:
    """A promotion that applies: what it saves, what it gives along, how far its next step is."""

    voucher: Voucher
    saves: Fen
    gifts: tuple[Wish, ...] = ()
    missing: Fen = Fen(0)


@dataclass(frozen=True)
class Quote:
    """The price of a basket, line by line. `freight_known` is False without an address."""

    parts: tuple[Part, ...]
    usable: tuple[Usable, ...]
    unusable: tuple[Unusable, ...]
    problems: tuple[Problem, ...]
    freight_known: bool = True
    applied: tuple[Applied, ...] = ()
    not_applied: tuple[Unusable, ...] = ()

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
    def lines(self) -> tuple[Line, ...]:
        return tuple(line for part in self.parts for line in part.lines)

    @cached_property
    def bought(self) -> tuple[Line, ...]:
        """The lines that were asked for: all but gifts."""
        return tuple(line for line in self.lines if not line.wish.given)

    @cached_property
    def gifts(self) -> dict[int, int]:
        """How many of each sku come along."""
        found: dict[int, int] = {}
        for applied in self.applied:
            for wish in applied.gifts:
                found[wish.offered.sku] = found.get(wish.offered.sku, 0) + wish.quantity
        return found

    @cached_property
    def saved(self) -> dict[int, Fen]:
        """What each used coupon takes off the whole purchase."""
        return {one.voucher.id: one.saves for one in self.usable if one.chosen}
