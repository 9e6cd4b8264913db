"""The facts behind a basket: which sku, from which store, at what price, and what is against it.

Everything is read from the server's own rows in one query; a client says sku, quantity and store.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.db import connection

from backend.money import Fen
from orders.models import MAX_QUANTITY
from orders.quotes import Offered, Problem, Wish


@dataclass(frozen=True)
class Item:
    """What a client asks for."""

    sku: int
    quantity: int
    store: int | None = None
    source: Mapping[str, str] = field(default_factory=dict)


# One row for each sku and store that carries it, for sale or not, in the order stores are tried.
_OFFERS_SQL: Final = """
SELECT st.id, k.id, k.code, p.id, s.id, s.name, s.phone, p.name,
       coalesce(nullif(k.picture, ''), p.pictures[1], ''),
       p.specs, k.spec_values,
       coalesce(k.market_price_fen, k.price_fen), coalesce(st.price_fen, k.price_fen),
       CASE WHEN st.unlimited THEN NULL ELSE st.available END,
       st.on_sale AND k.on_sale AND p.on_sale
           AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= %(at)s)
           AND (p.sale_ends_at IS NULL OR p.sale_ends_at > %(at)s),
       NOT s.paused, k.weight_g, p.no_reason_return, p.no_return_ground
FROM shop_stock st
JOIN shop_sku k ON k.id = st.sku_id
JOIN shop_product p ON p.id = k.product_id
JOIN shop_store s ON s.id = st.store_id AND s.is_active
WHERE st.merchant_id = %(merchant)s AND st.sku_id = ANY(%(skus)s)
ORDER BY NOT s.is_default, s.sort, s.id
"""


def offers(merchant: int, skus: Iterable[int], at: dt.datetime) -> dict[int, list[Offered]]:
    """How each sku is sold now, store by store, the default store first."""
    with connection.cursor() as cursor:
        cursor.execute(_OFFERS_SQL, {"merchant": merchant, "skus": list(skus), "at": at})
        rows = cursor.fetchall()
    found: dict[int, list[Offered]] = defaultdict(list)
    for row in rows:
        (
            stock,
            sku,
            code,
            product,
            store,
            store_name,
            store_phone,
            name,
            picture,
            specs,
            values,
            list_price,
            price,
            available,
            for_sale,
            store_open,
            weight,
            returnable,
            ground,
        ) = row
        found[sku].append(
            Offered(
                stock=stock,
                sku=sku,
                sku_code=code,
                product=product,
                store=store,
                store_name=store_name,
                store_phone=store_phone,
                name=name,
                picture=picture,
                specs=_specs(specs, values),
                list_price=Fen(list_price),
                unit_price=Fen(price),
                available=available,
                for_sale=for_sale,
                store_open=store_open,
                weight_g=weight,
                no_reason_return=returnable,
                no_return_ground=ground,
            )
        )
    return found


def _specs(specs: str, values: Sequence[str]) -> tuple[Mapping[str, str], ...]:
    names = [spec["name"] for spec in json.loads(specs)]
    return tuple({"name": name, "value": value} for name, value in zip(names, values, strict=False))


def gather(
    merchant: int, items: Iterable[Item], at: dt.datetime
) -> tuple[list[Wish], list[Problem]]:
    """The lines that can be bought, each from one store, and those that can't with the reason.

    Two items of one sku and store are one line: their sum is what has to be there.
    """
    summed = _summed(items)
    known = offers(merchant, {item.sku for item in summed}, at)
    stores = _choose_stores(summed, known)
    placed = _summed(
        replace(item, store=stores.get(item.sku, item.store)) if item.store is None else item
        for item in summed
    )
    wishes: list[Wish] = []
    problems: list[Problem] = []
    for item in placed:
        offered = next((o for o in known.get(item.sku, []) if o.store == item.store), None)
        reason = against(offered, item.quantity)
        if offered is not None and not reason:
            wishes.append(Wish(offered, item.quantity, item.source))
        else:
            available = offered.available if offered is not None else None
            problems.append(Problem(item.sku, item.store, item.quantity, reason, available))
    return wishes, problems


def against(offered: Offered | None, quantity: int) -> str:
    """Why so many of this can't be bought now; empty where they can."""
    if offered is None or not offered.for_sale:
        return "not_for_sale"
    if not offered.store_open:
        return "store_closed"
    if quantity > MAX_QUANTITY:
        return "over_limit"
    if offered.available is not None and offered.available < quantity:
        return "out_of_stock"
    return ""


def _summed(items: Iterable[Item]) -> list[Item]:
    lines: dict[tuple[int, int | None], Item] = {}
    for item in items:
        key = (item.sku, item.store)
        first = lines.get(key)
        lines[key] = (
            replace(first, quantity=first.quantity + item.quantity) if first is not None else item
        )
    return list(lines.values())


def _choose_stores(items: Sequence[Item], known: Mapping[int, Sequence[Offered]]) -> dict[int, int]:
    """A store for each sku that names none: as few stores together as we find, so that a basket
    is as few parcels as it can be.

    Stores the basket names anyway come first, then the one that can serve most of what is left,
    the default store and the stores' own order deciding between equals. That is the greedy cover,
    which for the handful of stores of a basket is the smallest one or a store more.
    """
    free = {item.sku: item.quantity for item in items if item.store is None}
    able: dict[int, list[int]] = defaultdict(list)  # store -> the skus it can serve, best first
    for sku, quantity in free.items():
        for offered in known.get(sku, []):
            if not against(offered, quantity):
                able[offered.store].append(sku)
    order = {o.store: i for i, o in enumerate(_in_store_order(known))}
    named = {item.store for item in items if item.store is not None}
    chosen: dict[int, int] = {}
    left = set(free)
    while able and left:
        best = min(able, key=lambda s: (s not in named, -len(left.intersection(able[s])), order[s]))
        served = left.intersection(able.pop(best))
        chosen.update(dict.fromkeys(served, best))
        left -= served
    for sku in left:  # nobody can: the first store that carries it says why
        if known.get(sku):
            chosen[sku] = known[sku][0].store
    return chosen


def _in_store_order(known: Mapping[int, Sequence[Offered]]) -> list[Offered]:
    """Every offer, those of the default store first as the query sorts them."""
    longest = sorted(known.values(), key=len, reverse=True)
    seen: dict[int, Offered] = {}
    for some in longest:
        for offered in some:
            seen.setdefault(offered.store, offered)
    return list(seen.values())
