"""The published known answers referee what we sign, verify and decrypt."""

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from wechatpy.crypto import WeChatWxaCrypto
from wechatpy.pay.utils import calculate_signature
from wechatpy.utils import check_wxa_signature

from backend.money import Fen
from backend.wechat import wire
from backend.wechat.credentials import PayCredentials
from backend.wechat.pay import RefundStatus, WeChatPay

FILE = Path(__file__).parents[1] / "data" / "wechat-pay-vectors.json"
VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector for vector in json.loads(FILE.read_text())["vectors"]
}
SIGNED = [vector["id"] for vector in VECTORS.values() if vector["kind"] == "v2_sign"]


def as_xml(fields: dict[str, str]) -> bytes:
    return (
        "<xml>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in fields.items()) + "</xml>"
    ).encode()


@pytest.mark.parametrize("name", SIGNED)
def test_a_published_signature_is_verified(name: str) -> None:
    given = VECTORS[name]["inputs"]
    signed = {**given["params"], "sign": VECTORS[name]["expected"]}

    assert wire.signature_fits(signed, given["key"])


@pytest.mark.parametrize("name", SIGNED)
def test_a_published_signature_fits_nothing_else(name: str) -> None:
    given = VECTORS[name]["inputs"]
    sign = VECTORS[name]["expected"]
    first = next(iter(given["params"]))

    assert not wire.signature_fits({**given["params"], first: "other", "sign": sign}, given["key"])
    assert not wire.signature_fits({**given["params"], "extra": "1", "sign": sign}, given["key"])
    assert not wire.signature_fits({**given["params"], "sign": sign}, given["key"][::-1])
    assert not wire.signature_fits({**given["params"], "sign": sign[:-1]}, given["key"])
    assert not wire.signature_fits({**given["params"], "sign": "名" * len(sign)}, given["key"])
    assert not wire.signature_fits(given["params"], given["key"])


def test_the_client_parameters_are_signed_as_the_published_pay_sign() -> None:
    vector = VECTORS["v2-requestpayment-paysign-md5"]
    key, params = vector["inputs"]["key"], vector["inputs"]["params"]
    assert calculate_signature(params, key) == vector["expected"]

    pay = WeChatPay(PayCredentials(params["appId"], "10000100", key))
    client = pay.client_parameters(params["package"].removeprefix("prepay_id="))

    assert set(client) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert all(isinstance(value, str) for value in client.values())
    assert client["package"] == params["package"]
    assert client["signType"] == "MD5"
    signed = {**client, "appId": params["appId"]}
    assert signed.pop("paySign") == calculate_signature(signed, key)


@pytest.mark.parametrize(
    "name", ["v2-payment-notify-md5-derived", "v2-payment-notify-hmac-sha256-derived"]
)
def test_a_published_payment_notification_is_a_receipt(name: str) -> None:
    vector = VECTORS[name]
    given = vector["inputs"]
    params = given["params"]
    pay = WeChatPay(PayCredentials(params["appid"], params["mch_id"], given["key"]))

    receipt = pay.payment_notification(as_xml({**params, "sign": vector["expected"]}))

    # 100 is total_fee; the shopper's own share, cash_fee, is 90
    assert receipt.amount_fen == Fen(100)
    assert receipt.paid
    assert receipt.out_trade_no == "T20260101000001"
    assert receipt.transaction_id == "4200000000202601010000000001"
    assert receipt.paid_at.isoformat() == "2026-01-01T00:09:10+00:00"
    assert receipt.attach == "order:42"


def test_a_published_refund_notification_decrypts() -> None:
    vector = VECTORS["v2-refund-notify-req-info-derived"]
    given = vector["inputs"]
    pay = WeChatPay(PayCredentials("wx2421b1c4370ec43b", "10000100", given["mch_key"]))
    body = as_xml(
        {
            "return_code": "SUCCESS",
            "appid": "wx2421b1c4370ec43b",
            "mch_id": "10000100",
            "nonce_str": "TeqClE3i0mvn3DrK",
            "req_info": given["req_info"],
        }
    )

    notice = pay.refund_notification(body)

    assert notice.out_refund_no == "131811191610442717309"
    assert notice.out_trade_no == "71106718111915575302817"
    assert notice.amount_fen == Fen(3960)
    assert notice.wechat_status == "SUCCESS"
    assert notice.status is RefundStatus.SUCCEEDED
    assert notice.succeeded_at is not None


def test_wechatpy_opens_the_published_user_data() -> None:
    crypto = VECTORS["wxa-bizdatacrypt"]
    given = crypto["inputs"]
    opened = WeChatWxaCrypto(given["session_key"], given["iv"], given["app_id"]).decrypt_message(
        given["encrypted_data"]
    )
    assert opened["openId"] == json.loads(crypto["expected"])["openId"]

    raw = VECTORS["wxa-rawdata-signature"]
    check_wxa_signature(raw["inputs"]["session_key"], raw["inputs"]["raw_data"], raw["expected"])
