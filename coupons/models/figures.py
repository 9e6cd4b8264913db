"""What became of a template's vouchers, counted by day, store and channel."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, FenField
from coupons.models.offers import CouponTemplate
from shop.models import Owned, Store


class CouponFigure(Owned):
    """The events of one day: recounted from the histories, never added to.

    `given_back` takes its uses, discount and sales with it, on the day it happened.
    """

    # No constraints: a day's rows are written at once, of rows that were just read.
    template = models.ForeignKey(
        CouponTemplate, on_delete=models.CASCADE, related_name="figures", db_constraint=False
    )
    store = models.ForeignKey(
        Store, null=True, on_delete=models.CASCADE, related_name="+", db_constraint=False,
        db_index=False, verbose_name=_("store"),
    )  # fmt: skip
    day = models.DateField(_("day"))
    channel = models.CharField(_("channel"), max_length=60)
    given = models.PositiveIntegerField(_("given"), default=0)
    used = models.PositiveIntegerField(_("used"), default=0)
    given_back = models.PositiveIntegerField(_("given back"), default=0)
    expired = models.PositiveIntegerField(_("expired"), default=0)
    saved_fen = FenField(_("discount granted"), default=Fen(0))
    sales_fen = FenField(_("sales brought in"), default=Fen(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "template", "day", "store", "channel"],
                nulls_distinct=False,
                name="coupon_figure_once",
            )
        ]
        indexes = [models.Index(fields=["day"], name="coupon_figure_of_day")]

    def __str__(self) -> str:
        return f"{self.template_id} {self.day}"


class CouponFigureDay(models.Model):
    """That a day was counted, and when: it is counted again while it goes on."""

    day = models.DateField(primary_key=True)
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.day)
