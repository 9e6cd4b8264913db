"""The mini program at api.weixin.qq.com: who signed in, their phone number, codes to scan."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import requests
from django.conf import settings
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

from backend.wechat import http
from backend.wechat.access_tokens import AccessTokens
from backend.wechat.credentials import MiniProgramCredentials
from backend.wechat.errors import Refused, Retry

STALE_TOKEN = frozenset({40001, 40014, 42001})
# Busy, or over a quota that fills up again. Source: 全局返回码.
LATER = frozenset({-1, 43108, 44990, 44991, 44993, 45009, 45011})
# 40029 unknown or expired, 40163 used already, 41008 none given. Source: code2Session.
BAD_LOGIN_CODE = frozenset({40029, 40163, 41008})
LOGIN_BLOCKED = 40226
# 40013: the code was made in another mini program. Source: getPhoneNumber.
BAD_PHONE_CODE = frozenset({40013, 40029})


@dataclass(frozen=True, slots=True)
class LoginResult:
    """Who `wx.login` says is there. The session_key never leaves the server."""

    openid: str
    session_key: str = field(repr=False)
    unionid: str = ""


def login(credentials: MiniProgramCredentials, code: str) -> LoginResult:
    """Whose code this is, at once and without an access token.

    Raises: Refused("bad_login_code"), Refused("login_blocked") for a high-risk user; Retry.
    Source: code2Session (a code works once, for five minutes).
    """
    if not code:
        raise Refused("bad_login_code", "no code")
    answer = _fetch(
        "GET",
        "sns/jscode2session",
        params={
            "appid": credentials.appid,
            "secret": credentials.secret,
            "js_code": code,
            "grant_type": "authorization_code",
        },
    )
    number = errcode(answer)
    if number in BAD_LOGIN_CODE:
        raise Refused("bad_login_code", str(number))
    if number == LOGIN_BLOCKED:
        raise Refused("login_blocked", str(number))
    if number:
        raise refusal(number, answer)
    openid, session_key = answer.get("openid"), answer.get("session_key")
    if not isinstance(openid, str) or not isinstance(session_key, str) or not openid:
        raise Retry("no_answer", "an answer without an openid")
    return LoginResult(openid, session_key, answer.get("unionid") or "")


class Platform:
    """A mini program's server APIs, with the access token that all processes share."""

    def __init__(self, credentials: MiniProgramCredentials) -> None:
        self.credentials = credentials
        self.tokens = AccessTokens(credentials.appid, lambda: _stable_token(credentials))

    def phone_number(self, code: str) -> str:
        """The phone behind a code of the phone-number button: 13800000001, or +852… from abroad.

        Raises: Refused("bad_phone_code") for a code that is used, expired or another mini
        program's; Retry (the code may be spent: the shopper presses the button again).
        Source: getPhoneNumber, `purePhoneNumber` and `countryCode`.
        """
        if not code:
            raise Refused("bad_phone_code", "no code")
        try:
            answer = self.post("wxa/business/getuserphonenumber", {"code": code})
        except Refused as refused:
            if refused.code.isdigit() and int(refused.code) in BAD_PHONE_CODE:
                number = refused.code
            else:
                raise
        else:
            return self._phone_in(answer)
        raise Refused("bad_phone_code", number)

    def _phone_in(self, answer: dict[str, Any]) -> str:
        try:
            phone = answer["phone_info"]
            number, country = str(phone["purePhoneNumber"]), str(phone["countryCode"])
            appid = phone["watermark"]["appid"]
        except (LookupError, TypeError):
            raise Retry("no_answer", "an answer without a phone number") from None
        if appid != self.credentials.appid:
            raise Refused("bad_phone_code", "the number was given to another mini program")
        if not number.isascii() or not number.isdigit():
            raise Retry("no_answer", "an answer without a phone number")
        return number if country.lstrip("+") == "86" else f"+{country.lstrip('+')}{number}"

    def send_message(
        self, openid: str, template_id: str, *, page: str, data: dict[str, dict[str, str]]
    ) -> None:
        """Send a subscribe message. Only Retry("not_sent") says that WeChat has not seen it.

        Raises: Refused (43101 no consent left, 47003 a value WeChat doesn't take, 40037 no such
        template); Retry: `no_answer` and `-1` may have been sent all the same.
        Source: sendMessage (subscribe message).
        """
        try:
            self.tokens.current()
        except Retry as error:
            raise Retry("not_sent", error.message) from None
        said: dict[str, Any] = {"touser": openid, "template_id": template_id, "data": data}
        if page:
            said["page"] = page
        self.post("cgi-bin/message/subscribe/send", said)

    def wxacode(
        self, scene: str, page: str = "", width: int = 430, env_version: str = "release"
    ) -> bytes:
        """The picture of a mini-program code (JPEG or PNG) that opens `page` with `scene`.

        Raises: Refused (40169 scene too long, 40129 its characters, 41030 no such page); Retry.
        Source: getUnlimitedQRCode.
        """
        wanted: dict[str, Any] = {
            "scene": scene,
            "width": width,
            "env_version": env_version,
            # Only the released version has pages to check against.
            "check_path": env_version == "release",
        }
        if page:
            wanted["page"] = page.removeprefix("/")
        answer = self._call("wxa/getwxacodeunlimit", wanted)
        if isinstance(answer, bytes) and answer.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n")):
            return answer
        raise Retry("no_answer", "an answer that is no picture")

    def post(self, path: str, data: dict[str, Any]) -> dict[str, Any]:
        """What WeChat answers to one call that wants an access token.

        Raises: Refused(errcode), or Retry when busy, over a quota or without an answer.
        """
        answer = self._call(path, data)
        if isinstance(answer, dict):
            return answer
        raise Retry("no_answer", "an answer that is not JSON")

    def _call(self, path: str, data: dict[str, Any]) -> dict[str, Any] | bytes:
        token = self.tokens.current()
        number, answer = self._try(path, data, token)
        if number in STALE_TOKEN:
            # Once: wechatpy by itself would ask for tokens until the stack is full.
            self.tokens.drop(token)
            number, answer = self._try(path, data, self.tokens.current())
        if number:
            raise refusal(number, answer if isinstance(answer, dict) else {})
        return answer

    def _try(
        self, path: str, data: dict[str, Any], token: str
    ) -> tuple[int, dict[str, Any] | bytes]:
        """WeChat's errcode (0 for none) and its answer."""
        client = _client(self.credentials.appid)
        try:
            # Parameters of our own keep wechatpy from looking for a token of its own.
            answer = client.post(path, data=dict(data), params={"access_token": token})
        except WeChatClientException as error:
            if error.errcode is not None:
                return int(error.errcode), {"errmsg": str(error.errmsg).replace(token, "***")}
            reason = f"HTTP {error.response.status_code}"
        except (*http.NO_ANSWER, ValueError, TypeError) as error:
            reason = type(error).__name__  # its text holds the address, and that the token
        else:
            if isinstance(answer, requests.Response):
                return 0, answer.content if answer.status_code == 200 else b""
            return 0, answer if isinstance(answer, dict) else b""
        raise Retry("no_answer", reason)


