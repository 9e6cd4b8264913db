"""The published vectors referee the sandbox's signatures and sealing."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from backend.wechat.sandbox.wire import (
    ReturnFail,
    build_xml,
    ecb_decrypt,
    ecb_encrypt,
    is_signed,
    open_req_info,
    parse_xml,
    req_info_key,
    seal_req_info,
    sign,
)

FILE: Final = Path(__file__).resolve().parents[2] / "data" / "wechat-pay-vectors.json"
VECTORS: Final[list[dict[str, Any]]] = json.loads(FILE.read_text())["vectors"]


def vectors(kind: str) -> list[Any]:
    found = [pytest.param(v, id=v["id"]) for v in VECTORS if v["kind"] == kind]
    assert found
    return found


@pytest.mark.parametrize("vector", vectors("v2_sign"))
def test_signatures_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    given = vector["inputs"]

    made = sign(given["params"], given["key"], given["sign_type"])

    assert made == vector["expected"]
    assert is_signed({**given["params"], "sign": made}, given["key"], given["sign_type"])
    assert not is_signed({**given["params"], "sign": made[::-1]}, given["key"], given["sign_type"])


@pytest.mark.parametrize("vector", vectors("aes_256_ecb_pkcs7"))
def test_the_cipher_is_that_of_the_vector(vector: dict[str, Any]) -> None:
    text, key = vector["inputs"]["plaintext"].encode(), vector["inputs"]["raw_key_ascii"].encode()

    assert ecb_encrypt(text, key) == vector["expected"]
    assert ecb_decrypt(vector["expected"], key) == text


@pytest.mark.parametrize("vector", vectors("v2_refund_req_info"))
def test_req_info_is_that_of_the_vector(vector: dict[str, Any]) -> None:
    given = vector["inputs"]
    key = req_info_key(given["mch_key"])

    assert key.decode() == given["md5_key"]
    assert ecb_decrypt(given["req_info"], key).decode() == vector["expected"]
    assert ecb_encrypt(vector["expected"].encode(), key) == given["req_info"]
    assert open_req_info(given["req_info"], given["mch_key"])["refund_fee"] == "3960"


def test_what_is_sealed_can_be_opened_with_the_same_key_only() -> None:
    sealed = seal_req_info({"refund_fee": "100", "refund_recv_accout": "支付用户零钱"}, "k" * 32)

    assert open_req_info(sealed, "k" * 32)["refund_recv_accout"] == "支付用户零钱"
    with pytest.raises((ValueError, ReturnFail)):
        open_req_info(sealed, "j" * 32)


def test_a_value_cannot_break_out_of_the_document() -> None:
    values = {"attach": "]]></attach><total_fee>1</total_fee><![CDATA[", "total_fee": "100"}

    assert parse_xml(build_xml(values)) == values


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><a>&a;</a></xml>',
        b'<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml><a>1</a></xml>',
        b"<!DOCTYPE xml><xml><a>1</a></xml>",
        b"<xml><a>1</a><a>2</a></xml>",
        b"<xml><a><b>1</b></a></xml>",
        b"<xml>text</xml>",
        b"<root><a>1</a></root>",
        b"<xml><a>1</xml>",
        b"",
        b"not xml",
        "<xml><a>羊毛</a></xml>".encode("gbk"),
    ],
)
def test_a_document_of_any_other_shape_is_refused(body: bytes) -> None:
    with pytest.raises(ReturnFail):
        parse_xml(body)
