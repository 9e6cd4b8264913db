"""What a customer has gathered: rows of (sku, store), counted up, set, selected, taken out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from backend.api import KeyReused, NotFound
from backend.errors import DomainError
from shop.customers import hold
from shop.models import CartAddition, CartLine, Customer, Sku, Stock

MAX_LINES: Final = 100
MAX_QUANTITY: Final = 999


class CartFull(DomainError):
    code = "cart_full"
    message = _("The cart holds 100 lines. Take something out first.")


class TooMany(DomainError):
    code = "over_limit"
    message = _("That is more than one order may have.")


def add(
    customer: Customer,
    *,
    sku: int,
    quantity: int,
    store: int | None,
    replace: bool = False,
    source: Mapping[str, str] | None = None,
    key: str | None = None,
    request_hash: str = "",
) -> None:
    """Put so many more of a sku into the cart, or (`replace`) make it so many.

    A store is chosen when none is named: one that has the quantity, the default store first.
    The same key again adds nothing.

    Raises: NotFound for a sku or store that isn't this merchant's; CartFull, TooMany, KeyReused,
        Gone.
    """
    store = _store_for(customer.merchant_id, sku, store, quantity)
    with transaction.atomic():
        hold(customer)  # one cart changes at a time, so that its limits hold
        if key is not None and not _first_time(customer, key, request_hash):
            return
        lines = CartLine.objects.filter(merchant_id=customer.merchant_id, customer=customer)
        line = lines.filter(sku_id=sku, store_id=store).first()
        if line is None and lines.count() >= MAX_LINES:
            raise CartFull
        total = quantity if replace or line is None else line.quantity + quantity
        if total > MAX_QUANTITY:
            raise TooMany(detail={"limit": MAX_QUANTITY})
        if line is None:
            CartLine.objects.create(
                merchant_id=customer.merchant_id,
                customer=customer,
                sku_id=sku,
                store_id=store,
                quantity=total,
                source=dict(source or {}),
            )
        else:
            line.quantity, line.selected = total, True
            line.source = dict(source or {}) or line.source
            line.save()


def _first_time(customer: Customer, key: str, request_hash: str) -> bool:
    addition, new = CartAddition.objects.get_or_create(
        merchant_id=customer.merchant_id,
        customer=customer,
        idempotency_key=key,
        defaults={"request_hash": request_hash},
    )
    if addition.request_hash != request_hash:
        raise KeyReused
    return new


def _store_for(merchant: int, sku: int, store: int | None, quantity: int) -> int:
    """The store a line comes from: the one named, else the first that has so many."""
    stocks = Stock.objects.filter(merchant_id=merchant, sku_id=sku, store__is_active=True)
    if store is not None:
        stocks = stocks.filter(store_id=store)
    rows = list(
        stocks.order_by("-store__is_default", "store__sort", "store_id").values_list(
            "store_id", "available", "unlimited", "on_sale", "store__paused"
        )
    )
    if not rows:
        raise NotFound(f"sku {sku} at store {store}")
    for pk, available, unlimited, on_sale, paused in rows:
        if on_sale and not paused and (unlimited or available >= quantity):
            return int(pk)
    return int(rows[0][0])


def change(customer: Customer, line_id: int, changes: Mapping[str, Any]) -> None:
    """Change a line's quantity, selection, sku or store; a line that becomes another joins it.

    Raises: NotFound, TooMany, Gone.
    """
    with transaction.atomic():
        hold(customer)
        lines = CartLine.objects.filter(merchant_id=customer.merchant_id, customer=customer)
        line = lines.filter(pk=line_id).first()
        if line is None:
            raise NotFound(f"cart line {line_id}")
        line.quantity = changes.get("quantity", line.quantity)
        line.selected = changes.get("selected", line.selected)
        if "sku" in changes or "store" in changes:
            sku = changes.get("sku", line.sku_id)
            store = changes.get("store", line.store_id)
            if not Sku.objects.filter(pk=sku, merchant_id=customer.merchant_id).exists():
                raise NotFound(f"sku {sku}")
            line.sku_id = sku
            line.store_id = _store_for(customer.merchant_id, sku, store, line.quantity)
            other = lines.filter(sku_id=line.sku_id, store_id=line.store_id).exclude(pk=line.pk)
            if (same := other.first()) is not None:
                line.quantity += same.quantity
                same.delete()
        if line.quantity > MAX_QUANTITY:
            raise TooMany(detail={"limit": MAX_QUANTITY})
        line.save()


def select(
    customer: Customer, *, selected: bool, lines: Sequence[int] | None, store: int | None
) -> None:
    """Tick or untick lines: the ones named, a store's, or all of them."""
    rows = CartLine.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    if lines is not None:
        rows = rows.filter(pk__in=lines)
    if store is not None:
        rows = rows.filter(store_id=store)
    rows.update(selected=selected)


def remove(customer: Customer, lines: Sequence[int]) -> None:
    """Take lines out; one that is gone already is no fault."""
    CartLine.objects.filter(
        merchant_id=customer.merchant_id, customer=customer, pk__in=lines
    ).delete()


# Counted down by what was bought; what came into the cart meanwhile stays.
_TAKE_OUT_SQL: Final = """
WITH bought AS (
    SELECT * FROM unnest(%(skus)s::bigint[], %(stores)s::bigint[], %(quantities)s::bigint[])
        AS b(sku_id, store_id, quantity)
), gone AS (
    DELETE FROM shop_cartline c USING bought b
    WHERE c.merchant_id = %(merchant)s AND c.customer_id = %(customer)s
      AND c.sku_id = b.sku_id AND c.store_id = b.store_id AND c.quantity <= b.quantity
)
UPDATE shop_cartline c SET quantity = c.quantity - b.quantity FROM bought b
WHERE c.merchant_id = %(merchant)s AND c.customer_id = %(customer)s
  AND c.sku_id = b.sku_id AND c.store_id = b.store_id AND c.quantity > b.quantity
"""


def take_out(customer: Customer, bought: Iterable[tuple[int, int, int]]) -> None:
    """Take (sku, store, quantity) that were bought out of the cart."""
    rows = list(bought)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE_OUT_SQL,
            {
                "merchant": customer.merchant_id,
                "customer": customer.pk,
                "skus": [sku for sku, _store, _quantity in rows],
                "stores": [store for _sku, store, _quantity in rows],
                "quantities": [quantity for _sku, _store, quantity in rows],
            },
        )
