"""Money to be looked at. Nothing is moved here, and neither secrets nor openids are shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin
from backend.desk.widgets import display
from payments.models import Notification, Payment, PaymentStatus, Refund, RefundStatus


class MoneyAdmin(MerchantAdmin):
    area = Area.MONEY
    read_only = True
    ordering = ("-id",)

    @display(description=_("amount"), ordering="amount_fen")
    def amount(self, row: Any) -> str:
        return str(row.amount_fen)


@admin.register(Payment)
class PaymentAdmin(MoneyAdmin):
    list_display = ("out_trade_no", "shown_status", "amount", "refunded", "purchase", "paid_at")
    list_select_related = ("purchase",)
    list_filter = ("status", "created_at")
    search_fields = ("out_trade_no__startswith", "transaction_id__exact", "purchase__number__exact")
    search_help_text = _("Merchant or WeChat trade number, or purchase")
    fields = (
        ("out_trade_no", "transaction_id"),
        ("status", "method"),
        ("amount", "refunded"),
        ("purchase", "merchant_number"),
        ("created_at", "paid_at", "closed_at"),
        ("act_at", "tries", "last_error"),
    )
    readonly_fields = ("amount", "refunded", "merchant_number", "created_at")

    @display(
        description=_("status"),
        label={
            PaymentStatus.SUCCEEDED: "success",
            PaymentStatus.CLOSED: "danger",
            PaymentStatus.UNKNOWN: "warning",
        },
        ordering="status",
    )
    def shown_status(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()

    @display(description=_("refunded or being refunded"))
    def refunded(self, payment: Payment) -> str:
        return str(payment.refund_reserved_fen)

    @display(description=_("merchant number"))
    def merchant_number(self, payment: Payment) -> str:
        return str(payment.account or "–")


@admin.register(Refund)
class RefundAdmin(MoneyAdmin):
    list_display = ("out_refund_no", "shown_status", "amount", "reason", "payment", "created_at")
    list_select_related = ("payment",)
    list_filter = ("status", "created_at")
    search_fields = ("out_refund_no__startswith", "payment__out_trade_no__exact")
    search_help_text = _("Refund number or trade number")
    fields = (
        ("out_refund_no", "refund_id"),
        ("status", "amount"),
        ("payment", "reason"),
        ("created_at", "not_before", "succeeded_at"),
        ("act_at", "tries", "last_error"),
    )
    readonly_fields = ("amount", "created_at")

    @display(
        description=_("status"),
        label={
            RefundStatus.SUCCEEDED: "success",
            RefundStatus.STUCK: "danger",
            RefundStatus.UNKNOWN: "warning",
        },
        ordering="status",
    )
    def shown_status(self, refund: Refund) -> tuple[str, str]:
        return refund.status, refund.get_status_display()


@admin.register(Notification)
class NotificationAdmin(MoneyAdmin):
    list_display = ("received_at", "kind", "shown_state", "reason", "done_at")
    list_filter = ("kind", "state", "received_at")
    fields = (("kind", "state"), "reason", ("received_at", "done_at"), ("act_at", "tries"))
    readonly_fields = ("received_at",)

    @display(
        description=_("state"),
        label={
            Notification.State.DONE: "success",
            Notification.State.QUARANTINED: "danger",
            Notification.State.UNVERIFIED: "warning",
        },
        ordering="state",
    )
    def shown_state(self, notification: Notification) -> tuple[str, str]:
        return notification.state, notification.get_state_display()
