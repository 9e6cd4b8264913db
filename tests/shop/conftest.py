"""A shop with one mini program, WeChat's sandbox, and shoppers who sign in through both."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from shop import login, regions
from shop.models import Customer, Identity, Merchant, MiniProgram
from tests.sandbox import SandboxProcess


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass
class Api:
    """The API as a mini program calls it."""

    access: str = ""
    appid: str = ""
    client: Client = field(default_factory=Client)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.access:
            given.setdefault("Authorization", f"Bearer {self.access}")
        if self.appid:
            given.setdefault("X-WX-Appid", self.appid)
        more: dict[str, Any] = {}
        if body is not None:
            more = {"data": body, "content_type": "application/json"}
        send = getattr(self.client, method.lower())
        response = send(f"/api/v1/{path}", headers=given, **more)
        parsed = response.json() if response.content else None
        return Answer(response.status_code, parsed, response.headers)


@pytest.fixture(scope="session")
def running_wechat() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def wechat(running_wechat: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The sandbox over HTTP, with nothing scripted."""
    running_wechat.clear_faults()
    running_wechat.reset_rules()
    settings.WECHAT_API_BASE_URL = running_wechat.base_url
    return running_wechat


def open_shop(name: str = "山野小铺") -> tuple[Merchant, MiniProgram]:
    """A merchant with a mini program that WeChat has not heard of."""
    merchant = Merchant.objects.create(name=name, slug=f"shop-{secrets.token_hex(4)}")
    program = MiniProgram.objects.create(
        merchant=merchant, appid=f"wx{secrets.token_hex(8)}", secret=secrets.token_hex(16)
    )
    return merchant, program


def register(wechat: SandboxProcess, program: MiniProgram) -> None:
    """WeChat knows this mini program."""
    wechat.register(
        appid=program.appid,
        secret=str(program.secret),
        mch_id=f"19{secrets.randbelow(10**8):08d}",
        api_key=secrets.token_hex(16),
    )


@pytest.fixture
def program(db: None) -> MiniProgram:
    return open_shop()[1]


@pytest.fixture
def known_program(program: MiniProgram, wechat: SandboxProcess) -> MiniProgram:
    register(wechat, program)
    return program


@pytest.fixture
def merchant(program: MiniProgram) -> Merchant:
    return program.merchant


def new_customer(merchant: Merchant, **more: Any) -> Customer:
    return Customer.objects.create(merchant=merchant, **more)


@pytest.fixture
def customer(merchant: Merchant) -> Customer:
    return new_customer(merchant, nickname="小满")


def signed_in(customer: Customer, appid: str = "") -> Api:
    """A customer's API, without asking WeChat."""
    access, _refresh = login.start(customer, appid)
    return Api(access=access)


@pytest.fixture
def api(customer: Customer) -> Api:
    return signed_in(customer)


@pytest.fixture
def china(db: None) -> None:
    regions.load()


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls answer, each in a thread of its own, all released by one barrier."""
    from django.db import connection

    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            answers[number] = call()
        except Exception as error:
            answers[number] = error
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def identities(customer: Customer) -> list[str]:
    return list(
        Identity.objects.filter(customer=customer).order_by("pk").values_list("openid", flat=True)
    )


@pytest.fixture
def media(tmp_path: Path, settings: Settings) -> Path:
    """Where uploads go in this test."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"
