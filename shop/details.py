"""One product with everything its page shows: the spec matrix, prices, counts, where it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import IntegrityError, connection
from django.utils import timezone

from backend.errors import NotFound
from shop.cart import MAX_QUANTITY
from shop.catalogue import picture_url
from shop.models import Customer

STORES_SHOWN: Final = 100

_PRODUCT_SQL: Final = """
SELECT p.name, p.subtitle, p.brand, p.unit, p.pictures, p.description, p.params, p.specs, p.tags,
       p.sold, p.no_reason_return, p.no_return_ground, p.sale_starts_at, p.sale_ends_at,
       p.on_sale AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= %(at)s)
           AND (p.sale_ends_at IS NULL OR p.sale_ends_at > %(at)s),
       array_remove(ARRAY[above.parent_id, c.parent_id, c.id], NULL),
       EXISTS (SELECT 1 FROM shop_favourite f WHERE f.merchant_id = %(merchant)s
               AND f.customer_id = %(customer)s AND f.product_id = p.id),
       (SELECT s.name FROM shop_store s
        WHERE s.id = %(store)s AND s.merchant_id = %(merchant)s AND s.is_active),
       {stores}
FROM shop_product p
LEFT JOIN shop_category c ON c.id = p.category_id
LEFT JOIN shop_category above ON above.id = c.parent_id
WHERE p.id = %(product)s AND p.merchant_id = %(merchant)s
"""

# Seen and read in one statement.
_SEEN_SQL: Final = """
WITH seen AS (
    INSERT INTO shop_recentview (merchant_id, customer_id, product_id, at)
    SELECT %(merchant)s, %(customer)s, p.id, %(at)s
    FROM shop_product p WHERE p.id = %(product)s AND p.merchant_id = %(merchant)s
    ON CONFLICT (merchant_id, customer_id, product_id) DO UPDATE SET at = excluded.at
)
{then}"""

# The price is the one of the store that an order would come from: the one asked for, else the first
# that has any, as `orders.basket` chooses it. What is there is the largest count of one store.
_SKUS_SQL: Final = """
SELECT k.id, k.code, k.spec_values, k.picture, k.weight_g, k.market_price_fen,
       coalesce(st.price, k.price_fen), coalesce(st.available, 0), coalesce(st.unlimited, false),
       %(store)s::bigint IS NULL OR coalesce(st.carried, false)
