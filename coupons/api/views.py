"""What is offered, claiming one, and the wallet."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import Rate, checked, idempotency_key, listing
from backend.errors import BadCursor, NotFound
from backend.schema import APPID, IDEMPOTENCY_KEY, problems
from coupons import claiming, codes, promotions, queries, reminders
from coupons.models import CouponStatus
from shop.api.messages import AcceptedSerializer
from shop.api.source import SourceSerializer
from shop.login import ShopperView, VisitorView


class TemplateSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField(help_text="The terms in words.")
    terms = serializers.DictField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    valid_from = serializers.DateTimeField(allow_null=True)
    valid_until = serializers.DateTimeField(allow_null=True)
    valid_days = serializers.IntegerField(allow_null=True)
    valid_delay_days = serializers.IntegerField(help_text="After which the days begin to count.")
    total = serializers.IntegerField()
    remaining = serializers.IntegerField()
    per_customer = serializers.IntegerField()
    claimed = serializers.IntegerField(help_text="By this customer; 0 without a sign-in.")
    claimable = serializers.BooleanField()


class TemplateListSerializer(serializers.Serializer[Any]):
    results = TemplateSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class CouponSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    template = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField(help_text="The terms in words.")
    terms = serializers.DictField()
    status = serializers.ChoiceField(choices=CouponStatus.choices)
    status_text = serializers.CharField()
    code = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_until = serializers.DateTimeField()
    claimed_at = serializers.DateTimeField()


class CouponListSerializer(serializers.Serializer[Any]):
    results = CouponSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ClaimRequestSerializer(serializers.Serializer[Any]):
    store = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Where the shopper is; needed where a store's share is limited.",
    )
    source = SourceSerializer(required=False)  # type: ignore[assignment]


class _OfferedQuery(serializers.Serializer[Any]):
    product = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Only what is for this product: its page's coupons.",
    )


class _WalletQuery(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=queries.TABS, default="usable")
    cursor = serializers.CharField(required=False, max_length=100)


# A page of the claim centre; what ends first comes first.
_MOST_OFFERED = 100


class ClaimRate(Rate):
    scope, limit, seconds = "claim", 60, 60


class TemplatesView(VisitorView):
    @extend_schema(
        operation_id="coupon_templates",
        tags=["coupons"],
        parameters=[APPID, _OfferedQuery],
        responses={200: TemplateListSerializer, **problems(NotFound)},
    )
    def get(self, request: Any) -> Response:
        """What may be claimed now, with what this customer has had already."""
        asked, merchant = checked(_OfferedQuery, request.query_params), self.merchant()
        at, nothing = timezone.now(), (0, 0)
        templates = list(queries.offered(merchant, at))
        if "product" in asked:
            templates = queries.about(templates, merchant, asked["product"])
        templates, visitor = templates[:_MOST_OFFERED], self.visitor()
        had = queries.claimed(visitor, [t.pk for t in templates], at) if visitor else {}
        rows = [
            {
                "id": t.pk,
                "name": t.name,
                "kind": t.kind,
                "text": promotions.text(t.kind, t.terms),
                "terms": t.terms,
                "starts_at": t.starts_at,
                "ends_at": t.ends_at,
                "valid_from": t.valid_from,
                "valid_until": t.valid_until,
                "valid_days": t.valid_days,
                "total": t.total,
                "valid_delay_days": t.valid_delay_days,
                "remaining": t.remaining,
                "per_customer": t.per_customer,
                "claimed": had.get(t.pk, nothing)[0],
                "claimable": queries.claimable(t, had.get(t.pk, nothing), at),
            }
            for t in templates
        ]
        return Response({"results": rows, "next": None})


class ClaimView(ShopperView):
    throttle_classes = (ClaimRate,)

    @extend_schema(
        operation_id="claim",
        tags=["coupons"],
        parameters=[IDEMPOTENCY_KEY],
        request=ClaimRequestSerializer,
        responses={
            201: CouponSerializer,
            200: CouponSerializer,
            **problems(
                *claiming.REFUSALS,
            ),
        },
    )
    def post(self, request: Any, pk: int) -> Response:
        """Put one into the wallet. The same Idempotency-Key gives the same coupon with 200."""
        asked = checked(ClaimRequestSerializer, request.data or {})
        customer = self.customer()
        coupon, new = claiming.claim(
            merchant=customer.merchant_id,
            template=pk,
            customer=customer.pk,
            key=idempotency_key(request),
            source=asked.get("source"),
            store=asked.get("store"),
        )
        return Response(queries.shape_of(coupon, timezone.now()), status=201 if new else 200)


class CodeRequestSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=64, help_text="As it was typed or scanned.")
    source = SourceSerializer(required=False)  # type: ignore[assignment]


class CodeRate(Rate):
    """Counted by the customer, not the address: nobody is locked out for their neighbour."""

    scope, limit, seconds = "code", 20, 600


class CodeView(ShopperView):
    throttle_classes = (CodeRate,)

    @extend_schema(
        operation_id="redeem_code",
        tags=["coupons"],
        request=CodeRequestSerializer,
        responses={
            201: CouponSerializer,
            200: CouponSerializer,
            **problems(codes.CodeUnknown, codes.CodeUsed, *claiming.REFUSALS),
        },
    )
    def post(self, request: Any) -> Response:
        """A code brings its coupon. The same code again gives the same coupon with 200."""
        asked = checked(CodeRequestSerializer, request.data)
        coupon, new = codes.redeem(self.customer(), asked["code"], source=asked.get("source"))
        return Response(queries.shape_of(coupon, timezone.now()), status=201 if new else 200)


class CouponsView(ShopperView):
    @extend_schema(
        operation_id="coupons",
        tags=["coupons"],
        parameters=[
            OpenApiParameter("status", str, enum=list(queries.TABS), default="usable"),
            OpenApiParameter("cursor", str),
        ],
        responses={200: CouponListSerializer, **problems(BadCursor)},
    )
    def get(self, request: Any) -> Response:
        """The wallet by tab, newest first."""
        asked = checked(_WalletQuery, request.query_params)
        rows = queries.wallet_page(
            self.customer(), asked["status"], asked.get("cursor"), timezone.now()
        )
        return Response(listing(rows, ("id",)))


class RemindedSerializer(serializers.Serializer[Any]):
    planned = serializers.IntegerField(help_text="How many messages will come.")


class RemindView(ShopperView):
    @extend_schema(
        operation_id="remind_coupon",
        tags=["coupons"],
        parameters=[IDEMPOTENCY_KEY],
        request=AcceptedSerializer,
        responses={200: RemindedSerializer},
    )
    def post(self, request: Any, pk: int) -> Response:
        """The shopper accepted these messages for this coupon: that they have it, and a day before
        it expires. Each comes once, and not at night."""
        asked = checked(AcceptedSerializer, request.data)
        planned = reminders.remind(
            self.customer(), pk, asked["accepted"], key=idempotency_key(request)
        )
        return Response({"planned": planned})


class CouponView(ShopperView):
    @extend_schema(operation_id="coupon", tags=["coupons"], responses={200: CouponSerializer})
    def get(self, request: Any, pk: int) -> Response:
        """One coupon of the wallet."""
        return Response(queries.shape_of(queries.one(self.customer(), pk), timezone.now()))
