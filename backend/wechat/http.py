"""How we speak HTTP to WeChat: time limits, which authority to believe, connections kept alive."""

from __future__ import annotations

import http.cookiejar
import os
import ssl
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

TIMEOUT = (3, 10)  # seconds to connect, seconds to wait for an answer

# What a call may raise besides its own answer: requests does not wrap all of urllib3 and ssl.
NO_ANSWER = (requests.RequestException, HTTPError, OSError)


class BadCertificate(Exception):
    """The merchant's certificate and private key can't be used together."""


def options() -> dict[str, Any]:
    """What every call is made with; passed each time, so no environment variable overrides it."""
    return {
        "timeout": TIMEOUT,
        "verify": settings.WECHAT_CA_BUNDLE or True,
        "allow_redirects": False,
    }


def base_url(written: str) -> str:
    """A base URL of the settings, with the slash that wechatpy expects."""
    return written.rstrip("/") + "/"


def session_for(url: str, cert_pem: str = "", key_pem: str = "") -> requests.Session:
    """The session whose connections calls to this place share, with its client certificate.

    Raises: BadCertificate when the two PEM texts do not fit.
    """
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    secure = parts.scheme == "https"
    return _session(local, cert_pem if secure else "", key_pem if secure else "")


class Engaged(requests.ConnectionError):
    """As many calls as may be under way are."""


LINE_WAIT: Final = 0.1  # seconds


@lru_cache(maxsize=1)
def _lines() -> threading.BoundedSemaphore:
    """Half of a process's threads may wait for WeChat, so that its silence doesn't silence us."""
    return threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


class _Session(requests.Session):
    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        lines = _lines()
        if not lines.acquire(timeout=LINE_WAIT):
            raise Engaged
        try:
            return super().send(request, **kwargs)
        finally:
            lines.release()


@lru_cache(maxsize=256)
def _session(local: bool, cert_pem: str, key_pem: str) -> requests.Session:  # noqa: FBT001
    session = _Session()
    session.trust_env = not local  # a proxy of the environment has no business on loopback
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    if cert_pem and key_pem:
        session.mount("https://", _CertificateAdapter(_context(cert_pem, key_pem)))
    return session


# Two processes must not share a socket, nor the count of their calls.
os.register_at_fork(after_in_child=_session.cache_clear)
os.register_at_fork(after_in_child=_lines.cache_clear)


class _CertificateAdapter(HTTPAdapter):
    """An adapter whose connections show the client certificate held in an SSL context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, ssl_context=self._context, **kwargs)


def _context(cert_pem: str, key_pem: str) -> ssl.SSLContext:
    """A context with the certificate loaded; the file that OpenSSL insists on is gone again."""
    context = create_urllib3_context()
    handle, name = tempfile.mkstemp(prefix="wechat-", suffix=".pem")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{cert_pem.strip()}\n{key_pem.strip()}\n")
        # An encrypted key must not make OpenSSL ask the terminal for a password.
        context.load_cert_chain(name, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, UnicodeError a ValueError
        reason = getattr(error, "reason", None) or type(error).__name__
    else:
        return context
    finally:
        Path(name).unlink()
    raise BadCertificate(str(reason))
