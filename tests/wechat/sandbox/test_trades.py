"""Unified order, query and close, by WeChat's rules."""

import pytest
import requests

from tests.sandbox import SandboxError, SandboxProcess
from tests.wechat.sandbox.client import Shop, beijing, from_xml, to_xml, v2_sign


def refused(answer: dict[str, str]) -> str:
    """The err_code of a signed refusal, or the sentence of an unsigned one."""
    if answer["return_code"] == "FAIL":
        assert "sign" not in answer
        return answer["return_msg"]
    assert answer["result_code"] == "FAIL"
    return answer["err_code"]


def test_an_order_is_paid_and_found(shop: Shop, sandbox: SandboxProcess) -> None:
    number, prepay_id = shop.order()
    assert shop.query(number)["trade_state"] == "NOTPAY"
    assert "total_fee" not in shop.query(number)

    paid = sandbox.pay(prepay_id)

    answer = shop.query(number)
    assert paid["state"] == answer["trade_state"] == "SUCCESS"
    assert answer["transaction_id"] == paid["transaction_id"]
    assert len(answer["transaction_id"]) == 28
    assert (answer["total_fee"], answer["cash_fee"]) == ("12990", "12990")
    assert (answer["openid"], answer["attach"]) == (shop.openid, "order42")
    by_id = shop.call("/pay/orderquery", {"transaction_id": paid["transaction_id"]})
    assert by_id["out_trade_no"] == number


@pytest.mark.parametrize("algorithm", ["MD5", "HMAC-SHA256"])
def test_the_answer_is_signed_as_the_request_was(shop: Shop, algorithm: str) -> None:
    answer = shop.unified_order(shop.order_values(sign_type=algorithm))

    assert answer["result_code"] == "SUCCESS"
    assert len(answer["sign"]) == (32 if algorithm == "MD5" else 64)


def test_a_bad_signature_is_refused_and_leaves_no_trade(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    values = shop.signed(shop.order_values())
    values["total_fee"] = "1"

    answer = from_xml(shop.post("/pay/unifiedorder", to_xml(values)).content)

    assert answer == {"return_code": "FAIL", "return_msg": "签名错误"}
    assert sandbox.books(out_trade_no=values["out_trade_no"]) == []


def test_the_same_order_again_gets_a_fresh_prepay_id(shop: Shop, sandbox: SandboxProcess) -> None:
    values = shop.order_values()
    first = shop.unified_order(values)["prepay_id"]

    second = shop.unified_order(values)["prepay_id"]

    assert first != second
    trade = sandbox.trade(values["out_trade_no"])
    assert trade["prepay_ids"] == [first, second]
    sandbox.pay(first)
    with pytest.raises(SandboxError, match="ORDERPAID"):
        sandbox.pay(second)


@pytest.mark.parametrize(
    "change",
    [
        {"total_fee": "12991"},
        {"body": "另一件"},
        {"attach": "-"},
        {"spbill_create_ip": "127.0.0.2"},
        {"notify_url": "http://127.0.0.1:9/other"},
        {"time_expire": beijing(3600)},
    ],
)
def test_a_used_number_with_other_data_is_refused(shop: Shop, change: dict[str, str]) -> None:
    values = shop.order_values()
    shop.unified_order(values)

    answer = shop.unified_order({k: v for k, v in {**values, **change}.items() if v != "-"})

    assert refused(answer) == "OUT_TRADE_NO_USED"


def test_a_paid_or_closed_number_cannot_be_ordered_again(shop: Shop) -> None:
    values = shop.order_values()
    prepay_id = shop.unified_order(values)["prepay_id"]
    other = shop.order_values()
    shop.unified_order(other)

    shop.sandbox.pay(prepay_id)
    shop.close(other["out_trade_no"])

    assert refused(shop.unified_order(values)) == "ORDERPAID"
    assert refused(shop.unified_order(other)) == "ORDERCLOSED"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"total_fee": "0"}, "total_fee参数格式错误"),
        ({"total_fee": "1.5"}, "total_fee参数格式错误"),
        ({"total_fee": "-1"}, "total_fee参数格式错误"),
        ({"total_fee": ""}, "缺少参数total_fee"),
        ({"total_fee": "１００"}, "total_fee参数格式错误"),
        ({"out_trade_no": "T1234"}, "out_trade_no参数格式错误"),
        ({"out_trade_no": "T" * 33}, "out_trade_no参数格式错误"),
        ({"out_trade_no": "T12345/6"}, "out_trade_no参数格式错误"),
        ({"out_trade_no": "订单123456"}, "out_trade_no参数格式错误"),
        ({"body": "羊" * 43}, "body参数长度有误"),
        ({"attach": "a" * 128}, "attach参数长度有误"),
        ({"detail": "d" * 6001}, "detail参数长度有误"),
        ({"goods_tag": "g" * 33}, "goods_tag参数长度有误"),
        ({"notify_url": "http://127.0.0.1/n?merchant=1"}, "notify_url参数格式错误"),
        ({"notify_url": "http://127.0.0.1/" + "n" * 240}, "notify_url参数长度有误"),
        ({"notify_url": "ftp://127.0.0.1/n"}, "notify_url参数格式错误"),
        ({"notify_url": "/webhooks"}, "notify_url参数格式错误"),
        ({"spbill_create_ip": "somewhere"}, "spbill_create_ip参数格式错误"),
        ({"trade_type": "NATIVE"}, "trade_type参数格式错误"),
        ({"openid": "-"}, "缺少参数openid"),
        ({"openid": "oNobody"}, "无效的openid"),
        ({"body": "-"}, "缺少参数body"),
        ({"sign_type": "SHA1"}, "sign_type参数格式错误"),
        ({"fee_type": "USD"}, "fee_type参数格式错误"),
        ({"nonce_str": "n" * 33}, "nonce_str参数长度有误"),
        ({"time_expire": "2026-01-01"}, "time_start或time_expire参数格式错误"),
    ],
)
def test_a_field_out_of_bounds_is_refused(
    shop: Shop, sandbox: SandboxProcess, change: dict[str, str], sentence: str
) -> None:
    values = shop.order_values(**change)

    assert refused(shop.unified_order(values)) == sentence
    assert sandbox.books(out_trade_no=values["out_trade_no"]) == []


