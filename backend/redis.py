"""Redis itself, for what the cache has no word for: hashes, lists and a heartbeat."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings


@cache
def client() -> redis.Redis:
    """One client a process, safe among threads. Short timeouts: nobody waits for Redis."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1, decode_responses=True
    )
