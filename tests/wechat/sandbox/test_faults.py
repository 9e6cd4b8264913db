"""Scripted faults of the calls: what the caller sees, and what was done behind it."""

import pytest
import requests

from tests.sandbox import SandboxError, SandboxProcess
from tests.wechat.sandbox.client import Shop, from_xml, to_xml, v2_sign
from tests.wechat.sandbox.test_trades import refused


def raw(shop: Shop, values: dict[str, str]) -> requests.Response:
    return shop.post("/pay/unifiedorder", to_xml(shop.signed(values)))


def test_a_call_can_be_done_and_its_answer_lost(shop: Shop, sandbox: SandboxProcess) -> None:
    values = shop.order_values()
    sandbox.faults("unifiedorder", "timeout_after_accepting")

    with pytest.raises(requests.ConnectionError):
        raw(shop, values)

    assert sandbox.trade(values["out_trade_no"])["state"] == "NOTPAY"
    assert shop.unified_order(values)["result_code"] == "SUCCESS"


def test_a_call_can_be_held_until_the_caller_gives_up(shop: Shop, sandbox: SandboxProcess) -> None:
    values = shop.order_values()
    sandbox.faults("unifiedorder", "timeout_after_accepting", seconds=30)

    with pytest.raises(requests.ReadTimeout):
        requests.post(
            sandbox.base_url + "/pay/unifiedorder", to_xml(shop.signed(values)), timeout=0.2
        )

    assert sandbox.trade(values["out_trade_no"])["state"] == "NOTPAY"


def test_a_connection_can_be_dropped_with_nothing_done(shop: Shop, sandbox: SandboxProcess) -> None:
    values = shop.order_values()
    sandbox.faults("unifiedorder", "drop_before")

    with pytest.raises(requests.ConnectionError):
        raw(shop, values)

    assert sandbox.books(out_trade_no=values["out_trade_no"]) == []


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [("html_200", 200, b"<html>"), ("http_502", 502, b"<html>"), ("text_200", 200, b"system")],
)
@pytest.mark.parametrize("accepted", [False, True])
def test_an_answer_can_be_anything_at_all(
    shop: Shop,
    sandbox: SandboxProcess,
    fault: str,
    status: int,
    start: bytes,
    accepted: bool,  # noqa: FBT001
) -> None:
    values = shop.order_values()
    sandbox.faults("unifiedorder", fault, accepted=accepted)

    response = raw(shop, values)

    assert response.status_code == status
    assert response.content.startswith(start)
    assert len(sandbox.books(out_trade_no=values["out_trade_no"])) == int(accepted)


@pytest.mark.parametrize("accepted", [False, True])
def test_systemerror_then_success(
    shop: Shop,
    sandbox: SandboxProcess,
    accepted: bool,  # noqa: FBT001
) -> None:
    values = shop.order_values()
    sandbox.faults("unifiedorder", "systemerror", times=2, accepted=accepted)

    assert refused(shop.unified_order(values)) == "SYSTEMERROR"
    assert refused(shop.unified_order(values)) == "SYSTEMERROR"
    assert len(sandbox.books(out_trade_no=values["out_trade_no"])) == int(accepted)
    assert shop.unified_order(values)["result_code"] == "SUCCESS"


def test_an_answer_can_be_badly_signed(shop: Shop, sandbox: SandboxProcess) -> None:
    sandbox.faults("orderquery", "bad_signature")
    body = to_xml(shop.signed({"out_trade_no": shop.paid()}))

    answer = from_xml(shop.post("/pay/orderquery", body).content)

    assert answer["trade_state"] == "SUCCESS"
    assert answer["sign"] != v2_sign(answer, shop.key)


def test_an_answer_can_name_someone_else_and_be_well_signed(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    number = shop.paid()
    sandbox.faults("orderquery", "wrong_appid")
    assert shop.query(number)["appid"] != shop.appid
    sandbox.faults("orderquery", "wrong_mch")
    assert shop.query(number)["mch_id"] != shop.mch_id
    sandbox.faults("orderquery", "wrong_amount", amount=1)
    assert shop.query(number)["total_fee"] == "1"


def test_a_call_can_be_refused_with_any_code(shop: Shop, sandbox: SandboxProcess) -> None:
    sandbox.faults("refundquery", "result_fail", err_code="BIZERR_NEED_RETRY")

    assert refused(shop.refund_query(out_refund_no="R1")) == "BIZERR_NEED_RETRY"


@pytest.mark.parametrize("state", ["USERPAYING", "PAYERROR", "REVOKED", "ACCEPT"])
def test_a_query_can_find_any_state(shop: Shop, sandbox: SandboxProcess, state: str) -> None:
    number, _ = shop.order()
    sandbox.faults("orderquery", "trade_state", state=state)

    assert shop.query(number)["trade_state"] == state


def test_the_shopper_can_pay_while_the_trade_is_being_closed(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    number, _ = shop.order()
    sandbox.faults("closeorder", "order_paid")

    assert refused(shop.close(number)) == "ORDERPAID"

    assert shop.query(number)["trade_state"] == "SUCCESS"
    sandbox.wait_for(number, lambda t: t["notification_answered"])


def test_a_fault_can_wait_for_one_trade(shop: Shop, sandbox: SandboxProcess) -> None:
    first, second = shop.paid(), shop.paid()
    sandbox.faults("orderquery", "systemerror", out_trade_no=second)

    assert shop.query(first)["trade_state"] == "SUCCESS"
    assert refused(shop.query(second)) == "SYSTEMERROR"
    assert sandbox.call("GET", "faults") == {"faults": []}


def test_faults_can_be_taken_back(shop: Shop, sandbox: SandboxProcess) -> None:
    sandbox.faults("unifiedorder", "http_502", times=5)
    sandbox.clear_faults()

    shop.order()


@pytest.mark.parametrize(
    "wish",
    [
        {"match": "unifiedorder", "fault": "gremlins"},
        {"match": "nothing", "fault": "http_502"},
        {"match": "unifiedorder", "fault": "refund_change"},
        {"match": "unifiedorder", "fault": "http_502", "times": 0},
        {"match": "unifiedorder", "fault": "http_502", "second": 1},
        {"match": "jscode2session", "fault": "errcode"},
        {"fault": "http_502"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    sandbox: SandboxProcess, wish: dict[str, object]
) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.call("POST", "faults", wish)

    assert caught.value.status == 400
    assert sandbox.call("GET", "faults") == {"faults": []}


@pytest.mark.parametrize(
    "wish", [{"early_close": "maybe"}, {"gravity": "off"}, {"speed": 0}, {"pages": "home"}]
)
def test_a_rule_that_makes_no_sense_is_refused(
    sandbox: SandboxProcess, wish: dict[str, object]
) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.rules(**wish)

    assert caught.value.status == 400
