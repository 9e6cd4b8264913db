"""Money is an integer count of fen. Yuan and decimals exist only in `Fen.__str__`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from django.db import models
from django.db.models.query_utils import DeferredAttribute

# django-stubs reads the two private names to know what a column takes and gives, null or not.
_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.expressions import Combinable

    class _BigInteger(models.BigIntegerField[_ST, _GT]):
        _pyi_private_set_type: int | Combinable
        _pyi_private_get_type: Fen
        _pyi_lookup_exact_type: int
else:

    class _BigInteger(models.BigIntegerField, Generic[_ST, _GT]):
        pass


class Fen(int):
    """An amount of money. Fen + Fen is Fen; Fen * quantity is Fen; there is no `/`.

    `//` by a whole number rounds down and gives Fen: three of five units are `paid * 3 // 5`.
    What must add up again goes through `split_fen`. `str()` shows ¥12.00 to people; `repr()`, JSON
    and the database keep the integer.
    """

    __slots__ = ()

    def __add__(self, other: int) -> Fen:
        return Fen(int.__add__(self, other)) if isinstance(other, int) else NotImplemented

    __radd__ = __add__

    def __sub__(self, other: int) -> Fen:
        return Fen(int.__sub__(self, other)) if isinstance(other, int) else NotImplemented

    def __rsub__(self, other: int) -> Fen:
        return Fen(int.__rsub__(self, other)) if isinstance(other, int) else NotImplemented

    def __mul__(self, other: int) -> Fen:
        if isinstance(other, Fen):
            raise TypeError("money times money means nothing")
        return Fen(int.__mul__(self, other)) if isinstance(other, int) else NotImplemented

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Fen:
        if isinstance(other, Fen):
            raise TypeError("money by money is a ratio: say what it counts with int()")
        return Fen(int.__floordiv__(self, other)) if isinstance(other, int) else NotImplemented

    def __truediv__(self, other: object) -> NoReturn:
        raise TypeError("money is not divided with /: use split_fen, or // to round down")

    def __rtruediv__(self, other: object) -> NoReturn:
        raise TypeError("nothing is divided by money")

    def __neg__(self) -> Fen:
        return Fen(int.__neg__(self))

    def __pos__(self) -> Fen:
        return self

    def __abs__(self) -> Fen:
        return Fen(int.__abs__(self))

    def __str__(self) -> str:
        yuan, fen = divmod(int.__abs__(self), 100)
        return f"{'-' if self < 0 else ''}¥{yuan}.{fen:02d}"


def split_fen(amount: Fen, weights: Sequence[int]) -> list[Fen]:
    """Share an amount over lines in proportion to their weights; the shares add up to it exactly.

    What does not divide evenly goes to the largest remainders, the earlier line on a tie, so a
    share is never more than one fen from its exact part, and an amount no larger than the sum of
    the weights never gives a line more than its weight. Lines without any weight share evenly.

    Raises: ValueError for a negative amount or weight, and for money with no line to carry it.
    """
    if amount < 0 or any(weight < 0 for weight in weights):
        raise ValueError("only amounts and weights of zero or more can be shared")
    if not weights:
        if amount:
            raise ValueError(f"{amount} has no line to go to")
        return []
    parts = [int(weight) for weight in weights]
    whole = sum(parts)
    if whole == 0:
        parts, whole = [1] * len(parts), len(parts)
    shares, remainders = zip(*(divmod(int(amount) * part, whole) for part in parts), strict=True)
    left = int(amount) - sum(shares)
    first = set(sorted(range(len(parts)), key=lambda i: (-remainders[i], i))[:left])
    return [Fen(share + (i in first)) for i, share in enumerate(shares)]


class _FenAttribute(DeferredAttribute):
    """Makes a plain integer that is assigned to the field read back as Fen at once."""

    def __set__(self, instance: models.Model, value: Any) -> None:
        if type(value) is int:
            value = Fen(value)
        instance.__dict__[self.field.attname] = value


class FenField(_BigInteger[_ST, _GT]):
    """A bigint that reads back as Fen, also out of Sum(). Name the column `..._fen`."""

    description = "Money (fen)"
    descriptor_class = _FenAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A migration and a form write the default down: for them it is a number, not ¥0.00.
        if isinstance(kwargs.get("default"), Fen):
            kwargs["default"] = int(kwargs["default"])
        super().__init__(*args, **kwargs)

    def from_db_value(
        self, value: int | None, expression: object, connection: BaseDatabaseWrapper
    ) -> Fen | None:
        return None if value is None else Fen(value)

    def to_python(self, value: Any) -> Fen | None:
        number = super().to_python(value)
        return None if number is None else Fen(number)

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return int(prepared) if isinstance(prepared, Fen) else prepared

    def value_from_object(self, obj: models.Model) -> Any:
        """What forms and fixtures show: the integer."""
        value = super().value_from_object(obj)
        return int(value) if isinstance(value, Fen) else value
