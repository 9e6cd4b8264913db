"""Some goods out of a catalogue, as terms name them: these, with what is below, but not those."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from django.db import connection


@dataclass(frozen=True)
class Goods:
    """Categories with those below, products, skus; none of the three: all. `only`: among these skus
    alone.
    """

    categories: tuple[int, ...] = ()
    products: tuple[int, ...] = ()
    skus: tuple[int, ...] = ()
    except_categories: tuple[int, ...] = ()
    except_products: tuple[int, ...] = ()
    except_skus: tuple[int, ...] = ()
    only: tuple[int, ...] = ()


_BELOW_SQL: Final = """
SELECT c.id FROM shop_category c LEFT JOIN shop_category up ON up.id = c.parent_id
WHERE c.merchant_id = %(merchant)s
  AND ARRAY[c.id, c.parent_id, up.parent_id] && %(categories)s::bigint[]
"""

# As `coupons.promotions.scope` asks of a basket. A product is among them when one of its skus is.
# Which products that can be is said besides, so that a few named ones are found by their ids, and
# nobody walks the whole catalogue.
WHERE: Final = """EXISTS (
        SELECT 1 FROM shop_sku g WHERE g.product_id = p.id AND g.on_sale
          AND g.id <> ALL(%(goods_except_skus)s::bigint[])
          AND (%(goods_all)s OR p.category_id = ANY(%(goods_categories)s::bigint[])
               OR p.id = ANY(%(goods_products)s::bigint[]) OR g.id = ANY(%(goods_skus)s::bigint[]))
          AND (%(goods_only)s::bigint[] = '{}' OR g.id = ANY(%(goods_only)s::bigint[])))
      AND (%(goods_all)s OR p.category_id = ANY(%(goods_categories)s::bigint[])
           OR p.id = ANY(%(goods_products)s::bigint[])
           OR p.id = ANY(ARRAY(SELECT g.product_id FROM shop_sku g
                               WHERE g.id = ANY(%(goods_skus)s::bigint[]))))
      AND p.id <> ALL(%(goods_except_products)s::bigint[])
      AND (p.category_id IS NULL OR p.category_id <> ALL(%(goods_except_categories)s::bigint[]))"""


def values(merchant: int, goods: Goods) -> dict[str, Any]:
    """What `WHERE` asks for."""
    found: dict[str, Any] = {f"goods_{name}": list(ids) for name, ids in asdict(goods).items()}
    found["goods_all"] = not (goods.categories or goods.products or goods.skus)
    for name in ("goods_categories", "goods_except_categories"):
        if found[name]:
            found[name] = _below(merchant, found[name])
    return found


def _below(merchant: int, categories: list[int]) -> list[int]:
    with connection.cursor() as db:
        db.execute(_BELOW_SQL, {"merchant": merchant, "categories": categories})
        return [pk for (pk,) in db.fetchall()]
