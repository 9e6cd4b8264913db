"""Money arriving. Notifications and our own questions to WeChat all end in `settle`."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone

from backend import metrics
from backend.wechat.trades import Receipt
from orders import lifecycle
from payments import refunds
from payments.models import OPEN_STATUSES, Payment, PaymentStatus

log = logging.getLogger(__name__)


class Mismatch(Exception):
    """A verified receipt that isn't of the payment it names. A person has to look."""


def settle(receipt: Receipt) -> Payment:
    """Record that the money for one trade has arrived. Calling it again changes nothing.

    It pays the purchase where that still awaits a payment; else it is refunded whole. Closed to
    succeeded is a lawful step: the shopper was still typing the password.

    Locks: the payment, the purchase, its orders, coupons, stock.
    Raises: Mismatch when nothing of ours fits the receipt.
    """
    with transaction.atomic():
        payment = (
            Payment.objects.select_for_update(of=("self",))
            .select_related("account")
            .filter(out_trade_no=receipt.out_trade_no)
            .first()
        )
        _compare(payment, receipt)
        assert payment is not None  # noqa: S101  _compare says so
        if payment.status == PaymentStatus.SUCCEEDED:
            return payment
        payment.status = PaymentStatus.SUCCEEDED
        payment.transaction_id = receipt.transaction_id
        payment.payer_openid = receipt.openid
        payment.paid_at = receipt.paid_at
        payment.act_at, payment.last_error = None, ""
        payment.save()
        trade = lifecycle.Trade(
            payment_id=payment.pk,
            method=payment.method,
            out_trade_no=payment.out_trade_no,
            transaction_id=receipt.transaction_id,
            mch_id=receipt.mch_id,
            appid=receipt.appid,
            openid=receipt.openid,
        )
        try:
            if payment.amount_fen != payment.purchase.payable_fen:
                raise lifecycle.WrongStatus("the price was changed meanwhile")
            lifecycle.pay(payment.purchase_id, trade, at=receipt.paid_at)
            outcome = "paid"
        except lifecycle.WrongStatus:
            # It came after the purchase was closed, or was paid by another: back it goes.
            refunds.start(
                payment,
                amount=payment.amount_fen,
                reason="late or second payment",
                reference="unsettled",
            )
            outcome = "refunded"
    metrics.payment(outcome)
    return payment


def _compare(payment: Payment | None, receipt: Receipt) -> None:
    """A signature says who wrote it, not that it is about this payment."""
    if payment is None:
        raise Mismatch("unknown trade")
    account = payment.account
    if account is None or (account.appid, account.mch_id, account.sub_mch_id) != (
        receipt.appid,
        receipt.mch_id,
        receipt.sub_mch_id,
    ):
        raise Mismatch("another account")
    if receipt.amount_fen != payment.amount_fen:
        raise Mismatch(f"{int(receipt.amount_fen)} fen for {int(payment.amount_fen)}")


def shut(payment_id: int) -> None:
    """WeChat says the trade is closed: nobody can pay it any more.

    Locks: the payment.
    """
    Payment.objects.filter(pk=payment_id, status__in=OPEN_STATUSES).update(
        status=PaymentStatus.CLOSED, closed_at=timezone.now(), act_at=None
    )
