"""Every limit of a template, kept by the statement that counts."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from psycopg import pq

from backend.errors import DomainError
from backend.numbers import new_code
from coupons import claiming, offers, wallet
from coupons.claiming import claim
from coupons.models import (
    Coupon,
    CouponEvent,
    CouponLot,
    CouponStoreCount,
    CouponTemplate,
    Grant,
)
from coupons.tasks import run_grants
from shop.models import Customer, Merchant
from tests.orders.makers import place, shelf, shopper, template
from tests.orders.test_races import at_once
from tests.shop import goods
from tests.shop.conftest import signed_in


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return Merchant.objects.create(name="山野小铺", slug="shop")


def taken(offer: CouponTemplate, customer: Customer, **more: Any) -> str:
    """How a claim ended, by code."""
    try:
        claim(merchant=offer.merchant_id, template=offer.pk, customer=customer.pk, **more)
    except DomainError as error:
        return error.code
    return "done"


def sums(offer: CouponTemplate) -> tuple[int, int, int]:
    """What the lots gave, what they may give, and what lies in wallets."""
    offer = CouponTemplate.objects.get(pk=offer.pk)
    return offer.given, offer.given + offer.remaining, offer.coupons.count()


def yesterday(offer: CouponTemplate) -> None:
    """All that was given today was given yesterday."""
    CouponLot.objects.filter(template=offer).update(day=timezone.localdate() - dt.timedelta(days=1))
    Coupon.objects.filter(template=offer).update(claimed_at=timezone.now() - dt.timedelta(days=1))


def test_a_total_is_dealt_out_to_many_lots_where_it_is_large(merchant: Merchant) -> None:
    small, large = template(merchant, total=999), template(merchant, total=1_500_007)

    assert [lot.share for lot in small.lots.all()] == [999]
    shares = [lot.share for lot in large.lots.all()]
    assert (len(shares), sum(shares), max(shares) - min(shares)) == (16, 1_500_007, 1)


def test_every_voucher_of_many_lots_is_given_and_not_one_more(merchant: Merchant) -> None:
    offer = template(merchant, total=1000)
    CouponLot.objects.filter(template=offer).update(given=61)
    CouponLot.objects.filter(template=offer).update(share=62)
    shoppers = [shopper(merchant) for _n in range(40)]

    ended = at_once([partial(taken, offer, one) for one in shoppers], hands=16)

    assert ended == Counter({"done": 40})  # every call came back
    assert Coupon.objects.count() == 16
    assert all(lot.given == lot.share == 62 for lot in CouponLot.objects.all())


def test_the_last_voucher_is_found_in_whichever_lot_it_lies(merchant: Merchant) -> None:
    offer = template(merchant, total=1000)
    for lot in offer.lots.all():
        CouponLot.objects.filter(pk=lot.pk).update(share=lot.number == 11, given=0)

    assert taken(offer, shopper(merchant)) == "done"
    assert taken(offer, shopper(merchant)) == "sold_out"


def test_a_budget_covers_the_most_that_what_was_given_can_take_off(merchant: Merchant) -> None:
    offer = template(merchant, budget_fen=1000)  # 3.00 each: three of them

    ended = at_once([partial(taken, offer, shopper(merchant)) for _n in range(6)])
    codes = [taken(offer, shopper(merchant)) for _n in range(2)]

    assert ended["done"] == 6
    assert codes == ["sold_out", "sold_out"]
    assert sums(offer) == (3, 3, 3)


def test_a_budget_needs_terms_with_a_bound(merchant: Merchant) -> None:
    with pytest.raises(ValidationError, match=r"bound|上限"):
        template(merchant, kind="percent_off", terms={"pay_percent": 80}, budget_fen=1000)

    capped = template(
        merchant, kind="percent_off", terms={"pay_percent": 80, "cap_fen": 500}, budget_fen=1000
    )
    assert sums(capped) == (0, 2, 0)


def test_so_many_a_day_and_tomorrow_again(merchant: Merchant) -> None:
    offer = template(merchant, total=5000, per_day=3)

    at_once([partial(taken, offer, shopper(merchant)) for _n in range(12)])

    assert sums(offer)[2] == 3
    assert taken(offer, shopper(merchant)) == "sold_out_today"
    yesterday(offer)
    assert taken(offer, shopper(merchant)) == "done"
    assert sums(offer) == (4, 5000, 4)


def test_so_many_a_customer_and_day(merchant: Merchant) -> None:
    offer, customer = template(merchant, per_customer=3, per_customer_per_day=2), shopper(merchant)

    at_once([partial(taken, offer, customer) for _n in range(6)])
    assert sums(offer)[2] == 2
    assert taken(offer, customer) == "claim_limit_today"

    yesterday(offer)
    assert [taken(offer, customer) for _n in range(2)] == ["done", "claim_limit_reached"]


def test_so_many_a_store_each_with_its_own_count(merchant: Merchant) -> None:
    offer = template(merchant, total=30, per_store=4)
    here, there = goods.default_store(merchant), goods.store(merchant, "分店")
    foreign = goods.default_store(Merchant.objects.create(name="别家", slug="other"))

    assert taken(offer, shopper(merchant)) == "store_needed"
    assert taken(offer, shopper(merchant), store=foreign.pk) == "not_found"
    at_once([partial(taken, offer, shopper(merchant), store=here.pk) for _n in range(12)])
    assert taken(offer, shopper(merchant), store=here.pk) == "sold_out_in_store"
    assert taken(offer, shopper(merchant), store=there.pk) == "done"

    assert sums(offer) == (5, 30, 5)
    assert dict(CouponStoreCount.objects.values_list("store", "given")) == {here.pk: 4, there.pk: 1}
    assert set(Coupon.objects.values_list("store", flat=True)) == {here.pk, there.pk}


def test_a_store_is_not_counted_where_the_template_gave_nothing(merchant: Merchant) -> None:
    offer, customer = template(merchant, total=30, per_store=4), shopper(merchant)
    store = goods.default_store(merchant)

    assert taken(offer, customer, store=store.pk) == "done"
    assert taken(offer, customer, store=store.pk) == "claim_limit_reached"

    assert CouponStoreCount.objects.get().given == 1


def test_days_begin_to_count_after_the_delay(merchant: Merchant) -> None:
    offer = template(merchant, valid_days=7, valid_delay_days=2)

    coupon, _new = claim(merchant=merchant.pk, template=offer.pk, customer=shopper(merchant).pk)

    day = dt.timedelta(days=1)
    assert coupon.valid_from - coupon.claimed_at == 2 * day
    assert coupon.valid_until - coupon.claimed_at == 9 * day


def test_dates_of_the_template_are_the_coupons_however_it_is_given(merchant: Merchant) -> None:
    now = timezone.now()
    begins, ends = now + dt.timedelta(days=2), now + dt.timedelta(days=5)
    offer = template(merchant, valid_days=None, valid_from=begins, valid_until=ends)
    given = shopper(merchant)
    Grant.objects.create(
        merchant=merchant, template=offer, name="Thanks", audience="list", key="x"
    ).targets.create(merchant=merchant, customer=given)

    coupon, _new = claim(merchant=merchant.pk, template=offer.pk, customer=shopper(merchant).pk)
    run_grants()

    assert (coupon.valid_from, coupon.valid_until) == (begins, ends)
    assert coupon.claimed_at < begins
    other = Coupon.objects.get(customer=given)
    assert (other.valid_from, other.valid_until) == (begins, ends)


def test_before_its_first_day_a_coupon_is_not_used(merchant: Merchant) -> None:
    now, second = timezone.now(), dt.timedelta(seconds=1)
    begins, ends = now + dt.timedelta(days=2), now + dt.timedelta(days=5)
    offer = template(merchant, valid_days=None, valid_from=begins, valid_until=ends)
    customer, stock = shopper(merchant), shelf(merchant)
    coupon, _new = claim(merchant=merchant.pk, template=offer.pk, customer=customer.pk)

    with pytest.raises(wallet.CouponUnavailable):
        place(customer, (stock, 1), payable=700, coupons=[coupon.pk])

    assert place(customer, (stock, 1), payable=1000).discount_fen == 0
    coupon.refresh_from_db()
    assert coupon.status == "claimed"
    days = {
        moment: [
            one.id
            for one in wallet.applicable(merchant.pk, customer.pk, moment)
            if one.begins is None
        ]
        for moment in (begins - second, begins, ends - second, ends)
    }
    assert list(days.values()) == [[], [coupon.pk], [coupon.pk], []]


def test_a_total_rises_while_it_is_claimed_and_falls_to_what_was_given(merchant: Merchant) -> None:
    offer = template(merchant, total=2)
    for _n in range(2):
        assert taken(offer, shopper(merchant)) == "done"
    assert taken(offer, shopper(merchant)) == "sold_out"

    for total, lots in ((2000, 16), (3, 16)):
        offer.total = total
        offer.save()
        offers.deal(offer)
        assert (sums(offer), offer.lots.count()) == ((2, total, 2), lots)
    assert [taken(offer, shopper(merchant)) for _n in range(2)] == ["done", "sold_out"]

    offer.total = 2
    offer.save()
    with pytest.raises(ValidationError):
        offers.deal(offer)


def test_a_rising_total_and_a_rush_lose_no_voucher(merchant: Merchant) -> None:
    offer = template(merchant, total=10)

    def rise() -> None:
        with transaction.atomic():
            CouponTemplate.objects.filter(pk=offer.pk).update(total=1000)
            offers.deal(offer)

    at_once([rise, *(partial(taken, offer, shopper(merchant)) for _n in range(30))], hands=8)

    given, may, there = sums(offer)
    assert (given, may) == (there, 1000)
    assert 10 <= given <= 30


def test_only_what_a_template_is_given_by_gives_it(merchant: Merchant) -> None:
    offer = template(merchant, way="code")

    assert taken(offer, shopper(merchant)) == "not_found"
    assert sums(offer) == (0, 100, 0)


def test_the_database_itself_refuses_a_lot_that_gives_too_much(merchant: Merchant) -> None:
    lot = template(merchant, total=1).lots.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        CouponLot.objects.filter(pk=lot.pk).update(given=2)


def test_a_claim_is_one_statement(merchant: Merchant, django_assert_num_queries: Any) -> None:
    offer, customer = template(merchant, total=5000), shopper(merchant)

    with django_assert_num_queries(1):
        assert taken(offer, customer) == "done"

    assert CouponEvent.objects.filter(event="claimed").count() == 1


@pytest.mark.parametrize(("total", "status", "least"), [(5000, 201, 1), (0, 409, 2)])
def test_no_transaction_is_open_while_the_view_thinks(
    merchant: Merchant, total: int, status: int, least: int
) -> None:
    """Each statement of the request begins outside one, and leaves none open behind it."""
    offer, customer = template(merchant, total=total), shopper(merchant)
    api = signed_in(customer)
    open_around: list[bool] = []

    def is_open() -> bool:
        idle = pq.TransactionStatus.IDLE
        return connection.in_atomic_block or connection.connection.info.transaction_status != idle

    def look(execute: Any, *args: Any) -> Any:
        open_around.append(is_open())
        try:
            return execute(*args)
        finally:
            open_around.append(is_open())

    connection.ensure_connection()
    with connection.execute_wrapper(look):
        answer = api("POST", f"coupon-templates/{offer.pk}/claim", {})

    assert not connection.settings_dict["ATOMIC_REQUESTS"]
    assert (answer.status, Coupon.objects.count()) == (status, int(status == 201))
    assert len(open_around) >= 2 * least
    assert not any(open_around)


def test_codes_are_long_and_have_no_look_alikes() -> None:
    codes = {new_code() for _n in range(500)}

    assert len(codes) == 500
    assert {len(code) for code in codes} == {16}
    assert set("".join(codes)) <= set("23456789ABCDEFGHJKLMNPQRSTUVWXYZ")


def test_a_clock_that_is_behind_at_midnight_forgets_nothing(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims stamped before and after midnight take turns: the new day's limit is one limit."""
    offer = template(merchant, total=100, per_day=5)
    midnight = claiming.midnight(timezone.now())
    moments = itertools.cycle(
        [midnight + dt.timedelta(seconds=1), midnight - dt.timedelta(seconds=1)]
    )
    monkeypatch.setattr("coupons.claiming.timezone.now", lambda: next(moments))

    ended = [taken(offer, shopper(merchant)) for _n in range(20)]

    assert ended == ["done"] * 5 + ["sold_out_today"] * 15


def test_a_limit_of_the_day_set_later_counts_what_was_given_today(merchant: Merchant) -> None:
    offer = template(merchant, total=2000)
    for _n in range(12):
        assert taken(offer, shopper(merchant)) == "done"

    offer.per_day = 15
    offer.save()
    offers.deal(offer)

    ended = [taken(offer, shopper(merchant)) for _n in range(6)]
    assert ended == ["done"] * 3 + ["sold_out_today"] * 3


def test_a_stores_share_lowered_below_what_it_gave_is_said_at_once(
    merchant: Merchant, django_assert_max_num_queries: Any
) -> None:
    store = goods.default_store(merchant)
    offer = template(merchant, per_store=3)
    for _n in range(3):
        assert taken(offer, shopper(merchant), store=store.pk) == "done"
    CouponTemplate.objects.update(per_store=2)
    late = shopper(merchant)

    with django_assert_max_num_queries(8):
        assert taken(offer, late, store=store.pk) == "sold_out_in_store"
