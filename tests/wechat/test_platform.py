"""Sign-in, phone numbers, codes and the shared access token, against the sandbox over TLS."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis
from django.core.cache import cache
from pytest_django import Settings

from backend.wechat import access_tokens, http
from backend.wechat.access_tokens import AccessTokens
from backend.wechat.credentials import MiniProgramCredentials
from backend.wechat.errors import Refused, Retry, WeChatError
from backend.wechat.platform import Platform, login
from tests.sandbox import SandboxProcess
from tests.wechat.conftest import registered

LINE_FAULTS = ["timeout_after_accepting", "drop_before", "html_200", "text_200", "http_502", "busy"]


def faults_left(wechat: SandboxProcess) -> int:
    return sum(fault["times"] for fault in wechat.call("GET", "faults")["faults"])


def phone_code(wechat: SandboxProcess, appid: str, phone: str = "13800000001", **more: Any) -> str:
    values = {"appid": appid, "openid": "oShopper", "phone": phone, **more}
    return str(wechat.call("POST", "phone-code", values)["code"])


# -- sign-in --------------------------------------------------------------------------------------


def test_a_login_code_says_who_is_there(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    code = wechat.login_code(mini_program.appid, "oShopper", "uShopper")

    who = login(mini_program, code)

    assert (who.openid, who.unionid) == ("oShopper", "uShopper")
    assert who.session_key
    assert who.session_key not in repr(who)


def test_a_person_without_a_unionid_has_none(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    assert login(mini_program, wechat.login_code(mini_program.appid)).unionid == ""


def test_signing_in_fetches_no_access_token(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    wechat.faults("stable_token", "busy")
    wechat.faults("token", "busy")

    login(mini_program, wechat.login_code(mini_program.appid))

    assert faults_left(wechat) == 2


@pytest.mark.parametrize("code", ["", "nonsense"])
def test_a_code_nobody_gave_out_is_a_bad_one(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        login(mini_program, code)
    assert refused.value.code == "bad_login_code"


def test_a_code_works_once(wechat: SandboxProcess, mini_program: MiniProgramCredentials) -> None:
    code = wechat.login_code(mini_program.appid)
    login(mini_program, code)

    with pytest.raises(Refused) as refused:
        login(mini_program, code)
    assert refused.value.code == "bad_login_code"


def test_a_code_of_another_mini_program_is_a_bad_one(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    code = wechat.login_code(registered(wechat)["appid"])

    with pytest.raises(Refused, match="bad_login_code"):
        login(mini_program, code)


def test_a_shopper_whom_wechat_blocks_is_told_apart(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    wechat.faults("jscode2session", "errcode", errcode=40226)

    with pytest.raises(Refused) as refused:
        login(mini_program, wechat.login_code(mini_program.appid))
    assert refused.value.code == "login_blocked"


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_a_sign_in_without_an_answer_is_for_later(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, fault: str
) -> None:
    wechat.faults("jscode2session", fault)

    with pytest.raises(Retry):
        login(mini_program, wechat.login_code(mini_program.appid))


def test_signing_in_too_often_is_for_later(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    wechat.faults("jscode2session", "errcode", errcode=45011)

    with pytest.raises(Retry) as later:
        login(mini_program, wechat.login_code(mini_program.appid))
    assert later.value.code == "45011"


def test_a_wrong_secret_is_refused_by_its_number(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    with pytest.raises(Refused, match="40125"):
        login(
            replace(mini_program, secret="f" * 32),
            wechat.login_code(mini_program.appid),
        )


# -- secrets ---------------------------------------------------------------------------------------


def failures(credentials: MiniProgramCredentials) -> list[Callable[[], object]]:
    return [
        lambda: login(credentials, "nonsense"),
        lambda: Platform(credentials).phone_number("nonsense"),
        lambda: Platform(credentials).wxacode("a" * 40),
    ]


def test_no_secret_and_no_token_is_in_a_log_or_in_an_exception(
    wechat: SandboxProcess,
    mini_program: MiniProgramCredentials,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = []
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        for url in (wechat.tls_url, "http://127.0.0.1:1", "https://127.0.0.1:1"):
            settings.WECHAT_API_BASE_URL = url
            for call in failures(mini_program):
                with pytest.raises(WeChatError) as caught:
                    call()
                texts.append(f"{caught.value} {caught.value!r}")
                assert caught.value.__context__ is None
    settings.WECHAT_API_BASE_URL = wechat.tls_url
    token = Platform(mini_program).tokens.current()

    written = caplog.text + " ".join(texts) + repr(mini_program)
    assert mini_program.secret not in written
    assert token not in written
    assert "secret=" not in written
    assert "access_token=" not in written


def test_the_token_is_ciphertext_in_redis(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, settings: Settings
) -> None:
    token = Platform(mini_program).tokens.current()

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        kept = {key: client.get(key) for key in client.scan_iter(f"*{mini_program.appid}*")}
    assert len(kept) == 1
    assert token.encode() not in b"".join(value or b"" for value in kept.values())


# -- phone numbers and codes -----------------------------------------------------------------------


def test_a_phone_code_gives_the_number_once(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    code = phone_code(wechat, mini_program.appid)
    platform = Platform(mini_program)

    assert platform.phone_number(code) == "13800000001"
    with pytest.raises(Refused) as refused:
        platform.phone_number(code)
    assert refused.value.code == "bad_phone_code"


def test_a_number_from_abroad_keeps_its_country(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    code = phone_code(wechat, mini_program.appid, "61234567", country_code="852")

    assert Platform(mini_program).phone_number(code) == "+85261234567"


@pytest.mark.parametrize("code", ["", "nonsense"])
def test_a_phone_code_nobody_gave_out_is_a_bad_one(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, code: str
) -> None:
    with pytest.raises(Refused, match="bad_phone_code"):
        Platform(mini_program).phone_number(code)


def test_a_phone_code_of_another_mini_program_is_a_bad_one(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    code = phone_code(wechat, registered(wechat)["appid"])

    with pytest.raises(Refused, match="bad_phone_code"):
        Platform(mini_program).phone_number(code)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"watermark": {"appid": "wx9999999999999999"}}, Refused),
        ({"purePhoneNumber": "138 0000 0001"}, Retry),
        ({"purePhoneNumber": None}, Retry),
        ({"watermark": None}, Retry),
    ],
)
def test_a_number_that_is_not_for_us_or_is_none_is_not_believed(
    changed: dict[str, Any], expected: type[WeChatError]
) -> None:
    phone = {"purePhoneNumber": "13800000001", "countryCode": 86, "watermark": {"appid": "wx1"}}
    platform = Platform(MiniProgramCredentials("wx1", "s"))
    assert platform._phone_in({"phone_info": phone}) == "13800000001"

    with pytest.raises(expected):
        platform._phone_in({"phone_info": {**phone, **changed}})


@pytest.mark.parametrize("fault", LINE_FAULTS)
def test_a_phone_number_or_a_code_without_an_answer_is_for_later(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, fault: str
) -> None:
    platform = Platform(mini_program)
    wechat.faults("getuserphonenumber", fault)
    wechat.faults("getwxacodeunlimit", fault)

    with pytest.raises(Retry):
        platform.phone_number(phone_code(wechat, mini_program.appid))
    with pytest.raises(Retry):
        platform.wxacode("p=1")


def test_a_mini_program_code_is_a_picture(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    picture = Platform(mini_program).wxacode("g=7Qk2&p=1001", "pages/product/detail", 280, "trial")

    assert picture.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    ("scene", "number"), [("a" * 33, "40169"), ("p%3D1", "40129"), ("", "40169")]
)
def test_a_scene_that_wechat_does_not_take_is_refused_by_its_number(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, scene: str, number: str
) -> None:
    with pytest.raises(Refused) as refused:
        Platform(mini_program).wxacode(scene)
    assert refused.value.code == number


def test_a_page_may_begin_with_a_slash_but_must_exist(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    wechat.rules(pages=["pages/home"])
    platform = Platform(mini_program)

    assert platform.wxacode("p=1", "/pages/home")
    with pytest.raises(Refused, match="41030"):
        platform.wxacode("p=1", "pages/nowhere")
    assert platform.wxacode("p=1", "pages/nowhere", env_version="trial")


# -- the access token ------------------------------------------------------------------------------


def test_trap_3_a_token_that_went_bad_is_fetched_again_once(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    platform = Platform(mini_program)
    before = platform.tokens.current()
    wechat.faults("getuserphonenumber", "token_expired")

    assert platform.phone_number(phone_code(wechat, mini_program.appid)) == "13800000001"
    assert platform.tokens.current() != before


@pytest.mark.parametrize("number", [40001, 40014, 42001])
def test_trap_3_a_server_that_calls_every_token_bad_is_asked_twice_and_no_more(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, number: int
) -> None:
    wechat.faults("getuserphonenumber", "errcode", 10, errcode=number)

    with pytest.raises(Refused, match=str(number)):
        Platform(mini_program).phone_number("nonsense")

    assert faults_left(wechat) == 8


def test_a_sandbox_that_forgot_our_token_is_no_trouble(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    cache.clear()
    platform = Platform(mini_program)
    platform.tokens.current()
    cache.clear()

    assert platform.phone_number(phone_code(wechat, mini_program.appid)) == "13800000001"


def test_trap_3_many_that_want_a_token_at_once_fetch_it_once() -> None:
    fetched: list[str] = []
    barrier = threading.Barrier(8)

    def fetch() -> tuple[str, int]:
        time.sleep(0.3)
        fetched.append("token")
        return f"token-{len(fetched)}", 7200

    def want(_: int) -> str:
        barrier.wait()
        return AccessTokens("wx1", fetch).current()

    with ThreadPoolExecutor(8) as shoppers:
        tokens = set(shoppers.map(want, range(8)))

    assert tokens == {"token-1"}
    assert len(fetched) == 1


def test_who_gets_the_lock_after_another_fetched_uses_that_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = AccessTokens("wx1", lambda: ("theirs", 7200))
    tokens.current()
    looks = [""]  # at the first look it was not there yet
    kept = tokens._kept
    monkeypatch.setattr(tokens, "_kept", lambda: looks.pop() if looks else kept())
    monkeypatch.setattr(tokens, "_fetch", lambda: pytest.fail("fetched again"))

    assert tokens.current() == "theirs"


def test_a_fetch_that_failed_lets_the_next_one_try() -> None:
    def fail() -> tuple[str, int]:
        raise Retry("-1")

    with pytest.raises(Retry):
        AccessTokens("wx1", fail).current()

    assert AccessTokens("wx1", lambda: ("token", 7200)).current() == "token"


def test_who_waits_too_long_for_anothers_fetch_comes_back_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access_tokens, "WAIT_SECONDS", 0.2)
    cache.add("wechat:access-token:wx1:lock", "a process that was killed", 30)

    with pytest.raises(Retry, match="token_busy"):
        AccessTokens("wx1", lambda: ("token", 7200)).current()


def test_a_lock_that_passed_to_somebody_else_is_not_taken_from_them() -> None:
    def slow() -> tuple[str, int]:
        cache.set("wechat:access-token:wx1:lock", "somebody else", 30)
        return "token", 7200

    AccessTokens("wx1", slow).current()

    assert cache.get("wechat:access-token:wx1:lock") == "somebody else"


def test_dropping_an_old_token_spares_the_new_one() -> None:
    tokens = AccessTokens("wx1", lambda: ("new", 7200))
    tokens.current()

    tokens.drop("old")
    assert cache.get("wechat:access-token:wx1") is not None
    tokens.drop("new")
    assert cache.get("wechat:access-token:wx1") is None


def test_a_token_is_renewed_five_minutes_before_it_ends(settings: Settings) -> None:
    AccessTokens("wx1", lambda: ("token", 7200)).current()
    AccessTokens("wx2", lambda: ("token", 300)).current()

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        lives = {
            appid: client.ttl(next(client.scan_iter(f"*wechat:access-token:{appid}")))
            for appid in ("wx1", "wx2")
        }
    assert 6890 < lives["wx1"] <= 6900
    assert 50 < lives["wx2"] <= 60


def test_a_token_under_a_key_that_was_taken_away_is_fetched_anew(settings: Settings) -> None:
    AccessTokens("wx1", lambda: ("old", 7200)).current()

    settings.ENCRYPTION_KEYS = ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]

    assert AccessTokens("wx1", lambda: ("new", 7200)).current() == "new"


def test_a_token_refused_for_our_secret_says_so(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials
) -> None:
    with pytest.raises(Refused, match="40125"):
        Platform(replace(mini_program, secret="f" * 32)).wxacode("p=1")


def test_trap_4_a_silent_token_endpoint_is_waited_for_so_long_and_no_longer(
    wechat: SandboxProcess, mini_program: MiniProgramCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TIMEOUT", (3, 0.3))
    wechat.faults("stable_token", "timeout_after_accepting", seconds=5)
    began = time.monotonic()

    with pytest.raises(Retry, match="ReadTimeout"):
        Platform(mini_program).wxacode("p=1")

    assert time.monotonic() - began < 3
