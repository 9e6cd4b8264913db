"""Passing a coupon on to a friend."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import Rate
from backend.schema import APPID, problems
from coupons import claiming, passing, promotions, queries, wallet
from coupons.api.views import CouponSerializer
from shop.login import ShopperView, VisitorView


class LinkSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Goes into the mini program's share path.")
    expires_at = serializers.DateTimeField()


class PassSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField(help_text="The terms in words.")
    valid_until = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="When the link ends.")
    open = serializers.BooleanField(help_text="Whether it can still be taken.")


class PassRate(Rate):
    scope, limit, seconds = "pass", 30, 60


class ShareView(ShopperView):
    throttle_classes = (PassRate,)

    @extend_schema(
        operation_id="share_coupon",
        tags=["coupons"],
        request=None,
        responses={
            201: LinkSerializer,
            **problems(passing.Personal, wallet.CouponUnavailable),
        },
    )
    def post(self, request: Any, pk: int) -> Response:
        """A link for a friend, for a day. A link made before ends; until it is taken the coupon
        can still be used."""
        token, ends = passing.share(self.customer(), pk)
        return Response({"token": token, "expires_at": ends}, status=201)


class PassView(VisitorView):
    throttle_classes = (PassRate,)

    @extend_schema(
        operation_id="coupon_pass",
        tags=["coupons"],
        parameters=[APPID],
        responses={200: PassSerializer},
    )
    def get(self, request: Any, token: str) -> Response:
        """What a friend passes on, before it is taken."""
        found = passing.find(self.merchant(), token)
        coupon = found.coupon
        return Response(
            {
                "name": coupon.name,
                "kind": coupon.kind,
                "text": promotions.text(coupon.kind, coupon.terms),
                "valid_until": coupon.valid_until,
                "expires_at": found.expires_at,
                "open": passing.is_open(found, timezone.now()),
            }
        )


class AcceptView(ShopperView):
    throttle_classes = (PassRate,)

    @extend_schema(
        operation_id="accept_coupon",
        tags=["coupons"],
        request=None,
        responses={
            201: CouponSerializer,
            200: CouponSerializer,
            **problems(passing.OwnPass, passing.PassGone, claiming.ClaimLimitReached),
        },
    )
    def post(self, request: Any, token: str) -> Response:
        """Take what a friend passes on; again, it is the same coupon with 200."""
        coupon, new = passing.accept(self.customer(), token)
        return Response(queries.shape_of(coupon, timezone.now()), status=201 if new else 200)
