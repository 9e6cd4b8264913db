"""What WeChat lets a shop say to people who are not there: subscribe messages."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from shop.models.customers import Customer
from shop.models.merchants import MiniProgram, Owned


class MessageTemplate(Owned):
    """A template of the mini program's, and what each of its keywords says."""

    class Event(models.TextChoices):
        COUPON_GIVEN = "coupon_given", _("a coupon was given to them")
        COUPON_EXPIRES = "coupon_expires", _("a coupon is about to expire")

    program = models.ForeignKey(
        MiniProgram, on_delete=models.PROTECT, related_name="+", verbose_name=_("mini program")
    )
    event = models.CharField(_("when"), max_length=20, choices=Event)
    template_id = models.CharField(_("template id"), max_length=64)
    page = models.CharField(_("page"), max_length=200, blank=True)
    keywords = models.JSONField(
        _("keywords"),
        help_text=_(
            'As {"thing1": "name", "time2": "until"}: name, text, until and shop are ours; '
            'what begins with "=" is said as it stands.'
        ),
    )
    is_active = models.BooleanField(_("in use"), default=True)

    class Meta:
        verbose_name = _("message template")
        verbose_name_plural = _("message templates")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "program", "event"],
                condition=Q(is_active=True),
                name="message_template_once",
                violation_error_message=_("There is one in use for this already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} {self.template_id}"


class MessageCredit(Owned):
    """How often a customer has agreed to be told, and not been told since."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    template = models.ForeignKey(MessageTemplate, on_delete=models.CASCADE, related_name="+")
    left = models.PositiveSmallIntegerField(default=0)

    # The Idempotency-Key of the last request that counted.
    last_key = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "customer", "template"], name="message_credit_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.left} of customer {self.customer_id}"


class Message(Owned):
    """One message: due at `act_at`, sent at most once.

    `sending` is written before WeChat is asked: who is killed then, or hears nothing, never asks
    again.
    """

    class State(models.TextChoices):
        DUE = "due", _("due")
        SENDING = "sending", _("being sent, or nobody knows")
        SENT = "sent", _("sent")
        NOT_NEEDED = "not_needed", _("not needed any more")
        REFUSED = "refused", _("refused by WeChat")

    template = models.ForeignKey(MessageTemplate, on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+")
    about = models.BigIntegerField(help_text="What it is about: a coupon's id.")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DUE)
    act_at = models.DateTimeField(_("due at"))
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    error = models.CharField(_("what WeChat said"), max_length=200, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "template", "about"], name="message_once")
        ]
        indexes = [models.Index(fields=["act_at"], name="message_due", condition=Q(state="due"))]

    def __str__(self) -> str:
        return f"message {self.pk}"
