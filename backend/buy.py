"""One shopper against a running `make run`, over HTTP alone: every call and answer is printed.

`make buy` signs in, looks, claims, orders and pays; it ends with 1 and the reason where the shop
says no.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from typing import Any, Final

import requests

APPID: Final = "wx5a3d0b7c9e1f2468"
SHOP: Final = f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"
SANDBOX: Final = f"http://127.0.0.1:{os.environ.get('SANDBOX_PORT') or 8001}"
PATIENCE: Final = 30.0
_LONGEST: Final = 600


class Refused(Exception):
    """An answer that ends the purchase."""


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


class Shopper:
    """Someone with a mini program open."""

    def __init__(self, shop: str = SHOP, sandbox: str = SANDBOX) -> None:
        self.urls = shop, sandbox
        self.http = requests.Session()
        self.http.trust_env = False
        self.headers = {"X-WX-Appid": APPID}

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        """Make a call, print it with its answer, and give the answer's JSON."""
        _say(f"\n{method} {url}" + (f"\n  {_json(body)}" if body is not None else ""))
        own = self.headers if url.startswith(self.urls[0]) else {}
        answer = self.http.request(method, url, json=body, headers={**own, **headers}, timeout=15)
        parsed = answer.json()
        _say(f"  {answer.status_code} {_json(parsed)[:_LONGEST]}")
        if answer.status_code >= 400:
            raise Refused(f"{method} {url} was answered with {answer.status_code}")
        return parsed

    def shop(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A call to the shop's API."""
        return self.call(method, f"{self.urls[0]}/api/v1/{path}", body, **headers)

    def sandbox(self, path: str, body: Any) -> Any:
        """What the phone and the person do, played by the sandbox."""
        return self.call("POST", f"{self.urls[1]}/_sandbox/{path}", body)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def buyable(shopper: Shopper) -> tuple[int, int]:
    """A sku that is there, and its product."""
    for row in shopper.shop("GET", "products?sort=-price")["results"]:
        if row["sold_out"]:
            continue
        detail = shopper.shop("GET", f"products/{row['id']}")
        for sku in detail["skus"]:
            if sku["available"] and detail["no_reason_return"]:
                return sku["id"], row["id"]
    raise Refused("nothing in this shop can be bought")


def buy(shopper: Shopper) -> str:
    """Buy something; the purchase's number once it is paid."""
    code = shopper.sandbox("login-code", {"appid": APPID})["code"]
    tokens = shopper.shop("POST", "auth/login", {"appid": APPID, "code": code})
    shopper.headers["Authorization"] = f"Bearer {tokens['access']}"
    shopper.shop("GET", "home")
    sku, _product = buyable(shopper)
    address = shopper.shop(
        "POST",
        "me/addresses",
        {
            "receiver": "小满",
            "phone": "13800000000",
            "province": "浙江省",
            "city": "杭州市",
            "district": "西湖区",
            "detail": "文三路 1 号",
            "is_default": True,
        },
    )
    for template in shopper.shop("GET", "coupon-templates")["results"]:
        if template["claimable"]:
            shopper.shop("POST", f"coupon-templates/{template['id']}/claim", {})
            break
    shopper.shop("POST", "cart/items", {"sku": sku, "quantity": 2})
    basket = {
        "items": [{"sku": sku, "quantity": 2}],
        "delivery": {"kind": "express", "address": address["id"]},
    }
    quote = shopper.shop("POST", "purchases/quote", basket)
    purchase = shopper.shop(
        "POST",
        "purchases",
        {**basket, "payable_fen": quote["payable_fen"]},
        **{"Idempotency-Key": str(uuid.uuid4())},
    )
    number = str(purchase["number"])
    client = shopper.shop("POST", f"purchases/{number}/pay", {"method": "wechat_jsapi"})["client"]
    prepay_id = client["package"].removeprefix("prepay_id=")
    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})
    deadline = time.monotonic() + PATIENCE
    while shopper.shop("GET", f"purchases/{number}")["status"] != "paid":
        if time.monotonic() > deadline:
            raise Refused(f"{number} was not paid within {PATIENCE:.0f} seconds")
        time.sleep(0.5)
    shopper.shop("GET", "orders?status=paid")
    shopper.shop("GET", "orders/counts")
    return number


def main() -> int:
    """Buy, and say how it ended."""
    try:
        number = buy(Shopper())
    except requests.ConnectionError:
        _say(f"Nothing answers at {SHOP} or {SANDBOX}: start `make run` first.")
        return 1
    except (Refused, requests.RequestException) as error:
        _say(f"\n{error}")
        return 1
    _say(f"\nPurchase {number} is paid.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
