"""News to merchants, again and again until it is answered with SUCCESS."""

import http.client
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from . import clock
from .faults import Fault, Faults, is_fault
from .refunds import Refund
from .rules import Rules
from .schedule import Schedule
from .store import Store
from .trades import Trade
from .wire import ReturnFail, parse_xml

MINUTE: Final = 60
HOUR: Final = 3600
# WeChat's: 15s/15s/30s/3m/10m/20m/30m/30m/30m/60m/3h/3h/3h/6h/6h, 24h4m in all.
WAITS: Final = (
    *(15, 15, 30, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    *(30 * MINUTE, 30 * MINUTE, 30 * MINUTE, HOUR),
    *(3 * HOUR, 3 * HOUR, 3 * HOUR, 6 * HOUR, 6 * HOUR),
)
# Of a voucher: every minute, eleven in all.
VOUCHER_WAITS: Final = (MINUTE,) * 10
PATIENCE: Final = 5.0  # seconds WeChat waits for an answer
ANSWER_KEPT: Final = 500
log = logging.getLogger("sandbox")


@dataclass
class Notice:
    """One piece of news and how often it was told."""

    kind: str  # payment_notification, refund_notification or voucher_notification
    about: str  # key of the trade, of the refund or of the coupon
    url: str
    where: dict[str, str]  # what a fault may ask for
    begun_at: float = field(default_factory=clock.now)
    attempts: int = 0
    due_at: float | None = None  # None: nothing more will be sent
    answered: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.about}"


Letter = tuple[bytes, Mapping[str, str]]  # body and headers
Compose = Callable[[Notice, Fault | None], Letter]


class PostOffice:
    """Sends what `compose` writes, on WeChat's schedule."""

    def __init__(
        self,
        store: Store,
        faults: Faults,
        schedule: Schedule,
        lock: AbstractContextManager[object],
    ) -> None:
        self._store = store
        self._faults = faults
        self._schedule = schedule
        self._lock = lock
        self.rules = Rules()
        self.compose: Compose
        self.all = {n.key: n for n in (Notice(**row) for row in store.load("notice"))}

    def payment(self, trade: Trade) -> None:
        """The merchant will hear that the trade was paid."""
        where = {"appid": trade.appid, "mch_id": trade.mch_id, "out_trade_no": trade.out_trade_no}
        url = trade.request["notify_url"]
        self._begin(Notice("payment_notification", trade.key, url, where))

    def refund(self, trade: Trade, refund: Refund) -> None:
        """The merchant will hear how the refund ended."""
        where = {"appid": trade.appid, "mch_id": trade.mch_id, "out_trade_no": trade.out_trade_no}
        where["out_refund_no"] = refund.out_refund_no
        self._begin(Notice("refund_notification", refund.key, refund.notify_url, where))

    def voucher(self, mch_id: str, key: str, url: str) -> None:
        """The merchant will hear that a coupon was sent."""
        self._begin(Notice("voucher_notification", key, url, {"mch_id": mch_id}))

    def _begin(self, notice: Notice) -> None:
        notice.due_at = clock.now()
        self._schedule.after(0, lambda: self.attempt(notice))
        self._save(notice)

    def _save(self, notice: Notice) -> None:
        self.all[notice.key] = notice
        self._store.save("notice", notice.key, vars(notice))

    def resume(self) -> None:
        """What a restart interrupted goes on."""
        for notice in self.all.values():
            if notice.due_at is not None:
                wait = max(notice.due_at - clock.now(), 0)
                self._schedule.after(wait, lambda notice=notice: self.attempt(notice))  # type: ignore[misc]

    def attempt(self, notice: Notice) -> None:
        """The news is told once more; unanswered, it will be told again later."""
        with self._lock:
            notice.attempts += 1
            number = notice.attempts
            fault = self._faults.take(notice.kind, notice.where, begun_at=notice.begun_at)
            if is_fault(fault, "lost"):
                notice.due_at = None
                notice.sent.append(_record(number, "lost", 0, "never sent"))
                self._save(notice)
                return
            letter = self.compose(notice, fault)
        name = fault.fault if fault is not None else ""
        if fault is not None and fault.is_one_of("concurrent"):
            for _ in range(fault.copies - 1):
                self._schedule.after(0, lambda: self._copy(notice, letter, number, name))
        elif fault is not None and fault.is_one_of("double"):
            for _ in range(fault.copies - 1):
                self._deliver(notice, letter, number, name)
        answered = self._deliver(notice, letter, number, name)
        with self._lock:
            notice.answered = notice.answered or answered
            notice.due_at = None
            waits = VOUCHER_WAITS if notice.kind == "voucher_notification" else WAITS
            if not notice.answered and number <= len(waits):
                wait = self.rules.wait(waits[number - 1])
                notice.due_at = clock.now() + wait
                self._schedule.after(wait, lambda: self.attempt(notice))
            self._save(notice)

    def _copy(self, notice: Notice, letter: Letter, number: int, fault: str) -> None:
        """A copy arrives beside the others, by another of WeChat's servers."""
        if self._deliver(notice, letter, number, fault):
            with self._lock:
                notice.answered = True
                self._save(notice)

    def _deliver(self, notice: Notice, letter: Letter, number: int, fault: str) -> bool:
        """One copy is posted and the answer recorded; whether it was taken in."""
        status, answer = post(notice.url, *letter)
        log.info("%s %s #%s -> HTTP %s", notice.kind, notice.about, number, status)
        with self._lock:
            notice.sent.append(_record(number, fault, status, answer[:ANSWER_KEPT]))
            self._save(notice)
        if notice.kind == "voucher_notification":  # API v3 goes by the status alone
            return status in (200, 204)
        return status == 200 and _says_success(answer)


def _record(number: int, fault: str, status: int, answer: str) -> dict[str, Any]:
    at = clock.iso(clock.now())
    record = {"at": at, "attempt": number, "http_status": status, "answer": answer}
    return record | ({"fault": fault} if fault else {})


def _says_success(answer: str) -> bool:
    try:
        return parse_xml(answer.encode()).get("return_code", "").strip() == "SUCCESS"
    except ReturnFail:
        return False


def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    """Status and text of the answer; status 0 and the reason when there was none."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = {"User-Agent": "Mozilla/4.0"}
        connection.request("POST", parts.path or "/", body, {**head, **headers})
        response = connection.getresponse()
        return response.status, response.read(65536).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
