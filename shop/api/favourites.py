"""Favourites, and what was looked at last."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import checked
from backend.errors import BadCursor, NotFound
from backend.schema import IDEMPOTENCY_KEY, problems
from shop import favourites
from shop.login import ShopperView

_ROW: Final = {
    "product": 5,
    "name": "秋冬保暖加厚羊毛被",
    "picture": "http://127.0.0.1:8000/media/demo/quilt.png",
    "price_fen": 45900,
    "market_price_fen": 59900,
    "sold": 12,
    "for_sale": True,
    "at": "2026-11-20T10:00:00+08:00",
}


class KeptProductSerializer(serializers.Serializer[Any]):
    product = serializers.IntegerField()
    name = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)
    price_fen = serializers.IntegerField()
    market_price_fen = serializers.IntegerField(allow_null=True)
    sold = serializers.IntegerField()
    for_sale = serializers.BooleanField(help_text="False: show it as no longer on sale.")
    at = serializers.DateTimeField(help_text="When it was kept, or looked at last.")


class KeptProductListSerializer(serializers.Serializer[Any]):
    results = KeptProductSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class FavouriteRequestSerializer(serializers.Serializer[Any]):
    product = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class FavouriteSerializer(serializers.Serializer[Any]):
    product = serializers.IntegerField()


class _PageQuery(serializers.Serializer[Any]):
    cursor = serializers.CharField(required=False, max_length=100)


_LIST_EXAMPLE: Final = OpenApiExample(
    "a page", value={"results": [_ROW], "next": None}, response_only=True, status_codes=["200"]
)


def _cursor(request: Any) -> str | None:
    asked = checked(_PageQuery, request.query_params)
    cursor: str | None = asked.get("cursor")
    return cursor


class FavouritesView(ShopperView):
    @extend_schema(
        operation_id="favourites",
        tags=["favourites"],
        parameters=[_PageQuery],
        responses={200: KeptProductListSerializer, **problems(BadCursor)},
        examples=[_LIST_EXAMPLE],
    )
    def get(self, request: Any) -> Response:
        """The favourites, newest first; what is no longer on sale is marked."""
        return Response(favourites.page(self.customer(), _cursor(request)))

    @extend_schema(
        operation_id="add_favourite",
        tags=["favourites"],
        parameters=[IDEMPOTENCY_KEY],
        request=FavouriteRequestSerializer,
        responses={201: FavouriteSerializer, 200: FavouriteSerializer, **problems(NotFound)},
        examples=[OpenApiExample("a product", value={"product": 5}, request_only=True)],
    )
    def post(self, request: Any) -> Response:
        """Keep a product. Keeping it again answers 200, key or not."""
        asked = checked(FavouriteRequestSerializer, request.data)
        product = asked["product"]
        new = favourites.add(self.customer(), product)
        return Response({"product": product}, status=201 if new else 200)


class FavouriteView(ShopperView):
    @extend_schema(operation_id="remove_favourite", tags=["favourites"], responses={204: None})
    def delete(self, request: Any, pk: int) -> Response:
        """Keep a product no more; one that wasn't kept is no fault."""
        favourites.remove(self.customer(), pk)
        return Response(status=204)


class RecentlySeenView(ShopperView):
    @extend_schema(
        operation_id="recently_seen",
        tags=["favourites"],
        parameters=[_PageQuery],
        responses={200: KeptProductListSerializer, **problems(BadCursor)},
        examples=[_LIST_EXAMPLE],
    )
    def get(self, request: Any) -> Response:
        """What this customer looked at, latest first."""
        return Response(favourites.seen(self.customer(), _cursor(request)))

    @extend_schema(operation_id="forget_recently_seen", tags=["favourites"], responses={204: None})
    def delete(self, request: Any) -> Response:
        """Forget all of it."""
        favourites.forget(self.customer())
        return Response(status=204)


class RecentlySeenProductView(ShopperView):
    @extend_schema(
        operation_id="forget_recently_seen_product", tags=["favourites"], responses={204: None}
    )
    def delete(self, request: Any, pk: int) -> Response:
        """Forget one product."""
        favourites.forget(self.customer(), pk)
        return Response(status=204)
