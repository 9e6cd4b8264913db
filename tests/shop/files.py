"""Files to import, what an import wrote, and what it found wrong."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from openpyxl import Workbook

from shop import lists
from shop.imports import BadFile, Report, import_catalogue
from shop.models import Merchant

OURS = Path(__file__).parent.parent / "data" / "catalogue.csv"
HEADER = "商品编号,商品名称,规格,售价(元),库存"


def text(*lines: str, header: str = HEADER, encoding: str = "utf-8") -> io.BytesIO:
    return io.BytesIO("\n".join([header, *lines]).encode(encoding))


def sheet(*rows: tuple[Any, ...], header: str = HEADER) -> io.BytesIO:
    book = Workbook()
    assert book.active is not None
    for row in (tuple(header.split(",")), *rows):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


def faults(merchant: Merchant, source: Any, **more: Any) -> list[tuple[int | None, str, str]]:
    """The faults of a file as (row, column, code); nothing of it may be there afterwards."""
    before = snapshot()
    with pytest.raises(BadFile) as caught:
        import_catalogue(source, merchant, **more)
    assert snapshot() == before
    assert all(fault.message for fault in caught.value.faults)
    return [(fault.row, fault.column, fault.code) for fault in caught.value.faults]


def snapshot() -> list[Any]:
    """Every row the import may write, with PostgreSQL's own mark of who wrote it."""
    tables = ["category", "product", "sku", "stock", "stockmovement"]
    found = []
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT ctid, xmin, t.* FROM shop_{table} t ORDER BY id")  # noqa: S608
            found.append(cursor.fetchall())
    return found


def counts(report: Report) -> tuple[int, ...]:
    return (
        report.products_created, report.products_changed, report.products_unchanged,
        report.skus_created, report.skus_changed, report.skus_unchanged,
    )  # fmt: skip


def found(merchant: Merchant, words: str) -> list[str]:
    page = lists.page(merchant.pk, lists.Filter(words=words), None)
    return [item["name"] for item in page["results"]]
