"""Vouchers at WeChat over API v3, against the sandbox: calls, doubts, and its messages."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from backend.wechat import vouchers
from backend.wechat.credentials import PayCredentials
from backend.wechat.errors import BadSignature, Refused, Retry
from backend.wechat.vouchers import NewBatch, Vouchers
from tests.sandbox import SandboxProcess
from tests.wechat.conftest import Letterbox, registered

BEIJING: Final = dt.timezone(dt.timedelta(hours=8))
NOW: Final = dt.datetime.now(BEIJING)
OPENID: Final = "oTEST0000000000000000000001"


def with_v3(wechat: SandboxProcess, account: PayCredentials) -> PayCredentials:
    known = wechat.v3(account.mch_id)
    return replace(
        account,
        cert_pem=known["certificate_pem"],
        key_pem=known["private_key_pem"],
        api_v3_key=known["api_v3_key"],
        public_key_id=known["public_key_id"],
        public_key_pem=known["public_key_pem"],
    )


@pytest.fixture
def mine(wechat: SandboxProcess, account: PayCredentials) -> Vouchers:
    return Vouchers(with_v3(wechat, account))


def stock(mode: str = "WECHATPAY_MODE", most: int = 5) -> NewBatch:
    return NewBatch(
        name="满 100 减 20", goods_name="全店", description="满 100 减 20",
        kind=vouchers.Kind.AMOUNT_OFF, amount=2000, least_fen=10000, begins=NOW,
        ends=NOW + dt.timedelta(days=30), total=most, per_person=2, path="pages/index/index",
        code_mode=mode,
    )  # fmt: skip


def number() -> str:
    return f"R{secrets.token_hex(8)}"


def send(
    wechat: SandboxProcess, mine: Vouchers, stock_id: str, request: str = "", code: str = ""
) -> dict[str, Any]:
    """The shopper confirms the plugin: the one result."""
    item = {"stock_id": stock_id, "out_request_no": request or number(), "coupon_code": code}
    ours = mine.credentials
    params = vouchers.send_params([item], mch_id=ours.mch_id, api_key=ours.api_key)
    (result,) = wechat.send_vouchers(params, ours.appid, OPENID)
    return dict(result)


class TestSignature:
    """The known answers of the reference, computed from WeChat's documented rule."""

    KEY: Final = "0123456789abcdef0123456789abcdef"

    def test_one_item(self) -> None:
        item = {"stock_id": "1286950000000039", "out_request_no": "SEND20261120000001"}

        params = vouchers.send_params([item], mch_id="1900000109", api_key=self.KEY)

        assert params["sign"] == "CDD2205BA7D7F288C13AA9E0CC10649071B50473F287A4A44538D34DE060A5CB"

    def test_two_items_with_codes(self) -> None:
        items = [
            {
                "stock_id": f"12869500000000{39 + n}",
                "out_request_no": f"SEND2026112000000{n + 1}",
                "coupon_code": f"VIP000{n + 1}",
            }
            for n in range(2)
        ]

        params = vouchers.send_params(items, mch_id="1900000109", api_key=self.KEY)

        assert params["sign"] == "727F5A357F7A05682D27001EAF6384E214D7FC33FA80EFCCBBF72A723EC98FCC"

    def test_what_is_empty_is_neither_signed_nor_sent(self) -> None:
        item = {"stock_id": "1286950000000039", "out_request_no": "SEND20261120000001"}

        params = vouchers.send_params(
            [{**item, "coupon_code": ""}], mch_id="1900000109", api_key=self.KEY
        )

        assert params["send_coupon_params"] == [item]
        assert params["sign"].startswith("CDD2205BA7D7F288")


