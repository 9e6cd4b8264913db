"""What a customer wants to find again, and what they looked at last."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from backend.api import PAGE_SIZE, decode_cursor, encode_cursor
from backend.errors import NotFound
from shop.catalogue import picture_url
from shop.models import Customer, Favourite, Product, RecentView

_FACTS = ("name", "pictures", "price_min_fen", "market_price_fen", "sold")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def add(customer: Customer, product: int) -> bool:
    """The product is a favourite; again, it changes nothing. Say whether it is new.

    Raises: NotFound.
    """
    if not Product.objects.filter(pk=product, merchant_id=customer.merchant_id).exists():
        raise NotFound(f"product {product}")
    try:
        with transaction.atomic():
            _row, new = Favourite.objects.get_or_create(
                merchant_id=customer.merchant_id, customer=customer, product_id=product
            )
    except IntegrityError:  # the product was deleted meanwhile
        raise NotFound(f"product {product}") from None
    return new


def remove(customer: Customer, product: int) -> None:
    """The product is no favourite; one that was none is no fault."""
    Favourite.objects.filter(
        merchant_id=customer.merchant_id, customer=customer, product_id=product
    ).delete()


def count(customer: Customer) -> int:
    """How many favourites a customer has."""
    return Favourite.objects.filter(merchant_id=customer.merchant_id, customer=customer).count()


def page(customer: Customer, cursor: str | None) -> dict[str, Any]:
    """A page of the favourites, newest first, in one query.

    Raises: BadCursor.
    """
    rows = Favourite.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    found = _with_products(rows.order_by("-pk"))
    more = len(found) > PAGE_SIZE
    return {
        "results": [_shape(row) for row in found[:PAGE_SIZE]],
        "next": encode_cursor([found[PAGE_SIZE - 1]["pk"]]) if more else None,
    }


def seen(customer: Customer, cursor: str | None) -> dict[str, Any]:
    """A page of what the customer looked at, latest first, in one query.

    Raises: BadCursor.
    """
    rows = RecentView.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    if cursor:
        micros, pk = decode_cursor(cursor, int, int)
        try:
            at = _EPOCH + dt.timedelta(microseconds=micros)
        except OverflowError:
            at = _EPOCH
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
    found = _with_products(rows.order_by("-at", "-pk"))
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    following = None
    if last is not None:
        micros = (last["at"] - _EPOCH) // dt.timedelta(microseconds=1)
        following = encode_cursor([micros, last["pk"]])
    return {"results": [_shape(row) for row in found[:PAGE_SIZE]], "next": following}


def forget(customer: Customer, product: int | None = None) -> None:
    """What the customer looked at is forgotten: one product, or all of it."""
    rows = RecentView.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    if product is not None:
        rows = rows.filter(product_id=product)
    rows.delete()


def _with_products(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    at = timezone.now()
    for_sale = (
        Q(product__on_sale=True)
        & (Q(product__sale_starts_at__isnull=True) | Q(product__sale_starts_at__lte=at))
        & (Q(product__sale_ends_at__isnull=True) | Q(product__sale_ends_at__gt=at))
    )
    return list(
        rows.annotate(for_sale=for_sale)
        .annotate(**{f"of_{fact}": F(f"product__{fact}") for fact in _FACTS})
        .values("pk", "at", "product_id", "for_sale", *(f"of_{fact}" for fact in _FACTS))[
            : PAGE_SIZE + 1
        ]
    )


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    pictures = row["of_pictures"]
    return {
        "product": row["product_id"],
        "name": row["of_name"],
        "picture": picture_url(pictures[0]) if pictures else "",
        "price_fen": row["of_price_min_fen"],
        "market_price_fen": row["of_market_price_fen"],
        "sold": row["of_sold"],
        "for_sale": row["for_sale"],
        "at": row["at"],
    }
