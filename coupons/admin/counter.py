"""Redemptions at the counter, made and undone by staff; and the tills that make them alone."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.desk.dialogs import DialogForm, OnceForm, done, refused
from backend.desk.roles import Area, merchant_id_of, signature, staff_of
from backend.desk.tenancy import MerchantAdmin, OwnedFilter
from backend.desk.widgets import LineBox, NumberBox, SelectBox, action, display
from backend.errors import DomainError
from backend.money import Fen
from coupons import counter, tills
from coupons.models import Redemption, Till
from shop import staff as people
from shop.models import Store


def stores_of(request: HttpRequest) -> QuerySet[Store]:
    """The stores whose counter whoever asks stands at; an operator at every one."""
    staff = staff_of(request)
    rows = Store.objects.filter(is_active=True)
    if staff is None:
        return rows if merchant_id_of(request) is None else rows.none()
    return rows.filter(pk__in=[store.pk for store in people.stores_of(staff)])


class RedeemForm(OnceForm):
    code = forms.CharField(label=_("code"), max_length=40, widget=LineBox())
    store = forms.ModelChoiceField(Store.objects.none(), label=_("store"), widget=SelectBox())
    bill_fen = forms.IntegerField(
        label=_("bill (fen)"),
        required=False,
        min_value=1,
        max_value=counter.BIGGEST_BILL,
        widget=NumberBox(),
        help_text=_("What the goods cost that the coupon is for."),
    )
    agreed = forms.CharField(widget=forms.HiddenInput, required=False, max_length=20)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("Any", self.fields["store"]).queryset = stores_of(self.request)

    def clean(self) -> dict[str, Any]:
        """First it says what the coupon is worth; pressed again, with the same worth, it holds."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        bill = cleaned["bill_fen"]
        cleaned["bill_fen"] = None if bill is None else Fen(bill)
        try:
            store = cleaned["store"]
            coupon = counter.coupon_of(store.merchant_id, cleaned["code"], timezone.now())
            worth = counter.worth(coupon, store, cleaned["bill_fen"], timezone.now())
        except DomainError as error:
            # Also where this very form was sent before: the rule says what it was answered.
            if not cleaned["agreed"]:
                self.add_error("code", str(error.message))
            return cleaned
        if cleaned["agreed"] != str(int(worth)):
            self.data = {**self.data.dict(), "agreed": str(int(worth))}  # type: ignore[attr-defined]
            text = _("%(name)s takes off %(worth)s. Press again to redeem it.")
            self.add_error("code", text % {"name": coupon.name, "worth": worth})
        return cleaned


@admin.register(Redemption)
class RedemptionAdmin(MerchantAdmin):
    area = Area.COUNTER
    read_only = True
    list_display = ("shown_number", "coupon", "store", "saved_fen", "bill_fen", "at", "undone_at")
    list_select_related = ("coupon", "store")
    list_filter = (("store", OwnedFilter),)
    search_fields = ("number__exact", "coupon__code__exact")
    search_help_text = _("Number or coupon code")
    ordering = ("-id",)
    actions_list = ("redeem",)
    actions_detail = ("undo",)
    fields = (
        "number", ("shown_coupon", "store"), ("bill_fen", "saved_fen"), ("at", "by"),
        ("undone_at", "undone_by"),
    )  # fmt: skip
    readonly_fields = ("shown_coupon",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        staff = staff_of(request)
        if staff is None or not staff.stores.exists():
            return rows
        return rows.filter(store__in=stores_of(request))

    @display(description=_("number"), header=True)
    def shown_number(self, made: Redemption) -> list[str]:
        return [made.number, made.by]

    @display(description=_("coupon"))
    def shown_coupon(self, made: Redemption) -> str:
        return f"{made.coupon.name} {made.coupon.code}"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        made = self.own(request, object_id)
        late = timezone.now() - made.at > counter.UNDO_WITHIN
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [] if late or made.undone_at else found

    @action(
        description=_("Redeem a voucher"),
        url_path="redeem",
        icon="qr_code_scanner",
        permissions=["edit_row"],
        dialog={
            "title": _("Redeem a voucher"),
            "description": _("Scan or type what the customer's phone shows."),
            "form_class": RedeemForm,
            "form_submit_text": _("Redeem"),
        },
    )
    def redeem(self, request: HttpRequest, form: Any) -> HttpResponseBase:
        said, back = form.cleaned_data, reverse("admin:coupons_redemption_changelist")
        store = said["store"]
        asked = counter.Asked(
            store.merchant_id, store, said["code"], said["bill_fen"], said["key"],
            by=signature(request), staff=staff_of(request),
        )  # fmt: skip
        try:
            made, _new = counter.redeem(asked)
        except DomainError as error:
            return refused(request, error, back)
        text = _("Redeemed: %(worth)s off.") % {"worth": made.saved_fen}
        return done(request, text, back)

    @action(
        description=_("Undo"),
        url_path="undo",
        icon="undo",
        permissions=["edit_row"],
        dialog={
            "title": _("Undo this redemption?"),
            "description": _("The customer has the coupon again."),
            "form_class": DialogForm,
            "form_submit_text": _("Undo"),
        },
    )
    def undo(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        made = self.own(request, object_id)
        back = reverse("admin:coupons_redemption_change", args=[made.pk])
        try:
            counter.undo(
                made.merchant_id, made.number, stores=[made.store_id], by=signature(request)
            )
        except DomainError as error:
            return refused(request, error, back)
        self.log_change(request, made, "undone")
        return done(request, _("Undone. The customer has the coupon again."), back)


@admin.register(Till)
class TillAdmin(MerchantAdmin):
    area = Area.CREDENTIALS
    list_display = ("name", "store", "key", "is_active", "created_at")
    list_select_related = ("store",)
    search_fields = ("name",)
    autocomplete_fields = ("store",)
    ordering = ("-id",)
    fields = (("name", "store"), "is_active")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.fields, ("key", "created_at")) if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "store", "key", "created_at") if obj else fixed

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            secret = tills.equip(obj)
            text = _("Key %(key)s, secret %(secret)s. The secret is shown this once.")
            self.message_user(request, text % {"key": obj.key, "secret": secret})
        super().save_model(request, obj, form, change)
