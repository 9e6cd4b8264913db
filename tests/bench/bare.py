"""The bare views: Django with nothing around it, SQL by hand through psycopg, the same outcome.

No middleware, no serializers, no signature on the token (it is the customer's id), no throttle; but
the same facts read, the same rows written, and an answer with the same content. This is the
ceiling that the shop is held against.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree

import django
import orjson
import psycopg
import redis
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY=secrets.token_hex(),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
    INSTALLED_APPS=[],
    USE_I18N=False,
    DATA_UPLOAD_MAX_MEMORY_SIZE=1024 * 1024,
)
django.setup()

_kept = threading.local()
_redis = redis.Redis.from_url(os.environ["REDIS_URL"])
_API_KEY: Final = os.environ["BENCH_API_KEY"]
_PICTURES: Final = os.environ["BENCH_MEDIA"]
_TILL_SECRET: Final = os.environ["BENCH_TILL_SECRET"].encode()


def db() -> psycopg.Connection[Any]:
    """This thread's connection, kept; it prepares nothing, as the shop's doesn't."""
    try:
        connection: psycopg.Connection[Any] = _kept.connection
    except AttributeError:
        connection = psycopg.connect(
            os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=None
        )
        _kept.connection = connection
    return connection


def run(sql: str, values: Any = None) -> list[tuple[Any, ...]]:
    _kept.count = getattr(_kept, "count", 0) + 1
    cursor = db().execute(sql, values)
    return cursor.fetchall() if cursor.description else []


def answer(body: Any, status: int = 200) -> HttpResponse:
    return _sent(orjson.dumps(body, default=str), "application/json", status)


def _sent(body: bytes, content_type: str, status: int) -> HttpResponse:
    """With its length, which Django's middleware would add, and how many statements it took."""
    response = HttpResponse(body, content_type=content_type, status=status)
    response["Content-Length"] = str(len(body))
    response["X-Queries"], _kept.count = str(getattr(_kept, "count", 0)), 0
    return response


def _customer(request: HttpRequest) -> tuple[Any, ...]:
    pk = request.META["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    return run(
        "SELECT c.id, c.merchant_id, m.freight_fen, m.freight_free_over_fen, m.pay_minutes"
        " FROM shop_customer c JOIN shop_merchant m ON m.id = c.merchant_id"
        " WHERE c.id = %s AND c.token_version = 0 AND c.erased_at IS NULL AND m.is_active",
        [int(pk)],
    )[0]


def _merchant(request: HttpRequest) -> int:
    rows = run(
        "SELECT m.id FROM shop_miniprogram p JOIN shop_merchant m ON m.id = p.merchant_id"
        " WHERE p.appid = %s AND p.is_active AND m.is_active",
        [request.META["HTTP_X_WX_APPID"]],
    )
    return int(rows[0][0])


def _picture(name: str) -> str:
    return _PICTURES + name if name else ""


_LIST_SQL: Final = """
SELECT p.id, p.name, p.subtitle, p.pictures[1], p.tags, p.sold, p.sort_weight,
       offer.price, offer.market, coalesce(offer.can, false)
FROM (
    SELECT * FROM shop_product p
    WHERE p.merchant_id = %(merchant)s AND p.on_sale
      AND (p.sale_starts_at IS NULL OR p.sale_starts_at <= now())
      AND (p.sale_ends_at IS NULL OR p.sale_ends_at > now())
      AND (%(weight)s::int IS NULL OR (p.sort_weight, p.id) < (%(weight)s, %(id)s))
    ORDER BY p.sort_weight DESC, p.id DESC LIMIT 21
) p
LEFT JOIN LATERAL (
    SELECT min(coalesce(st.price_fen, k.price_fen)) AS price, min(k.market_price_fen) AS market,
           bool_or(st.on_sale AND NOT s.paused AND (st.unlimited OR st.available > 0)) AS can
    FROM shop_sku k
    LEFT JOIN shop_stock st ON st.sku_id = k.id AND st.merchant_id = %(merchant)s
    LEFT JOIN shop_store s ON s.id = st.store_id AND s.is_active
    WHERE k.product_id = p.id AND k.on_sale
) offer ON true
ORDER BY p.sort_weight DESC, p.id DESC
"""


