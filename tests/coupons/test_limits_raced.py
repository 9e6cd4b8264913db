"""Every limit at once: 200 shoppers and 20 vouchers, by threads and by killed processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from backend.errors import DomainError
from backend.money import Fen
from coupons import claiming, codes
from coupons.models import (
    CodeBatch,
    Coupon,
    CouponEvent,
    CouponLot,
    CouponStoreCount,
    CouponTemplate,
)
from coupons.tasks import make_codes
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
# And those of each customer: ten try twenty times, and may have two.
OWN_LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "per customer": ({"total": 1000, "per_customer": 2}, "claim_limit_reached"),
    "per customer and day": (
        {"total": 1000, "per_customer": 99, "per_customer_per_day": 2},
        "claim_limit_today",
    ),
}


def limited(merchant: Merchant, name: str) -> CouponTemplate:
    offer = template(merchant, **(LIMITS | OWN_LIMITS)[name][0])
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


Step = Callable[[int], object]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _in_a_process(
    step: Step, dies: Step, customers: list[int], dies_at: int | None, start: Any, told: Any
) -> None:
    """Takes a step for one after the other, until it dies in one."""
    connection.close()
    start.wait(30)
    for number, customer in enumerate(customers):
        if number == dies_at:
            with contextlib.suppress(DomainError):
                dies(customer)
            _die()
        try:
            step(customer)
        except DomainError as error:
            told.put(error.code)
        else:
            told.put("done")


def by_processes(
    step: Step, dies: Step, customers: list[int], dying: list[int | None]
) -> Counter[str]:
    """How the steps ended, by code, in so many processes released by one barrier; `dying` says of
    each in which of its steps it dies."""
    connection.close()
    fork = multiprocessing.get_context("fork")
    start, told = fork.Barrier(len(dying)), fork.SimpleQueue()
    workers = []
    for number, dies_at in enumerate(dying):
        mine = customers[number :: len(dying)]
        args = (step, dies, mine, dies_at, start, told)
        workers.append(fork.Process(target=_in_a_process, args=args))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    expected = [0 if dies_at is None else -signal.SIGKILL for dies_at in dying]
    assert [worker.exitcode for worker in workers] == expected
    ended: Counter[str] = Counter()
    while not told.empty():
        ended[told.get()] += 1
    return ended


@pytest.mark.parametrize("name", [*LIMITS, *OWN_LIMITS])
def test_by_processes_of_which_some_are_killed_in_the_middle(merchant: Merchant, name: str) -> None:
    offer, everyone = limited(merchant, name), [one.pk for one in crowd(merchant)]
    if name in OWN_LIMITS:
        everyone = [one for one in everyone[:10] for _n in range(20)]
    store = goods.default_store(merchant) if name == "per store" else None
    before = sums(offer)[0]

    def take(customer: int) -> None:
        claim(offer, Customer(pk=customer), store)

    def dies(customer: int) -> None:
        with transaction.atomic():  # the claim commits by itself: hold it open
            take(customer)
            _die()

    ended = by_processes(take, dies, everyone, dying=[0, 2, *[None] * 6])

    # Two of the one that was killed at its third, and all of the six that lived.
    steps = 2 + 6 * SHOPPERS // 8
    assert ended == {"done": LIMIT, (LIMITS | OWN_LIMITS)[name][1]: steps - LIMIT}
    given = Coupon.objects.count()
    # What was not committed was given to somebody else: the last voucher is always claimable.
    assert given == LIMIT == sums(offer)[0] - before
    assert CouponEvent.objects.filter(event="claimed").count() == given
    counted = CouponStoreCount.objects.values_list("store", "given")
    assert list(counted) == ([(store.pk, LIMIT)] if store else [])


def test_one_known_code_by_processes_of_which_one_is_killed_in_the_middle(
    merchant: Merchant,
) -> None:
    offer = template(merchant, way="code", total=1000)
    batch = CodeBatch.objects.create(
        merchant=merchant, template=offer, name="Everybody's", text="NEWYEAR", uses=LIMIT
    )
    make_codes()
    everyone, given = [one.pk for one in crowd(merchant)], claiming.give

    def take(customer: int) -> None:
        codes.redeem(Customer(pk=customer, merchant=merchant), "new year")

    def dies(customer: int) -> None:
        """The use is counted and the coupon written, but neither is committed."""

        def dying(giving: claiming.Giving) -> None:
            given(giving)
            _die()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claiming, "give", dying)
            take(customer)

    ended = by_processes(take, dies, everyone, dying=[2, None, None, None])

    assert ended == {"done": LIMIT, "code_used": 2 + 3 * SHOPPERS // 4 - LIMIT}
    assert codes.used(batch) == Coupon.objects.count() == sums(offer)[0] == LIMIT
    assert CouponEvent.objects.filter(event="claimed").count() == LIMIT


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
