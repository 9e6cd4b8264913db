"""What the catalogue is asked and answers, field for field, with an example of each."""

from __future__ import annotations

import math
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from shop import lists, search

_MAX_ID: Final = 2**63 - 1
_MAX_FEN: Final = 10**12

ITEM: Final = {
    "id": 5,
    "name": "秋冬保暖加厚羊毛被",
    "subtitle": "新西兰羊毛，轻暖",
    "picture": "http://127.0.0.1:8000/media/demo/quilt.png",
    "price_fen": 45900,
    "market_price_fen": 59900,
    "tags": ["热销"],
    "sold": 12,
    "sold_out": False,
}
STORE: Final = {
    "id": 1,
    "name": "总店",
    "phone": "021-60000000",
    "province": "上海市",
    "city": "上海市",
    "district": "静安区",
    "detail": "南京西路 1 号",
    "latitude": 31.230416,
    "longitude": 121.473701,
    "distance_m": 820,
    "is_default": True,
    "open_now": True,
    "paused": False,
    "hours": [[["09:00", "21:00"]]] * 7,
    "holidays": ["2027-02-06"],
}


def _store_field() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=_MAX_ID,
        help_text="Prices and availability of this store, and only what it carries.",
    )


class StoreQuery(serializers.Serializer[Any]):
    store = _store_field()


class ProductsQuery(serializers.Serializer[Any]):
    category = serializers.IntegerField(
        required=False, min_value=1, max_value=_MAX_ID, help_text="With the categories below it."
    )
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=search.MAX_WORDS,
        help_text="Words; names come before descriptions unless another `sort` is named.",
    )
    sort = serializers.ChoiceField(choices=list(lists.SORTS), required=False, default="default")
    min_price_fen = serializers.IntegerField(required=False, min_value=0, max_value=_MAX_FEN)
    max_price_fen = serializers.IntegerField(required=False, min_value=0, max_value=_MAX_FEN)
    tag = serializers.CharField(required=False, allow_blank=True, max_length=20)
    store = _store_field()
    cursor = serializers.CharField(required=False, max_length=200)


class DetailQuery(serializers.Serializer[Any]):
    store = _store_field()
    stores = serializers.BooleanField(
        required=False, default=False, help_text="Also list the stores that have it."
    )


class StoresQuery(serializers.Serializer[Any]):
    lat = serializers.FloatField(required=False, min_value=-90, max_value=90)
    lng = serializers.FloatField(required=False, min_value=-180, max_value=180)
    cursor = serializers.CharField(required=False, max_length=200)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [attrs[name] for name in ("lat", "lng") if name in attrs]
        if len(given) == 1 or not all(math.isfinite(number) for number in given):
            raise serializers.ValidationError({"lat": [_("Send lat and lng together.")]})
        return attrs


class CategorySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)


class CategoryLeafSerializer(CategorySerializer):
    children = serializers.ListField(child=serializers.DictField(), max_length=0)


class CategoryBranchSerializer(CategorySerializer):
    children = CategoryLeafSerializer(many=True)


class CategoryTreeSerializer(CategorySerializer):
    children = CategoryBranchSerializer(many=True)


class CategoryListSerializer(serializers.Serializer[Any]):
    results = CategoryTreeSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ItemSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    subtitle = serializers.CharField(allow_blank=True)
    picture = serializers.CharField(allow_blank=True)
    price_fen = serializers.IntegerField(help_text="Of the cheapest sku.")
    market_price_fen = serializers.IntegerField(
        allow_null=True, help_text="Of the same sku; null where it isn't higher."
    )
    tags = serializers.ListField(child=serializers.CharField())
    sold = serializers.IntegerField()
    sold_out = serializers.BooleanField(help_text="No store that is asked for has any.")


class ItemListSerializer(serializers.Serializer[Any]):
    results = ItemSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ParamSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()


class SpecChoiceSerializer(serializers.Serializer[Any]):
    value = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)


class SpecSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    values = SpecChoiceSerializer(many=True)


class SkuSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    code = serializers.CharField()
    spec_values = ParamSerializer(many=True, help_text="One for each spec, in their order.")
    price_fen = serializers.IntegerField()
    market_price_fen = serializers.IntegerField(allow_null=True)
    available = serializers.IntegerField(
        help_text="At the store asked for, else the largest single store's count; 0 where it is"
        " not sold. At least 999 where `unlimited`."
    )
    unlimited = serializers.BooleanField(help_text="Never runs out.")
    picture = serializers.CharField(allow_blank=True)
    weight_g = serializers.IntegerField()


class StoreNameSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class StoreThatHasItSerializer(StoreNameSerializer):
    phone = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)


class ProductSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    subtitle = serializers.CharField(allow_blank=True)
    brand = serializers.CharField(allow_blank=True)
    unit = serializers.CharField(allow_blank=True)
    picture = serializers.CharField(allow_blank=True)
    pictures = serializers.ListField(child=serializers.CharField())
    description = serializers.CharField(allow_blank=True, help_text="Clean HTML.")
    params = ParamSerializer(many=True)
    categories = serializers.ListField(
        child=serializers.IntegerField(), help_text="Its category and those above, topmost first."
    )
    tags = serializers.ListField(child=serializers.CharField())
    price_fen = serializers.IntegerField(help_text="Of the cheapest sku.")
    price_max_fen = serializers.IntegerField()
    market_price_fen = serializers.IntegerField(allow_null=True)
    sold = serializers.IntegerField()
    for_sale = serializers.BooleanField(help_text="False: off sale, or before or after its time.")
    sold_out = serializers.BooleanField()
    sale_starts_at = serializers.DateTimeField(allow_null=True)
    sale_ends_at = serializers.DateTimeField(allow_null=True)
    max_quantity = serializers.IntegerField(help_text="Of one sku in one order.")
    no_reason_return = serializers.BooleanField(help_text="Returnable within 7 days, no reason.")
    no_return_ground = serializers.CharField(allow_blank=True)
    is_favourite = serializers.BooleanField(help_text="False before sign-in.")
    store = StoreNameSerializer(allow_null=True, help_text="The one asked for.")
    specs = SpecSerializer(many=True)
    skus = SkuSerializer(many=True)
    stores = StoreThatHasItSerializer(
        many=True, required=False, help_text="With `stores=true`: those that have any, 100 at most."
    )


class StoreSerializer(StoreNameSerializer):
    phone = serializers.CharField(allow_blank=True)
    province = serializers.CharField(allow_blank=True)
    city = serializers.CharField(allow_blank=True)
    district = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    latitude = serializers.FloatField(allow_null=True)
    longitude = serializers.FloatField(allow_null=True)
    distance_m = serializers.IntegerField(
        allow_null=True, help_text="From `lat` and `lng`; null without them."
    )
    is_default = serializers.BooleanField()
    open_now = serializers.BooleanField()
    paused = serializers.BooleanField(help_text="It takes no orders at the moment.")
    hours = serializers.ListField(
        child=serializers.ListField(
            child=serializers.ListField(child=serializers.CharField(), min_length=2, max_length=2)
        ),
        help_text="Seven lists of opening and closing times, Monday first; empty: always open.",
    )
    holidays = serializers.ListField(child=serializers.DateField(), help_text="Closed on.")


class StoreListSerializer(serializers.Serializer[Any]):
    results = StoreSerializer(many=True)
    next = serializers.CharField(allow_null=True)


PRODUCT: Final = {
    **ITEM,
    "brand": "山野",
    "unit": "件",
    "pictures": ["http://127.0.0.1:8000/media/demo/quilt.png"],
    "description": "<p>一整张羊毛。</p>",
    "params": [{"name": "面料", "value": "100% 棉"}],
    "categories": [1, 4],
    "price_max_fen": 65900,
    "for_sale": True,
    "sale_starts_at": None,
    "sale_ends_at": None,
    "max_quantity": 999,
    "no_reason_return": True,
    "no_return_ground": "",
    "is_favourite": False,
    "store": None,
    "specs": [{"name": "尺寸", "values": [{"value": "1.5 米", "picture": ""}]}],
    "skus": [
        {
            "id": 9,
            "code": "QUILT-150",
            "spec_values": [{"name": "尺寸", "value": "1.5 米"}],
            "price_fen": 45900,
            "market_price_fen": 59900,
            "available": 37,
            "unlimited": False,
            "picture": "",
            "weight_g": 2600,
        }
    ],
}


# The home page: answered by `backend.screens`, described here.


class BannerSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    picture = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    link = serializers.CharField(allow_blank=True)


class NoticeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    text = serializers.CharField()
    link = serializers.CharField(allow_blank=True)


class SectionSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    products = ItemSerializer(many=True)
