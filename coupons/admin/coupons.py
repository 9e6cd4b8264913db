"""Coupons in wallets: whose, what became of each, and taking one that nobody has used out again."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.desk.dialogs import DialogForm, done, refused
from backend.desk.roles import Area, signature
from backend.desk.tenancy import MerchantAdmin, ReadOnlyInline
from backend.desk.widgets import LineBox, action, display, who
from coupons import promotions, wallet
from coupons.models import Coupon, CouponEvent, CouponStatus

_EVENT_TEXTS: Final = {
    "claimed": _("given"),
    wallet.Event.HOLD: _("held by an unpaid purchase"),
    wallet.Event.LET_GO: _("let go by a purchase"),
    wallet.Event.USE: _("used"),
    wallet.Event.REDEEM: _("used at the counter"),
    wallet.Event.UNDO: _("redemption undone"),
    wallet.Event.GIVE_BACK: _("given back"),
    wallet.Event.EXPIRE: _("expired"),
    wallet.Event.VOID: _("voided"),
    wallet.Event.PASS_ON: _("passed on to a friend"),
}


class VoidForm(DialogForm):
    reason = forms.CharField(label=_("reason"), max_length=40, widget=LineBox())


class EventInline(ReadOnlyInline):
    area = Area.COUPONS
    model = CouponEvent
    fields = ("at", "shown_event", "reference", "shown_by")

    @display(description=_("event"))
    def shown_event(self, event: CouponEvent) -> str:
        return str(_EVENT_TEXTS.get(event.event, event.event))

    @display(description=_("by"))
    def shown_by(self, event: CouponEvent) -> str:
        return who(event.by)


@admin.register(Coupon)
class CouponAdmin(MerchantAdmin):
    area = Area.COUPONS
    read_only = True
    list_display = ("name", "customer", "shown_status", "claimed_at", "valid_until")
    list_select_related = ("customer",)
    search_fields = ("code__exact",)
    search_help_text = _("The coupon's code.")
    ordering = ("-id",)
    inlines = (EventInline,)
    actions_detail = ("void",)
    fields = (
        ("name", "text"),
        ("customer", "code"),
        ("shown_status", "way"),
        "claimed_at",
        ("valid_from", "valid_until"),
    )
    readonly_fields = ("text", "shown_status")

    @display(description=_("in the shopper's words"))
    def text(self, coupon: Coupon) -> str:
        return promotions.text(coupon.kind, coupon.terms)

    @display(
        description=_("status"),
        label={
            "claimed": "success", "held": "warning", "used": "info", "expired": "info",
            "voided": "danger", "passed": "info",
        },
    )  # fmt: skip
    def shown_status(self, coupon: Coupon) -> tuple[str, str]:
        """Expiry is a fact of the clock, swept or not."""
        over = coupon.status == CouponStatus.CLAIMED and coupon.valid_until <= timezone.now()
        status = CouponStatus.EXPIRED if over else CouponStatus(coupon.status)
        return status.value, str(status.label)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        coupon = self.own(request, object_id)
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return found if coupon.status == CouponStatus.CLAIMED else []

    @action(
        description=_("Void"),
        url_path="void",
        icon="block",
        permissions=["edit_row"],
        dialog={
            "title": _("Take this coupon out of the wallet?"),
            "description": _("It can't be used any more. This can't be undone."),
            "form_class": VoidForm,
            "form_submit_text": _("Void"),
        },
    )
    def void(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        coupon = self.own(request, object_id)
        back = reverse("admin:coupons_coupon_change", args=[coupon.pk])
        gone = wallet.void(
            coupon.merchant_id, [coupon.pk], by=signature(request),
            reason=form.cleaned_data["reason"], at=timezone.now(),
        )  # fmt: skip
        if not gone:
            return refused(request, wallet.CouponUnavailable(), back)
        self.log_change(request, coupon, "voided")
        return done(request, _("The coupon is void."), back)
