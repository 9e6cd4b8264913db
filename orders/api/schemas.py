"""What the order endpoints take and give, field for field."""

from typing import Any, Final

from rest_framework import serializers

from coupons.api.promotions import NamedPromotionSerializer
from orders.api.shapes import WHY_UNUSABLE, WITHIN_REACH
from orders.models import MAX_LINES, MAX_QUANTITY, OrderStatus, PurchaseStatus
from shop.api.addresses import AddressSerializer
from shop.api.source import SourceSerializer

BIGGEST: Final = 2**63 - 1


class Id(serializers.IntegerField):
    """A row's id, as the database can hold it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST, **kwargs)


class LineSpecSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    value = serializers.CharField()


class ItemSerializer(serializers.Serializer[Any]):
    sku = Id()
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)
    store = Id(required=False, allow_null=True)
    source = SourceSerializer(required=False)  # type: ignore[assignment]


class DeliverySerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["express"], default="express")
    address = Id(required=False, allow_null=True)


class QuoteRequestSerializer(serializers.Serializer[Any]):
    items = serializers.ListField(
        child=ItemSerializer(),
        required=False,
        min_length=1,
        max_length=MAX_LINES,
        help_text="May be left out with `from_cart`: the selected lines of the cart.",
    )
    from_cart = serializers.BooleanField(default=False)
    delivery = DeliverySerializer(required=False, allow_null=True)
    coupons = serializers.ListField(
        child=Id(),
        required=False,
        allow_null=True,
        max_length=20,
        help_text="Left out: the best there are. `[]`: none.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("items") and not attrs.get("from_cart"):
            field = self.fields["items"]
            raise serializers.ValidationError({"items": [field.error_messages["required"]]})
        return attrs


class RemarkSerializer(serializers.Serializer[Any]):
    store = Id()
    remark = serializers.CharField(max_length=200, allow_blank=True)


class SeenGiftSerializer(serializers.Serializer[Any]):
    sku = Id()
    quantity = serializers.IntegerField(min_value=1, max_value=BIGGEST)


class PlaceRequestSerializer(QuoteRequestSerializer):
    payable_fen = serializers.IntegerField(
        min_value=0, max_value=BIGGEST, help_text="What the shopper saw."
    )
    remarks = serializers.ListField(child=RemarkSerializer(), required=False, max_length=MAX_LINES)
    accepts_no_return = serializers.ListField(
        child=Id(),
        required=False,
        max_length=MAX_LINES,
        help_text="Skus whose missing right of return the shopper agreed to.",
    )
    gifts = serializers.ListField(
        child=SeenGiftSerializer(),
        required=False,
        allow_null=True,
        max_length=MAX_LINES,
        help_text="The gifts the shopper saw, as shown; the same sku is added up. Where others "
        "come along now, the answer is `price_changed`. Left out: whatever comes along.",
    )
    source = SourceSerializer(required=False)  # type: ignore[assignment]


def _offer_field() -> serializers.ChoiceField:
    return serializers.ChoiceField(
        choices=["gift"],
        allow_blank=True,
        help_text="`gift`: came along with a promotion, costs nothing. Empty: bought.",
    )


class OfferedSerializer(serializers.Serializer[Any]):
    sku = serializers.IntegerField()
    product = serializers.IntegerField()
    store = serializers.IntegerField()
    name = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)
    specs = LineSpecSerializer(many=True)
    list_price_fen = serializers.IntegerField()
    unit_price_fen = serializers.IntegerField()
    available = serializers.IntegerField(allow_null=True, help_text="null: never runs out")
    no_reason_return = serializers.BooleanField()


class GoodsOfGiftSerializer(serializers.Serializer[Any]):
    sku = serializers.IntegerField()
    store = serializers.IntegerField()


class QuotedLineSerializer(OfferedSerializer):
    offer = _offer_field()
    promotion = serializers.IntegerField(allow_null=True, help_text="The one a gift came with.")
    given_with = GoodsOfGiftSerializer(many=True, help_text="The lines a gift came with.")
    quantity = serializers.IntegerField()
    goods_fen = serializers.IntegerField()
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField()


class QuotedStoreSerializer(serializers.Serializer[Any]):
    store = serializers.IntegerField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    lines = QuotedLineSerializer(many=True)
    goods_fen = serializers.IntegerField()
    freight_fen = serializers.IntegerField(allow_null=True)
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField()


class UsableCouponSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    saves_fen = serializers.IntegerField()
    chosen = serializers.BooleanField()


class UnusableCouponSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    reason = serializers.ChoiceField(choices=list(WHY_UNUSABLE))
    message = serializers.CharField()
    missing_fen = serializers.IntegerField()


class PromotionGiftSerializer(OfferedSerializer):
    quantity = serializers.IntegerField()


class AppliedPromotionSerializer(NamedPromotionSerializer):
    saves_fen = serializers.IntegerField(help_text="Off goods and freight.")
    gifts = PromotionGiftSerializer(many=True)
    missing_fen = serializers.IntegerField(help_text="To its next step; 0: there is none.")
    message = serializers.CharField(allow_blank=True, help_text="How far its next step is.")


class PromotionWithinReachSerializer(NamedPromotionSerializer):
    reason = serializers.ChoiceField(choices=list(WITHIN_REACH))
    message = serializers.CharField()
    missing_fen = serializers.IntegerField(
        help_text="0: more money doesn't bring it; `message` says why."
    )


class PromotionsSerializer(serializers.Serializer[Any]):
    applied = AppliedPromotionSerializer(many=True, help_text="They apply by themselves.")
    within_reach = PromotionWithinReachSerializer(many=True, help_text="The nearest first.")


class QuotedCouponsSerializer(serializers.Serializer[Any]):
    usable = UsableCouponSerializer(many=True)
    unusable = UnusableCouponSerializer(many=True)


class LineProblemSerializer(serializers.Serializer[Any]):
    sku = serializers.IntegerField()
    store = serializers.IntegerField(allow_null=True)
    quantity = serializers.IntegerField()
    reason = serializers.ChoiceField(
        choices=["not_for_sale", "out_of_stock", "over_limit", "store_closed"]
    )
    available = serializers.IntegerField(allow_null=True)


class DeliveryOptionSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    allowed = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    stores = serializers.ListField(child=serializers.IntegerField())


class ReturnTermSerializer(serializers.Serializer[Any]):
    sku = serializers.IntegerField()
    no_reason_return = serializers.BooleanField()
    ground = serializers.CharField(allow_blank=True)


class QuoteSerializer(serializers.Serializer[Any]):
    stores = QuotedStoreSerializer(many=True)
    goods_fen = serializers.IntegerField()
    freight_fen = serializers.IntegerField(allow_null=True, help_text="null: no address yet")
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField(help_text="Without freight while that is null.")
    quantity = serializers.IntegerField(help_text="Gifts not counted.")
    promotions = PromotionsSerializer()
    coupons = QuotedCouponsSerializer()
    problems = LineProblemSerializer(many=True)
    needs = serializers.ListField(child=serializers.ChoiceField(choices=["address"]))
    address = AddressSerializer(allow_null=True)
    delivery_options = DeliveryOptionSerializer(many=True)
    invoice_supported = serializers.BooleanField()
    return_terms = ReturnTermSerializer(many=True)


class OrderLineSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    sku = serializers.IntegerField()
    product = serializers.IntegerField()
    name = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)
    specs = LineSpecSerializer(many=True)
    offer = _offer_field()
    promotion = serializers.IntegerField(allow_null=True, help_text="The one a gift came with.")
    given_with = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="The ids of the lines a gift came with, and is returned with.",
    )
    quantity = serializers.IntegerField()
    list_price_fen = serializers.IntegerField()
    unit_price_fen = serializers.IntegerField()
    goods_fen = serializers.IntegerField()
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField()
    no_reason_return = serializers.BooleanField()
    aftersale_until = serializers.DateTimeField(allow_null=True)


class StoreShapeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    phone = serializers.CharField(allow_blank=True)


class ParcelSerializer(serializers.Serializer[Any]):
    courier = serializers.CharField()
    tracking_no = serializers.CharField()
    shipped_at = serializers.DateTimeField()


class ReceiverSerializer(serializers.Serializer[Any]):
    receiver = serializers.CharField(allow_blank=True)
    phone = serializers.CharField(allow_blank=True)
    region = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)


class OrderSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    purchase = serializers.CharField()
    status = serializers.ChoiceField(choices=OrderStatus.choices)
    status_text = serializers.CharField()
    store = StoreShapeSerializer()
    goods_fen = serializers.IntegerField()
    freight_fen = serializers.IntegerField()
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField()
    lines = OrderLineSerializer(many=True)
    parcels = ParcelSerializer(many=True)
    remark = serializers.CharField(allow_blank=True)
    receiver = ReceiverSerializer()
    actions = serializers.ListField(
        child=serializers.ChoiceField(choices=["pay", "cancel", "receive"]),
        help_text="What the shopper may do now: draw these as buttons.",
    )
    expires_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    shipped_at = serializers.DateTimeField(allow_null=True)
    receive_by = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    close_reason = serializers.CharField(allow_blank=True)
    method = serializers.CharField(allow_blank=True)


class OrderEventSerializer(serializers.Serializer[Any]):
    event = serializers.CharField()
    text = serializers.CharField()
    at = serializers.DateTimeField()


class ReductionSerializer(serializers.Serializer[Any]):
    promotion = serializers.IntegerField(allow_null=True)
    coupon = serializers.IntegerField(allow_null=True)
    kind = serializers.CharField()
    name = serializers.CharField()
    amount_fen = serializers.IntegerField()


class OrderDetailSerializer(OrderSerializer):
    reductions = ReductionSerializer(many=True, help_text="Their sum is `discount_fen`.")
    events = OrderEventSerializer(many=True)


class PurchaseSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=PurchaseStatus.choices)
    status_text = serializers.CharField()
    goods_fen = serializers.IntegerField()
    freight_fen = serializers.IntegerField()
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField()
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    close_reason = serializers.CharField(allow_blank=True)
    method = serializers.CharField(allow_blank=True)
    actions = serializers.ListField(
        child=serializers.ChoiceField(choices=["pay", "cancel", "receive"])
    )
    orders = OrderSerializer(many=True)


class OrderRowSerializer(serializers.Serializer[Any]):
    """An unpaid purchase (`orders`), or one order (`order`)."""

    kind = serializers.ChoiceField(choices=["purchase", "order"])
    number = serializers.CharField()
    payable_fen = serializers.IntegerField()
    expires_at = serializers.DateTimeField(allow_null=True)
    status = serializers.CharField()
    status_text = serializers.CharField()
    actions = serializers.ListField(child=serializers.CharField())
    orders = OrderSerializer(many=True)


class OrderListSerializer(serializers.Serializer[Any]):
    results = OrderRowSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class CountsSerializer(serializers.Serializer[Any]):
    awaiting_payment = serializers.IntegerField()
    paid = serializers.IntegerField()
    shipped = serializers.IntegerField()
    to_review = serializers.IntegerField()
    after_sale = serializers.IntegerField()


class CartLineSerializer(OfferedSerializer):
    id = serializers.IntegerField()
    quantity = serializers.IntegerField()
    selected = serializers.BooleanField()
    goods_fen = serializers.IntegerField()
    reason = serializers.CharField(
        allow_blank=True,
        help_text="Empty, or why so many can't be bought: not_for_sale, out_of_stock, "
        "store_closed, over_limit.",
    )


class CartStoreSerializer(serializers.Serializer[Any]):
    store = serializers.IntegerField()
    name = serializers.CharField()
    all_selected = serializers.BooleanField()
    goods_fen = serializers.IntegerField()
    lines = CartLineSerializer(many=True)


class GoneLineSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    sku = serializers.IntegerField()
    product = serializers.IntegerField()
    name = serializers.CharField()
    picture = serializers.CharField(allow_blank=True)
    quantity = serializers.IntegerField()
    reason = serializers.CharField()


class CartHintSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    message = serializers.CharField()
    missing_fen = serializers.IntegerField()


class FreeFreightSerializer(serializers.Serializer[Any]):
    over_fen = serializers.IntegerField()
    missing_fen = serializers.IntegerField(help_text="0: freight is free already.")


class CartSerializer(serializers.Serializer[Any]):
    stores = CartStoreSerializer(many=True)
    invalid = GoneLineSerializer(many=True, help_text="Lines no longer for sale.")
    count = serializers.IntegerField(help_text="Units in the cart.")
    all_selected = serializers.BooleanField()
    selected_quantity = serializers.IntegerField()
    goods_fen = serializers.IntegerField(help_text="Of what is selected.")
    discount_fen = serializers.IntegerField()
    payable_fen = serializers.IntegerField(help_text="Before freight.")
    promotions = PromotionsSerializer()
    coupon = UsableCouponSerializer(allow_null=True, help_text="The one that would be used.")
    free_freight = FreeFreightSerializer(
        allow_null=True, help_text="null: freight never depends on the amount."
    )
    hint = CartHintSerializer(allow_null=True, help_text="The nearest coupon still out of reach.")


class CartAddSerializer(serializers.Serializer[Any]):
    sku = Id()
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, default=1)
    store = Id(required=False, allow_null=True)
    mode = serializers.ChoiceField(choices=["add", "set"], default="add")
    source = SourceSerializer(required=False)  # type: ignore[assignment]


class CartChangeSerializer(serializers.Serializer[Any]):
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)
    selected = serializers.BooleanField(required=False)
    sku = Id(required=False)
    store = Id(required=False)


class CartSelectSerializer(serializers.Serializer[Any]):
    selected = serializers.BooleanField()
    lines = serializers.ListField(
        child=Id(), required=False, max_length=MAX_LINES, help_text="Left out: every line."
    )
    store = Id(required=False)


class CartRemoveSerializer(serializers.Serializer[Any]):
    lines = serializers.ListField(
        child=Id(), required=False, max_length=MAX_LINES, help_text="Left out: with `invalid`."
    )
    invalid = serializers.BooleanField(default=False, help_text="All lines no longer for sale.")


class CartCountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
