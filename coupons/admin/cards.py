"""Vouchers at WeChat: published, stopped, and where it says otherwise than we do."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.celery import wake
from backend.desk.dialogs import DialogForm, done
from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import action, display
from backend.errors import DomainError
from backend.numbers import new_number
from coupons import batches, comparison, reports
from coupons.models import Card, CardDifference, CardReport, WeChatBatch
from coupons.tasks import publish_batches, report_cards


class WeChatBatchForm(OwnedForm):
    def clean(self) -> dict[str, Any]:
        """What WeChat's card can't say is refused here, by the term's name."""
        cleaned = super().clean()
        template, account = cleaned.get("template"), cleaned.get("account")
        if self.instance.pk is None and template and account and not self.errors:
            try:
                batches.check(template, account, cleaned["code_mode"])
            except DomainError as error:
                field = "account" if isinstance(error, batches.NotReady) else "template"
                self.add_error(field, str(error.message))
        return cleaned


@admin.register(WeChatBatch)
class WeChatBatchAdmin(MerchantAdmin):
    area = Area.COUPONS
    form = WeChatBatchForm
    list_display = ("template", "stock_id", "code_mode", "shown_state", "told_total", "error")
    list_select_related = ("template",)
    list_filter = ("state",)
    search_fields = ("template__name", "stock_id__exact")
    autocomplete_fields = ("template",)
    ordering = ("-id",)
    actions_detail = ("stop", "again")
    fields: ClassVar[Any] = ("template", "account", "code_mode", ("goods_name", "path"))
    _seen = (
        "stock_id", "shown_state", "told_total", "uploaded", "sent", "error", "compare_at",
        "to_compare", "created_at",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.fields, *self._seen) if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """WeChat lets nothing be changed but what the card says of the goods."""
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "template", "account", "code_mode", "path", *self._seen) if obj else fixed

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.request_no, obj.act_at = new_number(), timezone.now()
        super().save_model(request, obj, form, change)
        if change:
            batches.due(obj.template)
        wake(publish_batches)

    @display(description=_("not compared yet"))
    def to_compare(self, batch: WeChatBatch) -> str:
        """Of so many a night: a chain that gives more is behind, and sees it here."""
        left = batch.cards.filter(compared_at=None)[: comparison.MOST_A_NIGHT + 1].count()
        return f"> {comparison.MOST_A_NIGHT}" if left > comparison.MOST_A_NIGHT else str(left)

    @display(
        description=_("state"),
        label={
            "publishing": "info", "published": "success", "stopping": "info", "stopped": "warning",
        },
    )  # fmt: skip
    def shown_state(self, batch: WeChatBatch) -> tuple[str, str]:
        return batch.state, batch.get_state_display()

    @display(description=_("cards we know of"))
    def sent(self, batch: WeChatBatch) -> int:
        return batch.cards.count()

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        batch = self.own(request, object_id)
        fitting = {
            "stop": batch.state == WeChatBatch.State.PUBLISHED,
            "again": batch.act_at is None and bool(batch.error),
        }
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if fitting[one.path]]

    @action(
        description=_("Stop"),
        url_path="stop",
        icon="stop",
        permissions=["edit_row"],
        dialog={
            "title": _("Let WeChat send no more of these?"),
            "form_class": DialogForm,
            "form_submit_text": _("Stop"),
        },
    )
    def stop(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        batch = self.own(request, object_id)
        batches.stop(batch.pk)
        self.log_change(request, batch, "stopped")
        wake(publish_batches)
        return done(request, _("WeChat is told. What was sent stays good."), _page(batch))

    @action(
        description=_("Try again"),
        url_path="again",
        icon="refresh",
        permissions=["edit_row"],
        dialog={
            "title": _("Ask WeChat again?"),
            "form_class": DialogForm,
            "form_submit_text": _("Try again"),
        },
    )
    def again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        batch = self.own(request, object_id)
        batches.again(batch.pk)
        self.log_change(request, batch, "tried again")
        wake(publish_batches)
        return done(request, _("WeChat is asked again."), _page(batch))


def _page(batch: WeChatBatch) -> str:
    return reverse("admin:coupons_wechatbatch_change", args=[batch.pk])


@admin.register(CardDifference)
class CardDifferenceAdmin(MerchantAdmin):
    area = Area.COUPONS
    read_only = True
    list_display = ("found_at", "batch", "shown_card", "ours", "theirs", "closed_at")
    list_select_related = ("batch__template", "card")
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    ordering = ("-id",)
    fields = ("batch", "shown_card", ("ours", "theirs"), ("found_at", "closed_at"))
    readonly_fields = ("shown_card",)

    @display(description=_("card"))
    def shown_card(self, row: CardDifference) -> Any:
        return row.card.code if row.card else _("how many were sent")


@admin.register(Card)
class CardAdmin(MerchantAdmin):
    area = Area.COUPONS
    read_only = True
    list_display = ("code", "batch", "coupon", "sent_at", "channel", "error", "compared_at")
    list_select_related = ("batch__template", "coupon")
    list_filter = (("coupon", admin.EmptyFieldListFilter),)
    search_fields = ("code__exact",)
    ordering = ("-id",)
    fields = (("code", "batch"), "coupon", ("sent_at", "channel"), ("error", "compared_at"))


@admin.register(CardReport)
class CardReportAdmin(MerchantAdmin):
    area = Area.COUPONS
    read_only = True
    list_display = ("at", "shown_card", "call", "shown_state", "tries", "error")
    list_select_related = ("card",)
    list_filter = ("call", ("act_at", admin.EmptyFieldListFilter))
    ordering = ("-id",)
    fields = ("shown_card", "call", ("at", "shown_state"), ("tries", "error"))
    readonly_fields = ("shown_card", "shown_state")
    actions_detail = ("again",)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        row = self.own(request, object_id)
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return found if row.act_at is None and row.error else []

    @action(
        description=_("Tell it again"),
        url_path="again",
        icon="refresh",
        permissions=["edit_row"],
        dialog={
            "title": _("Tell WeChat again?"),
            "form_class": DialogForm,
            "form_submit_text": _("Tell it again"),
        },
    )
    def again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        row = self.own(request, object_id)
        reports.again(row.pk)
        self.log_change(request, row, "told again")
        wake(report_cards)
        page = reverse("admin:coupons_cardreport_change", args=[row.pk])
        return done(request, _("WeChat is told again."), page)

    @display(description=_("card"))
    def shown_card(self, row: CardReport) -> str:
        return row.card.code

    @display(
        description=_("state"), label={"open": "warning", "done": "success", "refused": "danger"}
    )
    def shown_state(self, row: CardReport) -> tuple[str, Any]:
        if row.act_at is not None:
            return "open", _("to be told")
        return ("refused", _("refused by WeChat")) if row.error else ("done", _("told"))
