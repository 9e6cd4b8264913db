"""The whole shop under one hand: started in order, watched, and stopped to the last process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backend import embedded
from backend.demo import OWNER
from backend.embedded import EmbeddedError
from backend.run import ROLES, environment

if TYPE_CHECKING:
    from django.conf import LazySettings

# Every process we start inherits this, and so is found again after we were killed.
MARK: Final = "SHOP_RUN"
CRASHES_ALLOWED: Final = 5
CRASH_WINDOW: Final = 60.0
STOP_SECONDS: Final = 20.0
READY_SECONDS: Final = 90.0
COLOURS: Final = {"run": 37, "web": 32, "worker": 36, "beat": 35, "sandbox": 33, "migrate": 34}


class Stopped(Exception):
    """Somebody asked us to stop."""


class TooManyCrashes(Exception):
    """A process ends as often as it is started."""


class Screen:
    """Lines from many processes, each under its process's name, in colour on a terminal."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        label = f"{name:<8}|"
        if self.colour:
            label = f"\x1b[{COLOURS.get(name, 37)}m{label}\x1b[0m"
        # Nobody reads any more, for example after `| head`: the shop still stops in order.
        with self.lock, contextlib.suppress(BrokenPipeError):
            print(f"{label} {text}", flush=True)  # noqa: T201


