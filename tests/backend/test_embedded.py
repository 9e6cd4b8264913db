"""The servers that a bare machine gets."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis as driver
from django.db import connection

from backend import embedded
from backend.embedded import EmbeddedError, Postgres, Redis


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path, durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.stop()


def ask(data_dir: Path, statement: str) -> object:
    with psycopg.connect(embedded.database_url(data_dir), autocommit=True) as session:
        cursor = session.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


@pytest.mark.django_db
def test_the_tests_run_on_a_real_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        (version,) = cursor.fetchone()

    assert 150000 <= version < 190000


def test_postgresql_comes_up_in_the_data_folder_and_nobody_else_can_reach_it(
    postgres: Postgres, tmp_path: Path
) -> None:
    assert ask(tmp_path, "SHOW server_version_num") >= ("180000",)  # type: ignore[operator]
    assert ask(tmp_path, "SHOW listen_addresses") == ("",)
    assert stat.S_IMODE(postgres.sockets.stat().st_mode) == 0o700
    assert psutil.Process(postgres.process.pid).uids().effective != 0  # type: ignore[union-attr]


def test_postgresql_keeps_what_it_had(postgres: Postgres, tmp_path: Path) -> None:
    ask(tmp_path, "CREATE TABLE kept AS SELECT 7 AS seven")

    postgres.stop()
    postgres.start()

    assert ask(tmp_path, "SELECT seven FROM kept") == (7,)


def test_postgresql_recovers_after_everything_was_killed(tmp_path: Path) -> None:
    first = Postgres(tmp_path)
    first.start()
    ask(tmp_path, "CREATE TABLE kept AS SELECT 7 AS seven")
    assert first.process is not None
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    assert first.pid_file.exists()

    second = Postgres(tmp_path)
    second.start()

    assert ask(tmp_path, "SELECT seven FROM kept") == (7,)
    second.stop()


def test_a_stale_pid_file_that_names_somebody_else_harms_nobody(
    postgres: Postgres, tmp_path: Path
) -> None:
    postgres.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    postgres.pid_file.write_text(f"{stranger.pid}\n{postgres.folder}\n")

    postgres.start()

    assert ask(tmp_path, "SELECT 1") == (1,)
    assert stranger.poll() is None
    stranger.communicate(b"\n")


def test_a_server_that_a_killed_run_left_behind_is_ended_first(
    postgres: Postgres, tmp_path: Path
) -> None:
    left = postgres.process
    assert left is not None

    second = Postgres(tmp_path, durable=False)
    second.start()

    assert left.poll() is not None
    assert second.running
    second.stop()


def test_a_first_start_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "half").write_text("")
    server = Postgres(tmp_path, durable=False)

    server.start()

    assert server.running
    server.stop()


def test_a_deep_data_folder_gets_a_short_place_for_its_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    server = Redis(deep)
    server.start()

    assert driver.Redis.from_url(embedded.redis_url(deep)).ping()
    assert len(str(server.sockets)) <= embedded.LONGEST_SOCKET_DIR

    server.stop()
    assert not server.sockets.exists()


def test_redis_keeps_nothing(redis: Redis, tmp_path: Path) -> None:
    driver.Redis.from_url(embedded.redis_url(tmp_path)).set("cart", "1")

    redis.stop()
    redis.start()

    assert driver.Redis.from_url(embedded.redis_url(tmp_path)).get("cart") is None


def test_nothing_is_left_after_a_stop(redis: Redis, postgres: Postgres, tmp_path: Path) -> None:
    processes = [
        psutil.Process(server.process.pid)
        for server in (redis, postgres)
        if server.process is not None
    ]
    family = [member for parent in processes for member in (parent, *parent.children())]

    redis.stop()
    postgres.stop()

    gone, alive = psutil.wait_procs(family, timeout=5)
    assert len(gone) >= 2
    assert alive == []


def test_one_data_folder_has_one_run(tmp_path: Path) -> None:
    whose = f"process {os.getpid()}"

    with embedded.lock_data_dir(tmp_path), pytest.raises(EmbeddedError, match=whose):
        embedded.lock_data_dir(tmp_path)

    embedded.lock_data_dir(tmp_path).close()


def test_a_data_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedError, match=r"can't be written .*: set DATA_DIR"):
        embedded.prepare_data_dir(tmp_path / "file")


def test_no_redis_to_be_had_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded, "package_folders", lambda _name: [])

    with pytest.raises(EmbeddedError, match="install redis-server or valkey-server"):
        embedded.redis_binary()


def test_no_postgresql_to_be_had_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "package_folders", lambda _name: [])

    with pytest.raises(EmbeddedError, match="set DATABASE_URL"):
        embedded.postgres_bin()
