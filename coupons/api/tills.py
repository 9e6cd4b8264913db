"""What a till may ask, signed: look, redeem, undo, in its own store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.permissions import AllowAny
from rest_framework.response import Response

from backend.api import MAX_BODY, ApiView, Rate, checked, client_ip
from backend.errors import KeyReused, TooLarge
from backend.schema import TooManyRequests, problems
from coupons import counter, tills
from coupons.api import counter as shapes
from coupons.models import Till

_HEADERS = [
    OpenApiParameter("X-Till-Key", str, OpenApiParameter.HEADER, required=True),
    OpenApiParameter(
        "X-Till-Timestamp", str, OpenApiParameter.HEADER, required=True,
        description="Seconds since 1970, at most five minutes off.",
    ),
    OpenApiParameter(
        "X-Till-Nonce", str, OpenApiParameter.HEADER, required=True,
        description="8 to 64 letters, digits, _ and -, never the same again.",
    ),
    OpenApiParameter(
        "X-Till-Signature", str, OpenApiParameter.HEADER, required=True,
        description="HMAC-SHA256 with the till's secret, in hex, of method, path, timestamp, nonce "
        "and the body's SHA-256 in hex, joined by line feeds.",
    ),
]  # fmt: skip


class TillRate(Rate):
    """What one till may ask, once its signature holds."""

    scope, limit, seconds = "till", 600, 60


class UnsignedRate(Rate):
    """What nobody signed, from one address; tills beside it are not counted with it."""

    scope, limit, seconds = "till-unsigned", 60, 60


class _TillView(ApiView):
    authentication_classes = ()
    permission_classes: Any = (AllowAny,)
    problems = (tills.NotSigned, tills.Stale, TooManyRequests)

    def till(self) -> Till:
        """The till that signed this request.

        Raises: NotSigned, Stale, TooLarge, Throttled.
        """
        body = self.request._request.body
        if len(body) > MAX_BODY:
            raise TooLarge
        said = self.request.META
        try:
            till = self._verified(said, body)
        except tills.NotSigned:
            if not UnsignedRate().allows(client_ip(self.request)):
                raise exceptions.Throttled(UnsignedRate.seconds) from None
            raise
        if not TillRate().allows(str(till.pk)):
            raise exceptions.Throttled(TillRate.seconds)
        return till

    def _verified(self, said: Mapping[str, Any], body: bytes) -> Till:
        return tills.verify(
            key=said.get("HTTP_X_TILL_KEY", ""),
            timestamp=said.get("HTTP_X_TILL_TIMESTAMP", ""),
            nonce=said.get("HTTP_X_TILL_NONCE", ""),
            signed=said.get("HTTP_X_TILL_SIGNATURE", ""),
            method=str(self.request.method),
            path=self.request._request.get_full_path(),
            body=body,
        )


class TillLookView(_TillView):
    @extend_schema(
        operation_id="till_look",
        tags=["till"],
        parameters=_HEADERS,
        request=shapes.LookRequestSerializer,
        responses={200: shapes.LookSerializer, **problems(*shapes.REFUSALS)},
    )
    def post(self, request: Any) -> Response:
        """What a coupon is worth at this till's store. Nothing changes."""
        till = self.till()
        asked = checked(shapes.LookRequestSerializer, request.data)
        coupon = counter.coupon_of(till.merchant_id, asked["code"], timezone.now())
        return Response(shapes.looked_at(coupon, till.store, shapes.fen(asked["bill_fen"])))


class TillRedemptionsView(_TillView):
    @extend_schema(
        operation_id="till_redeem",
        tags=["till"],
        parameters=_HEADERS,
        request=shapes.RedeemRequestSerializer,
        responses={
            201: shapes.RedemptionSerializer,
            200: shapes.RedemptionSerializer,
            **problems(KeyReused, *shapes.REFUSALS),
        },
    )
    def post(self, request: Any) -> Response:
        """Redeem a coupon. The same `request_id` gives the same answer with 200, for ever."""
        till = self.till()
        asked = checked(shapes.RedeemRequestSerializer, request.data)
        made, new = counter.redeem(
            counter.Asked(
                till.merchant_id, till.store, asked["code"], shapes.fen(asked["bill_fen"]),
                asked["request_id"], by=f"till {till.pk}", till=till,
            )
        )  # fmt: skip
        return Response(shapes.shape_of(made), status=201 if new else 200)


class TillUndoView(_TillView):
    @extend_schema(
        operation_id="till_undo",
        tags=["till"],
        parameters=_HEADERS,
        request=None,
        responses={200: shapes.UndoneSerializer, **problems(counter.UndoTooLate)},
    )
    def post(self, request: Any, number: str) -> Response:
        """Undo a redemption of this till's store, within 24 hours. Again, it changes nothing."""
        till = self.till()
        made = counter.undo(till.merchant_id, number, stores=[till.store_id], by=f"till {till.pk}")
        return Response(shapes.undone(made))