def test_the_longest_lawful_fields_pass(shop: Shop) -> None:
    shop.order(
        out_trade_no="aZ9_-|*".ljust(32, "0"), body="b" * 128, attach="a" * 127, detail="d" * 6000
    )


def test_lengths_can_be_counted_in_characters(shop: Shop, sandbox: SandboxProcess) -> None:
    sandbox.rules(lengths="characters")

    shop.order(body="羊" * 128)

    assert refused(shop.unified_order(shop.order_values(body="羊" * 129))) == "body参数长度有误"


def test_an_openid_of_another_mini_program_is_refused(shop: Shop, sandbox: SandboxProcess) -> None:
    other = sandbox.account("1900000110")["appid"]
    sandbox.login_code(other, "oElsewhere")

    answer = shop.unified_order(shop.order_values(openid="oElsewhere"))

    assert refused(answer) == "appid and openid not match"


def test_an_expiry_is_at_least_five_minutes_away_and_can_be_one(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    sentence = "time_expire时间过短，刷卡至少1分钟，其他5分钟"
    assert refused(shop.unified_order(shop.order_values(time_expire=beijing(240)))) == sentence
    shop.order(time_expire=beijing(360))

    sandbox.rules(short_expiry="accept")

    shop.order(time_expire=beijing(240))
    assert refused(shop.unified_order(shop.order_values(time_expire=beijing(50)))) == sentence
    # What happens to a Beijing time that is really UTC.
    assert refused(shop.unified_order(shop.order_values(time_expire=beijing(-7.9 * 3600)))) == (
        sentence
    )


def test_the_parties_must_belong_together(shop: Shop, sandbox: SandboxProcess) -> None:
    other = sandbox.account("1900000110")
    values = shop.order_values(appid=other["appid"])
    assert refused(shop.unified_order(values)) == "APPID_MCHID_NOT_MATCH"
    values = shop.order_values(appid="wx0000000000000009")
    assert refused(shop.unified_order(values)) == "APPID_NOT_EXIST"
    values = shop.order_values(mch_id="1999999999")
    assert refused(shop.unified_order(values)) == "商户号mch_id或sub_mch_id不存在"


def test_one_number_is_two_trades_for_two_merchants(shop: Shop, sandbox: SandboxProcess) -> None:
    number, _ = shop.order()
    other = Shop(sandbox, sandbox.account("1900000110"), shop.notify_url)

    assert refused(other.query(number)) == "ORDERNOTEXIST"
    other.order(out_trade_no=number)

    assert len(sandbox.books(out_trade_no=number)) == 2
    assert len(sandbox.books(out_trade_no=number, mch_id=shop.mch_id)) == 1


def test_a_service_provider_orders_for_its_sub_merchant(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    account = sandbox.register(
        appid="wxprovider00000001",
        secret="s" * 32,
        mch_id="1900000500",
        api_key="p" * 32,
        sub_mch_id="1900000501",
        sub_appid="wxsub0000000000001",
    )
    provider = Shop(sandbox, account, shop.notify_url)
    sandbox.login_code("wxsub0000000000001", "oSubShopper")
    sub = {"sub_mch_id": "1900000501", "sub_appid": "wxsub0000000000001"}

    missing = provider.unified_order(provider.order_values(openid="-", sub_openid="oSubShopper"))
    number, prepay_id = provider.order(openid="-", sub_openid="oSubShopper", **sub)
    sandbox.pay(prepay_id)

    assert refused(missing) == "缺少参数sub_mch_id"
    assert refused(provider.query(number)) == "缺少参数sub_mch_id"
    answer = provider.call("/pay/orderquery", {"out_trade_no": number, **sub})
    assert (answer["trade_state"], answer["sub_openid"]) == ("SUCCESS", "oSubShopper")
    assert answer["sub_mch_id"] == "1900000501"


def test_closing_ends_a_trade(shop: Shop, sandbox: SandboxProcess) -> None:
    number, prepay_id = shop.order()

    assert shop.close(number)["result_code"] == "SUCCESS"

    assert refused(shop.close(number)) == "ORDERCLOSED"
    assert shop.query(number)["trade_state"] == "CLOSED"
    with pytest.raises(SandboxError, match="ORDERCLOSED"):
        sandbox.pay(prepay_id)
    assert sandbox.trade(number)["notifications"] == []


def test_a_paid_trade_cannot_be_closed(shop: Shop) -> None:
    assert refused(shop.close(shop.paid())) == "ORDERPAID"


def test_an_unknown_number_does_not_exist(shop: Shop) -> None:
    assert refused(shop.query("T00000000")) == "ORDERNOTEXIST"
    assert refused(shop.close("T00000000")) == "ORDERNOTEXIST"


def test_an_early_close_can_be_refused_and_works_later(shop: Shop, sandbox: SandboxProcess) -> None:
    sandbox.rules(early_close="refuse", speed=1)
    number, _ = shop.order()
    assert refused(shop.close(number)) == "TRADE_STATE_ERROR"

    sandbox.rules(speed=1e9)

    assert shop.close(number)["result_code"] == "SUCCESS"


def test_a_shopper_who_cancels_leaves_the_trade_open(shop: Shop, sandbox: SandboxProcess) -> None:
    number, prepay_id = shop.order()
    assert sandbox.pay(prepay_id, "cancel")["state"] == "NOTPAY"
    assert sandbox.pay(prepay_id, "cancel")["errMsg"] == "requestPayment:fail cancel"
    assert shop.query(number)["trade_state"] == "NOTPAY"


def test_the_client_parameters_are_checked_as_the_phone_would(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    number, prepay_id = shop.order()
    client = {
        "timeStamp": "1760000000",
        "nonceStr": "abc",
        "package": f"prepay_id={prepay_id}",
        "signType": "MD5",
    }
    pay_sign = v2_sign({**client, "appId": shop.appid}, shop.key)

    for wrong in (
        {**client, "paySign": pay_sign[::-1]},
        {**client, "paySign": pay_sign, "timeStamp": 1760000000},
        {**client, "paySign": pay_sign, "signType": "HMAC-SHA256"},
        {**client, "paySign": pay_sign, "package": prepay_id},
    ):
        with pytest.raises(SandboxError) as caught:
            sandbox.pay(client=wrong)
        assert caught.value.status == 409
    assert sandbox.trade(number)["state"] == "NOTPAY"

    assert sandbox.pay(client={**client, "paySign": pay_sign})["state"] == "SUCCESS"


def test_an_unknown_prepay_id_is_not_found(sandbox: SandboxProcess) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.pay("wx0000")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "post数据为空"),
        (b"<xml><a>1</xml>", "XML格式错误"),
        (b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><a>&a;</a></xml>', "XML格式错误"),
        ("<xml><body>羊</body></xml>".encode("gbk"), "编码格式错误，请使用UTF-8"),
        (b"<xml><appid>x</appid></xml>", "缺少参数mch_id"),
    ],
)
def test_a_body_that_is_no_request_is_refused(shop: Shop, body: bytes, sentence: str) -> None:
    assert from_xml(shop.post("/pay/unifiedorder", body).content)["return_msg"] == sentence


def test_a_get_is_refused_and_a_huge_body_too(shop: Shop, sandbox: SandboxProcess) -> None:
    answer = requests.get(sandbox.base_url + "/pay/unifiedorder", timeout=5)

    assert from_xml(answer.content)["return_msg"] == "请使用post方法"
    assert shop.post("/pay/unifiedorder", b"x" * 300_000).status_code == 413
