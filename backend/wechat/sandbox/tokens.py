"""Access tokens of the open platform: the stable kind, and the kind each call replaces."""

import secrets
from dataclasses import dataclass
from typing import Final

from . import clock
from .store import Store

LIFE: Final = 7200
OVERLAP: Final = 300  # seconds two tokens of one kind are good side by side
FORCED_A_DAY: Final = 20
FORCED_APART: Final = 30


@dataclass
class Token:
    """Good until `expires_at`."""

    text: str
    appid: str
    kind: str  # stable or plain
    expires_at: float
    revoked: bool = False


class Tokens:
    """Every token. All calls are made under the world's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: dict[str, Token] = {}
        self._latest: dict[tuple[str, str], Token] = {}
        self._forced: dict[str, list[float]] = {}
        for row in store.load("token"):
            token = Token(**row)
            if token.expires_at < clock.now():
                store.delete("token", token.text)
            else:
                self._keep(token)

    def _keep(self, token: Token) -> None:
        self._all[token.text] = token
        latest = self._latest.get((token.appid, token.kind))
        if latest is None or latest.expires_at <= token.expires_at:
            self._latest[token.appid, token.kind] = token
        self._store.save("token", token.text, vars(token))

    def _new(self, appid: str, kind: str) -> Token:
        text = "9" + secrets.choice("0123456789") + "_" + secrets.token_urlsafe(96)
        token = Token(text, appid, kind, clock.now() + LIFE)
        self._keep(token)
        return token

    def stable(self, appid: str, *, force: bool) -> Token:
        """The same token until five minutes before its end; a new one when forced, in limits."""
        now = clock.now()
        token = self._latest.get((appid, "stable"))
        if force and token is not None and not token.revoked:
            forced = [at for at in self._forced.get(appid, []) if now - at < 86400]
            self._forced[appid] = forced
            if len(forced) < FORCED_A_DAY and (not forced or now - forced[-1] >= FORCED_APART):
                forced.append(now)
                self._revoke(token)
        if token is None or token.revoked or token.expires_at - now < OVERLAP:
            return self._new(appid, "stable")
        return token

    def plain(self, appid: str) -> Token:
        """A new token; the one before it has five minutes left."""
        before = self._latest.get((appid, "plain"))
        if before is not None:
            before.expires_at = min(before.expires_at, clock.now() + OVERLAP)
            self._store.save("token", before.text, vars(before))
        return self._new(appid, "plain")

    def _revoke(self, token: Token) -> None:
        token.revoked = True
        self._store.save("token", token.text, vars(token))

    def revoke_all(self, appid: str) -> None:
        """No token of this mini program is good any more."""
        for token in self._all.values():
            if token.appid == appid and not token.revoked:
                self._revoke(token)

    def find(self, text: str) -> Token | None:
        return self._all.get(text)
