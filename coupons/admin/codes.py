"""Batches of codes: made in the background, taken away as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from backend.celery import wake
from backend.desk.roles import Area, signature
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import action, display
from coupons import codes
from coupons.models import CodeBatch, Way
from coupons.tasks import make_codes


class CodeBatchForm(OwnedForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "template" in self.fields:
            templates: Any = self.fields["template"]
            templates.queryset = templates.queryset.filter(way=Way.CODE).order_by("-pk")

    def clean_count(self) -> int:
        count: int = self.cleaned_data["count"]
        if not 1 <= count <= codes.MOST_CODES:
            raise ValidationError(_("From 1 to %(most)s."), params={"most": codes.MOST_CODES})
        return count

    def clean_uses(self) -> int | None:
        uses: int | None = self.cleaned_data["uses"]
        if uses == 0:
            raise ValidationError(_("At least 1, or leave it empty."))
        return uses

    def clean_text(self) -> str:
        """Written as codes are compared; free, as a code stands for one batch."""
        said: str = self.cleaned_data["text"]
        if not said:
            return ""
        text = codes.written(said)
        if text is None:
            raise ValidationError(_("4 to 24 letters A to Z and digits."))
        return text

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("text"):
            if cleaned.get("count", 1) != 1:
                self.add_error("count", _("A code that everybody may know is one."))
            if codes.is_taken(self.whose() or 0, cleaned["text"]):
                self.add_error("text", _("This code is there already."))
        return cleaned


@admin.register(CodeBatch)
class CodeBatchAdmin(MerchantAdmin):
    area = Area.COUPONS
    form = CodeBatchForm
    list_display = ("name", "template", "progress", "created_at", "by")
    list_select_related = ("template",)
    search_fields = ("name",)
    ordering = ("-id",)
    fields: ClassVar[Any] = ("template", "name", ("count", "uses"), "text")
    actions_row = ("download",)
    actions_detail = ("download",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*self.fields, ("progress", "used"), ("created_at", "by")) if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A batch that is there is what its codes say; only its name is a name."""
        fixed = super().get_readonly_fields(request, obj)
        if obj is None:
            return fixed
        return (
            *fixed, "template", "count", "uses", "text", "progress", "used", "created_at", "by",
        )  # fmt: skip

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.by = signature(request)
        super().save_model(request, obj, form, change)
        wake(make_codes)

    @display(description=_("made"))
    def progress(self, batch: CodeBatch) -> str:
        return f"{batch.made} / {batch.count}"

    @display(description=_("used"))
    def used(self, batch: CodeBatch) -> int:
        return codes.used(batch)

    @action(
        description=_("Download the codes"),
        url_path="codes",
        icon="download",
        permissions=["edit_row"],
    )
    def download(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        batch = self.own(request, object_id)
        self.log_change(request, batch, "codes downloaded")
        return StreamingHttpResponse(
            _lines(batch),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="codes-{batch.pk}.csv"'},
        )


def _lines(batch: CodeBatch) -> Iterator[str]:
    yield "code\r\n"
    for text in codes.listed(batch):
        yield f"{text}\r\n"
