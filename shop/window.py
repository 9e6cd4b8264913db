"""The shop window: banners, notices and the topmost categories, read in one query."""

from __future__ import annotations

from typing import Any, Final

from django.db import connection
from django.utils import timezone

from shop.catalogue import picture_url

_WINDOW_SQL: Final = """
SELECT kind, id, picture, text, link FROM (
    SELECT 'banners' AS kind, b.id, b.picture, b.text, b.link, b.sort, b.id AS then
    FROM shop_banner b WHERE b.merchant_id = %(merchant)s AND b.is_active
    UNION ALL
    SELECT 'notices', n.id, '', n.text, n.link, 0, -n.id
    FROM shop_notice n
    WHERE n.merchant_id = %(merchant)s AND n.is_active
      AND (n.starts_at IS NULL OR n.starts_at <= %(at)s)
      AND (n.ends_at IS NULL OR n.ends_at > %(at)s)
    UNION ALL
    SELECT 'categories', c.id, c.picture, c.name, '', c.sort, c.id
    FROM shop_category c
    WHERE c.merchant_id = %(merchant)s AND c.is_active AND c.parent_id IS NULL
) shown
ORDER BY kind, sort, "then"
"""


def window(merchant: int) -> dict[str, list[dict[str, Any]]]:
    """`banners` and `categories` as the shopkeeper sorts them, this moment's `notices`."""
    with connection.cursor() as cursor:
        cursor.execute(_WINDOW_SQL, {"merchant": merchant, "at": timezone.now()})
        rows = cursor.fetchall()
    shown: dict[str, list[dict[str, Any]]] = {"banners": [], "notices": [], "categories": []}
    for kind, pk, picture, text, link in rows:
        row = {"id": pk, "picture": picture_url(picture), "text": text, "link": link}
        if kind == "notices":
            del row["picture"]
        if kind == "categories":
            row = {"id": pk, "name": text, "picture": row["picture"]}
        shown[kind].append(row)
    return shown