def products(request: HttpRequest) -> HttpResponse:
    merchant = _merchant(request)
    after = request.GET.get("cursor")
    weight, pk = orjson.loads(after) if after else (None, None)
    rows = run(_LIST_SQL, {"merchant": merchant, "weight": weight, "id": pk})
    names = (
        "id", "name", "subtitle", "picture", "tags", "sold", "weight", "price_fen",
        "market_price_fen", "sold_out",
    )  # fmt: skip
    results = [
        {
            **dict(zip(names, row, strict=True)),
            "picture": _picture(row[3]),
            "sold_out": not row[9],
        }
        for row in rows[:20]
    ]
    following = orjson.dumps([rows[19][6], rows[19][0]]).decode() if len(rows) > 20 else None
    return answer({"results": results, "next": following})


_PRODUCT_SQL: Final = """
SELECT p.name, p.subtitle, p.brand, p.unit, p.pictures, p.description, p.params, p.specs, p.tags,
       p.sold, p.no_reason_return, p.no_return_ground, p.sale_starts_at, p.sale_ends_at,
       p.on_sale, ARRAY[above.parent_id, c.parent_id, c.id],
       ARRAY(SELECT jsonb_build_object('id', t.id, 'name', t.name, 'kind', t.kind, 'text', t.terms)
             FROM coupons_coupontemplate t
             WHERE t.merchant_id = p.merchant_id AND t.is_published AND t.way = 'automatic'
               AND t.starts_at <= now() AND t.ends_at > now())
FROM shop_product p
LEFT JOIN shop_category c ON c.id = p.category_id
LEFT JOIN shop_category above ON above.id = c.parent_id
WHERE p.id = %(product)s AND p.merchant_id = %(merchant)s
"""
_SKUS_SQL: Final = """
SELECT k.id, k.code, k.spec_values, k.picture, k.weight_g, k.market_price_fen,
       coalesce(max(st.price_fen), k.price_fen), coalesce(max(st.available), 0),
       coalesce(bool_or(st.unlimited), false)
FROM shop_sku k
LEFT JOIN (shop_stock st JOIN shop_store s ON s.id = st.store_id AND s.is_active)
    ON st.sku_id = k.id AND st.on_sale AND NOT s.paused
WHERE k.product_id = %(product)s AND k.merchant_id = %(merchant)s AND k.on_sale
GROUP BY k.id ORDER BY k.sort, k.id
"""


def product(request: HttpRequest, pk: int) -> HttpResponse:
    values = {"product": pk, "merchant": _merchant(request)}
    (row,) = run(_PRODUCT_SQL, values)
    names = (
        "name", "subtitle", "brand", "unit", "pictures", "description", "params", "specs", "tags",
        "sold", "no_reason_return", "no_return_ground", "sale_starts_at", "sale_ends_at",
        "for_sale", "categories", "promotions",
    )  # fmt: skip
    sku_names = (
        "id", "code", "spec_values", "picture", "weight_g", "market_price_fen", "price_fen",
        "available", "unlimited",
    )  # fmt: skip
    skus = [dict(zip(sku_names, sku, strict=True)) for sku in run(_SKUS_SQL, values)]
    shown = dict(zip(names, row, strict=True))
    for sku in skus:
        pairs = zip(shown["specs"], sku["spec_values"], strict=False)
        sku["spec_values"] = [{"name": spec["name"], "value": value} for spec, value in pairs]
    return answer(
        {
            "id": pk,
            **shown,
            "pictures": [_picture(name) for name in shown["pictures"]],
            "price_fen": min(sku["price_fen"] for sku in skus),
            "price_max_fen": max(sku["price_fen"] for sku in skus),
            "sold_out": not any(sku["available"] for sku in skus),
            "skus": skus,
        }
    )


