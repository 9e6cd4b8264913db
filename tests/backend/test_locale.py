"""Chinese first, and complete: no text of ours is without its translation."""

import re
from pathlib import Path

import polib
import pytest
from babel.messages.extract import extract_from_dir
from django.utils import translation

from backend.errors import NotFound

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
NAMES = {"_": None, "translate": None, "gettext": None, "gettext_lazy": None, "ngettext": (1, 2)}


def written() -> set[str]:
    """Every text in the code that a person may read."""
    found = set()
    for app in ("backend", "shop", "coupons", "orders", "payments"):
        for _file, _line, message, _comments, _context in extract_from_dir(
            ROOT / app, [("**/migrations/**.py", "ignore"), ("**.py", "python")], keywords=NAMES
        ):
            found.add(message[0] if isinstance(message, tuple) else message)
    return found


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|\{\w*\}", text))


# Handed along where English doesn't need it: what is paid, in tenths (8.8 折).
BESIDE = {"%(tenths)s"}


def test_every_text_is_translated_with_its_placeholders() -> None:
    catalogue = {entry.msgid: entry for entry in polib.pofile(str(FOLDER / "django.po"))}
    texts = written()

    assert len(texts) > 100
    assert texts - set(catalogue) == set()
    for entry in catalogue.values():
        chinese = entry.msgstr or entry.msgstr_plural.get(0, "")
        assert chinese, entry.msgid
        told = placeholders(entry.msgid + entry.msgid_plural) | BESIDE
        assert placeholders(chinese) <= told, entry.msgid


def test_what_is_loaded_is_what_is_written() -> None:
    loaded = {e.msgid: e.msgstr for e in polib.mofile(str(FOLDER / "django.mo"))}
    source = {e.msgid: e.msgstr for e in polib.pofile(str(FOLDER / "django.po"))}

    assert loaded == source


@pytest.mark.parametrize(
    ("language", "said"), [("zh-hans", "这里什么也没有。"), ("en", "There is nothing here.")]
)
def test_a_reader_is_answered_in_their_language(language: str, said: str) -> None:
    with translation.override(language):
        assert str(NotFound.message) == said
