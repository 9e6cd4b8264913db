"""Orders: looked through, and shipped."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from backend.desk.dialogs import DialogForm, done, refused
from backend.desk.roles import Area, Level, may, signature
from backend.desk.tenancy import MerchantAdmin, OwnedFilter, ReadOnlyInline
from backend.desk.widgets import LineBox, ListedBox, action, display, ending, picture, who
from backend.errors import DomainError
from coupons.models import promotion_kinds
from coupons.promotions import Gift
from orders import lifecycle
from orders.models import Order, OrderEvent, OrderLine, OrderStatus, Parcel, Reduction

# WeChat's codes for the couriers most parcels go with; any other code may be typed.
COURIERS: Final = [
    ("SF", "顺丰速运"),
    ("ZTO", "中通快递"),
    ("YTO", "圆通速递"),
    ("STO", "申通快递"),
    ("YD", "韵达速递"),
    ("JTSD", "极兔速递"),
    ("JD", "京东物流"),
    ("EMS", "EMS"),
    ("YZPY", "邮政快递包裹"),
    ("DBL", "德邦快递"),
]

PAID_WITH: Final = {"wechat_jsapi": _("WeChat Pay"), "free": _("nothing to pay")}
LOCKED: Final = _("locked: the customer erased their account")
_STATUS_LABELS: Final = {
    OrderStatus.AWAITING_PAYMENT: "warning",
    OrderStatus.PAID: "info",
    OrderStatus.SHIPPED: "primary",
    OrderStatus.COMPLETED: "success",
    OrderStatus.CLOSED: "danger",
}


class CodeField(forms.CharField):
    """A code in capitals, however it was typed."""

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).upper()


class ShipForm(DialogForm):
    courier = CodeField(
        label=_("courier"),
        max_length=20,
        widget=ListedBox(COURIERS),
        validators=[RegexValidator(r"^[A-Z0-9_]{2,20}$", _("A code as SF or ZTO."))],
        help_text=_("WeChat's code, as SF or ZTO."),
    )
    tracking_no = forms.CharField(
        label=_("tracking number"),
        max_length=40,
        widget=LineBox(),
        validators=[RegexValidator(r"^[A-Za-z0-9-]{6,40}$", _("6 to 40 letters and digits."))],
    )


class LookForm(DialogForm):
    why = forms.CharField(label=_("reason"), max_length=100, widget=LineBox())


class LineInline(ReadOnlyInline):
    area = Area.ORDERS
    model = OrderLine
    fields = (
        "shown_picture",
        "shown_name",
        "shown_specs",
        "sku_code",
        "unit_price",
        "quantity",
        "discount",
        "payable",
    )

    @display(description=_("picture"))
    def shown_picture(self, line: OrderLine) -> str:
        return picture(line.picture)

    @display(description=_("name"))
    def shown_name(self, line: OrderLine) -> str:
        return f"{line.name} ({_('gift')})" if line.offer_kind == Gift.KIND else line.name

    @display(description=_("specification"))
    def shown_specs(self, line: OrderLine) -> str:
        return " / ".join(str(spec.get("value", "")) for spec in line.specs)

    @display(description=_("unit price"))
    def unit_price(self, line: OrderLine) -> str:
        return str(line.unit_price_fen)

    @display(description=_("discount"))
    def discount(self, line: OrderLine) -> str:
        return str(line.discount_fen)

    @display(description=_("paid for it"))
    def payable(self, line: OrderLine) -> str:
        return str(line.payable_fen)


class ReductionInline(ReadOnlyInline):
    area = Area.ORDERS
    model = Reduction
    fields = ("name", "shown_kind", "on_what", "amount", "by_merchant", "by_store")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("line")

    @display(description=_("kind"))
    def shown_kind(self, reduction: Reduction) -> str:
        return dict(promotion_kinds()).get(reduction.kind, reduction.kind)

    @display(description=_("taken off"))
    def on_what(self, reduction: Reduction) -> Any:
        return reduction.line.name if reduction.line else _("freight")

    @display(description=_("amount"))
    def amount(self, reduction: Reduction) -> str:
        return str(reduction.amount_fen)

    @display(description=_("borne by the merchant"))
    def by_merchant(self, reduction: Reduction) -> str:
        return str(reduction.merchant_fen)

    @display(description=_("borne by the store"))
    def by_store(self, reduction: Reduction) -> str:
        return str(reduction.store_fen)


class ParcelInline(ReadOnlyInline):
    area = Area.ORDERS
    model = Parcel
    fields = ("courier", "tracking_no", "shipped_at")


class EventInline(ReadOnlyInline):
    area = Area.ORDERS
    model = OrderEvent
    fields = ("at", "shown_event", "shown_by", "note")

    @display(description=_("event"))
    def shown_event(self, event: OrderEvent) -> str:
        return str(lifecycle.EVENT_TEXTS[lifecycle.Event(event.event)])

    @display(description=_("by"))
    def shown_by(self, event: OrderEvent) -> str:
        return who(event.by)


def _whereto(order: Order) -> str:
    return f"{order.receiver_region} {order.receiver_detail}".strip()


@admin.register(Order)
class OrderAdmin(MerchantAdmin):
    area = Area.ORDERS
    read_only = True
    inlines = (LineInline, ReductionInline, ParcelInline, EventInline)
    list_display = ("number", "shown_status", "store", "to_whom", "payable", "created_at", "next")
    list_select_related = ("store",)
    list_filter = ("status", ("store", OwnedFilter), "created_at")
    search_fields = (
        "number__startswith",
        "purchase__number__startswith",
        "receiver_phone__endswith",
    )
    search_help_text = _("Order number, or the end of the receiver's phone")
    ordering = ("-id",)
    actions_detail = ("ship", "look")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("number", "status"),
                    "store",
                    ("who", "phone"),
                    "address",
                    "remark",
                    "held_for",
                )
            },
        ),
        (_("Money"), {"fields": (("goods", "freight"), ("discount", "payable"))}),
        (
            _("Purchase"),
            {"fields": (("purchase_number", "paid_with"), ("trade_number", "wechat_number"))},
        ),
        (
            _("Times"),
            {
                "fields": (
                    ("created_at", "paid_at"),
                    ("shipped_at", "receive_by"),
                    ("completed_at", "closed_at"),
                )
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        groups = [group for _title, group in self.fieldsets]
        named = [name for group in groups for name in group["fields"]]
        flat = [one for name in named for one in ([name] if isinstance(name, str) else name)]
        return (*super().get_readonly_fields(request, obj), *flat)

    @display(description=_("status"), label=_STATUS_LABELS, ordering="status")
    def shown_status(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @display(description=_("receiver"))
    def to_whom(self, order: Order) -> str:
        if order.scrub_receiver_at:
            return str(LOCKED)
        return f"{order.receiver} {ending(order.receiver_phone)}".strip()

    @display(description=_("receiver"))
    def who(self, order: Order) -> str:
        return str(LOCKED) if order.scrub_receiver_at else order.receiver or "–"

    @display(description=_("receiver's phone"))
    def phone(self, order: Order) -> str:
        return str(LOCKED) if order.scrub_receiver_at else order.receiver_phone or "–"

    @display(description=_("address"))
    def address(self, order: Order) -> str:
        return str(LOCKED) if order.scrub_receiver_at else _whereto(order) or "–"

    @display(description=_("goods"))
    def goods(self, order: Order) -> str:
        return str(order.goods_fen)

    @display(description=_("freight"))
    def freight(self, order: Order) -> str:
        return str(order.freight_fen)

    @display(description=_("discount"))
    def discount(self, order: Order) -> str:
        return str(order.discount_fen)

    @display(description=_("payable"), ordering="payable_fen")
    def payable(self, order: Order) -> str:
        return str(order.payable_fen)

    @display(description=_("purchase"))
    def purchase_number(self, order: Order) -> str:
        return order.purchase.number

    @display(description=_("paid with"))
    def paid_with(self, order: Order) -> str:
        method = order.purchase.method
        return str(PAID_WITH.get(method, method)) or "–"

    @display(description=_("merchant trade number"))
    def trade_number(self, order: Order) -> str:
        return order.purchase.out_trade_no or "–"

    @display(description=_("WeChat trade number"))
    def wechat_number(self, order: Order) -> str:
        return order.purchase.transaction_id or "–"

    @display(description=_("next step"))
    def next(self, order: Order) -> str:
        if not self.to_ship(order):
            return ""
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500 font-semibold" href="{0}" '
            'hx-get="{0}" hx-target="#modal-content" hx-select="#dialog" '
            'x-on:htmx:after-on-load="openModal = true">{1}</a>',
            reverse("admin:orders_order_ship", args=[order.pk]),
            _("Ship"),
        )

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = super().get_list_display(request)
        if self.has_edit_row_permission(request):
            return columns
        return tuple(column for column in columns if column != "next")

    @staticmethod
    def to_ship(order: Order) -> bool:
        """Whether the table of steps has this order shipped next."""
        ready = lifecycle.TRANSITIONS[lifecycle.Event.SHIP].source
        return order.status in ready and not order.held_for

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        order = self.own(request, object_id)
        fitting = {"ship": self.to_ship(order), "look": order.scrub_receiver_at is not None}
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if fitting[one.path]]

    def has_look_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For the owner alone."""
        if obj is not None:
            self.own(request, obj)
        return may(request, Area.LOCKED, Level.VIEW)

    @action(
        description=_("Show the receiver"),
        url_path="look",
        icon="lock_open",
        permissions=["look"],
        dialog={
            "title": _("Show the receiver"),
            "description": _("This customer erased their account. That you looked is recorded."),
            "form_class": LookForm,
            "form_submit_text": _("Show"),
        },
    )
    def look(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        order = self.own(request, object_id)
        why = form.cleaned_data["why"]
        self.log_change(request, order, f"looked at the receiver: {why}")
        seen = f"{order.receiver} {order.receiver_phone} {_whereto(order)}"
        return done(request, seen, reverse("admin:orders_order_change", args=[order.pk]))

    @action(
        description=_("Ship"),
        url_path="ship",
        icon="local_shipping",
        permissions=["edit_row"],
        dialog={
            "title": _("Ship this order"),
            "description": _("The shopper sees the tracking number at once."),
            "form_class": ShipForm,
            "form_submit_text": _("Ship"),
        },
    )
    def ship(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        order = self.own(request, object_id)
        back = reverse("admin:orders_order_change", args=[order.pk])
        said = form.cleaned_data
        try:
            lifecycle.ship(
                order.pk,
                courier=said["courier"],
                tracking_no=said["tracking_no"],
                at=timezone.now(),
                by=signature(request),
            )
        except DomainError as error:
            return refused(request, error, back)
        self.log_change(request, order, f"{said['courier']} {said['tracking_no']}")
        return done(request, _("Order %(number)s has shipped.") % {"number": order.number}, back)
