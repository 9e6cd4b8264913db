"""Who sells: merchants, their mini programs and pay accounts, their stores and staff."""

import datetime as dt

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backend.encryption import EncryptedTextField
from backend.money import Fen, FenField


class Merchant(models.Model):
    """A tenant. Every row a merchant owns carries its id; no query leaves it out."""

    class FreightScope(models.TextChoices):
        ORDER = "order", _("each store's order pays its own freight")
        PURCHASE = "purchase", _("one freight for the whole purchase")

    class FreeOverReads(models.TextChoices):
        AFTER_DISCOUNTS = "after_discounts", _("goods after discounts")
        BEFORE_COUPONS = "before_coupons", _("goods before coupons")

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(
        _("short name"), max_length=40, unique=True, help_text=_("Part of the webhook addresses.")
    )
    is_active = models.BooleanField(_("open for business"), default=True)
    logo = models.CharField(_("logo"), max_length=500, blank=True)
    service_phone = models.CharField(_("service phone"), max_length=30, blank=True)
    service_hours = models.CharField(_("service hours"), max_length=80, blank=True)
    licences = models.JSONField(
        _("licences"), default=list, blank=True, help_text=_('A list of {"name", "number"}.')
    )
    message_templates = models.JSONField(
        _("message templates"),
        default=list,
        blank=True,
        help_text=_("Ids of the subscription messages to ask consent for when paying."),
    )

    pay_minutes = models.PositiveSmallIntegerField(
        _("minutes to pay"),
        default=30,
        validators=[MinValueValidator(6), MaxValueValidator(1440)],
        help_text=_("An unpaid purchase closes after so many minutes, 6 to 1440."),
    )
    receive_days = models.PositiveSmallIntegerField(
        _("days to receipt"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(30)],
        help_text=_("A shipped order counts as received after so many days, 1 to 30."),
    )
    cart_days = models.PositiveSmallIntegerField(
        _("days a cart is kept"),
        default=90,
        validators=[MinValueValidator(7), MaxValueValidator(365)],
    )

    freight_fen = FenField(_("freight (fen)"), default=Fen(0))
    freight_free_over_fen = FenField(_("free freight from (fen)"), null=True, blank=True)
    freight_free_over_reads = models.CharField(
        _("free freight reads"),
        max_length=16,
        choices=FreeOverReads,
        default=FreeOverReads.AFTER_DISCOUNTS,
    )
    freight_scope = models.CharField(
        _("freight is for"), max_length=8, choices=FreightScope, default=FreightScope.PURCHASE
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("merchant")
        verbose_name_plural = _("merchants")
        constraints = [
            models.CheckConstraint(
                name="merchant_pay_minutes_in_bounds",
                condition=Q(pay_minutes__gte=6, pay_minutes__lte=1440),
            ),
            models.CheckConstraint(
                name="merchant_receive_days_in_bounds",
                condition=Q(receive_days__gte=1, receive_days__lte=30),
            ),
            models.CheckConstraint(
                name="merchant_cart_days_in_bounds",
                condition=Q(cart_days__gte=7, cart_days__lte=365),
            ),
            models.CheckConstraint(
                name="merchant_freight_not_negative",
                condition=Q(freight_fen__gte=0)
                & (Q(freight_free_over_fen__isnull=True) | Q(freight_free_over_fen__gte=0)),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Owned(models.Model):
    """A row of one merchant."""

    merchant = models.ForeignKey(
        Merchant, on_delete=models.PROTECT, related_name="+", verbose_name=_("merchant")
    )

    class Meta:
        abstract = True


class MiniProgram(Owned):
    """A mini program of a merchant; its appid tells the API which merchant is asked for."""

    name = models.CharField(_("name"), max_length=80, blank=True)
    appid = models.CharField("AppID", max_length=32, unique=True)
    secret = EncryptedTextField("AppSecret")
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("mini program")
        verbose_name_plural = _("mini programs")

    def __str__(self) -> str:
        return f"{self.name} {self.appid}".strip()


class PayAccount(Owned):
    """A WeChat Pay account. A payment remembers which one it used, for ask, close and refund."""

    class Mode(models.TextChoices):
        DIRECT = "direct", _("the merchant's own")
        PROVIDER = "provider", _("through a service provider")

    mode = models.CharField(_("mode"), max_length=8, choices=Mode, default=Mode.DIRECT)
    appid = models.CharField(
        "AppID", max_length=32, help_text=_("The appid bound to the merchant number.")
    )
    mch_id = models.CharField(_("merchant number"), max_length=32)
    sub_mch_id = models.CharField(_("sub-merchant number"), max_length=32, blank=True)
    sub_appid = models.CharField(_("sub-merchant AppID"), max_length=32, blank=True)
    api_key = EncryptedTextField(_("API v2 key"))
    api_v3_key = EncryptedTextField(_("API v3 key"), blank=True)
    certificate_pem = EncryptedTextField(_("API certificate (PEM)"), blank=True)
    private_key_pem = EncryptedTextField(_("API private key (PEM)"), blank=True)
    public_key_id = models.CharField(
        _("WeChat Pay public key ID"),
        max_length=64,
        blank=True,
        help_text="PUB_KEY_ID_…",
    )
    public_key_pem = models.TextField(_("WeChat Pay public key (PEM)"), blank=True)
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("pay account")
        verbose_name_plural = _("pay accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "mch_id", "sub_mch_id", "appid"], name="pay_account_once"
            ),
            models.CheckConstraint(
                name="pay_account_provider_names_sub",
                condition=Q(mode="direct", sub_mch_id="")
                | (Q(mode="provider") & ~Q(sub_mch_id="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mch_id} {self.sub_mch_id}".strip()


class Store(Owned):
    """An outlet: a warehouse, a counter, a restaurant. Ships, hands over, redeems."""

    class Ownership(models.TextChoices):
        OWN = "own", _("the merchant's own")
        COUNTER = "counter", _("a counter the house sells for")

    name = models.CharField(_("name"), max_length=80)
    code = models.CharField(_("code"), max_length=40)
    ownership = models.CharField(
        _("whose it is"), max_length=8, choices=Ownership, default=Ownership.OWN
    )
    is_active = models.BooleanField(_("in use"), default=True)
    is_default = models.BooleanField(_("default store"), default=False)
    paused = models.BooleanField(
        _("paused"), default=False, help_text=_("A paused store takes no new orders.")
    )
    sort = models.IntegerField(_("sort"), default=0)
    phone = models.CharField(_("phone"), max_length=30, blank=True)
    province = models.CharField(_("province"), max_length=40, blank=True)
    city = models.CharField(_("city"), max_length=40, blank=True)
    district = models.CharField(_("district"), max_length=40, blank=True)
    detail = models.CharField(_("street address"), max_length=200, blank=True)
    latitude = models.DecimalField(
        _("latitude"), max_digits=9, decimal_places=6, null=True, blank=True
    )
    longitude = models.DecimalField(
        _("longitude"), max_digits=9, decimal_places=6, null=True, blank=True
    )
    hours = models.JSONField(
        _("opening hours"),
        default=list,
        blank=True,
        help_text=_('Seven lists, Monday first, of ["09:00", "21:00"] pairs.'),
    )
    holidays = models.JSONField(
        _("closed on"), default=list, blank=True, help_text=_("Dates, as 2026-02-17.")
    )

    class Meta:
        verbose_name = _("store")
        verbose_name_plural = _("stores")
        ordering = ["sort", "id"]
        constraints = [
            models.UniqueConstraint(fields=["merchant", "code"], name="store_code_once"),
            models.UniqueConstraint(
                fields=["merchant"], condition=Q(is_default=True), name="store_default_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_open(self, at: dt.datetime) -> bool:
        """Whether the doors are open at a local time. Shipping goes by `paused` alone."""
        if self.paused or at.date().isoformat() in self.holidays:
            return False
        if not self.hours:
            return True
        now = at.strftime("%H:%M")
        return any(opens <= now < closes for opens, closes in self.hours[at.weekday()])


class Staff(Owned):
    """A person who works for a merchant, in the admin and (linked) in the mini program."""

    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        MANAGER = "manager", _("manager")
        CATALOGUE = "catalogue", _("catalogue")
        FULFILMENT = "fulfilment", _("fulfilment")
        SERVICE = "service", _("customer service")
        FINANCE = "finance", _("finance")
        CASHIER = "cashier", _("cashier")
        READ_ONLY = "read_only", _("read only")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="staff"
    )
    # Who they are in the mini program, once they have linked it.
    customer = models.OneToOneField(
        "shop.Customer", null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    role = models.CharField(_("role"), max_length=12, choices=Role, default=Role.READ_ONLY)
    stores = models.ManyToManyField(Store, blank=True, related_name="+", verbose_name=_("stores"))
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff")

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class StaffInvite(Owned):
    """A code by which a staff member links their mini program; made anew, the one before ends.

    Only a hash of it is kept.
    """

    staff = models.OneToOneField(Staff, on_delete=models.CASCADE, related_name="+")
    code_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"invite of staff {self.staff_id}"


class LegalKind(models.TextChoices):
    TERMS = "terms", _("user agreement")
    PRIVACY = "privacy", _("privacy policy")
    RETURNS = "returns", _("return terms")


class LegalDocument(Owned):
    """One version of a legal page. A published version is never edited; a new one is added."""

    Kind = LegalKind

    kind = models.CharField(_("document"), max_length=10, choices=Kind)
    version = models.CharField(_("version"), max_length=20)
    title = models.CharField(_("title"), max_length=80)
    body = models.TextField(_("text"))
    published_at = models.DateTimeField(_("published at"))

    class Meta:
        verbose_name = _("legal page")
        verbose_name_plural = _("legal pages")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "kind", "version"], name="legal_document_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.version}"
