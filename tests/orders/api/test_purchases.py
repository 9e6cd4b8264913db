"""Placing what was agreed: all of it, once, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coupons.models import CouponStatus
from orders.models import Order, OrderLine, Purchase, Reduction
from shop import login
from shop.models import Address, CartLine, Customer, Merchant, Product, Sku, Stock
from tests.orders import makers
from tests.orders.api.test_quote import item, quote
from tests.shop import goods
from tests.shop.conftest import Api, signed_in

# One shop, several rows each of which must be unchanged by what was refused.
TABLES = (Purchase, Order, OrderLine, Reduction)


def rows() -> list[int]:
    return [table.objects.count() for table in TABLES]


def place(api: Api, *items: dict[str, Any], payable: int, key: str = "", **more: Any) -> Any:
    headers = {"Idempotency_Key": key} if key else {}
    body = {"items": list(items), "payable_fen": payable, **more}
    return api("POST", "purchases", body, **headers)


def counts(stock: Stock) -> tuple[int, int]:
    return makers.counts(stock)


def test_the_same_tap_twice_is_one_purchase(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)

    first = place(api, item(shelf), payable=1000, key="tap-1")
    again = place(api, item(shelf), payable=1000, key="tap-1")

    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert Purchase.objects.count() == 1
    assert counts(shelf) == (8, 1)


def test_a_key_used_for_something_else_is_refused(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)
    place(api, item(shelf), payable=1000, key="tap-1")

    other = place(api, item(shelf, 2), payable=2000, key="tap-1")

    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")
    assert counts(shelf) == (8, 1)


def test_a_refused_request_does_not_use_its_key_up(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)

    assert place(api, item(shelf), payable=999, key="tap-1").status == 409
    assert place(api, item(shelf), payable=1000, key="tap-1").status == 201


def test_the_same_key_of_another_shopper_is_another_purchase(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)
    other = signed_in(makers.shopper(merchant))

    first = place(api, item(shelf), payable=1000, key="tap-1")
    second = place(other, item(shelf), payable=1000, key="tap-1")

    assert first.body["number"] != second.body["number"]
    assert counts(shelf) == (7, 2)


def test_a_price_that_moved_is_said_with_the_new_quote_and_leaves_no_trace(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    shelf, coupon = makers.shelf(merchant), makers.coupon(customer)
    agreed = quote(api, item(shelf, 2))["payable_fen"]
    Sku.objects.filter(pk=shelf.sku_id).update(price_fen=1100)

    answer = place(api, item(shelf, 2), payable=agreed)

    assert (answer.status, answer.body["code"]) == (409, "price_changed")
    fresh = answer.body["detail"]["quote"]
    assert fresh["payable_fen"] == 1900
    assert fresh == quote(api, item(shelf, 2))
    assert rows() == [0, 0, 0, 0]
    assert counts(shelf) == (9, 0)
    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.CLAIMED


def test_what_is_not_there_leaves_no_trace_and_names_the_lines(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    enough, short = makers.shelf(merchant), makers.shelf(merchant, count=1)
    coupon = makers.coupon(customer)

    answer = place(api, item(enough), item(short, 2), payable=2700)

    assert (answer.status, answer.body["code"]) == (409, "out_of_stock")
    assert answer.body["detail"]["lines"] == [
        {"sku": short.sku_id, "store": short.store_id, "reason": "out_of_stock", "available": 1}
    ]
    assert rows() == [0, 0, 0, 0]
    assert counts(enough) == (9, 0)
    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.CLAIMED


def test_a_basket_over_two_stores_is_one_purchase_with_an_order_each(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(freight_fen=801)
    here = makers.shelf(merchant, price=1001)
    there = makers.shelf(merchant, price=2002, store=goods.store(merchant, "二店", phone="1"))
    makers.coupon(customer)

    answer = place(
        api,
        item(here),
        item(there, store=there.store_id),
        payable=1001 + 2002 + 801 - 300,
        remarks=[{"store": there.store_id, "remark": "包好一点"}],
    )

    assert answer.status == 201
    first, second = answer.body["orders"]
    for amount in ("goods_fen", "freight_fen", "discount_fen", "payable_fen"):
        assert first[amount] + second[amount] == answer.body[amount]
        assert sum(o[amount] for o in Order.objects.values(amount)) == answer.body[amount]
    assert (first["remark"], second["remark"]) == ("", "包好一点")
    assert (second["store"]["id"], second["store"]["phone"]) == (there.store_id, "1")


def test_what_is_answered_is_what_stands_in_the_database(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    here = makers.shelf(merchant)
    there = makers.shelf(merchant, store=goods.store(merchant, "二店"))
    makers.coupon(customer)

    placed = place(api, item(here), item(there, 2, store=there.store_id), payable=2700)

    assert api("GET", f"purchases/{placed.body['number']}").body == placed.body


def test_a_payable_of_zero_is_paid_as_it_is_placed(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    shelf = makers.shelf(merchant)
    coupon = makers.coupon(customer, terms={"threshold_fen": 1000, "off_fen": 1000})

    answer = place(api, item(shelf), payable=0)

    assert (answer.status, answer.body["status"], answer.body["method"]) == (201, "paid", "free")
    assert [order["status"] for order in answer.body["orders"]] == ["paid"]
    assert counts(shelf) == (8, 0)
    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.USED
    assert api("POST", f"purchases/{answer.body['number']}/pay", {}).body["status"] == "paid"


def test_the_cart_gives_up_what_was_bought_and_keeps_the_rest(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    bought, kept = makers.shelf(merchant), makers.shelf(merchant)
    for row, selected in ((bought, True), (kept, False)):
        CartLine.objects.create(
            merchant=merchant, customer=customer, sku=row.sku, store=row.store,
            quantity=2, selected=selected,
        )  # fmt: skip

    answer = api("POST", "purchases", {"from_cart": True, "payable_fen": 2000})

    assert answer.status == 201
    assert [line["quantity"] for line in answer.body["orders"][0]["lines"]] == [2]
    assert list(CartLine.objects.values_list("sku", flat=True)) == [kept.sku_id]


def test_a_purchase_that_fails_leaves_the_cart_as_it_was(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    row = makers.shelf(merchant)
    CartLine.objects.create(
        merchant=merchant, customer=customer, sku=row.sku, store=row.store, quantity=2
    )

    assert api("POST", "purchases", {"from_cart": True, "payable_fen": 1}).status == 409
    assert CartLine.objects.get().quantity == 2


def test_an_empty_basket_is_nothing_to_buy(api: Api) -> None:
    answer = api("POST", "purchases", {"from_cart": True, "payable_fen": 0})

    assert (answer.status, answer.body["code"]) == (422, "nothing_to_buy")


def test_without_an_address_nothing_is_placed(merchant: Merchant, api: Api) -> None:
    Address.objects.all().delete()

    answer = place(api, item(makers.shelf(merchant)), payable=1000)

    assert (answer.status, answer.body["code"]) == (422, "address_needed")


def test_goods_without_a_right_of_return_are_agreed_to_first(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)
    Product.objects.update(no_reason_return=False, no_return_ground="定制商品")
    terms = quote(api, item(shelf))["return_terms"]
    assert [(term["sku"], term["ground"]) for term in terms] == [(shelf.sku_id, "定制商品")]

    answer = place(api, item(shelf), payable=1000)
    assert (answer.status, answer.body["code"]) == (422, "no_return_not_accepted")
    assert answer.body["detail"]["skus"] == [shelf.sku_id]

    agreed = place(api, item(shelf), payable=1000, accepts_no_return=[shelf.sku_id])
    assert agreed.status == 201


def test_cancelling_gives_stock_and_coupon_back_once(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    shelf, coupon = makers.shelf(merchant), makers.coupon(customer)
    number = place(api, item(shelf, 2), payable=1700).body["number"]
    assert counts(shelf) == (7, 2)

    for _tap in range(2):
        answer = api("POST", f"purchases/{number}/cancel")
        assert (answer.status, answer.body["status"]) == (200, "closed")

    assert answer.body["close_reason"] == "cancelled"
    assert counts(shelf) == (9, 0)
    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.CLAIMED
    assert api("POST", f"purchases/{number}/pay", {}).status == 409


def test_goods_come_back_to_a_shelf_that_is_empty_or_off_sale(merchant: Merchant, api: Api) -> None:
    """Giving back depends on what was held, never on what is there."""
    shelf = makers.shelf(merchant, count=2)
    number = place(api, item(shelf, 2), payable=2000).body["number"]
    assert counts(shelf) == (0, 2)
    Stock.objects.filter(pk=shelf.pk).update(on_sale=False)
    Sku.objects.update(on_sale=False)

    api("POST", f"purchases/{number}/cancel")

    assert counts(shelf) == (2, 0)


@pytest.mark.parametrize("lines", [2, 20])
def test_placing_takes_as_many_queries_for_two_lines_as_for_twenty(
    lines: int, merchant: Merchant, customer: Customer, api: Api
) -> None:
    shelves = [makers.shelf(merchant) for _n in range(lines)]
    makers.coupon(customer)
    items = [item(shelf) for shelf in shelves]

    with CaptureQueriesContext(connection) as queries:
        answer = place(api, *items, payable=1000 * lines - 300, key="tap-1")

    assert answer.status == 201
    asked = [q["sql"] for q in queries if "SAVEPOINT" not in q["sql"]]
    assert len(asked) == 10  # the design allows 25; BEGIN and COMMIT come to it


def test_an_order_of_an_erased_account_is_not_placed(merchant: Merchant) -> None:
    customer = makers.shopper(merchant)
    token = login.access_token(customer, at=timezone.now())
    Customer.objects.filter(pk=customer.pk).update(erased_at=timezone.now())

    answer = place(Api(access=token), item(makers.shelf(merchant)), payable=1000)

    assert (answer.status, answer.body["code"]) == (401, "not_signed_in")
    assert rows() == [0, 0, 0, 0]
