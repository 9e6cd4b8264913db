"""Redis itself, for what the cache has no word for: counts, hashes, lists and a heartbeat."""

from __future__ import annotations

from functools import cache
from typing import Final

import redis
from django.conf import settings
from redis.commands.core import Script

# The first to count sets when it ends, in the same breath: a count without an end never would.
_COUNT: Final = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n
"""


@cache
def client() -> redis.Redis:
    """One client a process, safe among threads. Short timeouts: nobody waits for Redis."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1, decode_responses=True
    )


@cache
def _count() -> Script:
    return client().register_script(_COUNT)


def count(key: str, seconds: int) -> int:
    """Add one to a count that begins anew `seconds` after its first; what it stands at now."""
    return int(_count()(keys=[key], args=[seconds]))
