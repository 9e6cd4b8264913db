"""Trades and refunds with the sandbox over TLS, and every way an answer can go wrong."""

import contextlib
import logging
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backend.money import Fen
from backend.wechat import http
from backend.wechat.credentials import PayCredentials
from backend.wechat.errors import BadSignature, Refused, Retry, Unknown, WeChatError
from backend.wechat.pay import (
    CloseOutcome,
    PrepayRequest,
    RefundRequest,
    RefundStatus,
    Trade,
    TradeState,
    WeChatPay,
)
from tests.sandbox import SandboxProcess
from tests.wechat.conftest import Letterbox

NOWHERE = "http://127.0.0.1:9/hook"


def a_request(wechat: SandboxProcess, account: PayCredentials, **changes: Any) -> PrepayRequest:
    openid = f"o{secrets.token_hex(13)}"
    wechat.login_code(account.payer_appid, openid)
    now = datetime.now(UTC)
    fields: dict[str, Any] = {
        "out_trade_no": f"T{secrets.token_hex(12)}",
        "amount_fen": Fen(12800),
        "openid": openid,
        "body": "秋冬保暖加厚澳洲羊毛被",
        "client_ip": "203.0.113.7",
        "starts_at": now,
        "expires_at": now + timedelta(minutes=30),
        "notify_url": NOWHERE,
        "attach": "p-1",
    }
    return PrepayRequest(**{**fields, **changes})


def paid(wechat: SandboxProcess, account: PayCredentials, **changes: Any) -> PrepayRequest:
    """A trade that the shopper has paid."""
    request = a_request(wechat, account, **changes)
    pay = WeChatPay(account)
    wechat.pay(client=pay.client_parameters(pay.prepay(request)))
    return request


def a_refund(request: PrepayRequest, **changes: Any) -> RefundRequest:
    fields: dict[str, Any] = {
        "out_trade_no": request.out_trade_no,
        "transaction_id": "",
        "out_refund_no": f"R{secrets.token_hex(12)}",
        "amount_fen": Fen(2800),
        "total_fen": request.amount_fen,
        "reason": "少发一件",
        "notify_url": NOWHERE,
    }
    return RefundRequest(**{**fields, **changes})


# -- the road that everybody hopes for ------------------------------------------------------------


