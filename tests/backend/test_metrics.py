"""The figures an operator watches."""

import json
import time

import pytest
from django.test import Client

from backend import metrics, redis


def test_requests_are_counted_by_route_and_status(client: Client) -> None:
    before = metrics.page().decode()
    labels = 'method="GET",route="api/docs/",status="200"'
    count = f"shop_request_seconds_count{{{labels}}}"

    client.get("/api/docs/?openid=oSecret")

    assert figure(metrics.page().decode(), count) == figure(before, count) + 1


def test_tasks_payments_and_sweeps_are_counted_for_the_whole_shop() -> None:
    metrics.task_ended("orders.close", "done", 0.25)
    metrics.task_ended("orders.close", "done", 0.5)
    metrics.task_ended("orders.close", "failed", 1.0)
    metrics.payment("succeeded")
    metrics.sweep("overdue", 3)
    metrics.sweep("overdue", 4)

    page = metrics.page().decode()

    done = '{outcome="done",task="orders.close"}'
    assert figure(page, f"shop_task_seconds_count{done}") == 2
    assert figure(page, f"shop_task_seconds_sum{done}") == 0.75
    assert figure(page, 'shop_payments_total{outcome="succeeded"}') == 1
    assert figure(page, 'shop_sweep_runs_total{sweep="overdue"}') == 2
    assert figure(page, 'shop_sweep_found_total{sweep="overdue"}') == 7
    last = figure(page, 'shop_sweep_last_run_timestamp_seconds{sweep="overdue"}')
    assert time.time() - last < 60


def test_the_queue_is_as_old_as_its_oldest_task() -> None:
    for age in (90, 30):
        message = {"headers": {"published_at": time.time() - age}}
        redis.client().lpush(metrics.QUEUE, json.dumps(message))

    page = metrics.page().decode()

    assert figure(page, "shop_queue_length") == 2
    assert figure(page, "shop_queue_age_seconds") == pytest.approx(90, abs=5)


def test_without_redis_nothing_stops_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import redis as driver

    nowhere = driver.Redis.from_url("unix:///nowhere/redis.sock")
    monkeypatch.setattr(redis, "client", lambda: nowhere)

    metrics.payment("succeeded")

    assert figure(metrics.page().decode(), "shop_redis_up") == 0


def figure(page: str, name: str) -> float:
    """The value of one line of the page, 0 where it has none yet."""
    for line in page.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rsplit(" ", 1)[1])
    return 0.0
