"""To whom it is sold: customers, how they are known, what they keep."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backend.encryption import EncryptedTextField
from backend.money import Fen, FenField
from shop.models.merchants import LegalDocument, Owned, Store


class Customer(Owned):
    """A person at one merchant. Erased, the row stays for the books, without the person."""

    class Gender(models.IntegerChoices):
        UNKNOWN = 0, _("unknown")
        MALE = 1, _("male")
        FEMALE = 2, _("female")

    unionid = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001
    phone = models.CharField(  # noqa: DJ001  NULL is many, "" would be one
        _("verified mobile"), max_length=20, null=True, blank=True
    )
    nickname = models.CharField(_("nickname"), max_length=40, blank=True)
    avatar = models.CharField(_("avatar"), max_length=500, blank=True)
    gender = models.PositiveSmallIntegerField(_("gender"), choices=Gender, default=Gender.UNKNOWN)
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to sign out everywhere."
    )
    source = models.JSONField(_("came from"), default=dict, blank=True, editable=False)
    tags = ArrayField(
        models.CharField(max_length=24), verbose_name=_("tags"), default=list, db_default=[],
        blank=True,
    )  # fmt: skip
    # What was paid for, ever: written by `orders.lifecycle.pay`, read by terms and segments.
    paid_purchases = models.PositiveIntegerField(
        _("paid purchases"), default=0, db_default=0, editable=False
    )
    spent_fen = FenField(_("spent (fen)"), default=Fen(0), db_default=0, editable=False)
    last_paid_at = models.DateTimeField(_("last paid at"), null=True, editable=False)
    last_store_id = models.BigIntegerField(null=True, editable=False)
    # Set when there may be something to give: at the first sign-in, when a phone is verified.
    greet_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    erased_at = models.DateTimeField(_("erased at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "phone"],
                condition=Q(phone__isnull=False),
                name="customer_phone_once",
            ),
            models.UniqueConstraint(
                fields=["merchant", "unionid"],
                condition=Q(unionid__isnull=False),
                name="customer_unionid_once",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], name="customer_of_merchant"),
            models.Index(
                fields=["greet_at"], name="customer_to_greet", condition=Q(greet_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.nickname or f"#{self.pk}"

    @property
    def is_authenticated(self) -> bool:
        """What DRF asks of whoever a token names."""
        return True


class Identity(Owned):
    """How WeChat knows a customer: one openid per mini program."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="identities")
    appid = models.CharField(max_length=32)
    openid = models.CharField(max_length=64)
    session_key = EncryptedTextField(blank=True)
    signed_in_at = models.DateTimeField()

    class Meta:
        verbose_name = _("WeChat identity")
        verbose_name_plural = _("WeChat identities")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "appid", "openid"], name="identity_once")
        ]

    def __str__(self) -> str:
        return f"identity of customer {self.customer_id}"


class SignIn(Owned):
    """A refresh token family. Each refresh replaces the token; an old one seen again ends it."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="sign_ins")
    appid = models.CharField(max_length=32)
    token_hash = models.CharField(max_length=64, help_text="SHA-256 of the live token.")
    previous_hash = models.CharField(max_length=64, blank=True)
    refreshed_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")

    def __str__(self) -> str:
        return f"sign-in of customer {self.customer_id}"


class Address(Owned):
    """Where a customer has things sent."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="addresses")
    receiver = models.CharField(_("receiver"), max_length=40)
    phone = models.CharField(_("phone"), max_length=30)
    province_code = models.CharField(_("province code"), max_length=6)
    city_code = models.CharField(_("city code"), max_length=6)
    district_code = models.CharField(_("district code"), max_length=6)
    province = models.CharField(_("province"), max_length=40)
    city = models.CharField(_("city"), max_length=40)
    district = models.CharField(_("district"), max_length=40)
    detail = models.CharField(_("street address"), max_length=200)
    tag = models.CharField(_("label"), max_length=10, blank=True)
    is_default = models.BooleanField(_("default"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    idempotency_key = models.CharField(  # noqa: DJ001
        max_length=64, null=True, blank=True, editable=False
    )
    request_hash = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="address_key_once",
            ),
            models.UniqueConstraint(
                fields=["merchant", "customer"],
                condition=Q(is_default=True),
                name="address_default_once",
            ),
        ]

    def __str__(self) -> str:
        return f"address {self.pk}"


class Consent(Owned):
    """That a customer agreed to one version of a legal page. Appended, never changed."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consents")
    document = models.ForeignKey(LegalDocument, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "document"], name="consent_once"
            )
        ]

    def __str__(self) -> str:
        return f"consent of customer {self.customer_id}"


class Favourite(Owned):
    """A product a customer wants to find again."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="favourites")
    product = models.ForeignKey("shop.Product", on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("favourite")
        verbose_name_plural = _("favourites")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "product"], name="favourite_once"
            )
        ]

    def __str__(self) -> str:
        return f"favourite {self.product_id}"


class RecentView(Owned):
    """A product a customer looked at, and when last."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="recent_views")
    product = models.ForeignKey("shop.Product", on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("recent view")
        verbose_name_plural = _("recent views")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "product"], name="recent_view_once"
            )
        ]
        indexes = [
            models.Index(fields=["customer", "-at"], name="recent_view_latest"),
            models.Index(fields=["at"], name="recent_view_oldest"),
        ]

    def __str__(self) -> str:
        return f"view of {self.product_id}"


class SearchQuery(Owned):
    """Words a customer searched for: their own history, and together the popular words."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    words = models.CharField(max_length=60)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("search")
        verbose_name_plural = _("searches")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "words"], name="search_query_once"
            )
        ]
        indexes = [
            models.Index(fields=["customer", "-at"], name="search_query_latest"),
            models.Index(fields=["merchant", "-at"], name="search_query_popular"),
        ]

    def __str__(self) -> str:
        return f"search {self.pk}"


class CartLine(Owned):
    """A sku from a store that a customer means to buy."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="cart_lines")
    sku = models.ForeignKey("shop.Sku", on_delete=models.CASCADE, related_name="+")
    store = models.ForeignKey(Store, on_delete=models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField()
    selected = models.BooleanField(default=True)
    source = models.JSONField(default=dict, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True, db_index=True)

    class Meta:
        verbose_name = _("cart line")
        verbose_name_plural = _("cart lines")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "sku", "store"], name="cart_line_once"
            ),
            models.CheckConstraint(
                name="cart_line_quantity_in_bounds",
                condition=Q(quantity__gte=1, quantity__lte=999),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of sku {self.sku_id}"


class CartAddition(Owned):
    """One addition to a cart that carried an Idempotency-Key, so that a repeat adds nothing."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    idempotency_key = models.CharField(max_length=64)
    request_hash = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "idempotency_key"], name="cart_addition_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"addition {self.pk}"


class Upload(Owned):
    """A picture a customer or staff sent in; other rows refer to its path."""

    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.SET_NULL, related_name="uploads"
    )
    file = models.ImageField(upload_to="uploads/%Y/%m/%d", max_length=200)
    sha256 = models.CharField(max_length=64, help_text="Of what was sent, not of what is kept.")
    bytes = models.PositiveIntegerField()
    at = models.DateTimeField(auto_now_add=True)
    idempotency_key = models.CharField(  # noqa: DJ001
        max_length=64, null=True, blank=True, editable=False
    )

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="upload_key_once",
            )
        ]
        indexes = [models.Index(fields=["at"], name="upload_oldest")]

    def __str__(self) -> str:
        return str(self.file)
