"""The process: TLS, a restart, the pages, and when it refuses to start."""

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import requests

from tests.sandbox import ROOT, SandboxError, SandboxProcess
from tests.wechat.sandbox.client import Ear, Shop, beijing, from_xml, to_xml

NEW: Final = {
    "appid": "wxnew0000000000001",
    "secret": "s" * 32,
    "mch_id": "1900000600",
    "api_key": "n" * 32,
}


def refund_over_tls(
    shop: Shop, number: str, certificate: tuple[str, str] | None
) -> requests.Response:
    return requests.post(
        shop.sandbox.tls_url + "/secapi/pay/refund",
        to_xml(shop.signed(shop.refund_values(number))),
        cert=certificate,
        verify=str(shop.sandbox.ca_file),
        timeout=5,
    )


def files(sandbox: SandboxProcess, mch_id: str) -> tuple[str, str]:
    certificate, key = sandbox.certificate_files(mch_id)
    return str(certificate), str(key)


def test_over_tls_a_refund_needs_the_merchants_certificate(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    number = shop.paid()

    without = refund_over_tls(shop, number, None)
    strangers = refund_over_tls(shop, number, files(sandbox, "1900000110"))

    assert without.status_code == 400
    assert "No required SSL certificate" in without.text
    assert from_xml(strangers.content)["err_code"] == "CERT_ERROR"
    assert sandbox.trade(number)["refunds"] == []

    own = refund_over_tls(shop, number, files(sandbox, shop.mch_id))
    assert from_xml(own.content)["result_code"] == "SUCCESS"


def test_over_tls_other_calls_need_no_certificate(shop: Shop, sandbox: SandboxProcess) -> None:
    body = to_xml(shop.signed({"out_trade_no": shop.paid()}))

    answer = requests.post(
        sandbox.tls_url + "/pay/orderquery", body, verify=str(sandbox.ca_file), timeout=5
    )

    assert from_xml(answer.content)["trade_state"] == "SUCCESS"


def test_nobody_trusts_it_without_its_authority(sandbox: SandboxProcess) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(sandbox.tls_url + "/healthz", timeout=5)


def test_a_merchant_can_be_registered_and_pays(shop: Shop, sandbox: SandboxProcess) -> None:
    account = sandbox.register(**NEW)

    new = Shop(sandbox, account, shop.notify_url)

    assert new.query(new.paid())["trade_state"] == "SUCCESS"
    assert "BEGIN CERTIFICATE" in account["certificate_pem"]
    with pytest.raises(SandboxError):
        sandbox.register(**{**NEW, "api_key": "short"})


def test_everything_survives_a_restart(tmp_path: Path, ear: Ear) -> None:
    first = SandboxProcess(data=tmp_path, speed=1)
    with first as sandbox:
        account = sandbox.register(
            appid="wxkept000000000001", secret="s" * 32, mch_id="1900000700", api_key="k" * 32
        )
        shop = Shop(sandbox, account, ear.url)
        authority = sandbox.ca_file.read_bytes()
        login = sandbox.login_code(shop.appid, "oKept")
        token = shop.token()
        open_number, prepay_id = shop.order()
        ear.answers = [(500, b"")]
        paid = shop.paid()
        sandbox.wait_for(paid, lambda t: t["notifications"])
        shop.refund(paid)
        sandbox.kill()

    with SandboxProcess(data=tmp_path, speed=1000) as sandbox:
        shop.sandbox = sandbox
        assert sandbox.ca_file.read_bytes() == authority
        assert sandbox.account("1900000700") == account
        assert shop.token() == token
        query = {"appid": shop.appid, "secret": shop.secret, "js_code": login}
        query["grant_type"] = "authorization_code"
        assert shop.get("/sns/jscode2session", **query)["openid"] == "oKept"
        assert sandbox.pay(prepay_id)["out_trade_no"] == open_number
        assert shop.query(open_number)["trade_state"] == "SUCCESS"
        trade = sandbox.wait_for(paid, lambda t: t["refunds"][0]["status"] == "SUCCESS", seconds=10)
        assert trade["refunded_fee"] == 100
        assert trade["notification_due"] is not None


def test_what_time_forbids_is_refused(tmp_path: Path) -> None:
    def age(kind: str, field: str, seconds: float) -> None:
        """Every document of a kind looks so much older."""
        with sqlite3.connect(tmp_path / "sandbox.sqlite3") as db:
            db.execute(
                "UPDATE document SET body = json_set(body, ?, json_extract(body, ?) - ?) "
                "WHERE kind = ? AND json_extract(body, ?) IS NOT NULL",
                (field, field, seconds, kind, field),
            )
        db.close()

    with SandboxProcess(data=tmp_path) as sandbox:
        shop = Shop(sandbox, sandbox.account(), "http://127.0.0.1:9/n")
        old, _ = shop.order(time_expire=beijing(600))
        paid = shop.paid()
        code = sandbox.login_code(shop.appid, "oSlow")
        query = {"appid": shop.appid, "secret": shop.secret, "js_code": code}
        query["grant_type"] = "authorization_code"
        prepay_id = sandbox.trade(old)["prepay_ids"][0]
        token = shop.token()

    age("trade", "$.expires_at", 700)
    age("code", "$.made_at", 301)
    age("token", "$.expires_at", 7200 - 200)
    with SandboxProcess(data=tmp_path) as sandbox:
        shop.sandbox = sandbox
        with pytest.raises(SandboxError, match="expired"):
            sandbox.pay(prepay_id)
        assert shop.query(old)["trade_state"] == "NOTPAY"  # WeChat doesn't close it by itself
        assert shop.get("/sns/jscode2session", **query)["errcode"] == 40029
        assert shop.token() != token
        path = "/wxa/business/getuserphonenumber?access_token="
        assert shop.json(path + token, {"code": "x"})["errcode"] == 40029  # still good
        sandbox.rules(expired_payment="accept")
        assert sandbox.pay(prepay_id, "cancel")["state"] == "NOTPAY"

    age("trade", f'$.prepay."{prepay_id}"', 7201)
    age("trade", "$.paid_at", 366 * 86400)
    with SandboxProcess(data=tmp_path) as sandbox:
        shop.sandbox = sandbox
        with pytest.raises(SandboxError, match="prepay_expired"):
            sandbox.pay(prepay_id)
        assert shop.refund(paid)["err_code"] == "TRADE_OVERDUE"


def test_it_remembers_nothing_without_a_folder() -> None:
    with SandboxProcess() as sandbox:
        shop = Shop(sandbox, sandbox.account(), "http://127.0.0.1:9/n")
        shop.order()
        assert len(sandbox.books()) == 1
        assert sandbox.stop() == 0

    with SandboxProcess() as sandbox:
        assert sandbox.books() == []


def test_it_stops_promptly_though_a_caller_is_being_held(shop: Shop) -> None:
    with SandboxProcess() as sandbox:
        held = Shop(sandbox, sandbox.account(), shop.notify_url)
        sandbox.faults("orderquery", "timeout_after_accepting", seconds=60)
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                sandbox.base_url + "/pay/orderquery",
                to_xml(held.signed({"out_trade_no": "T00000000"})),
                timeout=0.2,
            )

        assert sandbox.stop() == 0


