"""Who is asking: access and refresh tokens, and the two bases of every endpoint.

An access token says which customer of which merchant; it is believed while the customer's
`token_version` is the one it was made under, so signing out everywhere ends it at once. A refresh
token belongs to a `SignIn`; using it replaces it, and one that was replaced before, seen again,
means it was stolen and ends the sign-in.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from typing import Any, ClassVar, Final

import jwt
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated

from backend import rows
from backend.api import ApiView, Rate, client_ip
from backend.errors import DomainError
from shop.models import Customer, Merchant, SignIn

ACCESS_LIFE: Final = dt.timedelta(minutes=30)
REFRESH_LIFE: Final = dt.timedelta(days=60)
# A client whose answer was lost on the way may ask once more with the token it still has.
REFRESH_GRACE: Final = dt.timedelta(seconds=30)


class BadRefreshToken(DomainError):
    code = "bad_refresh_token"
    status = 401
    message = _("Please sign in again.")


class MerchantUnknown(DomainError):
    code = "merchant_unknown"
    status = 400
    message = _("Say which shop: send X-WX-Appid.")


def _sign(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256")


def _read(token: str, kind: str) -> dict[str, Any]:
    """The claims of a token of ours, alive and of this kind.

    Raises: jwt.InvalidTokenError
    """
    claims: dict[str, Any] = jwt.decode(
        token, settings.SECRET_KEY, algorithms=["HS256"], options={"require": ["exp", "sub", "typ"]}
    )
    if claims["typ"] != kind:
        raise jwt.InvalidTokenError("another kind of token")
    return claims


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _following(sign_in: int, secret: str) -> str:
    """The secret of the refresh token that replaces this one; the same each time, ours to make."""
    text = f"refresh:{sign_in}:{secret}"
    return hmac.new(settings.SECRET_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def access_token(customer: Customer, *, at: dt.datetime) -> str:
    """A token that names the customer for half an hour."""
    return _sign(
        {
            "typ": "access",
            "sub": str(customer.pk),
            "ver": customer.token_version,
            "exp": int((at + ACCESS_LIFE).timestamp()),
        }
    )


def _refresh_token(sign_in: SignIn, secret: str) -> str:
    claims = {"typ": "refresh", "sub": str(sign_in.pk), "jti": secret}
    return _sign({**claims, "exp": int(sign_in.expires_at.timestamp())})


def start(customer: Customer, appid: str) -> tuple[str, str]:
    """A new sign-in of this customer: its access and its first refresh token."""
    at, secret = timezone.now(), secrets.token_urlsafe(24)
    sign_in = SignIn.objects.create(
        merchant_id=customer.merchant_id,
        customer=customer,
        appid=appid,
        token_hash=_hash(secret),
        refreshed_at=at,
        expires_at=at + REFRESH_LIFE,
    )
    return access_token(customer, at=at), _refresh_token(sign_in, secret)


def refresh(token: str) -> tuple[str, str]:
    """New tokens for a refresh token, which is thereby used up.

    A used one seen again ends its sign-in, but for a moment's grace after the exchange, in which
    it gives the same new refresh token again: a client that asked twice may keep either answer.

    Locks: the sign-in.
    Raises: BadRefreshToken.
    """
    try:
        claims = _read(token, "refresh")
        pk, given = int(claims["sub"]), _hash(str(claims["jti"]))
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise BadRefreshToken from error
    at = timezone.now()
    with transaction.atomic():
        sign_in = (
            SignIn.objects.select_for_update(of=("self",))
            .select_related("customer")
            .filter(pk=pk, expires_at__gt=at)
            .first()
        )
        if sign_in is not None:
            repeated = given == sign_in.previous_hash and at - sign_in.refreshed_at < REFRESH_GRACE
            if given == sign_in.token_hash or repeated:
                secret = _following(pk, claims["jti"])
                if not repeated:
                    sign_in.previous_hash, sign_in.token_hash = given, _hash(secret)
                    sign_in.refreshed_at, sign_in.expires_at = at, at + REFRESH_LIFE
                    sign_in.save()
                return access_token(sign_in.customer, at=at), _refresh_token(sign_in, secret)
            sign_in.delete()
    raise BadRefreshToken(f"sign-in {pk}")


def sign_in_of(token: str) -> int | None:
    """The sign-in that a refresh token of ours names, used up or not; to count its calls by."""
    try:
        return int(_read(token, "refresh")["sub"])
    except (jwt.InvalidTokenError, ValueError):
        return None


def sign_out(token: str) -> None:
    """End the sign-in a refresh token belongs to. A token that means nothing ends nothing."""
    try:
        claims = _read(token, "refresh")
        SignIn.objects.filter(pk=int(claims["sub"])).delete()
    except (jwt.InvalidTokenError, ValueError):
        return


def sign_out_everywhere(customer: Customer) -> None:
    """End every sign-in of a customer, and every access token already out."""
    with transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(token_version=customer.token_version + 1)
        SignIn.objects.filter(customer=customer).delete()


_CUSTOMER_SQL: Final = """
SELECT {c}, {m}
FROM shop_customer c JOIN shop_merchant m ON m.id = c.merchant_id
WHERE c.id = %s AND c.token_version = %s AND c.erased_at IS NULL AND m.is_active
"""
_MERCHANTS_SQL: Final = """
SELECT m.id FROM shop_merchant m WHERE m.is_active LIMIT 2
"""
_MERCHANT_OF_APPID_SQL: Final = """
SELECT m.id FROM shop_miniprogram p JOIN shop_merchant m ON m.id = p.merchant_id
WHERE p.appid = %s AND p.is_active AND m.is_active
"""


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer …`; request.user becomes the Customer, its merchant at hand."""

    def authenticate(self, request: Any) -> tuple[Customer, None] | None:
        scheme, _space, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise exceptions.AuthenticationFailed
        try:
            claims = _read(token, "access")
            named = [int(claims["sub"]), int(claims["ver"])]
        except (jwt.InvalidTokenError, KeyError, ValueError) as error:
            raise exceptions.AuthenticationFailed from error
        for customer, merchant in rows.read(_CUSTOMER_SQL, named, c=Customer, m=Merchant):
            customer.merchant = merchant
            return customer, None
        raise exceptions.AuthenticationFailed

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


