"""What can be sent and what can be read, without a network."""

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import RefundCrypto, WeChatRefundCrypto
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac, dict_to_xml

from backend.money import Fen
from backend.wechat import wire
from backend.wechat.credentials import MiniProgramCredentials, PayCredentials
from backend.wechat.errors import BadSignature
from backend.wechat.pay import (
    PAYMENT_ACCEPTED,
    PrepayRequest,
    RefundRequest,
    RefundStatus,
    WeChatPay,
    answer,
)

KEY = "0123456789abcdef0123456789abcdef"
DIRECT = PayCredentials("wx1111111111111111", "1900000109", KEY)
PROVIDER = PayCredentials(
    "wx2222222222222222",
    "1900000200",
    KEY,
    mode="provider",
    sub_mch_id="1900000201",
    sub_appid="wx3333333333333333",
)
PAID = {
    "return_code": "SUCCESS",
    "result_code": "SUCCESS",
    "appid": DIRECT.appid,
    "mch_id": DIRECT.mch_id,
    "nonce_str": "n0",
    "openid": "oShopper",
    "out_trade_no": "T20261120000001",
    "transaction_id": "4200000000202611200000000001",
    "total_fee": "100",
    "cash_fee": "90",
    "coupon_fee": "10",
    "coupon_fee_0": "10",
    "time_end": "20261120080910",
    "attach": "p-1",
}
PROVIDED = {
    **PAID,
    "appid": PROVIDER.appid,
    "mch_id": PROVIDER.mch_id,
    "sub_mch_id": PROVIDER.sub_mch_id,
    "sub_appid": PROVIDER.sub_appid,
    "openid": "oAtTheProvider",
    "sub_openid": "oShopper",
}


def signed(fields: dict[str, str], *, key: str = KEY, hmac: bool = False) -> bytes:
    sign = (calculate_signature_hmac if hmac else calculate_signature)(fields, key)
    return str(dict_to_xml(fields, sign)).encode()


def refund_body(outer: dict[str, str] | None = None, *, key: str = KEY, **inner: str) -> bytes:
    fields = {
        "out_trade_no": "T20261120000001",
        "transaction_id": "4200000000202611200000000001",
        "out_refund_no": "R1",
        "refund_id": "5000",
        "total_fee": "100",
        "refund_fee": "40",
        "refund_status": "SUCCESS",
        "success_time": "2026-11-20 08:09:10",
        **inner,
    }
    plain = "<root>" + "".join(f"<{k}>{v}</{k}>" for k, v in fields.items()) + "</root>"
    sealed = RefundCrypto(WeChatRefundCrypto(key).key).encrypt(plain).decode()
    head = {"return_code": "SUCCESS", "appid": DIRECT.appid, "mch_id": DIRECT.mch_id}
    return str(dict_to_xml({**head, "req_info": sealed, **(outer or {})})).encode()


def a_request(**changes: Any) -> PrepayRequest:
    fields: dict[str, Any] = {
        "out_trade_no": "T20261120000001",
        "amount_fen": Fen(100),
        "openid": "oShopper",
        "body": "羊毛被",
        "client_ip": "203.0.113.7",
        "starts_at": datetime(2026, 11, 20, 0, 0, tzinfo=UTC),
        "expires_at": datetime(2026, 11, 20, 0, 30, tzinfo=UTC),
        "notify_url": "https://shop.example/webhooks/wechat-pay/1/payment",
        "attach": "p-1",
    }
    return PrepayRequest(**{**fields, **changes})


# -- notifications -------------------------------------------------------------------------------


@pytest.mark.parametrize("hmac", [False, True])
def test_trap_1_both_md5_and_hmac_notifications_are_verified_without_being_told(
    hmac: bool,  # noqa: FBT001
) -> None:
    receipt = WeChatPay(DIRECT).payment_notification(signed(PAID, hmac=hmac))

    assert (receipt.paid, receipt.amount_fen, receipt.openid) == (True, Fen(100), "oShopper")


