"""What is sold: categories, products, skus, stock, and how the shop window shows them."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, FenField
from shop.models.merchants import Owned, Store


class Category(Owned):
    """A node of the category tree, three levels at most."""

    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        verbose_name=_("parent category"),
    )
    name = models.CharField(_("name"), max_length=40)
    picture = models.CharField(_("picture"), max_length=500, blank=True)
    sort = models.IntegerField(_("sort"), default=0)
    is_active = models.BooleanField(_("shown"), default=True)

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["sort", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "parent", "name"],
                name="category_name_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return self.name


class Product(Owned):
    """What a shopper looks at. What they buy is one of its skus.

    `specs` is `[{"name": "颜色", "values": [{"value": "白", "picture": ""}]}]`; `params` is
    `[{"name", "value"}]`. Pictures are paths under MEDIA_URL or whole addresses. The columns
    under "kept by" are written by `shop.catalogue.refresh` alone.
    """

    category = models.ForeignKey(
        Category,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="products",
        verbose_name=_("category"),
    )
    code = models.CharField(_("product code"), max_length=64)
    name = models.CharField(_("name"), max_length=120)
    subtitle = models.CharField(_("subtitle"), max_length=200, blank=True)
    brand = models.CharField(_("brand"), max_length=60, blank=True)
    unit = models.CharField(_("unit"), max_length=10, blank=True)
    pictures = ArrayField(
        models.CharField(max_length=500), verbose_name=_("pictures"), default=list, blank=True
    )
    description = models.TextField(_("description"), blank=True, help_text=_("Clean HTML."))
    params = models.JSONField(_("parameters"), default=list, blank=True)
    specs = models.JSONField(_("specifications"), default=list, blank=True)
    tags = ArrayField(
        models.CharField(max_length=20), verbose_name=_("tags"), default=list, blank=True
    )
    keywords = models.CharField(_("search keywords"), max_length=200, blank=True)

    on_sale = models.BooleanField(_("on sale"), default=True)
    sale_starts_at = models.DateTimeField(_("on sale from"), null=True, blank=True)
    sale_ends_at = models.DateTimeField(_("on sale until"), null=True, blank=True)
    sort_weight = models.IntegerField(
        _("sort weight"), default=0, help_text=_("Higher is shown first.")
    )
    no_reason_return = models.BooleanField(_("returnable within 7 days"), default=True)
    no_return_ground = models.CharField(_("why it can't be returned"), max_length=100, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    # Kept by shop.catalogue.refresh from the skus and texts.
    price_min_fen = FenField(default=Fen(0), editable=False)
    price_max_fen = FenField(default=Fen(0), editable=False)
    market_price_fen = FenField(null=True, editable=False)
    search = SearchVectorField(null=True, editable=False)
    # Kept by orders: units paid for.
    sold = models.PositiveBigIntegerField(_("sold"), default=0, editable=False)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="product_code_once"),
            models.CheckConstraint(
                name="product_sale_window_ordered",
                condition=Q(sale_ends_at__isnull=True)
                | Q(sale_starts_at__isnull=True)
                | Q(sale_ends_at__gt=F("sale_starts_at")),
            ),
        ]
        indexes = [
            models.Index(
                F("merchant"),
                F("sort_weight").desc(),
                F("id").desc(),
                name="product_by_default",
                condition=Q(on_sale=True),
            ),
            models.Index(
                F("merchant"), F("id").desc(), name="product_by_newest", condition=Q(on_sale=True)
            ),
            models.Index(
                F("merchant"),
                F("sold").desc(),
                F("id").desc(),
                name="product_by_sales",
                condition=Q(on_sale=True),
            ),
            models.Index(
                F("merchant"),
                F("price_min_fen"),
                F("id").desc(),
                name="product_by_price",
                condition=Q(on_sale=True),
            ),
            models.Index(
                F("category"),
                F("sort_weight").desc(),
                F("id").desc(),
                name="product_by_category",
                condition=Q(on_sale=True),
            ),
            GinIndex(fields=["search"], name="product_search"),
        ]

    def __str__(self) -> str:
        return self.name


class Sku(Owned):
    """One combination of spec values of a product, with its price.

    `spec_values` holds the values in the order of the product's `specs`.
    """

    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="skus", verbose_name=_("product")
    )
    code = models.CharField(_("sku code"), max_length=64)
    barcode = models.CharField(_("barcode"), max_length=32, blank=True)
    spec_values = ArrayField(
        models.CharField(max_length=60), verbose_name=_("spec values"), default=list, blank=True
    )
    price_fen = FenField(_("price (fen)"), validators=[MinValueValidator(0)])
    market_price_fen = FenField(_("market price (fen)"), null=True, blank=True)
    picture = models.CharField(_("picture"), max_length=500, blank=True)
    weight_g = models.PositiveIntegerField(_("weight (g)"), default=0)
    on_sale = models.BooleanField(_("on sale"), default=True)
    sort = models.IntegerField(_("sort"), default=0)

    class Meta:
        verbose_name = _("sku")
        verbose_name_plural = _("skus")
        ordering = ["sort", "id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="sku_code_once"),
            models.UniqueConstraint(fields=["product", "spec_values"], name="sku_specs_once"),
            models.CheckConstraint(
                name="sku_price_not_negative",
                condition=Q(price_fen__gte=0)
                & (Q(market_price_fen__isnull=True) | Q(market_price_fen__gte=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.spec_values)}".strip()


class Stock(Owned):
    """A sku at a store: one row, one count. `shop.stock` alone writes `available` and `held`."""

    sku = models.ForeignKey(
        Sku, on_delete=models.CASCADE, related_name="stocks", verbose_name=_("sku")
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    available = models.BigIntegerField(_("available"), default=0, editable=False)
    held = models.BigIntegerField(_("held"), default=0, editable=False)
    unlimited = models.BooleanField(
        _("unlimited"), default=False, help_text=_("Never runs out; the count is not kept.")
    )
    on_sale = models.BooleanField(_("on sale at this store"), default=True)
    price_fen = FenField(
        _("price at this store (fen)"),
        null=True,
        blank=True,
        help_text=_("Empty: the sku's price."),
    )

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "sku", "store"], name="stock_once"),
            models.CheckConstraint(
                name="stock_not_negative", condition=Q(available__gte=0, held__gte=0)
            ),
            models.CheckConstraint(
                name="stock_price_not_negative",
                condition=Q(price_fen__isnull=True) | Q(price_fen__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"stock {self.pk}"


class StockMovement(Owned):
    """Why a count changed. Append-only; `available` and `held` are the sums of the deltas."""

    class Reason(models.TextChoices):
        RECEIVED = "received", _("received")
        HELD = "held", _("held for a purchase")
        RELEASED = "released", _("released")
        SOLD = "sold", _("sold")
        RETURNED = "returned", _("returned")
        WRITTEN_OFF = "written_off", _("written off")
        COUNTED = "counted", _("counted")
        MOVED = "moved", _("moved")

    # No constraints in the database: the row it points to is the hot one, and is locked by then.
    stock = models.ForeignKey(
        Stock, on_delete=models.DO_NOTHING, related_name="movements", db_constraint=False
    )
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    reference = models.CharField(_("reference"), max_length=64)
    available_delta = models.BigIntegerField(_("available"), default=0)
    held_delta = models.BigIntegerField(_("held"), default=0)
    by = models.CharField(_("by"), max_length=80, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("stock movement")
        verbose_name_plural = _("stock movements")
        constraints = [
            models.UniqueConstraint(
                fields=["stock", "reference", "reason"], name="stock_movement_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.reference}"


class Banner(Owned):
    """A picture at the top of the home page."""

    picture = models.CharField(_("picture"), max_length=500)
    text = models.CharField(_("text"), max_length=60, blank=True)
    link = models.CharField(_("link"), max_length=200, blank=True)
    sort = models.IntegerField(_("sort"), default=0)
    is_active = models.BooleanField(_("shown"), default=True)

    class Meta:
        verbose_name = _("banner")
        verbose_name_plural = _("banners")
        ordering = ["sort", "id"]

    def __str__(self) -> str:
        return self.text or f"#{self.pk}"


class Notice(Owned):
    """A line of news on the home page."""

    text = models.CharField(_("text"), max_length=120)
    link = models.CharField(_("link"), max_length=200, blank=True)
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    is_active = models.BooleanField(_("shown"), default=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")

    def __str__(self) -> str:
        return self.text


class HomeSection(Owned):
    """A list of products on the home page, chosen by hand."""

    title = models.CharField(_("title"), max_length=40)
    products = models.ManyToManyField(
        Product, blank=True, related_name="+", verbose_name=_("products")
    )
    sort = models.IntegerField(_("sort"), default=0)
    is_active = models.BooleanField(_("shown"), default=True)

    class Meta:
        verbose_name = _("home section")
        verbose_name_plural = _("home sections")
        ordering = ["sort", "id"]

    def __str__(self) -> str:
        return self.title
