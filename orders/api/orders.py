"""A customer's orders: the list with its tabs, one order, and that it has arrived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import checked
from backend.errors import BadCursor
from backend.schema import problems
from orders import lifecycle, queries
from orders.api import schemas
from orders.api.shapes import order_detail_shape, order_shape, purchase_shape
from orders.models import Order
from shop.login import ShopperView


class _ListQuery(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=list(queries.TABS), required=False)
    cursor = serializers.CharField(required=False, max_length=100)


class OrdersView(ShopperView):
    @extend_schema(
        operation_id="orders",
        tags=["orders"],
        parameters=[
            OpenApiParameter("status", str, enum=list(queries.TABS), description="A tab."),
            OpenApiParameter("cursor", str),
        ],
        responses={200: schemas.OrderListSerializer, **problems(BadCursor)},
    )
    def get(self, request: Any) -> Response:
        """Newest first; an unpaid purchase is one row, afterwards each of its orders is one."""
        asked = checked(_ListQuery, request.query_params)
        page = queries.page(self.customer(), asked.get("status"), asked.get("cursor"))
        rows = [_row(kind, orders) for kind, orders in page["rows"] if orders]
        return Response({"results": rows, "next": page["next"]})


def _row(kind: str, orders: Sequence[Order]) -> dict[str, Any]:
    whole = (
        purchase_shape(orders[0].purchase, orders)
        if kind == "purchase"
        else {**order_shape(orders[0]), "orders": [order_shape(orders[0])]}
    )
    names = ("number", "payable_fen", "expires_at", "status", "status_text", "actions", "orders")
    return {"kind": kind, **{name: whole[name] for name in names}}


class CountsView(ShopperView):
    @extend_schema(
        operation_id="orders_counts", tags=["orders"], responses=schemas.CountsSerializer
    )
    def get(self, request: Any) -> Response:
        """How many rows each tab has."""
        return Response(queries.counts(self.customer()))


class OrderView(ShopperView):
    @extend_schema(
        operation_id="order", tags=["orders"], responses={200: schemas.OrderDetailSerializer}
    )
    def get(self, request: Any, number: str) -> Response:
        """One order with its timeline."""
        return Response(order_detail_shape(queries.order(self.customer(), number)))


class ReceiveView(ShopperView):
    @extend_schema(
        operation_id="receive",
        tags=["orders"],
        request=None,
        responses={200: schemas.OrderDetailSerializer, **problems(lifecycle.WrongStatus)},
    )
    def post(self, request: Any, number: str) -> Response:
        """The goods have arrived."""
        order = queries.order(self.customer(), number)
        lifecycle.receive(order.pk, at=timezone.now(), by="shopper")
        return Response(order_detail_shape(queries.order(self.customer(), number)))
