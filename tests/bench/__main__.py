"""`make bench`: the shop beside bare views, with the same server, database and data, in one run.

Everything is started here on a data folder of its own, which is thrown away afterwards. Each path
is measured in turns, bare and ours, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as Folder
from typing import TYPE_CHECKING, Any, Final

from backend import embedded

if TYPE_CHECKING:
    from tests.bench.load import Measured
    from tests.bench.paths import Path
    from tests.bench.shop_of import Bench, Size

ROUNDS: Final = 3
VISITS: Final = 40.0  # a second, while a grant runs


@dataclass
class Line:
    """What one path showed."""

    path: Path
    bare: Measured
    ours: Measured
    queries: int = 0
    wide_queries: int | None = None
    redis_calls: int = 0
    bare_queries: int = 0

    @property
    def ratio(self) -> float:
        return self.ours.rate / self.bare.rate if self.bare.rate else 0.0

    def __str__(self) -> str:
        many = f" ({self.wide_queries} for 20 lines)" if self.wide_queries is not None else ""
        met = "" if self.ratio >= self.path.target else " **missed**"
        return (
            f"| {self.path.name} | {self.bare.rate:,.0f} | {self.ours.rate:,.0f} |"
            f" {self.ratio:.0%} of {self.path.target:.0%}{met} |"
            f" {self.ours.percentile(0.5):.0f} / {self.ours.percentile(0.99):.0f} ms |"
            f" {self.queries}{many} / {self.bare_queries} | {self.redis_calls} |"
        )


HEAD: Final = (
    "| path | bare, a second | ours, a second | ratio | ours, p50 / p99 |"
    " queries, ours / bare | Redis calls |\n|---|---|---|---|---|---|---|"
)


@dataclass
class Servers:
    """The shop's web server and the bare one, started as `make run` starts the shop's."""

    folder: Folder
    workers: int
    till_secret: str
    ports: dict[bool, int] = field(default_factory=dict)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        from django.conf import settings

        from backend import run
        from tests.backend.test_run import free_port
        from tests.bench.shop_of import API_KEY

        command = run.web(settings)
        for bare in (False, True):
            port = self.ports[bare] = free_port()
            mine = [part.replace("backend.wsgi", "tests.bench.bare") if bare else part
                    for part in command]  # fmt: skip
            mine[mine.index("--port") + 1] = str(port)
            mine[mine.index("--workers") + 1] = str(self.workers)
            env = run.environment("web", self.folder / f"metrics-{bare}") | {
                "DATABASE_URL": settings.DATABASE_URL,
                "REDIS_URL": settings.REDIS_URL,
                "BENCH_API_KEY": API_KEY,
                "BENCH_TILL_SECRET": self.till_secret,
                "BENCH_MEDIA": settings.PUBLIC_BASE_URL + settings.MEDIA_URL,
                "LOG_FORMAT": "json",
            }
            # The access log is written as in production; nobody reads it here.
            with (self.folder / f"web-{bare}.log").open("wb") as log:
                self.processes.append(
                    subprocess.Popen(mine, env=env, stdout=log, stderr=log)  # noqa: S603
                )
        for port in self.ports.values():
            self._wait(port)

    def _wait(self, port: int) -> None:
        import socket

        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if time.monotonic() > deadline:
                raise SystemExit("a server did not start")
            time.sleep(0.1)

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)


@contextlib.contextmanager
def engines(folder: Folder) -> Iterator[None]:
    """PostgreSQL as durable as a shop's, and Redis, in this folder."""
    started: list[embedded.Server] = []
    embedded.prepare_data_dir(folder)
    try:
        for server in (embedded.Postgres(folder), embedded.Redis(folder)):
            started.append(server)
            server.start()
        yield
    finally:
        while started:
            started.pop().stop()


def count(bench: Bench, size: Size, path: Path) -> tuple[int, int | None, int]:
    """SQL statements of one call, of one with twenty lines, and its Redis commands."""
    from tests.bench.paths import WIDE

    _asked(bench, size, path.requests)  # connections are made, scripts are loaded
    narrow, redis_calls = _asked(bench, size, path.requests)
    wide = _asked(bench, size, WIDE[path.requests])[0] if path.requests in WIDE else None
    return narrow, wide, redis_calls


