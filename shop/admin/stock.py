"""Shelves: what lies where. Counts change through `shop.stock` alone, each with its reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backend.desk.dialogs import OnceForm, done, refused
from backend.desk.roles import Area, Level, may, signature
from backend.desk.tenancy import MerchantAdmin, OwnedFilter, OwnedForm
from backend.desk.widgets import LineBox, NumberBox, action, display
from backend.errors import DomainError
from shop import catalogue
from shop import stock as shelves
from shop.models import Stock, StockMovement

_MOST = 10_000_000


class ReceiveForm(OnceForm):
    quantity = forms.IntegerField(
        label=_("quantity"), min_value=1, max_value=_MOST, widget=NumberBox()
    )
    reference = forms.CharField(
        label=_("delivery note"),
        max_length=60,
        required=False,
        widget=LineBox(),
        help_text=_("The same delivery note is counted once."),
    )

    def clean_reference(self) -> str:
        reference: str = self.cleaned_data["reference"]
        known = StockMovement.objects.filter(
            stock_id=int(self.object_id or 0),
            reference=reference,
            reason=StockMovement.Reason.RECEIVED,
        )
        if reference and known.exists():
            raise forms.ValidationError(_("This delivery note has been counted already."))
        return reference


class CountForm(OnceForm):
    available = forms.IntegerField(
        label=_("counted"),
        min_value=0,
        max_value=_MOST,
        widget=NumberBox(),
        help_text=_("What lies on the shelf, apart from what unpaid purchases hold."),
    )
    note = forms.CharField(label=_("reason"), max_length=38, widget=LineBox())


class ShelfFilter(admin.SimpleListFilter):
    title = _("how full")
    parameter_name = "shelf"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("empty", _("sold out")), ("low", _("5 or fewer")), ("unlimited", _("unlimited"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "empty":
                return queryset.filter(available=0, unlimited=False)
            case "low":
                return queryset.filter(available__lte=5, unlimited=False)
            case "unlimited":
                return queryset.filter(unlimited=True)
        return queryset


class ProductFilter(admin.SimpleListFilter):
    """The shelves of one product, as its link asks for them; not a list to choose from."""

    title = _("product")
    parameter_name = "product"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        asked = request.GET.get(self.parameter_name, "")
        return [(asked, _("this product"))] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.value()
        if not asked:
            return queryset
        if not asked.isascii() or not asked.isdecimal() or len(asked) > 18:
            return queryset.none()
        return queryset.filter(sku__product_id=int(asked))


class StockForm(OwnedForm):
    def clean_price_fen(self) -> Any:
        price = self.cleaned_data["price_fen"]
        if price is not None:
            MinValueValidator(0)(price)
            MaxValueValidator(10**11)(price)
        return price


@admin.register(Stock)
class StockAdmin(MerchantAdmin):
    area = Area.STOCK
    form = StockForm
    list_display = ("shown_sku", "store", "count", "held", "price", "on_sale")
    list_select_related = ("sku__product", "store")
    list_filter = (("store", OwnedFilter), ShelfFilter, "on_sale", ProductFilter)
    search_fields = ("sku__code__startswith", "sku__barcode__exact", "sku__product__name")
    search_help_text = _("Sku code, barcode or product name")
    autocomplete_fields = ("sku",)
    ordering = ("-sku_id", "store_id")
    actions_row = ("receive", "recount")
    actions_detail = ("receive", "recount", "history_of")
    readonly_fields = ("available", "held")
    fields = ("sku", "store", ("available", "held"), ("on_sale", "unlimited"), "price_fen")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "sku", "store") if obj else fixed

    @display(description=_("sku"), header=True, ordering="sku__code")
    def shown_sku(self, stock: Stock) -> list[str]:
        return [stock.sku.product.name, str(stock.sku)]

    @display(description=_("available"), ordering="available")
    def count(self, stock: Stock) -> Any:
        return _("unlimited") if stock.unlimited else stock.available

    @display(description=_("price"))
    def price(self, stock: Stock) -> str:
        return str(stock.sku.price_fen if stock.price_fen is None else stock.price_fen)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        catalogue.refresh([obj.sku.product_id])

    def _back(self, object_id: str) -> str:
        return reverse("admin:shop_stock_change", args=[object_id])

    @action(
        description=_("Receive"),
        url_path="receive",
        icon="add_box",
        permissions=["edit_row"],
        dialog={
            "title": _("Goods have come in"),
            "form_class": ReceiveForm,
            "form_submit_text": _("Receive"),
        },
    )
    def receive(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        stock = self.own(request, object_id)
        said = form.cleaned_data
        reference = said["reference"] or said["key"]
        try:
            shelves.receive(stock, said["quantity"], reference=reference, by=signature(request))
        except DomainError as error:
            return refused(request, error, self._back(object_id))
        text = _("%(count)s received.") % {"count": said["quantity"]}
        self.log_change(request, stock, f"+{said['quantity']} {reference}")
        return done(request, text, self._back(object_id))

    @action(
        description=_("Count"),
        url_path="count",
        icon="fact_check",
        permissions=["edit_row"],
        dialog={
            "title": _("The shelf was counted"),
            "form_class": CountForm,
            "form_submit_text": _("Save"),
        },
    )
    def recount(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        stock = self.own(request, object_id)
        said = form.cleaned_data
        reference = f"{said['note']} {said['key']}"
        try:
            shelves.count(stock, said["available"], reference=reference, by=signature(request))
        except DomainError as error:
            return refused(request, error, self._back(object_id))
        text = _("The shelf now holds %(count)s.") % {"count": said["available"]}
        self.log_change(request, stock, f"={said['available']} {said['note']}")
        return done(request, text, self._back(object_id))

    @action(
        description=_("Movements"), url_path="movements", icon="swap_vert", permissions=["view_row"]
    )
    def history_of(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        from django.shortcuts import redirect

        stock = self.own(request, object_id)
        page = reverse("admin:shop_stockmovement_changelist")
        return redirect(f"{page}?stock={stock.pk}")

    def has_view_row_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is not None:
            self.own(request, obj)
        return may(request, self.area, Level.VIEW)


class OfStockFilter(ProductFilter):
    """The movements of one shelf."""

    title = _("stock")
    parameter_name = "stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        asked = request.GET.get(self.parameter_name, "")
        return [(asked, _("this shelf"))] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.value()
        if not asked:
            return queryset
        if not asked.isascii() or not asked.isdecimal() or len(asked) > 18:
            return queryset.none()
        return queryset.filter(stock_id=int(asked))


@admin.register(StockMovement)
class StockMovementAdmin(MerchantAdmin):
    area = Area.STOCK
    read_only = True
    list_display = ("at", "shown_sku", "store", "reason", "available_delta", "held_delta", "why")
    list_select_related = ("stock__sku__product", "stock__store")
    list_filter = ("reason", OfStockFilter)
    search_fields = ("reference__startswith", "stock__sku__code__startswith")
    search_help_text = _("Reference or sku code")
    ordering = ("-id",)
    fields = (
        ("at", "reason"),
        ("sku", "store"),
        ("available_delta", "held_delta"),
        "reference",
        "by",
    )
    readonly_fields = ("at", "sku", "store")

    @display(description=_("sku"), header=True)
    def shown_sku(self, movement: StockMovement) -> list[str]:
        return [movement.stock.sku.product.name, str(movement.stock.sku)]

    @display(description=_("sku"))
    def sku(self, movement: StockMovement) -> str:
        return f"{movement.stock.sku.product.name} {movement.stock.sku}"

    @display(description=_("store"))
    def store(self, movement: StockMovement) -> str:
        return movement.stock.store.name

    @display(description=_("reference"), header=True)
    def why(self, movement: StockMovement) -> list[str]:
        return [movement.reference, movement.by]
