"""Calls that compose the apps: what one screen shows, what one farewell ends."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

import coupons.queries
import orders.queries
import orders.receivers
from backend.api import checked
from backend.errors import NotFound
from backend.schema import APPID, problems
from coupons import cards, running, wallet
from coupons.api.promotions import ProductPromotionSerializer
from payments import payers
from shop import catalogue, details, erasure, favourites, lists, search
from shop.api.accounts import CustomerSerializer, MeView, customer_shape
from shop.api.catalogue_schemas import (
    ITEM,
    PRODUCT,
    BannerSerializer,
    CategorySerializer,
    DetailQuery,
    NoticeSerializer,
    ProductSerializer,
    SectionSerializer,
    StoreNameSerializer,
    StoreQuery,
)
from shop.login import ShopperView, VisitorView
from shop.window import window


class HomeSerializer(serializers.Serializer[Any]):
    store = StoreNameSerializer(allow_null=True, help_text="The one asked for.")
    banners = BannerSerializer(many=True)
    notices = NoticeSerializer(many=True)
    sections = SectionSerializer(many=True)
    categories = CategorySerializer(many=True, help_text="The topmost ones.")
    popular = serializers.ListField(child=serializers.CharField(), help_text="Popular searches.")


class HomeView(VisitorView):
    @extend_schema(
        operation_id="home",
        tags=["shop"],
        parameters=[APPID, StoreQuery],
        responses={200: HomeSerializer, **problems(NotFound)},
        examples=[
            OpenApiExample(
                "the home page",
                value={
                    "store": None,
                    "banners": [
                        {
                            "id": 1,
                            "picture": "http://127.0.0.1:8000/media/demo/banner.png",
                            "text": "秋冬上新",
                            "link": "/pages/goods/list?tag=新品",
                        }
                    ],
                    "notices": [{"id": 1, "text": "满 99 元包邮", "link": ""}],
                    "sections": [{"id": 1, "title": "店长推荐", "products": [ITEM]}],
                    "categories": [{"id": 1, "name": "居家", "picture": ""}],
                    "popular": ["羊毛被", "四件套"],
                },
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Any) -> Response:
        """The home page in one call; with `store`, its products and its prices."""
        asked = checked(StoreQuery, request.query_params)
        pk = asked.get("store")
        merchant = self.merchant()
        store = catalogue.store_of(merchant, pk) if pk is not None else None
        return Response(
            {
                "store": {"id": store.pk, "name": store.name} if store is not None else None,
                **window(merchant),
                "sections": lists.sections(merchant, pk),
                "popular": search.popular(merchant),
            }
        )


class ProductScreenSerializer(ProductSerializer):
    promotions = ProductPromotionSerializer(
        many=True,
        help_text="Promotions it has part in; nobody claims them. With `store`, that store's.",
    )


class ProductView(VisitorView):
    @extend_schema(
        operation_id="product",
        tags=["catalogue"],
        parameters=[APPID, DetailQuery],
        responses={200: ProductScreenSerializer, **problems(NotFound)},
        examples=[
            OpenApiExample(
                "a product",
                value={
                    **PRODUCT,
                    "promotions": [
                        {
                            "id": 3,
                            "name": "满额立减",
                            "kind": "spend_and_save",
                            "text": "满 ¥999.00 减 ¥100.00",
                            "ends_at": "2026-12-01T00:00:00+08:00",
                        }
                    ],
                },
                response_only=True,
                status_codes=["200"],
            )
        ],
    )
    def get(self, request: Any, pk: int) -> Response:
        """Everything a product's page shows. One that is off sale has `for_sale` false.

        Whoever is signed in has it among what they looked at.
        """
        asked, merchant = checked(DetailQuery, request.query_params), self.merchant()
        shown = details.detail(
            merchant,
            pk,
            store=asked.get("store"),
            customer=self.visitor(),
            with_stores=asked["stores"],
        )
        promotions = running.about(
            merchant,
            timezone.now(),
            product=pk,
            skus=[sku["id"] for sku in shown["skus"]],
            categories=tuple(shown["categories"]),
            store=asked.get("store"),
        )
        return Response({**shown, "promotions": promotions})


class OrderCountsSerializer(serializers.Serializer[Any]):
    awaiting_payment = serializers.IntegerField()
    paid = serializers.IntegerField()
    shipped = serializers.IntegerField()
    to_review = serializers.IntegerField()
    after_sale = serializers.IntegerField()


class ServiceSerializer(serializers.Serializer[Any]):
    phone = serializers.CharField(allow_blank=True)
    hours = serializers.CharField(allow_blank=True)


class CenterSerializer(serializers.Serializer[Any]):
    customer = CustomerSerializer()
    order_counts = OrderCountsSerializer()
    coupons = serializers.IntegerField(help_text="Unused and not run out.")
    favourites = serializers.IntegerField()
    service = ServiceSerializer()


class CenterView(ShopperView):
    @extend_schema(
        operation_id="me_center",
        tags=["account"],
        responses=CenterSerializer,
        examples=[
            OpenApiExample(
                "the user centre",
                value={
                    "customer": {
                        "id": 7,
                        "nickname": "小满",
                        "avatar": "",
                        "gender": 2,
                        "phone": "138****0001",
                    },
                    "order_counts": {
                        "awaiting_payment": 1,
                        "paid": 0,
                        "shipped": 2,
                        "to_review": 0,
                        "after_sale": 0,
                    },
                    "coupons": 3,
                    "favourites": 5,
                    "service": {"phone": "400-000-0000", "hours": "09:00-21:00"},
                },
                response_only=True,
            )
        ],
    )
    def get(self, request: Any) -> Response:
        """The user centre in one call: who, how many orders and coupons, how to reach the shop."""
        customer = self.customer()
        return Response(
            {
                "customer": customer_shape(customer),
                "order_counts": orders.queries.counts(customer),
                "coupons": coupons.queries.usable_count(customer, timezone.now()),
                "favourites": favourites.count(customer),
                "service": {
                    "phone": customer.merchant.service_phone,
                    "hours": customer.merchant.service_hours,
                },
            }
        )


class MeAndFarewellView(MeView):
    """`me`, with the way out."""

    @extend_schema(
        operation_id="erase_me",
        tags=["account"],
        responses={204: None, **problems(erasure.OpenOrders)},
    )
    def delete(self, request: Any) -> Response:
        """Erase the account: the person goes at once, unused coupons are void, every token is dead.

        Refused while an order is under way. Finished orders stay in the books. Whoever comes back
        is a new customer.
        """
        customer = self.customer()
        with transaction.atomic():
            # Locked first: an order that is just being placed is written by then, and seen below.
            if erasure.lock(customer) is not None:
                if orders.queries.has_open(customer):
                    raise erasure.OpenOrders
                wallet.void_all(customer.merchant_id, customer.pk, at=timezone.now())
                cards.forget(customer)
                orders.receivers.lock(customer.merchant_id, customer.pk)
                payers.forget(customer.merchant_id, customer.pk)
                erasure.erase(customer)
        return Response(status=204)
