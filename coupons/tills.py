"""Tills that redeem by themselves: each request is signed, fresh, and believed once.

A till signs `method`, `path`, `timestamp` (seconds), `nonce` and the SHA-256 of the body in hex,
joined by line feeds, with HMAC-SHA256 and its secret; the hex digest goes into the headers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from typing import Final, cast

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.errors import DomainError
from coupons.models import Till, TillNonce
from shop.models import Store

FRESH_FOR: Final = dt.timedelta(minutes=5)
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class NotSigned(DomainError):
    """One answer for everything that is wrong with a signature: a guesser learns nothing."""

    code = "bad_signature"
    status = 401
    message = _("The request is not signed as a till of ours signs.")


class Stale(DomainError):
    """Only said of what was signed well."""

    code = "stale_request"
    status = 401
    message = _("The request is too old or was sent before. Sign it anew; check the till's clock.")


def equip(till: Till) -> str:
    """Give a new till its key and its secret, which is shown this once. Callers save it."""
    secret = secrets.token_hex(32)
    till.key, till.secret = f"till_{secrets.token_hex(8)}", secret
    return secret


def signature(secret: str, method: str, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """What a till sends as X-Till-Signature."""
    said = "\n".join([method, path, timestamp, nonce, hashlib.sha256(body).hexdigest()])
    return hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()


_TILL_SQL: Final = """
SELECT {t}, {s} FROM coupons_till t JOIN shop_store s ON s.id = t.store_id
JOIN shop_merchant m ON m.id = t.merchant_id
WHERE t.key = %s AND t.is_active AND s.is_active AND m.is_active
"""


def _till(key: str) -> Till | None:
    for till, store in rows.read(_TILL_SQL, [key], t=Till, s=Store):
        till.store = store
        return cast("Till", till)
    return None


def verify(
    *, key: str, timestamp: str, nonce: str, signed: str, method: str, path: str, body: bytes
) -> Till:
    """The till that signed this request, which is now used up.

    Raises: NotSigned, Stale.
    """
    till = _till(key) if key.isascii() and "\x00" not in key else None
    # The same work for a key nobody has, so that its time says nothing.
    secret = str(till.secret) if till is not None else "no such till"
    expected = signature(secret, method, path, timestamp, nonce, body)
    if not signed.isascii() or not hmac.compare_digest(expected, signed.lower()) or till is None:
        raise NotSigned
    if not re.fullmatch(r"\d{1,12}", timestamp, re.ASCII) or not _NONCE.fullmatch(nonce):
        raise NotSigned
    at = timezone.now()
    if abs(at.timestamp() - int(timestamp)) > FRESH_FOR.total_seconds():
        raise Stale
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO coupons_tillnonce (till_id, nonce, at) VALUES (%s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [till.pk, nonce, at],
        )
        if not cursor.rowcount:
            raise Stale
    return till


def forget_nonces(at: dt.datetime) -> int:
    """Delete those with which no request could be believed any more. How many there were."""
    # A clock may be ahead by as much as a request may be old.
    count, _each = TillNonce.objects.filter(at__lt=at - 3 * FRESH_FOR).delete()
    return count
