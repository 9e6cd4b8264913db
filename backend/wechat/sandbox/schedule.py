"""Things to do later, in order, on one thread; and hands to do the slow ones."""

import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Final

HANDS: Final = 16
log = logging.getLogger("sandbox")
Job = Callable[[], None]


class Schedule:
    """Runs each job on a worker once its time has come. A restart starts empty."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Job]] = []
        self._count = itertools.count()
        self._wake = threading.Condition()
        self._ready: queue.SimpleQueue[Job] = queue.SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._watch, name="schedule", daemon=True).start()
        for number in range(HANDS):
            threading.Thread(target=self._work, name=f"hand-{number}", daemon=True).start()

    def after(self, seconds: float, job: Job) -> None:
        """The job runs in so many seconds, or at once."""
        if seconds <= 0:
            self._ready.put(job)
            return
        with self._wake:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._count), job))
            self._wake.notify()

    def _watch(self) -> None:
        while True:
            with self._wake:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._wake.wait(wait)
                    continue
                _, _, job = heapq.heappop(self._due)
            self._ready.put(job)

    def _work(self) -> None:
        while True:
            job = self._ready.get()
            try:
                job()
            except Exception:
                log.exception("a scheduled job failed")
