"""The access token of a mini program: one for all processes, fetched by one of them at a time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from django.core.cache import cache

from backend.encryption import CannotDecrypt, decrypt, encrypt
from backend.wechat.errors import Retry

RENEW_BEFORE = 300  # WeChat renews a stable token five minutes early; old and new then both work
SHORTEST_LIFE = 60
LOCK_SECONDS = 30  # longer than the slowest fetch, so that a killed process is not waited for long
WAIT_SECONDS = 5.0
LOOK_EVERY = 0.05


class AccessTokens:
    """Where a mini program's token is kept (Redis, encrypted) and how a new one is had."""

    def __init__(self, appid: str, fetch: Callable[[], tuple[str, int]]) -> None:
        self._key = f"wechat:access-token:{appid}"
        self._fetch = fetch

    def current(self) -> str:
        """The token to use now.

        Raises: Retry when another process fetches it for too long, and what fetching raises.
        """
        token = self._kept()
        if token:
            return token
        give_up = time.monotonic() + WAIT_SECONDS
        me = secrets.token_hex(8)
        while not cache.add(f"{self._key}:lock", me, LOCK_SECONDS):
            if time.monotonic() > give_up:
                raise Retry("token_busy", "another process is fetching the access token")
            time.sleep(LOOK_EVERY)
            token = self._kept()
            if token:
                return token
        try:
            return self._kept() or self._renew()  # someone may have fetched it just before
        finally:
            if cache.get(f"{self._key}:lock") == me:
                cache.delete(f"{self._key}:lock")

    def drop(self, token: str) -> None:
        """Forget this token, unless another process has put a new one in its place."""
        if self._kept() == token:
            cache.delete(self._key)

    def _renew(self) -> str:
        token, lives = self._fetch()
        cache.set(self._key, encrypt(token), max(SHORTEST_LIFE, lives - RENEW_BEFORE))
        return token

    def _kept(self) -> str:
        try:
            return decrypt(cache.get(self._key) or "")
        except CannotDecrypt:
            return ""
