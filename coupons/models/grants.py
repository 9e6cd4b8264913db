"""Coupons that staff give to many at once."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from coupons.models.offers import CouponTemplate
from shop.models import Customer, Owned


class Grant(Owned):
    """One template to a segment of customers, or to a list of them: a job that can be resumed.

    `cursor` is the last customer (or target) that was looked at; it moves with what it gave.
    """

    class Audience(models.TextChoices):
        SEGMENT = "segment", _("customers by what they did")
        LIST = "list", _("a list of phones or openids")

    class State(models.TextChoices):
        RUNNING = "running", _("running")
        STOPPED = "stopped", _("stopped")
        SOLD_OUT = "sold_out", _("the template ran out")
        REFUSED = "refused", _("the template gives none now")
        DONE = "done", _("done")

    template = models.ForeignKey(
        CouponTemplate, on_delete=models.PROTECT, related_name="+", verbose_name=_("template")
    )
    name = models.CharField(_("name"), max_length=60)
    audience = models.CharField(_("to whom"), max_length=8, choices=Audience)
    segment = models.JSONField(_("segment"), default=dict, blank=True)
    state = models.CharField(
        _("state"), max_length=8, choices=State, default=State.RUNNING, editable=False
    )
    expected = models.PositiveIntegerField(_("to be looked at"), default=0, editable=False)
    looked_at = models.PositiveIntegerField(_("looked at"), default=0, editable=False)
    given = models.PositiveIntegerField(_("given"), default=0, editable=False)
    cursor = models.BigIntegerField(default=0, editable=False)
    waits_until = models.DateTimeField(
        _("phones wait until"),
        null=True,
        blank=True,
        help_text=_("A phone nobody has verified yet gets its coupon when somebody does."),
    )
    key = models.CharField(max_length=24, help_text="Of the form it was asked for with.")
    by = models.CharField(_("by"), max_length=80, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, editable=False)

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "key"],
                name="grant_key_once",
                violation_error_message=_("This grant has been started already."),
            )
        ]
        indexes = [models.Index(fields=["id"], name="grant_running", condition=Q(state="running"))]

    def __str__(self) -> str:
        return self.name


class GrantTarget(Owned):
    """One of a grant's list: a customer, or a phone that waits for one, kept as a keyed hash."""

    grant = models.ForeignKey(Grant, on_delete=models.CASCADE, related_name="targets")
    # No constraint: hundreds of thousands are written at once, of rows that were just read.
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False,
        db_index=False,
    )  # fmt: skip
    phone_hash = models.CharField(max_length=64, blank=True)
    landed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "grant", "customer"],
                condition=Q(customer__isnull=False),
                name="grant_target_customer_once",
            ),
            models.UniqueConstraint(
                fields=["merchant", "grant", "phone_hash"],
                condition=~Q(phone_hash=""),
                name="grant_target_phone_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "phone_hash"],
                name="grant_target_waiting",
                condition=Q(landed_at__isnull=True) & ~Q(phone_hash=""),
            )
        ]

    def __str__(self) -> str:
        return f"target {self.pk}"
