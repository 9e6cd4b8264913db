"""Bringing in a catalogue that was kept elsewhere: a CSV or XLSX file, whole or not at all.

A product is known by its code; a sku by its own code, else by the values of its specs. What the
file doesn't name stays as it is: other products, other skus, columns it doesn't have. An empty cell
empties the column, but for the main picture and for stock. Stock comes with new skus only, unless
the counts are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from shop.imports.checking import check
from shop.imports.faults import BadFile, Fault
from shop.imports.reading import read
from shop.imports.writing import Progress, Report, Target, write
from shop.models import Merchant, Store

__all__ = ["BadFile", "Fault", "NoStore", "Report", "import_catalogue"]


class NoStore(DomainError):
    code = "no_store"
    status = 409
    message = _("There is no such store to put the stock in.")


def _quietly(rows: Sequence[Any], step: str) -> Iterable[Any]:
    return rows


def import_catalogue(
    source: Path | IO[bytes],
    merchant: Merchant,
    *,
    store: str = "",
    set_stock: bool = False,
    is_dry_run: bool = False,
    by: str = "",
    progress: Progress = _quietly,
) -> Report:
    """The shop has the file's catalogue; a second time changes nothing.

    `store` is the code of the store whose stock it is, the default store where it is empty;
    `set_stock` also sets the counts of skus that are there already.

    Raises: BadFile with every fault, and nothing was imported; NoStore.
    """
    stores = Store.objects.filter(merchant=merchant, is_active=True)
    found = stores.filter(code=store).first() if store else stores.filter(is_default=True).first()
    if found is None:
        raise NoStore(f"store {store!r} of merchant {merchant.pk}")
    headings, rows = check(read(source))
    target = Target(merchant, found, set_stock=set_stock, is_dry_run=is_dry_run, by=by)
    return write(target, headings, rows, progress)
