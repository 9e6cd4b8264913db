"""The life of an order: one table of steps, one writer of the status, and what else a step does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from coupons import automatic, wallet
from coupons.models import Way
from orders.models import (
    CloseReason,
    Order,
    OrderEvent,
    OrderLine,
    OrderStatus,
    Parcel,
    Purchase,
    PurchaseStatus,
)
from shop import stock
from shop.models import Customer


class WrongStatus(DomainError):
    code = "wrong_status"
    message = _("This order has moved on. Please look again.")


class Event(StrEnum):
    PLACE = "place"
    PAY = "pay"
    SHIP = "ship"
    RECEIVE = "receive"
    CLOSE = "close"


EVENT_TEXTS: Final = {
    Event.PLACE: _("Order placed"),
    Event.PAY: _("Paid"),
    Event.SHIP: _("Shipped"),
    Event.RECEIVE: _("Received"),
    Event.CLOSE: _("Closed"),
}


@dataclass(frozen=True)
class Step:
    """From which statuses, to which, stamping which column."""

    source: frozenset[OrderStatus]
    target: OrderStatus
    stamp: str


TRANSITIONS: Final[dict[Event, Step]] = {
    Event.PAY: Step(frozenset({OrderStatus.AWAITING_PAYMENT}), OrderStatus.PAID, "paid_at"),
    Event.SHIP: Step(frozenset({OrderStatus.PAID}), OrderStatus.SHIPPED, "shipped_at"),
    Event.RECEIVE: Step(frozenset({OrderStatus.SHIPPED}), OrderStatus.COMPLETED, "completed_at"),
    Event.CLOSE: Step(frozenset({OrderStatus.AWAITING_PAYMENT}), OrderStatus.CLOSED, "closed_at"),
}


# Quality complaints stay open so long after sign-off (a rule of law, from memory).
AFTER_SALE: Final = dt.timedelta(days=15)


def advance(
    order_ids: Sequence[int], event: Event, *, at: dt.datetime, by: str, note: str = ""
) -> list[Order]:
    """Move orders one step together, all or none, record the step, and return them.

    Locks: the orders, by id. Callers hold a transaction.
    Raises: WrongStatus when the table has no such step from where one of them is.
    """
    step = TRANSITIONS[event]
    orders = list(Order.objects.select_for_update().filter(pk__in=order_ids).order_by("pk"))
    for order in orders:
        if order.status not in step.source:
            raise WrongStatus(f"cannot {event} order {order.pk}, it is {order.status}")
        order.status = step.target
        setattr(order, step.stamp, at)
    Order.objects.filter(pk__in=order_ids).update(**{"status": step.target, step.stamp: at})
    OrderEvent.objects.bulk_create(
        OrderEvent(merchant_id=order.merchant_id, order=order, event=event, by=by, note=note, at=at)
        for order in orders
    )
    return orders


@dataclass(frozen=True)
class Trade:
    """What orders keep of the payment that paid them."""

    payment_id: int | None
    method: str
    out_trade_no: str = ""
    transaction_id: str = ""
    mch_id: str = ""
    appid: str = ""
    openid: str = ""


@transaction.atomic
def pay(purchase_id: int, trade: Trade, *, at: dt.datetime) -> None:
    """The purchase is paid by this trade, and by no other ever after. All of it or nothing.

    Locks: the purchase, its orders, its coupons, its stock, its products, then the customer.
    Raises: WrongStatus when it is closed, or paid by another.
    """
    paid = Purchase.objects.filter(
        pk=purchase_id, status=PurchaseStatus.AWAITING_PAYMENT, paid_by_id=None
    ).update(
        status=PurchaseStatus.PAID,
        paid_at=at,
        reward_at=at,
        paid_by_id=trade.payment_id,
        method=trade.method,
        out_trade_no=trade.out_trade_no,
        transaction_id=trade.transaction_id,
        pay_mch_id=trade.mch_id,
        pay_appid=trade.appid,
        payer_openid=trade.openid,
    )
    if not paid:
        raise WrongStatus(f"purchase {purchase_id} doesn't await a payment")
    purchase = Purchase.objects.get(pk=purchase_id)
    ids = list(purchase.orders.values_list("pk", flat=True))
    advance(ids, Event.PAY, at=at, by="payment")
    # Written down now, whenever WeChat took the money: a day that was counted stays as it was.
    wallet.use(purchase.merchant_id, purchase.number, at=timezone.now())
    stock.sell(purchase.merchant_id, _stocks(ids), reference=purchase.number)
    _count_sold(ids)
    _remember(purchase)


def close(purchase_id: int, reason: CloseReason, *, at: dt.datetime, by: str) -> bool:
    """An unpaid purchase is closed, its coupons and stock are back; say whether it was open.

    Locks: the purchase, its orders, its coupons, its stock.
    Raises: WrongStatus when it is paid.
    """
    with transaction.atomic():
        purchase = Purchase.objects.select_for_update().get(pk=purchase_id)
        if purchase.status == PurchaseStatus.CLOSED:
            return False
        if purchase.status != PurchaseStatus.AWAITING_PAYMENT:
            raise WrongStatus(f"purchase {purchase_id} is {purchase.status}")
        purchase.status = PurchaseStatus.CLOSED
        purchase.closed_at, purchase.close_reason = at, reason
        purchase.save(update_fields=["status", "closed_at", "close_reason"])
        ids = list(purchase.orders.values_list("pk", flat=True))
        advance(ids, Event.CLOSE, at=at, by=by, note=str(reason.value))
        wallet.let_go(purchase.merchant_id, purchase.number, at=at)
        stock.release(purchase.merchant_id, _stocks(ids), reference=purchase.number)
    return True


def ship(order_id: int, *, courier: str, tracking_no: str, at: dt.datetime, by: str) -> Order:
    """The order has left the store with this parcel, and is received by itself in some days.

    Locks: the order.
    Raises: WrongStatus when it isn't paid, or something holds it.
    """
    with transaction.atomic():
        (order,) = advance([order_id], Event.SHIP, at=at, by=by, note=f"{courier} {tracking_no}")
        if order.held_for:
            raise WrongStatus(f"order {order_id} is held for {order.held_for}")
        order.receive_by = at + dt.timedelta(days=order.merchant.receive_days)
        order.save(update_fields=["receive_by"])
        Parcel.objects.create(
            merchant_id=order.merchant_id,
            order=order,
            courier=courier,
            tracking_no=tracking_no,
            shipped_at=at,
        )
    return order


def receive(order_id: int, *, at: dt.datetime, by: str) -> Order:
    """The shopper has it: said by them, or by the clock. Said again, it changes nothing.

    Locks: the order.
    Raises: WrongStatus when it isn't shipped.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order_id)
        if order.status == OrderStatus.COMPLETED:
            return order
        (order,) = advance([order_id], Event.RECEIVE, at=at, by=by)
        order.receive_by = None
        order.save(update_fields=["receive_by"])
        order.lines.update(aftersale_until=at + AFTER_SALE)
    return order


