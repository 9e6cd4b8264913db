"""How endpoints are described: the error shape, and every code each of them can answer with."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from backend.errors import DomainError, NotFound, TooLarge


class ProblemSerializer(serializers.Serializer[Any]):
    """An error: a stable code, a message for the reader, and what it is about."""

    code = serializers.CharField()
    message = serializers.CharField()
    detail = serializers.DictField(required=False, help_text="Facts that go with the code.")

    def get_fields(self) -> dict[str, Any]:
        """`fields` can't be declared: a serializer has an attribute of that name."""
        what = serializers.DictField(required=False, help_text="Per field, what is wrong with it.")
        return {**super().get_fields(), "fields": what}


class _Common(DomainError):
    """What the framework refuses, described like our own."""


def _common(code: str, status: int) -> type[DomainError]:
    return type(code, (_Common,), {"code": code, "status": status})


Invalid = _common("invalid", 400)
BadJson = _common("bad_json", 400)
NotSignedIn = _common("not_signed_in", 401)
MethodNotAllowed = _common("method_not_allowed", 405)
UnsupportedMediaType = _common("unsupported_media_type", 415)
TooManyRequests = _common("too_many_requests", 429)


def problems(*errors: type[DomainError]) -> dict[int, OpenApiResponse]:
    """The error answers of an endpoint by status, each with its codes as named examples."""
    by_status: dict[int, list[type[DomainError]]] = defaultdict(list)
    for error in errors:
        if error not in by_status[error.status]:
            by_status[error.status].append(error)
    return {
        status: OpenApiResponse(
            ProblemSerializer,
            description="、".join(f"`{error.code}`" for error in some),
            examples=[
                OpenApiExample(
                    error.code,
                    value={"code": error.code, "message": str(error.message)},
                    response_only=True,
                    status_codes=[str(status)],
                )
                for error in some
            ],
        )
        for status, some in sorted(by_status.items())
    }


APPID = OpenApiParameter(
    "X-WX-Appid",
    str,
    OpenApiParameter.HEADER,
    description="The mini program's appid: needed without a token where there are several shops.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Up to 64 characters of the client's choosing. The same key and body give the "
    "first answer again; another body is `idempotency_key_reused`.",
)
LANGUAGE = OpenApiParameter(
    "Accept-Language",
    str,
    OpenApiParameter.HEADER,
    description="`zh-CN` (default) or `en`: the language of messages.",
)


@functools.cache
def _examples() -> dict[str, dict[str, Any]]:
    """By operation, a `body` and an `answer`; see tests/examples.py."""
    file = Path(__file__).with_name("examples.json")
    kept: dict[str, dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return kept


class ShopSchema(AutoSchema):
    """Adds to every endpoint what the framework itself can answer."""

    def get_override_parameters(self) -> list[Any]:
        return [LANGUAGE]

    def get_summary(self) -> str:
        """The first sentence of what the endpoint says of itself: what the list of calls shows."""
        line = super().get_description().strip().partition("\n")[0]
        return super().get_summary() or line.partition(". ")[0].rstrip(".")

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> Any:
        """Here, because what `extend_schema` declares goes past `get_response_serializers`."""
        declared: Any = self.get_response_serializers()
        if not isinstance(declared, dict):
            declared = {200: declared}
        whole = _merged(declared, problems(*self._common_problems()))
        vars(self)["get_response_serializers"] = lambda: whole
        bodies: Any = super()._get_response_bodies(direction)
        for status, body in bodies.items():
            if status.startswith("2"):
                self._show(body, "answer")
        return bodies

    def _get_request_body(self, direction: Literal["request", "response"] = "request") -> Any:
        body: Any = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        self._show(body or {}, "body")
        return body

    def _show(self, body: dict[str, Any], which: str) -> None:
        """An example where the view names none: what the demo shop was sent, or answered."""
        kept = _examples().get(self.get_operation_id(), {})
        for media in body.get("content", {}).values():
            if "examples" not in media and which in kept:
                media["examples"] = {"DemoShop": {"value": kept[which]}}

    def _common_problems(self) -> list[type[DomainError]]:
        common: list[type[DomainError]] = [Invalid, MethodNotAllowed]
        if self.method in {"POST", "PUT", "PATCH"}:
            common += [BadJson, TooLarge, UnsupportedMediaType]
        if getattr(self.view, "signed_in", None) is not None:
            common.append(NotSignedIn)
        if "{" in self.path:
            common.append(NotFound)
        common += getattr(self.view, "problems", ())
        if self.view.throttle_classes:
            common.append(TooManyRequests)
        return common


def _merged(declared: dict[Any, Any], common: dict[int, OpenApiResponse]) -> dict[Any, Any]:
    merged: dict[Any, Any] = dict(declared)
    for status, response in common.items():
        own = merged.get(status)
        if own is None:
            merged[status] = response
        elif isinstance(own, OpenApiResponse):
            merged[status] = OpenApiResponse(
                ProblemSerializer,
                description=f"{own.description}、{response.description}",
                examples=[*own.examples, *response.examples],
            )
    return merged
