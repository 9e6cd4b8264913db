"""Links by which a customer passes a coupon on to a friend."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from coupons.models.coupons import Coupon
from shop.models import Owned


class CouponPass(Owned):
    """The one link of a coupon: made anew, the one before is worth nothing.

    Only a hash of its token is kept. Until a friend takes it the coupon is its owner's to use.
    """

    coupon = models.OneToOneField(Coupon, on_delete=models.PROTECT, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    taken = models.OneToOneField(
        Coupon, null=True, on_delete=models.PROTECT, related_name="+",
        help_text="The friend's coupon.",
    )  # fmt: skip

    class Meta:
        verbose_name = _("passed voucher")
        verbose_name_plural = _("passed vouchers")

    def __str__(self) -> str:
        return f"pass of coupon {self.coupon_id}"
