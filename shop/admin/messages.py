"""Subscribe messages: the mini program's templates, and what was sent with them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import display
from shop import messages
from shop.models import Message, MessageTemplate


class MessageTemplateForm(OwnedForm):
    def clean_keywords(self) -> Any:
        keywords = self.cleaned_data["keywords"]
        if not messages.check(keywords):
            raise ValidationError(
                _("Names as in the template (thing1, time2), each with one of: %(known)s."),
                params={"known": ", ".join(messages.KEYWORDS)},
            )
        return keywords


@admin.register(MessageTemplate)
class MessageTemplateAdmin(MerchantAdmin):
    area = Area.SETTINGS
    form = MessageTemplateForm
    list_display = ("event", "template_id", "program", "is_active")
    list_select_related = ("program",)
    ordering = ("-id",)
    fields = ("program", "event", "template_id", "keywords", "page", "is_active")


@admin.register(Message)
class MessageAdmin(MerchantAdmin):
    area = Area.SETTINGS
    read_only = True
    list_display = ("act_at", "shown_event", "shown_state", "tries", "error")
    list_select_related = ("template",)
    list_filter = ("state",)
    ordering = ("-id",)
    fields = ("shown_event", ("act_at", "sent_at"), ("shown_state", "tries"), "error")
    readonly_fields = ("shown_event", "shown_state")

    @display(description=_("when"))
    def shown_event(self, message: Message) -> str:
        return str(message.template.get_event_display())

    @display(
        description=_("state"),
        label={
            "due": "info", "sending": "warning", "sent": "success", "not_needed": "info",
            "refused": "danger",
        },
    )  # fmt: skip
    def shown_state(self, message: Message) -> tuple[str, str]:
        return message.state, message.get_state_display()
