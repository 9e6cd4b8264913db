"""A file as rows of text: CSV in UTF-8 or GB18030, or the first sheet of an XLSX file.

What a file is, its first bytes say, not its name. Sizes are checked before anything is unpacked.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

from shop.imports.faults import BadFile, Fault

MAX_BYTES: Final = 50 * 1024**2
MAX_UNPACKED: Final = 100 * 1024**2
MAX_PARTS: Final = 1000
MAX_ROWS: Final = 50_000
MAX_COLUMNS: Final = 100
_MAX_DIGITS: Final = 15  # a spreadsheet keeps no more of a number


@dataclass(frozen=True)
class Broken:
    """A cell that has no text, and the code of its fault."""

    code: str


Cell = str | Broken


@dataclass(frozen=True)
class Row:
    number: int  # as a spreadsheet shows it
    cells: list[Cell]

    @property
    def is_blank(self) -> bool:
        return not any(self.cells)


@dataclass(frozen=True)
class Sheet:
    """The rows, and whether their encoding was guessed."""

    rows: Iterator[Row]
    is_guess: bool = False
    is_padded: bool = False  # rows may be shorter than the first: what is left out is empty


def read(source: Path | IO[bytes]) -> Sheet:
    """The rows of a file, or of what was uploaded.

    Raises: BadFile, now or while the rows are taken.
    """
    data = _bytes(source)
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise BadFile([Fault("no_rows")])
    if data.startswith(b"PK\x03\x04"):
        return Sheet(_limited(_xlsx(data)), is_padded=True)
    if data.startswith((b"\xd0\xcf\x11\xe0", b"%PDF", b"PK", b"\x1f\x8b")):
        raise BadFile([Fault("unknown_format")])
    text, is_guess = _decode(data)
    return Sheet(_limited(_csv(text)), is_guess=is_guess)


def _bytes(source: Path | IO[bytes]) -> bytes:
    too_large = BadFile([Fault("too_large", values={"limit": MAX_BYTES // 1024**2})])
    if isinstance(source, Path):
        if source.stat().st_size > MAX_BYTES:
            raise too_large
        with source.open("rb") as file:
            return _bytes(file)
    data = source.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise too_large
    return data


def _decode(data: bytes) -> tuple[str, bool]:
    """The text, and whether the encoding is a guess: GB18030 makes sense of many bytes."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadFile([Fault("bad_encoding")])
    has_mark = data.startswith(codecs.BOM_UTF8)
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode(), False
    except UnicodeDecodeError as error:
        fault = Fault("bad_encoding", data.count(b"\n", 0, error.start) + 1)
    if not has_mark:
        try:
            return data.decode("gb18030"), True
        except UnicodeDecodeError:
            pass
    raise BadFile([fault])


def _csv(text: str) -> Iterator[Row]:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if first.count("\t") > first.count(",") else ","
    number = 0
    try:
        # Strict, or a quotation mark nobody closed would swallow the rest of the file unseen.
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            number += 1
            yield Row(number, [cell.strip() for cell in cells])
    except csv.Error as error:
        if "field limit" in str(error):
            fault = Fault("too_long", number + 1, values={"limit": csv.field_size_limit()})
        else:
            fault = Fault("bad_quotes", number + 1)
        raise BadFile([fault]) from error


def _limited(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows with something in them, as far as the limits go."""
    taken = 0
    for row in rows:
        if len(row.cells) > MAX_COLUMNS and any(row.cells[MAX_COLUMNS:]):
            values = {"limit": MAX_COLUMNS}
            raise BadFile([Fault("too_many_columns", row.number, values=values)])
        if row.is_blank:
            continue
        taken += 1
        if taken > MAX_ROWS + 1:
            raise BadFile([Fault("too_many_rows", row.number, values={"limit": MAX_ROWS})])
        yield row


def _xlsx(data: bytes) -> Iterator[Row]:
    from openpyxl import load_workbook

    try:
        _check_archive(data)
        book = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        sheet = book.worksheets[0]
        # The size it claims may be a lie that makes every row sixteen thousand cells long.
        sheet.reset_dimensions()
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            yield Row(number, _without_blank_end([_cell(cell) for cell in cells]))
    except BadFile:
        raise
    except Exception as error:  # openpyxl raises whatever it stumbles over
        raise BadFile([Fault("bad_archive")]) from error


def _check_archive(data: bytes) -> None:
    """The archive unpacks to a sane size, and no part defines entities."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
            raise BadFile(
                [Fault("unpacks_too_large", values={"limit": MAX_UNPACKED // 1024**2})]
            )  # fmt: skip
        for part in parts:
            with archive.open(part) as file:
                head = file.read(4096).replace(b"\x00", b"").upper()
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                raise BadFile([Fault("bad_archive")])


def _without_blank_end(cells: list[Cell]) -> list[Cell]:
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def _cell(cell: Any) -> Cell:
    value = cell.value
    kind = getattr(cell, "data_type", "n")
    if value is None:
        return ""
    if kind == "f":
        return Broken("formula")
    if kind == "e":
        return Broken("error_value")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dt.datetime | dt.date | dt.time | dt.timedelta):
        return Broken("is_date")
    return str(value).strip()


def _number(value: float) -> Cell:
    """A number as the spreadsheet shows it: no more than its fifteen digits, no exponent."""
    if abs(value) >= 10**_MAX_DIGITS:
        return Broken("imprecise")
    if isinstance(value, int):
        return str(value)
    shown = Decimal(format(value, f".{_MAX_DIGITS}g"))
    return format(shown.to_integral() if shown == shown.to_integral() else shown, "f")
