"""What lies in whose wallet, and what happened to it."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backend.money import FenField
from coupons.models.offers import CouponTemplate, Way, promotion_kinds
from shop.models import Customer, Owned, Store


class CouponStatus(models.TextChoices):
    CLAIMED = "claimed", _("unused")
    HELD = "held", _("held by an unpaid purchase")
    USED = "used", _("used")
    EXPIRED = "expired", _("expired")
    VOIDED = "voided", _("voided")
    PASSED = "passed", _("passed on to a friend")


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
    way = models.CharField(
        _("given by"), max_length=16, choices=Way, default=Way.CLAIM, db_default="claim"
    )
    # Where it was given. No constraint: a store is a hot row of the opening hours.
    store = models.ForeignKey(
        Store,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("store"),
    )
    source = models.JSONField(_("came from"), default=dict, blank=True)
    # The request's Idempotency-Key; or, after a space, which no request's has, what gave it.
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
    # Or a redemption's.
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
        indexes = [
            models.Index(fields=["coupon", "id"], name="coupon_event_of_coupon"),
            # Written as time goes on, and never changed: a few pages say where a day is.
            BrinIndex(fields=["at"], name="coupon_event_of_day", autosummarize=True),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.reference}".strip()
