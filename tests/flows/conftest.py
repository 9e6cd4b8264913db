"""`make run` as it is, started once for every flow: web, worker, beat, sandbox, their engines."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from backend import embedded
from tests.backend.test_run import Run
from tests.flows.promises import Database, keeps_its_promises
from tests.flows.shopper import Shopper
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    started = Run(tmp_path_factory.mktemp("flow") / "data")
    started.open()
    yield started
    started.stop()
    assert started.family() == []


@pytest.fixture
def wechat(run: Run) -> Iterator[Sandbox]:
    """The sandbox of the run, with nothing scripted before or after."""
    sandbox = Sandbox(f"http://127.0.0.1:{run.sandbox_port}")
    sandbox.clear_faults()
    yield sandbox
    sandbox.clear_faults()


@pytest.fixture
def database(run: Run, wechat: Sandbox) -> Iterator[Database]:
    """To look, and to move a deadline into the past. Every flow ends with the promises checked."""
    with psycopg.connect(embedded.database_url(run.data_dir), autocommit=True) as connection:
        yield connection
        keeps_its_promises(connection, wechat.books())


@pytest.fixture
def shopper(run: Run, database: Database) -> Shopper:
    """Someone new, signed in, with an address."""
    return Shopper.new(f"http://127.0.0.1:{run.port}", f"http://127.0.0.1:{run.sandbox_port}")
