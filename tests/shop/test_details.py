"""One product: the matrix for the picker, prices and counts per store, what is remembered of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from backend.errors import NotFound
from orders import basket
from shop import details, favourites
from shop.models import Merchant, Product, RecentView, Stock
from tests.shop.conftest import new_customer, open_shop
from tests.shop.goods import category, default_store, fresh, product, shelf, sku, store

pytestmark = pytest.mark.django_db


def shirt(merchant: Merchant) -> Product:
    """Two colours in two sizes; the fourth combination is not made."""
    made = Product.objects.create(
        merchant=merchant,
        code="shirt",
        name="衬衫",
        pictures=["a.png", "https://cdn.example/b.png"],
        params=[{"name": "面料", "value": "棉"}],
        specs=[
            {"name": "颜色", "values": [{"value": "白", "picture": "w.png"}, {"value": "黑"}]},
            {"name": "尺码", "values": [{"value": "S", "picture": ""}, {"value": "M"}]},
        ],
        category=category(merchant, "衬衫类", category(merchant, "服装")),
    )
    main = default_store(merchant)
    sku(made, 9900, ["白", "S"], at={main: 5}, market_price_fen=19900, picture="ws.png")
    sku(made, 10900, ["白", "M"], at={main: 0}, weight_g=300)
    sku(made, 8900, ["黑", "S"], at={main: None}, market_price_fen=100)
    sku(made, 1, ["黑", "M"], on_sale=False)
    return fresh(made)


def read(merchant: Merchant, pk: int, **more: Any) -> dict[str, Any]:
    return details.detail(merchant.pk, pk, **more)


def test_a_detail_has_the_matrix_a_picker_needs(merchant: Merchant) -> None:
    made = shirt(merchant)

    shown = read(merchant, made.pk)

    assert [spec["name"] for spec in shown["specs"]] == ["颜色", "尺码"]
    white, black = shown["specs"][0]["values"]
    assert (white["value"], black) == ("白", {"value": "黑", "picture": ""})
    assert white["picture"].endswith("/media/w.png")
    assert [
        (k["spec_values"], k["price_fen"], k["market_price_fen"], k["available"], k["unlimited"])
        for k in shown["skus"]
    ] == [
        ([{"name": "颜色", "value": "白"}, {"name": "尺码", "value": "S"}], 9900, 19900, 5, False),
        ([{"name": "颜色", "value": "白"}, {"name": "尺码", "value": "M"}], 10900, None, 0, False),
        ([{"name": "颜色", "value": "黑"}, {"name": "尺码", "value": "S"}], 8900, None, 999, True),
    ]
    assert shown["skus"][0]["picture"].endswith("/media/ws.png")
    assert shown["skus"][1]["weight_g"] == 300
    assert (shown["price_fen"], shown["price_max_fen"], shown["market_price_fen"]) == (
        8900,
        10900,
        None,
    )
    assert shown["pictures"][1] == "https://cdn.example/b.png"
    assert shown["picture"] == shown["pictures"][0]
    assert shown["params"] == [{"name": "面料", "value": "棉"}]
    assert made.category is not None
    assert shown["categories"] == [made.category.parent_id, made.category_id]
    assert (shown["for_sale"], shown["sold_out"], shown["is_favourite"]) == (True, False, False)
    assert shown["store"] is None
    assert "stores" not in shown


def test_available_is_the_largest_single_stores_count(merchant: Merchant) -> None:
    made = product(merchant, count=3)
    one = made.skus.get()
    shelf(one, store(merchant, "大店"), 7, price_fen=500)
    shelf(one, store(merchant, "停业", paused=True), 50)
    shelf(one, store(merchant, "撤柜", is_active=False), 60)
    shelf(one, store(merchant, "不卖"), 70, on_sale=False)

    (shown,) = read(merchant, made.pk)["skus"]
    assert (shown["available"], shown["price_fen"]) == (7, 1000)


def test_with_a_store_price_and_count_are_that_stores(merchant: Merchant) -> None:
    made = product(merchant, count=3)
    branch = store(merchant, "分店")
    shelf(made.skus.get(), branch, 7, price_fen=500)
    empty = store(merchant, "空店")

    shown = read(merchant, made.pk, store=branch.pk)
    (one,) = shown["skus"]
    assert (one["available"], one["price_fen"], shown["price_fen"]) == (7, 500, 500)
    assert shown["store"] == {"id": branch.pk, "name": "分店"}

    nothing = read(merchant, made.pk, store=empty.pk)
    assert (nothing["for_sale"], nothing["sold_out"], nothing["skus"][0]["available"]) == (
        False,
        True,
        0,
    )

    branch.paused = True
    branch.save()
    assert read(merchant, made.pk, store=branch.pk)["skus"][0]["available"] == 0


def test_the_page_says_the_price_and_count_the_basket_charges(merchant: Merchant) -> None:
    made = shirt(merchant)
    branch = store(merchant, "分店", sort=1)
    for one, price in zip(made.skus.filter(on_sale=True), (100, 200, None), strict=True):
        shelf(one, branch, 4, price_fen=price)
    Stock.objects.filter(store__is_default=True, sku__spec_values=["白", "S"]).update(price_fen=7)

    for where in (None, branch.pk, default_store(merchant).pk):
        for shown in read(merchant, made.pk, store=where)["skus"]:
            quantity = shown["available"]
            items = [basket.Item(shown["id"], quantity or 1, where)]
            wishes, problems = basket.gather(merchant.pk, items, timezone.now())
            if not quantity:
                assert problems
                continue
            one_unit = [basket.Item(shown["id"], 1, where)]
            (first,), _none = basket.gather(merchant.pk, one_unit, timezone.now())
            assert wishes
            assert first.offered.unit_price == shown["price_fen"]
            assert list(first.offered.specs) == shown["spec_values"]


def test_a_product_off_sale_is_shown_as_such(merchant: Merchant) -> None:
    now, hour = timezone.now(), dt.timedelta(hours=1)
    for more in ({"on_sale": False}, {"sale_starts_at": now + hour}, {"sale_ends_at": now - hour}):
        assert read(merchant, product(merchant, **more).pk)["for_sale"] is False
    bare = Product.objects.create(merchant=merchant, code="bare", name="没有规格")
    assert read(merchant, bare.pk)["for_sale"] is False
    assert read(merchant, bare.pk)["price_fen"] == 0


def test_another_shops_product_or_store_is_not_there(merchant: Merchant) -> None:
    other = open_shop("别家")[0]
    foreign = product(other)
    own = product(merchant)

    with pytest.raises(NotFound):
        read(merchant, foreign.pk)
    with pytest.raises(NotFound):
        read(merchant, own.pk, store=default_store(other).pk)
    with pytest.raises(NotFound):
        read(merchant, 2**62, customer=new_customer(merchant))
    assert RecentView.objects.count() == 0


def test_looking_is_remembered_once_and_last(merchant: Merchant) -> None:
    made, customer = product(merchant), new_customer(merchant)
    favourites.add(customer, made.pk)

    assert read(merchant, made.pk, customer=customer)["is_favourite"] is True
    first = RecentView.objects.get().at
    read(merchant, made.pk, customer=customer)

    assert RecentView.objects.get().at > first
    assert read(merchant, made.pk, customer=new_customer(merchant))["is_favourite"] is False


def test_the_stores_that_have_it_are_listed_when_asked(merchant: Merchant) -> None:
    made = product(merchant, count=1)
    one = made.skus.get()
    shelf(one, store(merchant, "有货", sort=1, city="上海市", detail="南京西路"), 1)
    shelf(one, store(merchant, "售罄"), 0)
    shelf(one, store(merchant, "停业", paused=True), 5)

    stores = read(merchant, made.pk, with_stores=True)["stores"]
    assert [(s["name"], s["address"]) for s in stores] == [("总店", ""), ("有货", "上海市南京西路")]


def test_a_detail_is_two_queries_however_many_skus_and_stores(
    merchant: Merchant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    made = product(merchant)
    customer = new_customer(merchant)
    for i in range(20):
        branch = store(merchant, f"分店{i}")
        sku(made, 100 + i, [str(i)], at={branch: i})

    for with_stores in (False, True):
        with django_assert_num_queries(2):
            read(merchant, made.pk, customer=customer, with_stores=with_stores)
