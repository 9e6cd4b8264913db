"""How others lost money, and what holds here. Each name says what happened to them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import requests
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from backend.money import Fen
from orders import lifecycle
from orders.models import CloseReason, OrderEvent, PurchaseStatus
from payments import paying, refunds, tasks
from payments.models import Notification, Payment, Refund, RefundStatus
from tests.payments.conftest import Shop
from tests.payments.test_paying import act_on_all, due, refund_all, told
from tests.shop.conftest import at_once


def paid(shop: Shop) -> Payment:
    """A purchase of 10 yuan that is paid."""
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get(purchase=purchase)
    shop.shopper_pays(answer["client"])
    shop.wechat.wait_for(payment.out_trade_no, told)
    act_on_all()
    payment.refresh_from_db()
    return payment


def test_a_webhook_that_races_the_clients_own_question_captures_once(shop: Shop) -> None:
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    payment = Payment.objects.get()
    shop.shopper_pays(answer["client"])
    shop.wechat.wait_for(payment.out_trade_no, told)

    answers = at_once(
        *[lambda: shop.call("post", f"purchases/{purchase.number}/check")] * 4,
        *[tasks.settle_notifications] * 4,
    )

    told_to_clients = [answer for answer in answers if answer is not None]
    assert [status for status, _body in told_to_clients] == [200] * 4
    act_on_all()
    purchase.refresh_from_db()
    assert purchase.status == PurchaseStatus.PAID
    assert OrderEvent.objects.filter(event="pay").count() == 1
    assert not Refund.objects.exists()
    assert not Notification.objects.exclude(state="done").exists()


def test_refunds_never_add_up_to_more_than_was_paid(shop: Shop) -> None:
    payment = paid(shop)

    answers = at_once(
        *[
            lambda number=number: refunds.start(
                payment, amount=Fen(300), reason="r", reference=f"line-{number}"
            )
            for number in range(8)
        ]
    )

    assert sum(isinstance(answer, Refund) for answer in answers) == 3
    assert sum(isinstance(answer, refunds.RefundTooMuch) for answer in answers) == 5
    payment.refresh_from_db()
    assert payment.refund_reserved_fen == 900
    with pytest.raises(IntegrityError), transaction.atomic():  # whatever the code does
        Payment.objects.filter(pk=payment.pk).update(refund_reserved_fen=1001)


def test_a_refund_that_failed_is_tried_again_under_its_number(shop: Shop) -> None:
    payment = paid(shop)
    refund = refunds.start(payment, amount=Fen(1000), reason="r", reference="whole")
    shop.wechat.faults("refund", "not_enough", times=2)

    for _step in range(2):
        Refund.objects.update(act_at=timezone.now())
        tasks.push_refunds()
        waiting = Refund.objects.get()
        assert (waiting.status, waiting.last_error) == (RefundStatus.WAITING, "NOTENOUGH")
        assert waiting.act_at is not None
        assert waiting.act_at > timezone.now()
    refund_all()

    done = Refund.objects.get()
    assert (done.status, done.out_refund_no) == (RefundStatus.SUCCEEDED, refund.out_refund_no)
    assert shop.trade(payment)["refunded_fee"] == 1000


def test_a_refund_whose_answer_was_lost_moves_the_money_once(shop: Shop) -> None:
    payment = paid(shop)
    refunds.start(payment, amount=Fen(1000), reason="r", reference="whole")
    shop.wechat.faults("refund", "timeout_after_accepting")

    refund_all()

    assert Refund.objects.get().status == RefundStatus.SUCCEEDED
    assert shop.trade(payment)["refunded_fee"] == 1000
    assert len(shop.trade(payment)["refunds"]) == 1


def test_no_row_is_locked_while_wechats_answer_is_awaited(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[bool] = []
    real = requests.Session.send

    def watched(*args: Any, **kwargs: Any) -> Any:
        locked.append(connection.in_atomic_block)
        return real(*args, **kwargs)

    monkeypatch.setattr(requests.Session, "send", watched)
    purchase = shop.place()
    _status, answer = shop.pay(purchase)
    shop.call("post", f"purchases/{purchase.number}/check")
    lifecycle.close(purchase.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    shop.shopper_pays(answer["client"])
    tasks.look_at_payments()
    due(Payment.objects.get())
    tasks.look_at_payments()
    refund_all()
    other = shop.place()
    shop.pay(other)
    type(other).objects.filter(pk=other.pk).update(
        expires_at=timezone.now() - dt.timedelta(minutes=5)
    )
    tasks.expire_purchases()
    paying.close_trades_of_closed()
    tasks.look_at_payments()

    assert Refund.objects.get().status == RefundStatus.SUCCEEDED
    assert len(locked) >= 7  # open, ask, close, ask, refund, open, ask: each went out unlocked
    assert not any(locked)
