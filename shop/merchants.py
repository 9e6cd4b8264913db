"""A merchant's mini programs and pay accounts, as `backend.wechat` takes them."""

from __future__ import annotations

import logging
from typing import Final, Literal

from django.db.models import Case, F, Value, When
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.errors import DomainError, NotFound
from backend.wechat.credentials import MiniProgramCredentials, PayCredentials
from backend.wechat.errors import Refused, Retry
from backend.wechat.platform import Platform
from shop.login import MerchantUnknown
from shop.models import Identity, Merchant, MiniProgram, PayAccount

log = logging.getLogger(__name__)


class WeChatUnavailable(DomainError):
    code = "wechat_unavailable"
    status = 503
    message = _("WeChat doesn't answer at the moment. Please try again shortly.")


class NoPayAccount(DomainError):
    code = "no_pay_account"
    message = _("This shop can't take payments here yet.")


def mini_program(appid: str) -> MiniProgram:
    """The mini program of an open shop that has this appid, its merchant at hand.

    Raises: MerchantUnknown.
    """
    found = (
        MiniProgram.objects.select_related("merchant")
        .filter(appid=appid, is_active=True, merchant__is_active=True)
        .first()
    )
    if found is None:
        raise MerchantUnknown
    return found


def mini_program_of(merchant: int, appid: str) -> MiniProgram:
    """A merchant's own mini program.

    Raises: MerchantUnknown when the appid is nobody's, or another merchant's.
    """
    found = mini_program(appid)
    if found.merchant_id != merchant:
        raise MerchantUnknown
    return found


def login_credentials(program: MiniProgram) -> MiniProgramCredentials:
    """What signing in with WeChat and its server APIs take."""
    return MiniProgramCredentials(appid=program.appid, secret=program.secret)


def platform(program: MiniProgram) -> Platform:
    """The mini program's server APIs."""
    return Platform(login_credentials(program))


def pay_account(merchant: int, appid: str) -> PayAccount:
    """The account that takes the money of a shopper in this mini program; the newest in use.

    Raises: NoPayAccount.
    """
    found = (
        PayAccount.objects.filter(merchant_id=merchant, is_active=True)
        .annotate(payer_appid=Case(When(sub_appid="", then=F("appid")), default=F("sub_appid")))
        .filter(payer_appid=Value(appid))
        .order_by("-pk")
        .first()
    )
    if found is None:
        raise NoPayAccount(f"merchant {merchant}")
    return found


def pay_account_by_id(merchant: int, pk: int) -> PayAccount:
    """The account a payment remembers, still in use or not.

    Raises: NotFound.
    """
    found = PayAccount.objects.filter(merchant_id=merchant, pk=pk).first()
    if found is None:
        raise NotFound(f"pay account {pk}")
    return found


def pay_accounts(merchant: int) -> list[PayAccount]:
    """Every account of a merchant, newest first: a notification may be for any of them."""
    return list(PayAccount.objects.filter(merchant_id=merchant).order_by("-pk"))


_BY_SLUG_SQL: Final = """
SELECT {m}, {a}
FROM shop_merchant m LEFT JOIN shop_payaccount a ON a.merchant_id = m.id
WHERE m.slug = %s ORDER BY a.id DESC
"""


def by_slug(slug: str) -> tuple[Merchant, list[PayAccount]]:
    """The merchant that a webhook's address names, with all its accounts, in one query.

    Raises: NotFound.
    """
    found = rows.read(_BY_SLUG_SQL, [slug], m=Merchant, a=PayAccount)
    if not found:
        raise NotFound(f"merchant {slug}")
    return found[0][0], [account for _merchant, account in found if account.pk is not None]


def pay_credentials(account: PayAccount) -> PayCredentials:
    """What paying, asking, closing and refunding take."""
    mode: Literal["direct", "provider"] = (
        "provider" if account.mode == PayAccount.Mode.PROVIDER else "direct"
    )
    return PayCredentials(
        appid=account.appid,
        mch_id=account.mch_id,
        api_key=account.api_key,
        mode=mode,
        sub_mch_id=account.sub_mch_id,
        # Of a merchant's own account it says nothing, whatever stands there.
        sub_appid=account.sub_appid if mode == "provider" else "",
        cert_pem=account.certificate_pem,
        key_pem=account.private_key_pem,
        api_v3_key=account.api_v3_key,
        public_key_pem=account.public_key_pem,
        public_key_id=account.public_key_id,
    )


def payer(merchant: int, customer: int, appid: str = "") -> tuple[str, str]:
    """The appid and openid a customer pays with: in this mini program, or the one used last.

    Raises: NoPayAccount when they never signed in there.
    """
    known = Identity.objects.filter(merchant_id=merchant, customer_id=customer)
    if appid:
        known = known.filter(appid=appid)
    found = known.order_by("-signed_in_at", "-pk").values_list("appid", "openid").first()
    if found is None:
        raise NoPayAccount(f"customer {customer} is not known to WeChat there")
    return found


def unavailable(error: Refused | Retry) -> WeChatUnavailable:
    """What to tell a shopper when WeChat did not do what we asked through no fault of theirs."""
    if isinstance(error, Refused):
        # A wrong secret, an address not on the allow list: nothing but the merchant can help.
        log.error("WeChat refuses the shop: %s", error.code)
    else:
        log.warning("WeChat is unavailable: %s", error.code)
    return WeChatUnavailable(error.code)
