"""Writing what a file brings: in one transaction, only the rows and columns that changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from backend.numbers import new_number
from shop import catalogue, stock
from shop.imports.checking import Headings, ProductRow
from shop.imports.faults import BadFile, Fault, Faults
from shop.imports.matching import ProductMatch, Shelves, SkuMatch, category_ids, chunks, match
from shop.models import Merchant, Product, Sku, Stock, Store

# Takes the rows of a long step and what it is called, and gives them one by one.
Progress = Callable[[Sequence[Any], str], Iterable[Any]]


@dataclass(frozen=True)
class Target:
    """Where to: the shop, the store whose stock it is, and what to do with counts there are."""

    merchant: Merchant
    store: Store
    set_stock: bool = False
    is_dry_run: bool = False
    by: str = ""


@dataclass(frozen=True)
class Report:
    """What an import wrote, or would have written."""

    products_created: int
    products_changed: int
    products_unchanged: int
    skus_created: int
    skus_changed: int
    skus_unchanged: int
    categories_created: int
    stock_rows: int
    is_dry_run: bool


@transaction.atomic
def write(
    target: Target, headings: Headings, rows: Sequence[ProductRow], progress: Progress
) -> Report:
    """The shop has what the file says, whole or not at all; a dry run leaves it as it was.

    Locks: the merchant, against another import; stock rows; then the products that changed.
    Raises: BadFile for what only the rows already there can tell.
    """
    Merchant.objects.select_for_update(no_key=True).get(pk=target.merchant.pk)
    try:
        with transaction.atomic():
            report = _write(target, headings, rows, progress)
            transaction.set_rollback(target.is_dry_run)
        return report
    except IntegrityError as error:  # codes or specs that change places among rows
        raise BadFile([Fault("conflict")]) from error


def _write(
    target: Target, headings: Headings, rows: Sequence[ProductRow], progress: Progress
) -> Report:
    merchant, faults = target.merchant.pk, Faults()
    categories, categories_created = category_ids(merchant, rows)
    shelves = Shelves(merchant, rows)
    found = [match(row, shelves, categories, headings, faults) for row in rows]
    faults.stop()
    skus = [sku for product in found for sku in product.skus]
    # Orders lock stock before products: so do we.
    stock_rows = _count(target, skus) if target.set_stock else 0
    products_changed = _save(Product, found)
    skus_changed = _save(Sku, skus)
    stock_rows += _receive(target, [sku for sku in skus if sku.is_new])
    touched = [
        product.product.pk
        for product in found
        if product.is_new or product.changed or any(s.is_new or s.changed for s in product.skus)
    ]
    for some in progress(list(chunks(touched, 200)), "words"):
        catalogue.refresh(some)
    products_created = sum(product.is_new for product in found)
    skus_created = sum(sku.is_new for sku in skus)
    return Report(
        products_created=products_created,
        products_changed=products_changed,
        products_unchanged=len(found) - products_created - products_changed,
        skus_created=skus_created,
        skus_changed=skus_changed,
        skus_unchanged=len(skus) - skus_created - skus_changed,
        categories_created=categories_created,
        stock_rows=stock_rows,
        is_dry_run=target.is_dry_run,
    )


def _save(model: type[Product | Sku], found: Sequence[ProductMatch | SkuMatch]) -> int:
    """Insert what is new, update of the rest only the columns that changed; how many changed."""
    new: list[Any] = []
    changed: dict[frozenset[str], list[Any]] = defaultdict(list)
    for one in found:
        row = one.product if isinstance(one, ProductMatch) else one.sku
        if one.is_new:
            new.append(row)
        elif one.changed:
            changed[frozenset(one.changed)].append(row)
    model._default_manager.bulk_create(new, batch_size=500)
    for columns, some in changed.items():
        names = sorted(columns)
        if model is Product:
            names.append("updated_at")
            for row in some:
                row.updated_at = timezone.now()
        some.sort(key=lambda row: row.pk)
        model._default_manager.bulk_update(some, names, batch_size=500)
    return sum(len(some) for some in changed.values())


def _receive(target: Target, new: Sequence[SkuMatch]) -> int:
    """New skus stand on the store's shelf, as many as the file says."""
    shelves = [
        Stock(merchant=target.merchant, sku=sku.sku, store=target.store, available=0)
        for sku in new
    ]  # fmt: skip
    Stock.objects.bulk_create(shelves, batch_size=500)
    counts = {
        shelf.pk: sku.row.stock for shelf, sku in zip(shelves, new, strict=True) if sku.row.stock
    }
    stock.receive_all(target.merchant.pk, counts, reference=new_number("import-"), by=target.by)
    return len(counts)


def _count(target: Target, skus: Sequence[SkuMatch]) -> int:
    """What the file says is there is what is there, at this store; how many rows that moved."""
    wanted = {
        sku.sku.pk: sku.row.stock for sku in skus if not sku.is_new and sku.row.stock is not None
    }
    shelves = Stock.objects.filter(merchant=target.merchant, store=target.store)
    there: dict[int, int] = {}
    for some in chunks(list(wanted)):
        there.update(shelves.filter(sku_id__in=some).values_list("sku_id", "pk"))
    made = [
        Stock(merchant=target.merchant, sku_id=sku, store=target.store, available=0)
        for sku in wanted
        if sku not in there
    ]
    Stock.objects.bulk_create(made, batch_size=500)
    there.update((shelf.sku_id, shelf.pk) for shelf in made)
    counts = {there[sku]: count for sku, count in wanted.items()}
    return stock.count_all(
        target.merchant.pk, counts, reference=new_number("import-"), by=target.by
    )