def test_trap_11_total_fee_is_the_amount_and_cash_fee_is_not() -> None:
    assert WeChatPay(DIRECT).payment_notification(signed(PAID)).amount_fen == 100


def test_a_free_coupon_of_zero_does_not_spoil_the_signature() -> None:
    receipt = WeChatPay(DIRECT).payment_notification(signed({**PAID, "coupon_fee": "0"}))

    assert receipt.paid


def test_attach_with_whitespace_at_its_edges_still_verifies() -> None:
    receipt = WeChatPay(DIRECT).payment_notification(signed({**PAID, "attach": " p-1 "}))

    assert receipt.attach == " p-1 "


def test_a_failed_payment_with_a_good_signature_is_not_paid() -> None:
    failed = {
        name: PAID[name]
        for name in ("return_code", "appid", "mch_id", "nonce_str", "out_trade_no", "attach")
    }
    receipt = WeChatPay(DIRECT).payment_notification(signed({**failed, "result_code": "FAIL"}))

    assert (receipt.paid, receipt.amount_fen, receipt.transaction_id) == (False, 0, "")


@pytest.mark.parametrize(
    "changed",
    [
        {"appid": "wx9999999999999999"},
        {"mch_id": "1900000999"},
        {"sub_mch_id": "1900000201"},
        {"return_code": "FAIL"},
        {"total_fee": "1.5"},
        {"total_fee": "-1"},
        {"total_fee": "１００"},
        {"total_fee": ""},
        {"transaction_id": ""},
        {"time_end": "yesterday"},
    ],
)
def test_trap_2_a_signature_alone_does_not_make_a_notification_ours(
    changed: dict[str, str],
) -> None:
    with pytest.raises(BadSignature):
        WeChatPay(DIRECT).payment_notification(signed({**PAID, **changed}))


@pytest.mark.parametrize(
    "changed",
    [{"sub_mch_id": "1900000999"}, {"sub_mch_id": ""}, {"sub_appid": DIRECT.appid}],
)
def test_a_provider_compares_the_merchant_below_it_too(changed: dict[str, str]) -> None:
    pay = WeChatPay(PROVIDER)
    receipt = pay.payment_notification(signed(PROVIDED))
    assert (receipt.sub_mch_id, receipt.openid) == (PROVIDER.sub_mch_id, "oShopper")

    with pytest.raises(BadSignature):
        pay.payment_notification(signed({**PROVIDED, **changed}))


def test_a_notification_signed_with_another_key_is_refused() -> None:
    with pytest.raises(BadSignature):
        WeChatPay(DIRECT).payment_notification(signed(PAID, key=KEY[::-1]))


def test_a_field_given_twice_is_refused_however_it_is_signed() -> None:
    twice = signed(PAID).replace(b"<xml>", b"<xml><total_fee>1</total_fee>", 1)

    with pytest.raises(BadSignature):
        WeChatPay(DIRECT).payment_notification(twice)


@pytest.mark.parametrize(
    "message",
    [
        "<xml><a>1</a><a>2</a></xml>",
        "<xml><a><b>1</b></a></xml>",
        '<xml><a b="1">1</a></xml>',
        '<xml b="1"><a>1</a></xml>',
        "<xml>1<a>1</a></xml>",
        "<root><a>1</a></root>",
    ],
)
def test_only_a_flat_message_is_read_so_that_it_can_be_read_in_one_way_only(message: str) -> None:
    with pytest.raises(wire.Unreadable):
        wire.read(message)


def test_empty_fields_and_lines_between_fields_are_read_as_wechat_writes_them() -> None:
    assert wire.read("<xml>\n<a><![CDATA[ 1 ]]></a>\n<b></b>\n</xml>") == {"a": " 1 ", "b": ""}


