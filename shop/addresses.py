"""Where a customer has things sent: at most twenty addresses, at most one of them the default."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError, KeyReused, NotFound
from shop import regions
from shop.customers import hold
from shop.models import Address, Customer

MAX_ADDRESSES: Final = 20
_DETAIL: Final = 200

SHOWN: Final = (
    "id",
    "receiver",
    "phone",
    "province_code",
    "city_code",
    "district_code",
    "province",
    "city",
    "district",
    "detail",
    "tag",
    "is_default",
)


class AddressLimit(DomainError):
    code = "address_limit"
    message = _("You have 20 addresses. Delete one first.")


def listed(customer: Customer) -> list[dict[str, Any]]:
    """Every address of a customer: the default first, then the newest."""
    return list(_mine(customer).order_by("-is_default", "-pk").values(*SHOWN))


def one(customer: Customer, pk: int) -> dict[str, Any]:
    """One address of a customer's.

    Raises: NotFound.
    """
    found: dict[str, Any] | None = _mine(customer).filter(pk=pk).values(*SHOWN).first()
    if found is None:
        raise NotFound(f"address {pk}")
    return found


def add(
    customer: Customer, wanted: Mapping[str, Any], *, key: str | None = None
) -> tuple[dict[str, Any], bool]:
    """One address more, the default if it is the first; say whether it is new.

    The same key again gives the first one, as it is by now.

    Locks: the customer.
    Raises: AddressLimit, UnknownRegion, KeyReused.
    """
    request_hash = _fingerprint(wanted) if key is not None else ""
    with transaction.atomic():
        hold(customer)
        if key is not None:
            first = _mine(customer).filter(idempotency_key=key).first()
            if first is not None:
                if first.request_hash != request_hash:
                    raise KeyReused
                return one(customer, first.pk), False
        count = _mine(customer).count()
        if count >= MAX_ADDRESSES:
            raise AddressLimit
        values = _resolved(wanted)
        values["is_default"] = bool(wanted.get("is_default")) or count == 0
        if values["is_default"]:
            _no_default(customer)
        made = Address.objects.create(
            merchant_id=customer.merchant_id,
            customer=customer,
            idempotency_key=key,
            request_hash=request_hash,
            **values,
        )
    return {name: getattr(made, name) for name in SHOWN}, True


def change(customer: Customer, pk: int, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The given parts of an address are what was given; the rest stays.

    Locks: the customer.
    Raises: NotFound, UnknownRegion.
    """
    with transaction.atomic():
        hold(customer)
        address = _mine(customer).filter(pk=pk).first()
        if address is None:
            raise NotFound(f"address {pk}")
        values = _resolved(wanted)
        if "is_default" in wanted:
            values["is_default"] = wanted["is_default"]
            if wanted["is_default"] and not address.is_default:
                _no_default(customer)
        if values:
            for name, value in values.items():
                setattr(address, name, value)
            address.save(update_fields=list(values))
    return {name: getattr(address, name) for name in SHOWN}


def remove(customer: Customer, pk: int) -> None:
    """The address is gone; was it the default, the newest of the rest takes its place.

    Locks: the customer.
    Raises: NotFound.
    """
    with transaction.atomic():
        hold(customer)
        address = _mine(customer).filter(pk=pk).first()
        if address is None:
            raise NotFound(f"address {pk}")
        address.delete()
        if address.is_default:
            newest = _mine(customer).order_by("-pk").values("pk")[:1]
            _mine(customer).filter(pk__in=newest).update(is_default=True)


def _mine(customer: Customer) -> QuerySet[Address]:
    return Address.objects.filter(merchant_id=customer.merchant_id, customer=customer)


def _no_default(customer: Customer) -> None:
    _mine(customer).filter(is_default=True).update(is_default=False)


def _resolved(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The columns for what was given, the region looked up by its code or by its three names."""
    values = {
        name: wanted[name] for name in ("receiver", "phone", "detail", "tag") if name in wanted
    }
    place: regions.Place | None = None
    if wanted.get("district_code"):
        place = regions.by_code(wanted["district_code"])
    elif wanted.get("province"):
        place = regions.by_names(wanted["province"], wanted["city"], wanted["district"])
    if place is None:
        return values
    columns = dict(vars(place))
    street = columns.pop("street")
    if street and not values.get("detail", street).startswith(street):
        values["detail"] = f"{street}{values['detail']}"[:_DETAIL]
    return {**values, **columns}


def _fingerprint(wanted: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(dict(wanted), option=orjson.OPT_SORT_KEYS)).hexdigest()
