"""Notifications: WeChat's schedule, and each way one can go wrong."""

import threading

import pytest

from backend.wechat.sandbox.notify import WAITS
from backend.wechat.sandbox.wire import open_req_info
from tests.sandbox import SandboxProcess
from tests.wechat.sandbox.client import NO, Ear, Shop, v2_sign


def told(trade: dict[str, object]) -> bool:
    return bool(trade["notification_answered"])


def finished(trade: dict[str, object]) -> bool:
    return bool(trade["notifications"]) and trade["notification_due"] is None


def test_a_payment_is_told_once_and_signed(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    number = shop.paid()

    trade = sandbox.wait_for(number, told)

    (message,) = ear.about(number)
    assert message.pop("path") == "/notify"
    assert message["sign"] == v2_sign(message, shop.key)
    assert (message["return_code"], message["result_code"]) == ("SUCCESS", "SUCCESS")
    assert (message["total_fee"], message["cash_fee"]) == ("12990", "12990")
    assert (message["appid"], message["mch_id"]) == (shop.appid, shop.mch_id)
    assert message["transaction_id"] == trade["transaction_id"]
    assert (message["openid"], message["attach"]) == (shop.openid, "order42")
    assert len(message["time_end"]) == 14
    (sent,) = trade["notifications"]
    assert (sent["attempt"], sent["http_status"]) == (1, 200)
    assert "SUCCESS" in sent["answer"]


def test_an_hmac_order_is_told_with_hmac_and_does_not_say_so(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    number = shop.paid(sign_type="HMAC-SHA256")
    sandbox.wait_for(number, told)

    (message,) = ear.about(number)
    message.pop("path")
    assert "sign_type" not in message
    assert message["sign"] == v2_sign(message, shop.key, "HMAC-SHA256")


def test_total_is_what_the_order_said_though_a_coupon_paid_part(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    number, prepay_id = shop.order()
    sandbox.pay(prepay_id, coupon_fee=990)
    sandbox.wait_for(number, told)

    (message,) = ear.about(number)
    fees = {name: message[name] for name in ("total_fee", "cash_fee", "coupon_fee")}
    assert fees == {"total_fee": "12990", "cash_fee": "12000", "coupon_fee": "990"}


@pytest.mark.parametrize("bad", [(200, NO), (500, b""), (200, b"ok"), (302, b"")])
def test_anything_but_success_means_again(
    shop: Shop, sandbox: SandboxProcess, ear: Ear, bad: tuple[int, bytes]
) -> None:
    ear.answers = [bad, bad]

    trade = sandbox.wait_for(shop.paid(), told)

    assert [sent["attempt"] for sent in trade["notifications"]] == [1, 2, 3]
    assert [sent["http_status"] for sent in trade["notifications"]] == [bad[0], bad[0], 200]


def test_the_schedule_is_wechats_and_ends(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    assert len(WAITS) == 15
    assert sum(WAITS) == (24 * 60 + 4) * 60
    sandbox.rules(speed=1e6)
    ear.answers = [(200, NO)] * 16

    trade = sandbox.wait_for(shop.paid(), finished)

    assert [sent["attempt"] for sent in trade["notifications"]] == list(range(1, 17))
    assert not trade["notification_answered"]


def test_nobody_listening_is_recorded_and_tried_again(shop: Shop, sandbox: SandboxProcess) -> None:
    number = shop.paid(notify_url="http://127.0.0.1:9/nobody")

    trade = sandbox.wait_for(number, lambda t: len(t["notifications"]) >= 2)

    assert trade["notifications"][0]["http_status"] == 0
    assert "Refused" in trade["notifications"][0]["answer"]


def test_a_forged_notification_comes_before_the_real_one(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    sandbox.faults("payment notification", "forged_signature")
    ear.answers = [(200, NO)]
    number = shop.paid()
    trade = sandbox.wait_for(number, told)

    forged, real = ear.about(number)

    assert forged["sign"] != v2_sign({**forged, "path": ""}, shop.key)
    assert real["sign"] == v2_sign({**real, "path": ""}, shop.key)
    assert trade["notifications"][0]["fault"] == "forged_signature"


@pytest.mark.parametrize(
    ("fault", "field", "value"),
    [
        ("wrong_amount", "total_fee", "12991"),
        ("wrong_appid", "appid", "wx0000000000000000"),
        ("wrong_mch", "mch_id", "1900000000"),
        ("result_fail", "result_code", "FAIL"),
    ],
)
def test_a_notification_can_be_wrong_and_well_signed(
    shop: Shop, sandbox: SandboxProcess, ear: Ear, fault: str, field: str, value: str
) -> None:
    sandbox.faults("notification", fault)
    number = shop.paid()
    sandbox.wait_for(number, told)

    (message,) = ear.about(number)
    assert message[field] == value
    assert message["sign"] == v2_sign({**message, "path": ""}, shop.key)
    assert sandbox.trade(number)["total_fee"] == 12990


def test_the_wrong_amount_can_be_chosen(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    sandbox.faults("notification", "wrong_amount", amount=1)
    number = shop.paid()
    sandbox.wait_for(number, told)

    assert ear.about(number)[0]["total_fee"] == "1"


def test_an_md5_order_can_be_told_with_hmac(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    sandbox.faults("payment_notification", "hmac_notification")
    number = shop.paid()
    sandbox.wait_for(number, told)

    (message,) = ear.about(number)
    assert message["sign"] == v2_sign({**message, "path": ""}, shop.key, "HMAC-SHA256")


def test_a_notification_can_come_twice_in_a_row(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    sandbox.faults("notification", "double")
    number = shop.paid()
    trade = sandbox.wait_for(number, finished)

    first, second = ear.about(number)
    assert first == second
    assert len(trade["notifications"]) == 2


def test_notifications_can_come_all_at_once(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    sandbox.faults("notification", "concurrent", copies=4)
    ear.gate = threading.Barrier(4)  # opens only when four are being answered together

    trade = sandbox.wait_for(shop.paid(), lambda t: len(t["notifications"]) == 4)

    assert {sent["http_status"] for sent in trade["notifications"]} == {200}
    assert not ear.gate.broken


def test_a_fault_is_not_used_up_by_older_news(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    unheard = shop.paid(notify_url="http://127.0.0.1:9/nobody")
    sandbox.wait_for(unheard, lambda t: t["notifications"])

    sandbox.faults("notification", "lost")
    again = len(sandbox.trade(unheard)["notifications"]) + 1
    sandbox.wait_for(unheard, lambda t: len(t["notifications"]) >= again)

    assert sandbox.call("GET", "faults")["faults"][0]["times"] == 1
    sandbox.faults("notification", "lost", out_trade_no=unheard)
    sandbox.wait_for(unheard, lambda t: t["notifications"][-1].get("fault") == "lost")


def test_a_lost_notification_is_never_sent(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    sandbox.faults("notification", "lost")
    number = shop.paid()

    trade = sandbox.wait_for(number, finished)

    assert ear.about(number) == []
    assert [sent["fault"] for sent in trade["notifications"]] == ["lost"]
    assert shop.query(number)["trade_state"] == "SUCCESS"


def test_a_closed_trade_can_be_paid_late(shop: Shop, sandbox: SandboxProcess, ear: Ear) -> None:
    number, prepay_id = shop.order()
    shop.close(number)
    sandbox.faults("pay", "late_success")

    assert sandbox.pay(prepay_id)["state"] == "SUCCESS"

    sandbox.wait_for(number, told)
    assert len(ear.about(number)) == 1
    assert shop.query(number)["trade_state"] == "SUCCESS"


def test_a_refund_notification_is_sealed_and_unsigned(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    number = shop.paid()
    shop.refund(number, out_refund_no=f"{number}-1")
    sandbox.wait_for(number, lambda t: t["refunds"][0]["notification_answered"])

    (message,) = [m for m in ear.heard if "req_info" in m]
    assert "sign" not in message
    assert (message["appid"], message["mch_id"]) == (shop.appid, shop.mch_id)
    inner = open_req_info(message["req_info"], shop.key)
    assert (inner["out_refund_no"], inner["refund_fee"]) == (f"{number}-1", "100")
    assert (inner["refund_status"], inner["out_trade_no"]) == ("SUCCESS", number)


def test_a_refund_notification_can_be_forged_repeated_or_lost(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    number = shop.paid()
    for fault in ("forged_signature", "double", "lost"):
        sandbox.faults("refund notification", fault, out_refund_no=f"{number}-{fault}")
        shop.refund(number, out_refund_no=f"{number}-{fault}")

    trade = sandbox.wait_for(number, lambda t: all(finished(r) for r in t["refunds"]))

    sent = {r["out_refund_no"].split("-")[1]: len(r["notifications"]) for r in trade["refunds"]}
    assert sent == {"forged_signature": 1, "double": 2, "lost": 1}
    readable = 0
    for message in [m for m in ear.heard if "req_info" in m]:
        try:
            open_req_info(message["req_info"], shop.key)
            readable += 1
        except Exception:  # noqa: S112
            continue
    assert readable == 2
