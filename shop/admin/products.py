"""Products, each with its skus in one page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from backend.desk.roles import Area
from backend.desk.tenancy import (
    MerchantAdmin,
    MerchantInline,
    OwnedFilter,
    OwnedForm,
    OwnedFormSet,
    OwnedInlineForm,
)
from backend.desk.widgets import action, display, pictures
from shop import catalogue
from shop.admin.categories import count_of
from shop.admin.fields import (
    PairsField,
    PictureFilesField,
    PicturesField,
    SpecsField,
    WordsField,
    check_picture,
    store,
)
from shop.models import Product, Sku, Stock, StockMovement, Store


class ProductForm(OwnedForm):
    specs = SpecsField(
        most=3,
        longest=20,
        label=_("specifications"),
        help_text=_("One to a line, at most three, as “Colour: white, black”."),
    )
    params = PairsField(
        most=40, longest=40, label=_("parameters"), help_text=_("One to a line, as “Name: value”.")
    )
    tags = WordsField(most=10, longest=20, label=_("tags"), help_text=_("Between commas."))
    pictures = PicturesField(
        label=_("pictures"),
        help_text=_("One to a line; the first is the main one. Move or delete lines."),
    )
    upload = PictureFilesField(label=_("upload pictures"), help_text=_("JPEG, PNG or WebP."))

    class Meta:
        labels = {"sale_starts_at": _("on sale from"), "sale_ends_at": _("on sale until")}

    def clean_description(self) -> str:
        return catalogue.clean_html(self.cleaned_data["description"])

    def clean_specs(self) -> list[Any]:
        """The values as written, each with the picture it had."""
        had = {
            (spec["name"], value["value"]): value.get("picture", "")
            for spec in self.instance.specs
            for value in spec["values"]
        }
        specs: list[Any] = self.cleaned_data["specs"]
        for spec in specs:
            for value in spec["values"]:
                value["picture"] = had.get((spec["name"], value["value"]), "")
        return specs

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        starts, ends = cleaned.get("sale_starts_at"), cleaned.get("sale_ends_at")
        if starts and ends and ends <= starts:
            self.add_error("sale_ends_at", _("The end comes after the beginning."))
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        whose = self.whose()
        sent = self.cleaned_data.get("upload") or []
        if whose is not None and sent:
            new = [store(whose, content) for content in sent]
            self.instance.pictures = [*self.instance.pictures, *new]
        return super().save(commit)


class SkuForm(OwnedInlineForm):
    spec_values = WordsField(most=3, longest=60, label=_("spec values"))

    def clean_market_price_fen(self) -> Any:
        price = self.cleaned_data["market_price_fen"]
        if price is not None and price < 0:
            raise ValidationError(_("A price is not negative."))
        return price

    def clean_picture(self) -> str:
        path: str = self.cleaned_data["picture"]
        if path:
            check_picture(path)
        return path


class SkuFormSet(OwnedFormSet):
    """Skus say one value for each specification of their product."""

    def clean(self) -> None:
        super().clean()
        specs = self.instance.specs
        for form in self.forms:
            if form in self.deleted_forms:
                if form.instance.pk and has_history([form.instance.pk]):
                    raise ValidationError(
                        _("%(sku)s has been stocked or sold: take it off sale instead."),
                        params={"sku": form.instance.code},
                    )
                continue
            values = form.cleaned_data.get("spec_values") if form.is_valid() else None
            if values is None or (not form.has_changed() and form.instance.pk is None):
                continue
            named = [{value["value"] for value in spec["values"]} for spec in specs]
            if len(values) != len(named) or any(
                value not in known for value, known in zip(values, named, strict=True)
            ):
                form.add_error(
                    "spec_values", _("One value for each specification, in their order.")
                )


class SkuInline(MerchantInline):
    area = Area.PRODUCTS
    deletable = True
    model = Sku
    form = SkuForm
    formset = SkuFormSet
    tab = True
    fields = (
        "code",
        "spec_values",
        "price_fen",
        "market_price_fen",
        "barcode",
        "weight_g",
        "picture",
        "on_sale",
        "sort",
    )


def has_history(skus: list[int]) -> bool:
    """Whether any of these skus ever lay on a shelf or in an order."""
    return StockMovement.objects.filter(stock__sku_id__in=skus).exists()


@admin.register(Product)
class ProductAdmin(MerchantAdmin):
    area = Area.PRODUCTS
    form = ProductForm
    inlines = (SkuInline,)
    list_display = ("shown_name", "category", "price", "how_many", "sold", "state", "stock_link")
    list_select_related = ("category",)
    list_filter = ("on_sale", ("category", OwnedFilter))
    search_fields = ("name", "code__startswith", "skus__code__startswith", "skus__barcode__exact")
    search_help_text = _("Name, product code, sku code or barcode")
    autocomplete_fields = ("category",)
    ordering = ("-sort_weight", "-id")
    readonly_fields = ("shown_pictures", "sold", "created_at", "updated_at")
    actions = ("put_on_sale", "take_off_sale")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "code"),
                    ("subtitle", "category"),
                    ("brand", "unit"),
                    ("on_sale", "sort_weight"),
                    "sale_starts_at",
                    "sale_ends_at",
                    ("specs", "params"),
                    ("tags", "keywords"),
                    ("no_reason_return", "no_return_ground"),
                )
            },
        ),
        (
            _("Pictures"),
            {"classes": ["tab"], "fields": ("shown_pictures", "upload", "pictures")},
        ),
        (
            _("Description"),
            {"classes": ["tab"], "fields": ("description", "sold", "created_at", "updated_at")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = (
            super().get_queryset(request).annotate(how_many=count_of(Sku, "product"))
        )
        return rows

    @display(description=_("name"), header=True, ordering="name")
    def shown_name(self, product: Product) -> list[Any]:
        return [
            product.name,
            product.code,
            None,
            {"path": catalogue.picture_url(product.pictures[0]), "squared": True}
            if product.pictures
            else None,
        ]

    @display(description=_("price"), ordering="price_min_fen")
    def price(self, product: Product) -> str:
        least, most = product.price_min_fen, product.price_max_fen
        return f"{least}" if least == most else f"{least} – {most}"

    @display(description=_("skus"))
    def how_many(self, product: Any) -> int:
        return int(product.how_many)

    @display(
        description=_("state"),
        label={"on": "success", "soon": "info", "over": "warning", "off": "danger"},
        ordering="on_sale",
    )
    def state(self, product: Product) -> tuple[str, Any]:
        now = timezone.now()
        if not product.on_sale:
            return "off", _("off sale")
        if product.sale_starts_at and product.sale_starts_at > now:
            return "soon", _("scheduled")
        if product.sale_ends_at and product.sale_ends_at <= now:
            return "over", _("over")
        return "on", _("on sale")

    @display(description=_("stock"))
    def stock_link(self, product: Product) -> str:
        page = reverse("admin:shop_stock_changelist")
        return format_html('<a href="{}?product={}">{}</a>', page, product.pk, _("stock"))

    @display(description=_("pictures"))
    def shown_pictures(self, product: Product) -> str:
        return pictures(product.pictures)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was never stocked may go; what was is taken off sale."""
        if not self.has_change_permission(request, obj) or obj is None:
            return False
        skus = list(Sku.objects.filter(product_id=obj.pk).values_list("pk", flat=True))
        return not has_history(skus)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """An empty shelf goes with its product, though shelves can't be deleted by themselves."""
        shown, counts, _needed, protected = super().get_deleted_objects(objs, request)
        return shown, counts, set(), protected

    def save_related(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        super().save_related(request, form, formsets, change)
        product: Product = form.instance
        _shelve(product)
        catalogue.refresh([product.pk])

    def _switch(self, request: HttpRequest, chosen: QuerySet[Product], *, on_sale: bool) -> None:
        moved = list(chosen.exclude(on_sale=on_sale))
        said = [{"changed": {"fields": ["on_sale"]}}]
        LogEntry.objects.log_actions(request.user.pk, moved, CHANGE, said)  # type: ignore[arg-type]
        count = Product.objects.filter(pk__in=[product.pk for product in moved]).update(
            on_sale=on_sale, updated_at=timezone.now()
        )
        text = ngettext("%(count)s product changed.", "%(count)s products changed.", count)
        messages.success(request, text % {"count": count})

    @action(description=_("Put on sale"), permissions=["change"])
    def put_on_sale(self, request: HttpRequest, chosen: QuerySet[Product]) -> None:
        self._switch(request, chosen, on_sale=True)

    @action(description=_("Take off sale"), permissions=["change"])
    def take_off_sale(self, request: HttpRequest, chosen: QuerySet[Product]) -> None:
        self._switch(request, chosen, on_sale=False)


def _shelve(product: Product) -> None:
    """Each sku that has no shelf anywhere gets an empty one at the default store."""
    home = Store.objects.filter(merchant_id=product.merchant_id, is_default=True).first()
    if home is None:
        return
    bare = Sku.objects.filter(
        merchant_id=product.merchant_id, product_id=product.pk, stocks__isnull=True
    )
    Stock.objects.bulk_create(
        [Stock(merchant_id=product.merchant_id, sku=sku, store=home) for sku in bare],
        ignore_conflicts=True,
    )


@admin.register(Sku)
class SkuAdmin(MerchantAdmin):
    """Only so that a sku can be looked for; it is edited with its product."""

    area = Area.PRODUCTS
    read_only = True
    list_display = ("code", "product", "spec_values", "price", "on_sale")
    list_select_related = ("product",)
    search_fields = ("code__startswith", "barcode__exact", "product__name")
    fields = ("code", "product", "spec_values", "price", "barcode", "on_sale")

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        """Not on the front page of the desk."""
        return {}

    @display(description=_("price"), ordering="price_fen")
    def price(self, sku: Sku) -> str:
        return str(sku.price_fen)
