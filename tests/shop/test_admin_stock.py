"""Shelves at the desk: every count moves with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client

from shop import stock
from shop.models import Product, Sku, Stock, StockMovement, Store
from tests.backend.desk import Shop, address, filled, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours() -> Shop:
    return open_shop("Ours")


@pytest.fixture
def client(ours: Shop) -> Client:
    return ours.owner


def asked(client: Client, page: str, **values: Any) -> dict[str, Any]:
    """The dialog as it was opened, filled in."""
    form = client.get(page).context["form"]
    return {box.html_name: box.value() for box in form if box.value() is not None} | values


def agrees(shelf: Stock) -> bool:
    sums = StockMovement.objects.filter(stock=shelf).aggregate(
        available=Sum("available_delta"), held=Sum("held_delta")
    )
    return (shelf.available, shelf.held) == (sums["available"], sums["held"])


def test_what_comes_in_is_a_movement_with_who_and_why(ours: Shop, client: Client) -> None:
    shelf = ours.one(Stock)
    page = address(Stock, "receive", shelf.pk)

    answer = client.post(page, asked(client, page, quantity="7", reference="DN-1"))

    assert answer.status_code == 302
    shelf.refresh_from_db()
    moved = StockMovement.objects.get(stock=shelf, reference="DN-1")
    assert (shelf.available, moved.available_delta, moved.reason) == (17, 7, "received")
    assert moved.by.startswith("staff Ours-owner")
    assert agrees(shelf)


def test_a_dialog_sent_twice_counts_once(ours: Shop, client: Client) -> None:
    shelf = ours.one(Stock)
    page = address(Stock, "receive", shelf.pk)
    sent = asked(client, page, quantity="7")

    for _time in range(2):
        client.post(page, sent, headers={"HX-Request": "true"})

    shelf.refresh_from_db()
    assert shelf.available == 17


def test_a_delivery_note_is_counted_once(ours: Shop, client: Client) -> None:
    shelf = ours.one(Stock)
    page = address(Stock, "receive", shelf.pk)

    for _time in range(2):
        answer = client.post(page, asked(client, page, quantity="7", reference="DN-1"))

    assert "reference" in answer.context["form"].errors
    shelf.refresh_from_db()
    assert shelf.available == 17


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "abc", "", "99999999999999999999"])
def test_what_can_not_have_come_in_is_refused(quantity: str, ours: Shop, client: Client) -> None:
    page = address(Stock, "receive", ours.one(Stock).pk)

    answer = client.post(page, asked(client, page, quantity=quantity))

    assert "quantity" in answer.context["form"].errors
    assert StockMovement.objects.count() == 1


def test_a_key_of_somebodys_own_is_refused(ours: Shop, client: Client) -> None:
    page = address(Stock, "receive", ours.one(Stock).pk)

    answer = client.post(page, asked(client, page, quantity="1") | {"key": "Ours delivery"})

    assert "key" in answer.context["form"].errors
    assert StockMovement.objects.count() == 1


def test_a_counted_shelf_holds_what_was_counted_apart_from_what_is_held(
    ours: Shop, client: Client
) -> None:
    shelf = ours.one(Stock)
    stock.hold(ours.merchant.pk, [stock.Take(shelf.pk, 4)], reference="P1")
    page = address(Stock, "recount", shelf.pk)

    client.post(page, asked(client, page, available="2", note="broken in the rain"))

    shelf.refresh_from_db()
    moved = StockMovement.objects.get(stock=shelf, reason="counted")
    assert (shelf.available, shelf.held, moved.available_delta) == (2, 4, -4)
    assert moved.reference.startswith("broken in the rain")
    assert agrees(shelf)


def test_a_count_needs_a_reason(ours: Shop, client: Client) -> None:
    page = address(Stock, "recount", ours.one(Stock).pk)

    answer = client.post(page, asked(client, page, available="2", note=""))

    assert "note" in answer.context["form"].errors


def test_a_dialog_over_the_page_brings_the_page_up_to_date(ours: Shop, client: Client) -> None:
    page = address(Stock, "receive", ours.one(Stock).pk)

    answer = client.post(page, asked(client, page, quantity="1"), headers={"HX-Request": "true"})

    assert answer.headers["HX-Refresh"] == "true"


def test_saving_the_page_never_writes_the_counts(ours: Shop, client: Client) -> None:
    shelf = ours.one(Stock)
    page = address(Stock, "change", shelf.pk)
    form = filled(client.get(page))
    stock.receive(shelf, 5, reference="meanwhile")

    answer = client.post(
        page, form | {"price_fen": "4000", "available": "999", "held": "9", "sku": "1"}
    )

    assert answer.status_code == 302
    shelf.refresh_from_db()
    assert (shelf.available, shelf.held, shelf.price_fen) == (15, 0, 4000)
    assert agrees(shelf)
    assert Product.objects.get(pk=ours.one(Product).pk).price_min_fen == 4000


@pytest.mark.parametrize("price", ["-1", "9" * 20, "x"])
def test_a_price_at_a_store_has_bounds(price: str, ours: Shop, client: Client) -> None:
    page = address(Stock, "change", ours.one(Stock).pk)

    answer = client.post(page, filled(client.get(page)) | {"price_fen": price})

    assert "price_fen" in answer.context["adminform"].form.errors


def test_a_shelf_is_added_empty_and_once(ours: Shop, client: Client) -> None:
    other = Store.objects.create(merchant=ours.merchant, name="Ours second", code="2")
    page = address(Stock, "add")
    form = filled(client.get(page)) | {"sku": ours.one(Sku).pk, "store": other.pk, "available": "5"}

    first, again = client.post(page, form), client.post(page, form)

    assert (first.status_code, again.status_code) == (302, 200)
    assert Stock.objects.get(store=other).available == 0


def test_the_shelves_of_a_product_and_the_movements_of_a_shelf_are_a_click_away(
    ours: Shop, client: Client
) -> None:
    shelves = client.get(address(Stock, "changelist"), {"product": ours.one(Product).pk})
    none = client.get(address(Stock, "changelist"), {"product": "x"})
    moves = client.get(address(Stock, "history_of", ours.one(Stock).pk), follow=True)

    assert shelves.context["cl"].result_count == 1
    assert none.context["cl"].result_count == 0
    assert moves.context["cl"].result_count == 1


def test_movements_are_only_looked_at(ours: Shop, client: Client) -> None:
    move = ours.one(StockMovement)

    assert client.get(address(StockMovement, "add")).status_code == 403
    assert client.post(address(StockMovement, "change", move.pk), {}).status_code == 403
    assert client.post(address(StockMovement, "delete", move.pk), {}).status_code == 403
