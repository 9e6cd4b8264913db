"""The clock's work on orders."""

from __future__ import annotations

import time
from typing import Final

from celery import shared_task
from django.utils import timezone

from backend import metrics
from backend.celery import take_due, wake
from orders import figures, lifecycle, receivers
from orders.models import Order, OrderStatus, Purchase

_BATCH: Final = 500
_SECONDS: Final = 40.0


@shared_task
def reward_paid() -> None:
    """Thank for payments, with what templates give after one."""
    take_due(Purchase.objects.all(), "reward_at", lifecycle.reward, reward_paid)


@shared_task
def count_vouchers() -> None:
    """Count what vouchers brought: today so far, and days that were not counted to their end."""
    until, counted, at = time.monotonic() + _SECONDS, 0, timezone.now()
    for day in figures.due(at):
        if time.monotonic() > until:
            wake(count_vouchers)
            break
        figures.count(day, at)
        counted += 1
    metrics.sweep("count_vouchers", counted)


@shared_task
def receive_overdue() -> None:
    """Shipped orders whose days are over count as received; one that moved on is left alone."""
    now = timezone.now()
    due = Order.objects.filter(
        status=OrderStatus.SHIPPED, held_for="", receive_by__lte=now
    ).order_by("receive_by")
    rows = list(due.values_list("pk", flat=True)[:_BATCH])
    received = 0
    for pk in rows:
        try:
            lifecycle.receive(pk, at=now, by="clock")
        except lifecycle.WrongStatus:
            continue
        received += 1
    metrics.sweep("receive_overdue", received)
    if received == _BATCH:
        wake(receive_overdue)


@shared_task
def scrub_receivers() -> None:
    """Receivers of orders whose customers left years ago are forgotten."""
    found = scrubbed = receivers.scrub(at=timezone.now(), limit=_BATCH)
    while found == _BATCH:
        found = receivers.scrub(at=timezone.now(), limit=_BATCH)
        scrubbed += found
    metrics.sweep("scrub_receivers", scrubbed)
