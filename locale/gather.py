"""Bring the Chinese catalogue up to the code: `make locale`.

New texts are added without a translation and named; texts nobody says any more are dropped. The
`.mo` is written beside the `.po`, and both are kept, so that running the shop needs no tools.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "locale/zh_Hans/LC_MESSAGES/django.po"
APPS = ("backend", "shop", "coupons", "orders", "payments")
KEYWORDS = ("translate", "_", "gettext_lazy", "ngettext:1,2", "pgettext_lazy:1c,2")


def said() -> polib.POFile:
    """Every text of the code."""
    files = [
        str(path.relative_to(ROOT))
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
    ]
    with tempfile.NamedTemporaryFile(suffix=".pot") as pot:
        keywords = [part for word in KEYWORDS for part in ("-k", word)]
        extract = [
            sys.executable,
            "-m",
            "babel.messages.frontend",
            "-q",
            "extract",
            "--no-location",
        ]
        asked = [*extract, "-o", pot.name, *keywords, *files]
        subprocess.run(asked, check=True, cwd=ROOT)  # noqa: S603
        return polib.pofile(pot.name)


def main() -> int:
    old = polib.pofile(str(CATALOGUE))
    known = {(entry.msgctxt, entry.msgid): entry for entry in old}
    new = polib.POFile()
    new.metadata = old.metadata
    untold = []
    for entry in sorted(said(), key=lambda entry: (entry.msgid, entry.msgctxt or "")):
        kept = known.get((entry.msgctxt, entry.msgid))
        if kept is None:
            untold.append(entry.msgid)
        else:
            entry.msgstr, entry.msgstr_plural = kept.msgstr, kept.msgstr_plural
        new.append(entry)
    ours = {(entry.msgctxt, entry.msgid) for entry in new}
    # What a library says and doesn't translate, or not in our words, stands here with a comment.
    for entry in old:
        if entry.tcomment and (entry.msgctxt, entry.msgid) not in ours:
            new.append(entry)
    new.save(str(CATALOGUE))
    new.save_as_mofile(str(CATALOGUE.with_suffix(".mo")))
    for text in untold:
        sys.stdout.write(f"not in Chinese yet: {text}\n")
    return 1 if untold else 0


if __name__ == "__main__":
    sys.exit(main())
