"""The WeChat sandbox as a process of its own, for tests that talk to it over HTTP.

    with SandboxProcess() as sandbox:
        code = sandbox.login_code(appid, openid="o1")

Knows nothing of Django or of the shop.
"""

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

ROOT: Final = Path(__file__).resolve().parent.parent
DEMO_APPID: Final = "wx5a3d0b7c9e1f2468"
DEMO_MCH_ID: Final = "1900000109"


class SandboxError(AssertionError):
    """The sandbox refused one of its own calls, or never came up."""

    def __init__(self, status: int, answer: Any) -> None:
        super().__init__(f"{status}: {answer}")
        self.status = status
        self.answer = answer
        self.code = answer.get("error", "") if isinstance(answer, dict) else ""


class Sandbox:
    """One that runs already: the calls of its own, all under /_sandbox/."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def call(self, method: str, name: str, values: Mapping[str, Any] | None = None) -> Any:
        """One call under /_sandbox/.

        Raises: SandboxError with the status and the answer of a refusal.
        """
        return json.loads(self._request(method, name, values))

    def _request(self, method: str, name: str, values: Mapping[str, Any] | None = None) -> bytes:
        body = json.dumps(values).encode() if values is not None else None
        request = urllib.request.Request(  # noqa: S310
            f"{self.base_url}/_sandbox/{name}", data=body, method=method
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as response:
                answer: bytes = response.read()
                return answer
        except urllib.error.HTTPError as error:
            raise SandboxError(error.code, json.loads(error.read())) from None

    def login_code(self, appid: str = DEMO_APPID, openid: str = "", unionid: str = "") -> str:
        """What wx.login gives the mini program."""
        values = {"appid": appid, "openid": openid or None, "unionid": unionid or None}
        return str(self.call("POST", "login-code", values)["code"])

    def phone_code(self, openid: str, phone: str, appid: str = DEMO_APPID) -> str:
        """What the phone-number button gives the mini program."""
        values = {"appid": appid, "openid": openid, "phone": phone}
        return str(self.call("POST", "phone-code", values)["code"])

    def pay(self, prepay_id: str = "", outcome: str = "success", **more: Any) -> dict[str, Any]:
        """The shopper pays or cancels. `client=` takes wx.requestPayment's five parameters and
        checks them as the phone would; `coupon_fee=` is what a coupon of WeChat's pays.
        """
        values = {"prepay_id": prepay_id, "outcome": outcome, **more}
        answer: dict[str, Any] = self.call("POST", "pay", values)
        return answer

    def faults(self, match: str, fault: str, times: int = 1, **more: Any) -> None:
        """The next `times` matching calls misbehave."""
        self.call("POST", "faults", {"match": match, "fault": fault, "times": times, **more})

    def clear_faults(self) -> None:
        self.call("DELETE", "faults")

    def rules(self, **switches: Any) -> dict[str, Any]:
        """The rules, after these switches."""
        rules: dict[str, Any] = self.call("POST", "rules", switches)["rules"]
        return rules

    def reset_rules(self) -> None:
        self.call("DELETE", "rules")

    def register(self, **account: str) -> dict[str, Any]:
        """Another mini program and merchant: appid, secret, mch_id, api_key."""
        answer: dict[str, Any] = self.call("POST", "accounts", account)
        return answer

    def account(self, mch_id: str = DEMO_MCH_ID) -> dict[str, Any]:
        """A merchant's secrets and certificate."""
        accounts = self.call("GET", "accounts")["accounts"]
        return next(dict(a) for a in accounts if a["mch_id"] == mch_id)

    def consent(self, appid: str, openid: str, template_id: str) -> None:
        """The shopper accepts a subscribe message in the prompt."""
        said = {"appid": appid, "openid": openid, "template_id": template_id}
        self.call("POST", "consents", said)

    def messages(self, openid: str) -> list[dict[str, Any]]:
        """The subscribe messages a shopper has had."""
        answer: list[dict[str, Any]] = self.call(
            "GET", f"messages?{urlencode({'openid': openid})}"
        )["messages"]
        return answer

    def v3(self, mch_id: str) -> dict[str, str]:
        """What a merchant needs for API v3: keys, a certificate, WeChat's public key."""
        answer: dict[str, str] = self.call("POST", "v3", {"mch_id": mch_id})
        return answer

    def send_vouchers(self, params: Mapping[str, Any], appid: str, openid: str) -> list[Any]:
        """The shopper confirms the send-coupon plugin; each item's result."""
        said = {"params": params, "appid": appid, "openid": openid}
        answer: list[Any] = self.call("POST", "vouchers/send", said)["send_coupon_result"]
        return answer

    def set_voucher(self, stock_id: str, code: str, state: str) -> None:
        """Somebody moved a coupon behind our back."""
        said = {"stock_id": stock_id, "coupon_code": code, "state": state}
        self.call("POST", "vouchers/state", said)

    def stock(self, stock_id: str) -> dict[str, Any]:
        """A batch of vouchers with its coupons, from the books."""
        (found,) = self.call("GET", f"vouchers?{urlencode({'stock_id': stock_id})}")["stocks"]
        return dict(found)

    def books(self, **where: str) -> list[dict[str, Any]]:
        """Every trade, or those with this out_trade_no, mch_id, appid or transaction_id."""
        trades: list[dict[str, Any]] = self.call("GET", f"books?{urlencode(where)}")["trades"]
        return trades

    def trade(self, out_trade_no: str) -> dict[str, Any]:
        """One trade from the books."""
        (trade,) = self.books(out_trade_no=out_trade_no)
        return trade

    def wait_for(
        self,
        out_trade_no: str,
        condition: Callable[[dict[str, Any]], object],
        *,
        seconds: float = 10.0,
    ) -> dict[str, Any]:
        """The trade once the condition holds; asking until the deadline."""
        deadline = time.monotonic() + seconds
        while True:
            trade = self.trade(out_trade_no)
            if condition(trade):
                return trade
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s in vain; the books say {trade}")
            time.sleep(0.01)

    def quiet(self, seconds: float = 10.0, **where: str) -> None:
        """Return once nothing of these trades is being told this moment; what comes later, may."""
        deadline = time.monotonic() + seconds
        while any(map(_on_its_way, self.books(**where))):
            if time.monotonic() > deadline:
                raise AssertionError(f"still being told after {seconds} s: {self.books(**where)}")
            time.sleep(0.01)


