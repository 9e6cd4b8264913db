"""The cart: what is in it, what it costs today, and what became of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from shop import cart, login
from shop.cart import MAX_LINES, MAX_QUANTITY
from shop.customers import Gone
from shop.models import CartLine, Customer, Merchant, Product, Sku, Stock
from tests.orders import makers
from tests.shop import goods
from tests.shop.conftest import Api, open_shop, signed_in


def add(api: Api, shelf: Stock, quantity: int = 1, **more: Any) -> Any:
    answer = api("POST", "cart/items", {"sku": shelf.sku_id, "quantity": quantity, **more})
    assert answer.status == 200, answer.body
    return answer.body


def lines(whole: Any) -> list[dict[str, Any]]:
    return [line for part in whole["stores"] for line in part["lines"]]


def test_every_write_answers_the_whole_cart_priced(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    first, second = makers.shelf(merchant, price=700), makers.shelf(merchant, price=400)
    coupon = makers.coupon(customer)

    add(api, first)
    whole = add(api, second, 2)

    assert whole == api("GET", "cart").body
    assert (whole["count"], whole["goods_fen"], whole["discount_fen"]) == (3, 1500, 300)
    assert whole["coupon"]["id"] == coupon.pk
    assert whole["all_selected"] is True
    assert api("GET", "cart/count").body == {"count": 3}


def test_adding_adds_and_setting_sets(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)

    add(api, shelf, 2)
    assert lines(add(api, shelf, 3))[0]["quantity"] == 5
    assert lines(add(api, shelf, 2, mode="set"))[0]["quantity"] == 2


def test_the_same_key_adds_once(merchant: Merchant, api: Api) -> None:
    body = {"sku": makers.shelf(merchant).sku_id, "quantity": 1}

    for _tap in range(2):
        answer = api("POST", "cart/items", body, Idempotency_Key="tap-1")
    assert lines(answer.body)[0]["quantity"] == 1

    other = api("POST", "cart/items", {**body, "quantity": 2}, Idempotency_Key="tap-1")
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")


def test_a_line_changes_in_what_is_named_and_stays_in_the_rest(
    merchant: Merchant, api: Api
) -> None:
    line = lines(add(api, makers.shelf(merchant), 2))[0]

    changed = api("PUT", f"cart/items/{line['id']}", {"selected": False})
    assert [(row["quantity"], row["selected"]) for row in lines(changed.body)] == [(2, False)]
    assert (changed.body["goods_fen"], changed.body["all_selected"]) == (0, False)

    changed = api("PATCH", f"cart/items/{line['id']}", {"quantity": 4})
    assert [(row["quantity"], row["selected"]) for row in lines(changed.body)] == [(4, False)]


def test_a_line_that_becomes_another_joins_it(merchant: Merchant, api: Api) -> None:
    first, second = makers.shelf(merchant), makers.shelf(merchant)
    add(api, first, 2)
    whole = add(api, second, 3)
    line = next(row for row in lines(whole) if row["sku"] == first.sku_id)

    changed = api("PUT", f"cart/items/{line['id']}", {"sku": second.sku_id})

    assert [(row["sku"], row["quantity"]) for row in lines(changed.body)] == [(second.sku_id, 5)]


def test_lines_are_ticked_alone_by_store_or_all(merchant: Merchant, api: Api) -> None:
    here = makers.shelf(merchant)
    there = makers.shelf(merchant, store=goods.store(merchant, "二店"))
    add(api, here)
    whole = add(api, there, store=there.store_id)
    first = next(row for row in lines(whole) if row["sku"] == here.sku_id)

    def ticked(body: dict[str, Any]) -> set[int]:
        answer = api("POST", "cart/select", body)
        assert answer.status == 200
        return {row["sku"] for row in lines(answer.body) if row["selected"]}

    assert ticked({"selected": False}) == set()
    assert ticked({"selected": True, "lines": [first["id"]]}) == {here.sku_id}
    assert ticked({"selected": True, "store": there.store_id}) == {here.sku_id, there.sku_id}


def test_what_is_no_longer_for_sale_stands_apart_and_goes_with_one_call(
    merchant: Merchant, api: Api
) -> None:
    kept, gone = makers.shelf(merchant), makers.shelf(merchant)
    add(api, kept)
    add(api, gone)
    Product.objects.filter(pk=gone.sku.product_id).update(on_sale=False)

    whole = api("GET", "cart").body
    assert [row["sku"] for row in whole["invalid"]] == [gone.sku_id]
    assert [row["sku"] for row in lines(whole)] == [kept.sku_id]

    cleared = api("POST", "cart/remove", {"invalid": True}).body
    assert cleared["invalid"] == []
    assert [row["sku"] for row in lines(cleared)] == [kept.sku_id]


def test_a_line_with_too_little_on_the_shelf_says_so_and_is_not_counted(
    merchant: Merchant, api: Api
) -> None:
    shelf = makers.shelf(merchant, count=1)

    whole = add(api, shelf, 2)

    assert [(row["reason"], row["available"]) for row in lines(whole)] == [("out_of_stock", 1)]
    assert whole["goods_fen"] == 0


def test_todays_price_is_shown(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant)
    add(api, shelf)
    Sku.objects.filter(pk=shelf.sku_id).update(price_fen=1234)

    assert api("GET", "cart").body["goods_fen"] == 1234


def test_the_cart_has_its_limits(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant, count=None)
    add(api, shelf, MAX_QUANTITY)
    over = api("POST", "cart/items", {"sku": shelf.sku_id, "quantity": 1})
    assert (over.status, over.body["code"]) == (409, "over_limit")

    others = [makers.shelf(merchant) for _n in range(MAX_LINES)]
    for row in others[:-1]:
        add(api, row)
    full = api("POST", "cart/items", {"sku": others[-1].sku_id, "quantity": 1})
    assert (full.status, full.body["code"]) == (409, "cart_full")
    assert CartLine.objects.count() == MAX_LINES


def test_another_shoppers_line_and_another_shops_sku_are_not_there(
    merchant: Merchant, api: Api
) -> None:
    other = signed_in(makers.shopper(merchant))
    line = lines(add(other, makers.shelf(merchant)))[0]
    foreign = makers.shelf(open_shop("别家")[0])

    assert api("PUT", f"cart/items/{line['id']}", {"quantity": 2}).status == 404
    assert api("DELETE", f"cart/items/{line['id']}").status == 200  # gone already, for this one
    assert api("POST", "cart/remove", {"lines": [line["id"]]}).status == 200
    assert api("POST", "cart/items", {"sku": foreign.sku_id}).status == 404
    assert api("PUT", f"cart/items/{line['id']}", {"sku": foreign.sku_id}).status == 404
    assert CartLine.objects.get().quantity == 1


def test_an_account_erased_between_the_door_and_the_shelf_gathers_nothing(
    merchant: Merchant, customer: Customer
) -> None:
    """The request was let in; the erasure was faster."""
    shelf = makers.shelf(merchant)
    Customer.objects.filter(pk=customer.pk).update(erased_at=timezone.now())

    with pytest.raises(Gone):
        cart.add(customer, sku=shelf.sku_id, quantity=1, store=None)
    assert not CartLine.objects.exists()
    token = login.access_token(customer, at=timezone.now())
    assert Api(access=token)("GET", "cart").status == 401


@pytest.mark.parametrize(("reads", "missing"), [("after_discounts", 300), ("before_coupons", 0)])
def test_the_cart_says_how_far_free_freight_is(
    reads: str, missing: int, merchant: Merchant, customer: Customer
) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(
        freight_fen=200, freight_free_over_fen=1000, freight_free_over_reads=reads
    )
    makers.coupon(customer)
    shelf = makers.shelf(merchant)
    shopper = signed_in(customer)

    assert add(shopper, shelf)["free_freight"] == {"over_fen": 1000, "missing_fen": missing}
    body = {"items": [{"sku": shelf.sku_id, "quantity": 1}]}
    freight = shopper("POST", "purchases/quote", body).body["freight_fen"]
    assert (freight == 0) == (missing == 0)
    Merchant.objects.filter(pk=merchant.pk).update(freight_free_over_fen=None)
    assert shopper("GET", "cart").body["free_freight"] is None


def test_the_cart_leaves_a_coupon_out_that_would_cost_more_in_freight_than_it_saves(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(freight_fen=800, freight_free_over_fen=1000)
    makers.coupon(customer)
    shelf = makers.shelf(merchant)

    whole = add(api, shelf)

    body = {"items": [{"sku": shelf.sku_id, "quantity": 1}]}
    quoted = api("POST", "purchases/quote", body).body
    assert (whole["discount_fen"], whole["coupon"]) == (0, None)
    assert (quoted["discount_fen"], quoted["freight_fen"], quoted["payable_fen"]) == (0, 0, 1000)
