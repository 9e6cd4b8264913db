"""A load that costs little itself: ready-made requests over kept connections, one epoll loop."""

from __future__ import annotations

import itertools
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass
class Measured:
    """What one run of a path answered, and how fast."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(self.statuses.values()) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ranked = sorted(self.latencies)
        return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0

    def add(self, other: Measured) -> None:
        self.seconds += other.seconds
        self.statuses += other.statuses
        self.latencies += other.latencies


class _Caller:
    """One connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = bytearray()
        self.began = 0.0

    def ask(self, request: bytes) -> None:
        self.read.clear()
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def heard(self) -> int | None:
        """The status of a whole answer; None while some of it is still to come."""
        piece = self.socket.recv(262_144)
        if not piece:
            raise ConnectionError("the server hung up")
        self.read += piece
        head = self.read.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = 0
        for line in bytes(self.read[:head]).lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        return int(self.read[9:12]) if len(self.read) >= head + 4 + length else None


def drive(port: int, requests: Iterator[bytes], *, callers: int, seconds: float) -> Measured:
    """Send the requests, `callers` at a time, until the time or the requests are used up."""
    measured = Measured()
    selector = selectors.DefaultSelector()
    started = time.perf_counter()
    for caller, request in zip([_Caller(port) for _i in range(callers)], requests, strict=False):
        caller.ask(request)
        selector.register(caller.socket, selectors.EVENT_READ, caller)
    busy = len(selector.get_map())
    while busy:
        for key, _events in selector.select():
            caller = key.data
            status = caller.heard()
            if status is None:
                continue
            now = time.perf_counter()
            measured.statuses[status] += 1
            measured.latencies.append(now - caller.began)
            following = next(requests, None) if now - started < seconds else None
            if following is None:
                selector.unregister(caller.socket)
                caller.socket.close()
                busy -= 1
            else:
                caller.ask(following)
    measured.seconds = time.perf_counter() - started
    return measured


def visit(port: int, requests: Iterator[bytes], *, rate: float, seconds: float) -> Measured:
    """Send a request every so often, one at a time, as a shop has visitors all day."""
    measured, caller = Measured(), _Caller(port)
    started = time.perf_counter()
    for number, request in enumerate(requests):
        due = started + number / rate
        if due - started > seconds:
            break
        time.sleep(max(0.0, due - time.perf_counter()))
        caller.ask(request)
        status = caller.heard()
        while status is None:
            status = caller.heard()
        measured.statuses[status] += 1
        measured.latencies.append(time.perf_counter() - caller.began)
    measured.seconds = time.perf_counter() - started
    caller.socket.close()
    return measured


def call(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def endless(requests: Iterable[bytes]) -> Iterator[bytes]:
    """The same requests over and over."""
    return itertools.cycle(list(requests))