def _on_its_way(trade: dict[str, Any]) -> bool:
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.5)
    dues = [news["notification_due"] for news in (trade, *trade["refunds"])]
    return any(due and dt.datetime.fromisoformat(due) < soon for due in dues)


class SandboxProcess(Sandbox):
    """Runs on free ports from `start` to `stop`; WeChat's waits pass `speed` times as fast."""

    def __init__(
        self,
        *,
        data: Path | None = None,
        speed: float = 1000.0,
        port: int = 0,
        arguments: tuple[str, ...] = (),
    ) -> None:
        super().__init__("")
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
        self.folder = Path(self._folder.name)
        self.log_file = self.folder / "log"
        self.ca_file = self.folder / "ca.pem"
        self.tls_url = ""
        self._process: subprocess.Popen[str] | None = None
        self._command = [sys.executable, "-m", "backend.wechat.sandbox", f"--speed={speed}"]
        self._command += [f"--port={port}", "--tls-port=auto", *arguments]
        if data is not None:
            self._command.append(f"--data={data}")

    def start(self) -> Self:
        """It answers at `base_url` and `tls_url`, and `ca_file` holds its authority."""
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                cwd=ROOT,
                env={**os.environ, "ENVIRONMENT": "test", "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # ends with the process, ready or not
        if not line.startswith("sandbox ready on "):
            self.stop()
            raise SandboxError(0, line + self.log_file.read_text())
        self.base_url, self.tls_url = line.removeprefix("sandbox ready on ").strip().split(" and ")
        self.ca_file.write_bytes(self._request("GET", "ca.pem"))
        return self

    def stop(self) -> int:
        """It is gone; what it returned."""
        process = self._process
        if process is None:
            return 0
        self._process = None
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            if process.stdout is not None:
                process.stdout.close()

    def kill(self) -> None:
        """It is gone without a chance to put anything in order."""
        assert self._process is not None
        self._process.kill()
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        with contextlib.suppress(OSError):
            self._folder.cleanup()

    def certificate_files(self, mch_id: str = DEMO_MCH_ID) -> tuple[Path, Path]:
        """The merchant's certificate and private key, as files."""
        account = self.account(mch_id)
        certificate = self.folder / f"{mch_id}.pem"
        key = self.folder / f"{mch_id}.key"
        certificate.write_text(account["certificate_pem"])
        key.write_text(account["private_key_pem"])
        return certificate, key
