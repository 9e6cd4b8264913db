"""Sessions, forms and frames are for people at the desk: a program's request passes them by."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.middleware import clickjacking

PROGRAMS: Final = ("/api/v1/", "/webhooks/")


class _ForPeople:
    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(PROGRAMS):
            return self.get_response(request)  # type: ignore[attr-defined]
        return super().__call__(request)  # type: ignore[misc]


class Sessions(_ForPeople, sessions.SessionMiddleware):
    pass


class Authentication(_ForPeople, auth.AuthenticationMiddleware):
    pass


class Messages(_ForPeople, messages.MessageMiddleware):
    pass


class Frames(_ForPeople, clickjacking.XFrameOptionsMiddleware):
    pass
