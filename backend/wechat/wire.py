"""WeChat Pay's API v2 on the wire: its XML, its signature, its clock, the text it can carry."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import xmltodict
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

BEIJING = ZoneInfo("Asia/Shanghai")
LARGEST_MESSAGE = 64 * 1024
_AMOUNT = re.compile(r"[0-9]{1,15}")


class Unreadable(Exception):
    """Not one flat XML message: another root, a field twice, nested fields, entities, HTML."""


def read(message: bytes | str, *, root: str = "xml") -> dict[str, str]:
    """The fields of a message by name, exactly as written, whitespace included.

    Raises: Unreadable for anything that is not one flat message, so that what was signed and what
    is read can't differ (a field given twice would be a list here, and one of the two elsewhere).
    """
    if len(message) > LARGEST_MESSAGE:
        raise Unreadable("longer than any message of WeChat's")
    try:
        document: Any = xmltodict.parse(message, strip_whitespace=False, disable_entities=True)
    except Exception as error:  # expat's own, ValueError for entities, codec errors, and more
        raise Unreadable(type(error).__name__) from None
    fields = document.get(root) if isinstance(document, dict) else None
    if not isinstance(fields, dict):
        raise Unreadable(f"no fields in <{root}>")
    if (fields.pop("#text", None) or "").strip():
        raise Unreadable("text between the fields")
    read_fields: dict[str, str] = {}
    for name, value in fields.items():
        if name.startswith("@") or not (value is None or isinstance(value, str)):
            raise Unreadable(f"{name} is not one plain field")
        read_fields[name] = value or ""
    return read_fields


def signature_fits(fields: Mapping[str, str], api_key: str) -> bool:
    """Whether `sign` is what we would write over the other fields: 32 characters are MD5, 64 HMAC.

    The length decides, because a notification follows its order's algorithm and often does not
    name it. Source: 签名算法 (API v2).
    """
    given = fields.get("sign", "")
    signed = {name: value for name, value in fields.items() if name != "sign"}
    if len(given) == 32:
        ours = calculate_signature(signed, api_key)
    elif len(given) == 64:
        ours = calculate_signature_hmac(signed, api_key)
    else:
        return False
    return hmac.compare_digest(given.encode(), ours.encode())


def amount(fields: Mapping[str, str], name: str) -> int:
    """A field of fen.

    Raises: Unreadable when it is not a plain whole number.
    """
    text = fields.get(name, "")
    if not _AMOUNT.fullmatch(text):
        raise Unreadable(f"{name} is not an amount")
    return int(text)


def text(fields: Mapping[str, str], name: str) -> str:
    """A field that must be there.

    Raises: Unreadable when it is absent or empty.
    """
    if not fields.get(name):
        raise Unreadable(f"{name} is missing")
    return fields[name]


def moment(written: str) -> datetime:
    """A time of WeChat's (20260101080910 or 2026-01-01 08:09:10, Beijing) as an aware UTC time.

    Raises: Unreadable when it is neither.
    """
    digits = re.sub(r"[^0-9]", "", written)
    if len(digits) != 14:
        raise Unreadable("not a time")
    try:
        local = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        raise Unreadable("not a time") from None
    return local.astimezone(UTC)


def in_beijing(at: datetime) -> datetime:
    """The same moment on Beijing's clock: wechatpy writes down whatever clock it is given.

    Raises: ValueError for a naive time.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError("a naive time names no moment")
    return at.astimezone(BEIJING)


def plain(words: str, *, at_most: int) -> str:
    """Text that can't break out of its XML field and comes back as it was sent, in so many bytes.

    No `]]>` (wechatpy does not escape it), no control or unpaired characters, no whitespace at the
    ends (their parsers drop it, and then the signature differs).
    """
    words = "".join(" " if c in "\t\r\n" else c for c in words)
    words = "".join(c for c in words if unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    while "]]>" in words:
        words = words.replace("]]>", "")
    return words.strip().encode()[:at_most].decode(errors="ignore").strip()
