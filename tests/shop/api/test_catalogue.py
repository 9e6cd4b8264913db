"""The doors of the catalogue and of searching, as a mini program knocks at them."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from shop.api import search as doors
from shop.models import (
    Banner,
    Category,
    HomeSection,
    Merchant,
    MiniProgram,
    Notice,
    RecentView,
    SearchQuery,
)
from tests.shop.conftest import Api, open_shop
from tests.shop.goods import category, default_store, product, shelf, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(program: MiniProgram) -> Api:
    return Api(appid=program.appid)


def test_a_visitor_finds_a_product_and_looks_at_it(visitor: Api, merchant: Merchant) -> None:
    made = product(merchant, "秋冬保暖加厚澳洲羊毛被", category=category(merchant, "居家"))
    product(open_shop("别家")[0], "别家羊毛被")

    listed = visitor("get", "products?q=羊毛被").body
    assert [item["id"] for item in listed["results"]] == [made.pk]
    assert listed["next"] is None
    shown = visitor("get", f"products/{made.pk}").body
    assert (shown["name"], shown["skus"][0]["available"]) == (made.name, 9)
    (tree,) = visitor("get", "categories").body["results"]
    assert tree["name"] == "居家"
    assert SearchQuery.objects.count() == RecentView.objects.count() == 0


def test_a_customer_leaves_history_and_recent_views(api: Api, merchant: Merchant) -> None:
    made = product(merchant, "羊毛被")
    for _ in range(2):
        api("get", "products?q=羊毛&sort=price")
        api("get", f"products/{made.pk}")
    api("get", "products?q=没有的")

    assert api("get", "search/history").body == {"results": ["没有的", "羊毛"], "next": None}
    assert RecentView.objects.get().product_id == made.pk
    assert api("delete", "search/history?words=没有的").status == 204
    assert api("get", "search/history").body["results"] == ["羊毛"]
    assert api("delete", "search/history").status == 204
    assert api("get", "search/history").body["results"] == []


def test_history_is_ones_own(visitor: Api, api: Api) -> None:
    assert visitor("get", "search/history").status == 401
    assert api("delete", "search/history?words=%00").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "products?sort=cost",
        "products?category=0",
        "products?category=x",
        "products?store=-1",
        "products?min_price_fen=-1",
        "products?max_price_fen=99999999999999999999",
        "products?q=%00",
        "products?q=" + "被" * 61,
        "products?tag=%00",
        "products?cursor=nonsense",
        "products?store=9223372036854775808",
        "products/1?stores=perhaps",
        "stores?lat=31",
        "stores?lat=nan&lng=1",
        "stores?lat=91&lng=1",
        "stores?lat=1&lng=inf",
        "stores?cursor=x",
        "search/suggest",
        "home?store=x",
    ],
)
def test_bad_questions_are_refused_in_words(visitor: Api, path: str) -> None:
    answer = visitor("get", path)
    assert answer.status == 400, answer.body
    assert answer.body["code"] in {"invalid", "bad_cursor"}


@pytest.mark.parametrize(
    "path", ["products/{0}", "products?store={1}", "stores/{1}", "home?store={1}",
             "categories?store={1}", "products/999999999999"],
)  # fmt: skip
def test_another_shops_rows_are_404(visitor: Api, path: str) -> None:
    other = open_shop("别家")[0]
    address = path.format(product(other).pk, default_store(other).pk)
    answer = visitor("get", address)
    assert (answer.status, answer.body["code"]) == (404, "not_found")


def test_which_shop_has_to_be_said_where_there_are_several(merchant: Merchant) -> None:
    open_shop("别家")
    answer = Api()("get", "products")
    assert (answer.status, answer.body["code"]) == (400, "merchant_unknown")


def test_queries_are_counted_with_who_is_asking(
    api: Api, visitor: Api, merchant: Merchant,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:  # fmt: skip
    home = category(merchant, "居家")
    branch = store(merchant, "分店")
    made = [product(merchant, f"羊毛被 {i}", category=home, tags=["热销"]) for i in range(25)]
    for one in made:
        shelf(one.skus.get(), branch, 1)
    section = HomeSection.objects.create(merchant=merchant, title="推荐")
    section.products.set(made)

    wanted = f"products?q=羊毛&category={home.pk}&store={branch.pk}&tag=热销&sort=price"
    for who in (api, visitor):
        for path, most, rows in (
            ("products", 3, 20),
            (wanted, 3, 20),
            ("categories", 2, 1),
            (f"categories?store={branch.pk}", 3, 1),
            ("stores?lat=31&lng=121", 2, 2),
            ("search/popular", 2, 1),
            ("search/suggest?q=羊毛", 4, 10),
        ):
            with django_assert_max_num_queries(most):
                assert len(who("get", path).body["results"]) == rows
        with django_assert_max_num_queries(4):
            shown = who("get", f"products/{made[0].pk}?store={branch.pk}&stores=true")
            assert len(shown.body["stores"]) == 2
        with django_assert_max_num_queries(6):
            assert who("get", f"home?store={branch.pk}").status == 200


def test_one_call_draws_the_home_page(visitor: Api, merchant: Merchant) -> None:
    branch = store(merchant, "分店")
    home = category(merchant, "居家", picture="https://cdn.example/c.png")
    category(merchant, "被枕", home)
    Banner.objects.create(merchant=merchant, picture="b.png", text="上新", link="/x", sort=2)
    Banner.objects.create(merchant=merchant, picture="a.png", sort=1)
    Banner.objects.create(merchant=merchant, picture="c.png", is_active=False)
    Notice.objects.create(merchant=merchant, text="包邮")
    Notice.objects.create(merchant=merchant, text="放假", link="/y")
    other = open_shop("别家")[0]
    Banner.objects.create(merchant=other, picture="x.png")
    Notice.objects.create(merchant=other, text="别家的")
    HomeSection.objects.create(merchant=other, title="别家的")
    Category.objects.create(merchant=other, name="别家的")
    made = product(merchant)
    HomeSection.objects.create(merchant=merchant, title="推荐").products.add(made)

    shown = visitor("get", "home").body
    assert shown["store"] is None
    assert [b["picture"].rsplit("/", 1)[1] for b in shown["banners"]] == ["a.png", "b.png"]
    assert [(n["text"], n["link"]) for n in shown["notices"]] == [("放假", "/y"), ("包邮", "")]
    assert shown["categories"] == [
        {"id": home.pk, "name": "居家", "picture": "https://cdn.example/c.png"}
    ]
    (section,) = shown["sections"]
    assert [item["id"] for item in section["products"]] == [made.pk]
    assert shown["popular"] == ["被枕", "居家"]
    here = visitor("get", f"home?store={branch.pk}").body
    assert here["store"] == {"id": branch.pk, "name": "分店"}
    assert here["sections"][0]["products"] == []


def test_searching_is_limited_and_looking_is_not(
    visitor: Api, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors.SearchRate, "limit", 2)
    paths = ["products?q=被", "search/suggest?q=被", "search/popular", "products?q=被"]

    assert [visitor("get", path).status for path in paths] == [200, 200, 429, 429]
    assert visitor("get", "products").status == 200


def fields(serializer: Any) -> set[str]:
    return set(serializer().get_fields())


def test_the_document_lists_the_fields_that_are_answered(visitor: Api, merchant: Merchant) -> None:
    from backend.screens import ProductScreenSerializer
    from shop.api import catalogue_schemas as schemas

    made = product(merchant, specs=[{"name": "色", "values": [{"value": "白"}]}],
                   params=[{"name": "a", "value": "b"}])  # fmt: skip
    made.skus.update(spec_values=["白"])
    shown = visitor("get", f"products/{made.pk}?stores=true").body
    assert set(shown) == fields(ProductScreenSerializer)
    assert set(shown["skus"][0]) == fields(schemas.SkuSerializer)
    assert set(shown["specs"][0]) == fields(schemas.SpecSerializer)
    assert set(shown["stores"][0]) == fields(schemas.StoreThatHasItSerializer)
    (item,) = visitor("get", "products").body["results"]
    assert set(item) == fields(schemas.ItemSerializer)
    (one,) = visitor("get", "stores").body["results"]
    assert set(one) == fields(schemas.StoreSerializer)
    assert set(visitor("get", f"stores/{one['id']}").body) == fields(schemas.StoreSerializer)
