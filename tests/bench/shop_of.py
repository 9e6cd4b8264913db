"""A merchant with as many products, coupons and orders as a measurement asks for.

What is few is made by the shop's own models; what is many by `generate_series`, with foreign keys
unchecked while it is written.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.utils import timezone

from backend.money import Fen
from coupons import offers, tills
from coupons.models import CouponTemplate, Till
from shop.models import Category, Merchant, MiniProgram, PayAccount, Store

APPID: Final = "wxbench0000000001"
MCH_ID: Final = "1900000999"
API_KEY: Final = "bench0123456789abcdef0123456789ab"
TEMPLATES: Final = 50
# More than one asks as much as a single till may.
TILLS: Final = 200
TILL_COUPONS: Final = 60_000


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    products: int
    orders: int
    coupons: int

    def tenth(self) -> Size:
        return Size(self.products // 10, self.orders // 10, self.coupons // 10)

    @property
    def customers(self) -> int:
        """Shoppers, each with coupons enough in a tenth of this."""
        return self.coupons // 100

    def __str__(self) -> str:
        return f"{self.products:,} products, {self.orders:,} orders, {self.coupons:,} coupons"


@dataclass(frozen=True)
class Bench:
    """The rows that requests are made of."""

    merchant: int
    slug: str
    template: int
    small_template: int
    first_customer: int
    customers: int
    till_template: int
    till_keys: tuple[str, ...]
    till_secret: str

    def till_coupons(self, size: Size) -> tuple[int, int]:
        """The first and the last of the coupons written for the till at this size, unused yet."""
        with connection.cursor() as db:
            db.execute(
                "SELECT min(id), max(id) FROM coupons_coupon"
                " WHERE template_id = %s AND code LIKE %s AND status = 'claimed'",
                [self.till_template, f"T{size.coupons}-%"],
            )
            first, last = db.fetchone()
        return int(first), int(last)


def open_shop(customers: int) -> Bench:
    """The merchant, its store, templates and customers, and nothing to buy yet."""
    now = timezone.now()
    merchant = Merchant.objects.create(
        name="量一量", slug="bench", freight_fen=Fen(800), freight_free_over_fen=Fen(99_00)
    )
    MiniProgram.objects.create(merchant=merchant, appid=APPID, secret=API_KEY)
    PayAccount.objects.create(merchant=merchant, appid=APPID, mch_id=MCH_ID, api_key=API_KEY)
    Store.objects.create(merchant=merchant, name="总店", code="1", is_default=True)
    for number in range(20):
        Category.objects.create(merchant=merchant, name=f"分类{number}", sort=number)
    window = {"starts_at": now - dt.timedelta(days=1), "ends_at": now + dt.timedelta(days=30)}
    templates = [
        CouponTemplate(
            merchant=merchant,
            name=f"满{10 + number}减5",
            kind="spend_and_save",
            terms={"threshold_fen": 1000 + 100 * number, "off_fen": 500},
            is_published=True,
            total=total,
            per_customer=100,
            valid_days=30,
            **window,
        )
        for number, total in enumerate([50_000_000] * TEMPLATES + [50_000_000, 500, 50_000_000])
    ]
    *_walleted, hot, small, at_till = CouponTemplate.objects.bulk_create(templates)
    for template in templates:
        offers.deal(template)
    with connection.cursor() as db:
        values = {"merchant": merchant.pk, "customers": customers}
        for sql in (_CUSTOMERS_SQL, _ADDRESSES_SQL):
            db.execute(sql, values)
        db.execute("SELECT min(id) FROM shop_customer")
        (customer,) = db.fetchone()
    store = Store.objects.get()
    secret = ""
    for number in range(TILLS):
        till = Till(merchant=merchant, store=store, name=f"{number} 号机")
        secret = secret or tills.equip(till)
        till.key, till.secret = f"till_{number:016x}", secret
        till.save()
    return Bench(
        merchant.pk, merchant.slug, hot.pk, small.pk, customer, customers, at_till.pk,
        tuple(f"till_{number:016x}" for number in range(TILLS)), secret,
    )  # fmt: skip


def grow(bench: Bench, size: Size, *, before: Size) -> None:
    """Add products, finished orders and coupons, numbered on from what is there."""
    values: dict[str, int | str] = {
        "merchant": bench.merchant,
        "mch_id": MCH_ID,
        "appid": APPID,
        "customer": bench.first_customer,
        "customers": bench.customers,
        "templates": TEMPLATES,
        "first_product": before.products + 1,
        "last_product": size.products,
        "first": before.orders + 1,
        "last": size.orders,
        "first_coupon": before.coupons + 1,
        "last_coupon": size.coupons,
        "till_template": bench.till_template,
        "till_coupons": TILL_COUPONS,
    }
    with connection.cursor() as db:
        db.execute("SET session_replication_role = replica")
        for sql in (*_CATALOGUE_SQL, *_ORDERS_SQL, _COUPONS_SQL, _TILL_SQL, _GIVEN_SQL):
            db.execute(sql, values)
        db.execute("SET session_replication_role = DEFAULT")
        db.execute("VACUUM ANALYZE")
        db.execute("CHECKPOINT")  # so that it isn't written while something is measured


def crowd(bench: Bench, count: int) -> None:
    """So many customers more, who have nothing yet."""
    with connection.cursor() as db:
        db.execute(
            "INSERT INTO shop_customer (merchant_id, nickname, avatar, gender, token_version,"
            " source, created_at, tags) SELECT %s, '', '', 0, 0, '{}', now(), ARRAY['crowd']"
            " FROM generate_series(1, %s)",
            [bench.merchant, count],
        )
        db.execute("VACUUM ANALYZE shop_customer")
        db.execute("CHECKPOINT")


_CUSTOMERS_SQL: Final = """
INSERT INTO shop_customer (merchant_id, nickname, avatar, gender, token_version, source, created_at)
SELECT %(merchant)s::int, 'shopper ' || i, '', 0, 0, '{}', now()
FROM generate_series(1, %(customers)s::int) i
"""
_ADDRESSES_SQL: Final = """
INSERT INTO shop_address (merchant_id, customer_id, receiver, phone, province_code, city_code,
    district_code, province, city, district, detail, tag, is_default, created_at, request_hash)
