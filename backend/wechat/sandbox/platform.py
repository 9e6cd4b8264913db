"""api.weixin.qq.com: sign-in, tokens, phone numbers, mini-program codes."""

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from . import clock, pictures
from .accounts import Accounts
from .faults import Fault, Faults
from .misbehaviour import instead, misbehave
from .people import People
from .rules import Rules
from .tokens import Token, Tokens
from .wire import JSON_TYPE, Reply

PATHS: Final = {
    "/sns/jscode2session": "jscode2session",
    "/cgi-bin/token": "token",
    "/cgi-bin/stable_token": "stable_token",
    "/wxa/business/getuserphonenumber": "getuserphonenumber",
    "/wxa/getwxacodeunlimit": "getwxacodeunlimit",
    "/wxa/getwxacode": "getwxacode",
    "/cgi-bin/message/subscribe/send": "subscribe_send",
}
# Source: the limits of values by the kind of keyword.
LONGEST: Final = {
    "thing": 20, "name": 10, "phrase": 5, "character_string": 32, "number": 32, "letter": 32,
    "symbol": 5, "amount": 13, "phone_number": 17, "car_number": 8, "time": 60, "date": 60,
}  # fmt: skip
SCENE: Final = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]+")
MESSAGES: Final = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40029: "invalid code",
    40097: "invalid args",
    40125: "invalid appsecret",
    40129: "invalid scene",
    40159: "invalid path",
    40163: "code been used",
    40169: "invalid length for scene, or the data is not json string",
    40226: "code blocked",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    41008: "missing code",
    41030: "invalid page",
    42001: "access_token expired",
    40003: "invalid openid",
    40037: "invalid template_id",
    43002: "require POST method",
    43101: "user refuse to accept the msg",
    43108: "concurrent message to the same user",
    44002: "empty post data",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    47001: "data format error",
    47003: "argument invalid!",
    85096: "not allow include scancode_time field",
}


