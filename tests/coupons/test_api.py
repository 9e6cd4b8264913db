"""Claiming vouchers, and looking into the wallet."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pytest
from django.utils import timezone

from backend.api import PAGE_SIZE
from coupons import wallet
from coupons.models import Coupon, CouponEvent, CouponStatus, CouponTemplate
from shop.models import Customer, Merchant, MiniProgram, Product
from tests.orders import makers
from tests.shop import goods
from tests.shop.conftest import Api, open_shop, signed_in

HOUR: Final = dt.timedelta(hours=1)


@pytest.fixture
def merchant(db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture
def customer(merchant: Merchant) -> Customer:
    return makers.shopper(merchant)


@pytest.fixture
def api(customer: Customer) -> Api:
    return signed_in(customer)


def claim(api: Api, template: CouponTemplate, **headers: str) -> Any:
    return api("POST", f"coupon-templates/{template.pk}/claim", {}, **headers)


def test_a_claimed_coupon_lies_in_the_wallet_under_its_terms(merchant: Merchant, api: Api) -> None:
    template = makers.template(merchant)

    claimed = claim(api, template)
    CouponTemplate.objects.update(terms={"threshold_fen": 1, "off_fen": 1})

    assert claimed.status == 201
    (row,) = api("GET", "coupons").body["results"]
    assert row == claimed.body == api("GET", f"coupons/{row['id']}").body
    assert row["terms"] == {"threshold_fen": 1000, "off_fen": 300}
    assert row["text"] == "满 ¥10.00 减 ¥3.00"
    template.refresh_from_db()
    assert template.given == 1
    assert CouponEvent.objects.filter(event="claimed").count() == 1


def test_the_same_tap_twice_claims_once(merchant: Merchant, api: Api) -> None:
    template = makers.template(merchant, per_customer=5)

    first = claim(api, template, Idempotency_Key="tap-1")
    again = claim(api, template, Idempotency_Key="tap-1")
    other = claim(api, makers.template(merchant), Idempotency_Key="tap-1")

    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert (other.status, other.body["code"]) == (409, "idempotency_key_reused")
    assert Coupon.objects.count() == 1


def test_where_a_claim_came_from_is_kept_with_its_coupon(merchant: Merchant, api: Api) -> None:
    template = makers.template(merchant, per_customer=9)
    path = f"coupon-templates/{template.pk}/claim"
    said = {"scene": 1011, "channel": "poster", "guide": "王", "room": "", "shop": "dropped"}

    first = api("POST", path, {"source": said}, Idempotency_Key="tap")
    again = api("POST", path, {"source": {"channel": "other"}}, Idempotency_Key="tap")
    plain = api("POST", path, {})
    unusable = api("POST", path, {"source": "poster"})

    assert [answer.status for answer in (first, again, plain, unusable)] == [201, 200, 201, 201]
    kept = dict(Coupon.objects.values_list("pk", "source"))
    assert kept == {
        first.body["id"]: {"scene": "1011", "channel": "poster", "guide": "王"},
        plain.body["id"]: {},
        unusable.body["id"]: {},
    }


@pytest.mark.parametrize(
    ("code", "status", "more"),
    [
        ("sold_out", 409, {"total": 0}),
        ("not_started", 409, {"starts_at": HOUR, "ends_at": 2 * HOUR}),
        ("ended", 409, {"ends_at": -HOUR}),
        ("not_found", 404, {"is_published": False}),
    ],
)
def test_what_cant_be_claimed_says_why_and_counts_nothing(
    code: str, status: int, more: dict[str, Any], merchant: Merchant, api: Api
) -> None:
    now = timezone.now()
    times: dict[str, Any] = {
        name: now + value if isinstance(value, dt.timedelta) else value
        for name, value in more.items()
    }
    template = makers.template(merchant, **times)

    answer = claim(api, template)

    assert (answer.status, answer.body["code"]) == (status, code)
    template.refresh_from_db()
    assert (template.given, Coupon.objects.count()) == (0, 0)


def test_a_customer_has_no_more_than_their_share(merchant: Merchant, api: Api) -> None:
    template = makers.template(merchant, per_customer=2)

    assert [claim(api, template).status for _tap in range(3)] == [201, 201, 409]
    assert claim(api, template).body["code"] == "claim_limit_reached"
    (offer,) = api("GET", "coupon-templates").body["results"]
    assert (offer["claimed"], offer["claimable"], offer["remaining"]) == (2, False, 98)


def test_another_shops_template_is_not_there(api: Api) -> None:
    foreign = makers.template(open_shop("别家")[0])

    assert claim(api, foreign).status == 404
    foreign.refresh_from_db()
    assert foreign.given == 0


def test_an_expired_coupon_is_expired_though_the_sweep_is_late(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    coupon = makers.coupon(customer)
    Coupon.objects.update(valid_until=timezone.now() - dt.timedelta(seconds=1))

    assert api("GET", "coupons").body["results"] == []
    (row,) = api("GET", "coupons?status=expired").body["results"]
    assert (row["id"], row["status"], row["status_text"]) == (coupon.pk, "expired", "已过期")
    shelf = makers.shelf(merchant)
    body = {"items": [{"sku": shelf.sku_id, "quantity": 1}]}
    assert api("POST", "purchases/quote", body).body["coupons"]["usable"] == []
    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.CLAIMED
    assert wallet.expire(at=timezone.now()) == 1
    assert wallet.expire(at=timezone.now()) == 0


def test_the_wallet_comes_by_tab_and_page(merchant: Merchant, customer: Customer, api: Api) -> None:
    template = makers.template(merchant, per_customer=100)
    made = [claim(api, template).body["id"] for _n in range(PAGE_SIZE + 3)]

    first = api("GET", "coupons").body
    second = api("GET", f"coupons?cursor={first['next']}").body

    assert [row["id"] for row in first["results"] + second["results"]] == made[::-1]
    assert second["next"] is None
    assert api("GET", "coupons?cursor=nonsense").body["code"] == "bad_cursor"


def test_somebody_elses_coupon_is_not_there(merchant: Merchant, api: Api) -> None:
    foreign = makers.coupon(makers.shopper(merchant))

    assert api("GET", f"coupons/{foreign.pk}").status == 404


def test_a_held_coupon_shows_as_held_and_comes_back(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    coupon = makers.coupon(customer)
    purchase = makers.place(customer, (makers.shelf(merchant), 1), payable=700)

    assert [row["id"] for row in api("GET", "coupons?status=held").body["results"]] == [coupon.pk]
    api("POST", f"purchases/{purchase.number}/cancel")
    assert [row["id"] for row in api("GET", "coupons").body["results"]] == [coupon.pk]
    events = CouponEvent.objects.filter(coupon=coupon).order_by("pk")
    assert list(events.values_list("event", flat=True)) == ["claimed", "held", "let_go"]


def test_nobody_signed_in_sees_what_is_offered_and_claims_nothing(merchant: Merchant) -> None:
    template = makers.template(merchant)
    program = MiniProgram.objects.get(merchant=merchant)
    visitor = Api(appid=program.appid)

    (offer,) = visitor("GET", "coupon-templates").body["results"]
    assert (offer["id"], offer["claimed"]) == (template.pk, 0)
    assert claim(visitor, template).status == 401


def test_a_products_page_offers_what_is_for_it(merchant: Merchant, api: Api) -> None:
    shelf, other = makers.shelf(merchant), makers.shelf(merchant)
    product = shelf.sku.product
    tea = goods.category(merchant, "茶")
    green = goods.category(merchant, "绿茶", tea)
    Product.objects.filter(pk=product.pk).update(category=green)
    off = {"off_fen": 100}
    wanted = {
        "everything": makers.template(merchant, kind="amount_off", terms=off),
        "the category above": makers.template(
            merchant, kind="amount_off", terms={**off, "categories": [tea.pk]}
        ),
        "the product": makers.template(
            merchant, kind="amount_off", terms={**off, "products": [product.pk], "stores": [1]}
        ),
        "its sku": makers.template(merchant, kind="exchange", terms={"sku": shelf.sku_id}),
    }
    makers.template(merchant, kind="exchange", terms={"sku": other.sku_id})
    makers.template(merchant, kind="amount_off", terms={**off, "except_categories": [green.pk]})
    makers.template(merchant, kind="amount_off", terms={**off, "skus": [other.sku_id]})

    found = api("GET", f"coupon-templates?product={product.pk}").body["results"]

    assert {row["id"] for row in found} == {template.pk for template in wanted.values()}
    assert len(api("GET", "coupon-templates").body["results"]) == 7


def test_another_shops_product_has_no_page_here(merchant: Merchant, api: Api) -> None:
    foreign = makers.shelf(open_shop("别家")[0])

    answer = api("GET", f"coupon-templates?product={foreign.sku.product_id}")

    assert (answer.status, answer.body["code"]) == (404, "not_found")
