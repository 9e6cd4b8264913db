"""The profile, the user centre, and leaving for good."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.money import Fen
from coupons.models import Coupon, CouponEvent, CouponStatus, CouponTemplate
from orders.models import Order, OrderStatus, Purchase
from shop import login
from shop.customers import stay
from shop.models import (
    Address,
    CartAddition,
    CartLine,
    Consent,
    Customer,
    Favourite,
    Identity,
    LegalDocument,
    Merchant,
    MiniProgram,
    Product,
    RecentView,
    SearchQuery,
    SignIn,
    Sku,
    Store,
    Upload,
)
from tests.sandbox import SandboxProcess
from tests.shop.api.test_uploads import picture, send
from tests.shop.conftest import Api, new_customer, signed_in

pytestmark = pytest.mark.django_db


def test_me_says_who_and_nothing_wechat_knows_them_by(api: Api, customer: Customer) -> None:
    Customer.objects.filter(pk=customer.pk).update(phone="13800000001", unionid="u-me")

    with CaptureQueriesContext(connection) as queries:
        answer = api("get", "me")

    assert answer.body == {
        "id": customer.pk, "nickname": "小满", "avatar": "", "gender": 0, "phone": "138****0001",
    }  # fmt: skip
    assert len(queries) == 1


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_part_of_the_profile_can_be_changed(api: Api, method: str) -> None:
    answer = api(method, "me", {"nickname": "大满", "gender": 2})

    assert answer.status == 200, answer.body
    assert (answer.body["nickname"], answer.body["gender"]) == ("大满", 2)
    assert api("get", "me").body == answer.body
    assert api(method, "me", {}).body == answer.body


@pytest.mark.parametrize(
    "body",
    [{"nickname": "x" * 41}, {"nickname": None}, {"nickname": "a\x00"}, {"gender": 3},
     {"gender": {}}, {"avatar": 1, "gender": "x"}, {"avatar": "x" * 501}, [1]],
)  # fmt: skip
def test_a_profile_that_makes_no_sense_is_400(api: Api, body: Any) -> None:
    assert api("put", "me", body).status == 400


def test_what_is_not_in_the_profile_can_not_be_changed(api: Api, customer: Customer) -> None:
    api("put", "me", {"phone": "13800000009", "unionid": "u", "token_version": 9, "nickname": "n"})

    row = Customer.objects.get(pk=customer.pk)
    assert (row.phone, row.unionid, row.token_version, row.nickname) == (None, None, 0, "n")


def test_an_avatar_is_an_upload_of_ones_own_or_wechats_picture(
    api: Api, merchant: Merchant, media: Path
) -> None:
    own = send(api, picture()).body["url"]
    strangers = send(signed_in(new_customer(merchant)), picture()).body["url"]
    face = "https://thirdwx.qlogo.cn/mmopen/vi_32/abc/132"

    assert api("put", "me", {"avatar": own}).body["avatar"] == own
    assert api("put", "me", {"avatar": face}).body["avatar"] == face
    for other in (
        strangers,
        "https://evil.example/a.png",
        "http://thirdwx.qlogo.cn/a.png",
        "https://thirdwx.qlogo.cn@evil.example/a.png",
        "https://[/a",
        "javascript:alert(1)",
        "../../etc/passwd",
    ):
        answer = api("put", "me", {"avatar": other})
        assert (answer.status, answer.body["code"]) == (422, "avatar_not_allowed"), other
    assert api("get", "me").body["avatar"] == face
    assert api("put", "me", {"avatar": ""}).body["avatar"] == ""


# -- the user centre ----------------------------------------------------------------------------


def test_the_user_centre_is_one_call_and_five_queries(api: Api, merchant: Merchant) -> None:
    Merchant.objects.filter(pk=merchant.pk).update(
        service_phone="400-000-0000", service_hours="09:00-21:00"
    )

    with CaptureQueriesContext(connection) as queries:
        answer = api("get", "me/center")

    assert answer.status == 200, answer.body
    assert list(answer.body["order_counts"]) == [
        "awaiting_payment", "paid", "shipped", "to_review", "after_sale",
    ]  # fmt: skip
    assert (answer.body["coupons"], answer.body["favourites"]) == (0, 0)
    assert answer.body["service"] == {"phone": "400-000-0000", "hours": "09:00-21:00"}
    assert len(queries) <= 5, [q["sql"] for q in queries]


# -- leaving ------------------------------------------------------------------------------------


def coupon_of(customer: Customer, status: str = CouponStatus.CLAIMED) -> Coupon:
    now = timezone.now()
    template = CouponTemplate.objects.create(
        merchant=customer.merchant, name="满减", kind="spend_and_save",
        terms={"threshold_fen": 100, "off_fen": 10}, starts_at=now, total=9, per_customer=9,
        ends_at=now + timedelta(days=1), valid_days=3,
    )  # fmt: skip
    return Coupon.objects.create(
        merchant=customer.merchant, template=template, customer=customer, ordinal=1,
        code=f"C{template.pk}", name="满减", kind=template.kind, terms=template.terms,
        status=status,
        valid_from=now, valid_until=now + timedelta(days=3), claimed_at=now,
    )  # fmt: skip


def order_of(customer: Customer, status: str) -> Order:
    now = timezone.now()
    store = Store.objects.create(merchant=customer.merchant, name="店", code=f"s-{status}")
    sums: dict[str, Any] = {
        "goods_fen": Fen(1),
        "freight_fen": Fen(0),
        "discount_fen": Fen(0),
        "payable_fen": Fen(1),
    }
    purchase = Purchase.objects.create(
        merchant=customer.merchant, customer=customer, number=f"P{store.pk}", idempotency_key="k",
        created_at=now, expires_at=now, **sums,
    )  # fmt: skip
    return Order.objects.create(
        merchant=customer.merchant, customer=customer, purchase=purchase, store=store,
        number=f"N{store.pk}", status=status, created_at=now, **sums,
    )  # fmt: skip


def belongings(customer: Customer) -> None:
    """One row of everything a customer may have."""
    mine: dict[str, Any] = {"merchant": customer.merchant, "customer": customer}
    product = Product.objects.create(merchant=customer.merchant, code="p", name="被")
    sku = Sku.objects.create(merchant=customer.merchant, product=product, code="s", price_fen=1)
    store = Store.objects.create(merchant=customer.merchant, name="店", code="main")
    Identity.objects.create(
        **mine, appid="wx1", openid="o-mine", session_key="sk", signed_in_at=timezone.now()
    )
    Address.objects.create(**mine, receiver="林小满", phone="13800000001", detail="1 号")
    Favourite.objects.create(**mine, product=product)
    RecentView.objects.create(**mine, product=product, at=timezone.now())
    SearchQuery.objects.create(**mine, words="被", at=timezone.now())
    CartLine.objects.create(**mine, sku=sku, store=store, quantity=1)
    CartAddition.objects.create(**mine, idempotency_key="k", request_hash="h")
    page = LegalDocument.objects.create(
        merchant=customer.merchant, kind="terms", version="1", title="t", body="b",
        published_at=timezone.now(),
    )  # fmt: skip
    Consent.objects.create(**mine, document=page)
    Customer.objects.filter(pk=customer.pk).update(
        phone="13800000001", unionid="u-mine", avatar="a", gender=2, source={"guide": "王"}
    )


@pytest.mark.django_db(transaction=True)
def test_an_erased_person_is_gone_and_the_books_stay(
    api: Api, customer: Customer, media: Path
) -> None:
    belongings(customer)
    unused, used = coupon_of(customer), coupon_of(customer, CouponStatus.USED)
    done = order_of(customer, OrderStatus.COMPLETED)
    send(api, picture())
    (file,) = [path for path in media.rglob("*") if path.is_file()]
    refresh = login.start(customer, "wx1")[1]

    assert api("delete", "me").status == 204

    row = Customer.objects.get(pk=customer.pk)
    assert (row.unionid, row.phone, row.nickname, row.avatar) == (None, None, "", "")
    assert (row.gender, row.source) == (0, {})
    assert row.erased_at is not None
    assert row.token_version == 1
    for model in (Identity, SignIn, Address, Favourite, RecentView, SearchQuery, CartLine,
                  CartAddition, Upload):  # fmt: skip
        assert model._default_manager.count() == 0, model
    assert not file.exists()
    assert Consent.objects.count() == 1
    assert Order.objects.get().pk == done.pk
    assert Coupon.objects.get(pk=unused.pk).status == CouponStatus.VOIDED
    assert Coupon.objects.get(pk=used.pk).status == CouponStatus.USED
    assert list(CouponEvent.objects.values_list("coupon_id", "event")) == [(unused.pk, "voided")]
    assert api("get", "me").status == 401
    assert Api()("post", "auth/refresh", {"refresh": refresh}).status == 401


@pytest.mark.parametrize(
    "status", [OrderStatus.AWAITING_PAYMENT, OrderStatus.PAID, OrderStatus.SHIPPED]
)
def test_nobody_leaves_while_an_order_is_under_way(
    api: Api, customer: Customer, status: str
) -> None:
    belongings(customer)
    unused = coupon_of(customer)
    order_of(customer, status)

    answer = api("delete", "me")

    assert (answer.status, answer.body["code"]) == (409, "open_orders")
    assert api("get", "me").body["nickname"] == "小满"
    assert Identity.objects.count() == Address.objects.count() == CartLine.objects.count() == 1
    assert Coupon.objects.get(pk=unused.pk).status == CouponStatus.CLAIMED


def test_whoever_comes_back_is_a_new_customer(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    def sign_in() -> Any:
        code = wechat.login_code(known_program.appid, "o-back", "u-back")
        return Api()("post", "auth/login", {"appid": known_program.appid, "code": code}).body

    before = sign_in()
    Api(before["access"])("delete", "me")
    after = sign_in()

    assert before["customer"]["id"] != after["customer"]["id"]
    assert Api(before["access"])("get", "me").status == 401
    assert Api(after["access"])("get", "me").status == 200


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_just_being_placed_keeps_its_shopper(api: Api, customer: Customer) -> None:
    placed, answers = threading.Event(), []

    def leave() -> None:
        placed.wait(10)
        answers.append(api("delete", "me"))
        connection.close()

    thread = threading.Thread(target=leave)
    thread.start()
    with transaction.atomic():
        stay(customer)  # as place_order does
        order_of(customer, OrderStatus.AWAITING_PAYMENT)
        placed.set()
        thread.join(0.5)
        assert not answers
    thread.join(10)

    assert (answers[0].status, answers[0].body["code"]) == (409, "open_orders")


@pytest.mark.django_db(transaction=True)
def test_an_address_added_after_leaving_is_refused(customer: Customer) -> None:
    from shop import addresses, erasure
    from shop.customers import Gone

    erasure.erase(customer)
    erasure.erase(customer)

    with pytest.raises(Gone), transaction.atomic():
        stay(customer)
    with pytest.raises(Gone):
        addresses.add(customer, {"receiver": "x", "phone": "1", "detail": "d"})
    assert Address.objects.count() == 0
