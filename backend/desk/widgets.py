"""Form boxes in the look of the desk, and how a picture or a state is shown in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from shop.catalogue import picture_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.forms import (
        ClearableFileInput as FileBox,
    )
    from django.forms import (
        NumberInput as NumberBox,
    )
    from django.forms import (
        PasswordInput as PasswordBox,
    )
    from django.forms import (
        Select as SelectBox,
    )
    from django.forms import (
        Textarea as TextBox,
    )
    from django.forms import (
        TextInput as LineBox,
    )

    def action(**options: Any) -> Callable[[Any], Any]: ...
    def display(**options: Any) -> Callable[[Any], Any]: ...

else:
    from unfold.decorators import action, display
    from unfold.widgets import UnfoldAdminFileFieldWidget as FileBox
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberBox
    from unfold.widgets import UnfoldAdminPasswordWidget as PasswordBox
    from unfold.widgets import UnfoldAdminSelectWidget as SelectBox
    from unfold.widgets import UnfoldAdminTextareaWidget as TextBox
    from unfold.widgets import UnfoldAdminTextInputWidget as LineBox

__all__ = [
    "FileBox",
    "LineBox",
    "ListedBox",
    "ManyFilesBox",
    "NumberBox",
    "PasswordBox",
    "SelectBox",
    "TextBox",
    "action",
    "display",
    "ending",
    "picture",
    "pictures",
    "style_secret",
]


class ManyFilesBox(FileBox):
    """Takes several files at once."""

    allow_multiple_selected = True


class ListedBox(LineBox):
    """A line with a list of likely answers, which are not the only ones."""

    def __init__(self, listed: Iterable[tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self.listed = list(listed)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        box = super().render(name, value, {**(attrs or {}), "list": f"{name}-listed"}, renderer)
        choices = format_html_join("", '<option value="{}">{}</option>', self.listed)
        return format_html('{}<datalist id="{}-listed">{}</datalist>', box, name, choices)


def style_secret(field: forms.Field) -> None:
    """A box for a secret keeps its own widget, which never shows one, and wears the desk's look."""
    field.widget.attrs["class"] = TextBox().attrs.get("class", "")


def picture(path: str, size: int = 40) -> SafeString:
    """A thumbnail; a grey square where there is no picture."""
    look = f"width:{size}px;height:{size}px;border-radius:6px;object-fit:cover"
    if not path:
        return format_html('<span style="{};background:#8883;display:block"></span>', look)
    return format_html('<img src="{}" alt="" loading="lazy" style="{}">', picture_url(path), look)


def pictures(paths: Iterable[str]) -> SafeString:
    """Thumbnails side by side."""
    shown = format_html_join("", "{}", ((picture(path, 96),) for path in paths))
    return format_html('<div style="display:flex;flex-wrap:wrap;gap:8px">{}</div>', shown)


_ACTORS: Final = {
    "shopper": _("the shopper"),
    "payment": _("a payment"),
    "clock": _("the clock"),
    "sweep": _("the clock"),
}


def who(by: str) -> str:
    """Who did something, as a history keeps it: staff by name, what does it by itself in words."""
    return str(_ACTORS.get(by, by))


def ending(number: str, kept: int = 4) -> str:
    """A phone number by its end."""
    return "*" * 4 + number[-kept:] if number else ""
