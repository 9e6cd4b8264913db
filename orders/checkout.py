"""Agreeing on a price, and placing what was agreed."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.api import KeyReused, NotFound
from backend.errors import DomainError
from backend.money import Fen
from backend.numbers import new_number
from coupons import wallet
from coupons.models import Coupon
from coupons.promotions import Voucher
from orders import basket, lifecycle, pricing, queries
from orders.models import (
    MAX_LINES,
    Order,
    OrderEvent,
    OrderLine,
    Purchase,
    Reduction,
)
from shop import stock
from shop.cart import take_out
from shop.catalogue import categories_of
from shop.customers import stay
from shop.models import Address, Customer, Merchant, Store


class PriceChanged(DomainError):
    code = "price_changed"
    message = _("The price has changed. Please look at it again.")


class NotForSale(DomainError):
    code = "not_for_sale"
    message = _("Some of this is no longer for sale.")


class StoreClosed(DomainError):
    code = "store_closed"
    message = _("The store takes no orders at the moment.")


class OverLimit(DomainError):
    code = "over_limit"
    message = _("That is more than one order may have.")


class AddressNeeded(DomainError):
    code = "address_needed"
    status = 422
    message = _("Please choose where it should be sent.")


class NoReturnNotAccepted(DomainError):
    code = "no_return_not_accepted"
    status = 422
    message = _("Some of this can't be returned without a reason. Please agree to that first.")


class NothingToBuy(DomainError):
    code = "nothing_to_buy"
    status = 422
    message = _("There is nothing to buy.")


class CouponsDontCombine(DomainError):
    code = "coupons_dont_combine"
    status = 422
    message = _("These coupons can't be used together.")


_REFUSALS: Final[dict[str, type[DomainError]]] = {
    error.code: error for error in (NotForSale, stock.OutOfStock, StoreClosed, OverLimit)
}


@dataclass(frozen=True)
class Wanted:
    """What a shopper asks to be priced: items, delivery, coupons (None: the best there are)."""

    items: Sequence[basket.Item]
    delivery: Mapping[str, Any] | None = None
    coupons: Sequence[int] | None = None


@dataclass(frozen=True)
class Priced:
    """A quote with where it goes: what the confirm page shows, and what `place` writes down."""

    quote: pricing.Quote
    address: Address | None
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """A purchase with its orders, and whether this call made it."""

    purchase: Purchase
    orders: Sequence[Order]
    new: bool


@dataclass(frozen=True)
class Placing:
    """What a shopper agreed to, besides the basket."""

    payable: Fen
    remarks: Mapping[int, str] = field(default_factory=dict)
    accepts_no_return: frozenset[int] = frozenset()
    source: Mapping[str, str] = field(default_factory=dict)
    from_cart: bool = False


def price(customer: Customer, wanted: Wanted, *, at: dt.datetime) -> Priced:
    """What this basket costs this customer now. Reads only; as many queries for many lines as for
    few: three, and one more where a coupon asks for categories.

    Raises: NotFound for an address or coupon that isn't theirs; CouponsDontCombine.
    """
    merchant = customer.merchant
    wishes, problems = basket.gather(merchant.pk, wanted.items, at)
    coupons = wallet.usable(merchant.pk, customer.pk, at)
    if wanted.coupons is not None:
        _check_coupons(customer, wanted.coupons, coupons)
    address = _address(customer, wanted.delivery or {})
    try:
        quote = pricing.quote(
            wishes,
            coupons,
            freight_rule(merchant) if address is not None else None,
            coupons=wanted.coupons,
            problems=problems,
            given=circumstances(customer, wishes, coupons, at),
        )
    except pricing.NotTogether as error:
        raise CouponsDontCombine from error
    return Priced(quote, address, () if address is not None else ("address",))


def circumstances(
    customer: Customer,
    wishes: Sequence[pricing.Wish],
    coupons: Sequence[Voucher],
    at: dt.datetime,
) -> pricing.Circumstances:
    """What the terms of these coupons ask besides the basket; only what they ask is looked up."""
    asked = {name for coupon in coupons for name in coupon.terms}
    products = {wish.offered.product for wish in wishes}
    by_category = not asked.isdisjoint({"categories", "except_categories"})
    return pricing.Circumstances(
        at=timezone.localtime(at),
        new_customer=not customer.paid_purchases,
        categories=categories_of(customer.merchant_id, products) if by_category else {},
    )


def freight_rule(merchant: Merchant) -> pricing.FreightRule:
    """The merchant's flat freight."""
    return pricing.FreightRule(
        fee=merchant.freight_fen,
        free_over=merchant.freight_free_over_fen,
        reads_before_coupons=merchant.freight_free_over_reads
        == Merchant.FreeOverReads.BEFORE_COUPONS,
        per_order=merchant.freight_scope == Merchant.FreightScope.ORDER,
    )


