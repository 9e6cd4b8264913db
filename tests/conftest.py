"""A real PostgreSQL and a real Redis for every test, started here unless URLs name others."""

import os
import shutil
from pathlib import Path
from typing import Final

import pytest
import redis

from backend import embedded

DATA_DIR: Final = Path(os.environ["DATA_DIR"])
_started: list[embedded.Server] = []


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    try:
        embedded.prepare_data_dir(DATA_DIR)
        if not os.environ.get("DATABASE_URL"):
            _start(embedded.Postgres(DATA_DIR, durable=False))
        if not os.environ.get("REDIS_URL"):
            _start(embedded.Redis(DATA_DIR))
    except embedded.EmbeddedError as error:
        _stop()
        pytest.exit(str(error), returncode=3)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _stop()


def _start(server: embedded.Server) -> None:
    _started.append(server)
    server.start()


def _stop() -> None:
    while _started:
        _started.pop().stop()
    if os.environ.get("TEST_DATA_DIR_OWNER") == str(os.getpid()):
        shutil.rmtree(DATA_DIR, ignore_errors=True)


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    """Each test begins with an empty Redis; the shop must never miss what was in it."""
    from django.conf import settings

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushdb()
