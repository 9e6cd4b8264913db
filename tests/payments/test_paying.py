"""From `pay` to money that arrived once, against the sandbox over TLS."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from backend.wechat.errors import Retry
from orders import lifecycle
from orders.models import CloseReason, OrderEvent, Purchase, PurchaseStatus
from payments import paying, settlement, tasks
from payments.methods import METHODS
from payments.models import Notification, Payment, PaymentStatus, Refund, RefundStatus
from shop.models import StockMovement
from tests.payments.conftest import Shop


def due(payment: Payment) -> None:
    """Its moment has come."""
    Payment.objects.filter(pk=payment.pk).update(act_at=timezone.now() - dt.timedelta(seconds=1))


def told(trade: dict[str, Any]) -> object:
    return trade["notification_answered"]


def act_on_all() -> None:
    """What a worker does when a webhook woke it."""
    tasks.settle_notifications()


def refund_all() -> None:
    """The refund sweep, until nothing is due any more within the test's patience."""
    for _step in range(200):
        Refund.objects.filter(act_at__isnull=False).update(act_at=timezone.now())
        tasks.push_refunds()
        if not Refund.objects.filter(act_at__isnull=False).exists():
            return


def test_a_purchase_is_paid_once_wechat_says_so(shop: Shop) -> None:
    purchase = shop.place(2)

    status, answer = shop.pay(purchase)
    assert status == 200
    assert answer["status"] == "pending"
    assert set(answer["client"]) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    shop.wechat.pay(
        answer["client"]["package"].removeprefix("prepay_id="),
        client={"appId": shop.appid, **answer["client"]},
    )
    payment = Payment.objects.get()
    shop.wechat.wait_for(payment.out_trade_no, told)
    act_on_all()

    purchase.refresh_from_db()
    payment.refresh_from_db()
    assert purchase.status == PurchaseStatus.PAID
    assert purchase.paid_by_id == payment.pk
    assert (
        purchase.transaction_id == payment.transaction_id == shop.trade(payment)["transaction_id"]
    )
    assert payment.status == PaymentStatus.SUCCEEDED
    assert shop.trade(payment)["total_fee"] == 2000
    shop.stock.refresh_from_db()
    assert (shop.stock.available, shop.stock.held) == (7, 0)
    assert not Refund.objects.exists()


def test_tapping_pay_twice_opens_one_trade(shop: Shop) -> None:
    purchase = shop.place()
    _status, first = shop.pay(purchase)
    _status, second = shop.pay(purchase)

    assert Payment.objects.count() == 1
    assert first["client"]["package"] == second["client"]["package"]


def test_a_prepay_whose_answer_was_lost_is_repeated_with_the_same_request(shop: Shop) -> None:
    purchase = shop.place()
    shop.wechat.faults("unifiedorder", "timeout_after_accepting")

    status, answer = shop.pay(purchase)
    assert (status, answer["code"]) == (503, "wechat_unavailable")
    payment = Payment.objects.get()
    assert payment.status == PaymentStatus.UNKNOWN

    status, answer = shop.pay(purchase)
    assert (status, answer["status"]) == (200, "pending")
    assert Payment.objects.get().out_trade_no == payment.out_trade_no


def test_the_client_saying_it_paid_is_not_believed(shop: Shop) -> None:
    purchase = shop.place()
    shop.pay(purchase)

    status, answer = shop.call("post", f"purchases/{purchase.number}/check")

    assert (status, answer["status"]) == (200, "awaiting_payment")


