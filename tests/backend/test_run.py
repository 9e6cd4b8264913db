"""`make run`, as it is: started, looked at, hurt, stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from backend.supervisor import MARK, Child, Screen, TooManyCrashes, readiness

ROOT = Path(__file__).resolve().parents[2]
OPEN = "The shop is open."

pytestmark = pytest.mark.flow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Run:
    """One `python -m backend.run all`, with a data folder and ports of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.output = data_dir, data_dir.parent / "output"
        self.port, self.sandbox_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATABASE_", "REDIS_"))}
        return kept | {
            "ENVIRONMENT": "development",
            "DJANGO_SETTINGS_MODULE": "backend.settings",
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "WEB_WORKERS": "1",
            "WORKER_PROCESSES": "1",
        }

    def start(self) -> subprocess.Popen[bytes]:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend.run", "all"],
                cwd=ROOT,
                env=self.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def open(self, seconds: float = 120) -> None:
        process = self.start()
        self.wait_for(OPEN, seconds)
        assert process.poll() is None

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said():
            assert self.process is not None
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def stop(self, sign: signal.Signals = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(sign)
        return self.process.wait(60)

    def family(self) -> list[psutil.Process]:
        """Everything this run started, wherever it hangs now."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                ours = process.environ().get(MARK) == str(self.data_dir)
                if ours or str(self.data_dir) in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def named(self, *parts: str) -> psutil.Process:
        """The oldest of our processes whose command has these parts."""
        fitting = [p for p in self.family() if all(part in p.cmdline() for part in parts)]
        return min(fitting, key=lambda process: process.create_time())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "data"


@pytest.fixture
def run(data_dir: Path) -> Iterator[Run]:
    """A run on the module's data folder: the first fills it, the others find it filled."""
    started = Run(data_dir)
    yield started
    if started.process is not None and started.process.poll() is None:
        started.stop()
    assert started.family() == []


def test_it_opens_tells_where_to_look_and_ctrl_c_leaves_nothing(run: Run) -> None:
    run.open()

    base = f"http://127.0.0.1:{run.port}"
    assert readiness(run.port) == "ok"
    for address in (f"{base}/api/docs/", f"{base}/admin/login/", f"{base}/metrics"):
        with urllib.request.urlopen(address) as answer:  # noqa: S310
            assert answer.status == 200
    for place in (f"{base}/api/docs/", f"{base}/admin/", f"127.0.0.1:{run.sandbox_port}/"):
        assert place in run.said()
    assert run.stop(signal.SIGINT) == 0
    assert run.family() == []


def test_a_second_start_takes_under_ten_seconds_and_sigterm_leaves_nothing(run: Run) -> None:
    run.open(seconds=10)

    assert run.stop(signal.SIGTERM) == 0
    assert run.family() == []


def test_a_crash_is_said_aloud_and_mended(run: Run) -> None:
    run.open()

    run.named("granian").kill()

    run.wait_for("web ended by itself (signal SIGKILL). Starting it again.")
    deadline = time.monotonic() + 30
    while readiness(run.port) != "ok" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert readiness(run.port) == "ok"


def test_after_the_whole_run_was_killed_the_next_one_cleans_up_and_opens(run: Run) -> None:
    run.open()
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    assert run.family() != []

    run.open()

    assert "processes that an earlier run left behind" in run.said()


def test_two_runs_do_not_share_a_data_folder(run: Run) -> None:
    run.start()
    run.wait_for("starting postgres")

    second = Run(run.data_dir)
    second.output = run.output.with_name("second")

    assert second.start().wait(30) == 1
    (line,) = second.said().splitlines()
    assert line.startswith("Another run (process ")


@pytest.mark.parametrize("which", ["port", "sandbox_port"])
def test_a_port_in_use_is_one_clear_line_and_nothing_is_left(tmp_path: Path, which: str) -> None:
    run = Run(tmp_path / "data")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        setattr(run, which, taken.getsockname()[1])

        assert run.start().wait(30) == 1

    (line,) = run.said().splitlines()
    assert "can't be had (Address already in use)" in line
    assert f"set {which.upper()} to another" in line
    assert run.family() == []


def test_a_data_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = Run(tmp_path / "file")

    assert run.start().wait(30) == 1

    (line,) = run.said().splitlines()
    assert "can't be written" in line
    assert "set DATA_DIR" in line


def test_a_process_that_ends_again_and_again_stops_the_shop() -> None:
    child = Child("web", [sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), Screen())

    for _ in range(5):
        child.process.wait()
        child.start_again()
    child.process.wait()

    with pytest.raises(TooManyCrashes, match=r"web ended \(exit code 3\) again and again"):
        child.start_again()
