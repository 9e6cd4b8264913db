"""Every route, walked as a stranger: another merchant's shopper finds nothing of anybody's."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from backend.money import Fen
from coupons.models import Coupon, CouponPass, CouponTemplate, Redemption, Way
from orders.models import Order, OrderLine, Purchase
from shop import catalogue, login, search
from shop.models import (
    Address,
    Banner,
    CartLine,
    Category,
    Customer,
    Favourite,
    HomeSection,
    LegalDocument,
    Merchant,
    MiniProgram,
    Notice,
    Product,
    RecentView,
    Store,
)
from tests.orders.makers import coupon, place, shelf, shopper, template

pytestmark = pytest.mark.django_db

PASS = "token-of-the-first-merchants-link"  # noqa: S105
# Enough for every door to look for its row.
WISH = {"quantity": 1, "detail": "x", "accepted": []}
# Shut to everyone who isn't staff, or a till, before a row is looked for.
_SHUT = {"staff": {403}, "till": {401}}


def doors(*, of_rows: bool = True) -> list[str]:
    """Every address below /api/v1/ that names a row, or every one that names none."""
    found: list[str] = []

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> None:
        for pattern in patterns:
            here = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, here)
            elif here.startswith("api/v1/") and ("<" in here) == of_rows:
                found.append(here)

    walk(get_resolver().url_patterns, "")
    return found


@pytest.fixture
def owner(db: None) -> Customer:
    """Someone with one of everything at the first merchant."""
    merchant = Merchant.objects.create(name="甲", slug="first")
    customer = shopper(merchant)
    stock = shelf(merchant)
    coupon(customer)
    sale = {
        "way": Way.AUTOMATIC,
        "valid_days": None,
        "terms": {"threshold_fen": 9999, "off_fen": 1},
    }
    template(merchant, total=0, **sale)
    place(customer, (stock, 1), payable=700)
    one = Coupon.objects.get()
    CouponPass.objects.create(
        merchant=merchant, coupon=one, expires_at=one.valid_until,
        token_hash=hashlib.sha256(PASS.encode()).hexdigest(),
    )  # fmt: skip
    Redemption.objects.create(
        merchant=merchant, coupon=one, store=stock.store, number="X12345678", request_key="r",
        saved_fen=Fen(1), by="till", at=timezone.now(),
    )  # fmt: skip
    CartLine.objects.create(
        merchant=merchant, customer=customer, sku=stock.sku, store=stock.store, quantity=1
    )
    return customer


def call(customer: Customer, method: str, path: str, body: Any = None) -> tuple[int, str]:
    token = login.access_token(customer, at=timezone.now())
    answer = Client().generic(
        method,
        f"/{path}",
        json.dumps(body or {}),
        content_type="application/json",
        headers={"authorization": f"Bearer {token}"},
    )
    return answer.status_code, answer.content.decode()


def rows_of(door: str) -> list[str]:
    """The door with the owner's own rows in it."""
    owned: dict[str, Any] = {
        "addresses": Address.objects.get().pk,
        "items": CartLine.objects.get().pk,
        "coupon-templates": Coupon.objects.get().template_id,
        "promotions": CouponTemplate.objects.get(way=Way.AUTOMATIC).pk,
        "coupons": Coupon.objects.get().pk,
        "coupon-passes": PASS,
        "redemptions": Redemption.objects.get().number,
        "products": Product.objects.get().pk,
        "favourites": Product.objects.get().pk,
        "recently-seen": Product.objects.get().pk,
        "stores": Store.objects.get().pk,
        "purchases": Purchase.objects.get().number,
        "orders": Order.objects.get().number,
        "trades": Purchase.objects.get().number,
        "legal": "privacy",
    }
    before, _open, rest = door.partition("<")
    name = before.rstrip("/").rpartition("/")[2]
    return [f"{before}{owned[name]}{rest.partition('>')[2]}"]