def customer_of(request: Any) -> Customer | None:
    """Who the token names, if there was one."""
    user: object = request.user
    return user if isinstance(user, Customer) else None


def merchant_of(request: Any) -> int:
    """Whose shop is asked for: the token's, else X-WX-Appid's, else the only one there is.

    Raises: MerchantUnknown.
    """
    customer = customer_of(request)
    if customer is not None:
        return customer.merchant_id
    appid = request.META.get("HTTP_X_WX_APPID", "").replace("\x00", "")
    with connection.cursor() as cursor:
        cursor.execute(
            _MERCHANT_OF_APPID_SQL if appid else _MERCHANTS_SQL, [appid] if appid else []
        )
        found = cursor.fetchall()
    if len(found) != 1:
        raise MerchantUnknown
    return int(found[0][0])


class VisitorView(ApiView):
    """An endpoint for anyone; a token, where there is one, is read."""

    authentication_classes = (BearerToken,)
    permission_classes: Any = (AllowAny,)
    signed_in: ClassVar[bool] = False
    problems: ClassVar[tuple[type[DomainError], ...]] = (MerchantUnknown,)

    def merchant(self) -> int:
        """The id of the merchant whose shop is asked for."""
        return merchant_of(self.request)

    def visitor(self) -> Customer | None:
        return customer_of(self.request)


class ShopperView(ApiView):
    """An endpoint for a signed-in customer."""

    authentication_classes = (BearerToken,)
    permission_classes: Any = (IsAuthenticated,)
    signed_in: ClassVar[bool] = True

    def customer(self) -> Customer:
        customer = customer_of(self.request)
        if customer is None:
            raise exceptions.NotAuthenticated
        return customer


class AddressRate(Rate):
    """Counted by the caller's address, signed in or not."""

    def who(self, request: Any) -> str | None:
        return client_ip(request)
