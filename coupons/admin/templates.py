"""Coupon templates: what is offered, checked by the kind it is of before it is saved."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin, OwnedForm
from backend.desk.widgets import display
from coupons import batches, offers, promotions, running
from coupons.admin import figures
from coupons.models import CouponTemplate, Way
from coupons.promotions import PROMOTIONS
from shop.models import Sku


class CouponTemplateForm(OwnedForm):
    class Meta:
        help_texts = {
            "terms": _('In fen: {"threshold_fen": 10000, "off_fen": 2000} is 20 off from 100.'),
            "total": _("Left empty where it applies by itself: there is none to give."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "way" in self.fields:
            # What was given once doesn't become a promotion, nor the other way round.
            more = (Way.WECHAT,) if self.instance.pk else (Way.WECHAT, Way.AUTOMATIC)
            ways = [(way.value, way.label) for way in (*offers.WAYS, *more)]
            self.fields["way"].choices = ways  # type: ignore[attr-defined]
        if "total" in self.fields:
            self.fields["total"].required = False

    @property
    def _automatic(self) -> bool:
        return bool(self.cleaned_data.get("way", self.instance.way) == Way.AUTOMATIC)

    def clean_total(self) -> int:
        """What was given stays given; the rest may rise and fall. Of a promotion there is none."""
        if self._automatic:
            return 0
        total: int | None = self.cleaned_data["total"]
        if total is None:
            raise ValidationError(self.fields["total"].error_messages["required"], code="required")
        if total > offers.MOST:
            raise ValidationError(_("That is more than we take at once."))
        template = self.instance
        if template.pk is None:
            return total
        given = self._given()
        if total < given:
            raise ValidationError(_("%(count)s have been given."), params={"count": given})
        return total

    def _given(self) -> int:
        """How many were given, in the database and locked until it is saved."""
        row = CouponTemplate.objects.select_for_update().get(pk=self.instance.pk)
        return sum(lot.given for lot in row.lots.select_for_update().order_by("number"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind, terms = cleaned.get("kind", self.instance.kind), cleaned.get("terms")
        if "terms" in self.fields and "terms" not in self.errors and kind in PROMOTIONS:
            if isinstance(terms, dict):
                self._check_terms(kind, terms)
            else:
                self.add_error("terms", _("Terms are names and values."))
        starts, ends = (
            cleaned.get("starts_at", self.instance.starts_at),
            cleaned.get("ends_at", self.instance.ends_at),
        )
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("The end comes after the beginning."))
        if self._automatic:
            self._check_promotion(cleaned)
        else:
            self._check_validity(cleaned)
            self._check_limits(cleaned)
        if not 1 <= cleaned.get("per_customer", 1) <= 100:
            self.add_error("per_customer", _("From 1 to 100."))
        return cleaned

    def _check_terms(self, kind: str, terms: dict[str, Any]) -> None:
        way = self.cleaned_data.get("way", self.instance.way)
        try:
            promotions.check(kind, terms)
            running.check(kind, way, terms)
        except ValidationError as error:
            self.add_error(None, error)
            return
        before = self.instance
        if "sku" in terms and (kind, terms) != (before.kind, before.terms):
            own = Sku.objects.filter(pk=terms["sku"], merchant_id=self.whose() or 0)
            if not own.exists():
                self.add_error("terms", _("There is no such sku."))

    def _check_promotion(self, cleaned: dict[str, Any]) -> None:
        """What nobody claims has no limits of claiming, and no dates but its own."""
        for name in (
            "given_from_fen", "budget_fen", "per_customer_per_day", "per_day", "per_store",
            "valid_days", "valid_from", "valid_until",
        ):  # fmt: skip
            if cleaned.get(name) is not None:
                self.add_error(name, _("Only for coupons: leave it empty."))
        if cleaned.get("is_published") and not self.errors:
            times = {name: cleaned[name] for name in ("starts_at", "ends_at")}
            asked = CouponTemplate(pk=self.instance.pk, merchant_id=self.whose() or 0, **times)
            if not running.has_room(asked):
                message = _("At most %(most)s promotions run at once.")
                self.add_error("is_published", message % {"most": running.MOST})

    def _check_limits(self, cleaned: dict[str, Any]) -> None:
        """Limits that are there are positive, and a budget covers what was given."""
        for name in ("per_customer_per_day", "per_day", "per_store"):
            if cleaned.get(name) == 0:
                self.add_error(name, _("At least 1, or leave it empty."))
        if cleaned.get("per_store") and cleaned.get("way", self.instance.way) != Way.CLAIM:
            self.add_error("per_store", _("Only who claims says in which store they are."))
        budget, kind = cleaned.get("budget_fen"), cleaned.get("kind", self.instance.kind)
        terms = cleaned.get("terms", self.instance.terms)
        if budget is None or self.errors or kind not in PROMOTIONS:
            return
        most = PROMOTIONS[kind].most(terms)
        if most is None:
            self.add_error("budget_fen", _("These terms set no bound to what is taken off."))
        elif self.instance.pk is not None and self._given() * most > budget:
            self.add_error("budget_fen", _("What was given can already take off more."))

    def _check_validity(self, cleaned: dict[str, Any]) -> None:
        days, begins, ends = (
            cleaned.get(name, getattr(self.instance, name))
            for name in ("valid_days", "valid_from", "valid_until")
        )
        if not 0 <= (cleaned.get("valid_delay_days") or 0) <= (0 if days is None else 365):
            self.add_error("valid_delay_days", _("Up to 365, and only where days are counted."))
        if days is not None:
            if begins or ends:
                self.add_error("valid_days", _("Either days, or dates: not both."))
            elif not 1 <= days <= 3650:
                self.add_error("valid_days", _("From 1 to 3650."))
        elif not begins or not ends:
            self.add_error("valid_days", _("Say how many days, or from when until when."))
        elif ends <= begins:
            self.add_error("valid_until", _("The end comes after the beginning."))
        elif (offered := cleaned.get("ends_at", self.instance.ends_at)) and offered > ends:
            self.add_error("ends_at", _("What is given then would be over already."))


@admin.register(CouponTemplate)
class CouponTemplateAdmin(MerchantAdmin):
    area = Area.COUPONS
    form = CouponTemplateForm
    list_display = ("shown_name", "state", "progress", "starts_at", "ends_at")
    list_filter = ("kind", "way", "is_published")
    search_fields = ("name",)
    ordering = ("-id",)
    readonly_fields = ("text", "shown_given", "figures")
    fields = (
        ("name", "kind"),
        ("terms", "text"),
        ("way", "given_from_fen"),
        ("total", "shown_given"),
        "budget_fen",
        ("per_customer", "per_customer_per_day"),
        ("per_day", "per_store"),
        "starts_at",
        "ends_at",
        ("valid_days", "valid_delay_days"),
        "valid_from",
        "valid_until",
        "is_published",
    )

    promotion_fields = (
        ("name", "kind"),
        ("terms", "text"),
        "way",
        "starts_at",
        "ends_at",
        "is_published",
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What some customers have already taken is no longer changed under the others."""
        fixed = super().get_readonly_fields(request, obj)
        if obj is not None and obj.way == Way.AUTOMATIC:
            return (*fixed, "kind", "way")
        at_wechat = obj is not None and hasattr(obj, "batch")
        if obj is None or not (obj.given or at_wechat):
            return fixed
        taken = (
            "kind", "terms", "per_customer", "valid_days", "valid_delay_days", "valid_from",
            "valid_until",
        )  # fmt: skip
        # WeChat was told once, and knows no limit of a day or a store.
        told = ("name", "way", "per_customer_per_day", "per_day", "per_store")
        return (*fixed, *taken, *(told if at_wechat else ()))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("lots")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        offers.deal(obj)
        if obj.is_published:
            batches.due(obj)
        elif hasattr(obj, "batch"):
            batches.stop(obj.batch.pk)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        free = obj is not None and not obj.is_published and not (obj.given or obj.uses.exists())
        return free and self.has_change_permission(request, obj)

    @display(description=_("name"), header=True, ordering="name")
    def shown_name(self, template: CouponTemplate) -> list[str]:
        return [template.name, self.text(template)]

    @display(description=_("in the shopper's words"))
    def text(self, template: CouponTemplate) -> str:
        if template.kind not in PROMOTIONS or template.pk is None:
            return "–"
        return promotions.text(template.kind, template.terms)

    @display(
        description=_("state"),
        label={"draft": "warning", "soon": "info", "live": "success", "over": "danger"},
    )
    def state(self, template: CouponTemplate) -> tuple[str, Any]:
        now = timezone.now()
        if not template.is_published:
            return "draft", _("draft")
        if template.starts_at > now:
            return "soon", _("scheduled")
        if template.ends_at <= now:
            return "over", _("over")
        return "live", _("applies") if template.way == Way.AUTOMATIC else _("claimable")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and obj.way == Way.AUTOMATIC:
            return (*self.promotion_fields, "figures")
        return (*self.fields, "figures") if obj else self.fields

    @display(description=_("given"))
    def shown_given(self, template: CouponTemplate) -> int:
        return template.given if template.pk else 0

    @display(description=_("what it brought"))
    def figures(self, template: CouponTemplate) -> Any:
        return figures.page(template)

    @display(description=_("given"))
    def progress(self, template: CouponTemplate) -> str:
        if template.way == Way.AUTOMATIC:
            return "–"
        given = template.given
        return f"{given} / {given + template.remaining}"
