"""What machines ask: alive, ready, figures."""

from typing import Any

import pytest
from django.test import Client

from backend import health, redis

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker() -> None:
    health.worker_lives()


@pytest.mark.usefixtures("worker")
def test_a_shop_with_all_its_parts_is_ready(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 200
    parts = {"database": "ok", "migrations": "ok", "redis": "ok", "worker": "ok"}
    assert response.json() == {"status": "ok", "parts": parts}


def test_a_shop_without_a_worker_is_not_ready(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["parts"] == {
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
        "worker": "no heartbeat",
    }


def test_a_heartbeat_dies_with_its_worker() -> None:
    health.worker_lives()

    assert 0 < int(str(redis.client().ttl(health.HEARTBEAT))) <= health.HEARTBEAT_SECONDS


@pytest.mark.usefixtures("worker")
def test_a_pending_migration_is_seen_and_its_end_too(client: Client) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    newest = MigrationRecorder.Migration.objects.filter(app="sessions").latest("id")
    newest.delete()
    fresh = health.Migrations()

    assert fresh.state() == "pending"

    newest.save()
    fresh.looked_at = float("-inf")
    assert fresh.state() == "ok"


def test_redis_away_is_said_and_alive_is_still_alive(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis as driver

    nowhere = driver.Redis.from_url("unix:///nowhere/redis.sock")
    monkeypatch.setattr(redis, "client", lambda: nowhere)

    assert client.get("/healthz").status_code == 200
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["redis"] == "does not answer"


def test_a_load_balancer_may_ask_by_any_name(client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example.com"]

    assert client.get("/healthz", headers={"host": "10.0.0.7"}).status_code == 200
    assert client.get("/admin/login/", headers={"host": "10.0.0.7"}).status_code == 400


def test_the_figures_are_for_who_knows_the_token(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "a-token"  # noqa: S105

    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"authorization": "Bearer a-token"}).status_code == 200


def test_a_production_without_a_token_shows_no_figures(client: Client, settings: Any) -> None:
    settings.PRODUCTION = True

    assert client.get("/metrics").status_code == 404
