"""What a quote says, and what it refuses to believe."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from backend.money import Fen
from coupons.models import Coupon
from coupons.promotions import Voucher
from orders import basket, checkout
from orders.api.shapes import WHY_UNUSABLE, why_unusable
from orders.models import MAX_QUANTITY, Purchase
from orders.quotes import Unusable
from shop.models import Address, Customer, Merchant, Product, Sku, Stock, StockMovement, Store
from tests.orders import makers
from tests.shop import goods
from tests.shop.conftest import Api, open_shop

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")


def item(stock: Stock, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"sku": stock.sku_id, "quantity": quantity, **more}


def quote(api: Api, *items: dict[str, Any], **more: Any) -> Any:
    answer = api("POST", "purchases/quote", {"items": list(items), **more})
    assert answer.status == 200, answer.body
    return answer.body


def test_lines_stand_by_store_and_every_amount_adds_up(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(freight_fen=801)
    here = makers.shelf(merchant, price=1001)
    there = makers.shelf(merchant, price=2002, store=goods.store(merchant, "二店"))
    coupon = makers.coupon(customer)

    body = quote(api, item(here, 2), item(there, 1, store=there.store_id))

    assert [part["store"] for part in body["stores"]] == [here.store_id, there.store_id]
    assert (body["goods_fen"], body["freight_fen"], body["discount_fen"]) == (4004, 801, 300)
    assert body["payable_fen"] == body["goods_fen"] + body["freight_fen"] - body["discount_fen"]
    for amount in ("goods_fen", "freight_fen", "discount_fen", "payable_fen"):
        assert sum(part[amount] for part in body["stores"]) == body[amount]
    for part in body["stores"]:
        for amount in ("goods_fen", "discount_fen"):
            assert sum(line[amount] for line in part["lines"]) == part[amount]
    assert body["coupons"]["usable"] == [
        {"id": coupon.pk, "name": coupon.name, "saves_fen": 300, "chosen": True}
    ]
    assert body["quantity"] == 3


def test_a_coupon_of_tomorrow_says_when_and_a_named_one_is_found_among_many(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    row = makers.shelf(merchant, price=2000)
    tomorrow = makers.coupon(customer, terms={"threshold_fen": 1, "off_fen": 900})
    Coupon.objects.filter(pk=tomorrow.pk).update(
        valid_from=dt.datetime(2126, 1, 2, 3, 4, tzinfo=dt.UTC),
        valid_until=dt.datetime(2126, 2, 2, tzinfo=dt.UTC),
    )

    (later,) = quote(api, item(row))["coupons"]["unusable"]
    assert (later["id"], later["reason"]) == (tomorrow.pk, "not_yet")
    assert later["message"] == "2126-01-02 11:04 起可用"
    refused = api("POST", "purchases/quote", {"items": [item(row)], "coupons": [tomorrow.pk]})
    assert (refused.status, refused.body["code"]) == (409, "coupon_unavailable")

    many = makers.template(merchant, total=300, per_customer=100)
    Coupon.objects.bulk_create(
        Coupon(
            merchant=merchant, template=many, customer=customer, ordinal=n, code=f"many{n}",
            name="x", kind="amount_off", terms={"off_fen": n}, claimed_at=timezone.now(),
            valid_from=timezone.now(), valid_until=timezone.now() + dt.timedelta(days=300 + n),
        )
        for n in range(1, 203)
    )  # fmt: skip
    last = Coupon.objects.get(code="many202")
    named = quote(api, item(row), coupons=[last.pk])
    assert (named["discount_fen"], len(named["coupons"]["usable"])) == (202, 200)


def test_the_best_coupon_comes_first_and_the_others_say_what_is_missing(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    small = makers.coupon(customer)
    best = makers.coupon(customer, terms={"threshold_fen": 1500, "off_fen": 500})
    far = makers.coupon(customer, terms={"threshold_fen": 9900, "off_fen": 5000})

    coupons = quote(api, item(makers.shelf(merchant, price=2000)))["coupons"]

    assert [(c["id"], c["chosen"]) for c in coupons["usable"]] == [
        (best.pk, True),
        (small.pk, False),
    ]
    (other,) = coupons["unusable"]
    assert (other["id"], other["reason"], other["missing_fen"]) == (
        far.pk,
        "below_threshold",
        7900,
    )
    assert "79.00" in other["message"]


def test_a_blackout_day_is_one_of_the_shops_own_calendar(
    merchant: Merchant, customer: Customer
) -> None:
    """At half past midnight in Shanghai it is still the day before in London."""
    moments = {"on the day": (24, 0, 30), "before": (23, 23, 30), "after": (25, 0, 30)}
    at = {
        when: dt.datetime(2026, 12, day, hour, minute, tzinfo=SHANGHAI)
        for when, (day, hour, minute) in moments.items()
    }
    makers.coupon(
        customer, kind="amount_off", terms={"off_fen": 300, "blackouts": ["2026-12-24"]},
        valid_days=None, valid_from=at["before"], valid_until=at["after"] + dt.timedelta(days=1),
    )  # fmt: skip
    wanted = checkout.Wanted([basket.Item(makers.shelf(merchant).sku_id, 1)])

    saved = {
        when: int(checkout.price(customer, wanted, at=moment).quote.discount)
        for when, moment in at.items()
    }

    assert saved == {"on the day": 0, "before": 300, "after": 300}


def test_what_a_blackout_day_refuses_says_so(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    today = timezone.localdate()
    days = [str(today + dt.timedelta(days=n)) for n in range(2)]  # midnight may come meanwhile
    mine = makers.coupon(customer, kind="amount_off", terms={"off_fen": 300, "blackouts": days})
    stock = makers.shelf(merchant)

    body = quote(api, item(stock))
    named = {"items": [item(stock)], "coupons": [mine.pk], "payable_fen": 700}
    refused = api("POST", "purchases", named, Idempotency_Key="k")

    assert body["coupons"]["usable"] == []
    (other,) = body["coupons"]["unusable"]
    assert (other["id"], other["reason"], other["missing_fen"]) == (mine.pk, "not_now", 0)
    assert other["message"] == "当前时段不可用。"
    assert (refused.status, refused.body["code"]) == (409, "coupon_unavailable")
    mine.refresh_from_db()
    assert mine.status == "claimed"


@pytest.mark.parametrize("reason", WHY_UNUSABLE)
def test_every_reason_is_said_in_both_languages_with_what_is_missing(reason: str) -> None:
    said = {}
    for language in ("zh-hans", "en"):
        with translation.override(language):
            at = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
            one = Voucher(1, "x", "amount_off", {}, begins=at)
            said[language] = why_unusable(Unusable(one, reason, Fen(1200)))

    assert re.search("[一-鿿]", said["zh-hans"])
    assert not re.search("[A-Za-z%]", said["zh-hans"])
    assert re.search("[a-z]{2}", said["en"])
    assert not re.search("[一-鿿%]", said["en"])
    tells_how_much = ["12.00" in words for words in said.values()]
    assert tells_how_much == [reason == "below_threshold"] * 2
    tells_when = ["2026-12-01 08:00" in words for words in said.values()]
    assert tells_when == [reason == "not_yet"] * 2


def test_coupons_may_be_named_or_left_at_home(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    small = makers.coupon(customer)
    makers.coupon(customer, terms={"threshold_fen": 1500, "off_fen": 500})
    wanted = item(makers.shelf(merchant, price=2000))

    assert quote(api, wanted, coupons=[])["discount_fen"] == 0
    assert quote(api, wanted, coupons=[small.pk])["discount_fen"] == 300


def test_somebody_elses_coupon_is_not_there(merchant: Merchant, api: Api) -> None:
    foreign = makers.coupon(makers.shopper(merchant))

    answer = api(
        "POST",
        "purchases/quote",
        {"items": [item(makers.shelf(merchant, price=2000))], "coupons": [foreign.pk]},
    )

    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_somebody_elses_address_is_not_there(merchant: Merchant, api: Api) -> None:
    foreign = Address.objects.get(customer=makers.shopper(merchant))

    answer = api(
        "POST",
        "purchases/quote",
        {"items": [item(makers.shelf(merchant))], "delivery": {"address": foreign.pk}},
    )

    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_without_an_address_it_says_so_and_leaves_freight_open(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(freight_fen=800)
    Address.objects.all().delete()

    body = quote(api, item(makers.shelf(merchant)))

    assert (body["needs"], body["address"], body["freight_fen"]) == (["address"], None, None)
    assert body["payable_fen"] == body["goods_fen"]


def test_each_line_that_cant_be_bought_says_why(merchant: Merchant, api: Api) -> None:
    few, off, hidden, shut = (makers.shelf(merchant, count=2) for _n in range(4))
    Sku.objects.filter(pk=off.sku_id).update(on_sale=False)
    Product.objects.filter(pk=hidden.sku.product_id).update(on_sale=False)
    closed = goods.store(merchant, "三店", paused=True)
    Stock.objects.filter(pk=shut.pk).update(store=closed)
    foreign = makers.shelf(open_shop("别家")[0])

    body = quote(api, item(few, 3), item(off), item(hidden), item(shut), item(foreign))

    assert {(p["sku"], p["reason"], p["available"]) for p in body["problems"]} == {
        (few.sku_id, "out_of_stock", 2),
        (off.sku_id, "not_for_sale", 2),
        (hidden.sku_id, "not_for_sale", 2),
        (shut.sku_id, "store_closed", 2),
        (foreign.sku_id, "not_for_sale", None),
    }
    assert body["stores"] == []


def test_two_lines_of_one_sku_are_counted_together(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant, count=3)

    body = quote(api, item(shelf, 2), item(shelf, 2))

    (problem,) = body["problems"]
    assert (problem["quantity"], problem["reason"]) == (4, "out_of_stock")


def test_two_lines_together_are_over_the_limit_of_one(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant, count=None)

    body = quote(api, item(shelf, MAX_QUANTITY), item(shelf, 1))

    (problem,) = body["problems"]
    assert problem["reason"] == "over_limit"


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1, 2**70, 1.5, "two", None, True])
def test_a_negative_or_zero_quantity_never_lowers_the_total(
    quantity: Any, merchant: Merchant, api: Api
) -> None:
    shelf = makers.shelf(merchant)
    for path, more in (("purchases/quote", {}), ("purchases", {"payable_fen": 0})):
        answer = api("POST", path, {"items": [item(shelf, quantity)], **more})
        if quantity is True:  # JSON's true is no number of things
            assert answer.status in {200, 400, 409}
            continue
        assert (answer.status, answer.body["code"]) == (400, "invalid")
        assert list(answer.body["fields"]) == ["items"]
    assert not Purchase.objects.filter(payable_fen__lt=1000).exists()
    shelf.refresh_from_db()
    assert shelf.available + shelf.held == 9


def test_price_owner_and_name_are_the_shops_facts(merchant: Merchant, api: Api) -> None:
    shelf = makers.shelf(merchant, price=1000)

    body = quote(
        api, item(shelf, price_fen=1, unit_price_fen=1, name="白送"), customer=1, payable_fen=1
    )

    assert body["payable_fen"] == 1000


def test_items_without_a_store_come_from_as_few_as_can_be(merchant: Merchant, api: Api) -> None:
    main, other = goods.default_store(merchant), goods.store(merchant, "二店")
    first = makers.shelf(merchant, count=0, store=main)
    second = makers.shelf(merchant, store=main)
    for row in (first, second):
        goods.shelf(row.sku, other, 5)

    body = quote(api, item(first), item(second))

    assert [part["store"] for part in body["stores"]] == [other.pk]
    assert Store.objects.count() == 2


@pytest.mark.parametrize("lines", [2, 20])
def test_a_quote_takes_as_many_queries_for_two_lines_as_for_twenty(
    lines: int, merchant: Merchant, customer: Customer, api: Api
) -> None:
    shelves = [makers.shelf(merchant) for _n in range(lines)]
    makers.coupon(customer)
    moved = StockMovement.objects.count()

    with CaptureQueriesContext(connection) as queries:
        quote(api, *(item(shelf) for shelf in shelves))

    assert len(queries) == 4  # the design allows 15; sign-in, offers, wallet, address
    assert StockMovement.objects.count() == moved
