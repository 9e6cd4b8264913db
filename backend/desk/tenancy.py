"""What every page of the desk does about merchants: staff see, choose and write only their own.

It is held in four places, so that none of them is the only one: the queryset, the choices of every
foreign key, the form (which refuses what belongs to somebody else) and the row as it is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib.admin import RelatedFieldListFilter
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area, Level, is_operator, may, merchant_id_of
from shop.models import Merchant, Owned

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.db.models.fields.related import RelatedField

    _ModelAdmin = ModelAdmin[Any]
    _TabularInline = TabularInline[Any, Any]
    _ModelForm = forms.ModelForm[Any]
    _FormSet = forms.BaseInlineFormSet[Any, Any, Any]
else:
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.admin import TabularInline as _TabularInline
    from unfold.forms import PaginationInlineFormSet as _FormSet

    _ModelForm = forms.ModelForm


def owned_by(model: type[Model], tenant: int) -> QuerySet[Any]:
    """The rows of a model that a merchant's staff may see at all."""
    rows = model._default_manager.all()
    if issubclass(model, Merchant):
        return rows.filter(pk=tenant)
    if issubclass(model, Owned):
        return rows.filter(merchant_id=tenant)
    return rows.none()


class OwnedForm(_ModelForm):
    """Knows whose the row is before it is checked, and refuses what belongs to anybody else."""

    tenant: ClassVar[int | None] = None  # set by MerchantAdmin.get_form; none for an operator

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = capfirst(str(field.label or ""))
        if self.tenant is not None and self._owned and self.instance.merchant_id is None:
            self.instance.merchant_id = self.tenant

    @property
    def _owned(self) -> bool:
        return isinstance(self.instance, Owned)

    def whose(self) -> int | None:
        """The merchant of the row that is being written."""
        chosen = self.cleaned_data.get("merchant")
        if isinstance(chosen, Merchant):
            return chosen.pk
        if not self._owned:
            return None
        return cast("int | None", self.instance.merchant_id)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self._owned:
            return cleaned
        whose = self.whose()
        for name, value in list(cleaned.items()):
            chosen = value if isinstance(value, QuerySet) else [value]
            strangers = (row for row in chosen if isinstance(row, Owned))
            if any(row.merchant_id != whose for row in strangers):
                self.add_error(name, _("This belongs to another merchant."))
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        # Every unique constraint begins with the merchant: leaving it out would leave them unasked.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        known = "merchant" in self.fields or (self._owned and self.instance.merchant_id is not None)
        return excluded - {"merchant"} if known else excluded


class OwnedInlineForm(OwnedForm):
    """A row of an inline: its merchant is that of the row it hangs on."""

    parent_row: Any

    def _take_merchant(self) -> None:
        self.instance.merchant_id = self.parent_row.merchant_id

    def clean(self) -> dict[str, Any]:
        self._take_merchant()
        return super().clean()

    def _post_clean(self) -> None:
        self._take_merchant()
        super()._post_clean()  # type: ignore[misc]


class OwnedFormSet(_FormSet):
    """Tells each of its forms what row they hang on, which may not be saved yet."""

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        form = super()._construct_form(i, **kwargs)  # type: ignore[misc]
        form.parent_row = self.instance
        return form


class OwnedFilter(RelatedFieldListFilter):
    """A filter that offers only what the reader may see."""

    def field_choices(
        self,
        field: RelatedField[Any, Any],
        request: HttpRequest,
        model_admin: ModelAdmin[Any],
    ) -> list[tuple[str, Any]]:
        tenant = merchant_id_of(request)
        rows = (
            field.remote_field.model._default_manager.all()
            if tenant is None
            else owned_by(field.remote_field.model, tenant)
        )
        return [(str(row.pk), str(row)) for row in rows[:200]]