class _Client(WeChatClient):  # type: ignore[misc]
    """wechatpy's client, at the address of the settings, without its token machinery."""

    @property
    def API_BASE_URL(self) -> str:  # noqa: N802 (wechatpy's name)
        return http.base_url(settings.WECHAT_API_BASE_URL)

    @property
    def access_token(self) -> str:
        raise AttributeError("tokens are passed to each call")

    def fetch_access_token(self) -> None:
        raise NotImplementedError("tokens come from AccessTokens")

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Any:
        self._http = http.session_for(self.API_BASE_URL)
        return super()._request(method, url_or_endpoint, **http.options(), **kwargs)


@lru_cache(maxsize=256)
def _client(appid: str) -> _Client:
    return _Client(appid, "", timeout=http.TIMEOUT, auto_retry=False)


def _stable_token(credentials: MiniProgramCredentials) -> tuple[str, int]:
    """An access token and the seconds it lives. Source: getStableAccessToken, normal mode."""
    answer = _fetch(
        "POST",
        "cgi-bin/stable_token",
        data=json.dumps(
            {
                "grant_type": "client_credential",
                "appid": credentials.appid,
                "secret": credentials.secret,
                "force_refresh": False,
            }
        ).encode(),
        headers={"Content-Type": "application/json"},
    )
    number = errcode(answer)
    if number:
        raise refusal(number, answer)
    token, lives = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token or not isinstance(lives, int):
        raise Retry("no_answer", "an answer without a token")
    return token, lives


def _fetch(method: str, path: str, **kwargs: Any) -> dict[str, Any]:
    """The JSON of a call that carries the secret, which no error of it repeats."""
    url = http.base_url(settings.WECHAT_API_BASE_URL) + path
    try:
        response = http.session_for(url).request(method, url, **http.options(), **kwargs)
        answer = json.loads(response.content) if response.status_code == 200 else None
        reason = f"HTTP {response.status_code}"
    except (*http.NO_ANSWER, ValueError) as error:
        answer, reason = None, type(error).__name__
    if not isinstance(answer, dict):
        raise Retry("no_answer", reason)
    return answer


def errcode(answer: dict[str, Any]) -> int:
    """The errcode of an answer; none is 0. Login and token answers leave it out."""
    try:
        return int(answer.get("errcode") or 0)
    except (TypeError, ValueError):
        return -1


def refusal(number: int, answer: dict[str, Any]) -> Refused | Retry:
    """The exception for an errcode: come back later, or no."""
    message = str(answer.get("errmsg", ""))[:200]
    return Retry(str(number), message) if number in LATER else Refused(str(number), message)
