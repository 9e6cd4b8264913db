"""The connection as settings.DATABASES names it.

Django asks a kept connection `SELECT 1` before its first query of a request; that question is a
fifth of the time of a short request. A server that went away has closed its end of the socket,
which can be seen here without asking; only a connection that was quiet for long is asked, because
a firewall between may have forgotten it.
"""

from __future__ import annotations

import select
import time
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

QUIET_SECONDS: Final = 30.0


class DatabaseWrapper(base.DatabaseWrapper):
    looked_at = 0.0
    health_check_enabled: bool
    health_check_done: bool

    def init_connection_state(self) -> None:
        """Refuse a server that isolates more than we are written for: there a rush would fail with
        conflicts of serialization where here one waits for the other. Asked once a connection.

        Raises: ImproperlyConfigured.
        """
        super().init_connection_state()
        (level,) = self.connection.execute("SHOW default_transaction_isolation").fetchone()
        if not self.get_autocommit():
            self.connection.commit()
        if level != "read committed":
            raise ImproperlyConfigured(
                f"The database's default_transaction_isolation is {level!r}: set it back to"
                " 'read committed' for this role and database."
            )

    def close_if_health_check_failed(self) -> None:
        """Close a connection whose server is gone, so that the next query opens another."""
        if self.connection is None or not self.health_check_enabled or self.health_check_done:
            return
        now = time.monotonic()
        lately = now - self.looked_at < QUIET_SECONDS
        self.looked_at = now
        if lately and not self._has_something_to_say():
            self.health_check_done = True
            return
        super().close_if_health_check_failed()

    def _has_something_to_say(self) -> bool:
        """Whether bytes, or the stream's end, wait to be read; between queries nothing should."""
        connection = self.connection
        if connection.closed:
            return True
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        return bool(waiting.poll(0))
