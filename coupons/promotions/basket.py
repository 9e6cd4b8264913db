"""What a promotion is shown, and what it answers."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.utils.functional import Promise

from backend.money import Fen


@dataclass(frozen=True)
class BasketLine:
    """One line as a promotion sees it. `categories`: the product's, and those above it; `offer`:
    the kind of offer whose price it has, if any; `off`: what came off it already.
    """

    sku: int
    product: int
    store: int
    unit_price: Fen
    quantity: int
    categories: tuple[int, ...] = ()
    offer: str = ""
    off: Fen = Fen(0)

    @property
    def total(self) -> Fen:
        return self.unit_price * self.quantity - self.off


@dataclass(frozen=True)
class Basket:
    """The lines a shopper means to buy at once, and what else terms may ask.

    `at` is the shop's own time; left out, terms of the clock are not looked at. `customer` is
    "new", "returning", or neither: nothing was paid yet, but something waits to be.
    """

    lines: tuple[BasketLine, ...]
    at: dt.datetime | None = None
    delivery: str = "express"
    customer: str = "returning"

    @property
    def goods(self) -> Fen:
        return sum((line.total for line in self.lines), Fen(0))


@dataclass(frozen=True, slots=True)
class Voucher:
    """A coupon of the shopper's, or an `automatic` promotion of the shop's, as pricing needs it.

    `begins` is set while a coupon can't be used yet.
    """

    id: int
    name: str
    kind: str
    terms: Mapping[str, Any]
    automatic: bool = False
    begins: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Gift:
    """What comes along: so many units of a sku. `places`: the lines of the basket it is for."""

    sku: int
    units: int
    places: tuple[int, ...] = ()

    KIND: ClassVar[str] = "gift"


@dataclass(frozen=True)
class Discount:
    """What comes off each line of a basket and off its freight, or comes along with it.

    Where nothing does: why not. `missing`: how much more of the right goods the basket wants, for
    this or for the next step of it.
    """

    lines: tuple[Fen, ...] = ()
    freight: Fen = Fen(0)
    reason: str = ""
    missing: Fen = Fen(0)
    gift: Gift | None = None

    @property
    def goods(self) -> Fen:
        return sum(self.lines, Fen(0))


class Promotion(Protocol):
    """One kind of offer. It is shown the goods it is for and no others, in no particular shop."""

    kind: ClassVar[str]
    label: ClassVar[str | Promise]
    # Which group it is of where its terms name none: see `coupons.promotions.choice`.
    group: ClassVar[str]
    # What it is worth at the counter follows from the "bill", or from its own "sku"; or from
    # nothing that a counter knows.
    at_counter: ClassVar[str]
    # The names of its own terms; the ones every kind may have are in `coupons.promotions.scope`.
    terms: ClassVar[frozenset[str]]

    def check(self, terms: Mapping[str, Any]) -> None:
        """Refuse terms of its own that this kind can't keep.

        Raises: ValidationError, at the field.
        """

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """What these terms take off these goods, line by line; never more than a line costs."""

    def most(self, terms: Mapping[str, Any]) -> Fen | None:
        """The most that one such voucher can take off; None where these terms set no bound."""

    def text(self, terms: Mapping[str, Any]) -> str:
        """Its own terms in the reader's words."""
