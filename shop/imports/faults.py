"""What can be wrong with a file, each by row and column, with a code that never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SHOWN: Final = 1000  # faults of one file; past these, only their number

MESSAGES: Final[dict[str, _StrPromise]] = {
    # the file
    "too_large": _("The file is larger than %(limit)s MB."),
    "unknown_format": _("This is neither CSV nor XLSX. Save it as one of them."),
    "bad_encoding": _("The text is neither UTF-8 nor GB18030. Save the file as UTF-8."),
    "bad_archive": _("This XLSX file is damaged."),
    "unpacks_too_large": _("Unpacked, this XLSX file is larger than %(limit)s MB."),
    "no_rows": _("There is nothing in this file."),
    "too_many_rows": _("The file has more than %(limit)s rows."),
    "too_many_columns": _("The file has more than %(limit)s columns."),
    "bad_quotes": _("The quotation marks don't match from here on."),
    # the columns
    "unknown_column": _("Nobody knows a column of this name."),
    "repeated_column": _("This column is there twice."),
    "missing_column": _("This column is missing."),
    # a cell
    "cell_count": _("This row has %(count)s cells, the first one %(expected)s."),
    "required": _("This can't be empty."),
    "too_long": _("This is longer than %(limit)s characters."),
    "bad_character": _("There is a control character in this text."),
    "formula": _("This is a formula. Paste its value."),
    "error_value": _("This is an error of the spreadsheet's."),
    "is_date": _("The spreadsheet made a date of this. Format the cell as text."),
    "imprecise": _("The spreadsheet rounded this number. Format the cell as text."),
    "bad_price": _("“%(value)s” is not a price in yuan."),
    "too_many_decimals": _("A price has no more than two decimals."),
    "negative": _("This can't be less than zero."),
    "too_high": _("This is more than %(limit)s."),
    "bad_number": _("“%(value)s” is not a whole number."),
    "bad_choice": _("“%(value)s” is neither yes nor no."),
    "bad_pair": _("“%(value)s” is not of the form name:value."),
    "repeated_name": _("“%(value)s” is there twice."),
    "too_many": _("These are more than %(limit)s."),
    "bad_picture": _("“%(value)s” is not the address of a picture."),
    # rows together, and with what is there already
    "differs": _("Row %(other)s says something else of the same product."),
    "duplicate_sku": _("Row %(other)s is the same sku."),
    "spec_names_differ": _("Row %(other)s has other specs of the same product."),
    "spec_count_differs": _("The product's other skus have %(expected)s specs."),
    "code_taken": _("Another product has a sku of this code."),
    "sku_unclear": _("The product has several skus: say which, by specs or sku code."),
    "conflict": _("Together with the rows that are there already, this is not possible."),
}


@dataclass(frozen=True)
class Fault:
    """What is wrong, and where: rows as a spreadsheet numbers them, columns by their heading."""

    code: str
    row: int | None = None
    column: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What is wrong, in the reader's language."""
        return str(MESSAGES[self.code]) % {
            name: value[:40] if isinstance(value, str) else value
            for name, value in self.values.items()
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "column": self.column,
            "code": self.code,
            "message": self.message,
        }


class BadFile(DomainError):
    """The file has faults and nothing of it was imported."""

    code = "bad_file"
    status = 422
    message = _("The file has mistakes. Nothing was imported.")

    def __init__(self, faults: Sequence[Fault], total: int | None = None) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.row or 0)
        self.total = len(faults) if total is None else total
        super().__init__(f"{self.total} faults")

    def described(self) -> dict[str, Any]:
        """The faults as JSON has them."""
        return {"faults": [fault.as_dict() for fault in self.faults], "total": self.total}


class Faults:
    """The faults found so far; past a thousand, only how many."""

    def __init__(self) -> None:
        self.found: list[Fault] = []
        self.total = 0

    def add(self, code: str, row: int | None = None, column: str = "", **values: Any) -> None:
        self.total += 1
        if len(self.found) < SHOWN:
            self.found.append(Fault(code, row, column, values))

    def stop(self) -> None:
        """Nothing more is done with a file that has faults.

        Raises: BadFile.
        """
        if self.total:
            raise BadFile(self.found, self.total)
