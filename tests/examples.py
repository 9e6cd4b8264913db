"""The examples in the OpenAPI document are answers the demo shop really gave.

Start `make run` on an empty DATA_DIR, then `make examples`: a shopper plays every call whose view
names no example of its own, and `backend/examples.json` keeps what was sent and answered.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any, Final

import django
import requests

from backend import buy
from backend.demo.words import BOX_CODE, MESSAGES, SALE
from tests.flows.shopper import Desk, Shopper

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
django.setup()

from coupons import tills  # noqa: E402

FILE: Final = Path(__file__).resolve().parents[1] / "backend" / "examples.json"


class Recorder:
    """A shopper whose calls are kept by the operation they are an example of."""

    def __init__(self) -> None:
        self.shopper = Shopper.new(buy.SHOP, buy.SANDBOX)
        self.kept: dict[str, dict[str, Any]] = {}

    def call(self, operation: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.shopper.shop(method, path, body, **headers)
        shown = dict(answer)
        if isinstance(shown.get("results"), list):  # a page of one tells as much
            shown["results"] = shown["results"][:1]
        self.kept[operation] = {"answer": shown} | ({"body": body} if body is not None else {})
        return answer


def play(record: Recorder) -> None:
    call, shopper = record.call, record.shopper
    found = shopper.find(shopper.stores()[0])
    code = shopper.sandbox("login-code", {"appid": buy.APPID})["code"]
    tokens = shopper.shop("POST", "auth/login", {"appid": buy.APPID, "code": code})
    call("refresh", "POST", "auth/refresh", {"refresh": tokens["refresh"]})
    record.kept["refresh"]["body"] = {"refresh": "eyJhbGciOi…"}
    for name in ("access", "refresh"):
        record.kept["refresh"]["answer"][name] = "eyJhbGciOi…"
    record.kept["logout"] = {"body": {"refresh": "eyJhbGciOi…"}}
    address = shopper.shop("GET", "me/addresses")["results"][0]
    call("address", "GET", f"me/addresses/{address['id']}")
    call("add_favourite", "POST", "favourites", {"product": found.product})
    page = shopper.shop("GET", "shop")["documents"][0]
    agreed = {"document": page["kind"], "version": page["version"]}
    call("consent", "POST", "me/consents", agreed)
    call("consents", "GET", "me/consents")
    tree = shopper.shop("GET", "regions")
    record.kept["regions"] = {"answer": _branch(tree)}

    promotion = shopper.shop("GET", f"products/{found.product}")["promotions"][0]["id"]
    shown = call("promotion", "GET", f"promotions/{promotion}")["products"]
    shown["results"] = shown["results"][:1]
    call("coupon_templates", "GET", "coupon-templates")
    template = record.kept["coupon_templates"]["answer"]["results"][0]["id"]
    coupon = call("claim", "POST", f"coupon-templates/{template}/claim", {})
    call("redeem_code", "POST", "coupon-codes", {"code": BOX_CODE[2]})
    call("coupons", "GET", "coupons")
    call("coupon", "GET", f"coupons/{coupon['id']}")
    call("message_templates", "GET", "message-templates")
    accepted = {"accepted": [MESSAGES[1][1]]}
    call("remind_coupon", "POST", f"coupons/{coupon['id']}/remind", accepted)
    record.kept["subscribe"] = {"body": {"accepted": [MESSAGES[0][1]]}}
    _pass_on(record, coupon["id"])
    _at_the_counter(record, found.store)

    cart = call("cart_add", "POST", "cart/items", {"sku": found.sku, "quantity": 1})
    line = cart["stores"][0]["lines"][0]["id"]
    call("cart", "GET", "cart")
    call("cart_count", "GET", "cart/count")
    call("cart_change", "PUT", f"cart/items/{line}", {"quantity": 2})
    call("cart_change_patch", "PATCH", f"cart/items/{line}", {"selected": True})
    call("cart_select", "POST", "cart/select", {"selected": True})
    # So many that a promotion applies, and a gift comes along.
    each = cart["stores"][0]["lines"][0]["unit_price_fen"]
    many = -(-SALE[1][0][0] // each)
    items = {"items": [{"sku": found.sku, "store": found.store, "quantity": many}]}
    quote = call("quote", "POST", "purchases/quote", items)
    wanted = {**items, "payable_fen": quote["payable_fen"]}
    purchase = call("place", "POST", "purchases", wanted)
    number = purchase["number"]
    call("purchase", "GET", f"purchases/{number}")
    call("orders", "GET", "orders")
    call("orders_counts", "GET", "orders/counts")
    call("pay", "POST", f"purchases/{number}/pay", {"method": "wechat_jsapi"})
    call("check", "POST", f"purchases/{number}/check")
    order = purchase["orders"][0]["number"]
    call("order", "GET", f"orders/{order}")
    call("cancel", "POST", f"purchases/{number}/cancel")
    second = shopper.place(found)
    shopper.pay(second["number"])
    shopper.waits_for(second["number"], "paid")
    Desk(buy.SHOP).ship(second["orders"][0]["number"])
    call("receive", "POST", f"orders/{second['orders'][0]['number']}/receive")
    record.kept["trade"] = {
        "answer": {"purchase": second["number"], "orders": [second["orders"][0]["number"]]}
    }
    call("cart_remove", "POST", "cart/remove", {"lines": [line]})
    record.kept["cart_delete"] = {"answer": record.kept["cart_remove"]["answer"]}


def _pass_on(record: Recorder, coupon: int) -> None:
    """A link to a friend, who takes the coupon; it is given back by a link of theirs."""
    friend = Recorder()
    token = record.call("share_coupon", "POST", f"coupons/{coupon}/share")["token"]
    record.call("coupon_pass", "GET", f"coupon-passes/{token}")
    friend.call("accept_coupon", "POST", f"coupon-passes/{token}/accept")
    record.kept["accept_coupon"] = friend.kept["accept_coupon"]


def _at_the_counter(record: Recorder, store: int) -> None:
    """The coupon of the box is shown, looked at, redeemed and undone: by staff, then by a till."""
    call, desk, staff = record.call, Desk(buy.SHOP), Recorder()
    (coupon,) = (
        row["id"]
        for row in record.shopper.shop("GET", "coupons")["results"]
        if row["name"] == BOX_CODE[0]
    )
    staff.call("staff_link", "POST", "staff/link", {"invite_code": desk.invite()})
    staff.kept["staff_link"]["body"] = {"invite_code": "2345ABCDEFGH"}
    staff.call("staff_me", "GET", "staff/me")
    shown = call("counter_code", "GET", f"coupons/{coupon}/counter-code")
    said = {"code": shown["code"], "bill_fen": 8800}
    there = {**said, "store": store}
    staff.call("staff_look", "POST", "staff/redemptions/look", there)
    asked = {**there, "request_id": "phone-7-000001"}
    made = staff.call("staff_redeem", "POST", "staff/redemptions", asked)
    staff.call("staff_undo", "POST", f"staff/redemptions/{made['number']}/undo")
    staff.call("staff_redemptions", "GET", "staff/redemptions")
    record.kept |= staff.kept

    key, secret = desk.till(store)
    till = Till(record, key, secret)
    till.call("till_look", "/look", said)
    made = till.call("till_redeem", "", {**said, "request_id": "till-1-000001"})
    till.call("till_undo", f"/{made['number']}/undo")


class Till:
    """A till whose calls are kept."""

    def __init__(self, record: Recorder, key: str, secret: str) -> None:
        self.record, self.key, self.secret = record, key, secret

    def call(self, operation: str, path: str, body: Any = None) -> Any:
        path = f"/api/v1/till/redemptions{path}"
        data = b"" if body is None else json.dumps(body).encode()
        timestamp, nonce = str(int(time.time())), secrets.token_hex(8)
        headers = {
            "X-Till-Key": self.key,
            "X-Till-Timestamp": timestamp,
            "X-Till-Nonce": nonce,
            "X-Till-Signature": tills.signature(self.secret, "POST", path, timestamp, nonce, data),
            "Content-Type": "application/json",
        }
        answer = requests.post(f"{buy.SHOP}{path}", data=data, headers=headers, timeout=15)
        assert answer.ok, answer.text
        shown = answer.json()
        self.record.kept[operation] = {"answer": shown} | ({"body": body} if body else {})
        return shown


def _branch(tree: Any) -> Any:
    """One province with one city with one district."""
    if isinstance(tree, dict):
        return {name: _branch(value) for name, value in tree.items()}
    return [_branch(tree[0])] if isinstance(tree, list) and tree else tree


def main() -> None:
    record = Recorder()
    play(record)
    text = json.dumps(record.kept, ensure_ascii=False, indent=1, sort_keys=True)
    FILE.write_text(text.replace(buy.SHOP, "http://127.0.0.1:8000") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
