"""What of a file is new, what changes and what is there already, down to the column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from shop.imports.checking import Headings, ProductRow, SkuRow
from shop.imports.faults import Faults
from shop.models import Category, Product, Sku

CHUNK: Final = 1000
_T = TypeVar("_T")


@dataclass
class SkuMatch:
    """A row of the file beside the sku it is about, or the one it makes."""

    row: SkuRow
    sku: Sku
    is_new: bool
    changed: set[str] = field(default_factory=set)


@dataclass
class ProductMatch:
    row: ProductRow
    product: Product
    is_new: bool
    changed: set[str] = field(default_factory=set)
    skus: list[SkuMatch] = field(default_factory=list)


def chunks(rows: Sequence[_T], size: int = CHUNK) -> Iterator[Sequence[_T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _put(found: ProductMatch | SkuMatch, row: Product | Sku, name: str, value: Any) -> None:
    """Set a column; one that says so already isn't changed."""
    if getattr(row, name) != value:
        setattr(row, name, value)
        found.changed.add(name)


def category_ids(merchant: int, rows: Iterable[ProductRow]) -> tuple[dict[Any, int], int]:
    """The category at the end of each path of the file; missing ones are made, and how many."""
    known: dict[tuple[int | None, str], int] = {
        (parent, name): pk
        for pk, parent, name in Category.objects.filter(merchant_id=merchant).values_list(
            "pk", "parent_id", "name"
        )
    }
    before = len(known)
    ends: dict[Any, int] = {}
    for path in dict.fromkeys(row.fields.get("category") or () for row in rows):
        parent: int | None = None
        for name in path:
            if (parent, name) not in known:
                made = Category.objects.create(merchant_id=merchant, parent_id=parent, name=name)
                known[parent, name] = made.pk
            parent = known[parent, name]
        if parent is not None:
            ends[path] = parent
    return ends, len(known) - before


class Shelves:
    """What the shop has of the products and sku codes that a file names."""

    def __init__(self, merchant: int, rows: Sequence[ProductRow]) -> None:
        self.merchant = merchant
        self.products: dict[str, Product] = {}
        self.skus: dict[int, list[Sku]] = {}
        self.owner_of: dict[str, int] = {}
        for some in chunks(rows):
            self._load([row.code for row in some])
        codes = [code_for(row, sku) for row in rows for sku in row.skus]
        for part in chunks(codes):
            skus = Sku.objects.filter(merchant_id=merchant, code__in=part)
            self.owner_of.update(skus.values_list("code", "product_id"))

    def _load(self, codes: Sequence[str]) -> None:
        products = Product.objects.filter(merchant_id=self.merchant, code__in=codes)
        found = {product.pk: product for product in products.defer("search").order_by("pk")}
        self.products.update((product.code, product) for product in found.values())
        skus = Sku.objects.filter(merchant_id=self.merchant, product_id__in=found)
        for sku in skus.order_by("pk"):
            self.skus.setdefault(sku.product_id, []).append(sku)


def code_for(row: ProductRow, sku: SkuRow) -> str:
    """A sku's code: its own, else the product's, with a mark of the specs where there are several.

    The same file gives the same codes.
    """
    if sku.code:
        return sku.code
    if len(row.skus) == 1:
        return row.code
    mark = hashlib.sha256("\n".join(sku.values or ()).encode()).hexdigest()[:8]
    return f"{row.code[:55]}-{mark}"


def match(
    row: ProductRow,
    shelves: Shelves,
    categories: dict[Any, int],
    headings: Headings,
    faults: Faults,
) -> ProductMatch:
    """A product of the file beside the shop's own, its skus likewise, and what changes."""
    there = shelves.products.get(row.code)
    product = there or Product(merchant_id=shelves.merchant, code=row.code)
    found = ProductMatch(row, product, is_new=there is None)
    own = shelves.skus.get(product.pk, []) if there else []
    _match_fields(found, categories, headings)
    for sku_row in row.skus:
        sku = _match_sku(found, sku_row, own, shelves, headings, faults)
        if sku is not None:
            found.skus.append(sku)
    _match_specs(found, own, headings, faults)
    return found


