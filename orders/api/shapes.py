"""How quotes, purchases and orders look from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.money import Fen
from coupons import running
from coupons.promotions import Voucher
from orders import quotes
from orders.checkout import Priced
from orders.gifts import GONE
from orders.lifecycle import EVENT_TEXTS, Event
from orders.models import Order, OrderLine, OrderStatus, Purchase, PurchaseStatus
from shop.addresses import SHOWN
from shop.catalogue import picture_url

# What a shopper may do next, by status; clients draw these as buttons.
_ACTIONS: dict[str, list[str]] = {
    OrderStatus.AWAITING_PAYMENT: ["pay", "cancel"],
    OrderStatus.PAID: [],
    OrderStatus.SHIPPED: ["receive"],
    OrderStatus.COMPLETED: [],
    OrderStatus.CLOSED: [],
}


def offered_shape(offered: quotes.Offered) -> dict[str, Any]:
    """A sku as a line shows it."""
    return {
        "sku": offered.sku,
        "product": offered.product,
        "store": offered.store,
        "name": offered.name,
        "picture": picture_url(offered.picture),
        "specs": list(offered.specs),
        "list_price_fen": offered.list_price,
        "unit_price_fen": offered.unit_price,
        "available": offered.available,
        "no_reason_return": offered.no_reason_return,
    }


def _quoted_line(line: quotes.Line) -> dict[str, Any]:
    return {
        **offered_shape(line.wish.offered),
        "offer": line.wish.offer,
        **_gift_of(line.wish.given),
        "quantity": line.wish.quantity,
        "goods_fen": line.wish.goods,
        "discount_fen": line.discount,
        "payable_fen": line.payable,
    }


def _gift_of(given: quotes.Given | None) -> dict[str, Any]:
    """Which promotion gives a line along, and with which goods."""
    return {
        "promotion": given.voucher.id if given else None,
        "given_with": [{"sku": sku, "store": store} for sku, store in given.goods] if given else [],
    }


# Why a coupon can't be used, in the reader's words.
WHY_UNUSABLE: Final = {
    "below_threshold": _("%(missing)s more to use it"),
    "not_applicable": _("It applies to nothing here."),
    "not_now": _("It can't be used at this time."),
    "not_yet": _("It can be used from %(begins)s on."),
    "not_this_delivery": _("It isn't for this kind of delivery."),
    "for_new_customers": _("It is for new customers."),
    "for_returning_customers": _("It is for customers who have bought before."),
    "not_in_basket": _("What it is for isn't in the basket."),
    "too_few": _("There are too few of one kind."),
    "no_freight": _("There is no freight to pay."),
    GONE: _("The gift has run out."),
}
# Why a promotion isn't had that a shopper might still have: the rest isn't for them, or not here.
WITHIN_REACH: Final = ("below_threshold", "too_few", GONE)


def missing_text(missing: Fen) -> str:
    """How far a basket is from something."""
    return str(WHY_UNUSABLE["below_threshold"]) % {"missing": missing}


def _distance(other: quotes.Unusable) -> tuple[bool, Fen]:
    """What more money brings comes first, the nearest before the others."""
    return not other.missing, other.missing


def why_unusable(one: quotes.Unusable) -> str:
    """Why a coupon can't be used, or a promotion isn't had."""
    begins = one.voucher.begins
    facts = {
        "missing": one.missing,
        "begins": timezone.localtime(begins).strftime("%Y-%m-%d %H:%M") if begins else "",
    }
    return str(WHY_UNUSABLE[one.reason]) % facts


def promotions_shape(quote: quotes.Quote) -> dict[str, Any]:
    """The shop's promotions: those that a basket has, and those it might have."""
    return {
        "applied": [
            {
                **_named(applied.voucher),
                "saves_fen": applied.saves,
                "gifts": [
                    {**offered_shape(wish.offered), "quantity": wish.quantity}
                    for wish in applied.gifts
                ],
                "missing_fen": applied.missing,
                "message": missing_text(applied.missing) if applied.missing else "",
            }
            for applied in quote.applied
        ],
        "within_reach": [
            {
                **_named(other.voucher),
                "reason": other.reason,
                "message": why_unusable(other),
                "missing_fen": other.missing,
            }
            for other in sorted(quote.not_applied, key=_distance)
            if other.reason in WITHIN_REACH
        ],
    }


def _named(promotion: Voucher) -> dict[str, Any]:
    return running.shape(promotion.id, promotion.name, promotion.kind, promotion.terms)


