"""What the clock clears away. Each finds its rows by a time, and a second run finds none."""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task
from django.db import connection
from django.utils import timezone

from backend import metrics
from shop import uploads

_BATCH: Final = 5000

# Rows another sweep has in hand are skipped, so that two at once share the work.
_SIGN_INS_SQL: Final = """
DELETE FROM shop_signin WHERE id IN (
    SELECT id FROM shop_signin WHERE expires_at < %(at)s
    ORDER BY expires_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""
_CART_LINES_SQL: Final = """
DELETE FROM shop_cartline WHERE id IN (
    SELECT c.id FROM shop_cartline c JOIN shop_merchant m ON m.id = c.merchant_id
    WHERE c.touched_at < %(at)s - make_interval(days => m.cart_days)
      AND c.touched_at < %(at)s - interval '7 days'  -- no merchant keeps them for less
    LIMIT %(batch)s FOR UPDATE OF c SKIP LOCKED)
"""
# Staff who signed in at the desk; Django never clears its own table.
_SESSIONS_SQL: Final = """
DELETE FROM django_session WHERE session_key IN (
    SELECT session_key FROM django_session WHERE expire_date < %(at)s
    ORDER BY expire_date LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""
# A key is for the repeat of a request, which comes within minutes.
_CART_ADDITIONS_SQL: Final = """
DELETE FROM shop_cartaddition WHERE id IN (
    SELECT id FROM shop_cartaddition WHERE at < %(at)s - interval '7 days'
    ORDER BY at LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""

# What somebody looked at last quarter is no longer "recently seen".
_VIEWS_SQL: Final = """
DELETE FROM shop_recentview WHERE id IN (
    SELECT id FROM shop_recentview WHERE at < %(at)s - interval '90 days'
    ORDER BY at LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
"""


def _sweep(name: str, sql: str, batch: int) -> int:
    """Delete in batches, each its own transaction, until one comes up short. The number gone."""
    gone = 0
    parameters: dict[str, Any] = {"at": timezone.now(), "batch": batch}
    while True:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            found = int(cursor.rowcount)
        gone += found
        if found < batch:
            metrics.sweep(name, gone)
            return gone


@shared_task
def delete_expired_sign_ins(batch: int = _BATCH) -> int:
    """Sign-ins that ran out are gone."""
    return _sweep("expired_sign_ins", _SIGN_INS_SQL, batch)


@shared_task
def delete_expired_sessions(batch: int = _BATCH) -> int:
    """Sessions of the desk that ran out are gone."""
    return _sweep("expired_sessions", _SESSIONS_SQL, batch)


@shared_task
def delete_stale_carts(batch: int = _BATCH) -> int:
    """Cart lines nobody touched for as long as their merchant keeps carts are gone."""
    return _sweep("stale_carts", _CART_LINES_SQL, batch)


@shared_task
def delete_old_cart_additions(batch: int = _BATCH) -> int:
    """Idempotency keys of additions to carts, a week old, are gone."""
    return _sweep("old_cart_additions", _CART_ADDITIONS_SQL, batch)


@shared_task
def delete_old_views(batch: int = _BATCH) -> int:
    """What was looked at long ago is forgotten."""
    return _sweep("old_views", _VIEWS_SQL, batch)


@shared_task
def delete_unused_uploads() -> int:
    """Pictures that were sent in and never used are gone, file and row."""
    gone = uploads.delete_unused(before=timezone.now() - uploads.UNUSED_LIFE)
    metrics.sweep("unused_uploads", gone)
    return gone
