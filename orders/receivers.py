"""Who received an order whose customer has erased their account: locked, and one day scrubbed."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.db import connection

# 电子商务法第三十一条, from memory and unchecked: a trade's records are kept for three years.
KEPT_YEARS: Final = 3

# The openid goes at once: no order needs it any more.
_LOCK_SQL: Final = """
WITH known AS (
    UPDATE orders_purchase SET payer_openid = ''
    WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND payer_openid <> ''
)
UPDATE orders_order
SET scrub_receiver_at =
    coalesce(completed_at, closed_at, created_at) + make_interval(years => %(years)s)
WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND scrub_receiver_at IS NULL
  AND receiver <> ''
"""
_SCRUB_SQL: Final = """
UPDATE orders_order
SET receiver = '', receiver_phone = '', receiver_region = '', receiver_detail = '', remark = '',
    scrub_receiver_at = NULL
WHERE id IN (
    SELECT id FROM orders_order WHERE scrub_receiver_at <= %(at)s
    ORDER BY scrub_receiver_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""


def lock(merchant: int, customer: int) -> None:
    """From here on only the owner sees who received this customer's orders, each look being logged.

    Locks: the customer's orders.
    """
    values: dict[str, Any] = {"merchant": merchant, "customer": customer, "years": KEPT_YEARS}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_SQL, values)


def scrub(*, at: dt.datetime, limit: int) -> int:
    """Forget the receivers whose time is over; how many. Run again, it finds none."""
    values: dict[str, Any] = {"at": at, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_SCRUB_SQL, values)
        return int(cursor.rowcount)
