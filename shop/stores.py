"""A merchant's stores, nearest first where the shopper says where they are.

The coordinates are used for this answer and kept nowhere.
"""

from __future__ import annotations

import json
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from backend.api import PAGE_SIZE, decode_cursor, encode_cursor
from backend.errors import BadCursor, NotFound
from shop.models import Store

# Metres on a sphere of the earth's mean radius; `least` keeps a rounded 1 from being more.
_STORES_SQL: Final = """
SELECT s.id, place.first, place.second, s.name, s.phone, s.province, s.city, s.district, s.detail,
       s.latitude, s.longitude, s.is_default, s.paused, s.hours, s.holidays, place.metres
FROM shop_store s
CROSS JOIN LATERAL (
    SELECT CASE WHEN %(near)s AND s.latitude IS NOT NULL AND s.longitude IS NOT NULL THEN
        round(12742017.6 * asin(sqrt(least(1,
            sin(radians((s.latitude - %(lat)s) / 2)::float8) ^ 2
            + cos(radians(s.latitude)::float8) * cos(radians(%(lat)s::float8))
            * sin(radians((s.longitude - %(lng)s) / 2)::float8) ^ 2))))::bigint END AS metres
) distance
CROSS JOIN LATERAL (
    SELECT distance.metres,
           CASE WHEN %(near)s THEN coalesce(distance.metres, 99999999)
                ELSE (NOT s.is_default)::int END AS first,
           CASE WHEN %(near)s THEN 0 ELSE s.sort END AS second
) place
WHERE s.merchant_id = %(merchant)s AND s.is_active
  AND (%(store)s::bigint IS NULL OR s.id = %(store)s)
  AND (%(after)s::bigint IS NULL OR
       (place.first, place.second, s.id) > (%(after)s, %(second)s, %(id)s))
ORDER BY place.first, place.second, s.id
LIMIT %(limit)s
"""


def page(
    merchant: int, cursor: str | None, *, near: tuple[float, float] | None = None
) -> dict[str, Any]:
    """A page of stores, with what is open now: by distance, else the default store first.

    Raises: BadCursor.
    """
    order = "near" if near else "shop"
    after: list[Any] = [None, 0, 0]
    if cursor:
        marked, *after = decode_cursor(cursor, str, int, int, int)
        if marked != order:
            raise BadCursor(f"{marked} for {order}")
    rows = _read(merchant, near, after=after)
    last = rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None
    return {
        "results": [_shape(row) for row in rows[:PAGE_SIZE]],
        "next": encode_cursor([order, last[1], last[2], last[0]]) if last else None,
    }


def one(merchant: int, pk: int) -> dict[str, Any]:
    """One store.

    Raises: NotFound.
    """
    rows = _read(merchant, None, store=pk)
    if not rows:
        raise NotFound(f"store {pk}")
    return _shape(rows[0])


def _read(
    merchant: int,
    near: tuple[float, float] | None,
    *,
    after: list[Any] | None = None,
    store: int | None = None,
) -> list[tuple[Any, ...]]:
    first, second, pk = after or (None, 0, 0)
    with connection.cursor() as db:
        db.execute(
            _STORES_SQL,
            {
                "merchant": merchant,
                "near": near is not None,
                "lat": near[0] if near else None,
                "lng": near[1] if near else None,
                "store": store,
                "after": first,
                "second": second,
                "id": pk,
                "limit": PAGE_SIZE + 1,
            },
        )
        rows: list[tuple[Any, ...]] = db.fetchall()
        return rows


def _shape(row: tuple[Any, ...]) -> dict[str, Any]:
    (pk, _first, _second, name, phone, province, city, district, street,
     latitude, longitude, is_default, paused, hours, holidays, metres) = row  # fmt: skip
    times, closed = json.loads(hours), json.loads(holidays)
    store = Store(paused=paused, hours=times, holidays=closed)
    return {
        "id": pk,
        "name": name,
        "phone": phone,
        "province": province,
        "city": city,
        "district": district,
        "detail": street,
        "latitude": latitude,
        "longitude": longitude,
        "distance_m": metres,
        "is_default": is_default,
        "open_now": store.is_open(timezone.localtime()),
        "paused": paused,
        "hours": times,
        "holidays": closed,
    }