FROM shop_sku k
LEFT JOIN LATERAL (
    SELECT (array_agg(o.price_fen ORDER BY o.can DESC, NOT o.is_default, o.sort, o.id))[1] AS price,
           max(o.available) FILTER (WHERE o.can AND NOT o.unlimited) AS available,
           bool_or(o.can AND o.unlimited) AS unlimited, bool_or(o.on_sale) AS carried
    FROM (
        SELECT st.price_fen, st.available, st.unlimited, st.on_sale, s.is_default, s.sort, s.id,
               st.on_sale AND NOT s.paused AND (st.unlimited OR st.available > 0) AS can
        FROM shop_stock st JOIN shop_store s ON s.id = st.store_id AND s.is_active
        WHERE st.merchant_id = %(merchant)s AND st.sku_id = k.id
          AND (%(store)s::bigint IS NULL OR st.store_id = %(store)s)
    ) o
) st ON true
WHERE k.product_id = %(product)s AND k.merchant_id = %(merchant)s AND k.on_sale
ORDER BY k.sort, k.id
"""

_STORES_SQL: Final = """
ARRAY(SELECT jsonb_build_object('id', s.id, 'name', s.name, 'phone', s.phone,
             'address', concat(s.province, s.city, s.district, s.detail))
      FROM shop_store s
      WHERE s.merchant_id = %(merchant)s AND s.is_active AND NOT s.paused AND EXISTS (
          SELECT 1 FROM shop_sku k JOIN shop_stock st ON st.sku_id = k.id
          WHERE k.product_id = p.id AND k.on_sale AND st.merchant_id = %(merchant)s
            AND st.store_id = s.id AND st.on_sale AND (st.unlimited OR st.available > 0))
      ORDER BY NOT s.is_default, s.sort, s.id
      LIMIT %(limit)s)"""


def detail(
    merchant: int,
    product: int,
    *,
    store: int | None = None,
    customer: Customer | None = None,
    with_stores: bool = False,
) -> dict[str, Any]:
    """A product for its page, and that the customer has seen it: two queries.

    One that is off sale is shown with `for_sale` false, for favourites and old links lead here.

    Raises: NotFound for a product or store that isn't this merchant's.
    """
    values: dict[str, Any] = {
        "merchant": merchant,
        "product": product,
        "store": store,
        "customer": customer.pk if customer else None,
        "at": timezone.now(),
        "limit": STORES_SHOWN,
    }
    sql = _PRODUCT_SQL.format(stores=_STORES_SQL if with_stores else "NULL")
    facts = _read(_SEEN_SQL.format(then=sql) if customer is not None else sql, values)
    if facts is None or (store is not None and facts[-2] is None):
        raise NotFound(f"product {product} at store {store}")
    (name, subtitle, brand, unit, pictures, description, params, specs, tags, sold,
     returnable, ground, starts_at, ends_at, on_sale, categories, is_favourite,
     store_name, stores) = facts  # fmt: skip
    shown_specs = _specs(json.loads(specs))
    with connection.cursor() as db:
        db.execute(_SKUS_SQL, values)
        rows = db.fetchall()
    skus = [_sku([spec["name"] for spec in shown_specs], row) for row in rows]
    offered = [sku for sku, row in zip(skus, rows, strict=True) if row[-1]]
    cheapest = min(offered, key=lambda sku: (sku["price_fen"], sku["id"]), default=None)
    answer = {
        "id": product,
        "name": name,
        "subtitle": subtitle,
        "brand": brand,
        "unit": unit,
        "picture": picture_url(pictures[0]) if pictures else "",
        "pictures": [picture_url(picture) for picture in pictures],
        "description": description,
        "params": json.loads(params),
        "categories": categories,
        "tags": tags,
        "price_fen": cheapest["price_fen"] if cheapest else 0,
        "price_max_fen": max((sku["price_fen"] for sku in offered), default=0),
        "market_price_fen": cheapest["market_price_fen"] if cheapest else None,
        "sold": sold,
        "for_sale": bool(on_sale and offered),
        "sold_out": not any(sku["available"] for sku in offered),
        "sale_starts_at": starts_at,
        "sale_ends_at": ends_at,
        "max_quantity": MAX_QUANTITY,
        "no_reason_return": returnable,
        "no_return_ground": ground,
        "is_favourite": is_favourite,
        "store": {"id": store, "name": store_name} if store is not None else None,
        "specs": shown_specs,
        "skus": skus,
    }
    if with_stores:
        answer["stores"] = [json.loads(one) for one in stores]
    return answer


def _read(sql: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    try:
        with connection.cursor() as db:
            db.execute(sql, values)
            row: tuple[Any, ...] | None = db.fetchone()
            return row
    except IntegrityError:  # it was deleted this moment
        return None


def _specs(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec["name"],
            "values": [
                {"value": value["value"], "picture": picture_url(value.get("picture", ""))}
                for value in spec["values"]
            ],
        }
        for spec in specs
    ]


def _sku(names: Sequence[str], row: tuple[Any, ...]) -> dict[str, Any]:
    pk, code, values, picture, weight, market, price, available, unlimited, carried = row
    count = MAX_QUANTITY if unlimited else available
    return {
        "id": pk,
        "code": code,
        "spec_values": [
            {"name": name, "value": value} for name, value in zip(names, values, strict=False)
        ],
        "price_fen": price,
        "market_price_fen": market if market is not None and market > price else None,
        "available": max(count, available) if carried else 0,
        "unlimited": unlimited,
        "picture": picture_url(picture),
        "weight_g": weight,
    }
