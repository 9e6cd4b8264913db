"""Looking orders up: a customer's list, its counts, one order, one purchase."""

from __future__ import annotations

from typing import Any, Final

from django.db import connection
from django.db.models import Count, Prefetch, Q, QuerySet

from backend.api import PAGE_SIZE, decode_cursor, encode_cursor
from backend.errors import NotFound
from orders.models import Order, OrderLine, OrderStatus, Purchase, PurchaseStatus
from shop.models import Customer

# A tab of the order list, and what it holds. The keys of `counts` are the same words.
TABS: Final[dict[str, Q]] = {
    "awaiting_payment": Q(status=OrderStatus.AWAITING_PAYMENT),
    "paid": Q(status=OrderStatus.PAID),
    "shipped": Q(status=OrderStatus.SHIPPED),
    # Reviews and after-sales add their own condition when they come; until then a completed order
    # is one to review, and none is in after-sale.
    "to_review": Q(status=OrderStatus.COMPLETED),
    "after_sale": Q(pk__in=[]),
}

_OPEN: Final = [OrderStatus.AWAITING_PAYMENT, OrderStatus.PAID, OrderStatus.SHIPPED]


def _orders(customer: Customer) -> QuerySet[Order]:
    return Order.objects.filter(merchant_id=customer.merchant_id, customer_id=customer.pk)


def counts(customer: Customer) -> dict[str, int]:
    """How many rows each tab of the list has; an unpaid purchase is one row."""
    numbers = _orders(customer).aggregate(
        awaiting_payment=Count("purchase", distinct=True, filter=TABS["awaiting_payment"]),
        **{tab: Count("pk", filter=TABS[tab]) for tab in ("paid", "shipped", "to_review")},
    )
    return {tab: numbers.get(tab, 0) for tab in TABS}


def has_open(customer: Customer) -> bool:
    """Whether anything of this customer's is still under way."""
    return _orders(customer).filter(status__in=_OPEN).exists()


def standing(customer: Customer, but: Purchase | None = None) -> str:
    """What the customer is to terms: "returning", "new", or neither while a first purchase waits to
    be paid (`but` for this one). At most one query.
    """
    if customer.paid_purchases:
        return "returning"
    unpaid = Purchase.objects.filter(
        merchant_id=customer.merchant_id, customer_id=customer.pk,
        status=PurchaseStatus.AWAITING_PAYMENT,
    )  # fmt: skip
    return "" if unpaid.exclude(pk=but.pk if but else 0).exists() else "new"


# A row of the list: an unpaid purchase whole, else an order. Sorted by the order's id, of which a
# purchase has its smallest; the cursor is that id.
_ROWS_SQL: Final = """
SELECT CASE WHEN o.status = 'awaiting_payment' THEN 'purchase' ELSE 'order' END AS kind,
       o.id, o.purchase_id
FROM orders_order o
WHERE o.merchant_id = %(merchant)s AND o.customer_id = %(customer)s
  AND (%(before)s::bigint IS NULL OR o.id < %(before)s)
  AND (o.status <> 'awaiting_payment' OR o.id = (
      SELECT min(first.id) FROM orders_order first WHERE first.purchase_id = o.purchase_id))
  AND (%(statuses)s::text[] IS NULL OR o.status = ANY(%(statuses)s))
ORDER BY o.id DESC
LIMIT %(limit)s
"""

_TAB_STATUSES: Final[dict[str, list[str]]] = {
    "awaiting_payment": ["awaiting_payment"],
    "paid": ["paid"],
    "shipped": ["shipped"],
    "to_review": ["completed"],
    "after_sale": [],
}


def page(customer: Customer, tab: str | None, cursor: str | None) -> dict[str, Any]:
    """A page of the customer's list as `(kind, row)` pairs, newest first, and the next cursor.

    Four queries, however long the list.
    Raises: BadCursor.
    """
    with connection.cursor() as db:
        db.execute(
            _ROWS_SQL,
            {
                "merchant": customer.merchant_id,
                "customer": customer.pk,
                "before": decode_cursor(cursor, int)[0] if cursor else None,
                "statuses": _TAB_STATUSES[tab] if tab else None,
                "limit": PAGE_SIZE + 1,
            },
        )
        rows = db.fetchall()
    shown, more = rows[:PAGE_SIZE], len(rows) > PAGE_SIZE
    orders = with_lines(
        Order.objects.filter(
            Q(pk__in=[pk for kind, pk, _purchase in shown if kind == "order"])
            | Q(purchase_id__in=[purchase for kind, _pk, purchase in shown if kind == "purchase"])
        )
    )
    by_purchase: dict[int, list[Order]] = {}
    for order in orders:
        by_purchase.setdefault(order.purchase_id, []).append(order)
    by_pk = {order.pk: order for order in orders}
    return {
        "rows": [
            (kind, by_purchase.get(purchase, []) if kind == "purchase" else [by_pk[pk]])
            for kind, pk, purchase in shown
            if kind == "purchase" or pk in by_pk
        ],
        "next": encode_cursor([shown[-1][1]]) if more else None,
    }


def with_lines(orders: QuerySet[Order]) -> list[Order]:
    """Orders with their store, purchase, lines and parcels, in two or three queries."""
    return list(
        orders.select_related("store", "purchase")
        .prefetch_related(
            Prefetch("lines", OrderLine.objects.order_by("pk")),
            "parcels",
        )
        .order_by("pk")
    )


def order(customer: Customer, number: str) -> Order:
    """One order of the customer's.

    Raises: NotFound.
    """
    found = with_lines(_orders(customer).filter(number=number))
    if not found:
        raise NotFound(f"order {number}")
    return found[0]


def purchase(customer: Customer, number: str) -> Purchase:
    """One purchase of the customer's.

    Raises: NotFound.
    """
    found = Purchase.objects.filter(
        merchant_id=customer.merchant_id, customer_id=customer.pk, number=number
    ).first()
    if found is None:
        raise NotFound(f"purchase {number}")
    return found