SELECT %(merchant)s::int, c.id, '小满', '057188880000', '330000', '330100', '330106', '浙江省',
    '杭州市', '西湖区', '文三路 1 号', '', true, now(), ''
FROM shop_customer c
"""
# The i-th product costs 20 yuan and i % 5000 fen; its second sku 1 yuan more.
_CATALOGUE_SQL: Final = (
    """
INSERT INTO shop_product (merchant_id, category_id, code, name, subtitle, brand, unit, pictures,
    description, params, specs, tags, keywords, on_sale, sort_weight, no_reason_return,
    no_return_ground, created_at, updated_at, price_min_fen, price_max_fen, sold, search)
SELECT %(merchant)s::int, (SELECT min(id) FROM shop_category) + i %% 20, 'p' || i, '商品 ' || i,
    '好用不贵', '山野', '件', ARRAY['demo/' || i || '.png', 'demo/' || i || 'b.png'],
    repeat('<p>说明</p>', 20), '[{"name": "产地", "value": "杭州"}]',
    '[{"name": "颜色", "values": [{"value": "白"}, {"value": "灰"}]}]', ARRAY['新品'], '', true,
    i %% 1000, true, '', now(), now(), 2000 + i %% 5000, 2100 + i %% 5000, i %% 3000,
    to_tsvector('simple', '商品 ' || i)
FROM generate_series(%(first_product)s::int, %(last_product)s::int) i ORDER BY i
""",
    """
INSERT INTO shop_sku (merchant_id, product_id, code, barcode, spec_values, price_fen, picture,
    weight_g, on_sale, sort)
SELECT %(merchant)s::int, p.id, p.code || v.colour, '', ARRAY[v.colour], p.price_min_fen + v.more,
    '', 500, true, v.more
FROM shop_product p, (VALUES ('白', 0), ('灰', 100)) v(colour, more)
WHERE substr(p.code, 2)::int >= %(first_product)s::int
ORDER BY p.id, v.more
""",
    """
INSERT INTO shop_stock (merchant_id, sku_id, store_id, available, held, unlimited, on_sale)
SELECT k.merchant_id, k.id, (SELECT min(id) FROM shop_store), 1000000, 0, false, true
FROM shop_sku k WHERE NOT EXISTS (SELECT 1 FROM shop_stock s WHERE s.sku_id = k.id) ORDER BY k.id
""",
    """
INSERT INTO shop_stockmovement
    (merchant_id, stock_id, reason, reference, available_delta, held_delta, by, at)
SELECT s.merchant_id, s.id, 'received', 'opening', 1000000, 0, '', now() FROM shop_stock s
WHERE NOT EXISTS (SELECT 1 FROM shop_stockmovement m WHERE m.stock_id = s.id)
""",
)
# Each was paid, shipped and received; each line costs 20 yuan. Goods of 40 yuan, freight of 8.
_ORDERS_SQL: Final = (
    """
INSERT INTO orders_purchase (merchant_id, number, customer_id, status, delivery, source,
    idempotency_key, request_hash, created_at, expires_at, paid_at, close_reason, paid_by_id,
    method, out_trade_no, transaction_id, pay_mch_id, pay_appid, payer_openid,
    goods_fen, freight_fen, discount_fen, payable_fen)
SELECT %(merchant)s::int, 'B' || i, %(customer)s::int + i %% %(customers)s::int, 'paid',
    '{"kind": "express"}', '{}', 'bench-' || i, '', at, at + interval '30 minutes', at, '', i,
    'wechat_jsapi', 'T' || i, '42' || i, %(mch_id)s, %(appid)s, '', 4000, 800, 0, 4800
FROM generate_series(%(first)s::int, %(last)s::int) i,
    LATERAL (SELECT now() - make_interval(mins => i %% 500000) AS at) t
""",
    """