class TestCalls:
    def test_a_batch_lives(self, wechat: SandboxProcess, mine: Vouchers) -> None:
        request = number()
        stock_id = mine.create(stock(), request)

        assert mine.create(stock(), request) == stock_id
        mine.modify(stock_id, {"goods_name": "茶叶"}, number())
        mine.budget(stock_id, target=9, current=5, request_no=number())
        assert wechat.stock(stock_id)["maximum"] == 9
        assert wechat.stock(stock_id)["facts"]["goods_name"] == "茶叶"
        assert mine.counts(stock_id) == (0, 9)
        with pytest.raises(Refused, match="INVALID_REQUEST"):
            mine.budget(stock_id, target=20, current=5, request_no=number())

    def test_a_coupon_lives(self, wechat: SandboxProcess, mine: Vouchers) -> None:
        stock_id = mine.create(stock(), number())
        sent = send(wechat, mine, stock_id, "SEND1")
        code, appid = sent["coupon_code"], mine.credentials.appid
        used, back = number(), number()

        assert sent["code"] == "SUCCESS"
        assert mine.coupon(OPENID, code, appid=appid).state == "SENDED"
        (held,) = mine.coupons(OPENID, stock_id, appid=appid)
        assert (held.code, held.send_request_no) == (code, "SEND1")
        for _n in range(2):
            mine.use(stock_id, code, appid=appid, at=NOW, request_no=used)
        assert mine.coupon(OPENID, code, appid=appid).state == "USED"
        with pytest.raises(Refused):
            mine.use(stock_id, code, appid=appid, at=NOW, request_no=number())
        for _n in range(2):
            mine.give_back(stock_id, code, request_no=back)
        mine.deactivate(stock_id, code, reason="退款", request_no=number())
        assert mine.coupon(OPENID, code, appid=appid).state == "DEACTIVATED"
        assert mine.counts(stock_id) == (1, 5)

    @pytest.mark.parametrize("mode", vouchers.CODE_MODES)
    def test_codes_come_from_wechat_from_us_or_from_a_pool(
        self, mode: str, wechat: SandboxProcess, mine: Vouchers
    ) -> None:
        stock_id = mine.create(stock(mode), number())
        if mode == "MERCHANT_UPLOAD":
            for _n in range(2):
                mine.upload_codes(stock_id, ["POOL0001"], "UPLOAD1")

        sent = send(wechat, mine, stock_id, code="OURS0001" if mode == "MERCHANT_API" else "")

        assert sent["code"] == "SUCCESS"
        expected = {"MERCHANT_API": "OURS0001", "MERCHANT_UPLOAD": "POOL0001"}
        assert sent["coupon_code"] == expected.get(mode, sent["coupon_code"])

    def test_the_pool_and_the_batch_run_dry(self, wechat: SandboxProcess, mine: Vouchers) -> None:
        pool = mine.create(stock("MERCHANT_UPLOAD"), number())
        one = mine.create(stock(most=1), number())

        assert send(wechat, mine, pool)["code"] == "FAILED"
        answers = [send(wechat, mine, one)["code"] for _n in range(2)]
        assert answers == ["SUCCESS", "NOTENOUGH"]

    def test_someone_elses_batch_is_not_there(self, wechat: SandboxProcess, mine: Vouchers) -> None:
        known = registered(wechat)
        other = PayCredentials(
            appid=known["appid"], mch_id=known["mch_id"], api_key=known["api_key"]
        )
        stock_id = mine.create(stock(), number())

        with pytest.raises(Refused, match="RESOURCE_NOT_EXISTS"):
            Vouchers(with_v3(wechat, other)).counts(stock_id)


CALLS: Final[dict[str, Callable[[Vouchers, str], object]]] = {
    "stock_query": lambda mine, stock_id: mine.counts(stock_id),
    "stock_modify": lambda mine, stock_id: mine.modify(stock_id, {"comment": "x"}, "MODIFY1"),
    "stock_budget": lambda mine, stock_id: mine.budget(
        stock_id, target=9, current=5, request_no="BUDGET1"
    ),
    "callback_set": lambda mine, _stock_id: mine.set_callback("https://shop.example/hook"),
    "coupon_list": lambda mine, stock_id: mine.coupons(
        OPENID, stock_id, appid=mine.credentials.appid
    ),
    "coupon_query": lambda mine, stock_id: mine.coupon(
        OPENID, f"C{stock_id}", appid=mine.credentials.appid
    ),
    "stock_create": lambda mine, stock_id: mine.create(stock(), f"CREATE{stock_id}"),
    "code_upload": lambda mine, stock_id: mine.upload_codes(stock_id, ["U1", "U2"], "UPLOAD1"),
}
REPORTS: Final[dict[str, Callable[[Vouchers, str, str, str], None]]] = {
    "coupon_use": lambda mine, stock_id, code, request: mine.use(
        stock_id, code, appid=mine.credentials.appid, at=NOW, request_no=request
    ),
    "coupon_return": lambda mine, stock_id, code, request: mine.give_back(
        stock_id, code, request_no=request
    ),
    "coupon_deactivate": lambda mine, stock_id, code, request: mine.deactivate(
        stock_id, code, reason="erased", request_no=request
    ),
}
FAULTS: Final = (
    "drop_before", "timeout_after_accepting", "html_200", "http_502", "text_200", "systemerror",
    "frequency", "bad_signature", "stale",
)  # fmt: skip


