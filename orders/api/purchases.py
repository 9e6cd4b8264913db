"""Agreeing on a price, placing it, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.response import Response

from backend.api import checked, idempotency_key
from backend.errors import KeyReused, NotFound
from backend.money import Fen
from backend.schema import IDEMPOTENCY_KEY, problems
from coupons.wallet import CouponUnavailable
from orders import basket, checkout, lifecycle, queries
from orders.api import schemas
from orders.api.shapes import purchase_shape, quote_shape
from orders.models import CloseReason, Order, Purchase
from orders.writing import Placing
from shop.login import ShopperView
from shop.models import CartLine, Customer
from shop.stock import OutOfStock

_ITEMS = {"items": [{"sku": 1, "quantity": 2}], "delivery": {"kind": "express", "address": 1}}


def wanted(customer: Customer, asked: Mapping[str, Any]) -> checkout.Wanted:
    """The basket a body asks for: its items, or the selected lines of the cart."""
    if asked.get("items"):
        items = [
            basket.Item(item["sku"], item["quantity"], item.get("store"), item.get("source") or {})
            for item in asked["items"]
        ]
    else:
        items = [
            basket.Item(line.sku_id, line.quantity, line.store_id, line.source)
            for line in CartLine.objects.filter(
                merchant_id=customer.merchant_id, customer=customer, selected=True
            ).order_by("pk")
        ]
    return checkout.Wanted(items, asked.get("delivery"), asked.get("coupons"))


def _gifts(seen: Sequence[Mapping[str, int]] | None) -> dict[int, int] | None:
    if seen is None:
        return None
    gifts: Counter[int] = Counter()
    for gift in seen:
        gifts[gift["sku"]] += gift["quantity"]
    return dict(gifts)


class QuoteView(ShopperView):
    @extend_schema(
        operation_id="quote",
        tags=["purchases"],
        request=schemas.QuoteRequestSerializer,
        responses={
            200: schemas.QuoteSerializer,
            **problems(NotFound, CouponUnavailable, checkout.CouponsDontCombine),
        },
        examples=[OpenApiExample("two of a sku", value=_ITEMS, request_only=True)],
    )
    def post(self, request: Any) -> Response:
        """Price a basket: lines by store, discounts, freight, coupons, and what can't be bought."""
        asked = checked(schemas.QuoteRequestSerializer, request.data)
        customer = self.customer()
        priced = checkout.price(customer, wanted(customer, asked), at=timezone.now())
        return Response(quote_shape(priced))


class PurchasesView(ShopperView):
    @extend_schema(
        operation_id="place",
        tags=["purchases"],
        parameters=[IDEMPOTENCY_KEY],
        request=schemas.PlaceRequestSerializer,
        responses={
            201: schemas.PurchaseSerializer,
            200: schemas.PurchaseSerializer,
            **problems(
                NotFound,
                OutOfStock,
                checkout.NotForSale,
                checkout.StoreClosed,
                checkout.OverLimit,
                checkout.PriceChanged,
                CouponUnavailable,
                KeyReused,
                checkout.AddressNeeded,
                checkout.NoReturnNotAccepted,
                checkout.NothingToBuy,
                checkout.CouponsDontCombine,
            ),
        },
        examples=[
            OpenApiExample(
                "what was quoted", value={**_ITEMS, "payable_fen": 12800}, request_only=True
            )
        ],
    )
    def post(self, request: Any) -> Response:
        """Place what was quoted. The same Idempotency-Key gives the same purchase with 200."""
        asked = checked(schemas.PlaceRequestSerializer, request.data)
        customer = self.customer()
        try:
            placed = checkout.place_order(
                customer,
                wanted(customer, asked),
                Placing(
                    payable=Fen(asked["payable_fen"]),
                    remarks={r["store"]: r["remark"] for r in asked.get("remarks") or []},
                    accepts_no_return=frozenset(asked.get("accepts_no_return") or []),
                    source=asked.get("source") or {},
                    from_cart=asked["from_cart"],
                    gifts=_gifts(asked.get("gifts")),
                ),
                key=idempotency_key(request),
                request_hash=checkout.fingerprint(asked),
            )
        except checkout.PriceChanged as error:
            priced = (error.detail or {})["priced"]
            raise checkout.PriceChanged(detail={"quote": quote_shape(priced)}) from error
        shape = purchase_shape(placed.purchase, placed.orders)
        return Response(shape, status=201 if placed.new else 200)


class PurchaseView(ShopperView):
    @extend_schema(
        operation_id="purchase",
        tags=["purchases"],
        responses={200: schemas.PurchaseSerializer},
    )
    def get(self, request: Any, number: str) -> Response:
        """A purchase with its orders."""
        return Response(_shape(queries.purchase(self.customer(), number)))


class CancelView(ShopperView):
    @extend_schema(
        operation_id="cancel",
        tags=["purchases"],
        request=None,
        responses={200: schemas.PurchaseSerializer, **problems(lifecycle.WrongStatus)},
    )
    def post(self, request: Any, number: str) -> Response:
        """Close an unpaid purchase; its stock and coupons are back at once."""
        purchase = queries.purchase(self.customer(), number)
        lifecycle.close(purchase.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
        purchase.refresh_from_db()
        return Response(_shape(purchase))


def _shape(purchase: Purchase) -> dict[str, Any]:
    orders = queries.with_lines(Order.objects.filter(purchase=purchase))
    return purchase_shape(purchase, orders)
