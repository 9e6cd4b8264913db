"""Whoever leaves is named by no payment and no message of WeChat's any more."""

from __future__ import annotations

from orders.models import OrderStatus
from payments.models import Notification, Payment
from tests.payments.conftest import Shop
from tests.payments.test_peer_failures import paid


def test_an_erased_account_leaves_no_openid_in_the_books(shop: Shop) -> None:
    payment = paid(shop)
    assert payment.payer_openid == shop.openid
    assert shop.openid.encode() in bytes(Notification.objects.get().body)
    payment.purchase.orders.update(status=OrderStatus.COMPLETED)

    status, _body = shop.call("delete", "me")

    assert status == 204
    payment.refresh_from_db()
    assert payment.payer_openid == ""
    assert shop.openid not in str(payment.request)
    assert payment.request is not None
    assert payment.request["out_trade_no"] == payment.out_trade_no
    assert shop.openid.encode() not in bytes(Notification.objects.get().body)
    assert Payment.objects.get().amount_fen == 1000