def test_a_lost_notification_is_made_good_by_asking(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get()
    shop.wechat.faults("notification", "lost", times=20, out_trade_no=payment.out_trade_no)
    shop.shopper_pays(answer["client"])
    due(payment)

    tasks.look_at_payments()

    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.PAID


def test_a_payment_that_lands_on_a_closed_purchase_is_refunded_by_itself(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get()
    lifecycle.close(purchase.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    shop.shopper_pays(answer["client"])
    tasks.look_at_payments()
    due(payment)
    tasks.look_at_payments()
    refund_all()

    purchase.refresh_from_db()
    payment.refresh_from_db()
    refund = Refund.objects.get()
    assert purchase.status == PurchaseStatus.CLOSED
    assert purchase.paid_by_id is None
    assert payment.status == PaymentStatus.SUCCEEDED
    assert payment.refund_reserved_fen == payment.amount_fen == refund.amount_fen == 1000
    assert refund.status == RefundStatus.SUCCEEDED
    assert shop.trade(payment)["refunded_fee"] == 1000
    shop.stock.refresh_from_db()
    assert (shop.stock.available, shop.stock.held) == (9, 0)


def test_a_purchase_nobody_pays_is_closed_here_and_at_wechat(shop: Shop) -> None:
    purchase = shop.place(3)
    shop.pay(purchase)
    payment = Payment.objects.get()
    Purchase.objects.filter(pk=purchase.pk).update(
        expires_at=timezone.now() - dt.timedelta(minutes=5)
    )

    tasks.expire_purchases()
    tasks.look_at_payments()

    purchase.refresh_from_db()
    payment.refresh_from_db()
    assert (purchase.status, purchase.close_reason) == (PurchaseStatus.CLOSED, CloseReason.EXPIRED)
    assert payment.status == PaymentStatus.CLOSED
    assert shop.trade(payment)["state"] == "CLOSED"
    shop.stock.refresh_from_db()
    assert (shop.stock.available, shop.stock.held) == (9, 0)


def test_a_trade_that_cant_be_closed_yet_keeps_no_stock(shop: Shop) -> None:
    shop.wechat.rules(early_close="refuse")
    shop.wechat.rules(speed=1)
    purchase = shop.place(3)
    shop.pay(purchase)
    Purchase.objects.filter(pk=purchase.pk).update(
        expires_at=timezone.now() - dt.timedelta(minutes=5)
    )

    tasks.expire_purchases()
    tasks.look_at_payments()

    payment = Payment.objects.get()
    assert payment.status == PaymentStatus.CLOSING
    assert payment.act_at is not None
    assert payment.act_at > timezone.now()
    shop.stock.refresh_from_db()
    assert (shop.stock.available, shop.stock.held) == (9, 0)


def test_eight_notifications_move_the_order_once(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get()
    shop.shopper_pays(answer["client"])
    shop.wechat.wait_for(payment.out_trade_no, told)
    receipt = METHODS["wechat_jsapi"].ask(payment).receipt
    assert receipt is not None
    barrier = threading.Barrier(8)
    faults: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait()
            settlement.settle(receipt)
        except BaseException as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    assert OrderEvent.objects.filter(event="pay").count() == 1
    assert StockMovement.objects.filter(reason="sold").count() == 1
    assert not Refund.objects.exists()


def test_the_same_notification_is_stored_once(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get()
    shop.wechat.faults("notification", "concurrent", out_trade_no=payment.out_trade_no, copies=3)
    shop.shopper_pays(answer["client"])
    shop.wechat.wait_for(payment.out_trade_no, lambda t: len(t["notifications"]) >= 3)

    assert Notification.objects.filter(state="received").count() == 1
    act_on_all()
    act_on_all()
    assert OrderEvent.objects.filter(event="pay").count() == 1


def test_a_forged_notification_moves_nothing_and_is_kept_for_a_look(shop: Shop) -> None:
    purchase = shop.place()
    shop.pay(purchase)
    payment = Payment.objects.get()
    body = (
        "<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code>"
        f"<appid>{shop.appid}</appid><out_trade_no>{payment.out_trade_no}</out_trade_no>"
        "<total_fee>1000</total_fee><sign>0123456789ABCDEF0123456789ABCDEF</sign></xml>"
    )

    answer = Client().post(
        f"/webhooks/wechat-pay/{shop.merchant.slug}/payment", body, content_type="text/xml"
    )

    assert b"FAIL" in answer.content
    stored = Notification.objects.get()
    assert (stored.state, stored.dedupe_key) == ("unverified", None)
    act_on_all()
    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.AWAITING_PAYMENT


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"\xff\xfe", b"<xml>" * 9000, b"{}"])
def test_odd_bytes_are_answered_and_change_nothing(shop: Shop, body: bytes) -> None:
    for kind in ("payment", "refund"):
        answer = Client().post(
            f"/webhooks/wechat-pay/{shop.merchant.slug}/{kind}", body, content_type="text/xml"
        )
        assert answer.status_code == 200
        assert b"FAIL" in answer.content
    assert not Notification.objects.exclude(state="unverified").exists()


def test_a_wrong_amount_is_quarantined_and_pays_nothing(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get()
    shop.wechat.faults("notification", "wrong_amount", amount=1, out_trade_no=payment.out_trade_no)
    shop.shopper_pays(answer["client"])
    shop.wechat.wait_for(payment.out_trade_no, told)
    act_on_all()

    quarantined = Notification.objects.get()
    assert quarantined.state == "quarantined"
    assert "1 fen for 1000" in quarantined.reason
    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.AWAITING_PAYMENT


def test_wechat_not_answering_is_said_and_nothing_is_assumed(shop: Shop) -> None:
    purchase = shop.place()
    shop.pay(purchase)
    payment = Payment.objects.get()
    shop.wechat.faults("orderquery", "html_200")
    with pytest.raises(Retry):
        METHODS["wechat_jsapi"].ask(payment)
    shop.wechat.faults("orderquery", "html_200")

    assert paying.look(payment) is False

    payment.refresh_from_db()
    assert payment.status == PaymentStatus.PENDING


def test_a_closed_purchase_takes_no_payment(shop: Shop) -> None:
    purchase = shop.place()
    lifecycle.close(purchase.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")

    status, answer = shop.pay(purchase)

    assert (status, answer["code"]) == (409, "purchase_closed")
    assert not Payment.objects.exists()


def test_a_second_payment_for_one_purchase_is_refunded(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    first = Payment.objects.get()
    # As after a closing that WeChat took for done: the old trade can still be paid.
    Payment.objects.filter(pk=first.pk).update(status="closed", act_at=None)
    _status, again = shop.pay(purchase)
    second = Payment.objects.exclude(pk=first.pk).get()
    shop.shopper_pays(again["client"])
    shop.shopper_pays(answer["client"])
    for payment in (second, first):
        shop.wechat.wait_for(payment.out_trade_no, told)
    act_on_all()
    refund_all()

    purchase.refresh_from_db()
    refund = Refund.objects.get()
    assert purchase.status == PurchaseStatus.PAID
    assert refund.payment_id != purchase.paid_by_id
    assert refund.status == RefundStatus.SUCCEEDED


def test_a_strangers_purchase_is_not_there(shop: Shop) -> None:
    purchase = shop.place()
    shop.customer.pk, own = None, shop.customer.pk
    shop.customer.save()
    assert shop.customer.pk != own

    for path in ("pay", "check"):
        status, answer = shop.call("post", f"purchases/{purchase.number}/{path}")
        assert (status, answer["code"]) == (404, "not_found")
