"""What an operator watches: requests, tasks, payments, sweeps, and how long the queue waits.

Requests are counted in files that the web's processes share (Prometheus' multi-process mode),
because one more round trip a request would show. All else is rare and counted in Redis, so that any
web process tells the whole shop's figures; when Redis forgets, Prometheus sees a restart.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from backend import redis

log = logging.getLogger(__name__)

COUNTERS: Final = "metrics:counters"
QUEUE: Final = "celery"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUEST_SECONDS: Final = Histogram(
    "shop_request_seconds",
    "How long requests took, by route.",
    ["method", "route", "status"],
    buckets=BUCKETS,
)


def request_answered(method: str | None, route: str, status: int, seconds: float) -> None:
    REQUEST_SECONDS.labels(method or "", route, str(status)).observe(seconds)


def task_ended(name: str, outcome: str, seconds: float) -> None:
    """Count one task: `done`, `failed` or `retried`."""
    _add({_field("task", name, outcome): 1, _field("task_seconds", name, outcome): seconds})


def payment(outcome: str) -> None:
    """Count one step of a payment: `started`, `succeeded`, `quarantined`, `refunded`."""
    _add({_field("payment", outcome): 1})


def sweep(name: str, found: int) -> None:
    """Count one run of a sweep and what it found, and remember when it ran."""
    _add(
        {_field("sweep_runs", name): 1, _field("sweep_found", name): found},
        now={_field("sweep_at", name): time.time()},
    )


def _field(*parts: str) -> str:
    return json.dumps(parts)


def _add(amounts: dict[str, float], now: dict[str, float] | None = None) -> None:
    """Add to the shared counters, or lose the count: a figure never stops a payment."""
    try:
        pipe = redis.client().pipeline(transaction=False)
        for field, amount in amounts.items():
            pipe.hincrbyfloat(COUNTERS, field, amount)
        for field, value in (now or {}).items():
            pipe.hset(COUNTERS, field, str(value))
        pipe.execute()
    except (OSError, RedisError) as error:
        log.warning("a count was lost: %s", type(error).__name__)


class SharedCounters(Collector):
    """What all processes have counted in Redis, and the state of the queue."""

    def collect(self) -> Iterable[Metric]:
        try:
            counters = {
                tuple(json.loads(field)): float(value)
                for field, value in redis.client().hgetall(COUNTERS).items()
            }
            yield from self._counted(counters)
            yield from self._queue()
            up = 1
        except (OSError, RedisError):
            up = 0
        yield GaugeMetricFamily("shop_redis_up", "Whether Redis answered.", value=up)

    def _counted(self, counters: dict[tuple[str, ...], float]) -> Iterator[Metric]:
        tasks = SummaryMetricFamily(
            "shop_task_seconds", "How long tasks took.", labels=["task", "outcome"]
        )
        payments = CounterMetricFamily("shop_payments", "Steps of payments.", labels=["outcome"])
        runs = CounterMetricFamily("shop_sweep_runs", "Runs of a sweep.", labels=["sweep"])
        found = CounterMetricFamily("shop_sweep_found", "What sweeps found.", labels=["sweep"])
        at = GaugeMetricFamily(
            "shop_sweep_last_run_timestamp_seconds", "When a sweep last ran.", labels=["sweep"]
        )
        for (kind, *labels), value in sorted(counters.items()):
            match kind:
                case "task":
                    seconds = counters.get(("task_seconds", *labels), 0.0)
                    tasks.add_metric(labels, count_value=int(value), sum_value=seconds)
                case "payment":
                    payments.add_metric(labels, value)
                case "sweep_runs":
                    runs.add_metric(labels, value)
                case "sweep_found":
                    found.add_metric(labels, value)
                case "sweep_at":
                    at.add_metric(labels, value)
        yield from (tasks, payments, runs, found, at)

    def _queue(self) -> Iterator[Metric]:
        pipe = redis.client().pipeline(transaction=False)
        pipe.llen(QUEUE)
        pipe.lindex(QUEUE, -1)  # tasks enter at the left and leave at the right
        length, oldest = pipe.execute()
        yield GaugeMetricFamily("shop_queue_length", "Tasks waiting.", value=length)
        yield GaugeMetricFamily(
            "shop_queue_age_seconds", "How long the oldest waits.", value=_age(oldest)
        )


def _age(message: str | None) -> float:
    if message is None:
        return 0.0
    published = json.loads(message)["headers"].get("published_at", time.time())
    return max(0.0, time.time() - float(published))


def page() -> bytes:
    """Everything, as Prometheus reads it."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(SharedCounters())
        return generate_latest(registry)
    registry.register(SharedCounters())
    return generate_latest(REGISTRY) + generate_latest(registry)
