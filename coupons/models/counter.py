"""What was redeemed at a counter, and the tills that do it by themselves."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backend.encryption import EncryptedTextField
from backend.money import FenField
from coupons.models.coupons import Coupon
from shop.models import Owned, Staff, Store


class Till(Owned):
    """A till of a store, which signs what it asks with its secret."""

    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    name = models.CharField(_("name"), max_length=60)
    key = models.CharField(_("key"), max_length=24, unique=True, editable=False)
    secret = EncryptedTextField(_("secret"), editable=False)
    is_active = models.BooleanField(_("in use"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("till")
        verbose_name_plural = _("tills")

    def __str__(self) -> str:
        return self.name


class TillNonce(models.Model):
    """A number a till used once; kept as long as a request with it could be believed."""

    till = models.ForeignKey(Till, on_delete=models.CASCADE, related_name="+")
    nonce = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["till", "nonce"], name="till_nonce_once")]

    def __str__(self) -> str:
        return f"nonce of till {self.till_id}"


class Redemption(Owned):
    """A coupon that was used at a counter; undone perhaps. One a request, for ever.

    `request_key` names who asked and their request's id; `request_hash` what they asked for.
    """

    number = models.CharField(_("number"), max_length=24)
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, related_name="+", verbose_name=_("coupon")
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", verbose_name=_("store")
    )
    staff = models.ForeignKey(
        Staff, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("staff")
    )
    till = models.ForeignKey(
        Till, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("till")
    )
    bill_fen = FenField(_("bill (fen)"), null=True)
    saved_fen = FenField(_("taken off (fen)"))
    request_key = models.CharField(max_length=100, editable=False)
    request_hash = models.CharField(max_length=64, editable=False)
    by = models.CharField(_("by"), max_length=80)
    at = models.DateTimeField(_("at"))
    undone_at = models.DateTimeField(_("undone at"), null=True)
    undone_by = models.CharField(_("undone by"), max_length=80, blank=True)

    class Meta:
        verbose_name = _("redemption")
        verbose_name_plural = _("redemptions")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "number"], name="redemption_number_once"),
            models.UniqueConstraint(
                fields=["merchant", "request_key"], name="redemption_request_once"
            ),
            models.CheckConstraint(
                name="redemption_within_the_bill",
                condition=Q(saved_fen__gte=0)
                & (Q(bill_fen__isnull=True) | Q(bill_fen__gte=F("saved_fen"))),
            ),
        ]
        indexes = [models.Index(fields=["merchant", "store", "-id"], name="redemption_of_store")]

    def __str__(self) -> str:
        return self.number
