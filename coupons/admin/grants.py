"""Grants: whom a template's coupons are given to, and how far that has come."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from backend.celery import wake
from backend.desk.dialogs import DialogForm, done
from backend.desk.roles import Area, signature
from backend.desk.tenancy import MerchantAdmin, OwnedForm, owned_by
from backend.desk.widgets import FileBox, LineBox, NumberBox, SelectBox, action, display
from backend.numbers import new_number
from coupons import grants, offers, segments
from coupons.models import CouponTemplate, Grant
from coupons.segments import FILTERS, Asks
from coupons.tasks import run_grants
from shop import phones
from shop.models import Store

MAX_FILE: Final = 32 * 1024 * 1024
_OPENID: Final = re.compile(r"[A-Za-z0-9_-]{20,64}")
_FAULTS_SHOWN: Final = 20
_YES_OR_NO: Final = [("", _("either")), ("true", _("yes")), ("false", _("no"))]


def _field(one: segments.Filter) -> forms.Field:
    """The box that asks what a filter asks."""
    match one.asks:
        case Asks.WORDS:
            return forms.CharField(
                label=one.label, required=False, widget=LineBox(), max_length=1000,
                help_text=_("Separated by commas."),
            )  # fmt: skip
        case Asks.YES_OR_NO:
            return forms.TypedChoiceField(
                label=one.label, required=False, choices=_YES_OR_NO, widget=SelectBox(),
                coerce=lambda said: said == "true", empty_value=None,
            )  # fmt: skip
        case Asks.STORE:
            return forms.ModelChoiceField(
                Store.objects.none(), label=one.label, required=False, widget=SelectBox()
            )
    days = one.asks is Asks.DAYS
    return forms.IntegerField(
        label=one.label, required=False, widget=NumberBox(), min_value=int(days),
        max_value=segments.MOST_DAYS if days else segments.MOST,
    )  # fmt: skip


if TYPE_CHECKING:
    _SegmentFields = forms.Form
else:
    _SegmentFields = type(
        "_SegmentFields",
        (forms.Form,),
        {f"only_{name}": _field(one) for name, one in FILTERS.items()},
    )


class ListFile(forms.FileField):
    """A CSV whose first column has a phone or an openid in each row."""

    def clean(self, data: Any, initial: Any = None) -> tuple[list[str], list[str]] | None:
        """The phones and the openids; the first line may be a heading."""
        file = super().clean(data, initial)
        if file is None:
            return None
        if file.size > MAX_FILE:
            raise ValidationError(_("32 MB at most."))
        try:
            text = io.TextIOWrapper(file, "utf-8-sig", newline="")
            named, openids, faults = _read(csv.reader(text))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValidationError(_("This is no CSV in UTF-8.")) from error
        if faults:
            rows = ", ".join(map(str, faults))
            raise ValidationError(
                _("Neither a phone nor an openid in row %(rows)s. Nothing was taken."),
                params={"rows": rows},
            )
        if not named and not openids:
            raise ValidationError(_("There is nobody in this file."))
        if len(named) + len(openids) > grants.MOST_LISTED:
            raise ValidationError(_("%(most)s rows at most."), params={"most": grants.MOST_LISTED})
        return named, openids


def _read(rows: Iterator[list[str]]) -> tuple[list[str], list[str], list[int]]:
    """Phones, openids, and the first rows that are neither."""
    named: list[str] = []
    openids: list[str] = []
    faults: list[int] = []
    for number, row in enumerate(rows, 1):
        word = row[0].strip() if row else ""
        if not word:
            continue
        try:
            named.append(phones.receiver(word))
        except phones.NotAPhone:
            if _OPENID.fullmatch(word):
                openids.append(word)
            elif number > 1:
                faults.append(number)
                if len(faults) == _FAULTS_SHOWN:
                    break
    return named, openids, faults


class GrantForm(OwnedForm, _SegmentFields):
    key = forms.CharField(widget=forms.HiddenInput, initial=new_number, max_length=24)
    file = ListFile(
        label=_("list (CSV)"),
        required=False,
        widget=FileBox(),
        help_text=_("A phone or an openid in the first column of each row. It is not kept."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "only_last_store" in self.fields:
            stores: Any = self.fields["only_last_store"]
            tenant = self.tenant
            stores.queryset = Store.objects.all() if tenant is None else owned_by(Store, tenant)

    def segment(self) -> dict[str, Any]:
        """What was asked of the customers."""
        said = {name: self.cleaned_data.get(f"only_{name}") for name in FILTERS}
        return {
            name: value.pk if isinstance(value, Store) else value
            for name, value in said.items()
            if value is not None and value != ""
        }

    def clean_only_tags(self) -> list[str] | None:
        words = [one.strip() for one in re.split("[,，]", self.cleaned_data["only_tags"])]
        return [one for one in words if one] or None

    def clean_waits_until(self) -> Any:
        until = self.cleaned_data["waits_until"]
        if until is not None and until <= timezone.now():
            raise ValidationError(_("This moment is over."))
        return until

    def clean_template(self) -> CouponTemplate:
        template: CouponTemplate = self.cleaned_data["template"]
        if template.way not in offers.WAYS or template.per_store is not None:
            raise ValidationError(_("Nobody can be given of this one."))
        return template

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "audience" not in self.fields:
            return cleaned
        listed = cleaned.get("audience") == Grant.Audience.LIST
        if listed and not cleaned.get("file") and "file" not in self.errors:
            self.add_error("file", _("Add the list."))
        if not listed and cleaned.get("file"):
            self.add_error("audience", _("A list was added: choose to give by it."))
        if listed and self.segment():
            self.add_error("audience", _("Either by what they did, or by a list: not both."))
        try:
            segments.check(self.segment())
        except ValidationError as error:
            self.add_error(None, error.messages)
        return cleaned


@admin.register(Grant)
class GrantAdmin(MerchantAdmin):
    area = Area.COUPONS
    form = GrantForm
    list_display = ("name", "template", "shown_state", "progress", "given", "created_at", "by")
    list_select_related = ("template",)
    list_filter = ("state",)
    search_fields = ("name",)
    ordering = ("-id",)
    autocomplete_fields = ("template",)
    fields: ClassVar[Any] = (
        "key",
        ("name", "template"),
        "audience",
        *(f"only_{name}" for name in FILTERS),
        "file",
        "waits_until",
    )
    actions_detail = ("stop", "resume")
    _seen = (
        "template", "audience", "whom", "shown_state", "progress", "given", "had_theirs",
        "waiting", "waits_until", "created_at", "finished_at", "by",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", *self._seen) if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is being given to whom is settled when it begins."""
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, *self._seen) if obj else fixed

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        if change:
            super().save_model(request, obj, form, change)
            return
        obj.by, obj.segment = signature(request), form.segment()
        super().save_model(request, obj, form, change)
        if obj.audience == Grant.Audience.LIST:
            unknown = grants.write_list(obj, *form.cleaned_data["file"])
            if unknown:
                text = ngettext(
                    "%(count)s openid is nobody's here.",
                    "%(count)s openids are nobody's here.",
                    unknown,
                )
                self.message_user(request, text % {"count": unknown})
        grants.expect(obj)
        wake(run_grants)

    @display(
        description=_("state"),
        label={
            "running": "info", "stopped": "warning", "sold_out": "warning", "refused": "danger",
            "done": "success",
        },
    )  # fmt: skip
    def shown_state(self, grant: Grant) -> tuple[str, str]:
        return grant.state, grant.get_state_display()

    @display(description=_("looked at"))
    def progress(self, grant: Grant) -> Any:
        most = max(grant.expected, grant.looked_at)
        return format_html(
            '<progress max="{}" value="{}"></progress> {} / {}',
            most, grant.looked_at, grant.looked_at, most,
        )  # fmt: skip

    @display(description=_("to whom"))
    def whom(self, grant: Grant) -> str:
        if grant.audience == Grant.Audience.LIST:
            return str(grant.get_audience_display())
        said = [f"{FILTERS[name].label}: {value}" for name, value in grant.segment.items()]
        return "; ".join(said) or str(_("every customer"))

    @display(description=_("had as many as they may"))
    def had_theirs(self, grant: Grant) -> int:
        return max(0, grant.looked_at - grant.given)

    @display(description=_("phones that wait"))
    def waiting(self, grant: Grant) -> int:
        return grants.waiting(grant)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        state = self.own(request, object_id).state
        fitting = {"stop": state == Grant.State.RUNNING, "resume": state in grants.RESUMABLE}
        found = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [one for one in found if fitting[one.path]]

    @action(
        description=_("Stop"),
        url_path="stop",
        icon="stop",
        permissions=["edit_row"],
        dialog={
            "title": _("Give no more of these?"),
            "form_class": DialogForm,
            "form_submit_text": _("Stop"),
        },
    )
    def stop(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        grant = self.own(request, object_id)
        grants.stop(grant.pk)
        self.log_change(request, grant, "stopped")
        return done(request, _("It gives no more. What was given stays given."), _page(grant))

    @action(
        description=_("Go on"),
        url_path="resume",
        icon="play_arrow",
        permissions=["edit_row"],
        dialog={
            "title": _("Give to the rest of them?"),
            "form_class": DialogForm,
            "form_submit_text": _("Go on"),
        },
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponseBase:
        grant = self.own(request, object_id)
        grants.resume(grant.pk)
        wake(run_grants)
        self.log_change(request, grant, "resumed")
        return done(request, _("It goes on where it was."), _page(grant))


def _page(grant: Grant) -> str:
    return reverse("admin:coupons_grant_change", args=[grant.pk])
