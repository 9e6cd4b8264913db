"""Time as WeChat writes it: Beijing, whatever the machine thinks."""

import time
from datetime import datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))


def now() -> float:
    """Seconds since the epoch."""
    return time.time()


def digits(at: float) -> str:
    """`20260131235959`, as in time_end and time_expire."""
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y%m%d%H%M%S")


def spoken(at: float) -> str:
    """`2026-01-31 23:59:59`, as in success_time of a refund."""
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def iso(at: float) -> str:
    """ISO 8601 with offset, as the books write it."""
    return datetime.fromtimestamp(at, BEIJING).isoformat(timespec="milliseconds")


def from_digits(text: str) -> float:
    """The moment `20260131235959` names.

    Raises: ValueError when it names none.
    """
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
