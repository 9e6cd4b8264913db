"""Three ways to count a hot template, in the database alone: see `docs/decisions/vouchers.md`."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
from django.conf import settings
from django.utils import timezone

from backend.numbers import new_code
from coupons import claiming, offers
from coupons.models import CouponTemplate
from tests.bench.shop_of import Bench

WAYS: Final = ("one row", "sixteen lots", "coupons made beforehand")
_MADE: Final = 400_000
# The row that is free is found by a column that only the index of free rows has.
_BEFOREHAND: Final = """
CREATE TABLE IF NOT EXISTS bench_made (
    id bigserial PRIMARY KEY, free int, customer bigint, code text, claimed_at timestamptz);
CREATE INDEX IF NOT EXISTS bench_free ON bench_made (free) WHERE customer IS NULL;
"""
_TAKE: Final = """
WITH taken AS (
    SELECT id FROM bench_made WHERE customer IS NULL ORDER BY free LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE bench_made m SET customer = %(customer)s, claimed_at = now() FROM taken
WHERE m.id = taken.id RETURNING m.id
"""


def measured(bench: Bench, way: str, hands: int, seconds: float) -> float:
    """Claims a second by so many connections at once, each by another customer."""
    sql, values = _prepared(bench, way)
    customers = itertools.cycle(range(bench.first_customer, bench.first_customer + bench.customers))
    done, stop = [0] * hands, threading.Event()

    def claim(hand: int) -> None:
        with psycopg.connect(
            settings.DATABASE_URL, autocommit=True, prepare_threshold=None
        ) as connection:
            while not stop.is_set():
                said = {**values(), "customer": next(customers)}
                if connection.execute(sql, said).fetchone() is not None:
                    done[hand] += 1

    threads = [threading.Thread(target=claim, args=[hand]) for hand in range(hands)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


def _prepared(bench: Bench, way: str) -> tuple[str, Callable[[], dict[str, Any]]]:
    """The statement of a way, and what it asks besides the customer."""
    if way == WAYS[2]:
        with psycopg.connect(settings.DATABASE_URL, autocommit=True) as connection:
            connection.execute(_BEFOREHAND)
            connection.execute("TRUNCATE bench_made")
            connection.execute(
                "INSERT INTO bench_made (free, code) SELECT i, md5(i::text)"
                " FROM generate_series(1, %s) i",
                [_MADE],
            )
            connection.execute("VACUUM ANALYZE bench_made")
        return _TAKE, dict
    offer = CouponTemplate.objects.get(pk=bench.template)
    offer.pk, offer.per_customer, offer.total = None, 100, 50_000_000
    offer.save()
    offers.deal(offer)
    if way == WAYS[0]:
        offer.lots.exclude(number=0).delete()
        offer.lots.update(share=offer.total)
    at = timezone.now()
    fixed = {
        "merchant": bench.merchant, "template": offer.pk, "ways": ["claim"], "way": "claim",
        "at": at, "now": at, "day": timezone.localdate(at), "midnight": claiming.midnight(at),
        "store": None, "source": "{}", "key": None, "by": "", "reference": "", "promised": False,
    }  # fmt: skip
    sql = claiming._ANYWHERE_SQL.replace("{claimed}", "id").replace("%%", "%%")
    return sql, lambda: {**fixed, "code": new_code()}
