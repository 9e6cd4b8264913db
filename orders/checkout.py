"""Agreeing on a price, and placing what was agreed."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.api import KeyReused, NotFound
from backend.errors import DomainError
from coupons import wallet
from coupons.models import Coupon
from coupons.promotions import Gift, Voucher
from orders import basket, lifecycle, pricing, queries, quotes, writing
from orders.models import MAX_LINES, Order, Purchase
from orders.writing import Placing
from shop import stock
from shop.cart import take_out
from shop.catalogue import categories_of
from shop.customers import hold, stay
from shop.models import Address, Customer, Merchant


class PriceChanged(DomainError):
    code = "price_changed"
    message = _("The price or a gift has changed. Please look at it again.")


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

    quote: quotes.Quote
    address: Address | None
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Placed:
    """A purchase with its orders, and whether this call made it."""

    purchase: Purchase
    orders: Sequence[Order]
    new: bool


def price(customer: Customer, wanted: Wanted, *, at: dt.datetime) -> Priced:
    """What this basket costs this customer now. Reads only; as many queries for many lines as for
    few: three, and one more each where terms ask for categories, for new customers, or give along.

    Raises: NotFound for an address or coupon that isn't theirs; CouponsDontCombine.
    """
    merchant = customer.merchant
    wishes, problems = basket.gather(merchant.pk, wanted.items, at)
    vouchers = wallet.applicable(merchant.pk, customer.pk, at, wanted.coupons or ())
    if wanted.coupons is not None:
        _check_coupons(customer, wanted.coupons, vouchers)
    address = _address(customer, wanted.delivery or {})
    try:
        quote = pricing.quote(
            wishes,
            vouchers,
            freight_rule(merchant) if address is not None else None,
            coupons=wanted.coupons,
            problems=problems,
            given=circumstances(customer, wishes, vouchers, at),
        )
    except pricing.NotTogether as error:
        raise CouponsDontCombine from error
    return Priced(quote, address, () if address is not None else ("address",))


def circumstances(
    customer: Customer,
    wishes: Sequence[quotes.Wish],
    vouchers: Sequence[Voucher],
    at: dt.datetime,
) -> quotes.Circumstances:
    """What the terms of these vouchers ask besides the basket; only what they ask is looked up."""
    asked = {name for voucher in vouchers for name in voucher.terms}
    gifts = {voucher.terms["sku"] for voucher in vouchers if voucher.kind == Gift.KIND}
    products = {wish.offered.product for wish in wishes}
    by_category = not asked.isdisjoint({"categories", "except_categories"})
    return quotes.Circumstances(
        at=timezone.localtime(at),
        customer=queries.standing(customer) if "customers" in asked else "",
        categories=categories_of(customer.merchant_id, products) if by_category else {},
        gifts=basket.offers(customer.merchant_id, gifts, at) if gifts and wishes else {},
    )


def freight_rule(merchant: Merchant) -> quotes.FreightRule:
    """The merchant's flat freight."""
    return quotes.FreightRule(
        fee=merchant.freight_fen,
        free_over=merchant.freight_free_over_fen,
        reads_before_coupons=merchant.freight_free_over_reads
        == Merchant.FreeOverReads.BEFORE_COUPONS,
        per_order=merchant.freight_scope == Merchant.FreightScope.ORDER,
    )


def _check_coupons(customer: Customer, asked: Sequence[int], known: Sequence[Voucher]) -> None:
    """Coupons named by the client are the customer's own, and can be used now."""
    usable = {voucher.id for voucher in known if not (voucher.automatic or voucher.begins)}
    unknown = set(asked) - usable
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

    Locks: the new rows, the coupon, then the stock, by id; the customer, where it is for new ones.
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
            purchase, orders = writing.write(
                customer, priced.quote, placing, priced.address,
                key=key, request_hash=request_hash, at=at,
            )  # fmt: skip
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
                for line in priced.quote.lines
            ]
            stock.hold(customer.merchant_id, takes, reference=purchase.number)
            if _is_for_new(priced.quote):
                _check_new(customer, purchase)
            if not purchase.payable_fen:
                lifecycle.pay(purchase.pk, lifecycle.Trade(None, "free"), at=at)
    except _NotNew as error:
        again = price(customer, wanted, at=timezone.now())
        raise PriceChanged(detail={"priced": again}) from error
    except IntegrityError:
        first = placed(customer, key, request_hash)
        if first is None:
            raise
        return first
    except stock.OutOfStock as error:
        # Someone was faster between the quote and the shelf: name the lines, not our rows.
        lines = _short_lines(priced.quote, error)
        if not lines:  # it was a gift, and nobody asked for that
            again = price(customer, wanted, at=timezone.now())
            raise PriceChanged(detail={"priced": again}) from error
        raise stock.OutOfStock(error.note, detail={"lines": lines}) from error
    return (
        Placed(purchase, orders, new=True) if purchase.payable_fen else _whole(purchase, new=True)
    )


class _NotNew(Exception):
    """Another purchase of this customer's was faster."""


def _is_for_new(quote: quotes.Quote) -> bool:
    """Whether something of the price is for new customers. A coupon of it was given once; but a
    promotion has no other bound than that it is had once.
    """
    return any(applied.voucher.terms.get("customers") == "new" for applied in quote.applied)


def _check_new(customer: Customer, purchase: Purchase) -> None:
    """There is no other purchase of this customer's, now that the next one waits for this.

    Locks: the customer. Callers hold a transaction.
    Raises: _NotNew.
    """
    if queries.standing(hold(customer), but=purchase) != "new":
        raise _NotNew


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
    if not quote.bought:
        raise NothingToBuy
    if len(quote.bought) > MAX_LINES:
        raise OverLimit(detail={"lines": MAX_LINES})
    if "address" in priced.needs:
        raise AddressNeeded
    strict = {
        line.wish.offered.sku for line in quote.lines if not line.wish.offered.no_reason_return
    }
    if missing := strict - placing.accepts_no_return:
        raise NoReturnNotAccepted(detail={"skus": sorted(missing)})
    if wanted.coupons is not None and (lost := set(wanted.coupons) - set(quote.saved)):
        raise wallet.CouponUnavailable(detail={"coupon": min(lost)})
    other_gifts = placing.gifts is not None and placing.gifts != quote.gifts
    if quote.payable != placing.payable or other_gifts:
        raise PriceChanged(detail={"priced": priced})


def _bought(quote: quotes.Quote) -> Iterable[tuple[int, int, int]]:
    for line in quote.bought:
        yield line.wish.offered.sku, line.wish.offered.store, line.wish.quantity


def _short_lines(quote: quotes.Quote, error: stock.OutOfStock) -> list[dict[str, Any]]:
    short = set((error.detail or {}).get("stocks", []))
    return [
        {
            "sku": line.wish.offered.sku,
            "store": line.wish.offered.store,
            "reason": "out_of_stock",
            "available": None,
        }
        for line in quote.bought
        if line.wish.offered.stock in short
    ]