def _check_coupons(customer: Customer, asked: Sequence[int], usable: Sequence[Voucher]) -> None:
    """Coupons named by the client are the customer's own, and can be used now."""
    unknown = set(asked) - {coupon.id for coupon in usable}
    if not unknown:
        return
    own = Coupon.objects.filter(
        pk__in=unknown, merchant_id=customer.merchant_id, customer_id=customer.pk
    )
    if own.count() < len(unknown):
        raise NotFound(f"coupons {sorted(unknown)}")
    raise wallet.CouponUnavailable(detail={"coupon": min(unknown)})


_ADDRESS_SQL: Final = """
SELECT {a} FROM shop_address a
WHERE a.merchant_id = %(merchant)s AND a.customer_id = %(customer)s
  AND CASE WHEN %(address)s::bigint IS NULL THEN a.is_default ELSE a.id = %(address)s END
"""


def _address(customer: Customer, delivery: Mapping[str, Any]) -> Address | None:
    """The named address, else the default one, else none.

    Raises: NotFound for one that isn't the customer's.
    """
    pk = delivery.get("address")
    own = {"merchant": customer.merchant_id, "customer": customer.pk, "address": pk}
    for (address,) in rows.read(_ADDRESS_SQL, own, a=Address):
        return cast("Address", address)
    if pk is not None:
        raise NotFound(f"address {pk}")
    return None


