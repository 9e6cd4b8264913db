"""A V2 client written for these tests alone, so that the sandbox is not its own judge."""

import hashlib
import hmac
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from xml.etree import ElementTree as ET

import requests

from tests.sandbox import SandboxProcess

_numbers = itertools.count(1)
OK: Final = b"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"
NO: Final = b"<xml><return_code><![CDATA[FAIL]]></return_code></xml>"


def v2_sign(values: dict[str, str], key: str, algorithm: str = "MD5") -> str:
    names = sorted(name for name in values if name != "sign" and values[name] != "")
    text = "".join(f"{name}={values[name]}&" for name in names) + f"key={key}"
    if algorithm == "MD5":
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()
    return hmac.new(key.encode(), text.encode(), "sha256").hexdigest().upper()


def to_xml(values: dict[str, str]) -> bytes:
    root = ET.Element("xml")
    for name, value in values.items():
        ET.SubElement(root, name).text = value
    return bytes(ET.tostring(root, encoding="utf-8"))


def from_xml(body: bytes) -> dict[str, str]:
    return {child.tag: child.text or "" for child in ET.fromstring(body)}  # noqa: S314


def beijing(seconds_from_now: float) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600 + seconds_from_now))


class Shop:
    """One merchant, calling over HTTP."""

    def __init__(self, sandbox: SandboxProcess, account: dict[str, Any], notify_url: str) -> None:
        self.sandbox = sandbox
        self.appid: str = account["appid"]
        self.secret: str = account["secret"]
        self.mch_id: str = account["mch_id"]
        self.key: str = account["api_key"]
        self.notify_url = notify_url
        self.http = requests.Session()
        self.http.trust_env = False
        self.openid = f"oShopper{next(_numbers):08d}"
        sandbox.login_code(self.appid, self.openid)

    def post(self, path: str, body: bytes, **options: Any) -> requests.Response:
        return self.http.post(self.sandbox.base_url + path, data=body, timeout=5, **options)

    def signed(self, values: dict[str, str]) -> dict[str, str]:
        full = {"appid": self.appid, "mch_id": self.mch_id, "nonce_str": "n0nce", **values}
        full["sign"] = v2_sign(full, self.key, full.get("sign_type") or "MD5")
        return full

    def call(self, path: str, values: dict[str, str]) -> dict[str, str]:
        """A call with a good signature; the answer, whose signature is checked."""
        answer = from_xml(self.post(path, to_xml(self.signed(values))).content)
        if answer["return_code"] == "SUCCESS":
            algorithm = values.get("sign_type") or "MD5"
            assert answer["sign"] == v2_sign(answer, self.key, algorithm)
        return answer

    def order_values(self, **changes: str) -> dict[str, str]:
        values = {
            "body": "秋冬保暖羊毛被",
            "out_trade_no": f"T{int(time.time())}{next(_numbers):06d}",
            "total_fee": "12990",
            "spbill_create_ip": "127.0.0.1",
            "notify_url": self.notify_url,
            "trade_type": "JSAPI",
            "openid": self.openid,
            "attach": "order42",
        }
        return {name: value for name, value in {**values, **changes}.items() if value != "-"}

    def unified_order(self, values: dict[str, str]) -> dict[str, str]:
        return self.call("/pay/unifiedorder", values)

    def order(self, **changes: str) -> tuple[str, str]:
        """A trade waiting for its shopper: its number and prepay_id."""
        values = self.order_values(**changes)
        answer = self.unified_order(values)
        assert answer.get("result_code") == "SUCCESS", answer
        return values["out_trade_no"], answer["prepay_id"]

    def paid(self, **changes: str) -> str:
        """The number of a trade its shopper has paid."""
        number, prepay_id = self.order(**changes)
        self.sandbox.pay(prepay_id)
        return number

    def query(self, number: str) -> dict[str, str]:
        return self.call("/pay/orderquery", {"out_trade_no": number})

    def close(self, number: str) -> dict[str, str]:
        return self.call("/pay/closeorder", {"out_trade_no": number})

    def refund_values(self, number: str, **changes: str) -> dict[str, str]:
        values = {
            "out_trade_no": number,
            "out_refund_no": f"R{int(time.time())}{next(_numbers):06d}",
            "total_fee": "12990",
            "refund_fee": "100",
            "notify_url": self.notify_url,
        }
        return {name: value for name, value in {**values, **changes}.items() if value != "-"}

    def refund(self, number: str, **changes: str) -> dict[str, str]:
        return self.call("/secapi/pay/refund", self.refund_values(number, **changes))

    def refund_query(self, **values: str) -> dict[str, str]:
        return self.call("/pay/refundquery", values)

    def token(self) -> str:
        values = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        return str(self.json("/cgi-bin/stable_token", values)["access_token"])

    def json(self, path: str, values: dict[str, Any]) -> dict[str, Any]:
        response = self.post(path, json.dumps(values, ensure_ascii=False).encode())
        assert response.status_code == 200
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str, **query: str) -> dict[str, Any]:
        response = self.http.get(self.sandbox.base_url + path, params=query, timeout=5)
        assert response.status_code == 200
        answer: dict[str, Any] = response.json()
        return answer


class Ear:
    """Where notifications arrive. Answers what `answers` holds, then SUCCESS."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []
        self.answers: list[tuple[int, bytes]] = []
        self.gate: threading.Barrier | None = None
        self.lock = threading.Lock()
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with ear.lock:
                    ear.heard.append({"path": self.path, **from_xml(body)})
                    status, answer = ear.answers.pop(0) if ear.answers else (200, OK)
                if ear.gate is not None:
                    ear.gate.wait(5)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/notify"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def about(self, number: str) -> list[dict[str, str]]:
        with self.lock:
            return [message for message in self.heard if message.get("out_trade_no") == number]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
