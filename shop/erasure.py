"""A person leaves: what names them goes at once, the books stay without them."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from shop import uploads
from shop.models import (
    Address,
    CartAddition,
    CartLine,
    Customer,
    Favourite,
    Identity,
    RecentView,
    SearchQuery,
    SignIn,
    Staff,
)

# What belongs to the person alone. Consents stay: they prove what was agreed, and name nobody.
_THEIRS = (
    Identity,
    SignIn,
    Address,
    Favourite,
    RecentView,
    SearchQuery,
    CartLine,
    CartAddition,
)


class OpenOrders(DomainError):
    code = "open_orders"
    message = _("Some of your orders are still under way. Finish or cancel them first.")


def lock(customer: Customer) -> Customer | None:
    """The customer's row, held so that nothing new begins for them; None once they are erased.

    Locks: the customer, against new rows that refer to it too. Callers hold a transaction.
    """
    return (
        Customer.objects.select_for_update()
        .filter(pk=customer.pk, merchant_id=customer.merchant_id, erased_at=None)
        .first()
    )


@transaction.atomic
def erase(customer: Customer) -> None:
    """The person is gone: profile, identities, sign-ins, addresses, lists, cart, pictures.

    Every token out is dead. The row stays for the books, and the same WeChat user who comes again
    is a new customer. Again, it changes nothing. Whether anything is still open is asked by the
    caller, who sees orders and coupons.

    Locks: the customer.
    """
    row = lock(customer)
    if row is None:
        return
    for model in _THEIRS:
        model._default_manager.filter(merchant_id=row.merchant_id, customer_id=row.pk).delete()
    Staff.objects.filter(merchant_id=row.merchant_id, customer=row).update(customer=None)
    uploads.delete_all(row)
    row.unionid = None
    row.phone = None
    row.nickname = ""
    row.avatar = ""
    row.gender = Customer.Gender.UNKNOWN
    row.source = {}
    row.tags = []
    row.greet_at = None
    row.token_version += 1
    row.erased_at = timezone.now()
    row.save()
