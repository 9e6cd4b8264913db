"""The main job with the real processes, over HTTP, from sign-in to receipt."""

from __future__ import annotations

from typing import Any

from backend import buy
from tests.backend.test_run import Run
from tests.flows.promises import Database
from tests.flows.shopper import Desk, Shopper
from tests.sandbox import Sandbox


def trade_of(database: Database, wechat: Sandbox, number: str) -> dict[str, Any]:
    """What WeChat's books say of the trade that paid this purchase."""
    ((out_trade_no,),) = database.execute(
        "SELECT out_trade_no FROM orders_purchase WHERE number = %s", [number]
    ).fetchall()
    return wechat.trade(out_trade_no)


def test_make_buy_buys(shopper: Shopper, wechat: Sandbox, database: Database) -> None:
    number = buy.buy(buy.Shopper(*shopper.urls))

    assert trade_of(database, wechat, number)["state"] == "SUCCESS"


def test_a_shopper_finds_claims_orders_pays_and_receives(
    run: Run, shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    store = shopper.stores()[0]
    found = shopper.find(store, "茶")
    coupon = shopper.claim()

    placed = shopper.place(found, quantity=2)
    assert "茶" in found.name
    assert placed["discount_fen"] > 0
    shopper.pay(placed["number"])
    paid = shopper.waits_for(placed["number"], "paid")
    assert shopper.shop("GET", f"coupons/{coupon}")["status"] == "used"
    trade = trade_of(database, wechat, placed["number"])
    assert (trade["state"], trade["total_fee"]) == ("SUCCESS", placed["payable_fen"])

    (order,) = paid["orders"]
    assert shopper.shop("GET", "orders/counts")["paid"] == 1
    Desk(f"http://127.0.0.1:{run.port}").ship(order["number"])
    shipped = shopper.shop("GET", f"orders/{order['number']}")
    assert shipped["status"] == "shipped"
    assert [parcel["tracking_no"] for parcel in shipped["parcels"]] == ["SF1234567890"]

    done = shopper.shop("POST", f"orders/{order['number']}/receive")
    assert done["status"] == "completed"
    events = shopper.shop("GET", f"orders/{order['number']}")["events"]
    assert [event["event"] for event in events] == ["place", "pay", "ship", "receive"]


def test_a_basket_over_two_stores_is_one_payment_and_two_orders(
    shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    first, second = shopper.stores()[:2]
    shopper.claim()

    placed = shopper.place(shopper.find(first), shopper.find(second), quantity=2)
    assert [order["store"]["id"] for order in placed["orders"]] == [first, second]
    shopper.pay(placed["number"])
    paid = shopper.waits_for(placed["number"], "paid")

    assert {order["status"] for order in paid["orders"]} == {"paid"}
    for amount in ("goods_fen", "discount_fen", "freight_fen", "payable_fen"):
        assert sum(order[amount] for order in paid["orders"]) == paid[amount]
    assert paid["discount_fen"] > 0
    assert trade_of(database, wechat, placed["number"])["total_fee"] == paid["payable_fen"]
    ((payments,),) = database.execute(
        "SELECT count(*) FROM payments_payment y JOIN orders_purchase p ON p.id = y.purchase_id"
        " WHERE p.number = %s",
        [placed["number"]],
    ).fetchall()
    assert payments == 1