ODD_BODIES = [
    b"",
    b"\x00\xff",
    b"hello",
    b"<xml/>",
    b"<xml>text</xml>",
    b"<xml><a><b>1</b></a></xml>",
    b"<html><body>502</body></html>",
    b'{"return_code": "SUCCESS"}',
    b'<!DOCTYPE x [<!ENTITY e "v">]><xml><attach>&e;</attach></xml>',
    b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><attach>&e;</attach></xml>',
    b"<xml>" + b"<a>" * 5000,
    b"<xml><attach>" + b"x" * 70_000 + b"</attach></xml>",
    b"<xml><return_code>SUCCESS</return_code><req_info>!!!</req_info></xml>",
]


@pytest.mark.parametrize("body", ODD_BODIES)
def test_trap_7_every_odd_body_is_a_bad_signature_and_nothing_else(body: bytes) -> None:
    pay = WeChatPay(DIRECT)
    with pytest.raises(BadSignature):
        pay.payment_notification(body)
    with pytest.raises(BadSignature):
        pay.refund_notification(body)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_get_past_the_two_parsers(body: bytes) -> None:
    pay = WeChatPay(DIRECT)
    with pytest.raises(BadSignature):
        pay.payment_notification(body)
    with pytest.raises(BadSignature):
        pay.refund_notification(b"<xml><req_info>" + body + b"</req_info></xml>")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("SUCCESS", RefundStatus.SUCCEEDED),
        ("CHANGE", RefundStatus.STUCK),
        ("REFUNDCLOSE", RefundStatus.CLOSED),
    ],
)
def test_a_refund_notification_says_how_it_ended(word: str, status: RefundStatus) -> None:
    notice = WeChatPay(DIRECT).refund_notification(refund_body(refund_status=word))

    assert (notice.status, notice.wechat_status, notice.amount_fen) == (status, word, Fen(40))
    assert notice.succeeded_at == datetime(2026, 11, 20, 0, 9, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        refund_body({"appid": "wx9999999999999999"}),
        refund_body({"mch_id": "1900000999"}),
        refund_body({"return_code": "FAIL"}),
        refund_body({"req_info": "!!!"}),
        refund_body({"req_info": "AAAA"}),
        refund_body({"req_info": ""}),
        refund_body(key=KEY[::-1]),
        refund_body(refund_fee="many"),
        refund_body(refund_status="SOMEHOW"),
        refund_body(refund_id=""),
    ],
)
def test_a_refund_notification_for_others_or_in_pieces_is_refused(body: bytes) -> None:
    with pytest.raises(BadSignature):
        WeChatPay(DIRECT).refund_notification(body)


def test_the_answer_is_wechats_own_xml() -> None:
    assert wire.read(PAYMENT_ACCEPTED) == {"return_code": "SUCCESS", "return_msg": "OK"}
    assert wire.read(answer(ok=False, message="a < b ]]> &")) == {
        "return_code": "FAIL",
        "return_msg": "a < b  &",
    }


# -- what is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [0, -1, True, 1.5, "100", None])
def test_trap_6_only_a_whole_positive_amount_is_sent(amount: object) -> None:
    with pytest.raises(ValueError, match="whole number of fen"):
        a_request(amount_fen=amount)
    with pytest.raises(ValueError, match="whole number of fen"):
        RefundRequest(
            out_trade_no="T20261120000001",
            transaction_id="",
            out_refund_no="R1",
            amount_fen=amount,  # type: ignore[arg-type]
            total_fen=Fen(100),
            reason="",
            notify_url="https://shop.example/refund",
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "short"},
        {"out_trade_no": "x" * 33},
        {"out_trade_no": "T2026112000000 1"},
        {"openid": ""},
        {"client_ip": ""},
        {"notify_url": "https://shop.example/hook?merchant=1"},
        {"notify_url": "https://shop.example/" + "x" * 250},
        {"notify_url": "shop.example"},
        {"expires_at": datetime(2026, 11, 20, 0, 30)},  # noqa: DTZ001
    ],
)
def test_a_request_that_wechat_would_not_take_is_never_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        a_request(**changes)


