"""A shopper over HTTP, as `make buy` plays one, with what the flows need besides."""

from __future__ import annotations

import re
import secrets
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import requests

from backend import buy
from backend.demo import OWNER

HOME: Final = {
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "detail": "文三路 1 号",
}


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@dataclass
class Sku:
    """Something that can be bought now, at one store."""

    sku: int
    store: int
    product: int
    name: str


class Shopper(buy.Shopper):
    """Signed in, with an address."""

    @classmethod
    def new(cls, shop: str, sandbox: str) -> Self:
        someone = cls(shop, sandbox)
        code = someone.sandbox("login-code", {"appid": buy.APPID})["code"]
        tokens = someone.shop("POST", "auth/login", {"appid": buy.APPID, "code": code})
        someone.headers["Authorization"] = f"Bearer {tokens['access']}"
        receiver = {"receiver": "小满", "phone": "13800000000", "is_default": True}
        someone.shop("POST", "me/addresses", {**receiver, **HOME})
        return someone

    def find(self, store: int, words: str = "") -> Sku:
        """What the search, or else the list, shows first that this store has."""
        words = urllib.parse.quote(words)
        for row in self.shop("GET", f"products?store={store}&q={words}")["results"]:
            detail = self.shop("GET", f"products/{row['id']}?store={store}")
            for sku in detail["skus"]:
                if sku["available"] > 2 and detail["no_reason_return"]:
                    return Sku(sku["id"], store, row["id"], row["name"])
        raise AssertionError("nothing here can be bought")

    def stores(self) -> list[int]:
        return [row["id"] for row in self.shop("GET", "stores")["results"]]

    def claim(self) -> int:
        """The cheapest condition there is; the coupon's id."""
        offered = [t for t in self.shop("GET", "coupon-templates")["results"] if t["claimable"]]
        template = min(offered, key=lambda t: int(t["terms"]["threshold_fen"]))
        return int(self.shop("POST", f"coupon-templates/{template['id']}/claim", {})["id"])

    def place(self, *wanted: Sku, quantity: int = 1) -> Any:
        """Agree on the price and order; the purchase."""
        items = [{"sku": w.sku, "store": w.store, "quantity": quantity} for w in wanted]
        quote = self.shop("POST", "purchases/quote", {"items": items})
        assert quote["problems"] == []
        body = {"items": items, "payable_fen": quote["payable_fen"]}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        return self.shop("POST", "purchases", body, **key)

    def prepay(self, number: str) -> str:
        """Open the payment; its prepay_id."""
        client = self.shop("POST", f"purchases/{number}/pay", {})["client"]
        return str(client["package"].removeprefix("prepay_id="))

    def pay(self, number: str) -> None:
        """Tap 支付 in the cashier."""
        self.sandbox("pay", {"prepay_id": self.prepay(number), "outcome": "success"})

    def purchase(self, number: str) -> Any:
        return self.shop("GET", f"purchases/{number}")

    def waits_for(self, number: str, status: str, seconds: float = 90) -> Any:
        """The purchase once it has this status."""
        wait_until(lambda: self.purchase(number)["status"] == status, seconds)
        return self.purchase(number)


class Desk:
    """Somebody of the staff in a browser, with its cookies and forms."""

    def __init__(self, shop: str) -> None:
        self.http, self.url = requests.Session(), f"{shop}/admin"
        self.http.trust_env = False
        name, password = OWNER
        self._send("login/", {"username": name, "password": password, "next": "/admin/"})

    def _send(self, path: str, values: dict[str, str]) -> requests.Response:
        page = self.http.get(f"{self.url}/{path}", timeout=15)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert page.ok
        assert found
        answer = self.http.post(
            f"{self.url}/{path}",
            {**values, "csrfmiddlewaretoken": found[1]},
            headers={"Referer": f"{self.url}/{path}"},
            timeout=15,
        )
        assert answer.ok, answer.status_code
        return answer

    def invite(self) -> str:
        """A code that links a mini program to the owner."""
        page = self.http.get(f"{self.url}/shop/staff/", timeout=15)
        found = re.search(r"/admin/shop/staff/(\d+)/change/", page.text)
        assert found
        told = self._send(f"shop/staff/{found[1]}/invite/", {"_form_submitted": "True"})
        codes = re.findall(r"\b[2-9A-HJ-NP-Z]{12}\b", told.text)
        return str(codes[0])

    def till(self, store: int) -> tuple[str, str]:
        """A new till's key and secret."""
        told = self._send(
            "coupons/till/add/", {"name": "一号机", "store": str(store), "is_active": "on"}
        )
        key, secret = (
            re.findall(r"till_[0-9a-f]{16}", told.text),
            re.findall(r"\b[0-9a-f]{64}\b", told.text),
        )
        return key[0], secret[0]

    def ship(self, number: str) -> None:
        """Look the order up, fill in the parcel's number and send the form."""
        page = self.http.get(f"{self.url}/orders/order/", params={"q": number}, timeout=15)
        (order,) = set(re.findall(r"/admin/orders/order/(\d+)/change/", page.text))
        parcel = {"_form_submitted": "True", "courier": "SF", "tracking_no": "SF1234567890"}
        self._send(f"orders/order/{order}/ship/", parcel)
