"""Sign-in, tokens, phone numbers and codes, with WeChat's numbers for what goes wrong."""

import struct
from typing import Any

import pytest
import requests

from tests.sandbox import SandboxError, SandboxProcess
from tests.wechat.sandbox.client import Shop


def sign_in(shop: Shop, code: str, **changes: str) -> dict[str, Any]:
    query = {"appid": shop.appid, "secret": shop.secret, "js_code": code}
    query["grant_type"] = "authorization_code"
    return shop.get("/sns/jscode2session", **{**query, **changes})


def test_a_code_signs_in_once(shop: Shop, sandbox: SandboxProcess) -> None:
    code = sandbox.login_code(shop.appid, openid="oSigner", unionid="uSigner")

    answer = sign_in(shop, code)

    assert answer.keys() == {"openid", "session_key", "unionid"}
    assert (answer["openid"], answer["unionid"]) == ("oSigner", "uSigner")
    assert len(answer["session_key"]) == 24
    assert sign_in(shop, code)["errcode"] == 40163


def test_a_person_without_unionid_has_none_and_each_new_one_is_new(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    first = sign_in(shop, sandbox.login_code(shop.appid))
    second = sign_in(shop, sandbox.login_code(shop.appid))

    assert first.keys() == {"openid", "session_key"}
    assert len(first["openid"]) == 28
    assert first["openid"] != second["openid"]


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"js_code": "unknown"}, 40029),
        ({"js_code": ""}, 41008),
        ({"secret": "wrong"}, 40125),
        ({"secret": ""}, 41004),
        ({"appid": "wx0000000000000009"}, 40013),
        ({"appid": ""}, 41002),
        ({"grant_type": "password"}, 40002),
    ],
)
def test_a_sign_in_goes_wrong_with_wechats_number(
    shop: Shop, change: dict[str, str], errcode: int
) -> None:
    answer = sign_in(shop, shop.sandbox.login_code(shop.appid), **change)

    assert answer["errcode"] == errcode
    assert " rid: " in answer["errmsg"]


def test_a_code_of_another_mini_program_is_no_code(shop: Shop, sandbox: SandboxProcess) -> None:
    code = sandbox.login_code(sandbox.account("1900000110")["appid"])

    assert sign_in(shop, code)["errcode"] == 40029


def test_an_unregistered_mini_program_gives_no_codes(sandbox: SandboxProcess) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.login_code("wx0000000000000009")
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("fault", "more", "errcode"),
    [
        ("busy", {}, -1),
        ("errcode", {"errcode": 40226}, 40226),
        ("errcode", {"errcode": 45011}, 45011),
    ],
)
def test_a_sign_in_can_be_refused_and_the_code_stays_good(
    shop: Shop, sandbox: SandboxProcess, fault: str, more: dict[str, int], errcode: int
) -> None:
    code = sandbox.login_code(shop.appid)
    sandbox.faults("jscode2session", fault, **more)

    assert sign_in(shop, code)["errcode"] == errcode
    assert "openid" in sign_in(shop, code)


@pytest.mark.parametrize("fault", ["timeout_after_accepting", "drop_before"])
def test_a_sign_in_can_be_cut_off(shop: Shop, sandbox: SandboxProcess, fault: str) -> None:
    code = sandbox.login_code(shop.appid)
    sandbox.faults("/sns/jscode2session", fault)

    with pytest.raises(requests.ConnectionError):
        sign_in(shop, code)

    assert ("errcode" in sign_in(shop, code)) == (fault == "timeout_after_accepting")


def test_a_stable_token_stays_the_same_until_forced(shop: Shop) -> None:
    values = {"grant_type": "client_credential", "appid": shop.appid, "secret": shop.secret}
    first = shop.json("/cgi-bin/stable_token", values)
    assert first.keys() == {"access_token", "expires_in"}
    assert 7000 < first["expires_in"] <= 7200
    assert shop.token() == first["access_token"]

    forced = shop.json("/cgi-bin/stable_token", {**values, "force_refresh": True})

    assert forced["access_token"] != first["access_token"]
    again = shop.json("/cgi-bin/stable_token", {**values, "force_refresh": True})
    assert again["access_token"] == forced["access_token"]  # thirty seconds apart, or nothing
    assert phone(shop, "x", token=first["access_token"])["errcode"] == 40001
    assert phone(shop, "x", token=forced["access_token"])["errcode"] == 40029


@pytest.mark.parametrize(
    ("change", "errcode"),
    [({"secret": "no"}, 40125), ({"appid": "no"}, 40013), ({"grant_type": "x"}, 40002)],
)
def test_a_stable_token_needs_the_secret(shop: Shop, change: dict[str, str], errcode: int) -> None:
    values = {"grant_type": "client_credential", "appid": shop.appid, "secret": shop.secret}

    assert shop.json("/cgi-bin/stable_token", {**values, **change})["errcode"] == errcode


