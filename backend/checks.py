"""What a production may not have. Every fault is one line that says what to set."""

import base64
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from backend import embedded

LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0", ""}  # noqa: S104
WELL_KNOWN_SECRETS = ("changeme", "change-me", "secret", "insecure", "example", "default")


def faults(settings: Mapping[str, Any]) -> list[str]:
    """Everything that keeps this configuration from being a production, all at once."""
    found = []
    secret = settings["SECRET_KEY"]
    if not secret:
        found.append("SECRET_KEY is not set: set it to at least 50 random characters.")
    elif len(secret) < 50 or any(word in secret.lower() for word in WELL_KNOWN_SECRETS):
        found.append("SECRET_KEY is short or well known: set it to at least 50 random characters.")
    if settings["DEBUG"]:
        found.append("DEBUG is on: unset it; a production shows no tracebacks.")
    if not settings["ALLOWED_HOSTS"]:
        found.append("ALLOWED_HOSTS is empty: set it to the names this shop is reached by.")
    elif "*" in settings["ALLOWED_HOSTS"]:
        found.append("ALLOWED_HOSTS is open to every name: set it to this shop's own names.")
    if not settings["ENCRYPTION_KEYS"]:
        found.append(
            "ENCRYPTION_KEYS is not set: set it to a Fernet key (32 random bytes in base64)."
        )
    elif not all(_is_fernet_key(key) for key in settings["ENCRYPTION_KEYS"]):
        found.append(
            "ENCRYPTION_KEYS has an entry that is no Fernet key: each is 32 random bytes in base64."
        )
    found += [
        f"{name} is not set: set it to {what}."
        for name, what in (
            ("DATABASE_URL", "postgresql://user:password@host:5432/database"),
            ("REDIS_URL", "redis://host:6379/0"),
        )
        if not settings[name]
    ]
    public = urlsplit(settings["PUBLIC_BASE_URL"])
    if public.scheme != "https" or (public.hostname or "") in LOOPBACK:
        found.append(
            "PUBLIC_BASE_URL is not a public https address: set it to where WeChat reaches us."
        )
    for name, real in (
        ("WECHAT_API_BASE_URL", "https://api.weixin.qq.com/"),
        ("WECHAT_PAY_BASE_URL", "https://api.mch.weixin.qq.com/"),
    ):
        url = urlsplit(settings[name])
        if url.scheme != "https" or not (url.hostname or "").endswith(".weixin.qq.com"):
            found.append(f"{name} is a sandbox or not https: unset it, or set it to {real}.")
    return found


def _is_fernet_key(key: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(key)) == 32
    except ValueError:
        return False


def kept_secret(path: Path) -> str:
    """The secret in this file, made at the first call. For development and tests only.

    Raises: ImproperlyConfigured when the folder can't be read and written.
    """
    try:
        embedded.prepare_data_dir(path.parent)
        return _first_secret(path)
    except (OSError, embedded.EmbeddedError) as error:
        raise ImproperlyConfigured(str(error)) from None


def _first_secret(path: Path) -> str:
    """Two processes may come at once: the file appears whole, and the first one wins."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_bytes(Fernet.generate_key())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()
