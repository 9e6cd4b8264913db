"""Lists of products: what is in them, in which order, at which price, by how many queries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from backend.api import encode_cursor
from backend.errors import BadCursor, NotFound
from orders import basket
from shop import catalogue, lists
from shop.models import HomeSection, Merchant, Product, Stock
from tests.shop.conftest import open_shop
from tests.shop.goods import category, default_store, fresh, product, shelf, sku, store

pytestmark = pytest.mark.django_db


def page(merchant: Merchant, cursor: str | None = None, **wanted: Any) -> dict[str, Any]:
    return lists.page(merchant.pk, lists.Filter(**wanted), cursor)


def names(merchant: Merchant, **wanted: Any) -> list[str]:
    return [item["name"] for item in page(merchant, **wanted)["results"]]


def walk(merchant: Merchant, **wanted: Any) -> list[int]:
    """The ids of every page, one after another."""
    found: list[int] = []
    cursor = None
    while True:
        answer = page(merchant, cursor, **wanted)
        found += [item["id"] for item in answer["results"]]
        cursor = answer["next"]
        if cursor is None:
            return found


def test_an_item_shows_what_a_list_needs(merchant: Merchant) -> None:
    made = product(
        merchant, "羊毛被", subtitle="轻暖", pictures=["demo/羊 毛.png", "b.png"], tags=["热销"]
    )
    made.skus.update(market_price_fen=1500)
    Product.objects.filter(pk=made.pk).update(sold=3)
    fresh(made)

    (item,) = page(merchant)["results"]
    assert item.pop("picture").endswith("/media/demo/%E7%BE%8A%20%E6%AF%9B.png")
    assert item == {
        "id": made.pk,
        "name": "羊毛被",
        "subtitle": "轻暖",
        "price_fen": 1000,
        "market_price_fen": 1500,
        "tags": ["热销"],
        "sold": 3,
        "sold_out": False,
    }


def test_only_what_is_on_sale_now_is_listed(merchant: Merchant) -> None:
    now, hour = timezone.now(), dt.timedelta(hours=1)
    product(merchant, "在售")
    product(merchant, "下架", on_sale=False)
    product(merchant, "未到", sale_starts_at=now + hour)
    product(merchant, "已过", sale_ends_at=now - hour)
    product(merchant, "正当时", sale_starts_at=now - hour, sale_ends_at=now + hour)
    product(open_shop("别家")[0], "别家的")

    assert set(names(merchant)) == {"在售", "正当时"}


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("default", ["丙", "丁", "乙", "甲"]),
        ("newest", ["丁", "丙", "乙", "甲"]),
        ("sales", ["甲", "丁", "丙", "乙"]),
        ("price", ["乙", "丁", "丙", "甲"]),
        ("-price", ["甲", "丙", "丁", "乙"]),
    ],
)
def test_each_order_is_what_it_says(merchant: Merchant, sort: str, expected: list[str]) -> None:
    first = product(merchant, "甲", price=400)
    product(merchant, "乙", price=100)
    product(merchant, "丙", price=300, sort_weight=5)
    product(merchant, "丁", price=200)
    Product.objects.filter(pk=first.pk).update(sold=9)

    assert names(merchant, sort=sort) == expected


@pytest.mark.parametrize("sort", lists.SORTS)
@pytest.mark.parametrize("with_category", [False, True])
@pytest.mark.parametrize("with_store", [False, True])
def test_pages_neither_repeat_nor_skip_where_rows_are_equal(
    merchant: Merchant, sort: str, *, with_category: bool, with_store: bool
) -> None:
    home = category(merchant, "居家")
    shelf_ = category(merchant, "被枕", home)
    wanted: dict[str, Any] = {"sort": sort}
    wanted |= {"category": home.pk} if with_category else {}
    wanted |= {"store": default_store(merchant).pk} if with_store else {}
    made = [
        product(merchant, f"第{i}", price=100 * (i % 3), category=shelf_ if i % 2 else home).pk
        for i in range(47)
    ]

    found = walk(merchant, **wanted)
    assert len(found) == 47
    assert set(found) == set(made)


def test_a_category_includes_what_is_below_it(merchant: Merchant) -> None:
    top = category(merchant, "居家")
    middle = category(merchant, "床品", top)
    leaf = category(merchant, "被子", middle)
    other = category(merchant, "食品")
    for where in (top, middle, leaf, other):
        product(merchant, where.name, category=where)
    product(merchant, "无类")

    assert set(names(merchant, category=top.pk)) == {"居家", "床品", "被子"}
    assert set(names(merchant, category=middle.pk)) == {"床品", "被子"}
    assert names(merchant, category=leaf.pk) == ["被子"]
    assert names(merchant, category=leaf.pk, words="被") == ["被子"]
    assert names(merchant, category=other.pk, words="被") == []
    assert names(open_shop("别家")[0], category=top.pk) == []
    assert names(merchant, category=2**62) == []


def test_price_range_and_tag_narrow_a_list(merchant: Merchant) -> None:
    product(merchant, "甲", price=100, tags=["热销"])
    product(merchant, "乙", price=200, tags=["热销", "新品"])
    product(merchant, "丙", price=300, tags=["新品"])

    assert names(merchant, min_price_fen=200, sort="price") == ["乙", "丙"]
    assert names(merchant, max_price_fen=200, sort="price") == ["甲", "乙"]
    assert names(merchant, min_price_fen=150, max_price_fen=250, tag="热销") == ["乙"]
    assert names(merchant, tag="新品", sort="price") == ["乙", "丙"]
    assert names(merchant, tag="没有") == []


def test_a_cursor_belongs_to_one_order(merchant: Merchant) -> None:
    for i in range(21):
        product(merchant, f"第{i}")
    cursor = page(merchant)["next"]

    for bad in ("", "x", "WyJ4Il0", encode_cursor(["default", "1", 2]), cursor[:-2] + "zz"):
        if bad:
            with pytest.raises(BadCursor):
                page(merchant, bad)
    with pytest.raises(BadCursor):
        page(merchant, cursor, sort="price")
    with pytest.raises(BadCursor):
        page(merchant, cursor, words="第")
    extreme = encode_cursor(["default", -(2**63) + 1, 2**63 - 1])
    assert page(merchant, extreme)["results"] == []


# Prices and counts are those an order would meet


def agrees_with_the_basket(merchant: Merchant, made: Product, item: dict[str, Any]) -> None:
    """What the list says, an order for one of the cheapest would be charged."""
    prices = []
    can_buy = False
    for one in made.skus.filter(on_sale=True):
        wishes, problems = basket.gather(merchant.pk, [basket.Item(one.pk, 1)], timezone.now())
        can_buy = can_buy or bool(wishes)
        prices += [wish.offered.unit_price for wish in wishes]
        assert len(wishes) + len(problems) == 1
    assert item["sold_out"] is not can_buy
    if prices:
        assert item["price_fen"] <= min(prices)


def test_the_price_is_of_the_store_an_order_would_come_from(merchant: Merchant) -> None:
    main, branch = default_store(merchant), store(merchant, "分店", sort=1)
    made = product(merchant, "羊毛被", price=1000, count=5)
    (one,) = made.skus.all()
    shelf(one, branch, 3, price_fen=800)

    (item,) = page(merchant)["results"]
    assert (item["price_fen"], item["sold_out"]) == (1000, False)
    agrees_with_the_basket(merchant, made, item)

    Stock.objects.filter(store=main).update(price_fen=900)
    (item,) = page(merchant)["results"]
    assert item["price_fen"] == 900
    agrees_with_the_basket(merchant, made, item)

    Stock.objects.filter(store=main).update(on_sale=False)
    (item,) = page(merchant)["results"]
    assert item["price_fen"] == 800
    agrees_with_the_basket(merchant, made, item)

    main.paused = branch.paused = True
    main.save()
    branch.save()
    (item,) = page(merchant)["results"]
    assert item["sold_out"] is True
    agrees_with_the_basket(merchant, made, item)


def test_a_store_shows_what_it_carries_at_its_price(merchant: Merchant) -> None:
    branch = store(merchant, "分店")
    both = product(merchant, "两店", price=1000)
    only_main = product(merchant, "总店独有", price=500)
    shelf(both.skus.get(), branch, 0, price_fen=1200)
    cheap = product(merchant, "分店便宜", price=2000)
    shelf(cheap.skus.get(), branch, None, price_fen=300)

    here = {item["name"]: item for item in page(merchant, store=branch.pk)["results"]}
    assert set(here) == {"两店", "分店便宜"}
    assert (here["两店"]["price_fen"], here["两店"]["sold_out"]) == (1200, True)
    assert (here["分店便宜"]["price_fen"], here["分店便宜"]["sold_out"]) == (300, False)
    assert names(merchant, store=branch.pk, sort="price") == ["分店便宜", "两店"]
    assert names(merchant, store=branch.pk, sort="-price") == ["两店", "分店便宜"]
    assert names(merchant, store=branch.pk, max_price_fen=500) == ["分店便宜"]
    assert names(merchant, store=branch.pk, words="便宜", sort="price") == ["分店便宜"]
    assert only_main.name in names(merchant)


def test_a_store_that_is_not_this_shops_is_not_there(merchant: Merchant) -> None:
    foreign = default_store(open_shop("别家")[0])
    closed = store(merchant, "关了", is_active=False)
    empty = store(merchant, "空的")

    for where in (foreign.pk, closed.pk, 2**62):
        with pytest.raises(NotFound):
            page(merchant, store=where)
    assert page(merchant, store=empty.pk) == {"results": [], "next": None}


def test_the_cheapest_sku_on_sale_gives_both_prices(merchant: Merchant) -> None:
    made = product(merchant, "羊毛被", price=3000)
    made.skus.update(market_price_fen=5000)
    sku(made, 1000, ["小"], at={default_store(merchant): 1}, market_price_fen=900)
    sku(made, 500, ["样品"], at={default_store(merchant): 1}, on_sale=False)
    fresh(made)

    (item,) = page(merchant)["results"]
    assert (item["price_fen"], item["market_price_fen"]) == (1000, None)
    assert (made.price_min_fen, made.price_max_fen, made.market_price_fen) == (1000, 3000, None)


def test_refresh_writes_only_what_changed(merchant: Merchant) -> None:
    made = product(merchant, "羊毛被")
    assert catalogue.refresh([made.pk, made.pk]) == 0

    made.skus.update(price_fen=700)
    assert catalogue.refresh([made.pk]) == 1
    assert page(merchant, sort="price")["results"][0]["price_fen"] == 700
    Product.objects.filter(pk=made.pk).update(name="蚕丝被")
    assert catalogue.refresh([made.pk]) == 1
    assert names(merchant, words="蚕丝") == ["蚕丝被"]
    assert catalogue.refresh([]) == 0
    assert catalogue.refresh([2**62]) == 0


def test_a_list_is_one_query_however_many_rows(
    merchant: Merchant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    branch = store(merchant, "分店")
    for i in range(25):
        made = product(merchant, f"羊毛被 {i}", tags=["热销"])
        shelf(made.skus.get(), branch, 1)

    for wanted in ({}, {"words": "羊毛"}, {"store": branch.pk, "sort": "price"}, {"tag": "热销"}):
        with django_assert_num_queries(1):
            assert len(page(merchant, **wanted)["results"]) == 20


# Home, categories


def test_sections_show_twenty_of_what_is_on_sale(
    merchant: Merchant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    branch = store(merchant, "分店")
    section = HomeSection.objects.create(merchant=merchant, title="推荐", sort=1)
    first = HomeSection.objects.create(merchant=merchant, title="头条")
    HomeSection.objects.create(merchant=merchant, title="藏着", is_active=False)
    made = [product(merchant, f"第{i}", sort_weight=i) for i in range(25)]
    gone = product(merchant, "下架", on_sale=False, sort_weight=99)
    section.products.set([*made, gone])
    shelf(made[0].skus.get(), branch, 1, price_fen=1)

    with django_assert_num_queries(1):
        found = lists.sections(merchant.pk, None)
    assert [(s["id"], s["title"], len(s["products"])) for s in found] == [
        (first.pk, "头条", 0),
        (section.pk, "推荐", 20),
    ]
    assert found[1]["products"][0]["name"] == "第24"
    (_first, here) = lists.sections(merchant.pk, branch.pk)
    assert [(item["name"], item["price_fen"]) for item in here["products"]] == [("第0", 1)]


def test_the_tree_of_categories_hides_what_is_below_a_hidden_one(merchant: Merchant) -> None:
    top = category(merchant, "居家", picture="c.png")
    hidden = category(merchant, "季节", top, is_active=False)
    category(merchant, "圣诞", hidden)
    leaf = category(merchant, "被枕", top, sort=-1)
    category(open_shop("别家")[0], "别家的")

    (shown,) = catalogue.categories(merchant.pk)
    assert (shown["id"], shown["name"]) == (top.pk, "居家")
    assert shown["picture"].endswith("/media/c.png")
    assert [child["id"] for child in shown["children"]] == [leaf.pk]
    assert shown["children"][0]["children"] == []


def test_a_stores_categories_are_those_it_sells_from(merchant: Merchant) -> None:
    branch = store(merchant, "分店")
    top = category(merchant, "居家")
    leaf = category(merchant, "被枕", top)
    product(merchant, "毯子", category=category(merchant, "食品"))
    shelf(product(merchant, "被子", category=leaf).skus.get(), branch, 1)

    (shown,) = catalogue.categories(merchant.pk, branch.pk)
    assert (shown["id"], [child["id"] for child in shown["children"]]) == (top.pk, [leaf.pk])
    with pytest.raises(NotFound):
        catalogue.categories(merchant.pk, 2**62)


@pytest.mark.parametrize(
    ("path", "ending"),
    [
        ("", ""),
        ("https://cdn.example/a.png", "https://cdn.example/a.png"),
        ("http://cdn.example/a.png?x=1", "http://cdn.example/a.png?x=1"),
        ("demo/a.png", "/media/demo/a.png"),
        ("/media/demo/a.png", "/media/demo/a.png"),
        ("/demo/a.png", "/media/demo/a.png"),
    ],
)
def test_a_pictures_address_is_whole(path: str, ending: str) -> None:
    address = catalogue.picture_url(path)
    assert address.endswith(ending)
    assert not address or address.startswith("http")


def test_a_description_is_kept_without_what_runs() -> None:
    text = '<p onclick="x()">好<script>x()</script><img src="javascript:x"><b>被</b></p>'
    assert catalogue.clean_html(text) == "<p>好<img><b>被</b></p>"
