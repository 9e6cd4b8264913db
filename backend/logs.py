"""What the shop writes down as it works: one line an event, by request id, without secrets.

A request id comes with the request or is made, is answered in `X-Request-ID`, and follows into
every task the request queues. Access lines have the path and never the query string.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from pythonjsonlogger.orjson import OrjsonFormatter

from backend import metrics

log = logging.getLogger("backend.request")

request_id: ContextVar[str] = ContextVar("request_id", default="")

SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
# People, wherever a message or a traceback may quote them: a mobile number, an openid, and what
# PostgreSQL adds to a broken unique constraint.
PEOPLE: Final = re.compile(
    r"(?<!\d)(?:\+?86)?1[3-9]\d{9}(?!\d)|(?<![\w-])o[\w-]{27}(?![\w-])|(?<=DETAIL:  ).*"
)
HIDDEN: Final = "***"


def scrub(text: str) -> str:
    """The text without the phones, openids and row values in it."""
    return PEOPLE.sub(HIDDEN, text)


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


class NotAProbe(logging.Filter):
    """Whoever asks /readyz reads its answer; Django need not call an honest 503 an error."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(getattr(record, "request", None), "path", "") != "/readyz"


class TextFormatter(logging.Formatter):
    """For people: time, level, name, message, and the request it belongs to."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        text = scrub(super().format(record))
        known = getattr(record, "request_id", "")
        return f"{text} [{known}]" if known else text


class ScrubbingJsonFormatter(OrjsonFormatter):
    """For machines: the same as one JSON object a line."""

    def __init__(self) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}{request_id}",
            style="{",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
        )

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))


def config(log_format: str, level: str) -> dict[str, Any]:
    """What settings.LOGGING holds."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": RequestIdFilter},
            "not_a_probe": {"()": NotAProbe},
        },
        "formatters": {
            "text": {"()": TextFormatter},
            "json": {"()": ScrubbingJsonFormatter},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["request_id"],
            },
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django would mail and repeat what the access line says.
            "django": {"level": "INFO", "handlers": [], "propagate": True},
            "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
            "django.request": {"level": "ERROR", "filters": ["not_a_probe"]},
            # It logs whole requests, keys included, at DEBUG.
            "wechatpy": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            "jieba": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


GetResponse = Callable[[HttpRequest], HttpResponseBase]


def request_log(get_response: GetResponse) -> GetResponse:
    """Middleware: give the request its id, and write one line and one measurement about it."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        asked = request.META.get("HTTP_X_REQUEST_ID", "")
        name = asked if SANE_ID.fullmatch(asked) else secrets.token_hex(8)
        token = request_id.set(name)
        started = time.perf_counter()
        try:
            response = get_response(request)
            seconds = time.perf_counter() - started
            response["X-Request-ID"] = name
            match = request.resolver_match
            route = match.route if match else "unknown"
            metrics.request_answered(request.method, route, response.status_code, seconds)
            # What a token in an address opens is its bearer's alone.
            secret = str(match.kwargs.get("token", "")) if match else ""
            path = request.path.replace(secret, "***") if secret else request.path
            log.info(
                "%s %s %s %.0f ms",
                request.method,
                path,
                response.status_code,
                seconds * 1000,
                extra={
                    "method": request.method,
                    "path": path,
                    "status": response.status_code,
                    "ms": round(seconds * 1000, 1),
                },
            )
        finally:
            request_id.reset(token)
        return response

    return middleware
