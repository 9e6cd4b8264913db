"""How often the doors of accounts, addresses and uploads may be knocked at."""

from __future__ import annotations

from typing import Any

from backend.api import Rate
from shop.login import AddressRate, sign_in_of


class LoginRate(AddressRate):
    """Many shoppers of one office share an address; nobody trying codes gets far."""

    scope, limit, seconds = "login", 30, 60


class CustomerLoginRate(Rate):
    """One person, from wherever: counted once WeChat has said who it is."""

    scope, limit, seconds = "login-customer", 20, 60


class RefreshRate(AddressRate):
    scope, limit, seconds = "refresh", 60, 60


class SignInRefreshRate(Rate):
    """One sign-in, from wherever. A token that isn't ours counts for its address alone."""

    scope, limit, seconds = "refresh-sign-in", 10, 60

    def who(self, request: Any) -> str | None:
        token = request.data.get("refresh") if isinstance(request.data, dict) else None
        sign_in = sign_in_of(token) if isinstance(token, str) else None
        return None if sign_in is None else f"sign-in:{sign_in}"


class PhoneRate(Rate):
    """Each successful call costs the merchant money."""

    scope, limit, seconds = "phone", 10, 60


class UploadRate(Rate):
    scope, limit, seconds = "upload", 30, 60


class AddressBookRate(Rate):
    scope, limit, seconds = "addresses", 60, 60
