"""The cart: every write answers the whole of it, priced."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from backend.api import checked, idempotency_key
from backend.errors import KeyReused, NotFound
from backend.money import Fen
from backend.schema import IDEMPOTENCY_KEY, problems
from coupons import wallet
from orders import basket, pricing, quotes
from orders.api import schemas
from orders.api.shapes import offered_shape, promotions_shape, why_unusable
from orders.checkout import circumstances, fingerprint, freight_rule
from shop import cart
from shop.catalogue import picture_url
from shop.login import ShopperView
from shop.models import CartLine, Customer, Merchant


def _lines(customer: Customer) -> list[CartLine]:
    return list(
        CartLine.objects.filter(merchant_id=customer.merchant_id, customer=customer)
        .select_related("sku__product")
        .order_by("-added_at", "-pk")
    )


def cart_shape(customer: Customer) -> dict[str, Any]:
    """The cart with today's prices. Three queries, however many lines."""
    at = timezone.now()
    lines = _lines(customer)
    known = basket.offers(customer.merchant_id, {line.sku_id for line in lines}, at)
    stores: dict[int, dict[str, Any]] = {}
    invalid: list[dict[str, Any]] = []
    wishes: list[quotes.Wish] = []
    buyable = 0
    for line in lines:
        offered = next((o for o in known.get(line.sku_id, []) if o.store == line.store_id), None)
        reason = basket.against(offered, line.quantity)
        if offered is None or reason == "not_for_sale":
            invalid.append(_gone(line))
            continue
        if not reason:
            buyable += 1
            if line.selected:
                wishes.append(quotes.Wish(offered, line.quantity))
        part = stores.setdefault(
            offered.store,
            {"store": offered.store, "name": offered.store_name, "all_selected": True,
             "goods_fen": Fen(0), "lines": []},
        )  # fmt: skip
        goods = offered.unit_price * line.quantity
        part["lines"].append(
            {
                **offered_shape(offered),
                "id": line.pk,
                "quantity": line.quantity,
                "selected": line.selected,
                "goods_fen": goods,
                "reason": reason,
            }
        )
        if line.selected and not reason:
            part["goods_fen"] += goods
        elif not reason:
            part["all_selected"] = False
    vouchers = wallet.applicable(customer.merchant_id, customer.pk, at)
    # Chosen as the quote will choose; what freight costs is said there.
    quote = pricing.quote(
        wishes,
        vouchers,
        freight_rule(customer.merchant),
        given=circumstances(customer, wishes, vouchers, at),
    )
    off = sum((line.discount for line in quote.lines), Fen(0))
    promoted = sum((line.promoted for line in quote.lines), Fen(0))
    chosen = next((choice for choice in quote.usable if choice.chosen), None)
    near = min((u for u in quote.unusable if u.missing), key=lambda u: u.missing, default=None)
    return {
        "stores": list(stores.values()),
        "invalid": invalid,
        "count": sum(line.quantity for line in lines),
        "all_selected": bool(wishes) and len(wishes) == buyable,
        "selected_quantity": sum(wish.quantity for wish in wishes),
        "goods_fen": quote.goods,
        "discount_fen": off,
        "payable_fen": quote.goods - off,
        "promotions": promotions_shape(quote),
        "coupon": {
            "id": chosen.voucher.id,
            "name": chosen.voucher.name,
            "saves_fen": chosen.saves,
            "chosen": True,
        }
        if chosen
        else None,
        "free_freight": _free_freight(customer.merchant, quote.goods - promoted, off - promoted),
        "hint": {
            "name": near.voucher.name,
            "message": why_unusable(near),
            "missing_fen": near.missing,
        }
        if near
        else None,
    }


def _free_freight(merchant: Merchant, goods: Fen, coupons: Fen) -> dict[str, Any] | None:
    """From how much on freight is free, and how far goods after promotions are from it."""
    over = merchant.freight_free_over_fen
    if over is None or not merchant.freight_fen:
        return None
    reads_before = merchant.freight_free_over_reads == Merchant.FreeOverReads.BEFORE_COUPONS
    reads = goods if reads_before else goods - coupons
    return {"over_fen": over, "missing_fen": max(Fen(0), over - reads)}


