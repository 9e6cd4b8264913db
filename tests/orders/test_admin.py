"""Orders at the desk: found, read, and shipped."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from orders.models import Order, OrderEvent, OrderStatus, Parcel
from shop.models import Staff
from tests.backend.desk import SECRET, Shop, address, open_shop, paid_order

pytestmark = pytest.mark.django_db

SENT = {"_form_submitted": "True", "courier": "SF", "tracking_no": "SF1234567890"}


@pytest.fixture
def ours() -> Shop:
    return open_shop("Ours")


@pytest.fixture
def client(ours: Shop) -> Client:
    return ours.staff(Staff.Role.FULFILMENT)


def ship(client: Client, order: Order, **values: str) -> Any:
    return client.post(address(Order, "ship", order.pk), SENT | values, follow=True)


def test_an_order_ships_with_its_parcel_and_who_did_it(ours: Shop, client: Client) -> None:
    order = paid_order(ours)

    answer = ship(client, order, courier="sf")

    order.refresh_from_db()
    assert order.status == OrderStatus.SHIPPED
    assert order.receive_by is not None
    assert Parcel.objects.filter(order=order, courier="SF", tracking_no="SF1234567890").count() == 1
    event = OrderEvent.objects.filter(order=order).latest("id")
    assert (event.event, event.note) == ("ship", "SF SF1234567890")
    assert event.by.startswith("staff Ours-fulfilment")
    assert f"Order {order.number} has shipped." in answer.content.decode()


@pytest.mark.parametrize("status", [status for status in OrderStatus if status != OrderStatus.PAID])
def test_an_order_that_can_not_ship_says_so_and_stays(
    status: OrderStatus, ours: Shop, client: Client
) -> None:
    order = ours.one(Order)
    Order.objects.filter(pk=order.pk).update(status=status)
    before = Parcel.objects.count(), OrderEvent.objects.count()

    answer = ship(client, order)

    assert "This order has moved on. Please look again." in answer.content.decode()
    assert Order.objects.get(pk=order.pk).status == status
    assert (Parcel.objects.count(), OrderEvent.objects.count()) == before
    page = client.get(address(Order, "change", order.pk)).content.decode()
    assert address(Order, "ship", order.pk) not in page


def test_an_order_that_is_held_does_not_ship(ours: Shop, client: Client) -> None:
    order = ours.one(Order)
    Order.objects.filter(pk=order.pk).update(held_for="risk")

    answer = ship(client, order)

    assert "This order has moved on" in answer.content.decode()
    assert Order.objects.get(pk=order.pk).status == OrderStatus.PAID


def test_pressed_twice_it_ships_once(ours: Shop, client: Client) -> None:
    order = paid_order(ours)

    ship(client, order)
    ship(client, order)

    assert Parcel.objects.filter(order=order, tracking_no="SF1234567890").count() == 1
    assert OrderEvent.objects.filter(order=order, event="ship").count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("courier", ""), ("courier", "顺丰"), ("tracking_no", ""), ("tracking_no", "12 34"),
     ("tracking_no", "1" * 41)],
)  # fmt: skip
def test_a_parcel_without_a_number_is_refused(
    field: str, value: str, ours: Shop, client: Client
) -> None:
    answer = client.post(address(Order, "ship", ours.one(Order).pk), SENT | {field: value})

    assert field in answer.context["form"].errors
    assert Order.objects.get(pk=ours.one(Order).pk).status == OrderStatus.PAID


def test_opening_the_dialog_ships_nothing(ours: Shop, client: Client) -> None:
    client.get(address(Order, "ship", ours.one(Order).pk), SENT)

    assert Order.objects.get(pk=ours.one(Order).pk).status == OrderStatus.PAID


def test_the_button_is_where_it_works(ours: Shop, client: Client) -> None:
    button = address(Order, "ship", ours.one(Order).pk)
    onlooker = ours.staff(Staff.Role.READ_ONLY)

    for page in (address(Order, "changelist"), address(Order, "change", ours.one(Order).pk)):
        assert button in client.get(page).content.decode()
        assert button not in onlooker.get(page).content.decode()


def test_an_order_is_read_whole_and_not_written(ours: Shop, client: Client) -> None:
    page = address(Order, "change", ours.one(Order).pk)

    seen = client.get(page).content.decode()

    for fact in ("Ours line", "Ours voucher", "¥100.00", "¥8.00", "¥20.00", "¥88.00", "Ours-T",
                 "13800138000", "Ours street", "payment"):  # fmt: skip
        assert fact in seen, fact
    assert SECRET not in seen
    assert client.post(page, {"status": "closed"}).status_code == 403
    assert client.get(address(Order, "add")).status_code == 403


@pytest.mark.parametrize("words", ["Ours-", "8000"])
def test_an_order_is_found_by_number_and_phone(words: str, ours: Shop, client: Client) -> None:
    seen = client.get(address(Order, "changelist"), {"q": words})

    assert seen.context["cl"].result_count == 1


def test_a_list_shows_only_the_end_of_a_phone(ours: Shop, client: Client) -> None:
    seen = client.get(address(Order, "changelist")).content.decode()

    assert "13800138000" not in seen
    assert "****8000" in seen


def test_orders_are_listed_by_status(ours: Shop, client: Client) -> None:
    page = address(Order, "changelist")

    assert client.get(page, {"status__exact": "paid"}).context["cl"].result_count == 1
    assert client.get(page, {"status__exact": "shipped"}).context["cl"].result_count == 0
