"""The life of an order, step by step."""

import datetime as dt
from itertools import product as pairs
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from backend import metrics, redis
from coupons.models import CouponStatus
from orders import lifecycle, tasks
from orders.lifecycle import TRANSITIONS, Event, WrongStatus
from orders.models import CloseReason, Order, OrderEvent, OrderStatus, PurchaseStatus
from shop import stock as shelves
from shop.models import Merchant, Product
from tests.orders.makers import counts, coupon, order_of, place, shelf, shopper

pytestmark = pytest.mark.django_db

TRADE = lifecycle.Trade(payment_id=1, method="wechat_jsapi", out_trade_no="t1")


@pytest.fixture
def merchant() -> Merchant:
    return Merchant.objects.create(name="山野小铺", slug="shop")


@pytest.mark.parametrize(("status", "event"), list(pairs(OrderStatus, TRANSITIONS)))
def test_only_the_steps_in_the_table_are_taken(
    merchant: Merchant, status: OrderStatus, event: Event
) -> None:
    order = order_of(place(shopper(merchant), (shelf(merchant), 1), payable=1000))
    Order.objects.filter(pk=order.pk).update(status=status)
    step = TRANSITIONS[event]

    if status in step.source:
        lifecycle.advance([order.pk], event, at=timezone.now(), by="test")
        order.refresh_from_db()
        assert order.status == step.target
        assert getattr(order, step.stamp) is not None
    else:
        with pytest.raises(WrongStatus), transaction.atomic():
            lifecycle.advance([order.pk], event, at=timezone.now(), by="test")
        order.refresh_from_db()
        assert order.status == status
        assert not order.events.filter(event=event).exists()


def test_a_purchase_is_paid_by_one_payment_and_no_other(merchant: Merchant) -> None:
    stock = shelf(merchant)
    purchase = place(shopper(merchant), (stock, 2), payable=2000)

    lifecycle.pay(purchase.pk, TRADE, at=timezone.now())
    with pytest.raises(WrongStatus):
        lifecycle.pay(purchase.pk, lifecycle.Trade(payment_id=2, method="x"), at=timezone.now())

    purchase.refresh_from_db()
    assert (purchase.status, purchase.paid_by_id) == (PurchaseStatus.PAID, 1)
    assert counts(stock) == (7, 0)
    assert Product.objects.get(skus=stock.sku_id).sold == 2


def test_closing_gives_stock_and_coupon_back_once(merchant: Merchant) -> None:
    customer = shopper(merchant)
    stock, held = shelf(merchant), coupon(customer)
    purchase = place(customer, (stock, 2), payable=1700)
    held.refresh_from_db()
    assert held.status == CouponStatus.HELD
    assert counts(stock) == (7, 2)

    closed = [
        lifecycle.close(purchase.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
        for _time in range(2)
    ]

    assert closed == [True, False]
    held.refresh_from_db()
    assert held.status == CouponStatus.CLAIMED
    assert counts(stock) == (9, 0)


def test_a_sold_out_shelf_takes_back_what_was_held(merchant: Merchant) -> None:
    stock = shelf(merchant, count=1)
    purchase = place(shopper(merchant), (stock, 1), payable=1000)
    assert counts(stock) == (0, 1)

    lifecycle.close(purchase.pk, CloseReason.EXPIRED, at=timezone.now(), by="clock")

    assert counts(stock) == (1, 0)


def test_what_was_held_comes_back_though_the_shelf_became_unlimited(merchant: Merchant) -> None:
    stock = shelf(merchant, count=3)
    purchase = place(shopper(merchant), (stock, 2), payable=2000)
    stock.unlimited = True
    stock.save(update_fields=["unlimited"])

    lifecycle.close(purchase.pk, CloseReason.EXPIRED, at=timezone.now(), by="clock")

    assert counts(stock) == (3, 0)


def test_a_paid_purchase_is_not_closed(merchant: Merchant) -> None:
    purchase = place(shopper(merchant), (shelf(merchant), 1), payable=1000)
    lifecycle.pay(purchase.pk, TRADE, at=timezone.now())

    with pytest.raises(WrongStatus):
        lifecycle.close(purchase.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")


def test_an_order_is_shipped_and_received(merchant: Merchant) -> None:
    purchase = place(shopper(merchant), (shelf(merchant), 1), payable=1000)
    lifecycle.pay(purchase.pk, TRADE, at=timezone.now())
    order, now = order_of(purchase), timezone.now()

    shipped = lifecycle.ship(order.pk, courier="SF", tracking_no="SF1", at=now, by="staff")
    assert shipped.receive_by is not None
    assert (shipped.receive_by - now).days == merchant.receive_days
    received = lifecycle.receive(order.pk, at=now, by="shopper")

    assert received.receive_by is None
    assert [e.event for e in order.events.all()] == ["place", "pay", "ship", "receive"]


def test_an_order_that_is_held_for_something_isnt_shipped(merchant: Merchant) -> None:
    purchase = place(shopper(merchant), (shelf(merchant), 1), payable=1000)
    lifecycle.pay(purchase.pk, TRADE, at=timezone.now())
    Order.objects.update(held_for="cancel_asked")

    with pytest.raises(WrongStatus):
        lifecycle.ship(
            order_of(purchase).pk, courier="SF", tracking_no="1", at=timezone.now(), by="staff"
        )

    assert order_of(purchase).status == OrderStatus.PAID


def test_holding_twice_under_one_reference_holds_once(merchant: Merchant) -> None:
    stock = shelf(merchant)
    for _time in range(2):
        shelves.hold(merchant.pk, [shelves.Take(stock.pk, 4)], reference="p1")
    assert counts(stock) == (5, 4)

    with pytest.raises(shelves.OutOfStock), transaction.atomic():
        shelves.hold(
            merchant.pk, [shelves.Take(stock.pk, 3), shelves.Take(stock.pk, 3)], reference="p2"
        )
    assert counts(stock) == (5, 4)


def test_the_clock_receives_what_is_overdue_and_comes_again_for_the_rest(
    merchant: Merchant,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    monkeypatch.setattr(tasks, "_BATCH", 2)
    orders = []
    for _n in range(3):
        purchase = place(shopper(merchant), (shelf(merchant), 1), payable=1000)
        lifecycle.pay(purchase.pk, lifecycle.Trade(purchase.pk, "wechat_jsapi"), at=timezone.now())
        order = purchase.orders.get()
        lifecycle.ship(order.pk, courier="SF", tracking_no="1", at=timezone.now(), by="staff")
        orders.append(order.pk)
    Order.objects.filter(pk__in=orders).update(receive_by=timezone.now() - dt.timedelta(seconds=1))

    with django_capture_on_commit_callbacks(execute=True):
        tasks.receive_overdue()
    assert Order.objects.filter(status=OrderStatus.COMPLETED).count() == 2
    assert redis.client().llen(metrics.QUEUE) == 1  # it comes again by itself

    tasks.receive_overdue()
    tasks.receive_overdue()
    assert Order.objects.filter(status=OrderStatus.COMPLETED).count() == 3
    assert OrderEvent.objects.filter(event="receive").count() == 3
