"""Goods on the shelf: small makers of what the catalogue's tests look for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from backend.money import Fen
from shop import catalogue, stock
from shop.models import Category, Merchant, Product, Sku, Stock, Store

_numbers = itertools.count(1)


def store(merchant: Merchant, name: str = "总店", **more: Any) -> Store:
    return Store.objects.create(merchant=merchant, name=name, code=f"s{next(_numbers)}", **more)


def default_store(merchant: Merchant) -> Store:
    found = Store.objects.filter(merchant=merchant, is_default=True).first()
    return found or store(merchant, is_default=True)


def category(
    merchant: Merchant, name: str, parent: Category | None = None, **more: Any
) -> Category:
    return Category.objects.create(merchant=merchant, name=name, parent=parent, **more)


def sku(
    product: Product,
    price: int,
    values: Sequence[str] = (),
    *,
    at: Mapping[Store, int | None] | None = None,
    **more: Any,
) -> Sku:
    """A sku, and at each store so many of it; None never runs out."""
    made = Sku.objects.create(
        merchant=product.merchant,
        product=product,
        code=f"k{next(_numbers)}",
        price_fen=Fen(price),
        spec_values=list(values),
        **more,
    )
    for where, count in (at or {}).items():
        shelf(made, where, count)
    return made


def shelf(sku: Sku, where: Store, count: int | None, **more: Any) -> Stock:
    row = Stock.objects.create(
        merchant=sku.merchant, sku=sku, store=where, unlimited=count is None, **more
    )
    if count:
        stock.receive(row, count, reference="delivery")
    return row


def product(
    merchant: Merchant, name: str = "羊毛被", price: int = 1000, count: int | None = 9, **more: Any
) -> Product:
    """A product with one sku in the default store, ready to be found."""
    made = Product.objects.create(
        merchant=merchant, code=more.pop("code", f"p{next(_numbers)}"), name=name, **more
    )
    sku(made, price, at={default_store(merchant): count})
    return fresh(made)


def fresh(product: Product) -> Product:
    """The product after `refresh`."""
    catalogue.refresh([product.pk])
    product.refresh_from_db()
    return product
