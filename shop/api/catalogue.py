"""Looking around: categories, lists of products, one product, stores."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.response import Response

from backend.api import checked
from backend.errors import BadCursor, NotFound
from backend.schema import APPID, problems
from shop import catalogue, lists, search, stores
from shop.api.catalogue_schemas import (
    ITEM,
    STORE,
    CategoryListSerializer,
    ItemListSerializer,
    ProductsQuery,
    StoreListSerializer,
    StoreQuery,
    StoreSerializer,
    StoresQuery,
)
from shop.api.search import SearchRate
from shop.login import VisitorView


class CategoriesView(VisitorView):
    @extend_schema(
        operation_id="categories",
        tags=["catalogue"],
        parameters=[APPID, StoreQuery],
        responses={200: CategoryListSerializer, **problems(NotFound)},
        examples=[
            OpenApiExample(
                "a tree",
                value={
                    "results": [
                        {
                            "id": 1,
                            "name": "居家",
                            "picture": "",
                            "children": [{"id": 4, "name": "被枕", "picture": "", "children": []}],
                        }
                    ],
                    "next": None,
                },
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Any) -> Response:
        """The tree of categories, three levels at most; with `store`, those it sells from."""
        asked = checked(StoreQuery, request.query_params)
        tree = catalogue.categories(self.merchant(), asked.get("store"))
        return Response({"results": tree, "next": None})


class ProductsView(VisitorView):
    throttle_classes = (SearchRate,)

    @extend_schema(
        operation_id="products",
        tags=["catalogue"],
        parameters=[APPID, ProductsQuery],
        responses={200: ItemListSerializer, **problems(BadCursor, NotFound)},
        examples=[
            OpenApiExample(
                "a page",
                value={"results": [ITEM], "next": "WyJkZWZhdWx0IiwwLDVd"},
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Any) -> Response:
        """Products on sale now, 20 a page. `next` is of one `sort` only.

        With `q`, the words go into the history of whoever is signed in.
        """
        asked = checked(ProductsQuery, request.query_params)
        words = asked.get("q", "")
        wanted = lists.Filter(
            category=asked.get("category"),
            words=words,
            tag=asked.get("tag", ""),
            min_price_fen=asked.get("min_price_fen"),
            max_price_fen=asked.get("max_price_fen"),
            store=asked.get("store"),
            sort=asked["sort"],
        )
        answer = lists.page(self.merchant(), wanted, asked.get("cursor"))
        if words and "cursor" not in asked and (customer := self.visitor()) is not None:
            search.record(customer, words)
        return Response(answer)


class StoresView(VisitorView):
    @extend_schema(
        operation_id="stores",
        tags=["shop"],
        parameters=[APPID, StoresQuery],
        responses={200: StoreListSerializer, **problems(BadCursor)},
        examples=[
            OpenApiExample(
                "stores",
                value={"results": [STORE], "next": None},
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Any) -> Response:
        """The stores, nearest to `lat` and `lng` first; without them the default store first.

        The coordinates are used for this answer and kept nowhere.
        """
        asked = checked(StoresQuery, request.query_params)
        near = (asked["lat"], asked["lng"]) if "lat" in asked else None
        return Response(stores.page(self.merchant(), asked.get("cursor"), near=near))


class StoreView(VisitorView):
    @extend_schema(
        operation_id="store",
        tags=["shop"],
        parameters=[APPID],
        responses=StoreSerializer,
        examples=[OpenApiExample("a store", value=STORE, response_only=True)],
    )
    def get(self, request: Any, pk: int) -> Response:
        """One store, with its hours and whether it is open now."""
        return Response(stores.one(self.merchant(), pk))