def test_a_trade_is_opened_paid_and_asked_about(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)

    prepay_id = pay.prepay(request)
    assert pay.ask(request.out_trade_no) == Trade(TradeState.OPEN)
    # the sandbox checks the five parameters as the phone does
    wechat.pay(client=pay.client_parameters(prepay_id))

    trade = pay.ask(request.out_trade_no)
    assert trade.state is TradeState.PAID
    assert trade.receipt is not None
    assert trade.receipt.paid
    assert trade.receipt.amount_fen == Fen(12800)
    assert trade.receipt.openid == request.openid
    assert trade.receipt.out_trade_no == request.out_trade_no
    assert trade.receipt.transaction_id == wechat.trade(request.out_trade_no)["transaction_id"]
    assert (trade.receipt.appid, trade.receipt.mch_id) == (account.appid, account.mch_id)
    assert trade.receipt.attach == "p-1"
    assert abs(trade.receipt.paid_at - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_notification_and_a_query_say_the_same(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox
) -> None:
    request = paid(wechat, account, notify_url=letterbox.url)
    pay = WeChatPay(account)

    assert pay.payment_notification(letterbox.next()) == pay.ask(request.out_trade_no).receipt


def test_trap_11_a_coupon_of_wechats_does_not_make_the_payment_smaller(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account, notify_url=letterbox.url)
    wechat.pay(pay.prepay(request), coupon_fee=800)

    receipt = pay.payment_notification(letterbox.next())

    assert receipt.amount_fen == Fen(12800)


def test_the_same_prepay_again_is_the_same_trade(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    pay.prepay(request)

    pay.prepay(PrepayRequest.from_json(request.to_json()))

    assert len(wechat.books(mch_id=account.mch_id)) == 1
    with pytest.raises(Refused, match="OUT_TRADE_NO_USED"):
        pay.prepay(replace(request, body="something else"))


def test_a_refund_is_taken_and_then_arrives(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox
) -> None:
    pay = WeChatPay(account)
    request = paid(wechat, account)
    refund = a_refund(request, notify_url=letterbox.url)

    taken = pay.refund(refund)

    assert (taken.out_refund_no, taken.amount_fen) == (refund.out_refund_no, Fen(2800))
    notice = pay.refund_notification(letterbox.next())
    assert (notice.refund_id, notice.amount_fen) == (taken.refund_id, Fen(2800))
    assert notice.status is RefundStatus.SUCCEEDED
    state = pay.ask_refund(refund.out_refund_no)
    assert state is not None
    assert (state.status, state.refund_id) == (RefundStatus.SUCCEEDED, taken.refund_id)
    assert (state.amount_fen, state.succeeded_at) == (Fen(2800), notice.succeeded_at)
    # a trade with a refund is still a paid one
    assert pay.ask(request.out_trade_no).state is TradeState.PAID


def test_the_same_refund_again_refunds_once(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    refund = a_refund(paid(wechat, account))

    first, second = pay.refund(refund), pay.refund(refund)

    assert first == second
    assert len(wechat.trade(refund.out_trade_no)["refunds"]) == 1


def test_a_refund_may_name_the_transaction(wechat: SandboxProcess, account: PayCredentials) -> None:
    pay = WeChatPay(account)
    request = paid(wechat, account)
    receipt = pay.ask(request.out_trade_no).receipt
    assert receipt is not None

    taken = pay.refund(a_refund(request, transaction_id=receipt.transaction_id))

    assert taken.refund_id


@pytest.mark.parametrize(
    ("fault", "status"),
    [("refund_change", RefundStatus.STUCK), ("refund_closed", RefundStatus.CLOSED)],
)
def test_a_refund_that_bounced_or_closed_says_so(
    wechat: SandboxProcess,
    account: PayCredentials,
    letterbox: Letterbox,
    fault: str,
    status: RefundStatus,
) -> None:
    pay = WeChatPay(account)
    refund = a_refund(paid(wechat, account), notify_url=letterbox.url)
    wechat.faults("refund", fault)
    pay.refund(refund)

    assert pay.refund_notification(letterbox.next()).status is status
    state = pay.ask_refund(refund.out_refund_no)
    assert state is not None
    assert state.status is status


def test_a_provider_takes_money_for_the_merchant_below_it(
    wechat: SandboxProcess, provider: PayCredentials, letterbox: Letterbox
) -> None:
    pay = WeChatPay(provider)
    request = paid(wechat, provider, notify_url=letterbox.url)

    receipt = pay.payment_notification(letterbox.next())
    assert (receipt.mch_id, receipt.sub_mch_id) == (provider.mch_id, provider.sub_mch_id)
    assert receipt.openid == request.openid
    assert receipt == pay.ask(request.out_trade_no).receipt
    refund = a_refund(request)
    pay.refund(refund)
    state = pay.ask_refund(refund.out_refund_no)
    assert state is not None
    assert state.amount_fen == Fen(2800)


def test_a_provider_tells_its_merchants_apart(
    wechat: SandboxProcess, provider: PayCredentials, letterbox: Letterbox
) -> None:
    paid(wechat, provider, notify_url=letterbox.url)
    body = letterbox.next()

    with pytest.raises(BadSignature):
        WeChatPay(replace(provider, sub_mch_id="1900000778")).payment_notification(body)


# -- no -------------------------------------------------------------------------------------------


def test_a_trade_that_never_arrived_is_absent(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)

    assert pay.ask("T20261120000001") == Trade(TradeState.ABSENT)
    assert pay.close("T20261120000001") is CloseOutcome.ABSENT
    assert pay.ask_refund("R20261120000001") is None


def test_closing_twice_is_closed_and_closing_a_paid_trade_says_paid(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    unpaid = a_request(wechat, account)
    pay.prepay(unpaid)

    assert pay.close(unpaid.out_trade_no) is CloseOutcome.CLOSED
    assert pay.close(unpaid.out_trade_no) is CloseOutcome.CLOSED
    assert pay.ask(unpaid.out_trade_no) == Trade(TradeState.CLOSED)
    with pytest.raises(Refused, match="ORDERCLOSED"):
        pay.prepay(unpaid)

    assert pay.close(paid(wechat, account).out_trade_no) is CloseOutcome.PAID


def test_trap_13_a_payment_that_overtakes_the_closing_is_told(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    pay.prepay(request)
    wechat.faults("closeorder", "order_paid")

    assert pay.close(request.out_trade_no) is CloseOutcome.PAID
    assert pay.ask(request.out_trade_no).state is TradeState.PAID


def test_a_trade_too_young_to_close_is_too_early(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    wechat.rules(early_close="refuse", speed=1)
    pay.prepay(request)

    assert pay.close(request.out_trade_no) is CloseOutcome.TOO_EARLY


def test_opening_a_paid_trade_again_says_it_is_paid(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    request = paid(wechat, account)

    with pytest.raises(Refused) as refused:
        WeChatPay(account).prepay(request)

    assert refused.value.code == "ORDERPAID"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("NOTPAY", TradeState.OPEN),
        ("USERPAYING", TradeState.OPEN),
        ("ACCEPT", TradeState.OPEN),
        ("CLOSED", TradeState.CLOSED),
        ("REVOKED", TradeState.CLOSED),
        ("PAYERROR", TradeState.CLOSED),
    ],
)
def test_every_word_for_unpaid_has_its_state(
    wechat: SandboxProcess, account: PayCredentials, word: str, state: TradeState
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    pay.prepay(request)
    wechat.faults("orderquery", "trade_state", state=word)

    assert pay.ask(request.out_trade_no) == Trade(state)


def test_a_state_unheard_of_is_no_answer(wechat: SandboxProcess, account: PayCredentials) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    pay.prepay(request)
    wechat.faults("orderquery", "trade_state", state="SOMETHING_NEW")

    with pytest.raises(Retry):
        pay.ask(request.out_trade_no)


def test_too_little_money_to_refund_is_refused_by_its_name(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    refund = a_refund(paid(wechat, account))
    wechat.faults("refund", "not_enough")

    with pytest.raises(Refused, match="NOTENOUGH"):
        WeChatPay(account).refund(refund)
    assert WeChatPay(account).ask_refund(refund.out_refund_no) is None


@pytest.mark.parametrize("code", ["BIZERR_NEED_RETRY", "FREQUENCY_LIMITED", "INVALID_REQ_TOO_MUCH"])
def test_what_was_not_accepted_may_be_sent_again(
    wechat: SandboxProcess, account: PayCredentials, code: str
) -> None:
    pay = WeChatPay(account)
    refund = a_refund(paid(wechat, account))
    wechat.faults("refund", "result_fail", err_code=code)

    with pytest.raises(Retry) as later:
        pay.refund(refund)

    assert later.value.code == code
    assert pay.refund(refund).refund_id


def test_a_second_refund_within_the_minute_is_for_later(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    request = paid(wechat, account)
    wechat.rules(speed=1)
    pay.refund(a_refund(request))

    with pytest.raises(Retry, match="FREQUENCY_LIMITED"):
        pay.refund(a_refund(request))


def test_a_wrong_key_is_refused_for_good(wechat: SandboxProcess, account: PayCredentials) -> None:
    wrong = replace(account, api_key="x" * 32)

    with pytest.raises(Refused, match="签名错误"):
        WeChatPay(wrong).prepay(a_request(wechat, wrong))


# -- nobody knows ---------------------------------------------------------------------------------

LINE_FAULTS = ["timeout_after_accepting", "drop_before", "html_200", "text_200", "http_502"]
LIES = ["bad_signature", "wrong_appid", "wrong_mch"]


@pytest.mark.parametrize("fault", [*LINE_FAULTS, *LIES, "systemerror"])
def test_traps_2_7_10_an_unbelievable_answer_leaves_prepay_refund_and_close_unknown(
    wechat: SandboxProcess, account: PayCredentials, fault: str
) -> None:
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    refund = a_refund(paid(wechat, account))

    wechat.faults("unifiedorder", fault)
    with pytest.raises(Unknown):
        pay.prepay(request)
    assert pay.prepay(request)

    wechat.faults("closeorder", fault)
    with pytest.raises(Unknown):
        pay.close(request.out_trade_no)
    assert pay.close(request.out_trade_no) is CloseOutcome.CLOSED

    wechat.faults("refund", fault)
    with pytest.raises(Unknown):
        pay.refund(refund)
    assert pay.refund(refund).amount_fen == Fen(2800)
    assert len(wechat.trade(refund.out_trade_no)["refunds"]) == 1


@pytest.mark.parametrize("fault", [*LINE_FAULTS, *LIES, "systemerror"])
def test_a_question_without_a_believable_answer_is_asked_again(
    wechat: SandboxProcess, account: PayCredentials, fault: str
) -> None:
    pay = WeChatPay(account)
    request = paid(wechat, account)
    refund = a_refund(request)
    pay.refund(refund)

    wechat.faults("orderquery", fault)
    with pytest.raises(Retry):
        pay.ask(request.out_trade_no)
    assert pay.ask(request.out_trade_no).state is TradeState.PAID

    wechat.faults("refundquery", fault)
    with pytest.raises(Retry):
        pay.ask_refund(refund.out_refund_no)
    assert pay.ask_refund(refund.out_refund_no) is not None


def test_a_refund_done_and_then_denied_by_an_html_page_is_found_by_asking(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    pay = WeChatPay(account)
    refund = a_refund(paid(wechat, account))
    wechat.faults("refund", "html_200", accepted=True)

    with pytest.raises(Unknown):
        pay.refund(refund)

    state = pay.ask_refund(refund.out_refund_no)
    assert state is not None
    assert state.amount_fen == Fen(2800)


def test_nobody_listening_is_unknown_or_later(account: PayCredentials, settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.WECHAT_PAY_BASE_URL = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        pay = WeChatPay(account)

        with pytest.raises(Retry):
            pay.ask("T20261120000001")
        with pytest.raises(Unknown):
            pay.close("T20261120000001")


def test_an_authority_nobody_knows_is_not_believed(
    wechat: SandboxProcess, account: PayCredentials, settings: Settings
) -> None:
    settings.WECHAT_CA_BUNDLE = ""

    with pytest.raises(Unknown, match="SSLError"):
        WeChatPay(account).prepay(a_request(wechat, account))


def test_trap_4_a_silent_gateway_is_waited_for_so_long_and_no_longer(
    wechat: SandboxProcess, account: PayCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http.TIMEOUT == (3, 10)
    monkeypatch.setattr(http, "TIMEOUT", (3, 0.3))
    pay = WeChatPay(account)
    request = a_request(wechat, account)
    wechat.faults("unifiedorder", "timeout_after_accepting", seconds=5)
    began = time.monotonic()

    with pytest.raises(Unknown, match="ReadTimeout"):
        pay.prepay(request)

    assert time.monotonic() - began < 3
    assert pay.ask(request.out_trade_no).state is TradeState.OPEN


# -- notifications that lie ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["forged_signature", "wrong_appid", "wrong_mch"])
def test_a_payment_notification_that_lies_is_refused(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox, fault: str
) -> None:
    wechat.faults("payment_notification", fault, mch_id=account.mch_id)
    paid(wechat, account, notify_url=letterbox.url)

    with pytest.raises(BadSignature):
        WeChatPay(account).payment_notification(letterbox.next())


@pytest.mark.parametrize("fault", ["forged_signature", "wrong_appid", "wrong_mch"])
def test_a_refund_notification_that_lies_is_refused(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox, fault: str
) -> None:
    refund = a_refund(paid(wechat, account), notify_url=letterbox.url)
    wechat.faults("refund_notification", fault, mch_id=account.mch_id)
    WeChatPay(account).refund(refund)

    with pytest.raises(BadSignature):
        WeChatPay(account).refund_notification(letterbox.next())


def test_trap_1_an_hmac_notification_of_an_md5_order_is_verified(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox
) -> None:
    wechat.faults("payment_notification", "hmac_notification", mch_id=account.mch_id)
    paid(wechat, account, notify_url=letterbox.url)

    assert WeChatPay(account).payment_notification(letterbox.next()).paid


def test_a_failed_payment_is_told_apart(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox
) -> None:
    wechat.faults("payment_notification", "result_fail", mch_id=account.mch_id)
    paid(wechat, account, notify_url=letterbox.url)

    assert not WeChatPay(account).payment_notification(letterbox.next()).paid


def test_a_notification_with_another_amount_gives_that_amount_for_the_caller_to_compare(
    wechat: SandboxProcess, account: PayCredentials, letterbox: Letterbox
) -> None:
    wechat.faults("payment_notification", "wrong_amount", amount=1, mch_id=account.mch_id)
    paid(wechat, account, notify_url=letterbox.url)

    assert WeChatPay(account).payment_notification(letterbox.next()).amount_fen == Fen(1)


# -- what leaves the house -------------------------------------------------------------------------


def test_trap_6_text_that_tries_to_break_out_pays_the_price_agreed(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    request = a_request(
        wechat, account, body=" 被]]></body><total_fee>1</total_fee><body><![CDATA[" + "子" * 90
    )

    WeChatPay(account).prepay(request)

    assert wechat.trade(request.out_trade_no)["total_fee"] == 12800


def test_a_body_of_nothing_but_control_characters_is_replaced_by_the_number(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    assert WeChatPay(account).prepay(a_request(wechat, account, body="\x00\n ", attach=""))


def test_no_name_is_looked_up_to_guess_our_address(
    wechat: SandboxProcess, account: PayCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(socket, "gethostbyname", looked_up.append)

    WeChatPay(account).prepay(a_request(wechat, account))

    assert looked_up == []


def test_trap_9_a_whole_purchase_writes_no_key_into_any_log(
    wechat: SandboxProcess, account: PayCredentials, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        refund = a_refund(paid(wechat, account))
        WeChatPay(account).refund(refund)

    written = caplog.text + repr(account)
    assert account.api_key not in written
    assert "PRIVATE KEY" not in written


def test_the_certificate_is_shown_for_refunds_only_and_leaves_no_file(
    wechat: SandboxProcess,
    account: PayCredentials,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []
    make = tempfile.mkstemp

    def watched(*args: Any, **kwargs: Any) -> tuple[int, str]:
        made = make(*args, **kwargs)
        modes.append(Path(made[1]).stat().st_mode & 0o777)
        return made

    monkeypatch.setattr(tempfile, "mkstemp", watched)
    request = paid(wechat, account)
    assert modes == []

    WeChatPay(account).refund(a_refund(request))

    assert modes == [0o600]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", [{"cert_pem": ""}, {"key_pem": ""}, {"key_pem": "not a key"}])
def test_an_account_without_a_usable_certificate_is_told_so(
    wechat: SandboxProcess, account: PayCredentials, broken: dict[str, str]
) -> None:
    refund = a_refund(paid(wechat, account))

    with pytest.raises(Refused, match="CERT_ERROR"):
        WeChatPay(replace(account, **broken)).refund(refund)  # type: ignore[arg-type]


def test_another_merchants_certificate_is_refused(
    wechat: SandboxProcess, account: PayCredentials, provider: PayCredentials
) -> None:
    stolen = replace(account, cert_pem=provider.cert_pem, key_pem=provider.key_pem)

    with pytest.raises(Refused, match="CERT_ERROR"):
        WeChatPay(stolen).refund(a_refund(paid(wechat, account)))


def test_a_call_turned_away_at_the_door_is_refused(
    wechat: SandboxProcess, account: PayCredentials, settings: Settings
) -> None:
    settings.WECHAT_PAY_BASE_URL = wechat.tls_url + "/nothing-here/"

    with pytest.raises(Refused, match="turned_away"):
        WeChatPay(account).prepay(a_request(wechat, account))


def test_a_gateway_that_sends_us_elsewhere_is_not_followed(
    account: PayCredentials, settings: Settings, letterbox: Letterbox
) -> None:
    settings.WECHAT_PAY_BASE_URL = letterbox.url.replace("/hook", "/moved/")

    with pytest.raises(Unknown, match="HTTP 307"):
        WeChatPay(account).close("T20261120000001")

    assert letterbox.is_empty


def test_a_proxy_of_the_environment_does_not_stand_before_our_own_sandbox(
    wechat: SandboxProcess, account: PayCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert WeChatPay(account).ask("T20261120000001").state is TradeState.ABSENT


def test_connections_are_kept_between_accounts_and_calls(
    wechat: SandboxProcess, account: PayCredentials, provider: PayCredentials
) -> None:
    first, second = WeChatPay(account), WeChatPay(provider)

    assert first._gateway._http is second._gateway._http
    assert first._gateway.with_certificate()._http is not second._gateway.with_certificate()._http


def test_no_failure_drags_its_request_along(
    wechat: SandboxProcess, account: PayCredentials
) -> None:
    def failures() -> list[Callable[[], object]]:
        pay = WeChatPay(account)
        return [
            lambda: pay.ask("T20261120000001"),
            lambda: pay.close("T20261120000001"),
            lambda: pay.ask_refund("R1"),
        ]

    for call in failures():
        wechat.clear_faults()
        for name in ("orderquery", "closeorder", "refundquery"):
            wechat.faults(name, "drop_before")
        with pytest.raises(WeChatError) as caught:
            call()
        assert caught.value.__context__ is None


def test_a_silent_wechat_keeps_half_of_the_threads_and_not_the_shop(
    wechat: SandboxProcess, account: PayCredentials, settings: Settings
) -> None:
    kept = settings.WEB_THREADS // 2
    wechat.faults("orderquery", "timeout_after_accepting", times=kept, seconds=3)
    waiting = [threading.Thread(target=suppressed, args=(account,)) for _n in range(kept)]
    for thread in waiting:
        thread.start()
    while http._lines().acquire(blocking=False):
        http._lines().release()

    started = time.monotonic()
    with pytest.raises(Retry, match="Engaged"):
        WeChatPay(account).ask("nobody")
    assert time.monotonic() - started < 1

    for thread in waiting:
        thread.join()
    assert WeChatPay(account).ask("nobody").state == TradeState.ABSENT


def suppressed(account: PayCredentials) -> None:
    with contextlib.suppress(Retry):
        WeChatPay(account).ask("nobody")
