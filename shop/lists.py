"""Lists of products: by category, words, price and tag, in five orders, a page at a time.

A page first picks its rows from the index of its order, then looks at each row's skus: what the
cheapest costs, and whether any is left, at the store asked for or at the one that an order without
a store would come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from backend.api import PAGE_SIZE, decode_cursor, encode_cursor
from backend.errors import BadCursor, NotFound
from shop import goods, search
from shop.catalogue import picture_url
from shop.goods import Goods

SECTION_SIZE: Final = 20


@dataclass(frozen=True)
class Filter:
    """What a list shows, and in which order."""

    category: int | None = None
    words: str = ""
    tag: str = ""
    min_price_fen: int | None = None
    max_price_fen: int | None = None
    store: int | None = None
    goods: Goods | None = None
    sort: str = "default"


@dataclass(frozen=True)
class _Sort:
    """A column and its direction; equals by id, newest first unless prices fall."""

    key: str
    rising: bool = False
    id_rising: bool = False

    @property
    def order(self) -> str:
        return f"{self.key}{self._way(self.rising)}, p.id{self._way(self.id_rising)}"

    @property
    def order_of_page(self) -> str:
        return f"page.key{self._way(self.rising)}, page.id{self._way(self.id_rising)}"

    @property
    def after(self) -> str:
        """Rows behind the cursor; written so that the index begins there."""
        more, id_more = (">" if self.rising else "<"), (">" if self.id_rising else "<")
        if more == id_more:
            return f"({self.key}, p.id) {more} (%(key)s, %(id)s)"
        return (
            f"{self.key} {more}= %(key)s AND ({self.key} {more} %(key)s OR p.id {id_more} %(id)s)"
        )

    @staticmethod
    def _way(rising: bool) -> str:  # noqa: FBT001
        return "" if rising else " DESC"


# Words in the name come before words in what labels it, and those before words anywhere.
_RANK: Final = (
    "((CASE WHEN p.search @@ %(name)s::tsquery THEN 4000000"
    " WHEN p.search @@ %(labels)s::tsquery THEN 2000000 ELSE 0 END)"
    " + (1000000 * ts_rank(p.search, %(anywhere)s::tsquery))::bigint)"
)
SORTS: Final[dict[str, _Sort]] = {
    "default": _Sort("p.sort_weight"),
    "newest": _Sort("p.id"),
    "sales": _Sort("p.sold"),
    "price": _Sort("p.price_min_fen", rising=True),
    "-price": _Sort("p.price_min_fen", id_rising=True),
}
_BEST: Final = _Sort(_RANK)

ON_SALE: Final = """p.on_sale
      AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= %(at)s)
      AND (p.sale_ends_at IS NULL OR p.sale_ends_at > %(at)s)"""

_CATEGORY: Final = """SELECT c.id
    FROM shop_category c LEFT JOIN shop_category up ON up.id = c.parent_id
    WHERE c.merchant_id = %(merchant)s AND %(category)s IN (c.id, c.parent_id, up.parent_id)"""

# In the default order each category's few come from its own index.
_IN_CATEGORY: Final = """unnest(%(categories)s::bigint[]) c (id) CROSS JOIN LATERAL (
        SELECT * FROM shop_product p WHERE p.category_id = c.id AND {where}
        ORDER BY {order} LIMIT %(limit)s) p"""

_HERE: Final = """EXISTS (
        SELECT 1 FROM shop_sku k JOIN shop_stock st ON st.sku_id = k.id
        WHERE k.product_id = p.id AND k.on_sale AND st.on_sale
          AND st.merchant_id = %(merchant)s AND st.store_id = %(store)s)"""

_PRICED_HERE: Final = """ JOIN (
        SELECT k.product_id, min(coalesce(st.price_fen, k.price_fen)) AS price
        FROM shop_stock st JOIN shop_sku k ON k.id = st.sku_id
        WHERE st.merchant_id = %(merchant)s AND st.store_id = %(store)s
          AND st.on_sale AND k.on_sale
        GROUP BY k.product_id) here ON here.product_id = p.id"""

# What one product costs, and whether there is any: the facts an order without a store goes by.
OFFER: Final = """LEFT JOIN LATERAL (
    SELECT min(o.price) AS price, bool_or(o.can) AS can,
           (array_agg(CASE WHEN k.market_price_fen > o.price THEN k.market_price_fen END
                      ORDER BY o.price, k.id))[1] AS market
    FROM shop_sku k
    LEFT JOIN LATERAL (
        SELECT st.price_fen, st.on_sale,
               st.on_sale AND NOT s.paused AND (st.unlimited OR st.available > 0) AS can
        FROM shop_stock st JOIN shop_store s ON s.id = st.store_id AND s.is_active
        WHERE st.merchant_id = %(merchant)s AND st.sku_id = k.id
          AND (%(store)s::bigint IS NULL OR st.store_id = %(store)s)
        ORDER BY can DESC, NOT s.is_default, s.sort, s.id LIMIT 1
    ) st ON true
    CROSS JOIN LATERAL (
        SELECT coalesce(st.price_fen, k.price_fen) AS price, coalesce(st.can, false) AS can
    ) o
    WHERE k.product_id = page.id AND k.on_sale AND (%(store)s::bigint IS NULL OR st.on_sale)
) offer ON true"""

# The first table has one row, and none for a store that isn't this merchant's.
_PAGE_SQL: Final = """
WITH page AS MATERIALIZED (
    SELECT p.id, p.name, p.subtitle, p.pictures[1] AS picture, p.tags, p.sold, {key} AS key
    FROM {products}
    WHERE {where}
    ORDER BY {order}
    LIMIT %(limit)s
)
SELECT page.id, page.key, page.name, page.subtitle, page.picture, page.tags, page.sold,
       offer.price, offer.market, offer.can
