"""Refunds: accepted first, done a little later, never more than was paid."""

import pytest

from tests.sandbox import SandboxProcess
from tests.wechat.sandbox.client import Ear, Shop
from tests.wechat.sandbox.test_trades import refused


def test_a_refund_is_accepted_then_succeeds_and_is_told(
    shop: Shop, sandbox: SandboxProcess, ear: Ear
) -> None:
    sandbox.rules(refund_seconds=300)  # 0.3 s at this speed
    number = shop.paid()

    answer = shop.refund(number, out_refund_no="R@1-first", refund_fee="990")

    assert answer["result_code"] == "SUCCESS"
    assert (answer["refund_fee"], answer["total_fee"]) == ("990", "12990")
    assert shop.query(number)["trade_state"] == "REFUND"
    asked = shop.refund_query(out_refund_no="R@1-first")
    assert asked["refund_status_0"] == "PROCESSING"
    trade = sandbox.wait_for(number, lambda t: t["refunds"][0]["notification_answered"])
    assert trade["refunded_fee"] == 990
    asked = shop.refund_query(refund_id=answer["refund_id"])
    assert (asked["refund_status_0"], asked["refund_fee_0"]) == ("SUCCESS", "990")
    assert len(asked["refund_success_time_0"]) == len("2026-01-01 00:00:00")
    assert asked["refund_recv_accout_0"] == "支付用户零钱"
    assert [m for m in ear.heard if "req_info" in m]


def test_the_same_refund_number_refunds_once(shop: Shop, sandbox: SandboxProcess) -> None:
    number = shop.paid()
    values = shop.refund_values(number)

    first = shop.call("/secapi/pay/refund", values)
    second = shop.call("/secapi/pay/refund", values)

    assert first["refund_id"] == second["refund_id"]
    assert sandbox.trade(number)["refunded_fee"] == 100
    assert refused(shop.call("/secapi/pay/refund", {**values, "refund_fee": "101"})) == (
        "REFUND_FEE_MISMATCH"
    )


def test_refunds_never_exceed_what_was_paid(shop: Shop, sandbox: SandboxProcess) -> None:
    number = shop.paid()
    assert shop.refund(number, refund_fee="12000")["result_code"] == "SUCCESS"

    assert refused(shop.refund(number, refund_fee="991")) == "ERROR"
    assert shop.refund(number, refund_fee="990")["result_code"] == "SUCCESS"
    assert refused(shop.refund(number, refund_fee="1")) == "ERROR"

    assert sandbox.trade(number)["refunded_fee"] == 12990


def test_a_trade_bears_fifty_refunds_and_lists_ten_at_a_time(shop: Shop) -> None:
    number = shop.paid()
    for n in range(50):
        answer = shop.refund(number, out_refund_no=f"{number}-{n}", notify_url="-")
        assert answer["result_code"] == "SUCCESS"

    assert refused(shop.refund(number)) == "ERROR"

    first = shop.refund_query(out_trade_no=number)
    assert (first["refund_count"], first["total_refund_count"]) == ("10", "50")
    assert first["out_refund_no_9"] == f"{number}-9"
    last = shop.refund_query(out_trade_no=number, offset="40")
    assert last["out_refund_no_9"] == f"{number}-49"


def test_two_refunds_of_a_trade_are_a_minute_apart(shop: Shop, sandbox: SandboxProcess) -> None:
    sandbox.rules(refund_spacing="on", speed=1)
    number = shop.paid()
    values = shop.refund_values(number)
    assert shop.call("/secapi/pay/refund", values)["result_code"] == "SUCCESS"

    assert refused(shop.refund(number)) == "FREQUENCY_LIMITED"
    assert shop.call("/secapi/pay/refund", values)["result_code"] == "SUCCESS"  # the same one
    assert shop.refund(shop.paid())["result_code"] == "SUCCESS"  # another trade

    sandbox.rules(speed=1e9)
    assert shop.refund(number)["result_code"] == "SUCCESS"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"total_fee": "12991"}, "PARAM_ERROR"),
        ({"refund_fee": "0"}, "refund_fee参数格式错误"),
        ({"refund_fee": "12991"}, "ERROR"),
        ({"out_refund_no": "R 1"}, "out_refund_no参数格式错误"),
        ({"out_refund_no": "R" * 65}, "out_refund_no参数格式错误"),
        ({"refund_desc": "退" * 27}, "refund_desc参数长度有误"),
        ({"refund_account": "MY_POCKET"}, "refund_account参数格式错误"),
        ({"notify_url": "http://127.0.0.1/?a=b"}, "notify_url参数格式错误"),
        ({"out_trade_no": "T00000000"}, "ORDERNOTEXIST"),
    ],
)
def test_a_refund_that_breaks_a_rule_leaves_no_trace(
    shop: Shop, sandbox: SandboxProcess, change: dict[str, str], reason: str
) -> None:
    number = shop.paid()

    assert refused(shop.refund(number, **change)) == reason
    assert sandbox.trade(number)["refunds"] == []


def test_an_unpaid_trade_has_nothing_to_refund(shop: Shop) -> None:
    number, _ = shop.order()

    assert refused(shop.refund(number)) == "TRADE_STATE_ERROR"
    assert refused(shop.refund_query(out_trade_no=number)) == "REFUNDNOTEXIST"
    assert refused(shop.refund_query(out_refund_no="R00000000")) == "REFUNDNOTEXIST"
    assert refused(shop.refund_query(out_trade_no="T00000000")) == "ORDERNOTEXIST"


def test_a_refund_can_be_refused_for_lack_of_funds_once(shop: Shop) -> None:
    number = shop.paid()
    values = shop.refund_values(number)
    shop.sandbox.faults("refund", "not_enough")

    assert refused(shop.call("/secapi/pay/refund", values)) == "NOTENOUGH"
    assert shop.call("/secapi/pay/refund", values)["result_code"] == "SUCCESS"


@pytest.mark.parametrize(
    ("fault", "status", "refunded"),
    [("refund_change", "CHANGE", 100), ("refund_closed", "REFUNDCLOSE", 0)],
)
def test_a_refund_can_fail_after_it_was_accepted(
    shop: Shop, sandbox: SandboxProcess, fault: str, status: str, refunded: int
) -> None:
    number = shop.paid()
    sandbox.faults("/secapi/pay/refund", fault)

    assert shop.refund(number, out_refund_no=f"{number}-1")["result_code"] == "SUCCESS"

    trade = sandbox.wait_for(number, lambda t: t["refunds"][0]["notification_answered"])
    assert trade["refunds"][0]["status"] == status
    assert trade["refunded_fee"] == refunded
    asked = shop.refund_query(out_refund_no=f"{number}-1")
    assert asked["refund_status_0"] == status
    assert "refund_success_time_0" not in asked


def test_a_coupon_of_wechats_goes_back_in_its_share(shop: Shop, sandbox: SandboxProcess) -> None:
    number, prepay_id = shop.order()
    sandbox.pay(prepay_id, coupon_fee=990)

    first = shop.refund(number, refund_fee="6495")
    second = shop.refund(number, refund_fee="6495")

    assert (first["cash_refund_fee"], first["coupon_refund_fee"]) == ("6000", "495")
    assert int(second["cash_refund_fee"]) == 12000 - 6000
