"""A shopper's orders: the list, its tabs, one order, and that it has arrived."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from backend.api import PAGE_SIZE
from orders import lifecycle
from orders.models import CloseReason, Order, OrderEvent, Purchase
from shop.models import Customer, Merchant
from tests.orders import makers
from tests.shop import goods
from tests.shop.conftest import Api, signed_in


def pay(purchase: Purchase) -> None:
    trade = lifecycle.Trade(purchase.pk, "wechat_jsapi", out_trade_no=f"T{purchase.pk}")
    lifecycle.pay(purchase.pk, trade, at=timezone.now())


def ship(purchase: Purchase) -> None:
    for order in purchase.orders.all():
        lifecycle.ship(order.pk, courier="SF", tracking_no="1", at=timezone.now(), by="staff")


@pytest.fixture
def one_of_each(merchant: Merchant, customer: Customer) -> dict[str, Purchase]:
    """Purchases over two stores, by how far they got."""
    here = makers.shelf(merchant)
    there = makers.shelf(merchant, store=goods.store(merchant, "二店"))
    made = {}
    for name in ("awaiting_payment", "paid", "shipped", "to_review", "closed"):
        made[name] = makers.place(customer, (here, 1), (there, 1), payable=2000)
    for name in ("paid", "shipped", "to_review"):
        pay(made[name])
    for name in ("shipped", "to_review"):
        ship(made[name])
    for order in made["to_review"].orders.all():
        lifecycle.receive(order.pk, at=timezone.now(), by="shopper")
    lifecycle.close(made["closed"].pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    return made


def rows(api: Api, **query: str) -> list[Any]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    answer = api("GET", f"orders?{asked}")
    assert answer.status == 200, answer.body
    return list(answer.body["results"])


def test_an_unpaid_purchase_is_one_row_and_afterwards_each_order_is(
    one_of_each: dict[str, Purchase], api: Api
) -> None:
    (unpaid,) = rows(api, status="awaiting_payment")
    assert (unpaid["kind"], unpaid["number"]) == (
        "purchase",
        one_of_each["awaiting_payment"].number,
    )
    assert (unpaid["payable_fen"], len(unpaid["orders"])) == (2000, 2)
    assert unpaid["actions"] == ["pay", "cancel"]
    assert unpaid["expires_at"]

    paid = rows(api, status="paid")
    assert [row["kind"] for row in paid] == ["order", "order"]
    assert {row["number"] for row in paid} == set(
        one_of_each["paid"].orders.values_list("number", flat=True)
    )


def test_every_count_is_the_length_of_its_tab(one_of_each: dict[str, Purchase], api: Api) -> None:
    counts = api("GET", "orders/counts").body

    assert counts == {tab: len(rows(api, status=tab)) for tab in counts}
    assert counts == {
        "awaiting_payment": 1, "paid": 2, "shipped": 2, "to_review": 2, "after_sale": 0,
    }  # fmt: skip
    assert len(rows(api)) == 1 + 2 + 2 + 2 + 2


def test_pages_neither_lose_nor_repeat_a_row(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    here = makers.shelf(merchant, count=None)
    there = makers.shelf(merchant, count=None, store=goods.store(merchant, "二店"))
    made = [
        makers.place(customer, (here, 1), (there, 1), payable=2000) for _n in range(PAGE_SIZE + 5)
    ]
    for purchase in made[::2]:
        pay(purchase)

    seen, cursor = [], ""
    while True:
        page = api("GET", f"orders?cursor={cursor}" if cursor else "orders").body
        seen += [row["number"] for row in page["results"]]
        cursor = page["next"]
        if not cursor:
            break

    expected = {p.number for p in made[1::2]} | set(
        Order.objects.filter(purchase__in=made[::2]).values_list("number", flat=True)
    )
    assert len(seen) == len(expected)
    assert set(seen) == expected


def test_one_order_tells_its_story_in_words(one_of_each: dict[str, Purchase], api: Api) -> None:
    order = one_of_each["to_review"].orders.order_by("pk")[0]

    body = api("GET", f"orders/{order.number}").body
    assert (body["status"], body["status_text"]) == ("completed", "已完成")
    assert [event["event"] for event in body["events"]] == ["place", "pay", "ship", "receive"]
    assert body["events"][0]["text"] == "已下单"
    assert body["completed_at"].endswith("+08:00")
    assert body["lines"][0]["aftersale_until"] > body["completed_at"]
    english = api("GET", f"orders/{order.number}", Accept_Language="en").body
    assert (english["status_text"], english["events"][0]["text"]) == ("completed", "Order placed")


def test_receiving_twice_is_receiving_once(one_of_each: dict[str, Purchase], api: Api) -> None:
    order = one_of_each["shipped"].orders.order_by("pk")[0]

    first = api("POST", f"orders/{order.number}/receive")
    again = api("POST", f"orders/{order.number}/receive")

    assert (first.status, again.status) == (200, 200)
    assert again.body == first.body
    assert OrderEvent.objects.filter(order=order, event="receive").count() == 1


@pytest.mark.parametrize("name", ["awaiting_payment", "paid", "closed"])
def test_only_what_is_on_its_way_arrives(
    name: str, one_of_each: dict[str, Purchase], api: Api
) -> None:
    order = one_of_each[name].orders.order_by("pk")[0]

    answer = api("POST", f"orders/{order.number}/receive")

    assert (answer.status, answer.body["code"]) == (409, "wrong_status")


def test_another_shoppers_order_is_not_there(
    one_of_each: dict[str, Purchase], merchant: Merchant
) -> None:
    stranger = signed_in(makers.shopper(merchant))
    purchase = one_of_each["shipped"]
    number = purchase.orders.order_by("pk")[0].number

    for method, path in (
        ("GET", f"orders/{number}"),
        ("POST", f"orders/{number}/receive"),
        ("GET", f"purchases/{purchase.number}"),
        ("POST", f"purchases/{purchase.number}/cancel"),
    ):
        assert stranger(method, path).status == 404
    assert rows(stranger) == []
