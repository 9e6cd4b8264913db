"""Everyone at once: nothing is sold, given or used twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection

from backend.errors import DomainError
from coupons import claiming
from coupons.models import Coupon, CouponUse
from orders.models import Order, Purchase
from shop.models import Merchant
from tests.orders.makers import counts, coupon, place, shelf, shopper, template

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return Merchant.objects.create(name="山野小铺", slug="shop")


def at_once(calls: list[Callable[[], Any]], hands: int = 16) -> Counter[str]:
    """How the calls ended, by code; the first of each hand are released by one barrier."""
    barrier = threading.Barrier(min(hands, len(calls)))
    started = threading.local()

    def run(call: Callable[[], Any]) -> str:
        if not getattr(started, "yes", False):
            started.yes = True
            barrier.wait(30)
        try:
            call()
        except DomainError as error:
            return error.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(min(hands, len(calls))) as pool:
        return Counter(pool.map(run, calls))


def test_two_hundred_shoppers_and_a_stock_of_fifty_make_fifty_orders(merchant: Merchant) -> None:
    stock = shelf(merchant, count=50)
    shoppers = [shopper(merchant) for _n in range(200)]

    ended = at_once([partial(place, s, (stock, 1), payable=1000) for s in shoppers])

    assert ended == {"done": 50, "out_of_stock": 150}
    assert counts(stock) == (0, 50)
    assert Purchase.objects.count() == Order.objects.count() == 50


def test_baskets_in_opposite_order_dont_wait_in_a_circle(merchant: Merchant) -> None:
    one, two = shelf(merchant, count=100), shelf(merchant, count=100)
    shoppers = [shopper(merchant) for _n in range(40)]

    there, back = ((one, 1), (two, 1)), ((two, 1), (one, 1))
    ended = at_once(
        [
            partial(place, s, *(back if n % 2 else there), payable=2000)
            for n, s in enumerate(shoppers)
        ]
    )

    assert ended == {"done": 40}
    assert counts(one) == counts(two) == (60, 40)


def test_one_coupon_on_five_parallel_orders_is_used_once(merchant: Merchant) -> None:
    customer = shopper(merchant)
    own, stock = coupon(customer), shelf(merchant, count=100)

    ended = at_once(
        [lambda: place(customer, (stock, 1), payable=700, coupons=[own.pk]) for _n in range(5)]
    )

    assert ended == {"done": 1, "coupon_unavailable": 4}
    assert CouponUse.objects.filter(state="held").count() == 1
    assert counts(stock) == (99, 1)


def test_a_template_of_twenty_gives_exactly_twenty(merchant: Merchant) -> None:
    offer = template(merchant, total=20)
    shoppers = [shopper(merchant) for _n in range(60)]

    ended = at_once(
        [
            partial(claiming.claim, merchant=merchant.pk, template=offer.pk, customer=s.pk)
            for s in shoppers
        ]
    )

    offer.refresh_from_db()
    assert ended == {"done": 20, "sold_out": 40}
    assert offer.given == Coupon.objects.filter(template=offer).count() == 20


def test_a_customer_claiming_eight_times_at_once_gets_their_share(merchant: Merchant) -> None:
    offer, customer = template(merchant, per_customer=2), shopper(merchant)

    ended = at_once(
        [
            lambda: claiming.claim(merchant=merchant.pk, template=offer.pk, customer=customer.pk)
            for _n in range(8)
        ]
    )

    offer.refresh_from_db()
    assert ended["done"] == 2
    assert offer.given == Coupon.objects.filter(customer=customer).count() == 2


def test_one_key_from_eight_taps_is_one_purchase(merchant: Merchant) -> None:
    customer, stock = shopper(merchant), shelf(merchant)

    ended = at_once(
        [lambda: place(customer, (stock, 1), payable=1000, key="tap") for _n in range(8)]
    )

    assert ended == {"done": 8}
    assert Purchase.objects.count() == 1
    assert counts(stock) == (8, 1)
