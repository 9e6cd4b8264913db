"""Numbers people and WeChat see: unique by how they are made, telling nobody how much is sold."""

import secrets
from typing import Final

from django.utils import timezone

_LETTERS: Final = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LETTER_OF: Final = bytes(_LETTERS[byte % 32] for byte in range(256))


def new_number(prefix: str = "") -> str:
    """A number of `prefix` and 24 digits: the local second, then twelve random ones."""
    return f"{prefix}{timezone.localtime():%y%m%d%H%M%S}{secrets.randbelow(10**12):012d}"


def new_code(length: int = 16) -> str:
    """A code nobody guesses: characters that aren't mistaken for one another, 5 bits each."""
    return secrets.token_bytes(length).translate(_LETTER_OF).decode()
