"""The clock's work on coupons."""

from __future__ import annotations

import logging
import time
from typing import Final

from celery import shared_task
from django.db.models import F
from django.utils import timezone

from backend import metrics
from backend.celery import wake
from coupons import automatic, codes, grants, tills, wallet
from coupons.models import CodeBatch, Grant
from shop.models import Customer

log = logging.getLogger(__name__)

_BATCH: Final = 200
# So long one run goes on, well within a task's limit; what is left it wakes itself for.
_SECONDS: Final = 40.0


@shared_task
def expire_coupons() -> None:
    """Mark what has run out, for lists: all of it, as a chain's vouchers end at one moment."""
    at, marked = timezone.now(), 0
    while found := wallet.expire(at=at):
        marked += found
    metrics.sweep("expire_coupons", marked)


@shared_task
def make_codes() -> None:
    """Make the codes that batches still lack."""
    until, steps = time.monotonic() + _SECONDS, 0
    for pk in CodeBatch.objects.filter(made__lt=F("count")).values_list("pk", flat=True):
        before = None
        while (lacks := codes.make_some(pk)) and lacks != before:
            before, steps = lacks, steps + 1
            if time.monotonic() > until:
                wake(make_codes)
                break
    metrics.sweep("make_codes", steps)


@shared_task
def run_grants() -> None:
    """Give what running grants still have to give, each a step in turn."""
    until, steps = time.monotonic() + _SECONDS, 0
    running = list(Grant.objects.filter(state=Grant.State.RUNNING).values_list("pk", flat=True))
    while running:
        running = [pk for pk in running if grants.step(pk)]
        steps += 1
        if running and time.monotonic() > until:
            wake(run_grants)
            break
    metrics.sweep("run_grants", steps)


@shared_task
def forget_nonces() -> None:
    """Delete what tills signed once and could not send again anyhow."""
    metrics.sweep("forget_nonces", tills.forget_nonces(timezone.now()))


@shared_task
def greet_customers() -> None:
    """Give new customers, and those with a new phone, what waits for them."""
    due = Customer.objects.filter(greet_at__lte=timezone.now()).order_by("greet_at")
    rows = list(due.values_list("pk", flat=True)[:_BATCH])
    for pk in rows:
        automatic.greet(pk)
    metrics.sweep("greet_customers", len(rows))
    if len(rows) == _BATCH:
        wake(greet_customers)
