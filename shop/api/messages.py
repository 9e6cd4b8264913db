"""Which messages a mini program may ask consent for, and what the shopper accepted."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import checked, idempotency_key
from backend.schema import APPID, IDEMPOTENCY_KEY
from shop import messages
from shop.login import ShopperView, VisitorView
from shop.models import MessageTemplate


class MessageTemplateSerializer(serializers.Serializer[Any]):
    event = serializers.ChoiceField(choices=MessageTemplate.Event.choices)
    template_id = serializers.CharField()


class MessageTemplateListSerializer(serializers.Serializer[Any]):
    results = MessageTemplateSerializer(many=True)


class AcceptedSerializer(serializers.Serializer[Any]):
    accepted = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=10,
        help_text="The template ids that `wx.requestSubscribeMessage` said `accept` to.",
    )


class MessageTemplatesView(VisitorView):
    @extend_schema(
        operation_id="message_templates",
        tags=["messages"],
        parameters=[APPID],
        responses={200: MessageTemplateListSerializer},
    )
    def get(self, request: Any) -> Response:
        """What `wx.requestSubscribeMessage` may be asked for, and when it will be sent."""
        appid = request.META.get("HTTP_X_WX_APPID", "").replace("\x00", "")
        rows = messages.templates(self.merchant(), appid)
        found = [{"event": row.event, "template_id": row.template_id} for row in rows]
        return Response({"results": found})


class SubscriptionsView(ShopperView):
    @extend_schema(
        operation_id="subscribe",
        tags=["messages"],
        parameters=[IDEMPOTENCY_KEY],
        request=AcceptedSerializer,
        responses={204: None},
    )
    def post(self, request: Any) -> Response:
        """The shopper accepted these: each may be sent once more, whatever it will be about."""
        asked = checked(AcceptedSerializer, request.data)
        messages.agree(self.customer(), asked["accepted"], key=idempotency_key(request))
        return Response(status=204)
