"""Paying a purchase, and asking whether it was paid."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from backend.api import Rate, checked, client_ip
from backend.errors import NotFound
from backend.schema import problems
from orders import queries
from orders.models import Purchase, PurchaseStatus
from payments import paying
from payments.methods import METHODS
from payments.models import OPEN_STATUSES, Payment
from shop.login import ShopperView
from shop.merchants import NoPayAccount, WeChatUnavailable


class PayRequestSerializer(serializers.Serializer[Any]):
    method = serializers.ChoiceField(choices=list(METHODS), default="wechat_jsapi")


class ClientParametersSerializer(serializers.Serializer[Any]):
    timeStamp = serializers.CharField()  # noqa: N815  the five names of wx.requestPayment
    nonceStr = serializers.CharField()  # noqa: N815
    package = serializers.CharField()
    signType = serializers.CharField()  # noqa: N815
    paySign = serializers.CharField()  # noqa: N815


class PayingSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["pending", "paid"])
    method = serializers.CharField()
    client = ClientParametersSerializer(
        allow_null=True, help_text="For `wx.requestPayment`; null when it is paid already."
    )
    message_templates = serializers.ListField(
        child=serializers.CharField(), help_text="To ask consent for with `wx.requestSubscribe`."
    )


class CheckedSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    status = serializers.CharField()
    status_text = serializers.CharField()


class TradeSerializer(serializers.Serializer[Any]):
    purchase = serializers.CharField()
    orders = serializers.ListField(child=serializers.CharField())


class PayRate(Rate):
    scope, limit, seconds = "pay", 30, 60


class CheckRate(Rate):
    scope, limit, seconds = "check", 30, 60


class PayView(ShopperView):
    throttle_classes = (PayRate,)

    @extend_schema(
        operation_id="pay",
        tags=["purchases"],
        request=PayRequestSerializer,
        responses={
            200: PayingSerializer,
            **problems(
                paying.PurchaseClosed,
                paying.Repricing,
                paying.PaymentRefused,
                WeChatUnavailable,
                NoPayAccount,
            ),
        },
    )
    def post(self, request: Any, number: str) -> Response:
        """Open the payment, or the same one again; `client` is what `wx.requestPayment` takes."""
        checked(PayRequestSerializer, request.data or {})
        customer = self.customer()
        answer = paying.pay(
            customer,
            queries.purchase(customer, number),
            appid=request.META.get("HTTP_X_WX_APPID", "").replace("\x00", ""),
            client_ip=client_ip(request),
        )
        return Response(
            {
                "status": answer.status,
                "method": answer.method,
                "client": answer.client,
                "message_templates": customer.merchant.message_templates,
            }
        )


class CheckView(ShopperView):
    throttle_classes = (CheckRate,)

    @extend_schema(
        operation_id="check", tags=["purchases"], request=None, responses={200: CheckedSerializer}
    )
    def post(self, request: Any, number: str) -> Response:
        """Ask WeChat now whether it was paid: for the moment after `wx.requestPayment`."""
        purchase = queries.purchase(self.customer(), number)
        payment = (
            Payment.objects.select_related("account")
            .filter(purchase=purchase, status__in=OPEN_STATUSES)
            .first()
        )
        if payment is not None:
            paying.look(payment)
            purchase.refresh_from_db()
        return Response(
            {
                "number": purchase.number,
                "status": purchase.status,
                "status_text": PurchaseStatus(purchase.status).label,
            }
        )


class TradeView(ShopperView):
    @extend_schema(operation_id="trade", tags=["purchases"], responses={200: TradeSerializer})
    def get(self, request: Any, number: str) -> Response:
        """The purchase behind a trade number, as WeChat's own order page links to it."""
        customer = self.customer()
        purchase = Purchase.objects.filter(
            merchant_id=customer.merchant_id,
            customer_id=customer.pk,
            payments__out_trade_no=number,
        ).first()
        if purchase is None:
            raise NotFound(f"trade {number}")
        orders = purchase.orders.order_by("pk").values_list("number", flat=True)
        return Response({"purchase": purchase.number, "orders": list(orders)})
