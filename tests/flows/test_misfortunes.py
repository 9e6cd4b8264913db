"""What goes wrong between a shop, WeChat and its own machines, with the real processes."""

from __future__ import annotations

from typing import Any

import redis
import requests

from backend import embedded
from tests.backend.test_run import Run
from tests.flows.promises import Database
from tests.flows.shopper import Shopper, Sku, wait_until
from tests.sandbox import Sandbox


def payment_of(database: Database, number: str) -> tuple[str, str]:
    """The trade number and the status of a purchase's only payment."""
    (row,) = database.execute(
        "SELECT y.out_trade_no, y.status FROM payments_payment y"
        " JOIN orders_purchase p ON p.id = y.purchase_id WHERE p.number = %s",
        [number],
    ).fetchall()
    return row[0], row[1]


def shelf(database: Database, wanted: Sku) -> Any:
    return database.execute(
        "SELECT available, held FROM shop_stock WHERE sku_id = %s AND store_id = %s",
        [wanted.sku, wanted.store],
    ).fetchall()


def steps(database: Database, number: str) -> list[str]:
    rows = database.execute(
        "SELECT e.event FROM orders_orderevent e JOIN orders_order o ON o.id = e.order_id"
        " JOIN orders_purchase p ON p.id = o.purchase_id WHERE p.number = %s ORDER BY e.id",
        [number],
    ).fetchall()
    return [event for (event,) in rows]


def refunds_of(database: Database, out_trade_no: str) -> list[str]:
    rows = database.execute(
        "SELECT r.status FROM payments_refund r JOIN payments_payment y ON y.id = r.payment_id"
        " WHERE y.out_trade_no = %s",
        [out_trade_no],
    ).fetchall()
    return [status for (status,) in rows]


def look_now(database: Database, number: str) -> None:
    """The moment to ask WeChat about this purchase's payment has come."""
    database.execute(
        "UPDATE payments_payment SET act_at = now() - interval '1 second' WHERE act_at IS NOT NULL"
        " AND purchase_id = (SELECT id FROM orders_purchase WHERE number = %s)",
        [number],
    )


def bought(shopper: Shopper) -> tuple[Sku, Any]:
    """Something placed with a coupon, not yet paid."""
    wanted = shopper.find(shopper.stores()[0])
    shopper.claim()
    return wanted, shopper.place(wanted, quantity=2)


def test_a_purchase_nobody_pays_is_closed_by_the_clock(
    shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    wanted = shopper.find(shopper.stores()[0])
    before = shelf(database, wanted)
    coupon = shopper.claim()
    number = shopper.place(wanted, quantity=2)["number"]
    shopper.prepay(number)
    assert shelf(database, wanted) != before

    database.execute(
        "UPDATE orders_purchase SET expires_at = now() - interval '5 minutes' WHERE number = %s",
        [number],
    )
    wait_until(lambda: payment_of(database, number)[1] == "closed")

    after = shopper.purchase(number)
    assert (after["status"], after["close_reason"]) == ("closed", "expired")
    assert shelf(database, wanted) == before
    assert shopper.shop("GET", f"coupons/{coupon}")["status"] == "claimed"
    assert wechat.trade(payment_of(database, number)[0])["state"] == "CLOSED"


def test_a_payment_after_close_goes_back_by_itself(
    shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    wanted = shopper.find(shopper.stores()[0])
    before = shelf(database, wanted)
    coupon = shopper.claim()
    placed = shopper.place(wanted, quantity=2)
    prepay_id = shopper.prepay(placed["number"])
    out_trade_no, _status = payment_of(database, placed["number"])
    wechat.faults("pay", "late_success", out_trade_no=out_trade_no)

    shopper.shop("POST", f"purchases/{placed['number']}/cancel")
    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})
    trade = wechat.wait_for(
        out_trade_no, lambda trade: trade["refunded_fee"] == placed["payable_fen"], seconds=90
    )

    assert trade["total_fee"] == placed["payable_fen"]
    assert shopper.purchase(placed["number"])["status"] == "closed"
    assert shopper.shop("GET", f"coupons/{coupon}")["status"] == "claimed"
    assert shelf(database, wanted) == before
    wait_until(lambda: refunds_of(database, out_trade_no) == ["succeeded"])


def test_a_lost_notification_is_made_good_by_the_clock(
    shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    _wanted, placed = bought(shopper)
    prepay_id = shopper.prepay(placed["number"])
    out_trade_no, _status = payment_of(database, placed["number"])
    wechat.faults("notification", "lost", times=20, out_trade_no=out_trade_no)
    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})

    look_now(database, placed["number"])
    shopper.waits_for(placed["number"], "paid")

    assert not wechat.trade(out_trade_no)["notification_answered"]


