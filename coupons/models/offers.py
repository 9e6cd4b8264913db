"""What is offered, to whom, how many."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backend.money import FenField
from coupons.promotions import PROMOTIONS
from shop.models import Owned, Store


def promotion_kinds() -> list[tuple[str, str]]:
    """The kinds there are, so that a new one needs no migration."""
    return [(kind, str(promotion.label)) for kind, promotion in PROMOTIONS.items()]


class Way(models.TextChoices):
    """How a customer comes by a coupon; or that there is none to come by: a promotion that applies
    by itself, whenever its terms are met.
    """

    CLAIM = "claim", _("the claim centre")
    CODE = "code", _("a code")
    GRANT = "grant", _("a grant by staff")
    SIGN_IN = "first_sign_in", _("the first sign-in")
    PAYMENT = "payment", _("a payment")
    REVIEW = "review", _("a review")
    FRIEND = "friend", _("a friend")
    WECHAT = "wechat", _("WeChat")
    AUTOMATIC = "automatic", _("itself, to every purchase")


class CouponTemplate(Owned):
    """What is offered, to whom, how many. How many were given, its lots count."""

    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("kind"), max_length=24, choices=promotion_kinds)
    terms = models.JSONField(_("terms"), default=dict)
    way = models.CharField(
        _("given by"), max_length=16, choices=Way, default=Way.CLAIM, db_default="claim"
    )
    given_from_fen = FenField(
        _("after paying at least (fen)"),
        null=True,
        blank=True,
        help_text=_("For vouchers given after a payment."),
    )
    is_published = models.BooleanField(_("published"), default=False)
    starts_at = models.DateTimeField(_("offered from"))
    ends_at = models.DateTimeField(_("offered until"))
    total = models.PositiveIntegerField(_("how many in all"))
    budget_fen = FenField(
        _("budget (fen)"),
        null=True,
        blank=True,
        help_text=_("Given only while all that was given can't take off more than this."),
    )
    per_customer = models.PositiveSmallIntegerField(_("per customer"), default=1)
    per_customer_per_day = models.PositiveSmallIntegerField(
        _("per customer and day"), null=True, blank=True
    )
    per_day = models.PositiveIntegerField(_("per day"), null=True, blank=True)
    per_store = models.PositiveIntegerField(
        _("per store"),
        null=True,
        blank=True,
        help_text=_("How many each store gives; whoever claims says in which store they are."),
    )
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    valid_days = models.PositiveSmallIntegerField(
        _("valid for days"),
        null=True,
        blank=True,
        help_text=_("Counted from the claim; leave the dates empty then."),
    )
    valid_delay_days = models.PositiveSmallIntegerField(
        _("valid after days"),
        default=0,
        db_default=0,
        help_text=_("So many days after the claim the days begin to count."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("coupon template")
        verbose_name_plural = _("coupon templates")
        constraints = [
            models.CheckConstraint(
                name="coupon_template_per_customer_in_bounds",
                condition=Q(per_customer__gte=1, per_customer__lte=100),
            ),
            models.CheckConstraint(
                name="coupon_template_window_ordered", condition=Q(ends_at__gt=F("starts_at"))
            ),
            models.CheckConstraint(
                name="coupon_template_one_validity",
                condition=(
                    Q(valid_days__isnull=True, valid_from__isnull=False)
                    & Q(valid_until__gt=F("valid_from"))
                )
                | Q(valid_days__gte=1, valid_from__isnull=True, valid_until__isnull=True)
                | Q(way="automatic"),
            ),
            models.CheckConstraint(
                name="coupon_template_given_before_it_is_over",
                condition=Q(valid_until__isnull=True) | Q(ends_at__lte=F("valid_until")),
            ),
            models.CheckConstraint(
                name="coupon_template_gift_is_automatic",
                condition=~Q(kind="gift") | Q(way="automatic"),
            ),
            models.CheckConstraint(
                name="coupon_template_automatic_gives_none",
                condition=~Q(way="automatic") | Q(total=0),
            ),
            models.CheckConstraint(
                name="coupon_template_limits_positive",
                condition=(Q(budget_fen__isnull=True) | Q(budget_fen__gte=0))
                & (Q(per_customer_per_day__isnull=True) | Q(per_customer_per_day__gte=1))
                & (Q(per_day__isnull=True) | Q(per_day__gte=1))
                & (Q(per_store__isnull=True) | Q(per_store__gte=1)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "ends_at"],
                name="coupon_template_live",
                condition=Q(is_published=True),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def given(self) -> int:
        """How many were given. A list prefetches `lots`."""
        return sum(lot.given for lot in self.lots.all())

    @property
    def remaining(self) -> int:
        """How many can still be given, of the total or of what the budget allows."""
        return sum(lot.share - lot.given for lot in self.lots.all())


class CouponLot(Owned):
    """A part of a template's vouchers with a count of its own, so that a rush has many rows.

    The shares of a template's lots add up to what it may give; `coupons.offers` deals them out.
    """

    # No constraint: whoever counts a voucher would lock the template's row for it.
    template = models.ForeignKey(
        CouponTemplate, on_delete=models.CASCADE, related_name="lots", db_constraint=False
    )
    number = models.PositiveSmallIntegerField()
    share = models.PositiveIntegerField()
    given = models.PositiveIntegerField(default=0)
    day = models.DateField(null=True, help_text="The last day on which one was given.")
    given_that_day = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "template", "number"], name="coupon_lot_once"
            ),
            models.CheckConstraint(
                name="coupon_lot_within_share", condition=Q(given__lte=F("share"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.given} of {self.share}"


class CouponStoreCount(Owned):
    """How many of a template one store has given."""

    template = models.ForeignKey(
        CouponTemplate, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    store = models.ForeignKey(
        Store, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    most = models.PositiveIntegerField()
    given = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "template", "store"], name="coupon_store_count_once"
            ),
            models.CheckConstraint(
                name="coupon_store_count_within_limit", condition=Q(given__lte=F("most"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.given} of {self.most}"