# Within one shop its own rows are everybody's; to another shop's shopper nothing is there.
PUBLIC = (
    "coupon-passes/",
    "products/",
    "stores/",
    "coupon-templates/",
    "favourites/",
    "legal/",
    "promotions/",
)
STRANGERS = [
    (door, same_merchant)
    for door in doors()
    for same_merchant in (True, False)
    if not (same_merchant and any(part in door for part in PUBLIC))
]


@pytest.mark.parametrize(("door", "same_merchant"), STRANGERS)
def test_a_strangers_row_is_not_there(owner: Customer, door: str, same_merchant: bool) -> None:  # noqa: FBT001
    merchant = owner.merchant if same_merchant else Merchant.objects.create(name="乙", slug="other")
    paths = rows_of(door)
    stranger = shopper(merchant)
    lines = list(CartLine.objects.values())
    for path in paths:
        for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
            status, text = call(stranger, method, path, WISH)
            shut = _SHUT.get(door.split("/")[2], set())
            assert status in {404, 405} | shut or (method == "DELETE" and status in {200, 204}), (
                method, path, status, text,
            )  # fmt: skip
            assert "黄浦区" not in text

    assert list(CartLine.objects.values()) == lines
    assert Address.objects.filter(customer=owner).count() == 1
    assert Purchase.objects.get().status == "awaiting_payment"


# What stands in every text of the first merchant's, and in nothing of the second's.
MARK = "甲"
_EACH_HAS_ITS_NAME = (Product, Store, Category, CouponTemplate, Coupon)


@pytest.fixture
def marked(owner: Customer) -> Customer:
    """The owner, with the mark on everything a list could show."""
    merchant, product = owner.merchant, Product.objects.get()
    Category.objects.create(merchant=merchant, name=MARK)
    coupon(owner)  # the first is held by the purchase
    for model in _EACH_HAS_ITS_NAME:
        model._default_manager.update(name=f"{MARK}的")
    Address.objects.update(receiver=MARK)
    Order.objects.update(receiver=MARK, remark=MARK)
    OrderLine.objects.update(name=MARK)
    Banner.objects.create(merchant=merchant, picture="a.png", text=MARK)
    Notice.objects.create(merchant=merchant, text=MARK)
    section = HomeSection.objects.create(merchant=merchant, title=MARK)
    section.products.add(product)
    LegalDocument.objects.create(
        merchant=merchant, kind="terms", version=MARK, title=MARK, published_at=timezone.now()
    )
    Favourite.objects.create(merchant=merchant, customer=owner, product=product)
    RecentView.objects.create(merchant=merchant, customer=owner, product=product, at=timezone.now())
    catalogue.refresh([product.pk])
    search.record(owner, MARK)
    Customer.objects.filter(pk=owner.pk).update(nickname=MARK)
    return owner


def test_the_mark_is_seen_where_it_belongs(marked: Customer) -> None:
    seen = {door for door in doors(of_rows=False) if MARK in call(marked, "GET", door)[1]}

    assert {f"api/v1/{name}" for name in (
        "home", "products", "categories", "stores", "cart", "coupon-templates", "coupons",
        "orders", "me", "me/addresses", "me/center", "favourites", "recently-seen", "shop",
    )} <= seen  # fmt: skip


@pytest.mark.parametrize("door", doors(of_rows=False))
def test_no_list_and_no_page_shows_another_shops_rows(marked: Customer, door: str) -> None:
    other = Merchant.objects.create(name="乙", slug="other")
    program = MiniProgram.objects.create(merchant=other, appid="wx-other", secret="s")  # noqa: S106
    stranger = shopper(other)
    foreign = f"?store={Store.objects.filter(merchant=marked.merchant).get().pk}"
    category = Category.objects.filter(merchant=marked.merchant).values_list("pk", flat=True)[0]

    for asked in ("", f"?q={MARK}", f"?category={category}", foreign):
        for method in ("GET", "POST"):
            status, text = call(stranger, method, door + asked, {"q": MARK})
            assert status < 500
            assert MARK not in text
    visited = Client().get(f"/{door}", headers={"x-wx-appid": program.appid})
    assert MARK not in visited.content.decode()