class _Scoped:
    """What pages and inlines share: the area they belong to, and whose rows there are."""

    area: ClassVar[Area]
    read_only: ClassVar[bool] = False
    deletable: ClassVar[bool] = False

    def scope(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        tenant = merchant_id_of(request)
        if tenant is None:
            return rows
        return rows.filter(pk=tenant) if rows.model is Merchant else rows.filter(merchant_id=tenant)

    def owns(self, request: HttpRequest, row: Any) -> bool:
        tenant = merchant_id_of(request)
        if row is None or tenant is None:
            return True
        owner: int | None = row.pk if isinstance(row, Merchant) else row.merchant_id
        # A row that is being added, as its inlines see it, has no merchant yet.
        return owner in {tenant, None}

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.area, Level.VIEW)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.area, Level.VIEW) and self.owns(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (
            not self.read_only and may(request, self.area, Level.EDIT) and self.owns(request, obj)
        )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (
            not self.read_only and may(request, self.area, Level.EDIT) and self.owns(request, obj)
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.deletable and self.has_change_permission(request, obj)

    def get_field_queryset(
        self, db: str | None, db_field: RelatedField[Any, Any], request: HttpRequest
    ) -> QuerySet[Any] | None:
        tenant = merchant_id_of(request)
        if tenant is not None:
            return owned_by(db_field.remote_field.model, tenant)
        rows: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)  # type: ignore[misc]
        return rows


class MerchantAdmin(_Scoped, _ModelAdmin):
    """A page of the desk."""

    form = OwnedForm
    list_per_page = 50
    list_filter_sheet = False
    list_filter_submit = True
    compressed_fields = True
    warn_unsaved_form = True
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.scope(request, super().get_queryset(request))

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> type[forms.ModelForm[Any]]:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.tenant = merchant_id_of(request)  # type: ignore[attr-defined]
        form.request = request  # type: ignore[attr-defined]
        return form

    def _shows_merchant(self, request: HttpRequest) -> bool:
        return is_operator(request) and issubclass(self.model, Owned)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        groups = super().get_fieldsets(request, obj)
        if not self._shows_merchant(request):
            return groups
        return [(None, {"fields": ["merchant"]}), *groups]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = tuple(super().get_readonly_fields(request, obj))
        return (*fixed, "merchant") if obj is not None and self._shows_merchant(request) else fixed

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = tuple(super().get_list_display(request))
        return (*columns, "merchant") if self._shows_merchant(request) else columns

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = tuple(super().get_list_filter(request))
        return (*filters, ("merchant", OwnedFilter)) if self._shows_merchant(request) else filters

    def get_list_select_related(self, request: HttpRequest) -> Any:
        joined = super().get_list_select_related(request)
        if not isinstance(joined, Sequence):
            return joined
        return (*joined, "merchant") if self._shows_merchant(request) else joined

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        tenant = merchant_id_of(request)
        if tenant is not None and isinstance(obj, Owned):
            obj.merchant_id = tenant
        if not change:
            super().save_model(request, obj, form, change)
            return
        # Only what the form asked: the other columns (counts, what was given, what was sold) may
        # have moved since the row was read.
        obj.save(
            update_fields=[
                column.name
                for column in obj._meta.concrete_fields
                if column.name in form.fields or getattr(column, "auto_now", False)
            ]
        )

    def has_edit_row_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For a row's buttons, asked with its id: a row of somebody else's is not there."""
        if obj is not None:
            self.own(request, obj)
        return may(request, self.area, Level.EDIT)

    def own(self, request: HttpRequest, object_id: str | int) -> Any:
        """The row an action is for.

        Raises: Http404 when there is none, or it is somebody else's.
        """
        row = self.get_object(request, str(object_id))
        if row is None:
            raise Http404
        return row


class MerchantInline(_Scoped, _TabularInline):
    """Rows that hang on a row of the desk."""

    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return self.scope(request, super().get_queryset(request))


class ReadOnlyInline(MerchantInline):
    """What has happened, to be looked at."""

    read_only = True
    can_delete = False
    max_num = 0
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or ()
