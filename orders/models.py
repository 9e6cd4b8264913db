"""What was agreed: purchases, their orders, the lines and what was taken off them."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, FenField
from shop.models import Customer, Owned, Sku, Stock, Store

MAX_QUANTITY: Final = 999
MAX_LINES: Final = 100


class PurchaseStatus(models.TextChoices):
    AWAITING_PAYMENT = "awaiting_payment", _("awaiting payment")
    PAID = "paid", _("paid")
    CLOSED = "closed", _("closed")


class OrderStatus(models.TextChoices):
    AWAITING_PAYMENT = "awaiting_payment", _("awaiting payment")
    PAID = "paid", _("to be shipped")
    SHIPPED = "shipped", _("shipped")
    COMPLETED = "completed", _("completed")
    CLOSED = "closed", _("closed")


class CloseReason(models.TextChoices):
    CANCELLED = "cancelled", _("cancelled by the shopper")
    EXPIRED = "expired", _("not paid in time")
    STAFF = "staff", _("closed by the shop")


class Totals(models.Model):
    """Four amounts that always add up."""

    goods_fen = FenField(_("goods (fen)"))
    freight_fen = FenField(_("freight (fen)"), default=Fen(0))
    discount_fen = FenField(_("discount (fen)"), default=Fen(0))
    payable_fen = FenField(_("payable (fen)"))

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                name="%(class)s_payable_adds_up",
                condition=Q(payable_fen=F("goods_fen") + F("freight_fen") - F("discount_fen"))
                & Q(goods_fen__gte=0, freight_fen__gte=0, discount_fen__gte=0, payable_fen__gte=0),
            )
        ]


class Purchase(Owned, Totals):
    """What a shopper agreed to at once: one price, one payment, an order for each store.

    `paid_by_id` is the payment that paid it, set once by `orders.lifecycle.pay`; the columns
    after it are what orders need to know of that trade.
    """

    number = models.CharField(_("number"), max_length=32, unique=True)
    # Empty for a till sale. Such a purchase is known by who opened it.
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.PROTECT, related_name="purchases"
    )
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=PurchaseStatus,
        default=PurchaseStatus.AWAITING_PAYMENT,
        editable=False,
    )
    delivery = models.JSONField(_("delivery"), default=dict)
    source = models.JSONField(_("came from"), default=dict)
    idempotency_key = models.CharField(max_length=64)
    request_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(_("placed at"))
    expires_at = models.DateTimeField(_("pay before"))
    paid_at = models.DateTimeField(_("paid at"), null=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    close_reason = models.CharField(
        _("closed because"), max_length=12, choices=CloseReason, blank=True
    )

    # When what a payment is thanked with is due; empty once it was given.
    reward_at = models.DateTimeField(null=True, editable=False)

    paid_by_id = models.BigIntegerField(null=True, editable=False)
    method = models.CharField(_("paid with"), max_length=24, blank=True)
    out_trade_no = models.CharField(_("merchant trade number"), max_length=32, blank=True)
    transaction_id = models.CharField(_("WeChat trade number"), max_length=32, blank=True)
    pay_mch_id = models.CharField(_("merchant number"), max_length=32, blank=True)
    pay_appid = models.CharField(max_length=32, blank=True)
    payer_openid = models.CharField(max_length=128, blank=True)

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        constraints = [
            *Totals.Meta.constraints,
            models.UniqueConstraint(
                fields=["merchant", "customer", "idempotency_key"], name="purchase_key_once"
            ),
            models.CheckConstraint(
                name="purchase_status_known", condition=Q(status__in=PurchaseStatus.values)
            ),
            models.CheckConstraint(
                name="purchase_paid_by_one_payment",
                condition=(
                    Q(status="paid", paid_at__isnull=False)
                    & (Q(paid_by_id__isnull=False) | Q(payable_fen=0))
                )
                | (~Q(status="paid") & Q(paid_by_id__isnull=True)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                name="purchase_to_expire",
                condition=Q(status="awaiting_payment"),
            ),
            models.Index(fields=["customer", "-id"], name="purchase_of_customer"),
            models.Index(
                fields=["reward_at"],
                name="purchase_to_reward",
                condition=Q(reward_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.number


class Order(Owned, Totals):
    """One store's part of a purchase. `orders.lifecycle.advance` alone writes `status`."""

    number = models.CharField(_("number"), max_length=32, unique=True)
    purchase = models.ForeignKey(Purchase, on_delete=models.PROTECT, related_name="orders")
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.PROTECT, related_name="orders"
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    status = models.CharField(
        _("status"),
        max_length=16,
        choices=OrderStatus,
        default=OrderStatus.AWAITING_PAYMENT,
        editable=False,
    )
    held_for = models.CharField(
        _("held because"),
        max_length=24,
        blank=True,
        help_text=_("While set, a paid order neither ships nor times out."),
    )
    remark = models.CharField(_("remark"), max_length=200, blank=True)
    # Who receives it, as agreed; scrubbed years later without touching the rest.
    receiver = models.CharField(_("receiver"), max_length=40, blank=True)
    receiver_phone = models.CharField(_("receiver's phone"), max_length=30, blank=True)
    receiver_region = models.CharField(_("region"), max_length=120, blank=True)
    receiver_detail = models.CharField(_("street address"), max_length=200, blank=True)

    created_at = models.DateTimeField(_("placed at"))
    paid_at = models.DateTimeField(_("paid at"), null=True, editable=False)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, editable=False)
    completed_at = models.DateTimeField(_("completed at"), null=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, editable=False)
    receive_by = models.DateTimeField(
        _("received by itself at"), null=True, editable=False, help_text=_("Set when shipped.")
    )
    # Set when the customer erases their account. Until then the receiver is locked.
    scrub_receiver_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = [
            *Totals.Meta.constraints,
            models.UniqueConstraint(fields=["purchase", "store"], name="order_one_per_store"),
            models.CheckConstraint(
                name="order_status_known", condition=Q(status__in=OrderStatus.values)
            ),
        ]
        indexes = [
            models.Index(
                fields=["receive_by"],
                name="order_to_receive",
                condition=Q(status="shipped", held_for=""),
            ),
            models.Index(
                fields=["scrub_receiver_at"],
                name="order_to_scrub",
                condition=Q(scrub_receiver_at__isnull=False),
            ),
            models.Index(fields=["customer", "status", "-id"], name="order_of_customer"),
            models.Index(fields=["merchant", "status", "-id"], name="order_of_merchant"),
        ]

    def __str__(self) -> str:
        return self.number


