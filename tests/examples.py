"""The examples in the OpenAPI document are answers the demo shop really gave.

Start `make run` on an empty DATA_DIR, then `make examples`: a shopper plays every call whose view
names no example of its own, and `backend/examples.json` keeps what was sent and answered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from backend import buy
from backend.demo.words import BOX_CODE
from tests.flows.shopper import Desk, Shopper

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

    call("coupon_templates", "GET", "coupon-templates")
    template = record.kept["coupon_templates"]["answer"]["results"][0]["id"]
    coupon = call("claim", "POST", f"coupon-templates/{template}/claim", {})
    call("redeem_code", "POST", "coupon-codes", {"code": BOX_CODE[2]})
    call("coupons", "GET", "coupons")
    call("coupon", "GET", f"coupons/{coupon['id']}")

    cart = call("cart_add", "POST", "cart/items", {"sku": found.sku, "quantity": 1})
    line = cart["stores"][0]["lines"][0]["id"]
    call("cart", "GET", "cart")
    call("cart_count", "GET", "cart/count")
    call("cart_change", "PUT", f"cart/items/{line}", {"quantity": 2})
    call("cart_change_patch", "PATCH", f"cart/items/{line}", {"selected": True})
    call("cart_select", "POST", "cart/select", {"selected": True})
    items = {"items": [{"sku": found.sku, "store": found.store, "quantity": 2}]}
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