# The same limits kept, the same rows written, as in coupons/claiming.py.
_CLAIM_SQL: Final = """
WITH mine AS (
    SELECT count(*)::int AS n,
        count(*) FILTER (WHERE claimed_at >= date_trunc('day', now()))::int AS today
    FROM coupons_coupon
    WHERE merchant_id = %(merchant)s AND template_id = %(template)s AND customer_id = %(customer)s
), lot AS (
    SELECT l.id AS lot, t.*, mine.n
    FROM coupons_coupontemplate t JOIN coupons_couponlot l ON l.template_id = t.id, mine
    WHERE l.id = (
        SELECT x.id FROM coupons_couponlot x
        WHERE x.merchant_id = %(merchant)s AND x.template_id = %(template)s AND x.given < x.share
        ORDER BY (x.number + %(customer)s) %% 16 LIMIT 1)
      AND t.id = %(template)s AND t.merchant_id = %(merchant)s AND t.is_published
      AND t.way = 'claim' AND t.starts_at <= now() AND t.ends_at > now()
      AND l.given < l.share AND mine.n < t.per_customer AND t.per_store IS NULL
      AND (t.per_customer_per_day IS NULL OR mine.today < t.per_customer_per_day)
      AND (t.per_day IS NULL OR l.day IS NULL OR l.day < current_date
           OR l.given_that_day < t.per_day)
    FOR NO KEY UPDATE OF l
), counted AS (
    UPDATE coupons_couponlot l SET given = l.given + 1, day = greatest(l.day, current_date),
        given_that_day = CASE WHEN l.day >= current_date THEN l.given_that_day ELSE 0 END + 1
    FROM lot WHERE l.id = lot.lot
    RETURNING lot.id, lot.name, lot.kind, lot.terms, lot.valid_days, lot.valid_delay_days, lot.n
), claimed AS (
    INSERT INTO coupons_coupon (merchant_id, template_id, customer_id, ordinal, code, name, kind,
        terms, status, valid_from, valid_until, claimed_at, way, source)
    SELECT %(merchant)s, id, %(customer)s, n + 1, %(code)s, name, kind, terms, 'claimed',
        now() + make_interval(days => valid_delay_days),
        now() + make_interval(days => valid_delay_days + valid_days), now(), 'claim', '{}'
    FROM counted RETURNING *
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT merchant_id, id, 'claimed', '', '', claimed_at FROM claimed
)
SELECT id, template_id, name, kind, terms, code, valid_from, valid_until, claimed_at FROM claimed
"""


def claim(request: HttpRequest, pk: int) -> HttpResponse:
    customer, merchant, *_terms = _customer(request)
    rows = run(
        _CLAIM_SQL,
        {
            "merchant": merchant,
            "template": pk,
            "customer": customer,
            "code": secrets.token_hex(8),
        },
    )
    if not rows:
        return answer({"code": "sold_out"}, 409)
    names = (
        "id", "template", "name", "kind", "terms", "code", "valid_from", "valid_until",
        "claimed_at",
    )  # fmt: skip
    return answer({**dict(zip(names, rows[0], strict=True)), "status": "claimed"}, 201)