def reward(purchase_id: int) -> int:
    """Give what a payment is thanked with, once. How many coupons that was.

    Again, or twice at once, it gives nothing more: each of them has a key.

    Locks: one of a template's lots at a time, then the purchase.
    """
    purchase = Purchase.objects.filter(pk=purchase_id, reward_at__isnull=False).first()
    if purchase is None:
        return 0
    given = 0
    if purchase.customer_id is not None:
        given = automatic.give(
            Way.PAYMENT, purchase.merchant_id, purchase.customer_id,
            occasion=purchase.number, spent=purchase.payable_fen,
        )  # fmt: skip
    Purchase.objects.filter(pk=purchase_id).update(reward_at=None)
    return given


def _remember(purchase: Purchase) -> None:
    """What the customer's own row says of what they bought: for terms and segments."""
    if purchase.customer_id is not None:
        Customer.objects.filter(pk=purchase.customer_id).update(
            paid_purchases=F("paid_purchases") + 1,
            spent_fen=F("spent_fen") + purchase.payable_fen,
            last_paid_at=purchase.paid_at,
            last_store_id=purchase.orders.order_by("pk").values("store_id")[:1],
        )


def _stocks(order_ids: Sequence[int]) -> list[int]:
    return list(OrderLine.objects.filter(order_id__in=order_ids).values_list("stock_id", flat=True))


# Gifts aren't sold. The rows are taken by id first, as a best seller is in many baskets at once.
_SOLD_SQL: Final = """
WITH units AS (
    SELECT product_id, sum(quantity) AS n FROM orders_orderline
    WHERE order_id = ANY(%s) AND offer_kind <> 'gift' GROUP BY product_id
), taken AS (
    SELECT p.id, u.n FROM shop_product p JOIN units u ON u.product_id = p.id
    ORDER BY p.id FOR NO KEY UPDATE OF p
)
UPDATE shop_product p SET sold = p.sold + t.n FROM taken t WHERE t.id = p.id
"""


def _count_sold(order_ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SOLD_SQL, [list(order_ids)])
