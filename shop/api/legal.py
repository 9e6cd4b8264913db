"""Who runs the shop, its legal pages, and agreeing to them."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import checked
from backend.errors import NotFound
from backend.schema import APPID, IDEMPOTENCY_KEY, problems
from shop import legal
from shop.catalogue import picture_url
from shop.login import ShopperView, VisitorView
from shop.models import LegalDocument, Merchant

_PAGE: Final = {
    "kind": "privacy",
    "version": "2026-01",
    "title": "隐私政策",
    "published_at": "2026-01-01T00:00:00+08:00",
}


class LicenceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    number = serializers.CharField()


class DocumentSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=LegalDocument.Kind.choices)
    version = serializers.CharField()
    title = serializers.CharField()
    published_at = serializers.DateTimeField()


class DocumentWithTextSerializer(DocumentSerializer):
    body = serializers.CharField()


class ShopSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    logo = serializers.CharField(allow_blank=True)
    service_phone = serializers.CharField(allow_blank=True)
    service_hours = serializers.CharField(allow_blank=True)
    licences = LicenceSerializer(many=True)
    documents = DocumentSerializer(many=True)


class ConsentRequestSerializer(serializers.Serializer[Any]):
    document = serializers.CharField(max_length=10, help_text="The `kind` of the page.")
    version = serializers.CharField(max_length=20)


class ConsentSerializer(serializers.Serializer[Any]):
    document = serializers.CharField()
    version = serializers.CharField()
    at = serializers.DateTimeField()


class ConsentListSerializer(serializers.Serializer[Any]):
    results = ConsentSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class _PageQuery(serializers.Serializer[Any]):
    version = serializers.CharField(
        max_length=20, required=False, help_text="An older version; without it, the one in force."
    )


class ShopView(VisitorView):
    @extend_schema(
        operation_id="shop",
        tags=["shop"],
        parameters=[APPID],
        responses=ShopSerializer,
        examples=[
            OpenApiExample(
                "a shop",
                value={
                    "name": "山野小铺",
                    "logo": "http://127.0.0.1:8000/media/demo/logo.png",
                    "service_phone": "400-000-0000",
                    "service_hours": "09:00-21:00",
                    "licences": [{"name": "营业执照", "number": "91310000MA1K000000"}],
                    "documents": [_PAGE],
                },
                response_only=True,
            )
        ],
    )
    def get(self, request: Any) -> Response:
        """Who runs this shop, how to reach them, and which legal pages are in force."""
        merchant = Merchant.objects.get(pk=self.merchant())
        return Response(
            {
                "name": merchant.name,
                "logo": picture_url(merchant.logo) if merchant.logo else "",
                "service_phone": merchant.service_phone,
                "service_hours": merchant.service_hours,
                "licences": [
                    {"name": str(row.get("name", "")), "number": str(row.get("number", ""))}
                    for row in merchant.licences
                    if isinstance(row, dict)
                ],
                "documents": legal.documents(merchant.pk),
            }
        )


class LegalView(VisitorView):
    @extend_schema(
        operation_id="legal_page",
        tags=["shop"],
        parameters=[APPID, _PageQuery],
        responses={200: DocumentWithTextSerializer, **problems(NotFound)},
        examples=[
            OpenApiExample(
                "a page", value={**_PAGE, "body": "<p>…</p>"}, response_only=True,
                status_codes=["200"],
            )
        ],
    )  # fmt: skip
    def get(self, request: Any, kind: str) -> Response:
        """A legal page with its text: `terms`, `privacy` or `returns`."""
        asked = checked(_PageQuery, request.query_params)
        version = asked.get("version", "")
        return Response(legal.document(self.merchant(), kind, version))


class ConsentsView(ShopperView):
    @extend_schema(
        operation_id="consents",
        tags=["account"],
        responses=ConsentListSerializer,
    )
    def get(self, request: Any) -> Response:
        """Which versions of which pages this customer has agreed to."""
        return Response({"results": legal.consents(self.customer()), "next": None})

    @extend_schema(
        operation_id="consent",
        tags=["account"],
        parameters=[IDEMPOTENCY_KEY],
        request=ConsentRequestSerializer,
        responses={201: ConsentSerializer, 200: ConsentSerializer, **problems(NotFound)},
        examples=[
            OpenApiExample(
                "agree", value={"document": "privacy", "version": "2026-01"}, request_only=True
            )
        ],
    )
    def post(self, request: Any) -> Response:
        """Agree to a version of a page. Agreeing again answers 200, key or not."""
        asked = checked(ConsentRequestSerializer, request.data)
        consent, new = legal.agree(self.customer(), asked["document"], asked["version"])
        return Response(consent, status=201 if new else 200)
