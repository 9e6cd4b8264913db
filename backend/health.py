"""The addresses that machines ask: is it alive, is it ready, what are its figures."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from redis.exceptions import RedisError

from backend import metrics, redis

log = logging.getLogger(__name__)

HEARTBEAT: Final = "worker:heartbeat"
HEARTBEAT_SECONDS: Final = 30
LOOK_AGAIN_SECONDS: Final = 5.0

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def probes(get_response: GetResponse) -> GetResponse:
    """Middleware, the first: answer the three addresses before anything looks at the host name.

    A load balancer asks by an address that ALLOWED_HOSTS doesn't name.
    """
    addresses: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
        "/healthz": healthz,
        "/readyz": readyz,
        "/metrics": show_metrics,
    }

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return addresses.get(request.path_info, get_response)(request)

    return middleware


def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers. It says nothing about anybody else."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> HttpResponse:
    """Every part that selling needs, each with its state; 503 when one is missing."""
    parts = {
        "database": _database(),
        "migrations": migrations.state(),
        "redis": _redis(),
        "worker": _worker(),
    }
    well = all(state == "ok" for state in parts.values())
    return JsonResponse(
        {"status": "ok" if well else "unavailable", "parts": parts}, status=200 if well else 503
    )


def show_metrics(request: HttpRequest) -> HttpResponse:
    """The figures, for who knows METRICS_TOKEN. Without one a production shows them to nobody."""
    if settings.METRICS_TOKEN:
        given = request.META.get("HTTP_AUTHORIZATION", "").encode()
        if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
            return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    elif settings.PRODUCTION:
        return HttpResponse(status=404)
    return HttpResponse(metrics.page(), content_type="text/plain; version=0.0.4; charset=utf-8")


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        log.warning("the database doesn't answer")
        connection.close()
        return "does not answer"
    return "ok"


def _redis() -> str:
    try:
        redis.client().ping()
    except (OSError, RedisError):
        return "does not answer"
    return "ok"


def _worker() -> str:
    try:
        return "ok" if redis.client().exists(HEARTBEAT) else "no heartbeat"
    except (OSError, RedisError):
        return "unknown"


def worker_lives() -> None:
    """Say that a worker is there; the word holds for half a minute."""
    try:
        redis.client().set(HEARTBEAT, str(time.time()), ex=HEARTBEAT_SECONDS)
    except (OSError, RedisError) as error:
        log.warning("no heartbeat: %s", type(error).__name__)


class Migrations:
    """Whether the database has every migration of this code. Reading them all is slow, so a yes is
    kept for good and a no for a few seconds."""

    def __init__(self) -> None:
        self.done = False
        self.looked_at = float("-inf")

    def state(self) -> str:
        if not self.done and time.monotonic() - self.looked_at > LOOK_AGAIN_SECONDS:
            try:
                executor = MigrationExecutor(connection)
                self.done = not executor.migration_plan(executor.loader.graph.leaf_nodes())
            except DatabaseError:
                return "unknown"
            self.looked_at = time.monotonic()
        return "ok" if self.done else "pending"


migrations: Final = Migrations()