def test_a_lost_notification_is_made_good_by_the_shopper_coming_back(
    shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    _wanted, placed = bought(shopper)
    prepay_id = shopper.prepay(placed["number"])
    out_trade_no, _status = payment_of(database, placed["number"])
    wechat.faults("notification", "lost", times=20, out_trade_no=out_trade_no)
    assert shopper.shop("POST", f"purchases/{placed['number']}/check")["status"] != "paid"
    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})

    assert shopper.shop("POST", f"purchases/{placed['number']}/check")["status"] == "paid"


def test_a_notification_three_times_at_once_settles_once(
    shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    _wanted, placed = bought(shopper)
    prepay_id = shopper.prepay(placed["number"])
    out_trade_no, _status = payment_of(database, placed["number"])
    wechat.faults("notification", "concurrent", out_trade_no=out_trade_no, copies=3)

    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})
    shopper.waits_for(placed["number"], "paid")
    trade = wechat.wait_for(out_trade_no, lambda trade: len(trade["notifications"]) >= 3)

    assert trade["notification_answered"]
    assert steps(database, placed["number"]) == ["place", "pay"]
    ((stored,),) = database.execute(
        "SELECT count(*) FROM payments_notification WHERE dedupe_key = %s",
        [f"v2pay:{trade['transaction_id']}"],
    ).fetchall()
    assert stored == 1


def test_a_forged_notification_moves_nothing_and_the_true_one_still_settles(
    run: Run, shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    _wanted, placed = bought(shopper)
    prepay_id = shopper.prepay(placed["number"])
    out_trade_no, _status = payment_of(database, placed["number"])
    fields = {
        "return_code": "SUCCESS", "result_code": "SUCCESS", "appid": wechat.account()["appid"],
        "mch_id": wechat.account()["mch_id"], "out_trade_no": out_trade_no,
        "transaction_id": "4200000000000000000000000000", "total_fee": str(placed["payable_fen"]),
        "time_end": "20261121093000", "sign": "0123456789ABCDEF0123456789ABCDEF",
    }  # fmt: skip
    body = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())

    answer = requests.post(
        f"http://127.0.0.1:{run.port}/webhooks/wechat-pay/demo/payment",
        data=f"<xml>{body}</xml>".encode(),
        timeout=10,
    )

    assert "FAIL" in answer.text
    assert shopper.purchase(placed["number"])["status"] == "awaiting_payment"
    (row,) = database.execute(
        "SELECT state, dedupe_key FROM payments_notification ORDER BY id DESC LIMIT 1"
    ).fetchall()
    assert row == ("unverified", None)
    wechat.faults("notification", "forged_signature", out_trade_no=out_trade_no)
    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})
    wechat.wait_for(out_trade_no, lambda trade: trade["notifications"])
    assert shopper.purchase(placed["number"])["status"] == "awaiting_payment"

    shopper.waits_for(placed["number"], "paid")  # WeChat says it again, with its own signature


def test_the_worker_killed_between_payment_and_settlement_loses_nothing(
    run: Run, shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    _wanted, placed = bought(shopper)
    prepay_id = shopper.prepay(placed["number"])
    worker = run.named("worker")
    worker.suspend()  # it takes no message while WeChat's arrives, and then it is gone

    shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})
    wechat.wait_for(
        payment_of(database, placed["number"])[0], lambda trade: trade["notification_answered"]
    )
    assert shopper.purchase(placed["number"])["status"] == "awaiting_payment"
    worker.kill()

    shopper.waits_for(placed["number"], "paid")


def test_redis_emptied_half_way_delays_and_loses_nothing(
    run: Run, shopper: Shopper, wechat: Sandbox, database: Database
) -> None:
    _wanted, placed = bought(shopper)
    prepay_id = shopper.prepay(placed["number"])
    with redis.Redis.from_url(embedded.redis_url(run.data_dir)) as memory:
        worker = run.named("worker")
        worker.suspend()
        shopper.sandbox("pay", {"prepay_id": prepay_id, "outcome": "success"})
        wechat.wait_for(
            payment_of(database, placed["number"])[0], lambda trade: trade["notification_answered"]
        )
        memory.flushall()
        worker.kill()  # it may have been handed the message already: now nobody has it

    shopper.waits_for(placed["number"], "paid")
    assert Shopper.new(*shopper.urls).find(shopper.stores()[0]).sku  # tokens and limits begin anew