class TestDoubt:
    @pytest.mark.parametrize("call", sorted(CALLS))
    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_is_in_doubt_is_sent_again_and_done_once(
        self, fault: str, call: str, wechat: SandboxProcess, mine: Vouchers
    ) -> None:
        modes = {"code_upload": "MERCHANT_UPLOAD", "coupon_query": "MERCHANT_API"}
        stock_id = mine.create(stock(modes.get(call, "WECHATPAY_MODE")), number())
        if call == "coupon_query":
            send(wechat, mine, stock_id, code=f"C{stock_id}")
        wechat.faults(call, fault)

        with pytest.raises(Retry):
            CALLS[call](mine, stock_id)
        once = CALLS[call](mine, stock_id)
        assert CALLS[call](mine, stock_id) == once

    @pytest.mark.parametrize("call", sorted(REPORTS))
    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_report_in_doubt_is_made_again_with_its_number_and_counted_once(
        self, fault: str, call: str, wechat: SandboxProcess, mine: Vouchers
    ) -> None:
        stock_id = mine.create(stock(), number())
        code, request, used = send(wechat, mine, stock_id)["coupon_code"], number(), number()
        before: dict[str, str] = {}
        if call == "coupon_return":
            REPORTS["coupon_use"](mine, stock_id, code, used)
            before = {used: "use"}
        wechat.faults(call, fault)

        with pytest.raises(Retry):
            REPORTS[call](mine, stock_id, code, request)
        REPORTS[call](mine, stock_id, code, request)

        (coupon,) = wechat.stock(stock_id)["coupons"]
        assert coupon["done"] == before | {request: call.removeprefix("coupon_")}

    @pytest.mark.parametrize("state", ["USED", "SENDED"])
    def test_a_use_that_may_have_been_done_is_reported_again_with_its_number(
        self, state: str, wechat: SandboxProcess, mine: Vouchers
    ) -> None:
        stock_id = mine.create(stock(), number())
        code, request = send(wechat, mine, stock_id)["coupon_code"], number()
        wechat.faults("coupon_use", "systemerror", accepted=state == "USED")

        def use() -> None:
            appid = mine.credentials.appid
            mine.use(stock_id, code, appid=appid, at=NOW, request_no=request)

        with pytest.raises(Retry):
            use()
        (coupon,) = wechat.stock(stock_id)["coupons"]
        assert coupon["coupon_state"] == state
        use()
        (coupon,) = wechat.stock(stock_id)["coupons"]
        assert coupon["done"] == {request: "use"}

    def test_a_no_is_a_no(self, wechat: SandboxProcess, mine: Vouchers) -> None:
        wechat.faults("stock_create", "result_fail", err_code="RULE_LIMIT")

        with pytest.raises(Refused, match="RULE_LIMIT"):
            mine.create(stock(), number())

    @pytest.mark.parametrize(
        "lack", ["api_v3_key", "cert_pem", "key_pem", "public_key_pem", "public_key_id"]
    )
    def test_an_account_without_its_keys_calls_nobody(self, lack: str, mine: Vouchers) -> None:
        lacking: dict[str, Any] = {lack: ""}
        bare = Vouchers(replace(mine.credentials, **lacking))

        assert not vouchers.is_ready(bare.credentials)
        with pytest.raises(Refused, match="NOT_READY"):
            bare.counts("1286950000000039")

    def test_a_key_that_is_none_is_refused_without_being_shown(self, mine: Vouchers) -> None:
        wrong = "-----BEGIN PRIVATE KEY-----\nnever-shown\n-----END PRIVATE KEY-----"

        with pytest.raises(Refused, match="CERT_ERROR") as caught:
            Vouchers(replace(mine.credentials, key_pem=wrong)).counts("1286950000000039")
        assert "never-shown" not in repr(caught.value)
        assert caught.value.__cause__ is None


