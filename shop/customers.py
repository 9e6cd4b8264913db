"""A customer's row, held while something of theirs changes."""

from __future__ import annotations

from django.db import connection
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from shop.models import Customer


class Gone(DomainError):
    """The account was erased after this request was let in."""

    code = "not_signed_in"
    status = 401
    message = _("Please sign in again.")


def stay(customer: Customer) -> None:
    """The customer can't be erased until this transaction ends; they do as they like besides.

    A foreign key alone doesn't hold them: it is checked at the end, and an erased row is still one.

    Locks: the customer, shared. Callers hold a transaction.
    Raises: Gone.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM shop_customer WHERE id = %s AND erased_at IS NULL FOR KEY SHARE",
            [customer.pk],
        )
        if cursor.fetchone() is None:
            raise Gone


def hold(customer: Customer) -> Customer:
    """The customer's row, locked so that what is theirs changes one at a time.

    Locks: the customer; rows that refer to it may still be written. Callers hold a transaction.
    Raises: Gone.
    """
    row = (
        Customer.objects.select_for_update(no_key=True)
        .filter(pk=customer.pk, merchant_id=customer.merchant_id, erased_at=None)
        .first()
    )
    if row is None:
        raise Gone
    return row
