"""The shop itself: its settings, its stores, and how WeChat knows it."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.core.validators import RegexValidator
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area, is_operator
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import style_secret
from shop.admin.categories import PictureForm
from shop.admin.fields import DatesField, HoursField, LinesField, PairsField
from shop.models import Merchant, MiniProgram, PayAccount, Store

_APPID: Final = RegexValidator(r"^wx[0-9a-f]{16}$", _("An AppID is wx and 16 characters."))
_MCH_ID: Final = RegexValidator(r"^\d{8,10}$", _("A merchant number is 8 to 10 digits."))
_KEY: Final = RegexValidator(r"^[0-9A-Za-z]{32}$", _("A key is 32 letters and digits."))
_PEM: Final = RegexValidator(
    r"^-----BEGIN [A-Z ]+-----\s[\s\S]+-----END [A-Z ]+-----\s*$",
    _("Paste the whole PEM text, from BEGIN to END."),
)


class MerchantForm(PictureForm):
    picture_column = "logo"
    licences = PairsField(
        most=10,
        longest=60,
        value_name="number",
        label=_("licences"),
        help_text=_("One to a line, as “Name: number”."),
    )
    message_templates = LinesField(
        most=3,
        longest=64,
        label=_("message templates"),
        help_text=_("Ids of the subscription messages to ask consent for when paying."),
    )


@admin.register(Merchant)
class MerchantPage(MerchantAdmin):
    """Edited by the owner, within the bounds the columns have; opened and closed by an operator."""

    area = Area.SETTINGS
    form = MerchantForm
    list_display = ("name", "slug", "service_phone", "is_active")
    search_fields = ("name", "slug")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "slug"),
                    ("service_phone", "service_hours"),
                    ("logo", "upload"),
                    "is_active",
                )
            },
        ),
        (
            _("Orders"),
            {
                "fields": (
                    ("pay_minutes", "receive_days", "cart_days"),
                    ("freight_fen", "freight_free_over_fen"),
                    ("freight_free_over_reads", "freight_scope"),
                )
            },
        ),
        (_("Papers"), {"fields": (("licences", "message_templates"),)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        return fixed if is_operator(request) else (*fixed, "slug", "is_active")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)


class SecretForm(OwnedForm):
    """Secrets go in and never come out: an empty box keeps what is stored."""

    needed: tuple[str, ...] = ()
    checks: dict[str, RegexValidator] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, check in self.checks.items():
            if name in self.fields:
                self.fields[name].validators.append(check)
        for name, field in self.fields.items():
            if "autocomplete" in field.widget.attrs and "spellcheck" in field.widget.attrs:
                style_secret(field)
                field.required = name in self.needed and self.instance.pk is None
                if self.instance.pk is not None and getattr(self.instance, name):
                    field.help_text = _("Kept. Leave empty to keep it, or write a new one.")


class MiniProgramForm(SecretForm):
    needed = ("secret",)
    checks = {"appid": _APPID, "secret": RegexValidator(r"^\S{16,64}$", _("This can't be a key."))}


@admin.register(MiniProgram)
class MiniProgramAdmin(MerchantAdmin):
    area = Area.CREDENTIALS
    form = MiniProgramForm
    list_display = ("name", "appid", "is_active")
    list_display_links = ("name", "appid")
    fields = (("name", "appid"), "secret", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        # Customers are known by it: another appid is another mini program.
        return (*fixed, "appid") if obj else fixed


class PayAccountForm(SecretForm):
    needed = ("api_key",)
    checks = {
        "appid": _APPID,
        "sub_appid": _APPID,
        "mch_id": _MCH_ID,
        "sub_mch_id": _MCH_ID,
        "api_key": _KEY,
        "api_v3_key": _KEY,
        "certificate_pem": _PEM,
        "private_key_pem": _PEM,
        "public_key_pem": _PEM,
    }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        mode = cleaned.get("mode", self.instance.mode)
        sub = cleaned.get("sub_mch_id", self.instance.sub_mch_id)
        if mode == PayAccount.Mode.DIRECT and cleaned.get("sub_appid"):
            self.add_error("sub_appid", _("A merchant's own account has no sub-merchant."))
        if (mode == PayAccount.Mode.PROVIDER) != bool(sub):
            self.add_error(
                "mode",
                _("A provider's account names the sub-merchant, no other does."),
            )
        return cleaned


@admin.register(PayAccount)
class PayAccountAdmin(MerchantAdmin):
    """Payments remember their account: what identifies it stays, and it is never deleted."""

    area = Area.CREDENTIALS
    form = PayAccountForm
    list_display = ("mch_id", "sub_mch_id", "mode", "appid", "is_active")
    fields = (
        ("mode", "appid"),
        ("mch_id", "sub_mch_id"),
        "sub_appid",
        ("api_key", "api_v3_key"),
        ("certificate_pem", "private_key_pem"),
        ("public_key_id", "public_key_pem"),
        "is_active",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "mode", "appid", "mch_id", "sub_mch_id", "sub_appid") if obj else fixed


class StoreForm(OwnedForm):
    hours = HoursField(
        label=_("opening hours"),
        help_text=_("Seven lines, Monday first, as 09:00-21:00; - is a closed day."),
    )
    holidays = DatesField(label=_("closed on"), help_text=_("A date to a line, as 2026-02-17."))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for name, most in (("latitude", 90), ("longitude", 180)):
            value = cleaned.get(name)
            if value is not None and abs(value) > most:
                self.add_error(name, _("There is no such place."))
        return cleaned


@admin.register(Store)
class StoreAdmin(MerchantAdmin):
    """Orders and stock hang on a store: it is taken out of use, not deleted."""

    area = Area.STORES
    form = StoreForm
    list_display = ("name", "code", "city", "phone", "is_default", "paused", "is_active")
    search_fields = ("name", "code")
    fields = (
        ("name", "code"),
        ("phone", "ownership"),
        ("is_active", "paused"),
        ("is_default", "sort"),
        ("province", "city"),
        ("district", "detail"),
        ("latitude", "longitude"),
        ("hours", "holidays"),
    )
