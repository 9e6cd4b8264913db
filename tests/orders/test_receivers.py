"""Whoever erases their account is locked away in the books, and one day gone from them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from orders import lifecycle, receivers, tasks
from orders.models import Order, OrderStatus, Purchase
from shop.models import Customer, Merchant, Staff
from tests.backend.desk import Shop, address, open_shop, paid_order
from tests.orders import makers
from tests.shop.conftest import open_shop as open_bare_shop
from tests.shop.conftest import signed_in

LOOK = {"_form_submitted": "True", "why": "警方来函"}

pytestmark = pytest.mark.django_db


@pytest.fixture
def merchant() -> Merchant:
    return open_bare_shop()[0]


def finished(customer: Customer) -> Order:
    """An order that was paid and has arrived."""
    purchase = makers.place(customer, (makers.shelf(customer.merchant), 1), payable=1000)
    trade = lifecycle.Trade(purchase.pk, "wechat_jsapi", openid="o-somebody")
    lifecycle.pay(purchase.pk, trade, at=timezone.now())
    order = purchase.orders.get()
    lifecycle.ship(order.pk, courier="SF", tracking_no="1", at=timezone.now(), by="staff")
    return lifecycle.receive(order.pk, at=timezone.now(), by="shopper")


def test_leaving_locks_the_receivers_of_ones_own_orders_for_three_years(
    merchant: Merchant,
) -> None:
    leaving, staying = makers.shopper(merchant), makers.shopper(merchant)
    mine, other = finished(leaving), finished(staying)

    assert signed_in(leaving)("DELETE", "me").status == 204

    mine.refresh_from_db()
    other.refresh_from_db()
    assert mine.completed_at is not None
    assert mine.scrub_receiver_at is not None
    assert mine.scrub_receiver_at.year == mine.completed_at.year + receivers.KEPT_YEARS
    assert mine.receiver == "小满"
    assert other.scrub_receiver_at is None
    assert set(Purchase.objects.values_list("customer", "payer_openid")) == {
        (leaving.pk, ""),
        (staying.pk, "o-somebody"),
    }


def test_when_the_time_is_over_the_receiver_is_gone_and_the_amounts_stay(
    merchant: Merchant,
) -> None:
    due, later, kept = (finished(makers.shopper(merchant)) for _n in range(3))
    now = timezone.now()
    Order.objects.filter(pk=due.pk).update(scrub_receiver_at=now - dt.timedelta(seconds=1))
    Order.objects.filter(pk=later.pk).update(scrub_receiver_at=now + dt.timedelta(days=1))

    for _run in range(2):
        tasks.scrub_receivers()

    for order in (due, later, kept):
        order.refresh_from_db()
    assert (due.receiver, due.receiver_phone, due.receiver_region, due.receiver_detail) == (
        ("",) * 4
    )
    assert due.scrub_receiver_at is None
    assert due.payable_fen == 1000
    assert later.receiver == kept.receiver == "小满"


@pytest.fixture
def desk() -> Shop:
    return open_shop("Ours")


@pytest.fixture
def locked(desk: Shop) -> Order:
    order = paid_order(desk)
    Order.objects.filter(pk=order.pk).update(
        status=OrderStatus.COMPLETED,
        scrub_receiver_at=timezone.now() + dt.timedelta(days=1),
    )
    order.refresh_from_db()
    assert order.receiver_phone
    return order


@pytest.mark.parametrize("role", list(Staff.Role))
def test_a_locked_receiver_stands_on_no_page(role: Staff.Role, desk: Shop, locked: Order) -> None:
    client = desk.staff(role)

    for page in (address(Order, "changelist"), address(Order, "change", locked.pk)):
        seen = client.get(page).content.decode()
        assert locked.receiver_phone not in seen
        assert locked.receiver_detail not in seen


def test_the_owner_may_look_and_it_is_recorded(desk: Shop, locked: Order) -> None:
    owner = desk.owner

    answer = owner.post(
        address(Order, "look", locked.pk),
        LOOK,
        follow=True,
    )

    assert locked.receiver_phone in answer.content.decode()
    (look,) = LogEntry.objects.filter(object_id=str(locked.pk))
    assert LOOK["why"] in look.get_change_message()
    assert locked.receiver_phone not in look.get_change_message()
    assert (
        locked.receiver_phone not in owner.get(address(Order, "change", locked.pk)).content.decode()
    )


@pytest.mark.parametrize("role", [role for role in Staff.Role if role != Staff.Role.OWNER])
def test_nobody_else_may_look(role: Staff.Role, desk: Shop, locked: Order) -> None:
    client = desk.staff(role)

    answer = client.post(address(Order, "look", locked.pk), LOOK, follow=True)

    assert locked.receiver_phone not in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_another_shops_owner_finds_nothing(locked: Order) -> None:
    stranger = open_shop("Theirs").owner

    answer = stranger.post(address(Order, "look", locked.pk), LOOK)

    assert answer.status_code in {403, 404}
    assert not LogEntry.objects.exists()
