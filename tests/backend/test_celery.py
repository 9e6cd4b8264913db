"""Tasks: what follows them, and what happens when nobody takes them."""

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from django.db import transaction
from django.utils import timezone

from backend import celery, logs, metrics, redis
from backend.celery import take_due
from coupons.tasks import greet_customers
from shop.models import Customer, Merchant

ROOT = Path(__file__).resolve().parents[2]


@celery.app.task(name="tests.say_request_id")
def say_request_id() -> None:
    redis.client().lpush("tests:said", logs.request_id.get())


@celery.app.task(name="tests.fail")
def fail() -> None:
    raise ValueError("this task fails, as it should")


def test_a_request_id_and_a_time_go_along_with_a_task() -> None:
    token = logs.request_id.set("req-abcdefgh")

    say_request_id.delay()

    logs.request_id.reset(token)
    headers = json.loads(str(redis.client().lindex(metrics.QUEUE, 0)))["headers"]
    assert headers["request_id"] == "req-abcdefgh"
    assert time.time() - headers["published_at"] < 30


def test_a_worker_takes_up_the_request_and_its_tasks_are_counted() -> None:
    token = logs.request_id.set("req-abcdefgh")
    say_request_id.delay()
    fail.delay()
    logs.request_id.reset(token)

    with start_worker(celery.app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        said = redis.client().brpop(["tests:said"], timeout=20)
        failed = 'shop_task_seconds_count{outcome="failed",task="tests.fail"} 1.0'
        deadline = time.monotonic() + 20
        while failed not in (page := metrics.page().decode()) and time.monotonic() < deadline:
            time.sleep(0.05)

    assert said == ("tests:said", "req-abcdefgh")
    assert 'shop_task_seconds_count{outcome="done",task="tests.say_request_id"} 1.0' in page
    assert failed in page


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_waits_already_is_not_woken_again() -> None:
    for _request in range(3):
        celery.wake(say_request_id)

    assert redis.client().llen(metrics.QUEUE) == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_while_a_sweep_runs_wakes_the_next_one() -> None:
    """The mark goes before the sweep looks: nobody is told that it will be seen, and isn't."""
    celery.wake(say_request_id)

    with start_worker(celery.app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        redis.client().brpop(["tests:said"], timeout=20)
        celery.wake(say_request_id)
        assert redis.client().brpop(["tests:said"], timeout=20) is not None


@pytest.mark.django_db(transaction=True)
def test_a_sweep_is_woken_for_what_was_committed_only() -> None:
    with contextlib.suppress(ValueError), transaction.atomic():
        celery.wake(say_request_id)
        raise ValueError

    assert redis.client().llen(metrics.QUEUE) == 0


AWAY = """
import time
import django
django.setup()
from backend import celery
@celery.app.task(name="tests.nothing")
def nothing():
    pass
for _ in range(3):
    started = time.monotonic()
    celery.wake(nothing)
    print(time.monotonic() - started)
"""


def test_an_answer_never_waits_for_a_broker_that_is_away() -> None:
    environment = {
        "ENVIRONMENT": "test",
        "DJANGO_SETTINGS_MODULE": "backend.settings",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }

    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-c", AWAY],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert all(float(line) < 1.0 for line in answer.stdout.split())
    assert answer.stderr.count("tests.nothing was not woken") == 3


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("unix:///d/redis.sock?db=3", "redis+socket:///d/redis.sock?virtual_host=3"),
        ("redis://redis:6379/0", "redis://redis:6379/0"),
    ],
)
def test_the_broker_is_the_same_redis(url: str, broker: str) -> None:
    assert celery.broker_url(url) == broker


@pytest.mark.django_db
def test_rows_that_fail_make_way_for_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Two that always fail fill a batch of two: the third has its turn all the same."""
    merchant = Merchant.objects.create(name="山野小铺", slug="shop")
    early = timezone.now() - dt.timedelta(hours=1)
    rows = [
        Customer.objects.create(merchant=merchant, greet_at=early + dt.timedelta(minutes=n))
        for n in range(3)
    ]
    greeted: list[int] = []

    def greet(pk: int) -> None:
        if pk != rows[2].pk:
            raise ValueError("it can't be greeted")
        greeted.append(pk)
        Customer.objects.filter(pk=pk).update(greet_at=None)

    for _run in range(2):
        take_due(Customer.objects.all(), "greet_at", greet, greet_customers, batch=2)

    assert greeted == [rows[2].pk]
    assert len(caplog.records) == 2
    for row in rows[:2]:
        row.refresh_from_db()
        assert row.greet_at is not None
        assert row.greet_at > timezone.now()