def _asked(bench: Bench, size: Size, requests: str) -> tuple[int, int]:
    import redis
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from tests.bench.paths import Requests

    head, _blank, body = next(getattr(Requests(bench, size, bare=False), requests)()).partition(
        b"\r\n\r\n"
    )
    first, *lines = head.decode().split("\r\n")
    method, path, _version = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    kind = headers.pop("Content-Type", "application/json")
    client, counter = Client(), redis.Redis.from_url(settings.REDIS_URL)

    def calls() -> int:
        return int(counter.info("stats")["total_commands_processed"])

    before = calls()
    with CaptureQueriesContext(connection) as queries:
        response = client.generic(method, path, body, content_type=kind, headers=headers)
    if response.status_code not in {200, 201}:
        raise SystemExit(f"{path}: {response.status_code} {response.content.decode()[:400]}")
    if os.environ.get("BENCH_SQL"):
        for query in queries:
            print("   ", query["sql"][:200].replace("\n", " "))  # noqa: T201
    return len(queries), calls() - before - 1


def bare_queries(port: int, request: bytes) -> int:
    import http.client

    head, _blank, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _version = first.split(" ")
    asking = http.client.HTTPConnection("127.0.0.1", port)
    asking.request(method, path, body, dict(line.split(": ", 1) for line in lines))
    answered = asking.getresponse()
    answered.read()
    asking.close()
    return int(answered.headers["X-Queries"])


def measure(bench: Bench, size: Size, servers: Servers, path: Path, seconds: float) -> Line:
    """Ours and bare in turns."""
    from tests.bench.load import Measured, drive
    from tests.bench.paths import Requests

    asking = {
        bare: getattr(Requests(bench, size, bare=bare), path.requests)() for bare in (True, False)
    }
    line = Line(path, Measured(), Measured())
    line.queries, line.wide_queries, line.redis_calls = count(bench, size, path)
    line.bare_queries = bare_queries(servers.ports[True], next(asking[True]))
    for bare in (True, False):  # every thread has its connection, and every plan is warm
        drive(servers.ports[bare], asking[bare], callers=path.callers, seconds=1)
    for _round in range(ROUNDS):
        for bare, total in ((True, line.bare), (False, line.ours)):
            total.add(
                drive(
                    servers.ports[bare],
                    asking[bare],
                    callers=path.callers,
                    seconds=seconds / ROUNDS,
                )
            )
    for whose, measured in (("bare", line.bare), ("ours", line.ours)):
        if set(measured.statuses) != {path.status}:
            raise SystemExit(f"{path.name}, {whose}: answered {dict(measured.statuses)}")
    return line


def rush(bench: Bench, size: Size, servers: Servers) -> str:
    """64 shoppers at once for 500 coupons: exactly 500 are given."""
    from coupons.models import Coupon
    from tests.bench.load import drive
    from tests.bench.paths import Requests

    requests = Requests(bench, size, bare=False).rush()
    answered = drive(servers.ports[False], requests, callers=64, seconds=120).statuses
    given = Coupon.objects.filter(template_id=bench.small_template).count()
    if (answered[201], given) != (500, 500):
        raise SystemExit(f"oversold: {dict(answered)}, {given} in wallets")
    return (
        f"64 shoppers at once, 500 vouchers, 2,000 claims: {given} given, {answered[409]} refused."
    )


def grant(bench: Bench, size: Size, servers: Servers, count: int) -> str:
    """A grant to so many customers by a worker, while people look at the product list."""
    from coupons import offers
    from coupons.models import CouponTemplate, Grant
    from tests.bench.load import Measured, visit
    from tests.bench.paths import Requests
    from tests.bench.shop_of import crowd

    crowd(bench, count)
    offer = CouponTemplate.objects.get(pk=bench.template)
    offer.pk, offer.total, offer.per_customer = None, count, 1
    offer.save()
    offers.deal(offer)
    made = Grant.objects.create(
        merchant_id=bench.merchant, template=offer, name="bench", audience="segment", key="bench",
        segment={"tags": ["crowd"]},
    )  # fmt: skip
    requests = Requests(bench, size, bare=False).product_list()
    idle = visit(servers.ports[False], requests, rate=VISITS, seconds=10)
    command = [sys.executable, "-m", "tests.bench.worker", str(made.pk)]
    started = time.monotonic()
    worker = subprocess.Popen(command)  # noqa: S603
    busy = Measured()
    while worker.poll() is None:
        busy.add(visit(servers.ports[False], requests, rate=VISITS, seconds=2))
    took = time.monotonic() - started
    made.refresh_from_db()
    if (worker.returncode, made.state, made.given) != (0, Grant.State.DONE, count):
        raise SystemExit(f"the grant ended {made.state} with {made.given} given")
    before, then = idle.percentile(0.95), busy.percentile(0.95)
    return (
        f"A grant to {count:,} customers: {took:.0f} s (to stay under 300), {count / took:,.0f} a"
        f" second; the product list at {VISITS:.0f} visits a second, p95: {before:.1f} ms idle,"
        f" {then:.1f} ms meanwhile, {then / before:.1f} × (to stay under 2)."
    )