class TestMessages:
    @pytest.fixture
    def told(
        self, wechat: SandboxProcess, mine: Vouchers, letterbox: Letterbox
    ) -> Callable[[str], tuple[dict[str, str], bytes, dict[str, Any]]]:
        """A message about a new coupon, with its headers, and the coupon."""

        def tell(fault: str = "") -> tuple[dict[str, str], bytes, dict[str, Any]]:
            mine.set_callback(letterbox.url)
            stock_id = mine.create(stock(), number())
            if fault:
                wechat.faults("voucher_notification", fault)
            sent = send(wechat, mine, stock_id)
            body = letterbox.next()
            return letterbox.headers[-1], body, sent

        return tell

    def test_it_is_read(self, mine: Vouchers, told: Any) -> None:
        headers, body, sent = told()

        said = mine.notification(headers, body)

        assert (said.stock_id, said.code) == (sent["stock_id"], sent["coupon_code"])
        assert (said.openid, said.channel) == (OPENID, "BUSICOUPON_SEND_CHANNEL_MINIAPP")

    def test_without_a_time_or_an_openid_it_is_read_all_the_same(
        self, mine: Vouchers, told: Any
    ) -> None:
        headers, body, sent = told("bare")

        said = mine.notification(headers, body)

        assert (said.code, said.openid) == (sent["coupon_code"], "")
        assert said.at == dt.datetime.fromisoformat(json.loads(body)["create_time"])

    def test_it_is_read_though_it_names_nobody(
        self, wechat: SandboxProcess, mine: Vouchers, letterbox: Letterbox
    ) -> None:
        """Of a batch without notify_config, WeChat doesn't say whose a coupon is."""
        mine.set_callback(letterbox.url)
        stock_id = mine.create(stock(), number())
        mine.modify(stock_id, {"notify_config": {}}, number())
        sent = send(wechat, mine, stock_id)

        body = letterbox.next()
        said = mine.notification(letterbox.headers[-1], body)

        assert (said.stock_id, said.code, said.openid) == (stock_id, sent["coupon_code"], "")

    @pytest.mark.parametrize("fault", ["forged_signature", "stale"])
    def test_forged_or_old_it_is_not(self, fault: str, mine: Vouchers, told: Any) -> None:
        headers, body, _sent = told(fault)

        with pytest.raises(BadSignature):
            mine.notification(headers, body)

    @pytest.mark.parametrize(
        "name",
        ["Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial",
         "Wechatpay-Signature-Type"],
    )  # fmt: skip
    @pytest.mark.parametrize("value", ["", "x", "1", "签"])
    def test_with_another_header_it_is_not(
        self, name: str, value: str, mine: Vouchers, told: Any
    ) -> None:
        headers, body, _sent = told()

        with pytest.raises(BadSignature):
            mine.notification({**headers, name: value}, body)

    @pytest.mark.parametrize("change", ["body", "bytes", "another key", "another merchant"])
    def test_changed_it_is_not(
        self, change: str, mine: Vouchers, told: Any, wechat: SandboxProcess
    ) -> None:
        headers, body, _sent = told()
        reader = mine
        if change == "body":
            said = json.loads(body)
            body = json.dumps({**said, "event_type": "OTHER"}).encode()
        elif change == "bytes":
            body = b"\xff\xfe" + body
        elif change == "another key":
            reader = Vouchers(replace(mine.credentials, api_v3_key="0" * 32))
        else:
            reader = Vouchers(replace(mine.credentials, public_key_id="PUB_KEY_ID_0"))

        with pytest.raises(BadSignature):
            reader.notification(headers, body)
