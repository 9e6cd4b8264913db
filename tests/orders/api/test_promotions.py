"""A front end shows promotions: on the product, in the cart, when buying, on their own page."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coupons.models import CouponTemplate, Way
from shop.models import Category, Customer, Merchant, Stock
from tests.orders import makers
from tests.shop.conftest import Api
from tests.shop.goods import default_store, product, shelf, store


def runs(merchant: Merchant, kind: str = "spend_and_save", **terms: Any) -> CouponTemplate:
    return makers.template(
        merchant, name="满额立减", kind=kind, terms=terms, way=Way.AUTOMATIC, total=0,
        valid_days=None,
    )  # fmt: skip


def in_cart(api: Api, row: Stock, quantity: int = 1) -> Any:
    return api("POST", "cart/items", {"sku": row.sku_id, "quantity": quantity}).body


def test_the_cart_says_what_applies_and_what_is_missing(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    row, given = makers.shelf(merchant, count=99), makers.shelf(merchant, count=1)
    tiers = [{"threshold_fen": 2000, "off_fen": 200}, {"threshold_fen": 5000, "off_fen": 800}]
    save = runs(merchant, tiers=tiers)
    present = runs(merchant, "gift", sku=given.sku_id, threshold_fen=3000)
    runs(merchant, "amount_off", off_fen=900, customers="returning")
    makers.coupon(customer)

    few = in_cart(api, row)
    assert few["promotions"]["applied"] == []
    assert [
        (one["id"], one["reason"], one["missing_fen"], one["message"])
        for one in few["promotions"]["within_reach"]
    ] == [
        (save.pk, "below_threshold", 1000, "还差 ¥10.00"),
        (present.pk, "below_threshold", 2000, "还差 ¥20.00"),
    ]

    more = in_cart(api, row, 2)
    applied = more["promotions"]["applied"]
    assert [(one["id"], one["saves_fen"], one["missing_fen"]) for one in applied] == [
        (save.pk, 200, 2000),
        (present.pk, 0, 0),
    ]
    (gift,) = applied[1]["gifts"]
    assert (gift["sku"], gift["quantity"], gift["unit_price_fen"]) == (given.sku_id, 1, 0)
    assert more["promotions"]["within_reach"] == []
    # The coupon came after it.
    assert (more["goods_fen"], more["discount_fen"], more["payable_fen"]) == (3000, 500, 2500)
    assert more["coupon"]["saves_fen"] == 300
    assert more["count"] == 3

    Stock.objects.filter(pk=given.pk).update(on_sale=False)
    makers.place(makers.shopper(merchant), (row, 3), payable=2800)
    gone = api("GET", "cart").body["promotions"]
    assert [(one["reason"], one["message"]) for one in gone["within_reach"]] == [
        ("gift_gone", "赠品已送完。")
    ]


def test_what_is_bought_with_a_gift_is_what_was_seen(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    row, given = makers.shelf(merchant, count=9), makers.shelf(merchant, count=1)
    given.sku.product.no_reason_return = False
    given.sku.product.save()
    runs(merchant, "gift", sku=given.sku_id)
    in_cart(api, row, 2)

    quote = api("POST", "purchases/quote", {"from_cart": True}).body
    (part,) = quote["stores"]
    assert [(line["sku"], line["offer"], line["payable_fen"]) for line in part["lines"]] == [
        (row.sku_id, "", 2000),
        (given.sku_id, "gift", 0),
    ]
    assert (quote["quantity"], part["quantity"], quote["return_terms"]) == (2, 2, [])

    seen = [{"sku": given.sku_id, "quantity": 1}]
    body = {"from_cart": True, "payable_fen": 2000, "gifts": seen}
    placed = api("POST", "purchases", body)
    assert placed.status == 201, placed.body
    (order,) = placed.body["orders"]
    assert [(line["sku"], line["offer"]) for line in order["lines"]] == [
        (row.sku_id, ""),
        (given.sku_id, "gift"),
    ]
    shown = api("GET", f"orders/{order['number']}").body
    assert [line["offer"] for line in shown["lines"]] == ["", "gift"]
    assert api("GET", "cart").body["count"] == 0

    # The last one is given: whoever saw it is told, with the quote as it is now.
    in_cart(api, row, 2)
    moved = api("POST", "purchases", body)
    assert (moved.status, moved.body["code"]) == (409, "price_changed")
    assert len(moved.body["detail"]["quote"]["stores"][0]["lines"]) == 1
    wrong = api("POST", "purchases", {**body, "gifts": [{"sku": 0}]})
    assert (wrong.status, "gifts" in wrong.body["fields"]) == (400, True)


def test_two_promotions_may_give_the_same(merchant: Merchant, customer: Customer, api: Api) -> None:
    row, given = makers.shelf(merchant), makers.shelf(merchant)
    for group in ("a", "b"):
        runs(merchant, "gift", sku=given.sku_id, group=group)
    in_cart(api, row)

    seen = [{"sku": given.sku_id, "quantity": 1}] * 2
    placed = api("POST", "purchases", {"from_cart": True, "payable_fen": 1000, "gifts": seen})

    assert placed.status == 201, placed.body
    assert len(placed.body["orders"][0]["lines"]) == 3


def test_a_product_says_which_promotions_it_has_part_in(merchant: Merchant, api: Api) -> None:
    top = Category.objects.create(merchant=merchant, name="茶")
    below = Category.objects.create(merchant=merchant, name="绿茶", parent=top)
    row, other = makers.shelf(merchant), makers.shelf(merchant)
    row.sku.product.category = below
    row.sku.product.save()
    of_tea = runs(merchant, threshold_fen=1000, off_fen=100, categories=[top.pk])
    of_all = runs(merchant, "amount_off", off_fen=100)
    runs(merchant, "sku_price", sku=other.sku_id, price_fen=1)
    over = runs(merchant, "amount_off", off_fen=500)
    CouponTemplate.objects.filter(pk=over.pk).update(ends_at=timezone.now())

    shown = api("GET", f"products/{row.sku.product_id}").body["promotions"]
    assert [one["id"] for one in shown] == [of_tea.pk, of_all.pk]
    assert shown[0]["text"] == "满 ¥10.00 减 ¥1.00；限部分商品"
    # They are no coupons: there is nothing to claim.
    assert api("GET", "coupon-templates").body["results"] == []
    claimed = api("POST", f"coupon-templates/{of_all.pk}/claim", {})
    assert claimed.status == 404


def test_a_product_takes_as_many_queries_with_promotions_as_without(
    merchant: Merchant, api: Api
) -> None:
    row = makers.shelf(merchant)

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert api("GET", f"products/{row.sku.product_id}").status == 200
        return len(seen)

    few = queries()
    for _n in range(4):
        runs(merchant, "amount_off", off_fen=100)
    assert queries() == few <= 4


def test_its_own_page_lists_the_goods_it_is_for(merchant: Merchant, api: Api) -> None:
    tea = Category.objects.create(merchant=merchant, name="茶")
    green = Category.objects.create(merchant=merchant, name="绿茶", parent=tea)
    gone = Category.objects.create(merchant=merchant, name="旧茶", parent=tea)
    made = [product(merchant, name=f"茶 {n}") for n in range(5)]
    for one, category in zip(made, (tea, green, gone, None, None), strict=True):
        one.category = category
        one.save()
    given = makers.shelf(merchant)

    def ids(template: CouponTemplate, **asked: Any) -> list[int]:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        answer = api("GET", f"promotions/{template.pk}?{query}")
        assert answer.status == 200, answer.body
        return [item["id"] for item in answer.body["products"]["results"]]

    sku = made[3].skus.get().pk
    mixed = runs(
        merchant, threshold_fen=1000, off_fen=100, categories=[tea.pk], skus=[sku],
        except_categories=[gone.pk],
    )  # fmt: skip
    assert sorted(ids(mixed)) == sorted(one.pk for one in (made[0], made[1], made[3]))
    assert ids(runs(merchant, "sku_price", sku=sku, price_fen=1)) == [made[3].pk]
    named = {"products": [made[1].pk, made[4].pk]}
    without = runs(merchant, "gift", sku=given.sku_id, **named, except_skus=[made[4].skus.get().pk])
    assert ids(without) == [made[1].pk]
    whole = runs(merchant, "gift", sku=given.sku_id, except_products=[made[0].pk], units=2)
    assert sorted(ids(whole, store=default_store(merchant).pk)) == sorted(
        [*(one.pk for one in made[1:]), given.sku.product_id]
    )

    shown = api("GET", f"promotions/{whole.pk}").body
    assert (shown["running"], shown["gift"]["sku"], shown["gift"]["quantity"]) == (
        True, given.sku_id, 2,
    )  # fmt: skip
    assert shown["text"] == "赠品 2 件；部分商品除外"


def test_pages_show_neither_drafts_nor_the_future_nor_other_shops(
    merchant: Merchant, api: Api
) -> None:
    row = makers.shelf(merchant)
    other = Merchant.objects.create(name="乙", slug="other")
    draft, soon = (runs(merchant, "amount_off", off_fen=1) for _n in range(2))
    runs(other, "amount_off", off_fen=1)
    CouponTemplate.objects.filter(pk=draft.pk).update(is_published=False)
    CouponTemplate.objects.filter(pk=soon.pk).update(
        starts_at=timezone.now() + dt.timedelta(hours=1)
    )

    assert api("GET", f"products/{row.sku.product_id}").body["promotions"] == []
    assert in_cart(api, row)["promotions"] == {"applied": [], "within_reach": []}


def test_a_promotion_of_some_stores_is_not_another_stores(merchant: Merchant, api: Api) -> None:
    row = makers.shelf(merchant)
    there = store(merchant, "二店")
    shelf(row.sku, there, 5)
    sale = runs(merchant, "amount_off", off_fen=1, stores=[there.pk])

    def named(query: str) -> list[int]:
        body = api("GET", f"products/{row.sku.product_id}{query}").body
        return [one["id"] for one in body["promotions"]]

    assert (named(""), named(f"?store={there.pk}"), named(f"?store={row.store_id}")) == (
        [sale.pk], [sale.pk], [],
    )  # fmt: skip
    for at, found in ((there.pk, 1), (row.store_id, 0)):
        page = api("GET", f"promotions/{sale.pk}?store={at}").body["products"]
        assert len(page["results"]) == found


def test_the_third_level_of_categories_and_nothing_off_sale(merchant: Merchant, api: Api) -> None:
    top = Category.objects.create(merchant=merchant, name="茶")
    middle = Category.objects.create(merchant=merchant, name="绿茶", parent=top)
    below = Category.objects.create(merchant=merchant, name="明前", parent=middle)
    kept, gone = product(merchant, name="a"), product(merchant, name="b")
    for one in (kept, gone):
        one.category = below
        one.save()
    gone.skus.update(on_sale=False)
    whole = runs(merchant, "amount_off", off_fen=1, categories=[top.pk])
    except_it = runs(merchant, "amount_off", off_fen=1, except_categories=[top.pk])

    found = api("GET", f"promotions/{whole.pk}").body["products"]["results"]
    assert [one["id"] for one in found] == [kept.pk]
    assert api("GET", f"promotions/{except_it.pk}").body["products"]["results"] == []


def test_free_freight_in_the_cart_reads_what_promotions_left(merchant: Merchant, api: Api) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(freight_fen=50, freight_free_over_fen=1000)
    runs(merchant, "amount_off", off_fen=100)

    shown = in_cart(api, makers.shelf(merchant))
    assert shown["free_freight"] == {"over_fen": 1000, "missing_fen": 100}


def test_an_order_says_what_took_off_what(merchant: Merchant, customer: Customer, api: Api) -> None:
    row, given = makers.shelf(merchant), makers.shelf(merchant)
    sale = runs(merchant, "amount_off", off_fen=100)
    present = runs(merchant, "gift", sku=given.sku_id)
    mine = makers.coupon(customer, terms={"threshold_fen": 1, "off_fen": 200})
    in_cart(api, row, 2)
    placed = api("POST", "purchases", {"from_cart": True, "payable_fen": 1700}).body

    order = api("GET", f"orders/{placed['orders'][0]['number']}").body
    assert [
        (one["promotion"], one["coupon"], one["amount_fen"]) for one in order["reductions"]
    ] == [(sale.pk, None, 100), (None, mine.pk, 200)]
    bought, gift = order["lines"]
    assert (gift["promotion"], gift["given_with"]) == (present.pk, [bought["id"]])
    assert (bought["promotion"], bought["given_with"]) == (None, [])


def test_a_promotion_is_no_coupon_to_be_named(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    row, sale = makers.shelf(merchant), runs(merchant, "amount_off", off_fen=100)
    body = {"items": [{"sku": row.sku_id, "quantity": 1}], "coupons": [sale.pk]}

    assert api("POST", "purchases/quote", body).status == 404


def test_a_long_list_goes_on_page_by_page(merchant: Merchant, api: Api) -> None:
    made = {product(merchant, name=f"茶 {n}").pk for n in range(23)}
    whole = runs(merchant, "amount_off", off_fen=1)

    first = api("GET", f"promotions/{whole.pk}").body["products"]
    rest = api("GET", f"promotions/{whole.pk}?cursor={first['next']}").body["products"]

    assert {one["id"] for page in (first, rest) for one in page["results"]} == made
    assert (len(first["results"]), rest["next"]) == (20, None)


def test_an_old_link_leads_somewhere_and_a_draft_or_strangers_nowhere(
    merchant: Merchant, api: Api
) -> None:
    sale = runs(merchant, "amount_off", off_fen=1)
    CouponTemplate.objects.filter(pk=sale.pk).update(
        starts_at=timezone.now() - dt.timedelta(days=2), ends_at=timezone.now()
    )
    assert api("GET", f"promotions/{sale.pk}").body["running"] is False
    soon = runs(merchant, "amount_off", off_fen=2)
    CouponTemplate.objects.filter(pk=soon.pk).update(
        starts_at=timezone.now() + dt.timedelta(hours=1)
    )

    CouponTemplate.objects.filter(pk=sale.pk).update(is_published=False)
    coupon = makers.template(merchant)
    elsewhere = runs(Merchant.objects.create(name="乙", slug="other"), "amount_off", off_fen=1)
    for pk in (sale.pk, soon.pk, coupon.pk, elsewhere.pk, 2**63 - 1):
        assert api("GET", f"promotions/{pk}").status == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [("store=x", 400), ("cursor=x", 400), ("store=999999", 404), ("cursor=%00", 400)],
)
def test_a_bad_question_has_a_clear_answer(
    merchant: Merchant, api: Api, query: str, status: int
) -> None:
    sale = runs(merchant, "amount_off", off_fen=1)

    assert api("GET", f"promotions/{sale.pk}?{query}").status == status