_OFFERS_SQL: Final = """
SELECT st.id, k.id, k.code, p.id, s.id, s.name, p.name, coalesce(p.pictures[1], ''), p.specs,
       k.spec_values, coalesce(k.market_price_fen, k.price_fen),
       coalesce(st.price_fen, k.price_fen), st.available, k.weight_g, p.no_reason_return
FROM shop_stock st
JOIN shop_sku k ON k.id = st.sku_id
JOIN shop_product p ON p.id = k.product_id
JOIN shop_store s ON s.id = st.store_id AND s.is_active AND NOT s.paused
WHERE st.merchant_id = %s AND st.sku_id = ANY(%s) AND st.on_sale AND k.on_sale AND p.on_sale
ORDER BY NOT s.is_default, s.sort, s.id
"""
_WALLET_SQL: Final = """
(SELECT id, name, terms FROM coupons_coupon
 WHERE merchant_id = %(merchant)s AND customer_id = %(customer)s AND status = 'claimed'
   AND valid_from <= now() AND valid_until > now()
 ORDER BY valid_until, id LIMIT 200)
UNION ALL
SELECT id, name, terms FROM coupons_coupontemplate
WHERE merchant_id = %(merchant)s AND is_published AND way = 'automatic' AND starts_at <= now()
  AND ends_at > now()
"""
_ADDRESS_SQL: Final = """
SELECT id, receiver, phone, province_code, city_code, district_code, province, city, district,
       detail FROM shop_address WHERE merchant_id = %s AND customer_id = %s AND is_default
"""
_ADDRESS: Final = (
    "id", "receiver", "phone", "province_code", "city_code", "district_code", "province", "city",
    "district", "detail",
)  # fmt: skip


def _quote(customer: tuple[Any, ...], items: list[dict[str, int]]) -> dict[str, Any]:
    pk, merchant, fee, free_over, _minutes = customer
    offers = {row[1]: row for row in run(_OFFERS_SQL, [merchant, [i["sku"] for i in items]])}
    coupons = run(_WALLET_SQL, {"merchant": merchant, "customer": pk})
    (address,) = run(_ADDRESS_SQL, [merchant, pk])
    lines = []
    for item in items:
        (stock, sku, code, product, store, store_name, name, picture, specs, values, list_price,
         price, available, weight, returnable) = offers[item["sku"]]  # fmt: skip
        lines.append(
            {
                "stock": stock, "sku": sku, "code": code, "product": product, "store": store,
                "store_name": store_name, "name": name, "picture": _picture(picture),
                "specs": [
                    {"name": spec["name"], "value": value}
                    for spec, value in zip(specs, values, strict=False)
                ],
                "list_price_fen": list_price, "unit_price_fen": price, "available": available,
                "weight_g": weight, "no_reason_return": returnable, "quantity": item["quantity"],
                "goods_fen": price * item["quantity"], "discount_fen": 0,
            }
        )  # fmt: skip
    goods = sum(line["goods_fen"] for line in lines)
    usable = [
        {"id": coupon, "name": name, "saves_fen": min(goods, terms["off_fen"])}
        for coupon, name, terms in coupons
        if goods >= terms["threshold_fen"]
    ]
    off = usable[0]["saves_fen"] if usable else 0
    left = off
    for line in lines[1:]:
        line["discount_fen"] = off * line["goods_fen"] // goods
        left -= line["discount_fen"]
    lines[0]["discount_fen"] = left
    for line in lines:
        line["payable_fen"] = line["goods_fen"] - line["discount_fen"]
    freight = 0 if free_over is not None and goods - off >= free_over else fee
    return {
        "stores": [{"store": lines[0]["store"], "name": lines[0]["store_name"], "lines": lines}],
        "goods_fen": goods,
        "freight_fen": freight,
        "discount_fen": off,
        "promotions": {"applied": [], "within_reach": []},
        "payable_fen": goods + freight - off,
        "coupons": {"usable": usable},
        "address": dict(zip(_ADDRESS, address, strict=True)),
    }


def quote(request: HttpRequest) -> HttpResponse:
    return answer(_quote(_customer(request), orjson.loads(request.body)["items"]))


