"""Why it is cheaper: what is offered, and what lies in whose wallet."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backend.money import FenField
from coupons.promotions import PROMOTIONS
from shop.models import Customer, Owned


def promotion_kinds() -> list[tuple[str, str]]:
    """The kinds there are, so that a new one needs no migration."""
    return [(kind, str(promotion.label)) for kind, promotion in PROMOTIONS.items()]


class CouponTemplate(Owned):
    """What is offered, to whom, how many. `given` moves only in `coupons.wallet`."""

    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("kind"), max_length=24, choices=promotion_kinds)
    terms = models.JSONField(_("terms"), default=dict)
    is_published = models.BooleanField(_("published"), default=False)
    starts_at = models.DateTimeField(_("claimable from"))
    ends_at = models.DateTimeField(_("claimable until"))
    total = models.PositiveIntegerField(_("how many in all"))
    given = models.PositiveIntegerField(_("given"), default=0, editable=False)
    per_customer = models.PositiveSmallIntegerField(_("per customer"), default=1)
    valid_from = models.DateTimeField(_("valid from"), null=True, blank=True)
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    valid_days = models.PositiveSmallIntegerField(
        _("valid for days"),
        null=True,
        blank=True,
        help_text=_("Counted from the claim; leave the dates empty then."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("coupon template")
        verbose_name_plural = _("coupon templates")
        constraints = [
            models.CheckConstraint(
                name="coupon_template_within_total", condition=Q(given__lte=F("total"))
            ),
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
                | Q(valid_days__gte=1, valid_from__isnull=True, valid_until__isnull=True),
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


class CouponStatus(models.TextChoices):
    CLAIMED = "claimed", _("unused")
    HELD = "held", _("held by an unpaid purchase")
    USED = "used", _("used")
    EXPIRED = "expired", _("expired")
    VOIDED = "voided", _("voided")


class Coupon(Owned):
    """One coupon in one wallet, with the terms it was claimed under.

    It is usable while `claimed` and the clock is between its dates; `expired` is only written by
    a sweep afterwards, for lists.
    """

    # The template is the hot row of a rush: a constraint here would lock it for every claim.
    template = models.ForeignKey(
        CouponTemplate, on_delete=models.PROTECT, related_name="coupons", db_constraint=False
    )
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="coupons")
    ordinal = models.PositiveSmallIntegerField(
        help_text="1 for the customer's first of this template."
    )
    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("kind"), max_length=24, choices=promotion_kinds)
    terms = models.JSONField(_("terms"))
    status = models.CharField(
        _("status"), max_length=8, choices=CouponStatus, default=CouponStatus.CLAIMED
    )
    valid_from = models.DateTimeField(_("valid from"))
    valid_until = models.DateTimeField(_("valid until"))
    claimed_at = models.DateTimeField(_("claimed at"))
    source = models.JSONField(_("came from"), default=dict, blank=True)
    idempotency_key = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001

    class Meta:
        verbose_name = _("coupon")
        verbose_name_plural = _("coupons")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "template", "customer", "ordinal"], name="coupon_ordinal_once"
            ),
            models.UniqueConstraint(
                fields=["merchant", "customer", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="coupon_claim_key_once",
            ),
            models.CheckConstraint(
                name="coupon_status_known", condition=Q(status__in=CouponStatus.values)
            ),
        ]
        indexes = [
            models.Index(
                fields=["customer", "valid_until"],
                name="coupon_in_wallet",
                condition=Q(status="claimed"),
            ),
            models.Index(fields=["customer", "-id"], name="coupon_of_customer"),
            models.Index(
                fields=["valid_until"], name="coupon_to_expire", condition=Q(status="claimed")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.pk}"


class CouponUse(Owned):
    """That a coupon was put to use once: by a purchase, or at the counter."""

    class State(models.TextChoices):
        HELD = "held", _("held")
        USED = "used", _("used")
        RETURNED = "returned", _("returned")

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="uses")
    reference = models.CharField(_("used by"), max_length=40, help_text="The purchase's number.")
    saved_fen = FenField(_("saved (fen)"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.HELD)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("coupon use")
        verbose_name_plural = _("coupon uses")
        constraints = [
            models.UniqueConstraint(
                fields=["coupon"],
                condition=Q(state__in=["held", "used"]),
                name="coupon_use_live_once",
            ),
            models.UniqueConstraint(
                fields=["merchant", "reference", "coupon"], name="coupon_use_reference_once"
            ),
            models.CheckConstraint(
                name="coupon_use_saves_something", condition=Q(saved_fen__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"use of coupon {self.coupon_id}"


class CouponEvent(Owned):
    """What happened to a coupon. Append-only."""

    coupon = models.ForeignKey(
        Coupon, on_delete=models.DO_NOTHING, related_name="events", db_constraint=False
    )
    event = models.CharField(_("event"), max_length=12)
    reference = models.CharField(_("reference"), max_length=40, blank=True)
    by = models.CharField(_("by"), max_length=80, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("coupon event")
        verbose_name_plural = _("coupon events")
        indexes = [models.Index(fields=["coupon", "id"], name="coupon_event_of_coupon")]

    def __str__(self) -> str:
        return f"{self.event} {self.reference}".strip()


__all__: list[str] = [
    "Coupon",
    "CouponEvent",
    "CouponStatus",
    "CouponTemplate",
    "CouponUse",
    "promotion_kinds",
]
