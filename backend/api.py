"""What every endpoint shares: JSON in and out, one shape of error, one shape of list."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import functools
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import IO, Any, ClassVar

import orjson
from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError
from rest_framework import exceptions, serializers
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from backend import redis
from backend.errors import BadCursor as BadCursor
from backend.errors import DomainError
from backend.errors import KeyReused as KeyReused
from backend.errors import NotFound as NotFound
from backend.errors import TooLarge as TooLarge
from backend.schema import ShopSchema

log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
PAGE_SIZE = 20


def _plain(value: Any) -> Any:
    """What orjson doesn't know: lazy texts, coordinates, and times in the shop's own zone."""
    if isinstance(value, dt.datetime):
        zone = timezone.get_default_timezone()
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if data is None:
            return b""
        options = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
        return orjson.dumps(data, default=_plain, option=options)


class JsonParser(BaseParser):
    """JSON of a sane size. Bad bytes, deep nesting and lone surrogates are `bad_json`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise TooLarge
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise exceptions.ParseError(str(_("The body is not JSON."))) from error


class ApiView(APIView):
    """The base of every endpoint; `shop.login` adds who is asking."""

    renderer_classes = (JsonRenderer,)
    parser_classes: Any = (JsonParser,)
    schema = ShopSchema()

    def perform_content_negotiation(
        self,
        request: Any,
        force: bool = False,  # noqa: FBT001, FBT002
    ) -> tuple[Any, str]:
        """There is one format, whatever `Accept` says."""
        renderer = JsonRenderer()
        return renderer, renderer.media_type

    def head(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        handler = getattr(self, "get", None) or self.http_method_not_allowed
        answer: HttpResponse = handler(request, *args, **kwargs)
        return answer


# One code for each thing the framework itself refuses.
_FRAMEWORK_CODES: dict[type[exceptions.APIException], tuple[str, Any]] = {
    exceptions.ParseError: ("bad_json", _("The body is not JSON.")),
    exceptions.NotAuthenticated: ("not_signed_in", _("Please sign in.")),
    exceptions.AuthenticationFailed: ("not_signed_in", _("Please sign in again.")),
    exceptions.PermissionDenied: ("forbidden", _("You may not do this.")),
    exceptions.NotFound: (NotFound.code, NotFound.message),
    exceptions.MethodNotAllowed: ("method_not_allowed", _("This address doesn't do that.")),
    exceptions.UnsupportedMediaType: ("unsupported_media_type", _("Send JSON.")),
    exceptions.Throttled: ("too_many_requests", _("Too many requests. Try again shortly.")),
}


def problem(
    code: str,
    message: Any,
    *,
    status: int,
    fields: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The one shape of an error."""
    body: dict[str, Any] = {"code": code, "message": str(message)}
    if fields:
        body["fields"] = fields
    if detail:
        body["detail"] = detail
    return Response(body, status=status, headers=dict(headers or {}))


def handle_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn whatever a view raised into the error's JSON; None leaves it to Django as a 500.

    What the view wrote before it raised is undone where requests are atomic.
    """
    if isinstance(error, DomainError):
        _undo()
        return problem(
            error.code, error.message, status=error.status, fields=error.fields, detail=error.detail
        )
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        return problem(TooLarge.code, TooLarge.message, status=413)
    elif isinstance(error, BadRequest):
        error = exceptions.ParseError()
    if not isinstance(error, exceptions.APIException):
        return None
    _undo()
    if isinstance(error, serializers.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"": error.detail}
        message = _("Please check what you entered.")
        return problem("invalid", message, status=400, fields=fields)
    for kind, (code, message) in _FRAMEWORK_CODES.items():
        if isinstance(error, kind):
            headers: dict[str, str] = {}
            if wait := getattr(error, "wait", None):
                headers["Retry-After"] = str(max(1, int(wait)))
            if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
                headers["WWW-Authenticate"] = "Bearer"
            return problem(code, message, status=error.status_code, headers=headers)
    return problem("refused", error.detail, status=error.status_code)


def _undo() -> None:
    connection = transaction.get_connection()
    if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
        transaction.set_rollback(True)


def server_error(request: HttpRequest) -> HttpResponse:
    """The answer to a fault of ours: nothing of the inside, only what to quote to us."""
    message = translate("Something went wrong on our side. Please try again.")
    request_id = getattr(request, "request_id", "")
    body = {"code": "server_error", "message": message, "detail": {"request_id": request_id}}
    return JsonResponse(body, status=500)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No such address, in the shape of every other error."""
    return JsonResponse({"code": NotFound.code, "message": str(NotFound.message)}, status=404)


def encode_cursor(values: Sequence[int | str]) -> str:
    """An opaque mark of the last row of a page: the values its list is sorted by."""
    return base64.urlsafe_b64encode(orjson.dumps(list(values))).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The values in a cursor of ours.

    Raises: BadCursor when it isn't, or is of another list.
    """
    try:
        values: Any = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error) as error:
        raise BadCursor from error
    fits = (
        isinstance(values, list)
        and len(values) == len(kinds)
        and all(type(value) is kind for value, kind in zip(values, kinds, strict=True))
        and all(abs(value) < 2**63 for value in values if isinstance(value, int))
    )
    if not fits:
        raise BadCursor
    return list(values)


def listing(
    rows: list[dict[str, Any]], key: tuple[str, ...], *, size: int = PAGE_SIZE
) -> dict[str, Any]:
    """A page out of `size + 1` rows: the results, and the cursor of the next page or None."""
    results, more = rows[:size], len(rows) > size
    following = encode_cursor([results[-1][name] for name in key]) if more else None
    return {"results": results, "next": following}


Form = type[serializers.Serializer[Any]]


@functools.cache
def _kept(form: Form, *, partial: bool) -> serializers.Serializer[Any]:
    return form(partial=partial)


def checked(form: Form, given: Any, *, partial: bool = False) -> dict[str, Any]:
    """What a request says, by its form. The form is built once: checking keeps nothing in it.

    Raises: ValidationError, by field.
    """
    values: dict[str, Any] = _kept(form, partial=partial).run_validation(given)
    return values


def idempotency_key(request: Any) -> str | None:
    """The request's Idempotency-Key, if it has one.

    Raises: ValidationError for one that is longer than 64 characters, or not of ASCII.
    """
    key: str = request.META.get("HTTP_IDEMPOTENCY_KEY", "").strip()
    if len(key) > 64 or not key.isascii() or not key.isprintable():
        message = str(_("Up to 64 visible ASCII characters."))
        raise serializers.ValidationError({"Idempotency-Key": [message]})
    return key or None


def client_ip(request: Any) -> str:
    """The caller's address: of as many forwarding hops as are ours, the first one's word."""
    hops: int = settings.TRUSTED_PROXIES
    if hops:
        chain = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if chain[-hops:] and chain[-hops:][0]:
            return str(chain[-hops:][0])
    return str(request.META.get("REMOTE_ADDR") or "127.0.0.1")


class Rate(BaseThrottle):
    """At most so many calls in so many seconds, counted in Redis.

    Without Redis it lets calls through: a shop that sells beats a limit that holds.
    """

    scope: ClassVar[str]
    limit: ClassVar[int]
    seconds: ClassVar[int]

    def who(self, request: Any) -> str | None:
        """What is counted together; None counts nothing. Here: the customer, else the address."""
        customer = getattr(request.user, "pk", None)
        return f"customer:{customer}" if customer else f"address:{client_ip(request)}"

    def allow_request(self, request: Any, view: Any) -> bool:
        who = self.who(request)
        return who is None or self.allows(who)

    def allows(self, who: str) -> bool:
        """Count one call of `who`: is it within the limit?"""
        try:
            return redis.count(f"rate:{self.scope}:{who}", self.seconds) <= self.limit
        except (OSError, RedisError) as error:
            log.warning("rate limit skipped: %s", type(error).__name__)
            return True

    def wait(self) -> float:
        return float(self.seconds)
