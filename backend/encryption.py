"""Secrets at rest: encrypted with a rotatable key, never shown again, never searched.

`settings.ENCRYPTION_KEYS` is a list of Fernet keys; the first encrypts, every one decrypts. To
rotate: put a new key first, run `manage.py rotate_encryption`, then take the old key away.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django import forms
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.lookups import Lookup, Transform

    _TextFieldBase = models.TextField[str, str]
else:
    _TextFieldBase = models.TextField


class CannotDecrypt(Exception):
    """The stored value was encrypted with a key that ENCRYPTION_KEYS no longer holds."""


class Secret(str):
    """Text that does not print itself in a traceback, a log of a repr, or a debug page."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _keys() -> MultiFernet:
    return _fernet(tuple(settings.ENCRYPTION_KEYS))


def encrypt(text: str) -> str:
    """The token to store for a secret. Nothing stays nothing."""
    return _keys().encrypt(text.encode()).decode("ascii") if text else ""


def decrypt(token: str) -> Secret:
    """The secret in a stored token.

    Raises: CannotDecrypt when no key fits.
    """
    if not token:
        return Secret()
    try:
        return Secret(_keys().decrypt(token.encode()).decode())
    except (InvalidToken, UnicodeError):
        raise CannotDecrypt("no key of ENCRYPTION_KEYS fits a stored secret") from None


def rotate(token: str) -> str:
    """The same secret in a new token of the first key; its time stamp stays.

    Raises: CannotDecrypt when no key fits.
    """
    if not token:
        return ""
    try:
        return _keys().rotate(token.encode()).decode("ascii")
    except (InvalidToken, UnicodeError):
        raise CannotDecrypt("no key of ENCRYPTION_KEYS fits a stored secret") from None


def is_current(token: str) -> bool:
    """Whether the first key opens a stored token: then `rotate` has nothing to do."""
    try:
        _fernet(tuple(settings.ENCRYPTION_KEYS[:1])).decrypt(token.encode())
    except (InvalidToken, UnicodeError):
        return False
    return True


class SecretInput(forms.Textarea):
    """A box that takes a secret (a PEM has lines) and never writes one into the page."""

    def format_value(self, value: Any) -> str:
        return ""


class EncryptedTextField(_TextFieldBase):
    """Text that is encrypted in the database and reads back as `Secret`.

    A form shows an empty box and, left empty, keeps what is stored. Fixtures leave the
    value out. Only `isnull` may be asked in a query.
    """

    description = "Text, encrypted at rest"

    def from_db_value(
        self, value: str | None, expression: object, connection: BaseDatabaseWrapper
    ) -> Secret | None:
        return None if value is None else decrypt(value)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value) if isinstance(value, str) else value

    def get_lookup(self, lookup_name: str) -> type[Lookup[Any]] | None:
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is encrypted: {lookup_name} can't be asked of it")

    def get_transform(self, lookup_name: str) -> type[Transform] | None:
        raise FieldError(f"{self.name} is encrypted: {lookup_name} can't be asked of it")

    def value_from_object(self, obj: models.Model) -> str:
        return ""

    def value_to_string(self, obj: models.Model) -> str:
        return ""

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if data:
            setattr(instance, self.attname, data)

    def formfield(self, **kwargs: Any) -> Any:
        # The admin passes its own widget for text; this one must never show what is stored.
        return forms.CharField(
            label=kwargs.get("label") or self.verbose_name,
            help_text=kwargs.get("help_text") or self.help_text,
            required=kwargs.get("required", False),
            widget=SecretInput(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        )
