"""Rows become products with their skus, or faults: every one of them, by row and column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from backend.money import Fen
from shop.imports.columns import BY_HEADING, COLUMNS, BadCell, Column, heading, plain
from shop.imports.faults import BadFile, Fault, Faults
from shop.imports.reading import Broken, Row, Sheet

# Columns of the file, and those of the table that take them as they are.
_SKU_FIELDS: Final = {
    "market_price": "market_price_fen",
    "barcode": "barcode",
    "weight_g": "weight_g",
    "sku_picture": "picture",
}


@dataclass
class SkuRow:
    """A sku as the file has it; None where the file has no such column."""

    row: int
    values: tuple[str, ...] | None
    price: Fen
    fields: dict[str, Any]
    code: str = ""
    stock: int | None = None
    on_sale: bool = True


@dataclass
class ProductRow:
    """A product as the file has it; `fields` holds the columns that the file has."""

    row: int
    code: str
    fields: dict[str, Any]
    spec_names: tuple[str, ...] | None
    skus: list[SkuRow] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)  # where each field was said first


@dataclass(frozen=True)
class Headings:
    """Which column stands where, under which words."""

    columns: dict[int, Column]
    words: dict[str, str]
    width: int

    def has(self, key: str) -> bool:
        return key in self.words


def check(sheet: Sheet) -> tuple[Headings, list[ProductRow]]:
    """The products of a file that has no fault.

    Raises: BadFile with every fault that can be told from the file alone.
    """
    faults = Faults()
    rows = iter(sheet.rows)
    headings = _headings(next(rows, None), faults, is_guess=sheet.is_guess)
    faults.stop()
    products = _products(rows, headings, faults, is_padded=sheet.is_padded)
    faults.stop()
    return headings, products


def _headings(row: Row | None, faults: Faults, *, is_guess: bool) -> Headings:
    if row is None:
        raise BadFile([Fault("no_rows")])
    texts = [cell if isinstance(cell, str) else "" for cell in row.cells]
    while texts and not texts[-1]:
        texts.pop()
    found = {i: BY_HEADING.get(heading(text)) for i, text in enumerate(texts)}
    if is_guess and not any(found.values()):
        raise BadFile([Fault("bad_encoding", row.number)])
    columns: dict[int, Column] = {}
    words: dict[str, str] = {}
    for i, text in enumerate(texts):
        column = found[i]
        if column is None:
            faults.add("unknown_column", row.number, text or f"#{i + 1}")
        elif column.key in words:
            faults.add("repeated_column", row.number, text)
        else:
            columns[i], words[column.key] = column, text
    for column in COLUMNS:
        if column.is_required and column.key not in words:
            faults.add("missing_column", row.number, column.headings[0])
    return Headings(columns, words, len(texts))


def _products(
    rows: Iterable[Row], headings: Headings, faults: Faults, *, is_padded: bool
) -> list[ProductRow]:
    products: dict[str, ProductRow] = {}
    codes: dict[str, int] = {}
    try:
        for row in rows:
            width = len(row.cells)
            if width > headings.width or (width < headings.width and not is_padded):
                faults.add("cell_count", row.number, count=width, expected=headings.width)
                continue
            before = faults.total
            cells = _cells(row, headings, faults)
            if faults.total == before:
                _gather(products, codes, row.number, cells, headings, faults)
    except BadFile as error:  # of the reader: the rest of the file can't be read
        for fault in error.faults:
            faults.add(fault.code, fault.row, fault.column, **fault.values)
    if not products and not faults.total:
        faults.add("no_rows")
    return list(products.values())


def _cells(row: Row, headings: Headings, faults: Faults) -> dict[str, Any]:
    """What each column's cell says; a fault for each that says nothing sensible."""
    found: dict[str, Any] = {}
    for i, column in headings.columns.items():
        cell = row.cells[i] if i < len(row.cells) else ""
        try:
            if isinstance(cell, Broken):
                raise BadCell(cell.code)
            if column.is_required and not cell:
                raise BadCell("required")
            found[column.key] = column.read(plain(cell))
        except BadCell as bad:
            faults.add(bad.code, row.number, headings.words[column.key], **bad.values)
    return found


def _gather(
    products: dict[str, ProductRow],
    codes: dict[str, int],
    number: int,
    cells: dict[str, Any],
    headings: Headings,
    faults: Faults,
) -> None:
    """Put a row where it belongs: a new product, or one more sku of an earlier one."""
    specs = cells.get("specs")
    names = None if specs is None else tuple(name for name, _value in specs)
    of_product = [c.key for c in headings.columns.values() if c.of_product and c.key != "code"]
    product = products.setdefault(cells["code"], ProductRow(number, cells["code"], {}, names))
    for key in of_product:
        said = product.fields.get(key)
        if not said:
            product.fields[key], product.rows[key] = cells[key], number
        elif cells[key] and cells[key] != said:
            faults.add("differs", number, headings.words[key], other=product.rows[key])
    if names != product.spec_names:
        faults.add("spec_names_differ", number, headings.words["specs"], other=product.row)
        return
    sku = SkuRow(
        row=number,
        values=None if specs is None else tuple(value for _name, value in specs),
        price=cells["price"],
        fields={name: cells[key] for key, name in _SKU_FIELDS.items() if key in cells},
        code=cells.get("sku_code", ""),
        stock=cells.get("stock"),
        on_sale=cells.get("on_sale", True),
    )
    column = headings.words.get("sku_code" if sku.code else "specs", headings.words["code"])
    for other in product.skus:
        same_values = sku.values == other.values and (sku.values is not None or not sku.code)
        if same_values:
            faults.add("duplicate_sku", number, column, other=other.row)
            return
    if sku.code and codes.setdefault(sku.code, number) != number:
        faults.add("duplicate_sku", number, column, other=codes[sku.code])
        return
    product.skus.append(sku)
