"""A WeChat for these tests: the sandbox as a process, reached over TLS as the real one is."""

import contextlib
import http.server
import queue
import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from backend.wechat.credentials import MiniProgramCredentials, PayCredentials
from backend.wechat.pay import PAYMENT_ACCEPTED
from tests.sandbox import SandboxProcess


@pytest.fixture(scope="session")
def running_wechat() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def wechat(running_wechat: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The sandbox, believed because of its own authority, with nothing scripted."""
    running_wechat.clear_faults()
    running_wechat.reset_rules()
    settings.WECHAT_PAY_BASE_URL = running_wechat.tls_url
    settings.WECHAT_API_BASE_URL = running_wechat.tls_url
    settings.WECHAT_CA_BUNDLE = str(running_wechat.ca_file)
    return running_wechat


def registered(process: SandboxProcess, **more: str) -> dict[str, Any]:
    """A new account nobody else uses."""
    number = secrets.randbelow(10**8)
    return process.register(
        appid=f"wx{secrets.token_hex(8)}",
        secret=secrets.token_hex(16),
        mch_id=f"19{number:08d}",
        api_key=secrets.token_hex(16),
        **more,
    )


@pytest.fixture
def account(wechat: SandboxProcess) -> PayCredentials:
    known = registered(wechat)
    return PayCredentials(
        appid=known["appid"],
        mch_id=known["mch_id"],
        api_key=known["api_key"],
        cert_pem=known["certificate_pem"],
        key_pem=known["private_key_pem"],
    )


@pytest.fixture
def provider(wechat: SandboxProcess, account: PayCredentials) -> PayCredentials:
    """A service provider with one merchant below it."""
    sub_appid = f"wx{secrets.token_hex(8)}"
    known = registered(wechat, sub_mch_id="1900000777", sub_appid=sub_appid)
    return replace(
        account,
        appid=known["appid"],
        mch_id=known["mch_id"],
        api_key=known["api_key"],
        cert_pem=known["certificate_pem"],
        key_pem=known["private_key_pem"],
        mode="provider",
        sub_mch_id="1900000777",
        sub_appid=sub_appid,
    )


@pytest.fixture
def mini_program(wechat: SandboxProcess) -> MiniProgramCredentials:
    known = registered(wechat)
    return MiniProgramCredentials(known["appid"], known["secret"])


class Letterbox:
    """Where notifications arrive; each is answered with success and kept. /moved/ points here."""

    def __init__(self) -> None:
        letters: queue.Queue[bytes] = queue.Queue()
        heads: list[dict[str, str]] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.startswith("/moved/"):
                    self.send_response(307)
                    self.send_header("Location", "/hook")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                heads.append(dict(self.headers))
                letters.put(body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(PAYMENT_ACCEPTED)))
                self.end_headers()
                self.wfile.write(PAYMENT_ACCEPTED)

            def log_message(self, *_: Any) -> None:
                pass

        self._letters = letters
        self.headers = heads
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def next(self) -> bytes:
        return self._letters.get(timeout=10)

    @property
    def is_empty(self) -> bool:
        return self._letters.empty()

    @contextlib.contextmanager
    def open(self) -> Iterator["Letterbox"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    with Letterbox().open() as box:
        yield box
