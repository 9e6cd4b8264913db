"""Categories, and what every form with one picture does."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from backend.desk.roles import Area
from backend.desk.tenancy import MerchantAdmin, OwnedFilter, OwnedForm
from backend.desk.widgets import display, picture
from shop.admin.fields import PictureFileField, check_picture, store
from shop.models import Category, Product


def count_of(model: type[Model], hangs_on: str) -> Coalesce:
    """How many rows hang on each, counted apart so that no join of a search can count twice."""
    rows = model._default_manager.filter(**{hangs_on: OuterRef("pk")}).order_by().values(hangs_on)
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n")), 0)


class PictureForm(OwnedForm):
    """A form with one picture, kept in the column that `picture_column` names."""

    picture_column = "picture"
    upload = PictureFileField(label=_("upload a picture"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        path = cleaned.get(self.picture_column)
        if path:
            try:
                check_picture(path)
            except ValidationError as error:
                self.add_error(self.picture_column, error)
        return cleaned

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, FBT002
        if sent := self.cleaned_data.get("upload"):
            whose = self.whose() or self.instance.pk
            setattr(self.instance, self.picture_column, store(whose, sent))
        return super().save(commit)


class CategoryForm(PictureForm):
    deepest = 3

    def clean_parent(self) -> Category | None:
        """Three levels at most, and none above itself."""
        parent: Category | None = self.cleaned_data["parent"]
        depth, above = 1, parent
        while above is not None and depth <= self.deepest:
            if above.pk == self.instance.pk:
                raise ValidationError(_("A category can't stand under itself."))
            depth, above = depth + 1, above.parent
        if depth + self._height() > self.deepest:
            raise ValidationError(_("Categories go three levels deep."))
        return parent

    def _height(self) -> int:
        """How many levels hang below this category."""
        if self.instance.pk is None:
            return 0
        below = Category.objects.filter(parent_id=self.instance.pk)
        if below.filter(children__isnull=False).exists():
            return 2
        return int(below.exists())


@admin.register(Category)
class CategoryAdmin(MerchantAdmin):
    area = Area.PRODUCTS
    deletable = True
    form = CategoryForm
    list_display = ("shown_picture", "name", "parent", "how_many", "sort", "is_active")
    list_display_links = ("name",)
    list_select_related = ("parent",)
    list_filter = ("is_active", ("parent", OwnedFilter))
    search_fields = ("name",)
    autocomplete_fields = ("parent",)
    fields = ("name", "parent", "picture", "upload", "sort", "is_active")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = (
            super().get_queryset(request).annotate(how_many=count_of(Product, "category"))
        )
        return rows

    @display(description=_("picture"))
    def shown_picture(self, category: Category) -> str:
        return picture(category.picture)

    @display(description=_("products"), ordering="how_many")
    def how_many(self, category: Any) -> int:
        return int(category.how_many)
