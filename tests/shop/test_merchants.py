"""Credentials as WeChat's door takes them."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from backend.errors import NotFound
from shop import merchants
from shop.login import MerchantUnknown
from shop.models import Customer, Identity, Merchant, MiniProgram, PayAccount
from tests.shop.conftest import open_shop

pytestmark = pytest.mark.django_db


def account(merchant: Merchant, **more: str | bool) -> PayAccount:
    given = {"appid": "wx1", "mch_id": "1900000109", "api_key": "k" * 32, **more}
    return PayAccount.objects.create(merchant=merchant, **given)


def test_a_mini_program_gives_its_credentials_and_prints_no_secret(program: MiniProgram) -> None:
    found = merchants.mini_program(program.appid)
    credentials = merchants.login_credentials(found)

    assert (credentials.appid, credentials.secret) == (program.appid, program.secret)
    assert str(program.secret) not in repr(credentials)
    with pytest.raises(MerchantUnknown):
        merchants.mini_program_of(program.merchant_id + 1, program.appid)
    with pytest.raises(MerchantUnknown):
        merchants.mini_program("wxnobody")


def test_a_direct_account_gives_every_field(merchant: Merchant) -> None:
    row = account(merchant, certificate_pem="CERT", private_key_pem="KEY", api_v3_key="v3" * 16)

    credentials = merchants.pay_credentials(merchants.pay_account_by_id(merchant.pk, row.pk))

    assert (credentials.mode, credentials.appid, credentials.mch_id) == (
        "direct", "wx1", "1900000109",
    )  # fmt: skip
    assert (credentials.cert_pem, credentials.key_pem) == ("CERT", "KEY")
    assert (credentials.api_key, credentials.api_v3_key) == ("k" * 32, "v3" * 16)
    assert not any(secret in repr(credentials) for secret in ("CERT", "KEY", "kkkk", "v3v3"))


def test_the_account_is_the_newest_in_use_of_the_shoppers_mini_program(merchant: Merchant) -> None:
    account(merchant, mch_id="1")
    newest = account(merchant, mch_id="2")
    account(merchant, mch_id="3", is_active=False)
    account(open_shop("别家")[0], mch_id="4")
    provided = account(
        merchant, appid="wxprovider", mode="provider", sub_mch_id="5", sub_appid="wx2"
    )

    assert merchants.pay_account(merchant.pk, "wx1") == newest
    assert merchants.pay_account(merchant.pk, "wx2") == provided
    assert merchants.pay_credentials(provided).payer_appid == "wx2"
    for appid in ("wxprovider", "wxnobody", ""):
        with pytest.raises(merchants.NoPayAccount):
            merchants.pay_account(merchant.pk, appid)


def test_another_merchants_account_is_not_there(merchant: Merchant) -> None:
    foreign = account(open_shop("别家")[0])

    with pytest.raises(NotFound):
        merchants.pay_account_by_id(merchant.pk, foreign.pk)
    assert merchants.pay_accounts(merchant.pk) == []


def test_who_pays_is_the_identity_used_last_or_in_the_mini_program_named(
    customer: Customer,
) -> None:
    now = timezone.now()
    for appid, minutes in (("wx1", 5), ("wx2", 1)):
        Identity.objects.create(
            merchant=customer.merchant, customer=customer, appid=appid, openid=f"o-{appid}",
            signed_in_at=now - dt.timedelta(minutes=minutes),
        )  # fmt: skip

    assert merchants.payer(customer.merchant_id, customer.pk) == ("wx2", "o-wx2")
    assert merchants.payer(customer.merchant_id, customer.pk, "wx1") == ("wx1", "o-wx1")
    with pytest.raises(merchants.NoPayAccount):
        merchants.payer(customer.merchant_id, customer.pk, "wx3")
