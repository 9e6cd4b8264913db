"""Staff in the mini program: who has linked theirs, and which stores they work in."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.numbers import new_code
from shop import customers
from shop.models import Customer, Staff, StaffInvite, Store

INVITE_LIFE: Final = dt.timedelta(days=3)


class NotStaff(DomainError):
    code = "not_staff"
    status = 403
    message = _("This is for the shop's staff.")


class InviteUnknown(DomainError):
    code = "invite_unknown"
    status = 404
    message = _("This invitation is unknown or has expired. Ask for a new one.")


class LinkedAlready(DomainError):
    code = "linked_already"
    message = _("Your mini program is linked to another member of staff.")


def _hash(code: str) -> str:
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()


def invite(staff: Staff) -> str:
    """A code that links a mini program to this member of staff, once; one made before ends."""
    code = new_code(12)
    StaffInvite.objects.update_or_create(
        merchant_id=staff.merchant_id,
        staff=staff,
        defaults={"code_hash": _hash(code), "expires_at": timezone.now() + INVITE_LIFE},
    )
    return code


@transaction.atomic
def link(customer: Customer, code: str) -> Staff:
    """The customer is this member of staff from now on, and whoever was linked before is not.

    Locks: the invitation, the customer, then the member of staff.
    Raises: InviteUnknown, LinkedAlready, Gone.
    """
    found = (
        StaffInvite.objects.select_for_update(of=("self",))
        .select_related("staff__user")
        .filter(
            merchant_id=customer.merchant_id,
            code_hash=_hash(code),
            expires_at__gt=timezone.now(),
            staff__is_active=True,
            staff__user__is_active=True,
        )
        .first()
    )
    if found is None:
        raise InviteUnknown
    customers.hold(customer)
    staff = found.staff
    others = Staff.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    if others.exclude(pk=staff.pk).exists():
        raise LinkedAlready
    Staff.objects.filter(pk=staff.pk).update(customer=customer)
    found.delete()
    return staff


def unlink(staff: Staff) -> None:
    """Nobody's mini program is this member of staff; an invitation that is out ends too.

    Locks: the invitation, then the member of staff.
    """
    StaffInvite.objects.filter(merchant_id=staff.merchant_id, staff=staff).delete()
    Staff.objects.filter(pk=staff.pk).update(customer=None)


def staff_of(customer: Customer) -> Staff:
    """The member of staff a customer is, read now: whoever was shut out is out at once.

    Raises: NotStaff.
    """
    found = (
        Staff.objects.select_related("user")
        .filter(
            merchant_id=customer.merchant_id,
            customer=customer,
            is_active=True,
            user__is_active=True,
        )
        .first()
    )
    if found is None:
        raise NotStaff(f"customer {customer.pk}")
    return found


def stores_of(staff: Staff) -> list[Store]:
    """The stores a member of staff works in: those named, or all of them where none is."""
    open_ones = Store.objects.filter(merchant_id=staff.merchant_id, is_active=True)
    named = list(staff.stores.values_list("pk", flat=True))
    return list(open_ones.filter(pk__in=named) if named else open_ones)