def counters(bench: Bench) -> str:
    """The database alone: one row, lots, and coupons made beforehand, claimed by 1 and 64."""
    from tests.bench.counting import WAYS, measured

    lines = ["| counting, claims a second | 1 at a time | 64 at once |", "|---|---|---|"]
    for way in WAYS:
        one, many = (measured(bench, way, hands, 4.0) for hands in (1, 64))
        lines.append(f"| {way} | {one:,.0f} | {many:,.0f} |")
    return "\n".join(lines)


def choosing() -> str:
    """The quote's arithmetic over 50 lines and 60 coupons, to answer within 50 ms."""
    from tests.bench.choosing import BASKETS, measured

    lines = ["| 60 coupons over 50 lines | median / p99 / worst | dearer than need be |",
             "|---|---|---|"]  # fmt: skip
    return "\n".join([*lines, *(measured(kind, range(100)) for kind in BASKETS)])


def plans(bench: Bench) -> str:
    """How the wallet and the expiry sweep find their rows."""
    from django.db import connection, transaction
    from django.utils import timezone

    from coupons import queries, wallet

    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "wallet": (queries._WALLET_SQL.format(where=queries._TABS["usable"]), {
            "merchant": bench.merchant, "customer": bench.first_customer, "before": None,
            "at": timezone.now(), "limit": 21,
        }),
        "expiry": (wallet._EXPIRE_SQL.format(told=""), {
            "at": timezone.now(), "limit": 1000, "reference": "", "by": "", "event": "expired",
            "source": "claimed", "target": "expired",
        }),
    }  # fmt: skip
    said = []
    for name, (sql, values) in asked.items():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}", values)
            lines = [line for (line,) in cursor.fetchall()]
            transaction.set_rollback(True)
        kept = [line for line in lines if "Index" in line or "Seq Scan" in line or "Time" in line]
        said.append(f"{name}:\n" + "\n".join(kept))
    return "\n\n".join(said)


def bench(options: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench.paths import PATHS
    from tests.bench.shop_of import Size, grow, open_shop

    call_command("migrate", verbosity=0)
    whole = Size(
        int(100_000 * options.scale), int(1_000_000 * options.scale), int(5_000_000 * options.scale)
    )
    shop, before = open_shop(whole.customers), Size(0, 0, 0)
    servers = Servers(Folder(os.environ["DATA_DIR"]), options.workers, shop.till_secret)
    tables: dict[str, dict[str, Line]] = {}
    try:
        for size in (whole.tenth(), whole):
            started = time.monotonic()
            grow(shop, size, before=before)
            say(f"\n{size} (written in {time.monotonic() - started:.0f} s)\n")
            before = size
            if not servers.processes:
                servers.start()
            lines = tables[str(size)] = {}
            say(HEAD)
            for path in PATHS:
                if options.only and options.only not in path.requests:
                    continue
                lines[path.requests] = measure(shop, size, servers, path, options.seconds)
                say(str(lines[path.requests]))
        if not options.only:
            say("\n" + rush(shop, whole, servers))
        if options.only in ("", "choosing"):
            say("\n" + choosing())
        if options.only in ("", "plans"):
            say("\n" + plans(shop))
        if options.only in ("", "counters"):
            say("\n" + counters(shop))
        if options.only in ("", "grant"):
            say("\n" + grant(shop, whole, servers, int(1_500_000 * options.scale)))
    finally:
        servers.stop()
    small, large = tables.values()
    slower = (
        f"{line.path.name.split(',')[0]} {small[name].ours.rate / line.ours.rate:.2f} ×"
        for name, line in large.items()
    )
    say("\nWith ten times the data (to stay within 1.3 ×): " + ", ".join(slower) + ".")


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 100,000 products")
    parser.add_argument("--seconds", type=float, default=9.0, help="for each side of a path")
    parser.add_argument("--workers", type=int, default=2, help="web processes of each side")
    parser.add_argument("--only", default="", help="paths whose name has this")
    options = parser.parse_args()
    folder = Folder(tempfile.mkdtemp(prefix="shop-bench-"))
    os.environ.update(DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="backend.settings")
    try:
        with engines(folder):
            bench(options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
