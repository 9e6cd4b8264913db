"""Customers: what they bought, and the tags that staff know them by."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import display
from shop import phones
from shop.admin.fields import WordsField
from shop.models import Customer


class CustomerForm(OwnedForm):
    tags = WordsField(
        most=20, longest=24, label=_("tags"), required=False,
        help_text=_("Between commas. A grant can go to whoever has one of them."),
    )  # fmt: skip


@admin.register(Customer)
class CustomerAdmin(MerchantAdmin):
    """Nobody is added or deleted here: customers come, and erase themselves."""

    area = Area.CUSTOMERS
    form = CustomerForm
    list_display = ("__str__", "shown_phone", "shown_tags", "paid_purchases", "shown_spent",
                    "last_paid_at", "created_at")  # fmt: skip
    # By its index: a chain has millions.
    search_fields = ("phone__exact",)
    search_help_text = _("The whole mobile number.")
    ordering = ("-id",)
    readonly_fields = ("nickname", "shown_phone", "paid_purchases", "shown_spent", "last_paid_at",
                       "created_at")  # fmt: skip
    fields = (
        ("nickname", "shown_phone"),
        "tags",
        ("paid_purchases", "shown_spent"),
        ("last_paid_at", "created_at"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(erased_at=None)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("verified mobile"))
    def shown_phone(self, customer: Customer) -> str:
        return phones.masked(customer.phone) or "–"

    @display(description=_("tags"))
    def shown_tags(self, customer: Customer) -> str:
        return ", ".join(customer.tags) or "–"

    @display(description=_("spent"), ordering="spent_fen")
    def shown_spent(self, customer: Customer) -> str:
        return str(customer.spent_fen)
