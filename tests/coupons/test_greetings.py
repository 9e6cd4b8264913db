"""Signing in or verifying a phone leads to what waits for whoever does: over HTTP, with WeChat."""

from __future__ import annotations

import pytest

from coupons import grants
from coupons.models import Coupon, Grant
from coupons.tasks import greet_customers
from shop.models import Customer, MiniProgram
from tests.orders.makers import template
from tests.sandbox import SandboxProcess
from tests.shop.api.test_login import sign_in
from tests.shop.conftest import Api, open_shop, register

pytestmark = pytest.mark.django_db


@pytest.fixture
def program(wechat: SandboxProcess, db: None) -> MiniProgram:
    """Of a shop that WeChat knows."""
    _merchant, program = open_shop()
    register(wechat, program)
    return program


def shopper(wechat: SandboxProcess, program: MiniProgram, openid: str) -> Api:
    """Somebody who has just signed in."""
    answer = sign_in(wechat, program, openid)
    assert answer.status == 200, answer.body
    return Api(access=answer.body["access"])


def verify(wechat: SandboxProcess, program: MiniProgram, api: Api, openid: str, phone: str) -> None:
    code = wechat.phone_code(openid, phone, program.appid)
    answer = api("POST", "me/phone", {"code": code})
    assert answer.status == 200, answer.body


def in_wallet(api: Api) -> list[int]:
    """Of which templates the shopper sees coupons."""
    return [row["template"] for row in api("GET", "coupons").body["results"]]


def test_who_signs_in_for_the_first_time_is_welcomed_once(
    wechat: SandboxProcess, program: MiniProgram
) -> None:
    offer = template(program.merchant, way="first_sign_in", per_customer=5)

    api = shopper(wechat, program, "o-new")
    assert in_wallet(api) == []
    greet_customers()
    again = shopper(wechat, program, "o-new")
    greet_customers()

    assert in_wallet(api) == in_wallet(again) == [offer.pk]
    assert Coupon.objects.get().way == "first_sign_in"
    assert Customer.objects.get().greet_at is None


def test_a_phone_that_a_grant_waits_for_brings_its_coupon_once_it_is_verified(
    wechat: SandboxProcess, program: MiniProgram
) -> None:
    offer = template(program.merchant)
    api = shopper(wechat, program, "o-listed")
    greet_customers()  # what the sign-in itself leads to is over
    made = Grant.objects.create(
        merchant=program.merchant, template=offer, name="Thanks", audience="list", key="x"
    )
    grants.write_list(made, ["13900000009"], [])

    greet_customers()
    assert (in_wallet(api), grants.waiting(made)) == ([], 1)
    verify(wechat, program, api, "o-listed", "13900000009")
    greet_customers()

    assert in_wallet(api) == [offer.pk]
    assert grants.waiting(made) == 0
    assert Coupon.objects.get().events.get().reference == f"grant:{made.pk}"


def test_another_phone_lands_nothing(wechat: SandboxProcess, program: MiniProgram) -> None:
    made = Grant.objects.create(
        merchant=program.merchant, template=template(program.merchant), name="Thanks",
        audience="list", key="x",
    )  # fmt: skip
    grants.write_list(made, ["13900000009"], [])
    api = shopper(wechat, program, "o-other")

    verify(wechat, program, api, "o-other", "13900000008")
    greet_customers()

    assert (in_wallet(api), grants.waiting(made)) == ([], 1)
