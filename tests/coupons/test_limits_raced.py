"""Every limit at once: 200 shoppers and 20 vouchers, by threads and by killed processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection

from backend.errors import DomainError
from backend.money import Fen
from coupons import claiming
from coupons.models import Coupon, CouponEvent, CouponLot, CouponTemplate
from shop.models import Customer, Merchant, Store
from tests.coupons.test_claiming import sums
from tests.orders.makers import template
from tests.orders.test_races import at_once
from tests.shop import goods
from tests.shop.conftest import open_shop

pytestmark = pytest.mark.django_db(transaction=True)

SHOPPERS, LIMIT = 200, 20


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


def crowd(merchant: Merchant) -> list[Customer]:
    return Customer.objects.bulk_create(Customer(merchant=merchant) for _n in range(SHOPPERS))


def claim(offer: CouponTemplate, customer: Customer, store: Store | None = None) -> Coupon:
    return claiming.claim(
        merchant=offer.merchant_id, template=offer.pk, customer=customer.pk,
        store=store.pk if store else None,
    )[0]  # fmt: skip


# A limit, what a template of it says, and what the late are told.
LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "total": ({"total": LIMIT}, "sold_out"),
    "total of many lots": ({"total": 1000}, "sold_out"),
    "budget": ({"total": 1000, "budget_fen": Fen(300 * LIMIT)}, "sold_out"),
    "per day": ({"total": 1000, "per_day": LIMIT}, "sold_out_today"),
    "per store": ({"total": 1000, "per_store": LIMIT}, "sold_out_in_store"),
}


def limited(merchant: Merchant, name: str) -> CouponTemplate:
    offer = template(merchant, **LIMITS[name][0])
    if name == "total of many lots":
        # Sixteen rows, of which some have one left and some two: twenty in all.
        for lot in offer.lots.order_by("number"):
            left = 2 if lot.number < 4 else 1
            CouponLot.objects.filter(pk=lot.pk).update(given=lot.share - left)
    return offer


@pytest.mark.parametrize("name", LIMITS)
def test_two_hundred_shoppers_against_a_limit_of_twenty(merchant: Merchant, name: str) -> None:
    offer, store = limited(merchant, name), goods.default_store(merchant)
    here = store if name == "per store" else None
    before = sums(offer)[0]

    ended = at_once([partial(claim, offer, one, here) for one in crowd(merchant)], hands=32)

    assert ended == {"done": LIMIT, LIMITS[name][1]: SHOPPERS - LIMIT}
    assert Coupon.objects.count() == LIMIT
    assert sums(offer)[0] - before == LIMIT


@pytest.mark.parametrize(
    ("more", "most", "late"),
    [
        ({"per_customer": 3}, 3, "claim_limit_reached"),
        ({"per_customer": 9, "per_customer_per_day": 3}, 3, "claim_limit_today"),
    ],
)
def test_one_customer_two_hundred_times_at_once(
    merchant: Merchant, more: dict[str, int], most: int, late: str
) -> None:
    offer = template(merchant, total=1000, **more)
    (customer, *_others) = crowd(merchant)

    ended = at_once([partial(claim, offer, customer)] * SHOPPERS, hands=16)

    assert ended == {"done": most, late: SHOPPERS - most}
    assert Coupon.objects.count() == sums(offer)[0] == most


def _in_a_process(offer: int, customers: list[int], dies_at: int | None, told: Any) -> None:
    """Claims one after the other; at some claim the process dies before it is committed."""
    connection.close()
    row = CouponTemplate.objects.get(pk=offer)
    for number, customer in enumerate(customers):
        if number == dies_at:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
            with contextlib.suppress(DomainError):
                claim(row, Customer(pk=customer))
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            claim(row, Customer(pk=customer))
        except DomainError as error:
            told.put(error.code)
        else:
            told.put("done")


@pytest.mark.parametrize("name", ["total", "total of many lots", "budget", "per day"])
def test_by_processes_of_which_some_are_killed_in_the_middle(merchant: Merchant, name: str) -> None:
    offer, everyone = limited(merchant, name), [one.pk for one in crowd(merchant)]
    before = sums(offer)[0]
    connection.close()
    fork = multiprocessing.get_context("fork")
    told = fork.SimpleQueue()
    workers = []
    for number in range(4):
        dies_at = (0, 2, None, None)[number]
        mine = everyone[number::4]
        workers.append(fork.Process(target=_in_a_process, args=(offer.pk, mine, dies_at, told)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [-signal.SIGKILL] * 2 + [0] * 2
    given = Coupon.objects.count()
    # What was not committed was given to somebody else: the last voucher is always claimable.
    assert given == LIMIT == sums(offer)[0] - before
    assert CouponEvent.objects.filter(event="claimed").count() == given


def test_the_counter_failed_and_nothing_was_written(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wrote the row first, and kept it when the counter failed."""
    offer = template(merchant, total=LIMIT)
    broken = claiming._ANYWHERE_SQL.replace("SET given = l.given + 1", "SET given = l.given - 999")
    monkeypatch.setattr(claiming, "_ANYWHERE_SQL", broken)
    (customer, *_others) = crowd(merchant)
    step: Callable[[], Any] = partial(claim, offer, customer)

    with pytest.raises(claiming.SoldOut):
        step()

    assert sums(offer)[0] == 0
    assert not Coupon.objects.exists()
    assert not CouponEvent.objects.exists()
