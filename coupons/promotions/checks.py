"""What terms are made of, checked the same way by every kind."""

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MOST_FEN: Final = 10**9  # ten million yuan: beyond it someone has typed yuan for fen
BIGGEST_ID: Final = 2**63 - 1


def whole(terms: Mapping[str, Any], name: str, *, least: int, most: int) -> int:
    """A whole number within its bounds.

    Raises: ValidationError.
    """
    value = terms.get(name)
    if type(value) is not int or not least <= value <= most:
        message = _("%(name)s is a whole number from %(least)s to %(most)s.")
        facts = {"name": name, "least": least, "most": most}
        raise ValidationError({"terms": message % facts})
    return value


def fen(terms: Mapping[str, Any], name: str, *, least: int = 1) -> int:
    """An amount.

    Raises: ValidationError.
    """
    value = terms.get(name)
    if type(value) is not int or not least <= value <= MOST_FEN:
        raise ValidationError({"terms": _("%(name)s is a whole number of fen.") % {"name": name}})
    return value


def tenths(pay_percent: int) -> str:
    """What is paid as Chinese says it: 88 is 8.8 (折)."""
    return f"{pay_percent // 10}.{pay_percent % 10}".removesuffix(".0")
