"""Words people search for: popular ones, their own, and what they may mean."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import Rate, checked
from backend.schema import APPID
from shop import search
from shop.login import ShopperView, VisitorView


class SearchRate(Rate):
    """Searching costs more than looking; a list without words isn't counted."""

    scope, limit, seconds = "search", 240, 60

    def who(self, request: Any) -> str | None:
        if request.path.endswith("/products") and not request.query_params.get("q"):
            return None
        return super().who(request)


class WordsSerializer(serializers.Serializer[Any]):
    results = serializers.ListField(child=serializers.CharField())
    next = serializers.CharField(allow_null=True)


class _SuggestQuery(serializers.Serializer[Any]):
    q = serializers.CharField(allow_blank=True, max_length=search.MAX_WORDS)


class _ForgetQuery(serializers.Serializer[Any]):
    words = serializers.CharField(
        required=False, max_length=search.MAX_WORDS, help_text="Only these; without it, all."
    )


_EXAMPLE = OpenApiExample(
    "words",
    value={"results": ["羊毛被", "4K 显示器"], "next": None},
    response_only=True,
    status_codes=["200"],
)


def _words(words: list[str]) -> Response:
    return Response({"results": words, "next": None})


class PopularView(VisitorView):
    throttle_classes = (SearchRate,)

    @extend_schema(
        operation_id="popular_words",
        tags=["search"],
        parameters=[APPID],
        responses=WordsSerializer,
        examples=[_EXAMPLE],
    )
    def get(self, request: Any) -> Response:
        """What most customers searched for in the last 30 days, filled up with categories."""
        return _words(search.popular(self.merchant()))


class SuggestView(VisitorView):
    throttle_classes = (SearchRate,)

    @extend_schema(
        operation_id="suggestions",
        tags=["search"],
        parameters=[APPID, _SuggestQuery],
        responses=WordsSerializer,
        examples=[_EXAMPLE],
    )
    def get(self, request: Any) -> Response:
        """Popular words and product names for what is being typed; popular words if none fit."""
        asked = checked(_SuggestQuery, request.query_params)
        return _words(search.suggest(self.merchant(), asked["q"]))


class HistoryView(ShopperView):
    throttle_classes = (SearchRate,)

    @extend_schema(
        operation_id="search_history",
        tags=["search"],
        responses=WordsSerializer,
        examples=[_EXAMPLE],
    )
    def get(self, request: Any) -> Response:
        """The customer's last searches, latest first, 20 at most."""
        return _words(search.history(self.customer()))

    @extend_schema(
        operation_id="forget_search_history",
        tags=["search"],
        parameters=[_ForgetQuery],
        responses={204: None},
    )
    def delete(self, request: Any) -> Response:
        """Forget one search, or all of them; what isn't there is no fault."""
        asked = checked(_ForgetQuery, request.query_params)
        search.forget(self.customer(), asked.get("words"))
        return Response(status=204)
