"""manage.py import_catalogue FILE --merchant SLUG"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from shop.imports import BadFile, NoStore, import_catalogue
from shop.models import Merchant


class Command(BaseCommand):
    help = "Bring in a catalogue from a CSV or XLSX file: all of it, or every fault and nothing."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--merchant", required=True, metavar="SLUG")
        parser.add_argument(
            "--store", default="", metavar="CODE", help="whose stock it is; else the default store"
        )
        parser.add_argument(
            "--stock", action="store_true", help="also set the counts of skus already there"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change, and change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        merchant = Merchant.objects.filter(slug=options["merchant"]).first()
        if merchant is None:
            raise CommandError(_("There is no merchant %(slug)s.") % {"slug": options["merchant"]})
        try:
            report = import_catalogue(
                options["file"],
                merchant,
                store=options["store"],
                set_stock=options["stock"],
                is_dry_run=options["dry_run"],
                by="import_catalogue",
                progress=self._progress,
            )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from None
        except NoStore as error:
            raise CommandError(str(error.message)) from None
        except BadFile as error:
            for fault in error.faults:
                place = " ".join(
                    part for part in (f"{fault.row}" if fault.row else "", fault.column) if part
                )
                self.stderr.write(
                    f"{place or options['file'].name}: {fault.message} [{fault.code}]"
                )
            raise CommandError(
                _("%(count)s faults. Nothing was imported.") % {"count": error.total}
            ) from None
        for name, number in vars(report).items():
            if not isinstance(number, bool):
                self.stdout.write(f"{name} {number}")
        if report.is_dry_run:
            self.stdout.write(_("This was a dry run: nothing was written."))

    def _progress(self, rows: Sequence[Any], step: str) -> Iterable[Any]:
        """A bar on stderr where somebody is looking."""
        return tqdm(rows, desc=step, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False)