def run(*arguments: str, environment: str | None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "ENVIRONMENT"}
    if environment is not None:
        env["ENVIRONMENT"] = environment
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "backend.wechat.sandbox", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


@pytest.mark.parametrize("environment", ["production", "", None])
def test_production_cannot_start_it(environment: str | None) -> None:
    result = run("--port=0", environment=environment)

    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "ENVIRONMENT" in result.stderr


def test_a_port_in_use_and_a_bad_folder_are_one_line_each(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    port = sandbox.base_url.rsplit(":", 1)[1]
    taken = run(f"--port={port}", environment="test")
    (tmp_path / "file").write_text("")
    folder = run("--port=0", f"--data={tmp_path / 'file'}", environment="test")

    assert (taken.returncode, folder.returncode) == (2, 2)
    assert f"can't listen on 127.0.0.1:{port}" in taken.stderr
    assert "can't keep its data" in folder.stderr
    assert (taken.stderr + folder.stderr).count("\n") == 2


def test_a_person_pays_at_the_cashier_without_a_script(shop: Shop, sandbox: SandboxProcess) -> None:
    number, prepay_id = shop.order(body='<script>alert("羊毛")</script>')
    url = sandbox.base_url + "/cashier"

    page = requests.get(url, params={"prepay_id": prepay_id}, timeout=5)
    cancelled = requests.post(url, {"prepay_id": prepay_id, "outcome": "cancel"}, timeout=5)
    assert sandbox.trade(number)["state"] == "NOTPAY"
    paid = requests.post(url, {"prepay_id": prepay_id, "outcome": "success"}, timeout=5)

    assert "支付" in page.text
    assert "取消" in page.text
    assert "¥129.90" in page.text
    assert not re.search(r"<script", page.text, re.IGNORECASE)
    assert "已取消支付" in cancelled.text
    assert "支付成功" in paid.text
    assert "<button" not in paid.text
    assert sandbox.trade(number)["state"] == "SUCCESS"
    index = requests.get(sandbox.base_url + "/", timeout=5)
    assert number in index.text
    assert f"/cashier?prepay_id={prepay_id}" in index.text
    assert requests.get(url, params={"prepay_id": "wx0"}, timeout=5).status_code == 404


def test_it_says_it_is_well_and_knows_no_other_paths(sandbox: SandboxProcess) -> None:
    assert requests.get(sandbox.base_url + "/healthz", timeout=5).text == "ok\n"
    assert requests.get(sandbox.base_url + "/elsewhere", timeout=5).status_code == 404
    with pytest.raises(SandboxError):
        sandbox.call("GET", "nothing")


def test_it_imports_nothing_of_ours_nor_wechatpy() -> None:
    folder = ROOT / "backend" / "wechat" / "sandbox"
    lines = "\n".join(path.read_text() for path in folder.glob("*.py"))

    imported = set(re.findall(r"^\s*(?:from|import) (\w[\w.]*)", lines, re.MULTILINE))

    ours = {name.split(".")[0] for name in imported} - sys.stdlib_module_names
    assert ours == {"cryptography"}
