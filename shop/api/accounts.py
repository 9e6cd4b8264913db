"""Signing in and out, and who one is."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from backend.api import ApiView, checked
from backend.errors import DomainError
from backend.schema import APPID, problems
from shop import accounts, login, merchants, phones, uploads
from shop.api import rates
from shop.api.source import SourceSerializer
from shop.catalogue import picture_url
from shop.login import MerchantUnknown, ShopperView
from shop.models import Customer

_CUSTOMER: Final = {
    "id": 7,
    "nickname": "小满",
    "avatar": "http://127.0.0.1:8000/media/uploads/2026/11/20/0f3c.jpg",
    "gender": 2,
    "phone": "138****0001",
}


class CustomerSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    nickname = serializers.CharField(allow_blank=True)
    avatar = serializers.CharField(allow_blank=True, help_text="A whole address, or empty.")
    gender = serializers.ChoiceField(
        choices=Customer.Gender.choices, help_text="0 unknown, 1 male, 2 female."
    )
    phone = serializers.CharField(
        allow_blank=True, help_text="The verified mobile, masked; empty when there is none."
    )


class TokensSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For `Authorization: Bearer …`.")
    refresh = serializers.CharField(help_text="Works once: each refresh answers a new one.")
    expires_in = serializers.IntegerField(help_text="Seconds the access token lives.")


class SignedInSerializer(TokensSerializer):
    customer = CustomerSerializer()


class LoginRequestSerializer(serializers.Serializer[Any]):
    appid = serializers.CharField(max_length=32)
    code = serializers.CharField(max_length=128, help_text="What wx.login gave.")
    source = SourceSerializer(  # type: ignore[assignment]
        required=False, help_text="Where the customer came from; kept at the first sign-in."
    )


class RefreshRequestSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=1000)


class PhoneRequestSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(
        max_length=128, help_text="From the button open-type=getPhoneNumber, not from wx.login."
    )


class ProfileRequestSerializer(serializers.Serializer[Any]):
    nickname = serializers.CharField(max_length=40, allow_blank=True, required=False)
    avatar = serializers.CharField(
        max_length=500,
        allow_blank=True,
        required=False,
        help_text="The `url` of an upload of yours, an address of WeChat's, or empty.",
    )
    gender = serializers.ChoiceField(choices=Customer.Gender.choices, required=False)


def customer_shape(customer: Customer) -> dict[str, Any]:
    """A customer as they see themselves: nothing WeChat knows them by."""
    return {
        "id": customer.pk,
        "nickname": customer.nickname,
        "avatar": picture_url(customer.avatar) if customer.avatar else "",
        "gender": customer.gender,
        "phone": phones.masked(customer.phone),
    }


def _tokens(access: str, refresh: str) -> dict[str, Any]:
    seconds = int(login.ACCESS_LIFE.total_seconds())
    return {"access": access, "refresh": refresh, "expires_in": seconds}


class _TokenView(ApiView):
    """A door for those who come without an access token: one that ran out doesn't matter here."""

    authentication_classes: Any = ()
    permission_classes: Any = ()
    problems: ClassVar[tuple[type[DomainError], ...]] = ()


class LoginView(_TokenView):
    throttle_classes = (rates.LoginRate,)

    @extend_schema(
        operation_id="login",
        tags=["account"],
        auth=[],
        request=LoginRequestSerializer,
        responses={
            200: SignedInSerializer,
            **problems(
                MerchantUnknown,
                accounts.BadLoginCode,
                accounts.LoginBlocked,
                merchants.WeChatUnavailable,
            ),
        },
        examples=[
            OpenApiExample(
                "what wx.login gave",
                value={"appid": "wx5a3d0b7c9e1f2468", "code": "0a1B..."},
                request_only=True,
            ),
            OpenApiExample(
                "signed in",
                value={
                    "access": "eyJhbGciOi...",
                    "refresh": "eyJhbGciOi...",
                    "expires_in": 1800,
                    "customer": _CUSTOMER,
                },
                response_only=True,
                status_codes=["200"],
            ),
        ],
    )
    def post(self, request: Any) -> Response:
        """Sign in with WeChat. Whoever comes for the first time is a customer from here on."""
        asked = checked(LoginRequestSerializer, request.data)
        program = merchants.mini_program(asked["appid"])
        customer, _new = accounts.sign_in(program, asked["code"], source=asked.get("source"))
        rate = rates.CustomerLoginRate()
        if not rate.allows(f"customer:{customer.pk}"):
            raise exceptions.Throttled(wait=rate.wait())
        access, refresh = login.start(customer, program.appid)
        accounts.end_oldest_sign_ins(customer)
        return Response({**_tokens(access, refresh), "customer": customer_shape(customer)})