# Purchase, order, lines, shares and the first event; the coupon and what it was used for; the
# shelves and their movements: one statement, and so one transaction.
_PLACE_SQL: Final = """
WITH purchase AS (
    INSERT INTO orders_purchase (merchant_id, number, customer_id, status, delivery, source,
        idempotency_key, request_hash, created_at, expires_at, close_reason, method, out_trade_no,
        transaction_id, pay_mch_id, pay_appid, payer_openid, goods_fen, freight_fen, discount_fen,
        payable_fen)
    VALUES (%(merchant)s, %(number)s, %(customer)s, 'awaiting_payment', '{"kind": "express"}', '{}',
        %(key)s, %(hash)s, now(), now() + make_interval(mins => %(minutes)s), '', '', '', '', '',
        '', '', %(goods)s, %(freight)s, %(off)s, %(payable)s)
    RETURNING id, created_at, expires_at
), placed AS (
    INSERT INTO orders_order (merchant_id, number, purchase_id, customer_id, store_id, status,
        held_for, remark, receiver, receiver_phone, receiver_region, receiver_detail, created_at,
        goods_fen, freight_fen, discount_fen, payable_fen)
    SELECT %(merchant)s, %(order)s, id, %(customer)s, %(store)s, 'awaiting_payment', '', '',
        %(receiver)s, %(phone)s, %(region)s, %(detail)s, created_at, %(goods)s, %(freight)s,
        %(off)s, %(payable)s
    FROM purchase RETURNING id
), lines AS (
    INSERT INTO orders_orderline (merchant_id, order_id, sku_id, stock_id, product_id, sku_code,
        name, picture, specs, weight_g, list_price_fen, unit_price_fen, offer_kind, quantity,
        goods_fen, discount_fen, payable_fen, no_reason_return, source)
    SELECT %(merchant)s, placed.id, l.sku, l.stock, l.product, l.code, l.name, l.picture, l.specs,
        l.weight_g, l.list_price_fen, l.unit_price_fen, '', l.quantity, l.goods_fen,
        l.discount_fen, l.payable_fen, l.no_reason_return, '{}'
    FROM placed, jsonb_to_recordset(%(lines)s::jsonb) AS l(sku bigint, stock bigint,
        product bigint, code text, name text, picture text, specs jsonb, weight_g int,
        list_price_fen bigint, unit_price_fen bigint, quantity int, goods_fen bigint,
        discount_fen bigint, payable_fen bigint, no_reason_return bool)
    RETURNING id, order_id, sku_id, discount_fen
), shares AS (
    INSERT INTO orders_reduction (merchant_id, order_id, line_id, kind, coupon_id, name, amount_fen,
        merchant_fen, store_fen)
    SELECT %(merchant)s, order_id, id, 'spend_and_save', %(coupon)s, %(coupon_name)s, discount_fen,
        discount_fen, 0
    FROM lines WHERE discount_fen > 0
), event AS (
    INSERT INTO orders_orderevent (merchant_id, order_id, event, by, note, at)
    SELECT %(merchant)s, id, 'place', 'shopper', '', now() FROM placed
), held AS (
    UPDATE coupons_coupon SET status = 'held'
    WHERE id = %(coupon)s AND merchant_id = %(merchant)s AND customer_id = %(customer)s
      AND status = 'claimed' AND valid_from <= now() AND valid_until > now()
    RETURNING id
), used AS (
    INSERT INTO coupons_couponuse (merchant_id, coupon_id, reference, saved_fen, state, at)
    SELECT %(merchant)s, id, %(number)s, %(off)s, 'held', now() FROM held
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT %(merchant)s, id, 'held', %(number)s, '', now() FROM held
), taken AS (
    UPDATE shop_stock s SET available = s.available - w.quantity, held = s.held + w.quantity
    FROM unnest(%(stocks)s::bigint[], %(quantities)s::bigint[]) AS w(id, quantity)
    WHERE s.id = w.id AND s.available >= w.quantity
    RETURNING s.id, w.quantity
), moved AS (
    INSERT INTO shop_stockmovement
        (merchant_id, stock_id, reason, reference, available_delta, held_delta, by, at)
    SELECT %(merchant)s, id, 'held', %(number)s, -quantity, quantity, '', now() FROM taken
)
SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM taken), created_at, expires_at,
       (SELECT array_agg(id) FROM lines)
FROM purchase
"""