class OrderLine(Owned):
    """A snapshot of what was bought, and its exact share of every discount."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    # No constraints: an insert here would lock the hot rows of the catalogue.
    sku = models.ForeignKey(Sku, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False)
    stock = models.ForeignKey(
        Stock, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    product_id = models.BigIntegerField()
    sku_code = models.CharField(_("sku code"), max_length=64)
    name = models.CharField(_("name"), max_length=120)
    picture = models.CharField(_("picture"), max_length=500, blank=True)
    specs = models.JSONField(_("specification"), default=list, help_text='[{"name", "value"}]')
    weight_g = models.PositiveIntegerField(_("weight (g)"), default=0)
    list_price_fen = FenField(_("list price (fen)"))
    unit_price_fen = FenField(_("unit price (fen)"))
    # At whose price: "gift" and the promotion it came with; empty: the sku's own.
    offer_kind = models.CharField(max_length=24, blank=True)
    offer_id = models.BigIntegerField(null=True)
    given_with = ArrayField(
        models.BigIntegerField(), default=list, db_default=[], editable=False,
        help_text="A gift's goods: the lines of its purchase that it is returned with.",
    )  # fmt: skip
    quantity = models.PositiveIntegerField(_("quantity"))
    goods_fen = FenField(_("goods (fen)"))
    discount_fen = FenField(_("discount (fen)"), default=Fen(0))
    payable_fen = FenField(_("paid for it (fen)"))
    no_reason_return = models.BooleanField(_("returnable within 7 days"), default=True)
    aftersale_until = models.DateTimeField(null=True, editable=False)
    source = models.JSONField(_("came from"), default=dict)

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="order_line_quantity_in_bounds",
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY),
            ),
            models.CheckConstraint(
                name="order_line_goods_add_up",
                condition=Q(goods_fen=F("unit_price_fen") * F("quantity")),
            ),
            models.CheckConstraint(
                name="order_line_payable_adds_up",
                condition=Q(payable_fen=F("goods_fen") - F("discount_fen"))
                & Q(discount_fen__gte=0, payable_fen__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"


class Reduction(Owned):
    """One share of one reduction, on a line or (no line) on the freight of an order."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="reductions")
    line = models.ForeignKey(
        OrderLine, null=True, on_delete=models.PROTECT, related_name="reductions"
    )
    kind = models.CharField(_("kind"), max_length=24)
    coupon_id = models.BigIntegerField(null=True)
    promotion_id = models.BigIntegerField(null=True)
    name = models.CharField(_("name"), max_length=60)
    amount_fen = FenField(_("amount (fen)"))
    merchant_fen = FenField(_("borne by the merchant (fen)"))
    store_fen = FenField(_("borne by the store (fen)"), default=Fen(0))

    class Meta:
        verbose_name = _("reduction")
        verbose_name_plural = _("reductions")
        constraints = [
            models.CheckConstraint(
                name="reduction_shares_add_up",
                condition=Q(amount_fen=F("merchant_fen") + F("store_fen"))
                & Q(amount_fen__gt=0, merchant_fen__gte=0, store_fen__gte=0),
            ),
            models.CheckConstraint(
                name="reduction_of_one_thing",
                condition=Q(coupon_id__isnull=True) | Q(promotion_id__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.amount_fen}"


class OrderEvent(Owned):
    """What happened to an order, when, by whom. Append-only."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    event = models.CharField(_("event"), max_length=16)
    by = models.CharField(_("by"), max_length=80)
    note = models.CharField(_("note"), max_length=200, blank=True)
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("order event")
        verbose_name_plural = _("order events")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.event} {self.order_id}"


class Parcel(Owned):
    """What left the store, with whom, under which number."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="parcels")
    courier = models.CharField(
        _("courier"), max_length=40, help_text=_("WeChat's code, as SF or ZTO.")
    )
    tracking_no = models.CharField(_("tracking number"), max_length=40)
    shipped_at = models.DateTimeField(_("shipped at"))

    class Meta:
        verbose_name = _("parcel")
        verbose_name_plural = _("parcels")
        constraints = [
            models.UniqueConstraint(fields=["order", "courier", "tracking_no"], name="parcel_once")
        ]

    def __str__(self) -> str:
        return f"{self.courier} {self.tracking_no}"
