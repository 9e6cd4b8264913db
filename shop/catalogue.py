"""The catalogue as shoppers see it: addresses of pictures, categories, what products keep ready.

Lists of products are in `shop.lists`, one product is in `shop.details`, words are in `shop.search`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

import nh3
from django.conf import settings
from django.db import connection, transaction

from backend.errors import NotFound
from shop import search
from shop.models import Store

_BATCH: Final = 500


def picture_url(path: str) -> str:
    """The whole address of a picture; one that is whole already is kept, none stays none."""
    if not path or path.startswith(("http://", "https://")):
        return path
    media: str = settings.MEDIA_URL
    address = media + quote(path.removeprefix(media).lstrip("/"))
    return address if address.startswith("http") else settings.PUBLIC_BASE_URL + address


def clean_html(text: str) -> str:
    """A description without anything that runs, loads or leads elsewhere unseen."""
    return nh3.clean(text, url_schemes={"http", "https"}).strip()


def store_of(merchant: int, pk: int) -> Store:
    """A store of this merchant's that is in use.

    Raises: NotFound.
    """
    store = Store.objects.filter(merchant_id=merchant, pk=pk, is_active=True).first()
    if store is None:
        raise NotFound(f"store {pk}")
    return store


# With a store: those with something on sale there, and the ones above them.
_CATEGORIES_SQL: Final = """
SELECT c.id, c.parent_id, c.name, c.picture,
       %(store)s::bigint IS NULL OR EXISTS (
           SELECT 1 FROM shop_product p
           JOIN shop_sku k ON k.product_id = p.id AND k.on_sale
           JOIN shop_stock st ON st.sku_id = k.id AND st.store_id = %(store)s AND st.on_sale
           WHERE p.category_id = c.id AND p.merchant_id = %(merchant)s AND p.on_sale)
FROM shop_category c
WHERE c.merchant_id = %(merchant)s AND c.is_active
ORDER BY c.sort, c.id
"""


def categories(merchant: int, store: int | None = None) -> list[dict[str, Any]]:
    """The tree of categories that are shown; a hidden one hides what is below it.

    Raises: NotFound for a store that isn't this merchant's.
    """
    if store is not None:
        store_of(merchant, store)
    with connection.cursor() as cursor:
        cursor.execute(_CATEGORIES_SQL, {"merchant": merchant, "store": store})
        rows = cursor.fetchall()
    below: dict[int | None, list[tuple[Any, ...]]] = {}
    for row in rows:
        below.setdefault(row[1], []).append(row)

    def branch(parent: int | None) -> list[dict[str, Any]]:
        found = []
        for pk, _parent, name, picture, filled in below.get(parent, []):
            children = branch(pk)
            if filled or children:
                shape = {"id": pk, "name": name, "picture": picture_url(picture)}
                found.append({**shape, "children": children})
        return found

    return branch(None)


_CATEGORIES_OF_SQL: Final = """
SELECT p.id, array_remove(ARRAY[c.id, c.parent_id, up.parent_id], NULL)
FROM shop_product p
JOIN shop_category c ON c.id = p.category_id
LEFT JOIN shop_category up ON up.id = c.parent_id
WHERE p.merchant_id = %(merchant)s AND p.id = ANY(%(products)s)
"""


def categories_of(merchant: int, products: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """By product: its category and the ones above it; a product without one is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_CATEGORIES_OF_SQL, {"merchant": merchant, "products": list(products)})
        return {product: tuple(path) for product, path in cursor.fetchall()}


# The price is the one of the store that an order without a store would try first.
_FACTS_SQL: Final = """
SELECT p.id, p.merchant_id, p.code, p.name, p.subtitle, p.brand, p.keywords, p.tags,
       p.params, p.specs, p.description, price.least, price.most, price.market, price.codes
FROM shop_product p
LEFT JOIN LATERAL (
    SELECT min(o.price) FILTER (WHERE k.on_sale) AS least,
           max(o.price) FILTER (WHERE k.on_sale) AS most,
           (array_agg(CASE WHEN k.market_price_fen > o.price THEN k.market_price_fen END
                      ORDER BY o.price, k.id) FILTER (WHERE k.on_sale))[1] AS market,
           array_agg(k.code || ' ' || k.barcode ORDER BY k.id) AS codes
    FROM shop_sku k
    LEFT JOIN LATERAL (
        SELECT coalesce((
            SELECT st.price_fen FROM shop_stock st JOIN shop_store s ON s.id = st.store_id
            WHERE st.sku_id = k.id AND st.on_sale AND s.is_active
            ORDER BY NOT s.is_default, s.sort, s.id LIMIT 1), k.price_fen) AS price
    ) o ON true
    WHERE k.product_id = p.id
) price ON true
WHERE p.id = ANY(%(products)s)
"""

_REFRESH_SQL: Final = """
UPDATE shop_product p
SET price_min_fen = v.least, price_max_fen = v.most, market_price_fen = v.market,
    search = v.search::tsvector
FROM unnest(%(products)s::bigint[], %(least)s::bigint[], %(most)s::bigint[], %(market)s::bigint[],
            %(search)s::text[]) AS v(id, least, most, market, search)
WHERE p.id = v.id
  AND (p.price_min_fen, p.price_max_fen, p.market_price_fen, p.search)
      IS DISTINCT FROM (v.least, v.most, v.market, v.search::tsvector)
"""


def refresh(product_ids: Iterable[int]) -> int:
    """Price range, market price and search vector agree with the texts and skus; how many changed.

    To be called after every change of a product, its skus, or a price at a store, in the same
    transaction. Products without a sku on sale cost 0 and are to be found all the same.

    Locks: the products, by id.
    """
    wanted = sorted(set(product_ids))
    changed = 0
    for start in range(0, len(wanted), _BATCH):
        changed += _refresh(wanted[start : start + _BATCH])
    return changed


def _refresh(products: list[int]) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM shop_product WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE",
            [products],
        )
        cursor.execute(_FACTS_SQL, {"products": products})
        found: dict[str, list[Any]] = {
            name: [] for name in ("products", "least", "most", "market", "search")
        }
        for row in cursor.fetchall():
            (pk, merchant, code, name, subtitle, brand, keywords, tags,
             params, specs, description, least, most, market, codes) = row  # fmt: skip
            texts = search.Texts(
                name=name,
                keywords=[keywords, subtitle, brand],
                facts=[*_param_texts(params), *_spec_texts(specs), code, *(codes or [])],
                description=description,
                tags=tags,
            )
            found["products"].append(pk)
            found["least"].append(least or 0)
            found["most"].append(most or 0)
            found["market"].append(market)
            found["search"].append(search.vector(merchant, texts))
        cursor.execute(_REFRESH_SQL, found)
        changed: int = cursor.rowcount
        return changed


def _param_texts(params: str) -> list[str]:
    return [f"{param.get('name', '')} {param.get('value', '')}" for param in json.loads(params)]


def _spec_texts(specs: str) -> list[str]:
    values = (value for spec in json.loads(specs) for value in spec.get("values", []))
    return [str(value.get("value", "")) for value in values]