INSERT INTO orders_order (merchant_id, number, purchase_id, customer_id, store_id, status, held_for,
    remark, receiver, receiver_phone, receiver_region, receiver_detail, created_at, paid_at,
    shipped_at, completed_at, goods_fen, freight_fen, discount_fen, payable_fen)
SELECT merchant_id, 'O' || substr(number, 2), id, customer_id, (SELECT min(id) FROM shop_store),
    'completed', '', '', '小满', '057188880000', '浙江省 杭州市 西湖区', '文三路 1 号', created_at,
    paid_at, paid_at, paid_at, goods_fen, freight_fen, discount_fen, payable_fen
FROM orders_purchase
WHERE number LIKE 'B%%' AND substr(number, 2)::int BETWEEN %(first)s::int AND %(last)s::int
""",
    """
INSERT INTO orders_orderline (merchant_id, order_id, sku_id, stock_id, product_id, sku_code, name,
    picture, specs, weight_g, list_price_fen, unit_price_fen, offer_kind, quantity, goods_fen,
    discount_fen, payable_fen, no_reason_return, source)
SELECT o.merchant_id, o.id, v.n, v.n, v.n, 'k', '商品', '', '[]', 500, 2000, 2000, '', 1,
    2000, 0, 2000, true, '{}'
FROM orders_order o, (VALUES (1), (2)) v(n)
WHERE o.number LIKE 'O%%' AND substr(o.number, 2)::int BETWEEN %(first)s::int AND %(last)s::int
""",
    """
INSERT INTO orders_orderevent (merchant_id, order_id, event, by, note, at)
SELECT o.merchant_id, o.id, v.event, 'shopper', '', o.created_at
FROM orders_order o, (VALUES ('place'), ('pay'), ('receive')) v(event)
WHERE o.number LIKE 'O%%' AND substr(o.number, 2)::int BETWEEN %(first)s::int AND %(last)s::int
""",
    """
INSERT INTO payments_payment (merchant_id, purchase_id, account_id, method, api_version,
    out_trade_no, amount_fen, status, prepay_id, transaction_id, payer_openid,
    refund_reserved_fen, created_at, paid_at, tries, last_error)
SELECT p.merchant_id, p.id, (SELECT min(id) FROM shop_payaccount), 'wechat_jsapi', 'v2',
    p.out_trade_no, p.payable_fen, 'succeeded', '', p.transaction_id, '', 0, p.created_at,
    p.paid_at, 0, ''
FROM orders_purchase p
WHERE p.number LIKE 'B%%' AND substr(p.number, 2)::int BETWEEN %(first)s::int AND %(last)s::int
""",
    """
INSERT INTO payments_notification
    (merchant_id, kind, state, body, dedupe_key, reason, tries, received_at, done_at)
SELECT %(merchant)s::int, 'payment', 'done', repeat('x', 600)::bytea, 'v2pay:42' || i, '', 1,
    now(), now()
FROM generate_series(%(first)s::int, %(last)s::int) i
""",
)
# Every shopper has some that can be used; most were used or ran out.
_COUPONS_SQL: Final = """
INSERT INTO coupons_coupon (merchant_id, template_id, customer_id, ordinal, code, name, kind, terms,
    status, valid_from, valid_until, claimed_at, source)
SELECT %(merchant)s::int, t.id, %(customer)s::int + i %% %(customers)s::int,
    1 + i / (%(customers)s::int * %(templates)s::int), 'B' || i, t.name, t.kind, t.terms,
    CASE WHEN i <= 4 * %(customers)s::int THEN 'claimed'
         WHEN i %% 2 = 0 THEN 'used' ELSE 'expired' END,
    now() - interval '10 days',
    now() + CASE WHEN i <= 4 * %(customers)s::int THEN interval '20 days'
                 ELSE interval '-1 day' END,
    now() - interval '10 days', '{}'
FROM generate_series(%(first_coupon)s::int, %(last_coupon)s::int) i
JOIN coupons_coupontemplate t
    ON t.id = (SELECT min(id) FROM coupons_coupontemplate)
        + i / %(customers)s::int %% %(templates)s::int
"""
# In a row, so that bare and ours take turns.
_TILL_SQL: Final = """
INSERT INTO coupons_coupon (merchant_id, template_id, customer_id, ordinal, code, name, kind, terms,
    status, valid_from, valid_until, claimed_at, source)
SELECT t.merchant_id, t.id, %(customer)s::int + i %% %(customers)s::int,
    1 + CASE WHEN %(first_coupon)s::int > 1 THEN 15000 ELSE 0 END + i / %(customers)s::int,
    'T' || %(last_coupon)s::int || '-' || i, t.name, t.kind, t.terms, 'claimed',
    now() - interval '1 day', now() + interval '20 days', now(), '{}'
FROM generate_series(1, %(till_coupons)s::int) i
JOIN coupons_coupontemplate t ON t.id = %(till_template)s
"""
_GIVEN_SQL: Final = """
UPDATE coupons_couponlot l SET given = (
    SELECT count(*) FROM coupons_coupon c WHERE c.template_id = l.template_id)
WHERE l.number = 0
  AND l.template_id < (SELECT min(id) FROM coupons_coupontemplate) + %(templates)s
"""