def test_a_repeated_prepay_is_the_same_request_in_every_field() -> None:
    request = a_request()

    assert PrepayRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_trap_5_an_aware_time_is_written_on_beijings_clock() -> None:
    midnight_utc = datetime(2026, 1, 1, tzinfo=UTC)
    assert wire.in_beijing(midnight_utc).strftime("%Y%m%d%H%M%S") == "20260101080000"

    elsewhere = midnight_utc.astimezone(timezone(timedelta(hours=-5)))
    assert wire.in_beijing(elsewhere).strftime("%Y%m%d%H%M%S") == "20260101080000"
    with pytest.raises(ValueError, match="naive"):
        wire.in_beijing(datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_time_of_wechats_is_beijings() -> None:
    assert wire.moment("20260101080910") == datetime(2026, 1, 1, 0, 9, 10, tzinfo=UTC)
    assert wire.moment("2026-01-01 08:09:10") == datetime(2026, 1, 1, 0, 9, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("a]]><total_fee>1</total_fee><b><![CDATA[", "a<total_fee>1</total_fee><b><![CDATA["),
        ("]]]>]>x", "x"),
        ("  羊毛被\r\n两件\x00\x1b ", "羊毛被  两件"),
        ("羊毛被", "羊毛被"),
        ("\ud800x\uffff", "x"),
    ],
)
def test_trap_6_user_text_can_not_break_out_of_its_field(words: str, sent: str) -> None:
    assert wire.plain(words, at_most=128) == sent


def test_text_is_cut_by_bytes_between_characters() -> None:
    assert wire.plain("羊毛被" * 50, at_most=128) == ("羊毛被" * 50)[:42]
    assert wire.plain("abc def", at_most=4) == "abc"


@given(st.text(max_size=200), st.integers(1, 128))
def test_any_text_survives_wechatpys_xml_as_it_was_sent(words: str, room: int) -> None:
    sent = wire.plain(words, at_most=room)

    document = dict_to_xml({"body": sent, "total_fee": 100})
    parsed = ElementTree.fromstring(document)  # noqa: S314
    assert len(sent.encode()) <= room
    assert [(field.tag, field.text or "") for field in parsed] == [
        ("body", sent),
        ("total_fee", "100"),
    ]


# -- secrets --------------------------------------------------------------------------------------


def test_trap_9_the_api_key_is_in_no_log_whatever_the_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("wechatpy", "wechatpy.pay", "wechatpy.pay.utils", "wechatpy.pay.api.jsapi")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:  # as a careless LOGGING would
            logging.getLogger(name).setLevel(logging.DEBUG)
        with caplog.at_level(logging.DEBUG):
            pay = WeChatPay(DIRECT)
            pay.client_parameters("wx1")
            pay.payment_notification(signed(PAID))
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

    assert caplog.text == ""


def test_wechatpy_is_kept_at_warning() -> None:
    assert logging.getLogger("wechatpy").level == logging.WARNING


def test_no_credential_shows_itself() -> None:
    shown = repr(
        PayCredentials("wx1", "m", "KEY1", cert_pem="KEY2", key_pem="KEY3", api_v3_key="KEY4")
    ) + repr(MiniProgramCredentials("wx1", "KEY5"))

    assert "KEY" not in shown


def test_a_provider_without_a_merchant_is_no_account() -> None:
    with pytest.raises(ValueError, match="sub_mch_id"):
        PayCredentials("wx1", "m", KEY, mode="provider")
    with pytest.raises(ValueError, match="sub_mch_id"):
        PayCredentials("wx1", "m", KEY, sub_mch_id="1")


def test_a_provider_signs_the_client_parameters_for_the_mini_program_paid_in() -> None:
    client = WeChatPay(PROVIDER).client_parameters("wx1")

    fields = {**client, "appId": PROVIDER.sub_appid}
    assert fields.pop("paySign") == calculate_signature(fields, KEY)
