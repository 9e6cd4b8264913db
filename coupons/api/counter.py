"""A coupon at the counter: what the shopper shows, and what staff do with it."""

from __future__ import annotations

import io
from typing import Any

import segno
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import PAGE_SIZE, Rate, checked, decode_cursor, listing
from backend.errors import BadCursor, KeyReused, NotFound
from backend.money import Fen
from backend.schema import problems
from coupons import counter, promotions, queries, wallet
from coupons.models import Coupon, Redemption
from shop import staff as people
from shop.api.staff import StaffView
from shop.login import ShopperView
from shop.models import Store


class CounterCodeSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Digits, for a scanner or to be typed.")
    qr_svg = serializers.CharField(help_text="The same as a QR code.")
    expires_at = serializers.DateTimeField(help_text="Ask again then.")


class LookRequestSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=40, help_text="As the shopper shows it.")
    bill_fen = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=counter.BIGGEST_BILL,
        help_text="What the goods cost that the coupon is for, where `needs_bill`.",
    )


class StaffLookRequestSerializer(LookRequestSerializer):
    store = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class RedeemRequestSerializer(LookRequestSerializer):
    request_id = serializers.RegexField(
        r"^[A-Za-z0-9_-]{8,64}$",
        help_text="Of the client's choosing: the same gives the same answer, for ever.",
    )


class StaffRedeemRequestSerializer(RedeemRequestSerializer):
    store = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class LookSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()
    text = serializers.CharField(help_text="The terms in words.")
    valid_until = serializers.DateTimeField()
    needs_bill = serializers.BooleanField()
    saved_fen = serializers.IntegerField(
        allow_null=True, help_text="What it takes off; null until the bill is known."
    )


class RedemptionSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    name = serializers.CharField()
    text = serializers.CharField()
    store = serializers.IntegerField()
    bill_fen = serializers.IntegerField(allow_null=True)
    saved_fen = serializers.IntegerField()
    at = serializers.DateTimeField()


class UndoneSerializer(RedemptionSerializer):
    id = serializers.IntegerField(help_text="For the cursor of lists.")
    undone_at = serializers.DateTimeField(allow_null=True)


class RedemptionListSerializer(serializers.Serializer[Any]):
    results = UndoneSerializer(many=True)
    next = serializers.CharField(allow_null=True)


# What may be asked of a redemption, and refused.
REFUSALS = (
    counter.CounterCodeUnknown, counter.NotAtCounter, counter.BillNeeded, counter.WorthNothing,
    wallet.CouponUnavailable,
)  # fmt: skip


class StaffCounterRate(Rate):
    """A busy cashier; nobody who tries digits."""

    scope, limit, seconds = "counter", 60, 60


def looked_at(coupon: Coupon, store: Store, bill: Fen | None) -> dict[str, Any]:
    """What a coupon is worth here."""
    counter.check(coupon, timezone.now())
    asks = counter.needs_bill(coupon) and bill is None
    return {
        "name": coupon.name,
        "kind": coupon.kind,
        "text": promotions.text(coupon.kind, coupon.terms),
        "valid_until": coupon.valid_until,
        "needs_bill": counter.needs_bill(coupon),
        "saved_fen": None if asks else counter.worth(coupon, store, bill, timezone.now()),
    }


def shape_of(made: Redemption) -> dict[str, Any]:
    """A redemption as it was answered at the time, whatever became of it since."""
    return {
        "number": made.number,
        "name": made.coupon.name,
        "text": promotions.text(made.coupon.kind, made.coupon.terms),
        "store": made.store_id,
        "bill_fen": made.bill_fen,
        "saved_fen": made.saved_fen,
        "at": made.at,
    }


def undone(made: Redemption) -> dict[str, Any]:
    """A redemption as it is now."""
    return {**shape_of(made), "id": made.pk, "undone_at": made.undone_at}


def fen(amount: int | None) -> Fen | None:
    """An amount as a request names it."""
    return None if amount is None else Fen(amount)


