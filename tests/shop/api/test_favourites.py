"""Favourites, and what was looked at last."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.money import Fen
from shop.models import Customer, Favourite, Merchant, Product, RecentView
from tests.shop.conftest import Api, at_once, new_customer, open_shop, signed_in

pytestmark = pytest.mark.django_db


def product(merchant: Merchant, number: int, **more: Any) -> Product:
    return Product.objects.create(
        merchant=merchant, code=f"p{number}", name=f"被 {number}", pictures=["demo/a.png", "b"],
        price_min_fen=Fen(100), **more,
    )  # fmt: skip


def test_a_product_is_kept_once_and_let_go(api: Api, merchant: Merchant) -> None:
    kept = product(merchant, 1)

    assert api("post", "favourites", {"product": kept.pk}).status == 201
    assert api("post", "favourites", {"product": kept.pk}).status == 200
    (row,) = api("get", "favourites").body["results"]
    assert row["picture"].endswith("/media/demo/a.png")
    assert (row["product"], row["name"], row["price_fen"]) == (kept.pk, "被 1", 100)
    assert row["for_sale"] is True

    assert api("delete", f"favourites/{kept.pk}").status == 204
    assert api("delete", f"favourites/{kept.pk}").status == 204
    assert api("get", "favourites").body == {"results": [], "next": None}


def test_what_is_no_longer_on_sale_is_marked(api: Api, merchant: Merchant) -> None:
    now = timezone.now()
    windows: list[dict[str, Any]] = [
        {"on_sale": False},
        {"sale_starts_at": now + dt.timedelta(hours=1)},
        {"sale_ends_at": now - dt.timedelta(hours=1)},
        {"sale_starts_at": now - dt.timedelta(hours=1)},
    ]
    for number, more in enumerate(windows):
        api("post", "favourites", {"product": product(merchant, number, **more).pk})

    rows = api("get", "favourites").body["results"]
    assert [row["for_sale"] for row in rows] == [True, False, False, False]


@pytest.mark.parametrize("wanted", [0, -1, 2**63, "x", None, 999999999])
def test_a_product_that_is_not_there_can_not_be_kept(api: Api, wanted: Any) -> None:
    assert api("post", "favourites", {"product": wanted}).status in (400, 404)


def test_another_merchants_product_is_not_there(api: Api) -> None:
    foreign = product(open_shop("别家")[0], 1)
    assert api("post", "favourites", {"product": foreign.pk}).status == 404
    assert Favourite.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_keeping_on_eight_threads_keeps_once(api: Api, merchant: Merchant) -> None:
    body = {"product": product(merchant, 1).pk}

    answers = at_once(*[lambda: Api(api.access)("post", "favourites", body) for _ in range(8)])

    assert sorted(getattr(answer, "status", answer) for answer in answers) == [200] * 7 + [201]
    assert Favourite.objects.count() == 1


def seen(customer: Customer, number: int, at: dt.datetime) -> int:
    row = product(customer.merchant, number)
    RecentView.objects.create(merchant=customer.merchant, customer=customer, product=row, at=at)
    return row.pk


@pytest.mark.parametrize("path", ["favourites", "recently-seen"])
def test_every_row_comes_once_page_after_page_in_two_queries(
    api: Api, customer: Customer, path: str
) -> None:
    now = timezone.now()
    # Several at the same moment, so that the time alone does not tell them apart.
    wanted = [
        seen(customer, number, now - dt.timedelta(seconds=number // 7)) for number in range(45)
    ]
    for pk in reversed(wanted):
        api("post", "favourites", {"product": pk})

    got: list[int] = []
    cursor: str | None = None
    for _page in range(3):
        with CaptureQueriesContext(connection) as queries:
            answer = api("get", path + (f"?cursor={cursor}" if cursor else ""))
        assert len(queries) == 2
        got += [row["product"] for row in answer.body["results"]]
        cursor = answer.body["next"]

    assert cursor is None
    assert len(got) == 45
    assert set(got) == set(wanted)
    if path == "favourites":
        assert got == wanted


@pytest.mark.parametrize("path", ["favourites", "recently-seen"])
@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WyJhIl0", "Wzk5OTk5OTk5OTk5OTk5OTk5OTksMV0", "WzksOV0"]
)
def test_a_cursor_that_is_not_ours_is_no_500(api: Api, path: str, cursor: str) -> None:
    assert api("get", f"{path}?cursor={cursor}").status in (200, 400)


def test_what_was_seen_can_be_forgotten_one_or_all(api: Api, customer: Customer) -> None:
    first, second, _third = (seen(customer, n, timezone.now()) for n in range(3))
    stranger = new_customer(customer.merchant)
    RecentView.objects.create(
        merchant=customer.merchant, customer=stranger, product_id=first, at=timezone.now()
    )

    assert api("delete", f"recently-seen/{second}").status == 204
    assert len(api("get", "recently-seen").body["results"]) == 2
    assert api("delete", "recently-seen").status == 204

    assert api("get", "recently-seen").body["results"] == []
    assert len(signed_in(stranger)("get", "recently-seen").body["results"]) == 1
