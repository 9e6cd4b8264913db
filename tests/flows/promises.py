"""What must hold for every row after every flow, whatever was done: the design's promises."""

from __future__ import annotations

from typing import Any, Final

import psycopg

Database = psycopg.Connection[tuple[Any, ...]]

# Each finds the rows that break it.
BROKEN: Final = {
    "stock is the sum of its movements, and never below zero": """
        SELECT s.id FROM shop_stock s LEFT JOIN shop_stockmovement m ON m.stock_id = s.id
        GROUP BY s.id HAVING s.available <> coalesce(sum(m.available_delta), 0)
            OR s.held <> coalesce(sum(m.held_delta), 0) OR s.available < 0 OR s.held < 0""",
    "a closed purchase holds no stock": """
        SELECT p.id FROM orders_purchase p JOIN shop_stockmovement m ON m.reference = p.number
        WHERE p.status = 'closed' GROUP BY p.id
        HAVING sum(m.held_delta) <> 0 OR sum(m.available_delta) <> 0""",
    "a template gave what lies in wallets, and no more than its total": """
        SELECT t.id FROM coupons_coupontemplate t LEFT JOIN LATERAL
            (SELECT sum(given) AS given, sum(share) AS share FROM coupons_couponlot
             WHERE template_id = t.id) l ON true
        WHERE l.share > t.total OR l.given IS NULL OR l.given <> (
            SELECT count(*) FROM coupons_coupon WHERE template_id = t.id AND way <> 'friend')""",
    "a customer has no more than their share": """
        SELECT c.customer_id FROM coupons_coupon c
        JOIN coupons_coupontemplate t ON t.id = c.template_id
        GROUP BY c.customer_id, t.id HAVING count(*) > t.per_customer""",
    "a coupon is used by one purchase": """
        SELECT coupon_id FROM coupons_couponuse WHERE state IN ('held', 'used')
        GROUP BY coupon_id HAVING count(*) > 1""",
    "a coupon's status says what its uses say": """
        SELECT c.id FROM coupons_coupon c LEFT JOIN coupons_couponuse u
        ON u.coupon_id = c.id AND u.state IN ('held', 'used')
        WHERE (c.status IN ('held', 'used')) <> (u.id IS NOT NULL)
           OR (u.id IS NOT NULL AND u.state <> c.status)""",
    "a purchase's coupons go where it goes": """
        SELECT p.id FROM orders_purchase p JOIN coupons_couponuse u ON u.reference = p.number
        WHERE u.state <> CASE p.status WHEN 'paid' THEN 'used' WHEN 'closed' THEN 'returned'
                                       ELSE 'held' END""",
    "payable is goods and freight less discounts": """
        SELECT id FROM orders_order WHERE payable_fen <> goods_fen + freight_fen - discount_fen""",
    "an order is the sum of its lines": """
        SELECT o.id FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id
        GROUP BY o.id HAVING o.goods_fen <> sum(l.goods_fen)
            OR o.payable_fen <> sum(l.payable_fen) + o.freight_fen
                - coalesce((SELECT sum(r.amount_fen) FROM orders_reduction r
                            WHERE r.order_id = o.id AND r.line_id IS NULL), 0)""",
    "what is taken off an order is the sum of what was": """
        SELECT o.id FROM orders_order o LEFT JOIN orders_reduction r ON r.order_id = o.id
        GROUP BY o.id HAVING o.discount_fen <> coalesce(sum(r.amount_fen), 0)""",
    "a discount is the sum of its shares": """
        SELECT l.id FROM orders_orderline l LEFT JOIN orders_reduction r ON r.line_id = l.id
        GROUP BY l.id HAVING l.discount_fen <> coalesce(sum(r.amount_fen), 0)""",
    "a purchase is the sum of its orders": """
        SELECT p.id FROM orders_purchase p JOIN orders_order o ON o.purchase_id = p.id
        GROUP BY p.id HAVING p.payable_fen <> sum(o.payable_fen)
            OR p.discount_fen <> sum(o.discount_fen) OR p.freight_fen <> sum(o.freight_fen)""",
    "an order moves with its purchase": """
        SELECT o.id FROM orders_order o JOIN orders_purchase p ON p.id = o.purchase_id
        WHERE (p.status = 'awaiting_payment') <> (o.status = 'awaiting_payment')
           OR (p.status = 'closed' AND o.status <> 'closed')""",
    "each step of an order happened once": """
        SELECT order_id FROM orders_orderevent GROUP BY order_id, event HAVING count(*) > 1""",
    "one payment paid a purchase": """
        SELECT p.id FROM orders_purchase p LEFT JOIN payments_payment y ON y.id = p.paid_by_id
        WHERE p.status = 'paid' AND p.payable_fen > 0
          AND (y.status IS DISTINCT FROM 'succeeded' OR y.amount_fen <> p.payable_fen
               OR y.purchase_id <> p.id)""",
    "money that paid nothing has gone back": """
        SELECT y.id FROM payments_payment y JOIN orders_purchase p ON p.id = y.purchase_id
        WHERE y.status = 'succeeded' AND p.paid_by_id IS DISTINCT FROM y.id
            AND y.refund_reserved_fen <> y.amount_fen""",
    "what is reserved for refunds is the sum of the refunds": """
        SELECT y.id FROM payments_payment y LEFT JOIN payments_refund r
        ON r.payment_id = y.id AND r.status <> 'closed'
        GROUP BY y.id HAVING y.refund_reserved_fen <> coalesce(sum(r.amount_fen), 0)""",
    "no message that WeChat signed waits, or frightened us": """
        SELECT id FROM payments_notification WHERE state NOT IN ('done', 'unverified')""",
}


def keeps_its_promises(database: Database, books: list[dict[str, Any]]) -> None:
    """The database against itself, and against what WeChat's books say."""
    for promise, sql in BROKEN.items():
        assert database.execute(sql).fetchall() == [], promise
    ours = {
        row[0]: row[1:]
        for row in database.execute("""
            SELECT y.out_trade_no, y.status, y.amount_fen, y.transaction_id,
                   coalesce((SELECT sum(r.amount_fen) FROM payments_refund r
                             WHERE r.payment_id = y.id AND r.status = 'succeeded'), 0)
            FROM payments_payment y""").fetchall()
    }
    for trade in books:
        paid = trade["state"] in {"SUCCESS", "REFUND"}
        status, amount, transaction, refunded = ours[trade["out_trade_no"]]
        assert (status == "succeeded") == paid, trade
        assert amount == trade["total_fee"], trade
        if paid:
            assert (transaction, refunded) == (trade["transaction_id"], trade["refunded_fee"]), (
                trade
            )
    known = {trade["out_trade_no"] for trade in books}
    believed = {number for number, (status, *_) in ours.items() if status == "succeeded"}
    assert believed <= known, "money that WeChat knows nothing of"