class Child:
    """One of our processes, leader of a group of its own, so that its children end with it."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], screen: Screen) -> None:
        self.name, self.command, self.env, self.screen = name, command, env, screen
        self.crashes: deque[float] = deque(maxlen=CRASHES_ALLOWED)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            self.command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.screen.line(self.name, line.rstrip("\n"))

    def ask_to_stop(self) -> None:
        """Tell the leader; it knows how to end its own children without cutting a task short."""
        if self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until the deadline, then leave nothing of the group."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join(1.0)

    def start_again(self) -> None:
        """Say that it ended, and start it anew.

        Raises: TooManyCrashes when it has ended too often lately.
        """
        code = self.process.returncode
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self.end(time.monotonic())
        now = time.monotonic()
        if len(self.crashes) == CRASHES_ALLOWED and now - self.crashes[0] < CRASH_WINDOW:
            raise TooManyCrashes(f"{self.name} ended ({how}) again and again.")
        self.crashes.append(now)
        self.screen.line("run", f"{self.name} ended by itself ({how}). Starting it again.")
        self.start()


class Shop:
    """Everything that one `make run` starts."""

    def __init__(self, settings: LazySettings) -> None:
        self.settings = settings
        self.data_dir: Path = settings.DATA_DIR
        self.screen = Screen()
        self.servers: list[embedded.Server] = []
        self.children: list[Child] = []
        self.signals = 0

    def say(self, text: str) -> None:
        self.screen.line("run", text)

    def on_signal(self, _number: int, _frame: object) -> None:
        self.signals += 1

    def pause(self, seconds: float) -> None:
        """Wait a little.

        Raises: Stopped when somebody asked us to stop.
        """
        if self.signals:
            raise Stopped
        time.sleep(seconds)

    # In order

    def start(self) -> None:
        settings = self.settings
        if left := end_leftovers(self.data_dir):
            self.say(f"ended {left} processes that an earlier run left behind")
        for name, host, port in (
            ("PORT", settings.WEB_HOST, settings.PORT),
            ("SANDBOX_PORT", "127.0.0.1", settings.SANDBOX_PORT),
            ("SANDBOX_TLS_PORT", "127.0.0.1", settings.SANDBOX_TLS_PORT),
        ):
            if port:
                demand_port(name, host, port)
        # Both are looked for before either is started: what is missing is said at once.
        wanted: list[embedded.Server] = []
        if embedded.redis_url(self.data_dir) == settings.REDIS_URL:
            wanted.append(embedded.Redis(self.data_dir))
        if embedded.database_url(self.data_dir) == settings.DATABASE_URL:
            wanted.append(embedded.Postgres(self.data_dir))
        for server in wanted:
            self.say(f"starting {server.name}")
            self.servers.append(server)
            server.start()
            self.pause(0)
        self.add("sandbox", ROLES["sandbox"](settings))
        self.wait_for_port(settings.SANDBOX_PORT)
        self.migrate()
        for role in ("web", "worker", "beat"):
            self.add(role, ROLES[role](settings))

    def add(self, role: str, command: list[str]) -> Child:
        env = environment(role, self.data_dir / "metrics") | {MARK: str(self.data_dir)}
        child = Child(role, command, env, self.screen)
        self.children.append(child)
        return child

    def migrate(self) -> None:
        child = self.add("migrate", [sys.executable, "-m", "backend.run", "migrate"])
        while child.process.poll() is None:
            self.pause(0.05)
        self.children.remove(child)
        child.end(time.monotonic())
        if child.process.returncode:
            raise EmbeddedError("The database could not be prepared: see the lines above.")

    def wait_for_port(self, port: int) -> None:
        """Wait until somebody listens; who ends instead is watched for."""
        while not answers(port):
            self.look_after()
            self.pause(0.05)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while (state := readiness(self.settings.PORT)) != "ok":
            if time.monotonic() > deadline:
                raise EmbeddedError(f"The shop did not become ready: {state}")
            self.look_after()
            self.pause(0.1)

    # While it runs

    def look_after(self) -> None:
        """Start again what ended by itself, and say so."""
        for server in self.servers:
            if not server.running:
                self.say(
                    f"{server.name} ended by itself (see {server.log_path}). Starting it again."
                )
                server.start()
        for child in self.children:
            if child.process.poll() is not None:
                child.start_again()

    def follow(self) -> None:
        while True:
            self.look_after()
            self.pause(0.2)

    # And back

    def stop(self) -> None:
        """End everything, in the opposite order. A second signal stops waiting."""
        asked = self.signals
        deadline = time.monotonic() + STOP_SECONDS
        late = [child for child in self.children if child.name == "sandbox"]
        for group in ([child for child in self.children if child not in late], late):
            for child in group:
                child.ask_to_stop()
            for child in group:
                while child.process.poll() is None and time.monotonic() < deadline:
                    if self.signals > asked:
                        deadline = time.monotonic()
                    time.sleep(0.05)
                child.end(deadline)
        for server in reversed(self.servers):
            server.stop()

    def tell_where(self) -> None:
        name, password = OWNER
        base, play = (
            f"http://127.0.0.1:{self.settings.PORT}",
            f"http://127.0.0.1:{self.settings.SANDBOX_PORT}",
        )
        for line in (
            "",
            "The shop is open.",
            f"  API, to read and try   {base}/api/docs/",
            f"  Admin                  {base}/admin/    sign in as {name}, password {password}",
            f"  WeChat sandbox         {play}/",
            "  A shopper's whole way  make buy    (in another terminal)",
            "Ctrl-C stops everything.",
            "",
        ):
            self.say(line)


def run_everything(settings: LazySettings) -> int:
    """Run the shop until a signal or too many crashes; return the exit code."""
    data_dir: Path = settings.DATA_DIR
    embedded.prepare_data_dir(data_dir)
    with embedded.lock_data_dir(data_dir):
        shop = Shop(settings)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, shop.on_signal)
        try:
            shop.start()
            shop.wait_until_ready()
            shop.tell_where()
            shop.follow()
        except Stopped:
            shop.say("stopping")
            return 0
        except (TooManyCrashes, EmbeddedError) as error:
            shop.say(str(error))
            if shop.children or shop.servers:
                shop.say("stopping")
            return 1
        finally:
            shop.stop()
    return 0


def demand_port(name: str, host: str, port: int) -> None:
    """Raises: EmbeddedError when the port can't be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EmbeddedError(
                f"Port {port} can't be had ({error.strerror}): stop what uses it, or set {name} "
                "to another."
            ) from None


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def readiness(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return "ok"
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace")
    except OSError as error:
        return str(error)


def end_leftovers(data_dir: Path) -> int:
    """End the processes of an earlier run of this data folder that was killed outright."""
    import psutil

    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(data_dir) and process.pid != os.getpid():
                process.kill()
                left.append(process)
    psutil.wait_procs(left, timeout=5)
    return len(left)
