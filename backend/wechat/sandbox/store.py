"""Where the sandbox remembers: one SQLite file of small documents, or nothing at all."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Store:
    """Documents by kind and key, written through at once; kept in memory by those who own them.

    Every call is made under the world's lock. A write costs some tens of microseconds: the log is
    not synced, so a killed process loses nothing and a power cut may.
    """

    def __init__(self, folder: Path | None) -> None:
        self._db: sqlite3.Connection | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "sandbox.sqlite3"
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS document "
            "(kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key))"
        )

    def load(self, kind: str) -> list[dict[str, Any]]:
        """Every document of a kind, in the order they were first written."""
        if self._db is None:
            return []
        rows = self._db.execute("SELECT body FROM document WHERE kind = ? ORDER BY rowid", (kind,))
        return [json.loads(body) for (body,) in rows]

    def save(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """The document is what a restart will find."""
        if self._db is None:
            return
        self._db.execute(
            "INSERT INTO document VALUES (?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(document, ensure_ascii=False)),
        )

    def delete(self, kind: str, key: str) -> None:
        """A restart will not find it."""
        if self._db is not None:
            self._db.execute("DELETE FROM document WHERE kind = ? AND key = ?", (kind, key))

    def close(self) -> None:
        """Nothing more is written."""
        if self._db is not None:
            self._db.close()
            self._db = None
