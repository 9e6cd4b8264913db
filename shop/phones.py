"""Phone numbers: which may stand on a parcel, and how one is shown to people."""

from __future__ import annotations

import re
from typing import Final

_NOISE: Final = re.compile(r"[\s().（）]|(?<=\d)[·•](?=\d)")
_DASHES: Final = str.maketrans("－—–‐‑", "-----")
_RECEIVERS: Final = re.compile(
    r"1[3-9]\d{9}"  # a mobile
    r"|0\d{2,3}-?\d{7,8}(?:-\d{1,6})?"  # a landline, with an extension perhaps
    r"|[48]00-?\d{3}-?\d{4}(?:-\d{1,6})?"  # 400 and 800 numbers
    r"|\+(?!86)[1-9]\d{5,14}"  # abroad
)
_MOBILE_WITH_DASHES: Final = re.compile(r"1[3-9]\d-\d{4}-\d{4}")


class NotAPhone(ValueError):
    """Nobody could be called at this."""


def receiver(written: str) -> str:
    """A receiver's number as it goes on the parcel: a mobile, a landline, a 400 number.

    Raises: NotAPhone.
    """
    number = _NOISE.sub("", written.translate(_DASHES))
    number = re.sub(r"^(?:\+|00)86-?", "", number)
    if _MOBILE_WITH_DASHES.fullmatch(number):
        number = number.replace("-", "")
    if not number.isascii() or not _RECEIVERS.fullmatch(number):
        raise NotAPhone
    return number


def masked(number: str | None) -> str:
    """A number its owner recognises and nobody else can call: 138****0001."""
    if not number:
        return ""
    if len(number) < 8:
        return "****"
    return f"{number[:3]}****{number[-4:]}"
