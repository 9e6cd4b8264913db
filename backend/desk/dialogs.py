"""A question asked in a dialog over the page, and the way back to the page afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.functional import Promise
from django.utils.text import capfirst

from backend.errors import DomainError
from backend.numbers import new_number

if TYPE_CHECKING:

    class _Dialog(forms.Form):
        request: HttpRequest
        object_id: str | None

else:
    from unfold.forms import BaseDialogForm as _Dialog


class DialogForm(_Dialog):
    """What a dialog asks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = capfirst(str(field.label or ""))


class OnceForm(DialogForm):
    """A dialog that counts something: sent twice, it carries the same key twice."""

    key = forms.CharField(
        widget=forms.HiddenInput,
        initial=new_number,
        max_length=24,
        validators=[RegexValidator(r"^\d{24}$")],
    )


def done(request: HttpRequest, message: str | Promise, back: str) -> HttpResponseBase:
    """Say what is true now, on the page the dialog was opened from."""
    messages.success(request, str(message))
    return _leave(request, back)


def refused(request: HttpRequest, error: DomainError, back: str) -> HttpResponseBase:
    """Say why nothing happened."""
    messages.error(request, str(error.message))
    return _leave(request, back)


def _leave(request: HttpRequest, back: str) -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Refresh": "true"})
    return HttpResponseRedirect(back)
