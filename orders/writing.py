"""Writing down what was agreed: a purchase with its orders, lines and shares of discounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from backend import rows
from backend.money import Fen
from backend.numbers import new_number
from coupons.models import PromotionUse
from orders import lifecycle, quotes
from orders.models import Order, OrderEvent, OrderLine, Purchase, Reduction
from shop.models import Address, Customer, Store


@dataclass(frozen=True)
class Placing:
    """What a shopper agreed to, besides the basket. `gifts`: by sku, how many they saw come along;
    None: whatever does.
    """

    payable: Fen
    remarks: Mapping[int, str] = field(default_factory=dict)
    accepts_no_return: frozenset[int] = frozenset()
    source: Mapping[str, str] = field(default_factory=dict)
    from_cart: bool = False
    gifts: Mapping[int, int] | None = None


def write(
    customer: Customer,
    quote: quotes.Quote,
    placing: Placing,
    address: Address | None,
    *,
    key: str,
    request_hash: str,
    at: dt.datetime,
) -> tuple[Purchase, list[Order]]:
    """The purchase with its orders, lines, shares of discounts, promotions and first events."""
    merchant_id = customer.merchant_id
    keys = rows.keys(
        orders_purchase=1,
        orders_order=len(quote.parts),
        orders_orderline=sum(len(part.lines) for part in quote.parts),
    )
    purchase = Purchase(
        pk=keys["orders_purchase"].pop(),
        merchant_id=merchant_id,
        number=new_number(),
        customer=customer,
        delivery={"kind": "express"},
        source=dict(placing.source),
        idempotency_key=key,
        request_hash=request_hash,
        created_at=at,
        expires_at=at + dt.timedelta(minutes=customer.merchant.pay_minutes),
        goods_fen=quote.goods,
        freight_fen=quote.freight,
        discount_fen=quote.discount,
        payable_fen=quote.payable,
    )
    orders = [
        _order(pk, purchase, part, address, placing.remarks.get(part.store, ""))
        for pk, part in zip(sorted(keys["orders_order"]), quote.parts, strict=True)
    ]
    line_keys = iter(sorted(keys["orders_orderline"]))
    line_ids: dict[tuple[int, int], int] = {}
    lines, reductions = [], []
    for order, part in zip(orders, quote.parts, strict=True):
        own = []
        for line in part.lines:
            row = _line(next(line_keys), order, line)
            own.append(row)
            if not line.wish.given:
                line_ids[line.wish.offered.sku, part.store] = row.pk
            reductions += [_reduction(order, row, share) for share in line.shares]
        reductions += [_reduction(order, None, share) for share in part.freight_shares]
        lines += own
        # What `queries.with_lines` would read back.
        order._prefetched_objects_cache = {"lines": own, "parcels": []}  # type: ignore[attr-defined]
    events = [
        OrderEvent(
            merchant_id=merchant_id, order=order, event=lifecycle.Event.PLACE, by="shopper", at=at
        )
        for order in orders
    ]
    for row, given in zip(lines, (line.wish.given for line in quote.lines), strict=True):
        if given:
            row.given_with = sorted(line_ids[goods] for goods in given.goods)
    promoted = [_promoted(purchase, applied) for applied in quote.applied]
    rows.insert(purchase, *orders, *lines, *reductions, *promoted, *events)
    return purchase, orders


def _order(
    pk: int, purchase: Purchase, part: quotes.Part, address: Address | None, remark: str
) -> Order:
    return Order(
        pk=pk,
        merchant_id=purchase.merchant_id,
        number=new_number(),
        purchase=purchase,
        customer_id=purchase.customer_id,
        store=Store(pk=part.store, name=part.store_name, phone=part.store_phone),
        remark=remark,
        created_at=purchase.created_at,
        goods_fen=part.goods,
        freight_fen=part.freight,
        discount_fen=part.discount,
        payable_fen=part.payable,
        **_receiver(address),
    )


def _reduction(order: Order, line: OrderLine | None, share: quotes.Share) -> Reduction:
    """A share of a coupon or promotion, on a line or (none) on the freight, with who bears it."""
    voucher = share.voucher
    by_store = share.amount * voucher.terms.get("store_percent", 0) // 100
    return Reduction(
        merchant_id=order.merchant_id,
        order=order,
        line=line,
        kind=voucher.kind,
        coupon_id=None if voucher.automatic else voucher.id,
        promotion_id=voucher.id if voucher.automatic else None,
        name=voucher.name,
        amount_fen=share.amount,
        merchant_fen=share.amount - by_store,
        store_fen=by_store,
    )


def _promoted(purchase: Purchase, applied: quotes.Applied) -> PromotionUse:
    return PromotionUse(
        merchant_id=purchase.merchant_id,
        template_id=applied.voucher.id,
        reference=purchase.number,
        terms=dict(applied.voucher.terms),
        saved_fen=applied.saves,
    )


def _line(pk: int, order: Order, line: quotes.Line) -> OrderLine:
    offered, given = line.wish.offered, line.wish.given
    return OrderLine(
        pk=pk,
        merchant_id=order.merchant_id,
        order=order,
        sku_id=offered.sku,
        stock_id=offered.stock,
        product_id=offered.product,
        sku_code=offered.sku_code,
        name=offered.name,
        picture=offered.picture,
        specs=list(offered.specs),
        weight_g=offered.weight_g,
        list_price_fen=offered.list_price,
        unit_price_fen=offered.unit_price,
        offer_kind=line.wish.offer,
        offer_id=given.voucher.id if given else None,
        quantity=line.wish.quantity,
        goods_fen=line.wish.goods,
        discount_fen=line.discount,
        payable_fen=line.payable,
        no_reason_return=offered.no_reason_return,
        source=dict(line.wish.source),
    )


def _receiver(address: Address | None) -> dict[str, str]:
    if address is None:
        return {}
    return {
        "receiver": address.receiver,
        "receiver_phone": address.phone,
        "receiver_region": f"{address.province} {address.city} {address.district}",
        "receiver_detail": address.detail,
    }