def fingerprint(body: Mapping[str, Any]) -> str:
    """The same for the same request, so that a reused key can be told from a repeated call."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


_PLACED_SQL: Final = """
SELECT {p} FROM orders_purchase p
WHERE p.merchant_id = %s AND p.customer_id = %s AND p.idempotency_key = %s
"""


def placed(customer: Customer, key: str, request_hash: str) -> Placed | None:
    """The purchase this key made before.

    Raises: KeyReused when the request was another.
    """
    of = [customer.merchant_id, customer.pk, key]
    for (first,) in rows.read(_PLACED_SQL, of, p=Purchase):
        if first.request_hash != request_hash:
            raise KeyReused
        return _whole(first, new=False)
    return None


def place_order(
    customer: Customer, wanted: Wanted, placing: Placing, *, key: str | None, request_hash: str
) -> Placed:
    """Place what the shopper agreed to, all of it or nothing.

    Stock and coupons are held with it. A payable of zero is paid as it is placed.

    Locks: the new rows, the coupon, then the stock, by id.
    Raises: PriceChanged with the new `Priced`; OutOfStock, NotForSale, StoreClosed, OverLimit with
        the lines; AddressNeeded, NoReturnNotAccepted, NothingToBuy, CouponUnavailable, KeyReused.
    """
    key = key or secrets.token_urlsafe(24)
    first = placed(customer, key, request_hash)
    if first is not None:
        return first
    at = timezone.now()
    priced = price(customer, wanted, at=at)
    _refuse(priced, wanted, placing)
    try:
        with transaction.atomic():
            stay(customer)
            purchase, orders = _write(customer, priced, placing, key, request_hash, at)
            if placing.from_cart:
                take_out(customer, _bought(priced.quote))
            wallet.hold(
                merchant=customer.merchant_id,
                customer=customer.pk,
                saved=priced.quote.saved,
                reference=purchase.number,
                at=at,
            )
            takes = [
                stock.Take(line.wish.offered.stock, line.wish.quantity)
                for part in priced.quote.parts
                for line in part.lines
            ]
            stock.hold(customer.merchant_id, takes, reference=purchase.number)
            if not purchase.payable_fen:
                lifecycle.pay(purchase.pk, lifecycle.Trade(None, "free"), at=at)
    except IntegrityError:
        first = placed(customer, key, request_hash)
        if first is None:
            raise
        return first
    except stock.OutOfStock as error:
        # Someone was faster between the quote and the shelf: name the lines, not our rows.
        raise stock.OutOfStock(
            error.note, detail={"lines": _short_lines(priced.quote, error)}
        ) from error
    return (
        Placed(purchase, orders, new=True) if purchase.payable_fen else _whole(purchase, new=True)
    )


def _whole(purchase: Purchase, *, new: bool) -> Placed:
    """The purchase and its orders as they stand in the database."""
    purchase.refresh_from_db()
    orders = queries.with_lines(Order.objects.filter(purchase=purchase))
    return Placed(purchase, orders, new=new)


def _refuse(priced: Priced, wanted: Wanted, placing: Placing) -> None:
    """Everything that must hold before a purchase is written down."""
    quote = priced.quote
    if quote.problems:
        lines = [
            {"sku": p.sku, "store": p.store, "reason": p.reason, "available": p.available}
            for p in quote.problems
        ]
        raise _REFUSALS[quote.problems[0].reason](detail={"lines": lines})
    lines_count = sum(len(part.lines) for part in quote.parts)
    if not lines_count:
        raise NothingToBuy
    if lines_count > MAX_LINES:
        raise OverLimit(detail={"lines": MAX_LINES})
    if "address" in priced.needs:
        raise AddressNeeded
    strict = {
        line.wish.offered.sku
        for part in quote.parts
        for line in part.lines
        if not line.wish.offered.no_reason_return
    }
    if missing := strict - placing.accepts_no_return:
        raise NoReturnNotAccepted(detail={"skus": sorted(missing)})
    if wanted.coupons is not None and (lost := set(wanted.coupons) - set(quote.saved)):
        raise wallet.CouponUnavailable(detail={"coupon": min(lost)})
    if quote.payable != placing.payable:
        raise PriceChanged(detail={"priced": priced})


def _bought(quote: pricing.Quote) -> Iterable[tuple[int, int, int]]:
    for part in quote.parts:
        for line in part.lines:
            yield line.wish.offered.sku, part.store, line.wish.quantity


def _short_lines(quote: pricing.Quote, error: stock.OutOfStock) -> list[dict[str, Any]]:
    short = set((error.detail or {}).get("stocks", []))
    return [
        {
            "sku": line.wish.offered.sku,
            "store": part.store,
            "reason": "out_of_stock",
            "available": None,
        }
        for part in quote.parts
        for line in part.lines
        if line.wish.offered.stock in short
    ]


def _write(
    customer: Customer,
    priced: Priced,
    placing: Placing,
    key: str,
    request_hash: str,
    at: dt.datetime,
) -> tuple[Purchase, list[Order]]:
    """The purchase with its orders, lines, shares of discounts and first events."""
    quote, merchant_id = priced.quote, customer.merchant_id
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
        _order(pk, purchase, part, priced.address, placing.remarks.get(part.store, ""))
        for pk, part in zip(sorted(keys["orders_order"]), quote.parts, strict=True)
    ]
    line_keys = iter(sorted(keys["orders_orderline"]))
    lines, reductions = [], []
    for order, part in zip(orders, quote.parts, strict=True):
        own = []
        for line in part.lines:
            row = _line(next(line_keys), order, line)
            own.append(row)
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
    rows.insert(purchase, *orders, *lines, *reductions, *events)
    return purchase, orders


def _order(
    pk: int, purchase: Purchase, part: pricing.Part, address: Address | None, remark: str
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


def _reduction(order: Order, line: OrderLine | None, share: pricing.Share) -> Reduction:
    """A share of a coupon, on a line or (none) on the freight, with who bears it."""
    by_store = share.amount * share.voucher.terms.get("store_percent", 0) // 100
    return Reduction(
        merchant_id=order.merchant_id,
        order=order,
        line=line,
        kind=share.voucher.kind,
        coupon_id=share.voucher.id,
        name=share.voucher.name,
        amount_fen=share.amount,
        merchant_fen=share.amount - by_store,
        store_fen=by_store,
    )


def _line(pk: int, order: Order, line: pricing.Line) -> OrderLine:
    offered = line.wish.offered
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
