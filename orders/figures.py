"""What vouchers and promotions brought, counted anew by day out of what happened: by store and
channel.

Here, because a voucher's sales are orders'. A day is counted while it goes on and once after it;
the figures of a template are sums of its days.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from coupons.models import CouponEvent, CouponFigureDay, PromotionUse

# A purchase over several stores is one use, of its first order; discount and sales are each
# store's own. What a use took off and brought in, giving it back takes away again.
_COUNT_SQL: Final = """
WITH happened AS (
    SELECT e.event, e.reference, c.id, c.merchant_id, c.template_id, c.store_id, c.way,
        left(coalesce(nullif(c.source->>'channel', ''), c.way), 60) AS channel,
        CASE WHEN e.event IN ('given_back', 'undone') THEN -1 ELSE 1 END AS sign
    FROM coupons_couponevent e JOIN coupons_coupon c ON c.id = e.coupon_id
    WHERE e.at >= %(begins)s AND e.at < %(ends)s
), promoted AS (
    SELECT u.merchant_id, u.template_id, p.id AS purchase_id,
        left(coalesce(nullif(p.source->>'channel', ''), 'automatic'), 60) AS channel
    FROM coupons_promotionuse u
        JOIN orders_purchase p ON p.merchant_id = u.merchant_id AND p.number = u.reference
    WHERE u.used_at >= %(begins)s AND u.used_at < %(ends)s
), moved AS (
    SELECT merchant_id, template_id, store_id, channel, 1 AS given, 0 AS uses, 0 AS expired,
        0::bigint AS saved, 0::bigint AS sales, 1 AS sign
    FROM happened WHERE event = 'claimed' AND way <> 'friend'
    UNION ALL
    SELECT merchant_id, template_id, NULL, channel, 0, 0, 1, 0, 0, 1
    FROM happened WHERE event = 'expired'
    UNION ALL
    SELECT h.merchant_id, h.template_id, r.store_id, h.channel, 0, 1, 0, r.saved_fen,
        coalesce(r.bill_fen - r.saved_fen, 0), h.sign
    FROM happened h JOIN coupons_redemption r
        ON r.merchant_id = h.merchant_id AND r.number = h.reference
    WHERE h.event IN ('redeemed', 'undone')
    UNION ALL
    SELECT h.merchant_id, h.template_id, o.store_id, h.channel, 0, (o.place = 1)::int, 0, o.saved,
        o.sales, h.sign
    FROM happened h JOIN LATERAL (
        SELECT o.store_id, sum(r.amount_fen)::bigint AS saved, o.payable_fen AS sales,
            row_number() OVER (ORDER BY o.id) AS place
        FROM orders_purchase p JOIN orders_order o ON o.purchase_id = p.id
            JOIN orders_reduction r ON r.order_id = o.id AND r.coupon_id = h.id
        WHERE p.merchant_id = h.merchant_id AND p.number = h.reference
        GROUP BY o.id
    ) o ON true
    WHERE h.event IN ('used', 'given_back')
    UNION ALL
    SELECT u.merchant_id, u.template_id, o.store_id, u.channel, 0, (o.place = 1)::int, 0, o.saved,
        o.sales, 1
    FROM promoted u JOIN LATERAL (
        SELECT o.store_id, coalesce(sum(r.amount_fen), 0)::bigint AS saved,
            o.payable_fen AS sales, row_number() OVER (ORDER BY o.id) AS place
        FROM orders_order o
            LEFT JOIN orders_reduction r ON r.order_id = o.id AND r.promotion_id = u.template_id
        WHERE o.purchase_id = u.purchase_id AND (r.id IS NOT NULL OR EXISTS (
            SELECT 1 FROM orders_orderline l WHERE l.order_id = o.id
              AND l.offer_kind = 'gift' AND l.offer_id = u.template_id))
        GROUP BY o.id
    ) o ON true
)
INSERT INTO coupons_couponfigure (merchant_id, template_id, store_id, day, channel, given, used,
    given_back, expired, saved_fen, sales_fen)
SELECT merchant_id, template_id, store_id, %(day)s, channel, sum(given),
    coalesce(sum(uses) FILTER (WHERE sign = 1), 0),
    coalesce(sum(uses) FILTER (WHERE sign = -1), 0), sum(expired), sum(sign * saved),
    sum(sign * sales)
FROM moved GROUP BY merchant_id, template_id, store_id, channel
"""


def _ends(day: dt.date) -> dt.datetime:
    """When the shop's day is over."""
    midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time())
    return timezone.make_aware(midnight)


def count(day: dt.date, at: dt.datetime) -> None:
    """Count a day anew. Again, or twice at once, it comes to the same.

    Locks: the day.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        CouponFigureDay.objects.get_or_create(day=day, defaults={"counted_at": at})
        CouponFigureDay.objects.select_for_update().get(day=day)
        cursor.execute("DELETE FROM coupons_couponfigure WHERE day = %s", [day])
        ends = _ends(day)
        cursor.execute(
            _COUNT_SQL, {"day": day, "begins": ends - dt.timedelta(days=1), "ends": ends}
        )
        CouponFigureDay.objects.filter(day=day).update(counted_at=at)


# What happened just before midnight may be written a while after it.
_LATE: Final = dt.timedelta(hours=1)
_LOOK_BACK: Final = dt.timedelta(days=400)


def _is_whole(one: CouponFigureDay) -> bool:
    """Whether a day was counted after it was over."""
    return one.counted_at >= _ends(one.day) + _LATE


def _first() -> list[dt.datetime]:
    """When the first coupon and the first promotion happened, of those that have."""
    event = CouponEvent.objects.order_by("pk").values_list("at", flat=True).first()
    use = PromotionUse.objects.aggregate(first=Min("used_at"))["first"]
    return [one for one in (event, use) if one is not None]


def due(at: dt.datetime) -> list[dt.date]:
    """The days to be counted, oldest first: those counted before they were over, and today."""
    today = timezone.localdate(at)
    kept = CouponFigureDay.objects.order_by("day")
    # The first that was counted too early; else the last there is.
    early = (one for one in kept.filter(day__gte=today - _LOOK_BACK) if not _is_whole(one))
    last = next(early, None) or kept.last()
    if last is None:
        day = min((timezone.localdate(first) for first in _first()), default=today)
    else:
        day = last.day + dt.timedelta(days=_is_whole(last))
    return [day + dt.timedelta(days=n) for n in range((today - day).days + 1)]