def place(request: HttpRequest) -> HttpResponse:
    customer = _customer(request)
    pk, merchant, _fee, _free_over, minutes = customer
    body = request.body
    key = request.META["HTTP_IDEMPOTENCY_KEY"]
    asked = orjson.loads(body)
    if run(
        "SELECT id FROM orders_purchase WHERE merchant_id = %s AND customer_id = %s"
        " AND idempotency_key = %s",
        [merchant, pk, key],
    ):
        return answer({"code": "repeated"}, 200)
    quote = _quote(customer, asked["items"])
    if quote["payable_fen"] != asked["payable_fen"]:
        return answer({"code": "price_changed"}, 409)
    (store,) = quote["stores"]
    address, (best, *_others) = quote["address"], quote["coupons"]["usable"]
    number = f"{time.strftime('%y%m%d%H%M%S')}{secrets.randbelow(10**12):012d}"
    order = f"{time.strftime('%y%m%d%H%M%S')}{secrets.randbelow(10**12):012d}"
    lines = store["lines"]
    with db().transaction():
        _kept.count += 2  # BEGIN and COMMIT
        ((held, taken, created_at, expires_at, ids),) = run(
            _PLACE_SQL,
            {
                "merchant": merchant, "customer": pk, "number": number, "order": order,
                "key": key, "hash": hashlib.sha256(body).hexdigest(), "minutes": minutes,
                "goods": quote["goods_fen"], "freight": quote["freight_fen"],
                "off": quote["discount_fen"], "payable": quote["payable_fen"],
                "store": store["store"], "receiver": address["receiver"],
                "phone": address["phone"],
                "region": f"{address['province']} {address['city']} {address['district']}",
                "detail": address["detail"], "lines": orjson.dumps(lines).decode(),
                "coupon": best["id"], "coupon_name": best["name"],
                "stocks": [line["stock"] for line in lines],
                "quantities": [line["quantity"] for line in lines],
            },
        )  # fmt: skip
        if not held or taken != len(lines):
            raise RuntimeError("somebody was faster")
    shown = {
        "number": order, "status": "awaiting_payment", "created_at": created_at,
        "lines": [{"id": pk, **line} for pk, line in zip(ids, lines, strict=True)],
        "receiver": address,
    }  # fmt: skip
    return answer(
        {
            "number": number, "status": "awaiting_payment", "payable_fen": quote["payable_fen"],
            "expires_at": expires_at, "created_at": created_at, "orders": [shown],
        },
        201,
    )  # fmt: skip


def notify(request: HttpRequest, slug: str) -> HttpResponse:
    body = request.body
    fields = {field.tag: field.text or "" for field in ElementTree.fromstring(body)}  # noqa: S314
    signed = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v and k != "sign")
    ours = hashlib.md5(f"{signed}&key={_API_KEY}".encode()).hexdigest().upper()  # noqa: S324
    ((merchant,),) = run(
        "SELECT m.id FROM shop_merchant m JOIN shop_payaccount a ON a.merchant_id = m.id"
        " WHERE m.slug = %s AND a.is_active",
        [slug],
    )
    if not hmac.compare_digest(ours, fields["sign"]):
        return HttpResponse(status=400)
    new = run(
        "INSERT INTO payments_notification"
        " (merchant_id, kind, state, body, dedupe_key, reason, act_at, tries, received_at)"
        " VALUES (%s, 'payment', 'received', %s, %s, '', now(), 0, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        [merchant, body, "v2pay:" + fields["transaction_id"], datetime.now(UTC)],
    )
    if new:
        _redis.lpush("bare", str(new[0][0]))
    return _sent(b"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>", "text/xml", 200)


_PAGE_SQL: Final = """
SELECT id, template_id, name, kind, terms, status, code, valid_from, valid_until, claimed_at
FROM coupons_coupon
WHERE merchant_id = %s AND customer_id = %s AND status = 'claimed' AND valid_until > now()
ORDER BY id DESC LIMIT 21
"""