def _gone(line: CartLine) -> dict[str, Any]:
    product = line.sku.product
    picture = line.sku.picture or (product.pictures[0] if product.pictures else "")
    return {
        "id": line.pk,
        "sku": line.sku_id,
        "product": product.pk,
        "name": product.name,
        "picture": picture_url(picture),
        "quantity": line.quantity,
        "reason": "not_for_sale",
    }


class CartView(ShopperView):
    @extend_schema(operation_id="cart", tags=["cart"], responses=schemas.CartSerializer)
    def get(self, request: Any) -> Response:
        """The cart, priced, grouped by store, with what is no longer for sale apart."""
        return Response(cart_shape(self.customer()))


class CartCountView(ShopperView):
    @extend_schema(operation_id="cart_count", tags=["cart"], responses=schemas.CartCountSerializer)
    def get(self, request: Any) -> Response:
        """How many units lie in the cart: the badge."""
        customer = self.customer()
        lines = CartLine.objects.filter(merchant_id=customer.merchant_id, customer=customer)
        return Response({"count": lines.aggregate(n=Sum("quantity"))["n"] or 0})


class CartItemsView(ShopperView):
    @extend_schema(
        operation_id="cart_add",
        tags=["cart"],
        parameters=[IDEMPOTENCY_KEY],
        request=schemas.CartAddSerializer,
        responses={
            200: schemas.CartSerializer,
            **problems(NotFound, cart.CartFull, cart.TooMany, KeyReused),
        },
    )
    def post(self, request: Any) -> Response:
        """Put a sku into the cart: so many more, or with `"mode": "set"` just so many."""
        asked = checked(schemas.CartAddSerializer, request.data)
        cart.add(
            self.customer(),
            sku=asked["sku"],
            quantity=asked["quantity"],
            store=asked.get("store"),
            replace=asked["mode"] == "set",
            source=asked.get("source"),
            key=idempotency_key(request),
            request_hash=fingerprint(asked),
        )
        return Response(cart_shape(self.customer()))


class CartItemView(ShopperView):
    @extend_schema(
        operation_id="cart_change",
        tags=["cart"],
        request=schemas.CartChangeSerializer,
        responses={200: schemas.CartSerializer, **problems(NotFound, cart.TooMany)},
    )
    def put(self, request: Any, pk: int) -> Response:
        """Change a line; what is left out stays as it is."""
        asked = checked(schemas.CartChangeSerializer, request.data)
        cart.change(self.customer(), pk, asked)
        return Response(cart_shape(self.customer()))

    @extend_schema(
        operation_id="cart_change_patch",
        tags=["cart"],
        request=schemas.CartChangeSerializer,
        responses={200: schemas.CartSerializer, **problems(NotFound, cart.TooMany)},
    )
    def patch(self, request: Any, pk: int) -> Response:
        """The same as PUT."""
        return self.put(request, pk)

    @extend_schema(
        operation_id="cart_delete",
        tags=["cart"],
        responses={200: schemas.CartSerializer},
    )
    def delete(self, request: Any, pk: int) -> Response:
        """Take a line out; one that is gone already is no fault."""
        cart.remove(self.customer(), [pk])
        return Response(cart_shape(self.customer()))


class CartSelectView(ShopperView):
    @extend_schema(
        operation_id="cart_select",
        tags=["cart"],
        request=schemas.CartSelectSerializer,
        responses=schemas.CartSerializer,
    )
    def post(self, request: Any) -> Response:
        """Tick or untick lines: the named ones, a store's, or all."""
        asked = checked(schemas.CartSelectSerializer, request.data)
        cart.select(
            self.customer(),
            selected=asked["selected"],
            lines=asked.get("lines"),
            store=asked.get("store"),
        )
        return Response(cart_shape(self.customer()))


class CartRemoveView(ShopperView):
    @extend_schema(
        operation_id="cart_remove",
        tags=["cart"],
        request=schemas.CartRemoveSerializer,
        responses=schemas.CartSerializer,
    )
    def post(self, request: Any) -> Response:
        """Take lines out: the named ones, or all that are no longer for sale."""
        asked = checked(schemas.CartRemoveSerializer, request.data)
        lines = list(asked.get("lines") or [])
        if asked["invalid"]:
            lines += [gone["id"] for gone in cart_shape(self.customer())["invalid"]]
        cart.remove(self.customer(), lines)
        return Response(cart_shape(self.customer()))
