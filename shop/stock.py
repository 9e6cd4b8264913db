"""The only writer of stock. Every change is one conditional UPDATE and one movement.

A movement is unique by (stock, reference, reason): a step that comes twice changes nothing.
Callers hold a transaction, and take stock rows in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from shop.models import Stock, StockMovement

Reason = StockMovement.Reason


class OutOfStock(DomainError):
    code = "out_of_stock"
    status = 409
    message = _("Some of this is no longer in stock.")


@dataclass(frozen=True)
class Take:
    """So many of one stock row."""

    stock: int
    quantity: int


# available, held: which way a reason moves the two counts of a row.
_HOLD: Final = (-1, 1)
_RETURN: Final = (1, 0)


def _summed(takes: Iterable[Take]) -> dict[int, int]:
    """Quantities per stock row, by id: two lines of one row are one take."""
    quantities: dict[int, int] = {}
    for take in takes:
        quantities[take.stock] = quantities.get(take.stock, 0) + take.quantity
    return dict(sorted(quantities.items()))


def _lock(merchant: int, stocks: Sequence[int]) -> None:
    """Take the rows in the order of their ids, so that two baskets never wait in a circle."""
    list(
        Stock.objects.filter(merchant_id=merchant, pk__in=stocks)
        .order_by("pk")
        .select_for_update()
        .values_list("pk")
    )


def hold(merchant: int, takes: Iterable[Take], *, reference: str) -> None:
    """Take goods off the shelf for a purchase that isn't paid yet: all of them or none.

    Locks: the stock rows, by id.
    Raises: OutOfStock, with the stock rows that fell short.
    """
    _step(merchant, _summed(takes), Reason.HELD, reference, _HOLD)


def release(merchant: int, stocks: Iterable[int], *, reference: str) -> None:
    """Put back what this reference held. It depends on what was held, not on what is there.

    Locks: the stock rows, by id.
    """
    _settle(merchant, stocks, Reason.RELEASED, reference)


def sell(merchant: int, stocks: Iterable[int], *, reference: str) -> None:
    """What this reference held is sold.

    Locks: the stock rows, by id.
    """
    _settle(merchant, stocks, Reason.SOLD, reference)


def give_back(merchant: int, takes: Iterable[Take], *, reference: str) -> None:
    """Sold goods are on the shelf again.

    Locks: the stock rows, by id.
    """
    _step(merchant, _summed(takes), Reason.RETURNED, reference, _RETURN)


# One statement: the movements that aren't there yet, and the counts they move. A row that would
# fall below zero is left alone and missing from the answer. Rows that are `unlimited` keep their
# movements at zero, so that the sums still agree.
_STEP_SQL: Final = """
WITH wanted AS (
    SELECT s.id, w.quantity, s.unlimited
    FROM unnest(%(stocks)s::bigint[], %(quantities)s::bigint[]) AS w(id, quantity)
    JOIN shop_stock s ON s.id = w.id AND s.merchant_id = %(merchant)s
    WHERE NOT EXISTS (SELECT 1 FROM shop_stockmovement m WHERE m.stock_id = s.id
                      AND m.reference = %(reference)s AND m.reason = %(reason)s)
    ORDER BY s.id FOR NO KEY UPDATE OF s
), moved AS (
    UPDATE shop_stock s
    SET available = s.available + %(available)s * w.quantity,
        held = s.held + %(held)s * w.quantity
    FROM wanted w
    WHERE s.id = w.id AND NOT s.unlimited
      AND s.available + %(available)s * w.quantity >= 0
      AND s.held + %(held)s * w.quantity >= 0
    RETURNING s.id, w.quantity
), noted AS (
    INSERT INTO shop_stockmovement
        (merchant_id, stock_id, reason, reference, available_delta, held_delta, by, at)
    SELECT %(merchant)s, id, %(reason)s, %(reference)s,
           %(available)s * quantity, %(held)s * quantity, %(by)s, now()
    FROM moved
    UNION ALL
    SELECT %(merchant)s, id, %(reason)s, %(reference)s, 0, 0, %(by)s, now()
    FROM wanted WHERE unlimited
    RETURNING stock_id
)
SELECT w.id FROM wanted w WHERE w.id NOT IN (SELECT stock_id FROM noted)
"""


def _step(
    merchant: int,
    quantities: Mapping[int, int],
    reason: StockMovement.Reason,
    reference: str,
    signs: tuple[int, int],
    *,
    by: str = "",
) -> None:
    """Move the counts of several rows at once, each with its movement.

    Raises: OutOfStock with `detail["stocks"]`, the rows that can't; the caller's transaction is
        then to be left, so that the others go back too.
    """
    if not quantities:
        return
    with transaction.atomic(savepoint=False):
        with connection.cursor() as cursor:
            cursor.execute(
                _STEP_SQL,
                {
                    "stocks": list(quantities),
                    "quantities": list(quantities.values()),
                    "merchant": merchant,
                    "reference": reference,
                    "reason": reason.value,
                    "available": signs[0],
                    "held": signs[1],
                    "by": by,
                },
            )
            short = [pk for (pk,) in cursor.fetchall()]
        if short:
            raise OutOfStock(f"stock rows {short} for {reference}", detail={"stocks": short})


# One statement: for each movement that held, the movement that ends it, and the counts both move.
_SETTLE_SQL: Final = """
WITH held AS (
    SELECT m.stock_id AS id, m.held_delta AS quantity
    FROM shop_stockmovement m
    WHERE m.merchant_id = %(merchant)s AND m.stock_id = ANY(%(stocks)s)
      AND m.reference = %(reference)s AND m.reason = 'held'
      AND NOT EXISTS (SELECT 1 FROM shop_stockmovement n WHERE n.stock_id = m.stock_id
                      AND n.reference = m.reference AND n.reason IN ('released', 'sold'))
), noted AS (
    INSERT INTO shop_stockmovement
        (merchant_id, stock_id, reason, reference, available_delta, held_delta, by, at)
    SELECT %(merchant)s, id, %(reason)s, %(reference)s, %(back)s * quantity, -quantity, '', now()
    FROM held
)
UPDATE shop_stock s
SET available = s.available + %(back)s * h.quantity, held = s.held - h.quantity
FROM held h
WHERE s.id = h.id
"""


def _settle(
    merchant: int, stocks: Iterable[int], reason: StockMovement.Reason, reference: str
) -> None:
    """End what `reference` held: back to the shelf, or gone. Ended once, it stays ended."""
    rows = sorted(set(stocks))
    with transaction.atomic(savepoint=False):
        if len(rows) > 1:
            _lock(merchant, rows)
        with connection.cursor() as cursor:
            cursor.execute(
                _SETTLE_SQL,
                {
                    "stocks": rows,
                    "merchant": merchant,
                    "reference": reference,
                    "reason": reason.value,
                    "back": 1 if reason == Reason.RELEASED else 0,
                },
            )


def receive(stock: Stock, quantity: int, *, reference: str, by: str = "") -> None:
    """Goods have come in. The same reference twice counts once."""
    _step(stock.merchant_id, {stock.pk: quantity}, Reason.RECEIVED, reference, (1, 0), by=by)


def count(stock: Stock, available: int, *, reference: str, by: str = "") -> None:
    """Someone counted the shelf: `available` is what is there, apart from what is held.

    Locks: the stock row.
    """
    if available < 0:
        raise ValueError("a shelf holds nothing less than nothing")
    with transaction.atomic():
        row = Stock.objects.select_for_update().get(pk=stock.pk, merchant_id=stock.merchant_id)
        difference = available - row.available
        if difference:
            sign = 1 if difference > 0 else -1
            quantities = {row.pk: abs(difference)}
            _step(row.merchant_id, quantities, Reason.COUNTED, reference, (sign, 0), by=by)


def receive_all(
    merchant: int, quantities: Mapping[int, int], *, reference: str, by: str = ""
) -> None:
    """Goods have come in on several rows at once. The same reference twice counts once.

    Locks: the stock rows, by id.
    """
    _step(merchant, dict(sorted(quantities.items())), Reason.RECEIVED, reference, (1, 0), by=by)


def count_all(merchant: int, counts: Mapping[int, int], *, reference: str, by: str = "") -> int:
    """Several shelves were counted: what is there, apart from what is held; how many were wrong.

    Locks: the stock rows, by id.
    """
    with transaction.atomic():
        _lock(merchant, list(counts))
        rows = Stock.objects.filter(merchant_id=merchant, pk__in=counts, unlimited=False)
        wrong = {
            pk: counts[pk] - available
            for pk, available in rows.values_list("pk", "available")
            if counts[pk] != available
        }
        for sign in (1, -1):
            some = {pk: sign * by_how_much for pk, by_how_much in sorted(wrong.items())
                    if sign * by_how_much > 0}  # fmt: skip
            _step(merchant, some, Reason.COUNTED, reference, (sign, 0), by=by)
    return len(wrong)