class CounterCodeView(ShopperView):
    @extend_schema(
        operation_id="counter_code",
        tags=["coupons"],
        responses={
            200: CounterCodeSerializer,
            **problems(wallet.CouponUnavailable, counter.NotAtCounter),
        },
    )
    def get(self, request: Any, pk: int) -> Response:
        """What the coupon shows at the counter now. It changes every minute."""
        code, ends = counter.code_of(queries.one(self.customer(), pk), timezone.now())
        picture = io.BytesIO()
        segno.make(code, error="m").save(
            picture, kind="svg", scale=4, xmldecl=False, svgns=True, nl=False
        )
        return Response(
            {"code": code, "qr_svg": picture.getvalue().decode(), "expires_at": ends},
            headers={"Cache-Control": "no-store"},
        )


class _CounterView(StaffView):
    throttle_classes = (StaffCounterRate,)

    def store(self, pk: int) -> Store:
        """The store they say they stand in, which is one of theirs.

        Raises: NotFound, NotStaff.
        """
        for store in people.stores_of(self.working()):
            if store.pk == pk:
                return store
        raise NotFound(f"store {pk}")


class StaffLookView(_CounterView):
    @extend_schema(
        operation_id="staff_look",
        tags=["staff"],
        request=StaffLookRequestSerializer,
        responses={200: LookSerializer, **problems(NotFound, *REFUSALS)},
    )
    def post(self, request: Any) -> Response:
        """What a coupon is worth here, before it is redeemed. Nothing changes."""
        asked = checked(StaffLookRequestSerializer, request.data)
        store = self.store(asked["store"])
        coupon = counter.coupon_of(store.merchant_id, asked["code"], timezone.now())
        return Response(looked_at(coupon, store, fen(asked["bill_fen"])))


class StaffRedemptionsView(_CounterView):
    @extend_schema(
        operation_id="staff_redemptions",
        tags=["staff"],
        parameters=[OpenApiParameter("cursor", str)],
        responses={200: RedemptionListSerializer, **problems(BadCursor)},
    )
    def get(self, request: Any) -> Response:
        """What was redeemed in their stores, newest first."""
        cursor = request.query_params.get("cursor")
        rows = Redemption.objects.select_related("coupon").filter(
            merchant_id=self.customer().merchant_id,
            store_id__in=[store.pk for store in people.stores_of(self.working())],
        )
        if cursor:
            rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
        page = [undone(made) for made in rows.order_by("-pk")[: PAGE_SIZE + 1]]
        return Response(listing(page, ("id",)))

    @extend_schema(
        operation_id="staff_redeem",
        tags=["staff"],
        request=StaffRedeemRequestSerializer,
        responses={
            201: RedemptionSerializer,
            200: RedemptionSerializer,
            **problems(NotFound, KeyReused, *REFUSALS),
        },
    )
    def post(self, request: Any) -> Response:
        """Redeem a coupon here. The same `request_id` gives the same answer with 200, for ever."""
        asked = checked(StaffRedeemRequestSerializer, request.data)
        store, who = self.store(asked["store"]), self.staff()
        made, new = counter.redeem(
            counter.Asked(
                who.merchant_id, store, asked["code"], fen(asked["bill_fen"]),
                asked["request_id"], by=signature(who), staff=who,
            )
        )  # fmt: skip
        return Response(shape_of(made), status=201 if new else 200)


class StaffUndoView(_CounterView):
    @extend_schema(
        operation_id="staff_undo",
        tags=["staff"],
        request=None,
        responses={200: UndoneSerializer, **problems(counter.UndoTooLate)},
    )
    def post(self, request: Any, number: str) -> Response:
        """Undo a redemption of their stores, within 24 hours. Again, it changes nothing."""
        who = self.working()
        stores = [store.pk for store in people.stores_of(who)]
        made = counter.undo(who.merchant_id, number, stores=stores, by=signature(who))
        return Response(undone(made))


def signature(who: Any) -> str:
    """How a coupon's history names a member of staff."""
    return f"staff {who.user.get_username()}"[:80]
