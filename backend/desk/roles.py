"""Who may do what at the desk: one table from a role to the areas it sees and the ones it edits.

No rows of `auth.Permission` are used: a merchant's staff have a role, and an operator (a superuser)
may do everything. What no line names is not to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Any, Final

from django.http import HttpRequest

from shop.models import Staff


class Area(StrEnum):
    """A part of the desk."""

    PRODUCTS = "products"
    STOCK = "stock"
    ORDERS = "orders"
    CUSTOMERS = "customers"
    COUPONS = "coupons"
    COUNTER = "counter"
    MONEY = "money"
    WINDOW = "window"
    STORES = "stores"
    SETTINGS = "settings"
    CREDENTIALS = "credentials"
    STAFF = "staff"
    LOCKED = "locked"  # who received what, of customers who erased their accounts


class Level(IntEnum):
    NONE = 0
    VIEW = 1
    EDIT = 2


_EVERYDAY: Final = (
    Area.PRODUCTS,
    Area.STOCK,
    Area.ORDERS,
    Area.CUSTOMERS,
    Area.COUPONS,
    Area.COUNTER,
    Area.MONEY,
    Area.WINDOW,
    Area.STORES,
)

ROLES: Final[Mapping[str, Mapping[Area, Level]]] = {
    Staff.Role.OWNER: dict.fromkeys(Area, Level.EDIT),
    Staff.Role.MANAGER: dict.fromkeys(_EVERYDAY, Level.EDIT) | {Area.SETTINGS: Level.VIEW},
    Staff.Role.CATALOGUE: {
        Area.PRODUCTS: Level.EDIT,
        Area.STOCK: Level.EDIT,
        Area.WINDOW: Level.EDIT,
        Area.STORES: Level.VIEW,
    },
    Staff.Role.FULFILMENT: {
        Area.ORDERS: Level.EDIT,
        Area.PRODUCTS: Level.VIEW,
        Area.STOCK: Level.VIEW,
        Area.STORES: Level.VIEW,
    },
    Staff.Role.SERVICE: dict.fromkeys(
        (Area.ORDERS, Area.COUPONS, Area.COUNTER, Area.PRODUCTS, Area.STORES), Level.VIEW
    )
    | {Area.CUSTOMERS: Level.EDIT},
    Staff.Role.FINANCE: dict.fromkeys(
        (Area.MONEY, Area.ORDERS, Area.COUPONS, Area.COUNTER), Level.VIEW
    ),
    Staff.Role.CASHIER: dict.fromkeys((Area.ORDERS, Area.COUPONS, Area.PRODUCTS), Level.VIEW)
    | {Area.COUNTER: Level.EDIT},
    Staff.Role.READ_ONLY: dict.fromkeys((*_EVERYDAY, Area.SETTINGS), Level.VIEW),
}


def level_of(role: str, area: Area) -> Level:
    """How much of an area a role has."""
    return ROLES.get(role, {}).get(area, Level.NONE)


def staff_of(request: HttpRequest) -> Staff | None:
    """The active staff row of whoever asks, looked up once a request."""
    known: Any = request.__dict__
    if "_staff" not in known:
        user = request.user
        known["_staff"] = (
            Staff.objects.select_related("merchant").filter(user_id=user.pk, is_active=True).first()
            if user.is_authenticated and user.is_active and user.is_staff
            else None
        )
    found: Staff | None = known["_staff"]
    return found


def is_operator(request: HttpRequest) -> bool:
    """Whether the person who runs the deployment is asking."""
    return request.user.is_active and request.user.is_superuser


def may(request: HttpRequest, area: Area, level: Level) -> bool:
    """Whether whoever asks has this much of an area."""
    if is_operator(request):
        return True
    staff = staff_of(request)
    return staff is not None and level_of(staff.role, area) >= level


def merchant_id_of(request: HttpRequest) -> int | None:
    """The merchant of whoever asks; none for an operator, who has them all."""
    if is_operator(request):
        return None
    staff = staff_of(request)
    return -1 if staff is None else staff.merchant_id


def signature(request: HttpRequest) -> str:
    """How movements and events name whoever asks."""
    return f"staff {request.user.get_username()}"[:80]
