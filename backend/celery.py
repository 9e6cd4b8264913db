"""The task queue, and the one place where the clock's work is listed."""

import contextlib
import datetime as dt
import logging
import os
import time
from collections.abc import Callable
from typing import Any, Final

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from backend import health, logs, metrics, redis

log = logging.getLogger(__name__)

# So long a sweep that was woken is thought to wait, should it have been lost on its way.
WAKE_SECONDS: Final = 5
_POSTPONED: Final = dt.timedelta(minutes=5)

# name: {"task": dotted name, "schedule": seconds or crontab}. Every entry is a sweep that looks for
# rows past a deadline, so one that was missed or came twice changes nothing.
SCHEDULE: dict[str, dict[str, Any]] = {
    "notifications": {"task": "payments.tasks.settle_notifications", "schedule": 15},
    "unpaid-purchases": {"task": "payments.tasks.expire_purchases", "schedule": 15},
    "open-payments": {"task": "payments.tasks.look_at_payments", "schedule": 15},
    "refunds": {"task": "payments.tasks.push_refunds", "schedule": 15},
    "unverified-notifications": {"task": "payments.tasks.delete_unverified", "schedule": 3600},
    "receipts": {"task": "orders.tasks.receive_overdue", "schedule": 60},
    "old-receivers": {"task": "orders.tasks.scrub_receivers", "schedule": 3600},
    "voucher-figures": {"task": "orders.tasks.count_vouchers", "schedule": 600},
    "rewards": {"task": "orders.tasks.reward_paid", "schedule": 15},
    "codes": {"task": "coupons.tasks.make_codes", "schedule": 15},
    "grants": {"task": "coupons.tasks.run_grants", "schedule": 15},
    "old-phones": {"task": "coupons.tasks.forget_phones", "schedule": 21600},
    "greetings": {"task": "coupons.tasks.greet_customers", "schedule": 10},
    "reminders": {"task": "coupons.tasks.send_reminders", "schedule": 30},
    "wechat-batches": {"task": "coupons.tasks.publish_batches", "schedule": 15},
    "cards": {"task": "coupons.tasks.take_in_cards", "schedule": 10},
    "card-reports": {"task": "coupons.tasks.report_cards", "schedule": 10},
    "card-comparison": {"task": "coupons.tasks.compare_cards", "schedule": 300},
    "old-nonces": {"task": "coupons.tasks.forget_nonces", "schedule": 600},
    "expired-coupons": {"task": "coupons.tasks.expire_coupons", "schedule": 300},
    "expired-sign-ins": {"task": "shop.tasks.delete_expired_sign_ins", "schedule": 3600},
    "expired-sessions": {"task": "shop.tasks.delete_expired_sessions", "schedule": 3600},
    "stale-carts": {"task": "shop.tasks.delete_stale_carts", "schedule": 3600},
    "old-cart-additions": {"task": "shop.tasks.delete_old_cart_additions", "schedule": 3600},
    "old-views": {"task": "shop.tasks.delete_old_views", "schedule": 3600},
    "unused-uploads": {"task": "shop.tasks.delete_unused_uploads", "schedule": 3600},
}


def broker_url(redis_url: str) -> str:
    """Redis on a Unix socket has another name with the broker than with everybody else."""
    if not redis_url.startswith("unix://"):
        return redis_url
    path, _, query = redis_url.removeprefix("unix://").partition("?")
    number = query.removeprefix("db=") or "0"
    return f"redis+socket://{path}?virtual_host={number}"


app = Celery("backend")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # A task that a killed worker held comes back after this long; its sweep is sooner.
        "visibility_timeout": 600,
        "socket_timeout": 3,
        "socket_connect_timeout": 1,
        # What can't be queued now is found by its sweep: an answer never waits for the broker.
        "max_retries": 0,
        "interval_start": 0,
        "connect_retries_timeout": 1,
    },
    task_publish_retry=False,
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=90,
    task_time_limit=120,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    timezone=settings.TIME_ZONE,
    enable_utc=True,
    # The base scheduler keeps nothing on disk: a restart only begins its periods anew.
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule=SCHEDULE,
)
app.autodiscover_tasks()


def wake(sweep: Any) -> None:
    """Have a sweep run soon, once this transaction has committed; one that waits already is enough.

    The mark is taken away as the sweep begins, before it looks: whoever finds it set is committed
    by then and will be seen. Without a broker, the sweep's own time comes.
    """

    def send() -> None:
        try:
            if redis.client().set(_waiting(sweep.name), 1, nx=True, ex=WAKE_SECONDS):
                sweep.delay()
        except (OSError, OperationalError, RedisError) as error:
            log.warning("%s was not woken: %s", sweep.name, type(error).__name__)

    transaction.on_commit(send)


def each(rows: list[int], step: Callable[[int], Any], name: str) -> int:
    """Take a step for each row; one that fails is said aloud and doesn't stop the others."""
    for pk in rows:
        try:
            step(pk)
        except Exception:
            log.exception("%s failed for row %s", name, pk)
    return len(rows)


def take_due(
    rows: QuerySet[Any], column: str, step: Callable[[int], Any], sweep: Any, batch: int = 200
) -> int:
    """Take a step for each of the rows whose time has come, by `column`, oldest first. How many.

    One that fails is said aloud and comes again in five minutes, so that the others have their
    turn. Where a batch is full, the sweep wakes itself for the rest.
    """
    now = timezone.now()
    due = rows.filter(**{f"{column}__lte": now})
    found = list(due.order_by(column).values_list("pk", flat=True)[:batch])
    for pk in found:
        try:
            step(pk)
        except Exception:
            log.exception("%s failed for row %s", sweep.name, pk)
            due.filter(pk=pk).update(**{column: now + _POSTPONED})
    metrics.sweep(sweep.name.rpartition(".")[2], len(found))
    if len(found) == batch:
        wake(sweep)
    return len(found)


def _waiting(name: str) -> str:
    return f"sweep:waiting:{name}"


@signals.before_task_publish.connect
def _send_request_id(headers: dict[str, Any], **_: Any) -> None:
    headers["request_id"] = logs.request_id.get()
    headers["published_at"] = time.time()


@signals.task_prerun.connect
def _take_request_id(task: Any, **_: Any) -> None:
    logs.request_id.set(getattr(task.request, "request_id", None) or task.request.id or "")
    task.request.started = time.perf_counter()


@signals.task_prerun.connect
def _waits_no_longer(task: Any, **_: Any) -> None:
    with contextlib.suppress(OSError, RedisError):
        redis.client().delete(_waiting(task.name))


@signals.task_postrun.connect
def _count_task(task: Any, state: str | None, **_: Any) -> None:
    started = getattr(task.request, "started", None)
    seconds = time.perf_counter() - started if started else 0.0
    outcome = {"SUCCESS": "done", "RETRY": "retried"}.get(state or "", "failed")
    metrics.task_ended(task.name, outcome, seconds)
    logs.request_id.set("")


@signals.worker_ready.connect
@signals.heartbeat_sent.connect
def _worker_lives(**_: Any) -> None:
    health.worker_lives()


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Django has set up logging; Celery's own would replace it."""