class ErrCode(Exception):
    """HTTP 200 and an errcode."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class OpenPlatform:
    """All calls are made under the world's lock."""

    def __init__(self, accounts: Accounts, people: People, tokens: Tokens, faults: Faults) -> None:
        self._accounts = accounts
        self._people = people
        self._tokens = tokens
        self._faults = faults
        self.rules = Rules()

    def answer(self, call: str, method: str, query: Mapping[str, str], body: bytes) -> Reply:
        """What WeChat, or its misbehaviour, says to one call."""
        token = self._tokens.find(query.get("access_token", ""))
        about = {"appid": token.appid if token else query.get("appid", "")}
        if call == "stable_token":
            about = {"appid": _peek(body, "appid")}
        fault = self._faults.take(call, about)
        if fault is not None and (early := instead(fault)):
            return early
        try:
            if fault is not None:
                self._refuse(fault, token)
            reply = getattr(self, f"_{call}")(method, query, body)
            if not isinstance(reply, Reply):
                reply = _json(reply)
        except ErrCode as error:
            reply = _error(error.code)
        return misbehave(reply, fault)

    def _refuse(self, fault: Fault, token: Token | None) -> None:
        if fault.is_one_of("busy"):
            raise ErrCode(-1)
        if fault.is_one_of("errcode"):
            raise ErrCode(int(fault.options["errcode"]))
        if fault.is_one_of("token_expired"):
            if token is not None:
                self._tokens.revoke_all(token.appid)
            raise ErrCode(40001)

    # -- with appid and secret -----------------------------------------------------------------

    def _check_secret(self, values: Mapping[str, Any], grant: str) -> str:
        appid, secret = values.get("appid"), values.get("secret")
        if not appid:
            raise ErrCode(41002)
        if not secret:
            raise ErrCode(41004)
        if values.get("grant_type") != grant:
            raise ErrCode(40002)
        if not isinstance(appid, str) or appid not in self._accounts.secrets:
            raise ErrCode(40013)
        known = self._accounts.secrets[appid]
        if not isinstance(secret, str) or not secrets.compare_digest(
            known.encode(), secret.encode()
        ):
            raise ErrCode(40125)
        return appid

    def _jscode2session(self, _method: str, query: Mapping[str, str], _body: bytes) -> object:
        appid = self._check_secret(query, "authorization_code")
        if not query.get("js_code"):
            raise ErrCode(41008)
        code = self._people.find_code("login", query["js_code"])
        if code is None or code.appid != appid:
            raise ErrCode(40029)
        if code.used:
            raise ErrCode(40163)
        person = self._people.use(code)
        answer = {"session_key": person.session_key, "openid": person.openid}
        return answer | ({"unionid": person.unionid} if person.unionid else {})

    def _token(self, _method: str, query: Mapping[str, str], _body: bytes) -> object:
        return _granted(self._tokens.plain(self._check_secret(query, "client_credential")))

    def _stable_token(self, method: str, _query: Mapping[str, str], body: bytes) -> object:
        values = _json_body(method, body)
        appid = self._check_secret(values, "client_credential")
        force = values.get("force_refresh", False)
        if not isinstance(force, bool):
            raise ErrCode(47001)
        return _granted(self._tokens.stable(appid, force=force))

    # -- with an access token ------------------------------------------------------------------

    def _whose(self, query: Mapping[str, str]) -> str:
        """The mini program whose token this is."""
        if not query.get("access_token"):
            raise ErrCode(41001)
        token = self._tokens.find(query["access_token"])
        if token is None or token.revoked:
            raise ErrCode(40001)
        if token.expires_at < clock.now():
            raise ErrCode(42001)
        return token.appid

    def _getuserphonenumber(self, method: str, query: Mapping[str, str], body: bytes) -> object:
        appid = self._whose(query)
        text = _json_body(method, body).get("code")
        if not text:
            raise ErrCode(41008)
        code = self._people.find_code("phone", text) if isinstance(text, str) else None
        if code is None or code.used:
            raise ErrCode(40029)
        if code.appid != appid:
            raise ErrCode(40013)
        self._people.use(code)
        home = code.country_code == "86"
        return {
            "errcode": 0,
            "errmsg": "ok",
            "phone_info": {
                "phoneNumber": code.phone if home else f"+{code.country_code}{code.phone}",
                "purePhoneNumber": code.phone,
                "countryCode": code.country_code,
                "watermark": {"timestamp": int(clock.now()), "appid": appid},
            },
        }

    def _getwxacodeunlimit(self, method: str, query: Mapping[str, str], body: bytes) -> object:
        appid = self._whose(query)
        values = _json_body(method, body, malformed=40169)
        scene, page = values.get("scene"), values.get("page", "")
        if not isinstance(scene, str) or not scene or len(scene) > 32:
            raise ErrCode(40169)
        if not SCENE.fullmatch(scene):
            raise ErrCode(40129)
        if "scancode_time" in scene:
            raise ErrCode(85096)
        if not isinstance(page, str) or page.startswith("/") or "?" in page:
            raise ErrCode(41030)
        self._check_page(page, values)
        return self._picture(f"{appid}?{page}?{scene}", values)

    def _getwxacode(self, method: str, query: Mapping[str, str], body: bytes) -> object:
        appid = self._whose(query)
        values = _json_body(method, body, malformed=40159)
        path = values.get("path")
        if not isinstance(path, str) or not path or len(path) > 1024:
            raise ErrCode(40159)
        if "scancode_time" in path:
            raise ErrCode(85096)
        return self._picture(f"{appid}?{path}", values)

    def _check_page(self, page: str, values: Mapping[str, Any]) -> None:
        check = values.get("check_path", True)
        if not isinstance(check, bool):
            raise ErrCode(47001)
        known = self.rules.pages
        if check and page and known is not None and page not in known:
            raise ErrCode(41030)

    def _subscribe_send(self, method: str, query: Mapping[str, str], body: bytes) -> object:
        appid = self._whose(query)
        said = _json_body(method, body)
        openid, template_id = said.get("touser"), said.get("template_id")
        if not isinstance(openid, str) or not self._people.is_person(appid, openid):
            raise ErrCode(40003)
        if not isinstance(template_id, str) or not template_id:
            raise ErrCode(40037)
        self._check_data(said.get("data"))
        if not self._people.spend_consent(appid, openid, template_id):
            raise ErrCode(43101)
        self._people.tell(appid, openid, said)
        return {"errcode": 0, "errmsg": "ok", "msgid": secrets.randbelow(10**15)}

    def _check_data(self, data: object) -> None:
        if not isinstance(data, dict) or not data:
            raise ErrCode(47003)
        for name, entry in data.items():
            value = entry.get("value") if isinstance(entry, dict) else None
            longest = LONGEST.get(name.rstrip("0123456789"), 0)
            if not isinstance(value, str) or not value or len(value) > longest:
                raise ErrCode(47003)
            if not value.isprintable():
                raise ErrCode(47003)

    def _picture(self, text: str, values: Mapping[str, Any]) -> Reply:
        width = values.get("width", 430)
        if isinstance(width, bool) or not isinstance(width, int) or not 280 <= width <= 1280:
            raise ErrCode(40097)
        if values.get("env_version", "release") not in {"release", "trial", "develop"}:
            raise ErrCode(40097)
        if values.get("is_hyaline") is True:
            return Reply(pictures.png(text, width), "image/png")
        return Reply(pictures.jpeg(text, width), "image/jpeg")


def _granted(token: Token) -> dict[str, Any]:
    return {"access_token": token.text, "expires_in": int(token.expires_at - clock.now())}


def _json_body(method: str, body: bytes, *, malformed: int = 47001) -> dict[str, Any]:
    if method != "POST":
        raise ErrCode(43002)
    if not body:
        raise ErrCode(44002)
    try:
        values = json.loads(body)
    except ValueError:
        raise ErrCode(malformed) from None
    if not isinstance(values, dict):
        raise ErrCode(malformed)
    return values


def _peek(body: bytes, name: str) -> str:
    try:
        return str(json.loads(body)[name])
    except (ValueError, KeyError, TypeError):
        return ""


def _error(code: int) -> Reply:
    rid = f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"
    return _json({"errcode": code, "errmsg": f"{MESSAGES.get(code, 'error')} rid: {rid}"})


def _json(values: object) -> Reply:
    return Reply(json.dumps(values, ensure_ascii=False).encode(), JSON_TYPE)
