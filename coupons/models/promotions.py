"""What was bought under promotions that nobody claims."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from backend.money import FenField
from coupons.models.offers import CouponTemplate
from shop.models import Owned


class PromotionUse(Owned):
    """That a purchase had an automatic promotion, on the terms that it had then."""

    template = models.ForeignKey(CouponTemplate, on_delete=models.PROTECT, related_name="uses")
    reference = models.CharField(_("used by"), max_length=40, help_text="The purchase's number.")
    terms = models.JSONField(_("terms"))
    saved_fen = FenField(_("saved (fen)"))
    used_at = models.DateTimeField(null=True, help_text="When its payment was written down.")

    class Meta:
        verbose_name = _("promotion use")
        verbose_name_plural = _("promotion uses")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "reference", "template"], name="promotion_use_once"
            ),
            models.CheckConstraint(
                name="promotion_use_not_negative", condition=Q(saved_fen__gte=0)
            ),
        ]
        indexes = [
            models.Index(
                fields=["used_at"],
                name="promotion_use_of_day",
                condition=Q(used_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"use of promotion {self.template_id}"
