"""What a promotion is shown, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from django.utils.functional import Promise

from backend.money import Fen


@dataclass(frozen=True)
class BasketLine:
    """One line as a promotion sees it."""

    sku: int
    product: int
    store: int
    unit_price: Fen
    quantity: int

    @property
    def total(self) -> Fen:
        return self.unit_price * self.quantity


@dataclass(frozen=True)
class Basket:
    """The lines a shopper means to buy at once."""

    lines: tuple[BasketLine, ...]

    @property
    def goods(self) -> Fen:
        return sum((line.total for line in self.lines), Fen(0))


@dataclass(frozen=True, slots=True)
class Voucher:
    """A coupon of the shopper's, as pricing needs it."""

    id: int
    name: str
    kind: str
    terms: Mapping[str, Any]


@dataclass(frozen=True)
class Discount:
    """What comes off the goods, and how far the basket is from it where nothing does."""

    goods: Fen = Fen(0)
    missing: Fen = Fen(0)


class Promotion(Protocol):
    """One kind of offer."""

    kind: ClassVar[str]
    label: ClassVar[str | Promise]

    def check(self, terms: Mapping[str, Any]) -> None:
        """Refuse terms that this kind can't keep.

        Raises: ValidationError, at the field.
        """

    def discount(self, basket: Basket, terms: Mapping[str, Any]) -> Discount:
        """What these terms take off this basket; never more than its goods."""

    def text(self, terms: Mapping[str, Any]) -> str:
        """The terms in the reader's words."""
