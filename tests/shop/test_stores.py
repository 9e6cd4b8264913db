"""Stores by distance, and what is open."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from backend.errors import BadCursor, NotFound
from shop import stores
from shop.models import Merchant
from tests.shop.conftest import open_shop
from tests.shop.goods import store

pytestmark = pytest.mark.django_db

PEOPLES_SQUARE = (31.2304, 121.4737)


def test_the_nearest_store_is_first_and_metres_are_metres(merchant: Merchant) -> None:
    store(merchant, "北京", latitude="39.904200", longitude="116.407400", is_default=True)
    store(merchant, "外滩", latitude="31.240000", longitude="121.490000")
    store(merchant, "不知在哪")
    store(merchant, "同处", latitude="31.230400", longitude="121.473700")
    store(open_shop("别家")[0], "别家", latitude="31.230400", longitude="121.473700")
    store(merchant, "关了", latitude="31.230400", longitude="121.473700", is_active=False)

    found = stores.page(merchant.pk, None, near=PEOPLES_SQUARE)["results"]

    assert [row["name"] for row in found] == ["同处", "外滩", "北京", "不知在哪"]
    assert found[0]["distance_m"] == 0
    assert 1_800 < found[1]["distance_m"] < 1_900
    assert 1_066_000 < found[2]["distance_m"] < 1_069_000
    assert found[3]["distance_m"] is None


def test_the_far_side_of_the_earth_has_a_distance(merchant: Merchant) -> None:
    store(merchant, "对面", latitude="-31.230400", longitude="-58.526300")
    (row,) = stores.page(merchant.pk, None, near=PEOPLES_SQUARE)["results"]
    assert 20_000_000 < row["distance_m"] < 20_020_000


def test_without_a_place_the_default_store_is_first(merchant: Merchant) -> None:
    store(merchant, "乙", sort=2)
    store(merchant, "甲", sort=1)
    store(merchant, "总店", sort=9, is_default=True)

    found = stores.page(merchant.pk, None)["results"]
    assert [row["name"] for row in found] == ["总店", "甲", "乙"]
    assert [row["distance_m"] for row in found] == [None] * 3


@pytest.mark.parametrize("near", [None, PEOPLES_SQUARE])
def test_pages_of_stores_neither_repeat_nor_skip(
    merchant: Merchant, near: tuple[float, float] | None
) -> None:
    for i in range(43):
        place = {"latitude": "31.000000", "longitude": "121.000000"} if i % 2 else {}
        store(merchant, f"{i}", **place)

    names, cursor = [], None
    while True:
        answer = stores.page(merchant.pk, cursor, near=near)
        names += [row["name"] for row in answer["results"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert len(names) == len(set(names)) == 43


def test_a_cursor_of_one_order_is_none_of_the_other(merchant: Merchant) -> None:
    for i in range(21):
        store(merchant, f"{i}")
    cursor = stores.page(merchant.pk, None)["next"]
    with pytest.raises(BadCursor):
        stores.page(merchant.pk, cursor, near=PEOPLES_SQUARE)


def test_hours_holidays_and_a_pause_say_what_is_open(merchant: Merchant) -> None:
    always = [[["00:00", "24:00"]]] * 7
    today = timezone.localdate()
    store(merchant, "开着", sort=1, hours=always)
    store(merchant, "停业", sort=2, hours=always, paused=True)
    store(merchant, "放假", sort=3, hours=always, holidays=[today.isoformat()])
    store(merchant, "昨天放假", sort=4, holidays=[(today - dt.timedelta(days=1)).isoformat()])
    store(merchant, "不开门", sort=5, hours=[[]] * 7)

    found = stores.page(merchant.pk, None)["results"]
    assert [row["open_now"] for row in found] == [True, False, False, True, False]
    assert found[0]["hours"] == always


def test_one_store_is_found_by_its_id_and_only_by_its_shop(merchant: Merchant) -> None:
    one = store(merchant, "总店", phone="021-60000000")
    assert stores.one(merchant.pk, one.pk)["phone"] == "021-60000000"
    for pk in (store(open_shop("别家")[0]).pk, store(merchant, is_active=False).pk, 2**62):
        with pytest.raises(NotFound):
            stores.one(merchant.pk, pk)