def wallet(request: HttpRequest) -> HttpResponse:
    pk, merchant, *_rest = _customer(request)
    names = (
        "id", "template", "name", "kind", "terms", "status", "code", "valid_from", "valid_until",
        "claimed_at",
    )  # fmt: skip
    rows = [dict(zip(names, row, strict=True)) for row in run(_PAGE_SQL, [merchant, pk])]
    return answer({"results": rows[:20], "next": rows[19]["id"] if len(rows) > 20 else None})


# One statement: the coupon is used by this redemption, with its use and its history.
_REDEEM_SQL: Final = """
WITH used AS (
    UPDATE coupons_coupon SET status = 'used'
    WHERE id = %(coupon)s AND merchant_id = %(merchant)s AND status = 'claimed'
      AND valid_from <= now() AND valid_until > now()
    RETURNING id, name, terms
), made AS (
    INSERT INTO coupons_redemption (merchant_id, number, coupon_id, store_id, till_id, bill_fen,
        saved_fen, request_key, request_hash, by, at, undone_by)
    SELECT %(merchant)s, %(number)s, id, %(store)s, %(till)s, %(bill)s, (terms->>'off_fen')::bigint,
        %(request)s, %(hash)s, 'till', now(), '' FROM used
    RETURNING coupon_id, saved_fen, at
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT %(merchant)s, coupon_id, 'redeemed', %(number)s, 'till', now() FROM made
), kept AS (
    INSERT INTO coupons_couponuse (merchant_id, coupon_id, reference, saved_fen, state, at)
    SELECT %(merchant)s, coupon_id, %(number)s, saved_fen, 'used', now() FROM made
)
SELECT used.name, made.saved_fen, made.at FROM used, made
"""


def till(request: HttpRequest) -> HttpResponse:
    body, meta = request.body, request.META
    ((pk, merchant, store),) = run(
        "SELECT t.id, t.merchant_id, t.store_id FROM coupons_till t"
        " JOIN shop_store s ON s.id = t.store_id WHERE t.key = %s AND t.is_active AND s.is_active",
        [meta["HTTP_X_TILL_KEY"]],
    )
    stamp, nonce = meta["HTTP_X_TILL_TIMESTAMP"], meta["HTTP_X_TILL_NONCE"]
    said = "\n".join(["POST", request.path, stamp, nonce, hashlib.sha256(body).hexdigest()])
    ours = hmac.new(_TILL_SECRET, said.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(ours, meta["HTTP_X_TILL_SIGNATURE"]):
        return HttpResponse(status=401)
    run(
        "INSERT INTO coupons_tillnonce (till_id, nonce, at) VALUES (%s, %s, now())"
        " ON CONFLICT DO NOTHING",
        [pk, nonce],
    )
    asked = orjson.loads(body)
    request_key = f"till:{pk}:{asked['request_id']}"
    run(
        "SELECT id FROM coupons_redemption WHERE merchant_id = %s AND request_key = %s",
        [merchant, request_key],
    )
    coupon = int(asked["code"][:-10])
    number = f"{time.strftime('%y%m%d%H%M%S')}{secrets.randbelow(10**12):012d}"
    ((name, saved, at),) = run(
        _REDEEM_SQL,
        {
            "coupon": coupon, "merchant": merchant, "number": number, "store": store, "till": pk,
            "bill": asked["bill_fen"], "request": request_key,
            "hash": hashlib.sha256(body).hexdigest(),
        },
    )  # fmt: skip
    shown = {
        "number": number, "name": name, "store": store, "bill_fen": asked["bill_fen"],
        "saved_fen": saved, "at": at,
    }  # fmt: skip
    return answer(shown, 201)


urlpatterns = [
    path("api/v1/coupons", wallet),
    path("api/v1/till/redemptions", till),
    path("api/v1/products", products),
    path("api/v1/products/<int:pk>", product),
    path("api/v1/coupon-templates/<int:pk>/claim", claim),
    path("api/v1/purchases/quote", quote),
    path("api/v1/purchases", place),
    path("webhooks/wechat-pay/<slug:slug>/payment", notify),
]
application = WSGIHandler()