def quote_shape(priced: Priced) -> dict[str, Any]:
    """A quote: what the confirm page draws."""
    quote = priced.quote
    known = quote.freight_known
    return {
        "stores": [
            {
                "store": part.store,
                "name": part.store_name,
                "quantity": sum(line.wish.quantity for line in part.lines if not line.wish.given),
                "lines": [_quoted_line(line) for line in part.lines],
                "goods_fen": part.goods,
                "freight_fen": part.freight if known else None,
                "discount_fen": part.discount,
                "payable_fen": part.payable,
            }
            for part in quote.parts
        ],
        "goods_fen": quote.goods,
        "freight_fen": quote.freight if known else None,
        "discount_fen": quote.discount,
        "payable_fen": quote.payable,
        "quantity": sum(line.wish.quantity for line in quote.bought),
        "promotions": promotions_shape(quote),
        "coupons": {
            "usable": [
                {
                    "id": choice.voucher.id,
                    "name": choice.voucher.name,
                    "saves_fen": choice.saves,
                    "chosen": choice.chosen,
                }
                for choice in quote.usable
            ],
            "unusable": [
                {
                    "id": other.voucher.id,
                    "name": other.voucher.name,
                    "reason": other.reason,
                    "message": why_unusable(other),
                    "missing_fen": other.missing,
                }
                for other in quote.unusable
            ],
        },
        "problems": [problem_shape(problem) for problem in quote.problems],
        "needs": list(priced.needs),
        "address": (
            {name: getattr(priced.address, name) for name in SHOWN} if priced.address else None
        ),
        "delivery_options": [
            {"kind": "express", "allowed": True, "reason": "", "stores": []},
        ],
        "invoice_supported": False,
        "return_terms": [
            {
                "sku": line.wish.offered.sku,
                "no_reason_return": False,
                "ground": line.wish.offered.no_return_ground,
            }
            for line in quote.lines
            if not line.wish.offered.no_reason_return
        ],
    }


def problem_shape(problem: quotes.Problem) -> dict[str, Any]:
    """A line that can't be bought, and why."""
    return {
        "sku": problem.sku,
        "store": problem.store,
        "quantity": problem.quantity,
        "reason": problem.reason,
        "available": problem.available,
    }


def _line(line: OrderLine) -> dict[str, Any]:
    return {
        "id": line.pk,
        "sku": line.sku_id,
        "product": line.product_id,
        "name": line.name,
        "picture": picture_url(line.picture),
        "specs": line.specs,
        "offer": line.offer_kind,
        "promotion": line.offer_id,
        "given_with": line.given_with,
        "quantity": line.quantity,
        "list_price_fen": line.list_price_fen,
        "unit_price_fen": line.unit_price_fen,
        "goods_fen": line.goods_fen,
        "discount_fen": line.discount_fen,
        "payable_fen": line.payable_fen,
        "no_reason_return": line.no_reason_return,
        "aftersale_until": line.aftersale_until,
    }


def order_shape(order: Order) -> dict[str, Any]:
    """An order as lists and its own page show it."""
    purchase = order.purchase
    return {
        "number": order.number,
        "purchase": purchase.number,
        "status": order.status,
        "status_text": OrderStatus(order.status).label,
        "store": {"id": order.store_id, "name": order.store.name, "phone": order.store.phone},
        "goods_fen": order.goods_fen,
        "freight_fen": order.freight_fen,
        "discount_fen": order.discount_fen,
        "payable_fen": order.payable_fen,
        "lines": [_line(line) for line in order.lines.all()],
        "parcels": [
            {"courier": p.courier, "tracking_no": p.tracking_no, "shipped_at": p.shipped_at}
            for p in order.parcels.all()
        ],
        "remark": order.remark,
        "receiver": {
            "receiver": order.receiver,
            "phone": order.receiver_phone,
            "region": order.receiver_region,
            "detail": order.receiver_detail,
        },
        "actions": list(_ACTIONS[order.status]),
        "expires_at": (
            purchase.expires_at if order.status == OrderStatus.AWAITING_PAYMENT else None
        ),
        "created_at": order.created_at,
        "paid_at": order.paid_at,
        "shipped_at": order.shipped_at,
        "receive_by": order.receive_by,
        "completed_at": order.completed_at,
        "closed_at": order.closed_at,
        "close_reason": purchase.close_reason,
        "method": purchase.method,
    }


def _reductions(order: Order) -> list[dict[str, Any]]:
    """What was taken off an order, by what took it off: the shares of its lines summed."""
    sums: dict[tuple[int | None, int | None, str, str], Fen] = {}
    for one in order.reductions.all():
        key = one.promotion_id, one.coupon_id, one.kind, one.name
        sums[key] = sums.get(key, Fen(0)) + one.amount_fen
    return [
        {"promotion": promotion, "coupon": coupon, "kind": kind, "name": name, "amount_fen": amount}
        for (promotion, coupon, kind, name), amount in sums.items()
    ]


def order_detail_shape(order: Order) -> dict[str, Any]:
    """One order with its timeline, and what was taken off it."""
    return {
        **order_shape(order),
        "reductions": _reductions(order),
        "events": [
            {
                "event": event.event,
                "text": EVENT_TEXTS[Event(event.event)],
                "at": event.at,
            }
            for event in order.events.all()
        ],
    }


def purchase_shape(purchase: Purchase, orders: Sequence[Order]) -> dict[str, Any]:
    """A purchase with its orders."""
    return {
        "number": purchase.number,
        "status": purchase.status,
        "status_text": PurchaseStatus(purchase.status).label,
        "goods_fen": purchase.goods_fen,
        "freight_fen": purchase.freight_fen,
        "discount_fen": purchase.discount_fen,
        "payable_fen": purchase.payable_fen,
        "expires_at": purchase.expires_at,
        "created_at": purchase.created_at,
        "paid_at": purchase.paid_at,
        "closed_at": purchase.closed_at,
        "close_reason": purchase.close_reason,
        "method": purchase.method,
        "actions": (
            ["pay", "cancel"] if purchase.status == PurchaseStatus.AWAITING_PAYMENT else []
        ),
        "orders": [order_shape(order) for order in orders],
    }
