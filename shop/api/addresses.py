"""The address book, and the list of regions it chooses from."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import ApiView, checked, idempotency_key
from backend.errors import KeyReused
from backend.schema import IDEMPOTENCY_KEY, problems
from shop import addresses, phones, regions
from shop.api import rates
from shop.login import ShopperView

_WRITTEN: Final = {
    "receiver": "林小满",
    "phone": "13800000001",
    "district_code": "310115",
    "detail": "世纪大道 100 号 12 楼",
    "tag": "公司",
    "is_default": True,
}
_SHOWN: Final = {
    "id": 3,
    "receiver": "林小满",
    "phone": "13800000001",
    "province_code": "310000",
    "city_code": "310100",
    "district_code": "310115",
    "province": "上海市",
    "city": "市辖区",
    "district": "浦东新区",
    "detail": "世纪大道 100 号 12 楼",
    "tag": "公司",
    "is_default": True,
}


class AddressSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    receiver = serializers.CharField()
    phone = serializers.CharField()
    province_code = serializers.CharField()
    city_code = serializers.CharField()
    district_code = serializers.CharField()
    province = serializers.CharField()
    city = serializers.CharField()
    district = serializers.CharField()
    detail = serializers.CharField()
    tag = serializers.CharField(allow_blank=True)
    is_default = serializers.BooleanField()


class AddressListSerializer(serializers.Serializer[Any]):
    results = AddressSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class PhoneField(serializers.CharField):
    """A number a courier can call: a mobile, a landline, a 400 number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=30, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        written = super().to_internal_value(data)
        try:
            return phones.receiver(written)
        except phones.NotAPhone:
            raise serializers.ValidationError(
                str(_("Enter a mobile, a landline with its area code, or a 400 number."))
            ) from None


class AddressRequestSerializer(serializers.Serializer[Any]):
    """The region by `district_code`, or by the three names as `wx.chooseAddress` gives them."""

    receiver = serializers.CharField(max_length=40)
    phone = PhoneField(help_text="A mobile, a landline with its area code, or a 400 number.")
    district_code = serializers.CharField(
        max_length=6, required=False, help_text="Goes before the names where both are given."
    )
    province = serializers.CharField(
        max_length=40, required=False, help_text="`provinceName` of wx.chooseAddress."
    )
    city = serializers.CharField(
        max_length=40, required=False, help_text="`cityName` of wx.chooseAddress."
    )
    district = serializers.CharField(
        max_length=40, required=False, help_text="`countyName` of wx.chooseAddress."
    )
    detail = serializers.CharField(max_length=200)
    tag = serializers.CharField(max_length=10, allow_blank=True, required=False)
    is_default = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = ("province", "city", "district")
        given = [name for name in names if name in attrs]
        if "district_code" in attrs or len(given) == 3 or (self.partial and not given):
            return attrs
        message = str(_("Send district_code, or province, city and district."))
        missing = [name for name in names if name not in attrs] if given else ["district_code"]
        raise serializers.ValidationError({name: [message] for name in missing})


class AddressesView(ShopperView):
    throttle_classes = (rates.AddressBookRate,)

    @extend_schema(
        operation_id="addresses",
        tags=["addresses"],
        responses=AddressListSerializer,
        examples=[
            OpenApiExample("one", value={"results": [_SHOWN], "next": None}, response_only=True)
        ],
    )
    def get(self, request: Any) -> Response:
        """Every address, the default first. There are at most 20, so there is one page."""
        return Response({"results": addresses.listed(self.customer()), "next": None})

    @extend_schema(
        operation_id="add_address",
        tags=["addresses"],
        parameters=[IDEMPOTENCY_KEY],
        request=AddressRequestSerializer,
        responses={
            201: AddressSerializer,
            200: AddressSerializer,
            **problems(regions.UnknownRegion, addresses.AddressLimit, KeyReused),
        },
        examples=[
            OpenApiExample("by code", value=_WRITTEN, request_only=True),
            OpenApiExample(
                "from wx.chooseAddress",
                value={
                    "receiver": "林小满",
                    "phone": "13800000001",
                    "province": "北京市",
                    "city": "北京市",
                    "district": "朝阳区",
                    "detail": "建国路 1 号",
                },
                request_only=True,
            ),
            OpenApiExample("added", value=_SHOWN, response_only=True, status_codes=["201", "200"]),
        ],
    )
    def post(self, request: Any) -> Response:
        """Add an address; the first is the default. The same Idempotency-Key gives it with 200."""
        asked = checked(AddressRequestSerializer, request.data)
        address, new = addresses.add(self.customer(), asked, key=idempotency_key(request))
        return Response(address, status=201 if new else 200)


_CHANGE_SCHEMA: Final[dict[str, Any]] = {
    "tags": ["addresses"],
    "request": AddressRequestSerializer(partial=True),
    "responses": {200: AddressSerializer, **problems(regions.UnknownRegion)},
    "examples": [
        OpenApiExample("make it the default", value={"is_default": True}, request_only=True),
        OpenApiExample("changed", value=_SHOWN, response_only=True, status_codes=["200"]),
    ],
}


class AddressView(ShopperView):
    throttle_classes = (rates.AddressBookRate,)

    @extend_schema(operation_id="address", tags=["addresses"], responses=AddressSerializer)
    def get(self, request: Any, pk: int) -> Response:
        """One address."""
        return Response(addresses.one(self.customer(), pk))

    @extend_schema(operation_id="change_address", **_CHANGE_SCHEMA)
    def put(self, request: Any, pk: int) -> Response:
        """Change what is given of an address; the rest stays."""
        asked = checked(AddressRequestSerializer, request.data, partial=True)
        return Response(addresses.change(self.customer(), pk, asked))

    @extend_schema(operation_id="change_address_patch", **_CHANGE_SCHEMA)
    def patch(self, request: Any, pk: int) -> Response:
        """The same as PUT, for clients that have PATCH."""
        return self.put(request, pk)

    @extend_schema(operation_id="delete_address", tags=["addresses"], responses={204: None})
    def delete(self, request: Any, pk: int) -> Response:
        """Delete an address; orders keep what was written on them."""
        addresses.remove(self.customer(), pk)
        return Response(status=204)


class DistrictSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()


class CitySerializer(DistrictSerializer):
    children = DistrictSerializer(many=True)


class ProvinceSerializer(DistrictSerializer):
    children = CitySerializer(many=True)


class RegionTreeSerializer(serializers.Serializer[Any]):
    results = ProvinceSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class RegionsView(ApiView):
    """The same for every shop and everybody, so it asks nobody who they are."""

    authentication_classes: Any = ()
    permission_classes: Any = ()

    @extend_schema(
        operation_id="regions",
        tags=["addresses"],
        auth=[],
        parameters=[
            OpenApiParameter(
                "If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER,
                description="The ETag of the copy you have.",
            )
        ],
        responses={
            200: RegionTreeSerializer,
            304: OpenApiResponse(description="Your copy is still right."),
        },
    )  # fmt: skip
    def get(self, request: Any) -> HttpResponseBase:
        """Provinces with their cities and districts, whole. Keep it, and ask with its ETag."""
        etag, body = regions.tree()
        response = HttpResponse(body, content_type="application/json")
        response["ETag"] = etag
        response["Cache-Control"] = "public, max-age=86400"
        return get_conditional_response(request, etag=etag, response=response) or response
