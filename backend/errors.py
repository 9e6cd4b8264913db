"""What the rules raise when they say no; `backend.api` turns it into the JSON error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class DomainError(Exception):
    """A rule refused. Each app subclasses it next to the rule, with `code`, `status`, message.

    `code` is the API's vocabulary and never changes; `message` is for the reader, in their
    language; `note`, the positional argument, is for the log and never leaves the house.
    """

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    message: str | _StrPromise = _("This is not possible.")

    def __init__(
        self,
        note: str = "",
        *,
        message: str | _StrPromise | None = None,
        detail: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(note or self.code)
        self.note = note
        if message is not None:
            self.message = message
        self.detail = dict(detail) if detail is not None else None
        self.fields = dict(fields) if fields is not None else None


class NotFound(DomainError):
    code = "not_found"
    status = 404
    message = _("There is nothing here.")


class BadCursor(DomainError):
    code = "bad_cursor"
    status = 400
    message = _("This cursor is not one of ours. Start from the first page.")


class KeyReused(DomainError):
    """A key that stands for one request was sent with another."""

    code = "idempotency_key_reused"
    message = _("This Idempotency-Key was used for something else.")


class TooLarge(DomainError):
    code = "too_large"
    status = 413
    message = _("That is more than we take at once.")
