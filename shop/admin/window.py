"""The shop window: what the home page shows, and the legal pages."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import display, picture
from shop.admin.categories import PictureForm
from shop.catalogue import clean_html
from shop.models import Banner, HomeSection, LegalDocument, Notice


class BannerForm(PictureForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "picture" in self.fields:
            self.fields["picture"].required = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not cleaned.get("picture") and not cleaned.get("upload"):
            raise ValidationError({"upload": _("A banner needs a picture.")})
        return cleaned


@admin.register(Banner)
class BannerAdmin(MerchantAdmin):
    area = Area.WINDOW
    deletable = True
    form = BannerForm
    list_display = ("shown_picture", "text", "link", "sort", "is_active")
    list_display_links = ("shown_picture", "text")
    fields = ("upload", "picture", "text", "link", "sort", "is_active")

    @display(description=_("picture"))
    def shown_picture(self, banner: Banner) -> str:
        return picture(banner.picture, 64)


class NoticeForm(OwnedForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("The end comes after the beginning."))
        return cleaned


@admin.register(Notice)
class NoticeAdmin(MerchantAdmin):
    area = Area.WINDOW
    deletable = True
    form = NoticeForm
    list_display = ("text", "starts_at", "ends_at", "is_active")
    ordering = ("-id",)
    fields = ("text", "link", "starts_at", "ends_at", "is_active")


@admin.register(HomeSection)
class HomeSectionAdmin(MerchantAdmin):
    area = Area.WINDOW
    deletable = True
    list_display = ("title", "how_many", "sort", "is_active")
    autocomplete_fields = ("products",)
    fields = ("title", "products", "sort", "is_active")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(how_many=Count("products"))
        return rows

    @display(description=_("products"))
    def how_many(self, section: Any) -> int:
        return int(section.how_many)


class LegalForm(OwnedForm):
    def clean_body(self) -> str:
        return clean_html(self.cleaned_data["body"])


@admin.register(LegalDocument)
class LegalDocumentAdmin(MerchantAdmin):
    """A version that is published is what somebody agreed to: it stays as it is."""

    area = Area.WINDOW
    form = LegalForm
    list_display = ("title", "kind", "version", "published_at")
    list_filter = ("kind",)
    ordering = ("kind", "-published_at")
    fields = (("kind", "version"), "title", "published_at", "body")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or obj.published_at > timezone.now())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return obj is not None and self.has_change_permission(request, obj)