FROM {shown} LEFT JOIN page ON true
{offer}
ORDER BY {order_of_page}
"""
_ANYWHERE: Final = "(VALUES (1)) shown"
_STORE: Final = """(SELECT s.id FROM shop_store s
      WHERE s.id = %(store)s AND s.merchant_id = %(merchant)s AND s.is_active) shown"""


def page(merchant: int, wanted: Filter, cursor: str | None) -> dict[str, Any]:
    """A page of products on sale now, in one query; with a category and no words, in two: knowing
    which categories they are, the planner knows how many products that is. So with goods that name
    categories.

    Raises: BadCursor, also for a cursor of another order; NotFound for a store that isn't here.
    """
    looked_for = search.query(merchant, wanted.words) if wanted.words else None
    if wanted.words and looked_for is None:
        return {"results": [], "next": None}
    best = looked_for is not None and wanted.sort == "default"
    name, sort = ("best", _BEST) if best else (wanted.sort, SORTS[wanted.sort])
    values: dict[str, Any] = {
        "merchant": merchant,
        "at": timezone.now(),
        "limit": PAGE_SIZE + 1,
        "category": wanted.category,
        "tag": search.tag(merchant, wanted.tag),
        "min": wanted.min_price_fen,
        "max": wanted.max_price_fen,
        "store": wanted.store,
    }
    if looked_for is not None:
        values |= {
            "anywhere": looked_for.anywhere,
            "labels": looked_for.labels,
            "name": looked_for.name,
        }
    if wanted.goods is not None:
        values |= goods.values(merchant, wanted.goods)
    if cursor:
        marked, key, pk = decode_cursor(cursor, str, int, int)
        if marked != name:
            raise BadCursor(f"{marked} for {name}")
        values |= {"key": key, "id": pk}
    with connection.cursor() as db:
        if wanted.category is not None and not wanted.words:
            db.execute(_CATEGORY, values)
            values["categories"] = [pk for (pk,) in db.fetchall()]
        db.execute(_page_sql(wanted, sort, continued=bool(cursor)), values)
        rows = db.fetchall()
    if not rows:
        raise NotFound(f"store {wanted.store}")
    found = [row for row in rows if row[0] is not None]
    last = found[PAGE_SIZE - 1] if len(found) > PAGE_SIZE else None
    return {
        "results": [_item(row[:1] + row[2:]) for row in found[:PAGE_SIZE]],
        "next": encode_cursor([name, last[1], last[0]]) if last is not None else None,
    }


def _page_sql(wanted: Filter, sort: _Sort, *, continued: bool) -> str:
    by_price = sort.key == "p.price_min_fen"
    limited = wanted.min_price_fen is not None or wanted.max_price_fen is not None
    priced_here = wanted.store is not None and (by_price or limited)
    price = "here.price" if priced_here else "p.price_min_fen"
    if priced_here and by_price:
        sort = _Sort(price, sort.rising, sort.id_rising)
    where = ["p.merchant_id = %(merchant)s", ON_SALE]
    if wanted.words:
        where.append("p.search @@ %(anywhere)s::tsquery")
    if wanted.tag:
        where.append("p.search @@ %(tag)s::tsquery")
    if wanted.min_price_fen is not None:
        where.append(f"{price} >= %(min)s")
    if wanted.max_price_fen is not None:
        where.append(f"{price} <= %(max)s")
    if wanted.store is not None and not priced_here:
        where.append(_HERE)
    if wanted.goods is not None:
        where.append(goods.WHERE)
    if continued:
        where.append(sort.after)
    products = "shop_product p" + (_PRICED_HERE if priced_here else "")
    if wanted.category is not None:
        if wanted.words:
            where.append(f"p.category_id IN ({_CATEGORY})")
        elif wanted.sort != "default" or wanted.tag or priced_here:
            where.append("p.category_id = ANY(%(categories)s::bigint[])")
        else:
            products = _IN_CATEGORY.format(where="\n      AND ".join(where), order=sort.order)
            where = ["true"]
    return _PAGE_SQL.format(
        key=sort.key,
        products=products,
        where="\n      AND ".join(where),
        order=sort.order,
        order_of_page=sort.order_of_page,
        shown=_ANYWHERE if wanted.store is None else _STORE,
        offer=OFFER,
    )


def _item(row: tuple[Any, ...]) -> dict[str, Any]:
    pk, name, subtitle, picture, tags, sold, price, market, can = row
    return {
        "id": pk,
        "name": name,
        "subtitle": subtitle,
        "picture": picture_url(picture or ""),
        "price_fen": price or 0,
        "market_price_fen": market,
        "tags": tags,
        "sold": sold,
        "sold_out": not can,
    }


_SECTIONS_SQL: Final = """
WITH page AS MATERIALIZED (
    SELECT s.id AS section, s.title, s.sort, p.*
    FROM shop_homesection s
    LEFT JOIN LATERAL (
        SELECT p.id, p.name, p.subtitle, p.pictures[1] AS picture, p.tags, p.sold, p.sort_weight
        FROM shop_homesection_products m JOIN shop_product p ON p.id = m.product_id
        WHERE m.homesection_id = s.id AND p.merchant_id = %(merchant)s AND {on_sale}
          AND (%(store)s::bigint IS NULL OR {here})
        ORDER BY p.sort_weight DESC, p.id DESC LIMIT %(limit)s
    ) p ON true
    WHERE s.merchant_id = %(merchant)s AND s.is_active
)
SELECT page.section, page.title, page.id, page.name, page.subtitle, page.picture, page.tags,
       page.sold, offer.price, offer.market, offer.can
FROM page
{offer}
ORDER BY page.sort, page.section, page.sort_weight DESC, page.id DESC
"""


def sections(merchant: int, store: int | None) -> list[dict[str, Any]]:
    """The featured lists of the home page, with up to twenty products each, in one query."""
    values = {"merchant": merchant, "store": store, "at": timezone.now(), "limit": SECTION_SIZE}
    with connection.cursor() as db:
        db.execute(_SECTIONS_SQL.format(on_sale=ON_SALE, here=_HERE, offer=OFFER), values)
        rows = db.fetchall()
    found: dict[int, dict[str, Any]] = {}
    for section, title, *row in rows:
        shown = found.setdefault(section, {"id": section, "title": title, "products": []})
        if row[0] is not None:
            shown["products"].append(_item(tuple(row)))
    return list(found.values())