def test_a_plain_token_is_new_each_time_and_the_one_before_works_on(shop: Shop) -> None:
    query = {"grant_type": "client_credential", "appid": shop.appid, "secret": shop.secret}

    first = shop.get("/cgi-bin/token", **query)["access_token"]
    second = shop.get("/cgi-bin/token", **query)["access_token"]

    assert first != second
    assert phone(shop, "x", token=first)["errcode"] == 40029


def phone(shop: Shop, code: str, token: str = "") -> dict[str, Any]:
    path = f"/wxa/business/getuserphonenumber?access_token={token or shop.token()}"
    return shop.json(path, {"code": code})


def test_a_phone_number_is_told_once(shop: Shop, sandbox: SandboxProcess) -> None:
    code = sandbox.phone_code(shop.openid, "13800000001", shop.appid)

    answer = phone(shop, code)

    assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
    info = answer["phone_info"]
    assert (info["phoneNumber"], info["purePhoneNumber"]) == ("13800000001", "13800000001")
    assert (info["countryCode"], info["watermark"]["appid"]) == ("86", shop.appid)
    assert phone(shop, code)["errcode"] == 40029


def test_a_phone_code_is_no_login_code_nor_anothers(shop: Shop, sandbox: SandboxProcess) -> None:
    code = sandbox.phone_code(shop.openid, "13800000001", shop.appid)
    other = Shop(sandbox, sandbox.account("1900000110"), shop.notify_url)

    assert sign_in(shop, code)["errcode"] == 40029
    assert phone(other, code)["errcode"] == 40013
    assert phone(shop, sandbox.login_code(shop.appid))["errcode"] == 40029


def test_a_token_is_needed_and_can_be_told_expired(shop: Shop, sandbox: SandboxProcess) -> None:
    path = "/wxa/business/getuserphonenumber"
    assert shop.json(path, {"code": "x"})["errcode"] == 41001
    assert shop.json(path + "?access_token=nonsense", {"code": "x"})["errcode"] == 40001
    assert shop.get(path, access_token=shop.token())["errcode"] == 43002
    token = shop.token()
    assert shop.post(f"{path}?access_token={token}", b"").json()["errcode"] == 44002
    assert shop.post(f"{path}?access_token={token}", b"code=x").json()["errcode"] == 47001
    sandbox.faults("getuserphonenumber", "token_expired")

    assert phone(shop, "x", token=token)["errcode"] == 40001
    assert shop.token() != token


def code_picture(shop: Shop, **values: object) -> requests.Response:
    path = f"/wxa/getwxacodeunlimit?access_token={shop.token()}"
    return shop.http.post(
        shop.sandbox.base_url + path, json={"scene": "g=7Qk2&p=1001", **values}, timeout=5
    )


def test_a_code_is_a_jpeg_of_the_width_asked_for(shop: Shop) -> None:
    response = code_picture(shop, page="pages/product/detail", width=433)

    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.content[:2] == b"\xff\xd8"
    assert response.content[-2:] == b"\xff\xd9"
    frame = response.content.index(b"\xff\xc0")
    assert struct.unpack(">HH", response.content[frame + 5 : frame + 9]) == (433, 433)
    assert response.content != code_picture(shop, scene="other", width=433).content


def test_a_transparent_code_is_a_png(shop: Shop) -> None:
    response = code_picture(shop, is_hyaline=True, width=280)

    assert response.headers["Content-Type"] == "image/png"
    assert struct.unpack(">II", response.content[16:24]) == (280, 280)


@pytest.mark.parametrize(
    ("values", "errcode"),
    [
        ({"scene": "s" * 33}, 40169),
        ({"scene": ""}, 40169),
        ({"scene": "a%20b"}, 40129),
        ({"scene": "商品"}, 40129),
        ({"page": "/pages/index"}, 41030),
        ({"page": "pages/index?a=1"}, 41030),
        ({"width": 279}, 40097),
        ({"width": 1281}, 40097),
        ({"env_version": "beta"}, 40097),
        ({"scene": "scancode_time=1"}, 85096),
    ],
)
def test_a_code_goes_wrong_with_wechats_number(
    shop: Shop, values: dict[str, object], errcode: int
) -> None:
    response = code_picture(shop, **values)

    assert response.status_code == 200
    assert response.json()["errcode"] == errcode


def test_a_page_must_be_released_when_the_pages_are_known(
    shop: Shop, sandbox: SandboxProcess
) -> None:
    sandbox.rules(pages=["pages/home"])

    assert code_picture(shop, page="pages/new").json()["errcode"] == 41030
    assert code_picture(shop, page="pages/home").content[:2] == b"\xff\xd8"
    assert code_picture(shop, page="pages/new", check_path=False).content[:2] == b"\xff\xd8"


def test_a_limited_code_takes_a_path(shop: Shop) -> None:
    url = f"{shop.sandbox.base_url}/wxa/getwxacode?access_token={shop.token()}"

    good = shop.http.post(url, json={"path": "pages/a?b=1"}, timeout=5)
    bad = shop.http.post(url, json={"path": ""}, timeout=5)

    assert good.headers["Content-Type"] == "image/jpeg"
    assert bad.json()["errcode"] == 40159
