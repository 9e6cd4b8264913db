"""Whether the money came, or went back: one row for each trade, refund and message."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from backend.money import Fen, FenField
from orders.models import Purchase
from shop.models import Owned, PayAccount


class PaymentStatus(models.TextChoices):
    STARTING = "starting", _("starting")
    PENDING = "pending", _("awaiting payment")
    UNKNOWN = "unknown", _("outcome unknown")
    CLOSING = "closing", _("closing")
    SUCCEEDED = "succeeded", _("paid")
    CLOSED = "closed", _("closed")


OPEN_STATUSES = [
    PaymentStatus.STARTING,
    PaymentStatus.PENDING,
    PaymentStatus.UNKNOWN,
    PaymentStatus.CLOSING,
]


class RefundStatus(models.TextChoices):
    WAITING = "waiting", _("to be asked for")
    UNKNOWN = "unknown", _("outcome unknown")
    PROCESSING = "processing", _("under way")
    SUCCEEDED = "succeeded", _("refunded")
    CLOSED = "closed", _("closed")
    STUCK = "stuck", _("stuck")


class Payment(Owned):
    """One trade at WeChat for a purchase. That it succeeded says that money arrived; whether it
    paid the purchase stands in `Purchase.paid_by_id`.

    `request` holds every field WeChat gets, set once, so that a repeat is the same request.
    `act_at` is when a sweep has to look at it: to ask, or to close.
    """

    purchase = models.ForeignKey(
        Purchase,
        on_delete=models.PROTECT,
        related_name="payments",
        verbose_name=_("purchase"),
    )
    account = models.ForeignKey(PayAccount, null=True, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(_("method"), max_length=24)
    api_version = models.CharField(max_length=4, default="v2")
    out_trade_no = models.CharField(_("merchant trade number"), max_length=32, unique=True)
    amount_fen = FenField(_("amount (fen)"))
    status = models.CharField(
        _("status"), max_length=12, choices=PaymentStatus, default=PaymentStatus.STARTING
    )
    request = models.JSONField(null=True)
    prepay_id = models.CharField(max_length=128, blank=True)
    prepaid_at = models.DateTimeField(null=True)
    transaction_id = models.CharField(  # noqa: DJ001
        _("WeChat trade number"), max_length=32, null=True
    )
    payer_openid = models.CharField(max_length=128, blank=True)
    refund_reserved_fen = FenField(_("refunded or being refunded (fen)"), default=Fen(0))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    paid_at = models.DateTimeField(_("paid at"), null=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    act_at = models.DateTimeField(_("next look"), null=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = [
            models.UniqueConstraint(
                fields=["purchase"],
                condition=Q(status__in=OPEN_STATUSES),
                name="payment_one_open_trade",
            ),
            models.UniqueConstraint(
                fields=["merchant", "transaction_id"],
                condition=Q(transaction_id__isnull=False),
                name="payment_transaction_once",
            ),
            models.CheckConstraint(
                name="payment_refunds_within_amount",
                condition=Q(refund_reserved_fen__gte=0)
                & Q(refund_reserved_fen__lte=F("amount_fen")),
            ),
            models.CheckConstraint(
                name="payment_status_known", condition=Q(status__in=PaymentStatus.values)
            ),
            models.CheckConstraint(
                name="payment_open_has_a_deadline",
                condition=Q(act_at__isnull=False) | ~Q(status__in=OPEN_STATUSES),
            ),
        ]
        indexes = [
            models.Index(
                fields=["act_at"], name="payment_to_look_at", condition=Q(act_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.out_trade_no


class Refund(Owned):
    """Money on its way back. One out_refund_no for ever: it is WeChat's own key against doubles."""

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="refunds", verbose_name=_("payment")
    )
    out_refund_no = models.CharField(_("merchant refund number"), max_length=64, unique=True)
    reference = models.CharField(
        max_length=64, help_text="What it is for; one refund of a payment for each."
    )
    amount_fen = FenField(_("amount (fen)"))
    reason = models.CharField(_("reason"), max_length=80)
    status = models.CharField(
        _("status"), max_length=12, choices=RefundStatus, default=RefundStatus.WAITING
    )
    refund_id = models.CharField(_("WeChat refund number"), max_length=64, blank=True)
    not_before = models.DateTimeField(_("not before"))
    act_at = models.DateTimeField(_("next look"), null=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    last_error = models.CharField(_("last error"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    succeeded_at = models.DateTimeField(_("refunded at"), null=True)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "payment", "reference"], name="refund_reference_once"
            ),
            models.CheckConstraint(name="refund_amount_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(
                name="refund_status_known", condition=Q(status__in=RefundStatus.values)
            ),
        ]
        indexes = [
            models.Index(
                fields=["act_at"], name="refund_to_look_at", condition=Q(act_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.out_refund_no


class Notification(Owned):
    """A message as WeChat sent it. Stored before anything is done about it.

    `dedupe_key` is empty until the signature is verified, so that a forged body can't take a
    real one's place.
    """

    class Kind(models.TextChoices):
        PAYMENT = "payment", _("payment")
        REFUND = "refund", _("refund")

    class State(models.TextChoices):
        UNVERIFIED = "unverified", _("not verified")
        RECEIVED = "received", _("received")
        DONE = "done", _("acted on")
        QUARANTINED = "quarantined", _("needs a person")

    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.UNVERIFIED)
    body = models.BinaryField()
    dedupe_key = models.CharField(max_length=160, null=True)  # noqa: DJ001
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    act_at = models.DateTimeField(_("next look"), null=True)
    tries = models.PositiveIntegerField(_("tries"), default=0)
    received_at = models.DateTimeField(_("received at"), auto_now_add=True, db_index=True)
    done_at = models.DateTimeField(_("acted on at"), null=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "dedupe_key"],
                condition=Q(dedupe_key__isnull=False),
                name="notification_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["act_at"], name="notification_to_act_on", condition=Q(act_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
