"""A shop that takes money through the sandbox over TLS, and hears of it at a real web server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from backend.money import Fen
from orders import basket, checkout, writing
from orders.models import Purchase
from payments.models import Payment
from shop import login
from shop.models import Address, Customer, Identity, Merchant, MiniProgram, PayAccount
from tests.sandbox import SandboxProcess
from tests.shop import goods


@pytest.fixture(scope="session")
def running_wechat() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def wechat(
    running_wechat: SandboxProcess, settings: Settings, live_server: LiveServer
) -> SandboxProcess:
    """The sandbox over TLS, nothing scripted, telling this test's own server."""
    running_wechat.clear_faults()
    running_wechat.reset_rules()
    settings.WECHAT_PAY_BASE_URL = running_wechat.tls_url
    settings.WECHAT_API_BASE_URL = running_wechat.tls_url
    settings.WECHAT_CA_BUNDLE = str(running_wechat.ca_file)
    settings.PUBLIC_BASE_URL = live_server.url
    return running_wechat


@dataclass
class Shop:
    """A merchant with one sku on the shelf, a shopper, and WeChat between them."""

    wechat: SandboxProcess
    merchant: Merchant
    appid: str
    customer: Customer
    stock: Any
    openid: str

    def place(self, quantity: int = 1) -> Purchase:
        """A purchase of so many, unpaid."""
        items = [basket.Item(self.stock.sku_id, quantity)]
        placed = checkout.place_order(
            self.customer,
            checkout.Wanted(items),
            writing.Placing(payable=Fen(1000 * quantity)),
            key=None,
            request_hash="",
        )
        return placed.purchase

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The API as the shopper's mini program calls it."""
        token = login.access_token(self.customer, at=timezone.now())
        answer = getattr(Client(), method)(
            f"/api/v1/{path}",
            data=body if body is not None else {},
            content_type="application/json",
            headers={"authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json() if answer.content else None

    def pay(self, purchase: Purchase) -> tuple[int, Any]:
        return self.call("post", f"purchases/{purchase.number}/pay", {"method": "wechat_jsapi"})

    def shopper_pays(self, client: dict[str, str]) -> None:
        """What happens in the cashier; WeChat then tells us."""
        self.wechat.pay(client["package"].removeprefix("prepay_id="))

    def trade(self, payment: Payment) -> Any:
        return self.wechat.trade(payment.out_trade_no)


@pytest.fixture
def shop(transactional_db: None, wechat: SandboxProcess) -> Iterator[Shop]:
    merchant = Merchant.objects.create(name="山野小铺", slug=f"shop-{secrets.token_hex(4)}")
    appid = f"wx{secrets.token_hex(8)}"
    known = wechat.register(
        appid=appid,
        secret=secrets.token_hex(16),
        mch_id=f"19{secrets.randbelow(10**8):08d}",
        api_key=secrets.token_hex(16),
    )
    MiniProgram.objects.create(merchant=merchant, appid=appid, secret=known["secret"])
    PayAccount.objects.create(
        merchant=merchant,
        appid=appid,
        mch_id=known["mch_id"],
        api_key=known["api_key"],
        certificate_pem=known["certificate_pem"],
        private_key_pem=known["private_key_pem"],
    )
    product = goods.product(merchant, price=1000, count=9)
    sku = product.skus.get()
    customer = Customer.objects.create(merchant=merchant, nickname="小满")
    openid = f"o{secrets.token_hex(12)}"
    wechat.login_code(appid=appid, openid=openid)
    Identity.objects.create(
        merchant=merchant,
        customer=customer,
        appid=appid,
        openid=openid,
        signed_in_at=timezone.now(),
    )
    Address.objects.create(
        merchant=merchant, customer=customer, receiver="小满", phone="13800000000",
        province_code="310000", city_code="310100", district_code="310101", province="上海市",
        city="上海市", district="黄浦区", detail="人民大道1号", is_default=True,
    )  # fmt: skip
    yield Shop(wechat, merchant, appid, customer, sku.stocks.get(), openid)
    # A message that is on its way would be written into tables that are being emptied.
    wechat.quiet(mch_id=known["mch_id"])
