"""Putting a voucher into WeChat's card pack, and WeChat's word that it is there."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import Rate
from backend.celery import wake
from backend.errors import NotFound
from backend.schema import problems
from coupons import cards, claiming, wallet
from coupons.tasks import take_in_cards
from shop.login import ShopperView
from shop.merchants import NoPayAccount, by_slug

log = logging.getLogger(__name__)

_MAX_BODY: Final = 32 * 1024


class SendItemSerializer(serializers.Serializer[Any]):
    stock_id = serializers.CharField()
    out_request_no = serializers.CharField()
    coupon_code = serializers.CharField(required=False)


class SendParamsSerializer(serializers.Serializer[Any]):
    """As the send-coupon plugin takes them."""

    send_coupon_params = SendItemSerializer(many=True)
    send_coupon_merchant = serializers.CharField()
    sign = serializers.CharField()


_EXAMPLE: Final = OpenApiExample(
    "Sandbox",
    value={
        "send_coupon_params": [
            {"stock_id": "1286950000000039", "out_request_no": "SEND20261120000001"}
        ],
        "send_coupon_merchant": "1900000109",
        "sign": "CDD2205BA7D7F288C13AA9E0CC10649071B50473F287A4A44538D34DE060A5CB",
    },
    response_only=True,
    status_codes=["200"],
)


class CardRate(Rate):
    scope, limit, seconds = "card", 30, 60


class TemplateCardView(ShopperView):
    throttle_classes = (CardRate,)

    @extend_schema(
        operation_id="template_card",
        tags=["coupons"],
        examples=[_EXAMPLE],
        request=None,
        responses={
            200: SendParamsSerializer,
            **problems(cards.NotAtWeChat, NoPayAccount, *claiming.REFUSALS),
        },
    )
    def post(self, request: Any, pk: int) -> Response:
        """Parameters of the send-coupon plugin for a voucher that WeChat gives out. It lies in the
        wallet once WeChat has said so."""
        return Response(cards.ask_for_template(self.customer(), pk))


class CouponCardView(ShopperView):
    throttle_classes = (CardRate,)

    @extend_schema(
        operation_id="coupon_card",
        tags=["coupons"],
        examples=[_EXAMPLE],
        request=None,
        responses={
            200: SendParamsSerializer,
            **problems(cards.NotAtWeChat, NoPayAccount, wallet.CouponUnavailable),
        },
    )
    def post(self, request: Any, pk: int) -> Response:
        """Parameters of the send-coupon plugin that put a claimed coupon into the card pack."""
        return Response(cards.ask_for_coupon(self.customer(), pk))


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, slug: str) -> HttpResponse:
    """领券事件回调 (API v3): verified, kept and answered; a sweep does the rest."""
    try:
        _merchant, accounts = by_slug(slug)
    except NotFound:
        return _fail(404, "unknown")
    body = request.read(_MAX_BODY + 1)
    if len(body) > _MAX_BODY:
        return _fail(413, "too large")
    message = cards.read(accounts, dict(request.headers), body)
    if message is None:
        log.warning("a voucher message for %s isn't authentic", slug)
        return _fail(401, "signature")
    if not cards.note(*message):
        return _fail(404, "unknown batch")
    wake(take_in_cards)
    return JsonResponse({"code": "SUCCESS", "message": "OK"})


def _fail(status: int, message: str) -> HttpResponse:
    return JsonResponse({"code": "FAIL", "message": message}, status=status)
