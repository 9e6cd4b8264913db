"""What of our vouchers lies in WeChat's card pack, and what WeChat is told of it."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from coupons.models.coupons import Coupon
from coupons.models.offers import CouponTemplate
from shop.models import Customer, Owned, PayAccount


class WeChatBatch(Owned):
    """A template as a batch (batch) of WeChat's. `act_at`: when there is something to tell it."""

    class Mode(models.TextChoices):
        WECHAT = "WECHATPAY_MODE", _("WeChat makes the codes")
        OURS = "MERCHANT_API", _("the coupon's own code, once it was claimed here")
        POOL = "MERCHANT_UPLOAD", _("a pool of our codes, drawn by WeChat")

    class State(models.TextChoices):
        PUBLISHING = "publishing", _("being published")
        PUBLISHED = "published", _("published")
        STOPPING = "stopping", _("being stopped")
        STOPPED = "stopped", _("stopped")

    template = models.OneToOneField(
        CouponTemplate, on_delete=models.PROTECT, related_name="batch", verbose_name=_("template")
    )
    account = models.ForeignKey(
        PayAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("pay account")
    )
    code_mode = models.CharField(_("codes"), max_length=16, choices=Mode, default=Mode.WECHAT)
    goods_name = models.CharField(
        _("for which goods"), max_length=15, help_text=_("Shown on the card, 15 characters.")
    )
    path = models.CharField(
        _("page"),
        max_length=128,
        default="pages/index/index",
        help_text=_("Where the card leads to in the mini program."),
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PUBLISHING)
    stock_id = models.CharField(_("batch id"), max_length=20, blank=True, editable=False)
    request_no = models.CharField(max_length=32, editable=False)
    changes = models.PositiveIntegerField(default=0, editable=False)
    told_goods_name = models.CharField(max_length=15, blank=True, editable=False)
    told_total = models.PositiveIntegerField(_("how many at WeChat"), default=0, editable=False)
    uploaded = models.PositiveIntegerField(_("codes uploaded"), default=0, editable=False)
    act_at = models.DateTimeField(null=True, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    error = models.CharField(_("what WeChat said"), max_length=200, blank=True, editable=False)
    compare_at = models.DateTimeField(_("next compared at"), null=True, editable=False)
    compare_error = models.CharField(
        _("why not compared"), max_length=200, blank=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("voucher at WeChat")
        verbose_name_plural = _("vouchers at WeChat")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "stock_id"],
                condition=~Q(stock_id=""),
                name="wechat_batch_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["act_at"], name="wechat_batch_due", condition=Q(act_at__isnull=False)
            ),
            models.Index(
                fields=["compare_at"],
                name="wechat_batch_to_compare",
                condition=Q(compare_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.stock_id}".strip()


class CardAsk(Owned):
    """That a shopper was given signed parameters, with which WeChat may have sent a coupon."""

    batch = models.ForeignKey(WeChatBatch, on_delete=models.CASCADE, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    openid = models.CharField(max_length=64)
    request_no = models.CharField(max_length=32)
    at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, help_text="When WeChat was last asked for it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "request_no"], name="card_ask_once")
        ]
        indexes = [
            models.Index(fields=["batch", "looked_at"], name="card_ask_of_batch"),
            models.Index(fields=["customer", "batch"], name="card_ask_of_customer"),
        ]

    def __str__(self) -> str:
        return self.request_no


class Card(Owned):
    """A coupon in somebody's card pack, and ours that it is. `act_at`: when to look for ours.

    Without a customer of that openid it waits for one; `error` says why there is none of ours.
    """

    batch = models.ForeignKey(WeChatBatch, on_delete=models.PROTECT, related_name="cards")
    code = models.CharField(_("code"), max_length=32)
    openid = models.CharField(max_length=64, blank=True)
    channel = models.CharField(_("channel"), max_length=60, blank=True)
    sent_at = models.DateTimeField(_("sent at"))
    coupon = models.OneToOneField(
        Coupon, null=True, on_delete=models.PROTECT, related_name="card", verbose_name=_("coupon")
    )
    act_at = models.DateTimeField(null=True)
    error = models.CharField(_("why not ours"), max_length=40, blank=True)
    compared_at = models.DateTimeField(_("compared at"), null=True)

    class Meta:
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "batch", "code"], name="card_once")
        ]
        indexes = [
            models.Index(fields=["act_at"], name="card_due", condition=Q(act_at__isnull=False)),
            models.Index(fields=["batch", "compared_at"], name="card_to_compare"),
            models.Index(
                fields=["merchant", "openid"],
                name="card_waits",
                condition=Q(coupon__isnull=True, error=""),
            ),
        ]

    def __str__(self) -> str:
        return f"card {self.pk}"


class CardReport(Owned):
    """One thing WeChat must be told of a card, written with what it tells of."""

    class Call(models.TextChoices):
        USE = "use", _("used")
        RETURN = "return", _("returned")
        DEACTIVATE = "deactivate", _("deactivated")

    card = models.ForeignKey(Card, on_delete=models.PROTECT, related_name="reports")
    call = models.CharField(_("what"), max_length=10, choices=Call)
    request_no = models.CharField(max_length=32)
    at = models.DateTimeField(_("at"))
    act_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    error = models.CharField(_("what WeChat said"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("report to WeChat")
        verbose_name_plural = _("reports to WeChat")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "request_no"], name="card_report_once")
        ]
        indexes = [
            models.Index(
                fields=["act_at"], name="card_report_due", condition=Q(act_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.call} of card {self.card_id}"


class CardDifference(Owned):
    """That WeChat and we don't say the same of a card, or of a batch where `card` is empty.

    Closed by itself when the next comparison finds them agreed.
    """

    batch = models.ForeignKey(
        WeChatBatch, on_delete=models.PROTECT, related_name="+", verbose_name=_("batch")
    )
    card = models.ForeignKey(
        Card, null=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("card")
    )
    ours = models.CharField(_("we say"), max_length=40)
    theirs = models.CharField(_("WeChat says"), max_length=40)
    found_at = models.DateTimeField(_("found at"))
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        verbose_name = _("difference with WeChat")
        verbose_name_plural = _("differences with WeChat")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "batch", "card"],
                condition=Q(closed_at__isnull=True),
                nulls_distinct=False,
                name="card_difference_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ours} / {self.theirs}"
