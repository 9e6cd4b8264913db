"""The clock's work on money. Each sweep reads a deadline column; two at once change nothing."""

from __future__ import annotations

from typing import Final

from celery import shared_task
from django.utils import timezone

from backend import metrics
from backend.celery import each, take_due, wake
from orders.models import Purchase, PurchaseStatus
from orders.tasks import reward_paid
from payments import notifications, paying, refunds
from payments.models import OPEN_STATUSES, Notification, Payment, Refund

_BATCH: Final = 200


@shared_task
def settle_notifications() -> None:
    """Messages to act on. A webhook that stored one wakes this; what it misses, the clock finds."""
    received = Notification.objects.filter(state=Notification.State.RECEIVED)
    if take_due(received, "act_at", notifications.act, settle_notifications):
        wake(reward_paid)  # the shopper looks at the page after paying


@shared_task
def expire_purchases() -> None:
    """Purchases nobody paid in time."""
    due = Purchase.objects.filter(
        status=PurchaseStatus.AWAITING_PAYMENT, expires_at__lte=timezone.now()
    ).order_by("expires_at")
    rows = list(due.values_list("pk", flat=True)[:_BATCH])
    metrics.sweep("expire_purchases", each(rows, paying.expire, "expiry"))
    # More may wait; but what can't be closed yet must not have WeChat asked without a pause.
    if len(rows) == _BATCH and due.filter(pk__in=rows).count() < _BATCH:
        wake(expire_purchases)


@shared_task
def look_at_payments() -> None:
    """Trades to ask about, and trades of closed purchases to close."""
    paying.close_trades_of_closed()
    trades = Payment.objects.filter(status__in=OPEN_STATUSES)
    take_due(trades, "act_at", paying.look_when_due, look_at_payments)


@shared_task
def push_refunds() -> None:
    """Refunds to ask for, or to ask about."""
    take_due(Refund.objects.all(), "act_at", refunds.push, push_refunds)


@shared_task
def delete_unverified() -> None:
    """Messages nobody signed, after their week."""
    old = timezone.now() - notifications.UNVERIFIED_LIFE
    gone, _by_model = Notification.objects.filter(
        state=Notification.State.UNVERIFIED, received_at__lt=old
    ).delete()
    metrics.sweep("delete_unverified", gone)
