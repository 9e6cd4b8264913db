"""A shop with goods, coupons and shoppers who have somewhere to send things."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from backend.money import Fen
from coupons import offers
from coupons.claiming import claim
from coupons.models import Coupon, CouponTemplate
from orders import basket, checkout, writing
from orders.models import Order, Purchase
from shop.models import Address, Customer, Merchant, Stock, StockMovement
from tests.shop import goods


def shopper(merchant: Merchant) -> Customer:
    customer = Customer.objects.create(merchant=merchant)
    Address.objects.create(
        merchant=merchant, customer=customer, receiver="小满", phone="13800000000",
        province_code="310000", city_code="310100", district_code="310101", province="上海市",
        city="上海市", district="黄浦区", detail="人民大道 1 号", is_default=True,
    )  # fmt: skip
    return customer


def shelf(
    merchant: Merchant, *, price: int = 1000, count: int | None = 9, store: Any = None
) -> Stock:
    """A new sku with so many on the shelf of a store."""
    product = goods.product(merchant, price=price, count=None)
    sku = product.skus.get()
    sku.stocks.all().delete()
    return goods.shelf(sku, store or goods.default_store(merchant), count)


def template(merchant: Merchant, *, total: int = 100, **more: Any) -> CouponTemplate:
    now = timezone.now()
    made = CouponTemplate.objects.create(
        **{
            "merchant": merchant,
            "name": "满 10 减 3",
            "kind": "spend_and_save",
            "terms": {"threshold_fen": 1000, "off_fen": 300},
            "is_published": True,
            "starts_at": now - dt.timedelta(days=1),
            "ends_at": now + dt.timedelta(days=1),
            "total": total,
            "valid_days": 7,
            **more,
        }
    )
    offers.deal(made)
    return made


def coupon(customer: Customer, **more: Any) -> Coupon:
    made = template(customer.merchant, **more)
    return claim(merchant=customer.merchant_id, template=made.pk, customer=customer.pk)[0]


def place(
    customer: Customer,
    *rows: tuple[Stock, int],
    payable: int,
    coupons: list[int] | None = None,
    key: str | None = None,
    request_hash: str = "",
) -> Purchase:
    """What the shopper agreed to pay for so many of each stock row."""
    items = [basket.Item(row.sku_id, count, row.store_id) for row, count in rows]
    placed = checkout.place_order(
        customer,
        checkout.Wanted(items, coupons=coupons),
        writing.Placing(payable=Fen(payable)),
        key=key,
        request_hash=request_hash,
    )
    return placed.purchase


def counts(stock: Stock) -> tuple[int, int]:
    """Available and held; and the promise that both are the sums of their movements."""
    stock.refresh_from_db()
    moved = StockMovement.objects.filter(stock=stock).values_list("available_delta", "held_delta")
    assert sum(a for a, _h in moved) == stock.available
    assert sum(h for _a, h in moved) == stock.held
    return stock.available, stock.held


def order_of(purchase: Purchase) -> Order:
    return purchase.orders.get()
