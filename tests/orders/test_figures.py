"""What vouchers brought, equal to a recount of wallets, purchases and redemptions to the fen."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.money import Fen
from coupons import claiming, counter, passing, wallet
from coupons.models import (
    Coupon,
    CouponEvent,
    CouponFigure,
    CouponFigureDay,
    CouponTemplate,
    CouponUse,
    Redemption,
)
from orders import figures, lifecycle
from orders.models import CloseReason, Order, Purchase, Reduction
from orders.tasks import count_vouchers
from shop.models import Customer, Merchant, Store
from tests.backend import desk
from tests.orders.makers import place, shelf, shopper, template
from tests.orders.test_races import at_once
from tests.shop import goods
from tests.shop.conftest import open_shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


def claim(offer: CouponTemplate, customer: Customer, **source: str) -> Coupon:
    return claiming.claim(
        merchant=offer.merchant_id, template=offer.pk, customer=customer.pk, source=source
    )[0]


def pay(purchase: Purchase) -> None:
    trade = lifecycle.Trade(payment_id=purchase.pk, method="free")
    lifecycle.pay(purchase.pk, trade, at=timezone.now())


def redeem(coupon: Coupon, store: Store, bill: int) -> Redemption:
    code, _ends = counter.code_of(coupon, timezone.now())
    asked = counter.Asked(
        coupon.merchant_id, store, code, Fen(bill), f"request-{coupon.pk}", by="x"
    )
    return counter.redeem(asked)[0]


def figure(offer: CouponTemplate, *by: str) -> dict[Any, tuple[int, ...]]:
    """Given, used, given back, expired, saved, sales; by these columns."""
    sums: dict[Any, tuple[int, ...]] = {}
    for row in CouponFigure.objects.filter(template=offer):
        key = tuple(getattr(row, name) for name in by)
        mine = (row.given, row.used, row.given_back, row.expired, row.saved_fen, row.sales_fen)
        before = sums.get(key, (0,) * len(mine))
        sums[key] = tuple(int(a) + int(b) for a, b in zip(before, mine, strict=True))
    return sums


def recounted(offer: CouponTemplate) -> tuple[int, ...]:
    """The same from the rows themselves, in another way."""
    mine = Coupon.objects.filter(template=offer)
    uses = CouponUse.objects.filter(coupon__in=mine)
    live = uses.filter(state="used")
    saved = sum(int(use.saved_fen) for use in live)
    sales = 0
    for use in live:
        redemption = Redemption.objects.filter(number=use.reference).first()
        if redemption is not None:
            sales += int((redemption.bill_fen or redemption.saved_fen) - redemption.saved_fen)
            continue
        shares = Reduction.objects.filter(coupon_id=use.coupon_id)
        orders = Order.objects.filter(
            pk__in=shares.values("order_id"), purchase__number=use.reference
        )
        sales += sum(int(order.payable_fen) for order in orders)
    ended = Counter(CouponEvent.objects.filter(coupon__in=mine).values_list("event", flat=True))
    return (
        mine.exclude(way="friend").count(),
        ended["used"] + ended["redeemed"],
        ended["given_back"] + ended["undone"],
        mine.filter(status="expired").count(),
        saved,
        sales,
    )


def test_orders_counters_and_refunds_add_up_to_the_fen(merchant: Merchant) -> None:
    offer = template(merchant, per_customer=9, total=100)
    here = goods.default_store(merchant)
    there = Store.objects.create(merchant=merchant, name="静安店", code="B")
    stocks = [shelf(merchant, price=1000, count=99, store=store) for store in (here, there)]
    customers = [shopper(merchant) for _n in range(4)]
    coupons = [claim(offer, customer, channel="poster") for customer in customers]
    coupons += [claim(offer, customer) for customer in customers]

    # One over two stores, one refunded, one closed, two at counters of which one is undone.
    both = place(
        customers[0], (stocks[0], 1), (stocks[1], 2), payable=2700, coupons=[coupons[0].pk]
    )
    pay(both)
    refunded = place(customers[1], (stocks[1], 1), payable=700, coupons=[coupons[1].pk])
    pay(refunded)
    wallet.give_back(merchant.pk, refunded.number, at=timezone.now())
    closed = place(customers[2], (stocks[0], 1), payable=700, coupons=[coupons[2].pk])
    lifecycle.close(closed.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    redeem(coupons[3], there, 5000)
    undone = redeem(coupons[4], here, 4000)
    counter.undo(merchant.pk, undone.number, stores=[here.pk], by="x")
    token, _ends = passing.share(customers[1], coupons[5].pk)
    passing.accept(shopper(merchant), token)
    Coupon.objects.filter(pk=coupons[6].pk).update(valid_until=timezone.now())
    wallet.expire(at=timezone.now())

    count_vouchers()

    assert figure(offer) == {(): recounted(offer)}
    assert figure(offer)[()] == (8, 4, 2, 1, 600, 2700 + 4700)
    by_store = figure(offer, "store_id")
    shares = {
        order.store_id: (int(order.discount_fen), int(order.payable_fen))
        for order in both.orders.all()
    }
    assert by_store[here.pk,][4:] == shares[here.pk]
    assert by_store[there.pk,][4:] == (
        shares[there.pk][0] + 300, shares[there.pk][1] + 4700,
    )  # fmt: skip
    by_channel = figure(offer, "channel")
    assert {channel: row[0] for (channel,), row in by_channel.items()} == {
        "poster": 4, "claim": 4,
    }  # fmt: skip


def test_a_day_is_counted_again_and_comes_to_the_same(merchant: Merchant) -> None:
    offer = template(merchant)
    claim(offer, shopper(merchant))

    at_once([count_vouchers] * 4, hands=4)
    claim(offer, shopper(merchant))
    for _n in range(2):
        count_vouchers()

    assert figure(offer) == {(): (2, 0, 0, 0, 0, 0)}
    assert CouponFigure.objects.count() == 1


def test_each_day_has_its_own_and_missed_ones_are_made_up_for(merchant: Merchant) -> None:
    offer = template(merchant)
    now, day = timezone.now(), dt.timedelta(days=1)
    for back in (5, 3, 3, 0):
        coupon = claim(offer, shopper(merchant))
        CouponEvent.objects.filter(coupon=coupon).update(at=now - back * day)

    assert figures.due(now) == [timezone.localdate(now) - n * day for n in (5, 4, 3, 2, 1, 0)]
    count_vouchers()

    given = {key[0]: row[0] for key, row in figure(offer, "day").items()}
    today = timezone.localdate(now)
    assert given == {today - 5 * day: 1, today - 3 * day: 2, today: 1}
    assert figures.due(now) == [today]


def test_a_day_counted_before_its_end_is_counted_after_it(merchant: Merchant) -> None:
    now, day = timezone.now(), dt.timedelta(days=1)
    claim(template(merchant), shopper(merchant))
    yesterday = timezone.localdate(now) - day
    CouponFigureDay.objects.create(day=yesterday, counted_at=now - day)

    assert figures.due(now)[0] == yesterday
    CouponFigureDay.objects.filter(day=yesterday).update(
        counted_at=timezone.make_aware(dt.datetime.combine(yesterday, dt.time())) + 2 * day
    )
    assert figures.due(now) == [timezone.localdate(now)]


def test_the_desk_shows_them_in_as_many_queries_for_many_days(transactional_db: None) -> None:
    ours = desk.open_shop("Ours")
    offer, client = ours.one(CouponTemplate), ours.owner
    page = desk.address(CouponTemplate, "change", offer.pk)
    today, counts = timezone.localdate(), []
    client.get(page)
    for days in (range(1), range(1, 40)):
        CouponFigure.objects.bulk_create(
            CouponFigure(
                merchant=ours.merchant, template=offer, day=today - dt.timedelta(days=n),
                channel=f"c{n % 3}", given=10, used=4, given_back=1, saved_fen=Fen(1200),
                sales_fen=Fen(40000),
            )
            for n in days
        )  # fmt: skip
        with CaptureQueriesContext(connection) as queries:
            shown = client.get(page).content.decode()
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert "30.0 %" in shown
    assert "¥480.00" in shown
    assert "<svg" in shown
