"""How lists are written in a form: words between commas, or one to a line."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.translation import gettext_lazy as _

from backend.desk.widgets import FileBox, LineBox, ManyFilesBox, TextBox
from backend.errors import DomainError
from shop import uploads

_COMMAS: Final = re.compile("[,，、]")
_COLON: Final = re.compile("[:：]")


class _ListField(forms.CharField):
    """A list that is written as text. The empty text is the empty list."""

    empty_values = [None, "", []]

    def __init__(self, *, most: int, longest: int, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)
        self.most = most
        self.longest = longest

    def text(self, value: str | None) -> str:
        # The usual validator looks at the list, where this character is written out.
        if "\x00" in (value or ""):
            raise ValidationError(_("This can't be read."))
        return value or ""

    def check_size(self, words: Sequence[str]) -> None:
        if len(words) > self.most:
            raise ValidationError(_("At most %(most)s of these."), params={"most": self.most})
        for word in words:
            if len(word) > self.longest:
                raise ValidationError(
                    _("“%(word)s” is longer than %(longest)s characters."),
                    params={"word": word, "longest": self.longest},
                )


class WordsField(_ListField):
    """Words between commas, each once."""

    def __init__(self, *, most: int, longest: int, **options: Any) -> None:
        super().__init__(most=most, longest=longest, **{"widget": LineBox()} | options)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        words = [word.strip() for word in _COMMAS.split(self.text(value))]
        found = list(dict.fromkeys(word for word in words if word))
        self.check_size(found)
        return found


class LinesField(_ListField):
    """One to a line."""

    def __init__(self, *, most: int, longest: int, **options: Any) -> None:
        box = {"widget": TextBox(attrs={"rows": 4})}
        super().__init__(most=most, longest=longest, **box | options)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(self.to_line, value)) if isinstance(value, list) else value

    def to_line(self, item: Any) -> str:
        return str(item)

    def to_item(self, line: str) -> Any:
        self.check_size([line])
        return line

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        lines = [line.strip() for line in self.text(value).splitlines()]
        lines = [line for line in lines if line]
        if len(lines) > self.most:
            raise ValidationError(_("At most %(most)s of these."), params={"most": self.most})
        return [self.to_item(line) for line in lines]

    def parts(self, line: str) -> tuple[str, str]:
        """What stands before the first colon, and after it."""
        name, *rest = (part.strip() for part in _COLON.split(line, maxsplit=1))
        if not name or not rest or not rest[0]:
            raise ValidationError(_("Write “%(line)s” as name: value."), params={"line": line})
        self.check_size([name])
        return name, rest[0]


class PairsField(LinesField):
    """`name: value` to a line, kept as `[{"name", "value"}]`."""

    def __init__(self, *, value_name: str = "value", **options: Any) -> None:
        self.value_name = value_name
        super().__init__(**options)

    def to_line(self, item: Any) -> str:
        return f"{item.get('name', '')}: {item.get(self.value_name, '')}"

    def to_item(self, line: str) -> Any:
        name, value = self.parts(line)
        if len(value) > 200:
            raise ValidationError(_("“%(word)s” is too long."), params={"word": name})
        return {"name": name, self.value_name: value}


class SpecsField(LinesField):
    """`颜色: 白, 黑` to a line, kept as `[{"name", "values": [{"value", "picture"}]}]`."""

    def to_line(self, item: Any) -> str:
        return f"{item['name']}: {', '.join(value['value'] for value in item['values'])}"

    def to_item(self, line: str) -> Any:
        name, rest = self.parts(line)
        values = WordsField(most=60, longest=60).to_python(rest)
        return {"name": name, "values": [{"value": value, "picture": ""} for value in values]}

    def to_python(self, value: Any) -> Any:
        specs = super().to_python(value)
        if len({spec["name"] for spec in specs}) != len(specs):
            raise ValidationError(_("A specification is named twice."))
        return specs


class HoursField(LinesField):
    """Seven lines, Monday first: `09:00-12:00, 13:00-21:00`, or `-` for a closed day."""

    def __init__(self, **options: Any) -> None:
        super().__init__(most=7, longest=80, **options)

    def to_line(self, item: Any) -> str:
        return ", ".join(f"{opens}-{closes}" for opens, closes in item) or "-"

    def to_item(self, line: str) -> Any:
        if line == "-":
            return []
        pairs = []
        for part in _COMMAS.split(line):
            found = re.fullmatch(r"\s*([01]\d|2[0-3]):([0-5]\d)\s*[-–]\s*(\d\d):([0-5]\d)\s*", part)
            opens, closes = (found.expand(r"\1:\2"), found.expand(r"\3:\4")) if found else ("", "")
            if not opens < closes <= "24:00":
                raise ValidationError(_("Write “%(line)s” as 09:00-21:00."), params={"line": line})
            pairs.append([opens, closes])
        return pairs

    def to_python(self, value: Any) -> Any:
        days = super().to_python(value)
        if days and len(days) != 7:
            raise ValidationError(_("Write one line for each of the seven days, or none at all."))
        return days


class DatesField(LinesField):
    """A date to a line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(most=200, longest=10, **options)

    def to_item(self, line: str) -> Any:
        try:
            return dt.date.fromisoformat(line).isoformat()
        except ValueError:
            raise ValidationError(
                _("“%(line)s” is not a date as 2026-02-17."), params={"line": line}
            ) from None


class PicturesField(LinesField):
    """Paths of pictures, one to a line: ours, or whole addresses."""

    def __init__(self, **options: Any) -> None:
        super().__init__(most=20, longest=500, **options)

    def to_item(self, line: str) -> Any:
        self.check_size([line])
        check_picture(line)
        return line


def check_picture(path: str) -> None:
    """Refuse what a page can't show, or what would reach outside the pictures."""
    if path.startswith(("https://", "http://")):
        return
    if re.fullmatch(r"[\w\-./]+", path) is None or ".." in path or path.startswith("/"):
        raise ValidationError(_("“%(path)s” is not a picture's path."), params={"path": path})


class PictureFileField(forms.FileField):
    """A picture that was sent, decoded and written again; nothing is stored yet."""

    widget = FileBox

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        sent = super().clean(data, initial)
        return _rewritten(sent) if sent else None


class PictureFilesField(forms.FileField):
    """Several pictures at once."""

    widget = ManyFilesBox

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        super().__init__(**options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        sent = data if isinstance(data, list | tuple) else [data]
        files = [super(PictureFilesField, self).clean(file) for file in sent if file]
        if len(files) > 20:
            raise ValidationError(_("At most %(most)s of these."), params={"most": 20})
        return [_rewritten(file) for file in files]


def _rewritten(sent: Any) -> ContentFile[bytes]:
    try:
        return uploads.rewritten(sent)
    except DomainError as error:
        raise ValidationError(error.message) from error


def store(merchant: int, content: ContentFile[bytes]) -> str:
    """The picture's path, once it is among the merchant's."""
    return default_storage.save(f"goods/{merchant}/{content.name}", content)
