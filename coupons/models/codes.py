"""Codes that are printed on something and bring a coupon."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from coupons.models.offers import CouponTemplate
from shop.models import Owned


class CodeBatch(Owned):
    """So many codes for one template. `made` counts those that are there already."""

    template = models.ForeignKey(
        CouponTemplate, on_delete=models.PROTECT, related_name="+", verbose_name=_("template")
    )
    name = models.CharField(_("name"), max_length=60)
    count = models.PositiveIntegerField(_("how many codes"), default=1)
    uses = models.PositiveIntegerField(
        _("uses of each"),
        null=True,
        blank=True,
        default=1,
        help_text=_("1 for a code of its own for everybody; empty: as often as coupons last."),
    )
    text = models.CharField(
        _("the code itself"),
        max_length=24,
        blank=True,
        help_text=_("For one code that everybody may know; empty: unguessable ones are made."),
    )
    made = models.PositiveIntegerField(_("made"), default=0, editable=False)
    by = models.CharField(_("by"), max_length=80, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("batch of codes")
        verbose_name_plural = _("batches of codes")
        constraints = [
            models.CheckConstraint(
                name="code_batch_in_bounds",
                condition=Q(count__gte=1, made__lte=F("count"))
                & (Q(uses__isnull=True) | Q(uses__gte=1)),
            ),
            models.CheckConstraint(
                name="code_batch_one_known_code", condition=Q(text="") | Q(count=1)
            ),
            models.UniqueConstraint(
                fields=["merchant", "text"],
                condition=~Q(text=""),
                name="code_batch_known_code_once",
                violation_error_message=_("This code is there already."),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="code_batch_to_make", condition=Q(made__lt=F("count")))
        ]

    def __str__(self) -> str:
        return self.name


class Code(Owned):
    """One code. Where it has no `most` of its own, only the template's limits count."""

    batch = models.ForeignKey(CodeBatch, on_delete=models.PROTECT, related_name="codes")
    text = models.CharField(_("code"), max_length=24)
    most = models.PositiveIntegerField(null=True)
    used = models.PositiveIntegerField(_("used"), default=0)

    class Meta:
        verbose_name = _("code")
        verbose_name_plural = _("codes")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "text"], name="code_once"),
            models.CheckConstraint(
                name="code_used_within_limit",
                condition=Q(most__isnull=True) | Q(used__lte=F("most")),
            ),
        ]
        indexes = [
            models.Index(fields=["batch"], name="code_used_of_batch", condition=Q(used__gt=0))
        ]

    def __str__(self) -> str:
        return f"code {self.pk}"
