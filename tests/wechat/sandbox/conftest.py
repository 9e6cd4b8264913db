"""One sandbox process for all these tests, put in order before each."""

from collections.abc import Iterator

import pytest

from tests.sandbox import SandboxProcess
from tests.wechat.sandbox.client import Ear, Shop


@pytest.fixture(autouse=True)
def empty_redis() -> None:
    """The sandbox has nothing in Redis."""


@pytest.fixture(scope="session")
def _process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(_process: SandboxProcess) -> SandboxProcess:
    _process.clear_faults()
    _process.reset_rules()
    _process.rules(refund_spacing="off")
    return _process


@pytest.fixture
def ear() -> Iterator[Ear]:
    listening = Ear()
    yield listening
    listening.stop()


@pytest.fixture
def shop(sandbox: SandboxProcess, ear: Ear) -> Shop:
    return Shop(sandbox, sandbox.account(), ear.url)
