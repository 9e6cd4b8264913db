"""The address book over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from shop import regions
from shop.models import Address, Customer, Merchant
from tests.shop.conftest import Api, at_once, new_customer, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("china")]

PUDONG = {
    "receiver": "林小满",
    "phone": "13800000001",
    "district_code": "310115",
    "detail": "世纪大道 100 号",
}


def test_the_server_fills_in_codes_and_names_and_the_first_is_the_default(api: Api) -> None:
    answer = api("post", "me/addresses", PUDONG)

    assert answer.status == 201, answer.body
    assert answer.body == {
        "id": Address.objects.get().pk,
        "receiver": "林小满",
        "phone": "13800000001",
        "province_code": "310000",
        "city_code": "310100",
        "district_code": "310115",
        "province": "上海市",
        "city": "市辖区",
        "district": "浦东新区",
        "detail": "世纪大道 100 号",
        "tag": "",
        "is_default": True,
    }
    assert api("get", "me/addresses").body == {"results": [answer.body], "next": None}
    assert api("get", f"me/addresses/{answer.body['id']}").body == answer.body


def test_an_address_as_choose_address_gives_it_is_taken(api: Api) -> None:
    chosen = {"receiver": "王", "phone": "010-12345678", "detail": "1 号"}
    names = {"province": "北京市", "city": "北京市", "district": "朝阳区"}

    answer = api("post", "me/addresses", {**chosen, **names})

    assert answer.status == 201, answer.body
    assert answer.body["district_code"] == "110105"
    assert answer.body["phone"] == "010-12345678"


def test_a_town_of_a_city_without_districts_goes_before_the_street(api: Api) -> None:
    names = {"province": "广东省", "city": "东莞市", "district": "南城街道"}
    wanted = {**PUDONG, **names, "detail": "鸿福路 1 号"}
    del wanted["district_code"]

    answer = api("post", "me/addresses", wanted)

    assert answer.body["district_code"] == "441900"
    assert answer.body["detail"] == "南城街道鸿福路 1 号"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"district_code": "999999"}, "district_code"),
        ({"district_code": "310000"}, "district_code"),
        ({"district_code": None, "province": "火星", "city": "a", "district": "b"}, "province"),
        (
            {"district_code": None, "province": "江苏省", "city": "南京市", "district": "b"},
            "district",
        ),
    ],
)
def test_an_unknown_region_is_422_at_its_field(api: Api, change: Any, field: str) -> None:
    wanted = {k: v for k, v in {**PUDONG, **change}.items() if v is not None}

    answer = api("post", "me/addresses", wanted)

    assert (answer.status, answer.body["code"]) == (422, "unknown_region")
    assert list(answer.body["fields"]) == [field]
    assert Address.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"receiver": ""}, "receiver"),
        ({"receiver": "x" * 41}, "receiver"),
        ({"receiver": "a\x00b"}, "receiver"),
        ({"phone": "12345"}, "phone"),
        ({"phone": 5}, "phone"),
        ({"detail": " "}, "detail"),
        ({"detail": "x" * 201}, "detail"),
        ({"tag": "x" * 11}, "tag"),
        ({"is_default": "maybe"}, "is_default"),
        ({"district_code": ""}, "district_code"),
        ({"district_code": "1234567"}, "district_code"),
        ({"district_code": None}, "district_code"),
        ({"district_code": None, "province": "上海市"}, "city"),
    ],
)
def test_a_field_that_makes_no_sense_is_400_at_its_field(api: Api, change: Any, field: str) -> None:
    wanted = {k: v for k, v in {**PUDONG, **change}.items() if v is not None}

    answer = api("post", "me/addresses", wanted)

    assert (answer.status, answer.body["code"]) == (400, "invalid"), answer.body
    assert field in answer.body["fields"]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_part_of_an_address_can_be_changed(api: Api, method: str) -> None:
    pk = api("post", "me/addresses", PUDONG).body["id"]

    answer = api(method, f"me/addresses/{pk}", {"detail": "二楼", "district_code": "310101"})

    assert answer.status == 200, answer.body
    assert answer.body["detail"] == "二楼"
    assert answer.body["district"] == "黄浦区"
    assert answer.body["receiver"] == "林小满"


def test_what_was_answered_can_be_put_back_whole(api: Api) -> None:
    answer = api("post", "me/addresses", PUDONG)
    assert api("put", f"me/addresses/{answer.body['id']}", answer.body).body == answer.body


def test_one_address_is_the_default_and_deleting_it_makes_the_newest_one_so(api: Api) -> None:
    first, second, third = (
        api("post", "me/addresses", {**PUDONG, "tag": tag}).body["id"] for tag in "abc"
    )
    api("put", f"me/addresses/{second}", {"is_default": True})
    defaults = Address.objects.filter(is_default=True).values_list("pk", flat=True)
    assert list(defaults.all()) == [second]

    assert api("delete", f"me/addresses/{second}").status == 204

    assert list(defaults.all()) == [third]
    assert [row["id"] for row in api("get", "me/addresses").body["results"]] == [third, first]


def test_the_twenty_first_address_is_refused(api: Api, customer: Customer) -> None:
    for _ in range(20):
        assert api("post", "me/addresses", PUDONG).status == 201

    answer = api("post", "me/addresses", PUDONG)

    assert (answer.status, answer.body["code"]) == (409, "address_limit")
    assert Address.objects.count() == 20


def test_the_same_key_gives_the_same_address_and_another_body_is_refused(api: Api) -> None:
    first = api("post", "me/addresses", PUDONG, Idempotency_Key="k1")
    again = api("post", "me/addresses", PUDONG, Idempotency_Key="k1")
    other = api("post", "me/addresses", {**PUDONG, "tag": "家"}, Idempotency_Key="k1")

    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")
    assert Address.objects.count() == 1


def test_a_refused_address_does_not_use_its_key_up(api: Api) -> None:
    api("post", "me/addresses", {**PUDONG, "district_code": "999999"}, Idempotency_Key="k2")
    assert api("post", "me/addresses", PUDONG, Idempotency_Key="k2").status == 201


@pytest.mark.parametrize("key", ["x" * 65, "键", "a\tb"])
def test_a_key_that_can_not_be_kept_is_400(api: Api, key: str) -> None:
    assert api("post", "me/addresses", PUDONG, Idempotency_Key=key).status == 400


def test_two_customers_may_use_the_same_key(api: Api, merchant: Merchant) -> None:
    other = signed_in(new_customer(merchant))
    assert api("post", "me/addresses", PUDONG, Idempotency_Key="k").status == 201
    assert other("post", "me/addresses", PUDONG, Idempotency_Key="k").status == 201


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_somebody_elses_address_is_404_and_stays_as_it_is(
    api: Api, merchant: Merchant, method: str
) -> None:
    pk = api("post", "me/addresses", PUDONG).body["id"]
    stranger = signed_in(new_customer(merchant))
    abroad = signed_in(new_customer(Merchant.objects.create(name="别家", slug="b")))
    body = {"tag": "x"} if method in ("put", "patch") else None

    for who in (stranger, abroad):
        answer = who(method, f"me/addresses/{pk}", body)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
        assert who("get", "me/addresses").body["results"] == []
    assert Address.objects.get(pk=pk).tag == ""


@pytest.mark.django_db(transaction=True)
def test_eight_first_addresses_at_once_leave_one_default(api: Api) -> None:
    answers = at_once(
        *[lambda: Api(access=api.access)("post", "me/addresses", PUDONG) for _ in range(8)]
    )

    assert [getattr(answer, "status", answer) for answer in answers] == [201] * 8
    assert Address.objects.filter(is_default=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_defaults_at_once_leave_one(api: Api) -> None:
    pks = [api("post", "me/addresses", PUDONG).body["id"] for _ in range(8)]

    answers = at_once(
        *[
            lambda pk=pk: Api(access=api.access)("put", f"me/addresses/{pk}", {"is_default": True})
            for pk in pks
        ]
    )

    assert [getattr(answer, "status", answer) for answer in answers] == [200] * 8
    assert Address.objects.filter(is_default=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_when_eight_are_added_at_once(api: Api) -> None:
    for _ in range(18):
        api("post", "me/addresses", PUDONG)

    answers = at_once(
        *[lambda: Api(access=api.access)("post", "me/addresses", PUDONG) for _ in range(8)]
    )

    assert sorted(answer.status for answer in answers) == [201] * 2 + [409] * 6
    assert Address.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_one_key_on_eight_threads_is_one_address(api: Api) -> None:
    answers = at_once(
        *[
            lambda: Api(access=api.access)("post", "me/addresses", PUDONG, Idempotency_Key="k8")
            for _ in range(8)
        ]
    )

    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert Address.objects.count() == 1


def test_the_address_book_is_two_queries_however_long(api: Api) -> None:
    for rows in (1, 15):
        for _ in range(rows):
            api("post", "me/addresses", PUDONG)
        with CaptureQueriesContext(connection) as queries:
            api("get", "me/addresses")
        assert len(queries) == 2, [q["sql"] for q in queries]


def test_a_visitor_has_no_address_book(db: None) -> None:
    answer = Api()("get", "me/addresses")
    assert (answer.status, answer.body["code"]) == (401, "not_signed_in")


# -- regions ------------------------------------------------------------------------------------


def test_the_tree_of_regions_comes_whole_and_is_not_sent_twice(db: None) -> None:
    first = Api()("get", "regions")

    assert first.status == 200
    assert first.headers["Cache-Control"] == "public, max-age=86400"
    provinces = first.body["results"]
    assert len(provinces) == 31
    cities = [city for province in provinces for city in province["children"]]
    assert sum(len(city["children"]) for city in cities) == 2856
    shanghai = next(p for p in provinces if p["code"] == "310000")
    assert {"code": "310115", "name": "浦东新区"} in shanghai["children"][0]["children"]

    with CaptureQueriesContext(connection) as queries:
        again = Api()("get", "regions", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body, len(queries)) == (304, None, 0)


@pytest.mark.django_db(transaction=True)
def test_a_changed_list_has_another_etag_at_once(tmp_path: Path) -> None:
    old = Api()("get", "regions").headers["ETag"]
    file = tmp_path / "new.csv"
    file.write_text("code,name,level,parent_code\n110000,北京,1,\n", encoding="utf-8")

    regions.load(file)

    new = Api()("get", "regions", If_None_Match=old)
    assert new.status == 200
    assert new.headers["ETag"] != old
    assert new.body["results"][0]["name"] == "北京"


def test_regions_come_without_redis(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHES = {
        "default": {
            **settings.CACHES["default"],
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }
    answer = Api()("get", "regions")
    assert (answer.status, len(answer.body["results"])) == (200, 31)
    assert "regions not cached" in caplog.text