class RefreshView(_TokenView):
    throttle_classes = (rates.RefreshRate, rates.SignInRefreshRate)

    @extend_schema(
        operation_id="refresh",
        tags=["account"],
        auth=[],
        request=RefreshRequestSerializer,
        responses={200: TokensSerializer, **problems(login.BadRefreshToken)},
        examples=[
            OpenApiExample("refresh", value={"refresh": "eyJhbGciOi..."}, request_only=True),
        ],
    )
    def post(self, request: Any) -> Response:
        """New tokens for a refresh token, which is thereby used up.

        The one before, seen again later than half a minute after, ends the sign-in: it was stolen.
        """
        asked = checked(RefreshRequestSerializer, request.data)
        return Response(_tokens(*login.refresh(asked["refresh"])))


class LogoutView(_TokenView):
    throttle_classes = (rates.RefreshRate,)

    @extend_schema(
        operation_id="logout",
        tags=["account"],
        auth=[],
        request=RefreshRequestSerializer,
        responses={204: None},
    )
    def post(self, request: Any) -> Response:
        """End this sign-in: its refresh token is dead, its access token within half an hour."""
        asked = checked(RefreshRequestSerializer, request.data)
        login.sign_out(asked["refresh"])
        return Response(status=204)


class LogoutEverywhereView(ShopperView):
    @extend_schema(
        operation_id="logout_everywhere", tags=["account"], request=None, responses={204: None}
    )
    def post(self, request: Any) -> Response:
        """End every sign-in of this customer; every token out is dead at once."""
        login.sign_out_everywhere(self.customer())
        return Response(status=204)


_PROFILE_SCHEMA: Final[dict[str, Any]] = {
    "tags": ["account"],
    "request": ProfileRequestSerializer,
    "responses": {200: CustomerSerializer, **problems(uploads.AvatarNotAllowed)},
    "examples": [
        OpenApiExample("a new name", value={"nickname": "小满", "gender": 2}, request_only=True),
        OpenApiExample("me", value=_CUSTOMER, response_only=True, status_codes=["200"]),
    ],
}


class MeView(ShopperView):
    """`backend.screens` adds DELETE, which asks orders and coupons first."""

    @extend_schema(
        operation_id="me",
        tags=["account"],
        responses=CustomerSerializer,
        examples=[OpenApiExample("me", value=_CUSTOMER, response_only=True)],
    )
    def get(self, request: Any) -> Response:
        """Who is signed in."""
        return Response(customer_shape(self.customer()))

    @extend_schema(operation_id="change_me", **_PROFILE_SCHEMA)
    def put(self, request: Any) -> Response:
        """Change what is given of the profile; the rest stays."""
        asked = checked(ProfileRequestSerializer, request.data)
        customer, changes = self.customer(), dict(asked)
        if "avatar" in changes:
            changes["avatar"] = uploads.avatar_path(customer, changes["avatar"])
        accounts.change_profile(customer, changes)
        return Response(customer_shape(customer))

    @extend_schema(operation_id="change_me_patch", **_PROFILE_SCHEMA)
    def patch(self, request: Any) -> Response:
        """The same as PUT, for clients that have PATCH."""
        return self.put(request)


class PhoneView(ShopperView):
    throttle_classes = (rates.PhoneRate,)

    @extend_schema(
        operation_id="verify_phone",
        tags=["account"],
        parameters=[APPID],
        request=PhoneRequestSerializer,
        responses={
            200: CustomerSerializer,
            **problems(MerchantUnknown, accounts.BadPhoneCode, merchants.WeChatUnavailable),
        },
        examples=[
            OpenApiExample("what the button gave", value={"code": "6f1e..."}, request_only=True),
            OpenApiExample("me", value=_CUSTOMER, response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Any) -> Response:
        """Keep the number WeChat has verified. Whoever had it before has it no more.

        X-WX-Appid says which mini program the code is from; without it, the last one signed in to.
        """
        asked = checked(PhoneRequestSerializer, request.data)
        customer = self.customer()
        appid = request.META.get("HTTP_X_WX_APPID", "").replace("\x00", "")
        program = accounts.phone_program(customer, appid)
        verified = accounts.verify_phone(customer, program, asked["code"])
        return Response(customer_shape(verified))
