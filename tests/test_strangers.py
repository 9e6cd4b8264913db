"""Every route, walked as a stranger: another merchant's shopper finds nothing of anybody's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from coupons.models import Coupon
from orders.models import Order, Purchase
from shop import login
from shop.models import Address, CartLine, Customer, Merchant, Product, Store
from tests.orders.makers import coupon, place, shelf, shopper

pytestmark = pytest.mark.django_db


def doors() -> list[str]:
    """Every address below /api/v1/ that names a row."""
    found: list[str] = []

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> None:
        for pattern in patterns:
            here = before + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, here)
            elif here.startswith("api/v1/") and "<" in here:
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
    place(customer, (stock, 1), payable=700)
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
        "coupons": Coupon.objects.get().pk,
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


@pytest.mark.parametrize("door", doors())
@pytest.mark.parametrize("same_merchant", [True, False])
def test_a_strangers_row_is_not_there(owner: Customer, door: str, same_merchant: bool) -> None:  # noqa: FBT001
    public = ("products/", "stores/", "coupon-templates/", "favourites/", "legal/")
    if same_merchant and any(part in door for part in public):
        pytest.skip("the shop's own rows are everybody's in that shop")
    merchant = owner.merchant if same_merchant else Merchant.objects.create(name="乙", slug="other")
    paths = rows_of(door)
    stranger = shopper(merchant)
    lines = list(CartLine.objects.values())
    for path in paths:
        for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
            status, text = call(stranger, method, path, {"quantity": 1, "detail": "x"})
            assert status in {404, 405} or (method == "DELETE" and status in {200, 204}), (
                method, path, status, text,
            )  # fmt: skip
            assert "黄浦区" not in text

    assert list(CartLine.objects.values()) == lines
    assert Address.objects.filter(customer=owner).count() == 1
    assert Purchase.objects.get().status == "awaiting_payment"
