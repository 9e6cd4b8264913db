"""The clock's work on coupons."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from celery import shared_task
from django.db.models import F
from django.utils import timezone

from backend import metrics
from backend.celery import each, take_due, wake
from coupons import (
    automatic,
    batches,
    cards,
    codes,
    comparison,
    grants,
    reminders,
    reports,
    tills,
    wallet,
)
from coupons.models import Card, CodeBatch, Grant, WeChatBatch
from shop import messages
from shop.models import Customer

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
    lacking = CodeBatch.objects.filter(made__lt=F("count")).order_by("pk")
    steps = _in_turn(list(lacking.values_list("pk", flat=True)), codes.make_some, make_codes)
    metrics.sweep("make_codes", steps)


@shared_task
def run_grants() -> None:
    """Give what running grants still have to give, each a step in turn."""
    running = Grant.objects.filter(state=Grant.State.RUNNING)
    steps = _in_turn(list(running.values_list("pk", flat=True)), grants.step, run_grants)
    metrics.sweep("run_grants", steps)


@shared_task
def forget_phones() -> None:
    """Forget the phones that waited for somebody, and wait no more."""
    at, gone = timezone.now(), 0
    while found := grants.forget(at):
        gone += found
    metrics.sweep("forget_phones", gone)


@shared_task
def send_reminders() -> None:
    """Send what shoppers agreed to be told about their coupons."""
    rows = messages.due(reminders.EVENTS, timezone.now(), _BATCH)
    send = partial(messages.send, says=reminders.words)
    metrics.sweep("send_reminders", each(rows, send, "message"))
    if len(rows) == _BATCH:
        wake(send_reminders)


@shared_task
def forget_nonces() -> None:
    """Delete what tills signed once and could not send again anyhow."""
    metrics.sweep("forget_nonces", tills.forget_nonces(timezone.now()))


@shared_task
def publish_batches() -> None:
    """Tell WeChat what it is to know of published templates, each a call in turn."""
    at = timezone.now()
    batches.stop_ended(at)
    due = WeChatBatch.objects.filter(act_at__lte=at).order_by("act_at")
    steps = _in_turn(
        list(due.values_list("pk", flat=True)[:_BATCH]), batches.advance, publish_batches
    )
    metrics.sweep("publish_batches", steps)


@shared_task
def take_in_cards() -> None:
    """Put what WeChat gave out into wallets."""
    take_due(Card.objects.all(), "act_at", cards.take_in, take_in_cards)


@shared_task
def report_cards() -> None:
    """Tell WeChat what became of the coupons in its card pack."""
    until, made = time.monotonic() + _SECONDS, 0
    while time.monotonic() < until:
        rows = reports.due(timezone.now(), _BATCH)
        made += each(rows, reports.report, "report")
        if not rows:
            break
    else:
        wake(report_cards)
    metrics.sweep("report_cards", made)


@shared_task
def compare_cards() -> None:
    """Each night: do WeChat's cards and our coupons say the same?"""
    due = WeChatBatch.objects.filter(compare_at__lte=timezone.now()).order_by("compare_at")
    steps = _in_turn(
        list(due.values_list("pk", flat=True)[:_BATCH]), comparison.step, compare_cards
    )
    metrics.sweep("compare_cards", steps)


def _in_turn(pks: list[int], step: Callable[[int], bool], sweep: Any) -> int:
    """Take a step for each in turn while there is more to do, and come again for the rest.

    One that fails is said aloud, left for the next run, and doesn't stop the others.
    """
    until, steps = time.monotonic() + _SECONDS, 0
    more: list[int] = pks

    def one(pk: int) -> None:
        if step(pk):  # read when it is called: the list of this turn
            more.append(pk)

    while more:
        now, more = more, []
        steps += each(now, one, sweep.name)
        if more and time.monotonic() > until:
            wake(sweep)
            break
    return steps


@shared_task
def greet_customers() -> None:
    """Give new customers, and those with a new phone, what waits for them."""
    take_due(Customer.objects.all(), "greet_at", automatic.greet, greet_customers)
