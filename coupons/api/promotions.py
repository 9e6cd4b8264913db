"""A promotion that nobody claims, with the goods it is for."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import checked
from backend.errors import BadCursor, NotFound
from backend.schema import APPID, problems
from coupons import running
from shop import lists
from shop.api.catalogue_schemas import ItemListSerializer
from shop.login import VisitorView


class NamedPromotionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField(help_text="Its terms in the reader's words.")


class ProductPromotionSerializer(NamedPromotionSerializer):
    ends_at = serializers.DateTimeField()


class _SpecSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()


class GiftSerializer(serializers.Serializer[Any]):
    sku = serializers.IntegerField()
    product = serializers.IntegerField()
    name = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)
    specs = _SpecSerializer(many=True)
    quantity = serializers.IntegerField()


class PromotionSerializer(NamedPromotionSerializer):
    terms = serializers.JSONField(help_text="As they are kept; `text` says them.")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    running = serializers.BooleanField(help_text="False: it is over.")
    gift = GiftSerializer(allow_null=True, help_text="What comes along with these goods.")
    products = ItemListSerializer(help_text="What it is for, on sale now; 20 a page.")


class _PromotionQuery(serializers.Serializer[Any]):
    store = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    cursor = serializers.CharField(
        required=False, max_length=200, help_text="`products.next` of the page before."
    )


class PromotionView(VisitorView):
    @extend_schema(
        operation_id="promotion",
        tags=["coupons"],
        parameters=[APPID, _PromotionQuery],
        responses={200: PromotionSerializer, **problems(BadCursor, NotFound)},
    )
    def get(self, request: Any, pk: int) -> Response:
        """A promotion that applies by itself, and the goods it is for; with `store`, that store's.

        How far the cart is from it, the cart says.
        """
        asked, merchant = checked(_PromotionQuery, request.query_params), self.merchant()
        template = running.one(merchant, pk)
        store = asked.get("store")
        wanted = lists.Filter(store=store, goods=running.goods(template))
        at = timezone.now()
        return Response(
            {
                **running.shape(template.pk, template.name, template.kind, template.terms),
                "terms": template.terms,
                "starts_at": template.starts_at,
                "ends_at": template.ends_at,
                "running": at < template.ends_at,
                "gift": running.gift(template),
                "products": (
                    lists.page(merchant, wanted, asked.get("cursor"))
                    if running.is_for(template, store)
                    else {"results": [], "next": None}
                ),
            }
        )
