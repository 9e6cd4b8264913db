"""Signing in with WeChat, the verified phone, the profile."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.wechat import platform
from backend.wechat.errors import Refused, Retry
from shop import merchants
from shop.models import Customer, Identity, MiniProgram, SignIn

log = logging.getLogger(__name__)

# More phones than anybody has; beyond it the oldest sign-ins end.
MAX_SIGN_INS: Final = 20


class BadLoginCode(DomainError):
    code = "bad_login_code"
    status = 400
    message = _("WeChat doesn't know this code any more. Call wx.login again.")


class LoginBlocked(DomainError):
    code = "login_blocked"
    status = 403
    message = _("WeChat has blocked this account from signing in.")


class BadPhoneCode(DomainError):
    code = "bad_phone_code"
    status = 400
    message = _("WeChat doesn't know this code any more. Press the button again.")


def sign_in(
    program: MiniProgram, code: str, *, source: Mapping[str, str] | None = None
) -> tuple[Customer, bool]:
    """The customer whose `wx.login` code this is, who may be new; WeChat is asked first.

    However often and however concurrently one person signs in, they are one customer; a unionid
    makes them one across the merchant's mini programs.

    Locks: the customer.
    Raises: BadLoginCode, LoginBlocked, WeChatUnavailable.
    """
    try:
        who = platform.login(merchants.login_credentials(program), code)
    except Refused as error:
        if error.code == "bad_login_code":
            raise BadLoginCode from error
        if error.code == "login_blocked":
            raise LoginBlocked from error
        raise merchants.unavailable(error) from error
    except Retry as error:
        raise merchants.unavailable(error) from error
    # A race is lost to one other at most three times: the openid, the unionid, an erasure.
    for _attempt in range(4):
        customer, new = _welcome_back(program, who), False
        if customer is None:
            customer, new = _meet(program, who, source or {})
        if customer is not None:
            return customer, new
    raise merchants.WeChatUnavailable("four lost races over one identity")


def _welcome_back(program: MiniProgram, who: platform.LoginResult) -> Customer | None:
    """The customer of a known openid, with WeChat's new session key kept."""
    known = Identity.objects.filter(
        merchant_id=program.merchant_id, appid=program.appid, openid=who.openid
    )
    with transaction.atomic():
        # The customer before the identity, as an erasure does, which may have been first.
        customer = (
            Customer.objects.select_for_update(no_key=True)
            .filter(
                merchant_id=program.merchant_id,
                erased_at=None,
                pk__in=known.values("customer_id"),
            )
            .first()
        )
        if customer is None:
            return None
        kept = known.filter(customer_id=customer.pk).update(
            session_key=who.session_key, signed_in_at=timezone.now()
        )
        if not kept:
            return None
        if who.unionid and who.unionid != customer.unionid:
            _learn_unionid(customer, who.unionid)
    return customer


def _learn_unionid(customer: Customer, unionid: str) -> None:
    """Keep a unionid that WeChat tells late, unless another customer of the shop has it.

    Two customers who both have a history stay two: their orders and coupons are in other hands.
    """
    with contextlib.suppress(IntegrityError), transaction.atomic():
        Customer.objects.filter(pk=customer.pk).update(unionid=unionid)
        customer.unionid = unionid


def _meet(
    program: MiniProgram, who: platform.LoginResult, source: Mapping[str, str]
) -> tuple[Customer | None, bool]:
    """A customer for a new openid: the one with this unionid, else a new one.

    None when somebody else was faster.
    """
    merchant = program.merchant_id
    try:
        with transaction.atomic():
            customer, new = None, False
            if who.unionid:
                customer = (
                    Customer.objects.select_for_update(no_key=True)
                    .filter(merchant_id=merchant, unionid=who.unionid, erased_at=None)
                    .first()
                )
            if customer is None:
                customer, new = (
                    Customer.objects.create(
                        merchant_id=merchant,
                        unionid=who.unionid or None,
                        source=dict(source),
                        greet_at=timezone.now(),
                    ),
                    True,
                )
            Identity.objects.create(
                merchant_id=merchant,
                customer=customer,
                appid=program.appid,
                openid=who.openid,
                session_key=who.session_key,
                signed_in_at=timezone.now(),
            )
    except IntegrityError:
        return None, False
    return customer, new


def end_oldest_sign_ins(customer: Customer) -> None:
    """No customer keeps more than so many sign-ins; the ones unused longest end."""
    mine = SignIn.objects.filter(merchant_id=customer.merchant_id, customer=customer)
    surplus = mine.order_by("-refreshed_at", "-pk").values_list("pk", flat=True)[MAX_SIGN_INS:]
    mine.filter(pk__in=list(surplus)).delete()


def verify_phone(customer: Customer, program: MiniProgram, code: str) -> Customer:
    """The customer holds the number behind a code of WeChat's phone button.

    A number has one holder in a shop, the newest: numbers are given to other people.

    Locks: the number, then the customers it was and is with, by id.
    Raises: BadPhoneCode, WeChatUnavailable.
    """
    try:
        number = merchants.platform(program).phone_number(code)
    except Refused as error:
        if error.code == "bad_phone_code":
            raise BadPhoneCode from error
        raise merchants.unavailable(error) from error
    except Retry as error:
        raise merchants.unavailable(error) from error
    merchant = customer.merchant_id
    with transaction.atomic():
        # Two new holders at once have no row in common to wait for; they have the number.
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"phone:{merchant}:{number}"],
            )
        concerned = (
            Customer.objects.select_for_update(no_key=True)
            .filter(Q(pk=customer.pk) | Q(phone=number), merchant_id=merchant)
            .order_by("pk")
        )
        rows = {row.pk: row for row in concerned}
        mine = rows[customer.pk]
        if mine.erased_at is not None:
            raise BadPhoneCode
        Customer.objects.filter(pk__in=set(rows) - {mine.pk}).update(phone=None)
        mine.phone = number
        mine.greet_at = timezone.now()
        mine.save(update_fields=["phone", "greet_at"])
    return mine


def change_profile(customer: Customer, changes: Mapping[str, Any]) -> None:
    """The given parts of the profile are what was given; the rest stays."""
    if not changes:
        return
    for name in ("nickname", "avatar", "gender"):
        if name in changes:
            setattr(customer, name, changes[name])
    Customer.objects.filter(pk=customer.pk, erased_at=None).update(**changes)


def phone_program(customer: Customer, appid: str) -> MiniProgram:
    """The mini program a phone code comes from: the one named, else the one signed in to last.

    Raises: MerchantUnknown.
    """
    if not appid:
        appid = (
            Identity.objects.filter(merchant_id=customer.merchant_id, customer=customer)
            .order_by("-signed_in_at", "-pk")
            .values_list("appid", flat=True)
            .first()
        ) or ""
    return merchants.mini_program_of(customer.merchant_id, appid)
