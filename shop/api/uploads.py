"""Sending in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from backend.api import idempotency_key
from backend.errors import KeyReused, TooLarge
from backend.schema import IDEMPOTENCY_KEY, problems
from shop import uploads
from shop.api import rates
from shop.catalogue import picture_url
from shop.login import ShopperView

# The picture and what multipart puts around it.
_MAX_BODY = uploads.MAX_BYTES + 64 * 1024


class PictureParser(MultiPartParser):
    """multipart/form-data, refused by its Content-Length before a byte of it is kept."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > _MAX_BODY:
            raise TooLarge(detail={"bytes": uploads.MAX_BYTES})
        try:
            return super().parse(stream, media_type, parser_context)
        except SuspiciousOperation as error:  # too many fields or files
            raise exceptions.ParseError from error


class UploadRequestSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="One JPEG, PNG or WebP picture, 5 MB at most.")


class UploadSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    url = serializers.CharField()


class UploadsView(ShopperView):
    parser_classes = (PictureParser,)
    throttle_classes = (rates.UploadRate,)

    @extend_schema(
        operation_id="upload",
        tags=["account"],
        parameters=[IDEMPOTENCY_KEY],
        request={"multipart/form-data": UploadRequestSerializer},
        responses={
            201: UploadSerializer,
            200: UploadSerializer,
            **problems(uploads.NotAPicture, TooLarge, KeyReused),
        },
        examples=[
            OpenApiExample(
                "kept",
                value={
                    "id": 12,
                    "url": "http://127.0.0.1:8000/media/uploads/2026/11/20/0f3c.jpg",
                },
                response_only=True,
                status_codes=["201", "200"],
            )
        ],
    )
    def post(self, request: Any) -> Response:
        """Keep a picture, as `wx.uploadFile` sends it: one per call, without its EXIF."""
        files = [file for name in request.FILES for file in request.FILES.getlist(name)]
        if len(files) != 1:
            raise serializers.ValidationError({"file": [str(_("Send exactly one file."))]})
        upload, new = uploads.keep(self.customer(), files[0], key=idempotency_key(request))
        answer = {"id": upload.pk, "url": picture_url(str(upload.file))}
        return Response(answer, status=201 if new else 200)
