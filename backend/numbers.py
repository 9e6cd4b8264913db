"""Numbers people and WeChat see: unique by how they are made, telling nobody how much is sold."""

import secrets

from django.utils import timezone


def new_number(prefix: str = "") -> str:
    """A number of `prefix` and 24 digits: the local second, then twelve random ones."""
    return f"{prefix}{timezone.localtime():%y%m%d%H%M%S}{secrets.randbelow(10**12):012d}"