def _match_fields(found: ProductMatch, categories: dict[Any, int], headings: Headings) -> None:
    product, fields = found.product, dict(found.row.fields)
    if "category" in fields:
        _put(found, product, "category_id", categories.get(fields.pop("category")))
    main, more = fields.pop("picture", ""), fields.pop("pictures", None)
    rest = product.pictures[1:] if more is None else more
    if main or more is not None:  # an empty cell for the main picture keeps the one there is
        first = [main] if main else product.pictures[:1] if more is None else []
        _put(found, product, "pictures", list(dict.fromkeys([*first, *rest])))
    for name, value in fields.items():
        _put(found, product, name, value)
    if headings.has("on_sale"):
        _put(found, product, "on_sale", any(sku.on_sale for sku in found.row.skus))


def _match_sku(
    found: ProductMatch,
    row: SkuRow,
    own: Sequence[Sku],
    shelves: Shelves,
    headings: Headings,
    faults: Faults,
) -> SkuMatch | None:
    product, code = found.product, code_for(found.row, row)
    sku = next((sku for sku in own if row.code and sku.code == row.code), None)
    if sku is None and row.values is not None:
        sku = next((sku for sku in own if tuple(sku.spec_values) == row.values), None)
    elif sku is None and not row.code:
        if len(own) > 1:
            faults.add("sku_unclear", row.row, headings.words["code"])
            return None
        sku = own[0] if own else None
    made = sku or Sku(
        merchant_id=shelves.merchant, product=product, code=code, sort=len(own) + len(found.skus)
    )
    owner = shelves.owner_of.get(row.code or made.code)
    if owner is not None and owner != product.pk:
        column = headings.words.get("sku_code", headings.words["code"])
        faults.add("code_taken", row.row, column)
        return None
    match = SkuMatch(row, made, is_new=sku is None)
    if row.code:
        _put(match, made, "code", row.code)
    if row.values is not None:
        _put(match, made, "spec_values", list(row.values))
    _put(match, made, "price_fen", row.price)
    for name, value in row.fields.items():
        _put(match, made, name, value)
    if headings.has("on_sale"):
        # A product that is off sale takes its skus with it; they are as they were when it is back.
        one_is_on = any(other.on_sale for other in found.row.skus)
        _put(match, made, "on_sale", row.on_sale or not one_is_on)
    return match


def _match_specs(
    found: ProductMatch, own: Sequence[Sku], headings: Headings, faults: Faults
) -> None:
    """The product's specs hold every value its skus have; what is there keeps its picture."""
    names = found.row.spec_names
    column = headings.words.get("specs", headings.words["code"])
    named = {match.sku.pk for match in found.skus}
    others = [sku for sku in own if sku.pk not in named]
    for match in found.skus:
        expected = next((sku for sku in others if len(sku.spec_values) != len(names or ())), None)
        if names is not None and expected is not None:
            count = len(expected.spec_values)
            faults.add("spec_count_differs", match.row.row, column, expected=count)
        values = match.sku.spec_values
        if any(sku.spec_values == values for sku in others) or (
            match.is_new and names is None and own
        ):
            faults.add("sku_unclear", match.row.row, column)
    if names is None:
        return
    before = found.product.specs
    after = []
    for i, name in enumerate(names):
        choices: list[dict[str, str]] = list(before[i]["values"]) if i < len(before) else []
        known = {choice["value"] for choice in choices}
        for match in found.skus:
            value = match.sku.spec_values[i]
            if value not in known:
                known.add(value)
                choices.append({"value": value, "picture": ""})
        after.append({"name": name, "values": choices})
    _put(found, found.product, "specs", after)
