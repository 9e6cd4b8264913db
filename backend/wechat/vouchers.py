"""商家券 (busifavor): WeChat keeps a coupon in the card pack, we decide and redeem it.

API v3, signed and verified by wechatpayv3 over our own connections, in public-key mode: in the
other it would download certificates while it is built. Every call is idempotent by its request
number, so whatever is in doubt is simply sent again.

Unverified against real WeChat: which error codes each call gives. A 4xx is taken for a no.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, urlencode

import requests
from cryptography import x509
from django.conf import settings
from wechatpayv3.core import Core
from wechatpayv3.type import RequestType
from wechatpayv3.utils import build_authorization
from wechatpy.pay.utils import calculate_signature_hmac

from backend.wechat import http, wire
from backend.wechat.credentials import PayCredentials
from backend.wechat.errors import BadSignature, Refused, Retry

_BASE: Final = "/v3/marketing/busifavor/"
FRESH_FOR: Final = 300.0  # seconds; source: 如何验证签名, "5 minutes"
MOST_CODES: Final = 200  # in one upload; source: 上传预存code
# Refusals that are about our keys and rights, not about what was asked: mended, it is taken.
OUR_FAULT: Final = frozenset({"NOT_READY", "CERT_ERROR", "SIGN_ERROR", "NO_AUTH", "401", "403"})
CODE_MODES: Final = ("WECHATPAY_MODE", "MERCHANT_API", "MERCHANT_UPLOAD")


class Kind(StrEnum):
    """What a batch's vouchers do, in WeChat's word for it."""

    AMOUNT_OFF = "NORMAL"
    PERCENT = "DISCOUNT"
    EXCHANGE = "EXCHANGE"


# Source: 创建商家券. Characters of a name; fen of any amount; days it may wait; spans of a day; and
# from the first moment it can be used to the last.
MOST_NAME: Final = 21
MOST_FEN: Final = 10_000_000
MOST_WAIT_DAYS: Final = 30
MOST_SPANS: Final = 2
LONGEST: Final = dt.timedelta(days=365)


@dataclass(frozen=True)
class NewBatch:
    """A batch as it is published.

    `amount`: fen off; or the percent that is paid; or the price in fen. `least_fen`: from how much
    on. `days`: how long after receipt, instead of until `ends`. `weekdays` count from Monday.
    """

    name: str
    goods_name: str
    description: str
    kind: Kind
    amount: int
    least_fen: int
    begins: dt.datetime
    ends: dt.datetime
    total: int
    per_person: int
    path: str
    code_mode: str
    days: int | None = None
    wait_days: int = 0
    weekdays: tuple[int, ...] = ()
    hours: tuple[tuple[dt.time, dt.time], ...] = ()


def _worth(batch: NewBatch) -> dict[str, Any]:
    least = {"transaction_minimum": max(1, batch.least_fen)}
    match batch.kind:
        case Kind.AMOUNT_OFF:
            return {"fixed_normal_coupon": {"discount_amount": batch.amount, **least}}
        case Kind.PERCENT:
            return {"discount_coupon": {"discount_percent": batch.amount, **least}}
    return {"exchange_coupon": {"exchange_price": batch.amount, **least}}


def _times(batch: NewBatch) -> dict[str, Any]:
    """WeChat counts days from Sunday, and seconds in a day from 1 on, the last one still good."""
    times: dict[str, Any] = {
        "available_begin_time": wire.in_beijing(batch.begins).isoformat(timespec="seconds"),
        "available_end_time": wire.in_beijing(batch.ends).isoformat(timespec="seconds"),
    }
    if batch.days is not None:
        times["available_day_after_receive"] = batch.days
        if batch.wait_days:
            times["wait_days_after_receive"] = batch.wait_days
    if batch.weekdays or batch.hours:
        week: dict[str, Any] = {
            "week_day": sorted((day + 1) % 7 for day in batch.weekdays or range(7))
        }
        if batch.hours:
            week["available_day_time"] = [
                {"begin_time": max(1, _second(begins)), "end_time": _second(ends) - 1}
                for begins, ends in batch.hours
            ]
        times["available_week"] = week
    return times


def _second(at: dt.time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


@dataclass(frozen=True)
class Sent:
    """A coupon came into somebody's card pack. Source: 领券事件回调通知."""

    stock_id: str
    code: str
    openid: str
    at: dt.datetime
    channel: str


@dataclass(frozen=True)
class Held:
    """A coupon as WeChat knows it: `state` is SENDED, USED, EXPIRED, DEACTIVATED or DELETED."""

    stock_id: str
    code: str
    state: str
    send_request_no: str
    received_at: dt.datetime | None


def is_ready(credentials: PayCredentials) -> bool:
    """Whether an account has all that API v3 takes."""
    mine = credentials
    return bool(
        mine.api_v3_key and mine.cert_pem and mine.key_pem
        and mine.public_key_pem and mine.public_key_id
    )  # fmt: skip


def send_params(items: Sequence[Mapping[str, str]], *, mch_id: str, api_key: str) -> dict[str, Any]:
    """What the mini program's send-coupon plugin takes, signed with the V2 key.

    Source: 小程序发券插件; what is signed is what is sent, empty values left out.
    """
    shown = [{name: value for name, value in item.items() if value} for item in items]
    flat = {"send_coupon_merchant": mch_id}
    for number, item in enumerate(shown):
        flat |= {f"{name}{number}": value for name, value in item.items()}
    return {
        "send_coupon_params": shown,
        "send_coupon_merchant": mch_id,
        "sign": calculate_signature_hmac(flat, api_key),
    }


class Vouchers:
    """One pay account's vouchers at WeChat.

    Every call raises Refused for a no, and Retry where there is no answer that can be believed.
    """

    def __init__(self, credentials: PayCredentials) -> None:
        self.credentials = credentials

    def create(self, batch: NewBatch, request_no: str) -> str:
        """A new batch's stock_id. Source: 创建商家券."""
        mine = self.credentials
        said = {
            "stock_name": batch.name,
            "belong_merchant": mine.sub_mch_id or mine.mch_id,
            "goods_name": batch.goods_name,
            "stock_type": batch.kind.value,
            "coupon_code_mode": batch.code_mode,
            "coupon_use_rule": {
                **_worth(batch),
                "coupon_available_time": _times(batch),
                "use_method": "MINI_PROGRAMS",
                "mini_programs_appid": mine.payer_appid,
                "mini_programs_path": batch.path,
            },
            "stock_send_rule": {
                "max_coupons": batch.total, "max_coupons_per_user": batch.per_person,
            },
            "display_pattern_info": {"description": batch.description},
            # Without it a message names nobody.
            "notify_config": {"notify_appid": mine.payer_appid},
            "out_request_no": request_no,
        }  # fmt: skip
        return _text(self._call("POST", "stocks", said), "stock_id")

    def modify(self, stock_id: str, changes: Mapping[str, Any], request_no: str) -> None:
        """Change what may be changed of a batch. Source: 修改商家券基本信息."""
        self._call("PATCH", f"stocks/{stock_id}", {**changes, "out_request_no": request_no})

    def counts(self, stock_id: str) -> tuple[int, int]:
        """How many of a batch were sent, and how many may be in all. Source: 查询商家券详情."""
        answer = self._call("GET", f"stocks/{stock_id}")
        sent = answer.get("send_count_information") or {}
        rule = answer.get("stock_send_rule") or {}
        return int(sent.get("total_send_num") or 0), int(rule.get("max_coupons") or 0)

    def budget(self, stock_id: str, *, target: int, current: int, request_no: str) -> None:
        """How many may be sent in all; `current` is what WeChat thinks. Source: 修改批次预算."""
        said = {
            "target_max_coupons": target,
            "current_max_coupons": current,
            "modify_budget_request_no": request_no,
        }
        self._call("PATCH", f"stocks/{stock_id}/budget", said)

    def upload_codes(self, stock_id: str, codes: Sequence[str], request_no: str) -> None:
        """Codes for WeChat to draw from; those there already do no harm. Source: 上传预存code."""
        said = {"coupon_code_list": list(codes), "upload_request_no": request_no}
        answer = self._call("POST", f"stocks/{stock_id}/couponcodes", said)
        if failed := int(answer.get("fail_count") or 0):
            raise Refused("CODES_REFUSED", f"{failed} codes")

    def use(
        self, stock_id: str, code: str, *, appid: str, at: dt.datetime, request_no: str
    ) -> None:
        """The coupon was redeemed. Source: 核销用户的券."""
        said = {
            "stock_id": stock_id,
            "coupon_code": code,
            "appid": appid,
            "use_time": at.isoformat(timespec="seconds"),
            "use_request_no": request_no,
        }
        self._call("POST", "coupons/use", said)

    def give_back(self, stock_id: str, code: str, *, request_no: str) -> None:
        """The coupon is unused again. Source: 申请退券."""
        said = {"stock_id": stock_id, "coupon_code": code, "return_request_no": request_no}
        self._call("POST", "coupons/return", said)

    def deactivate(self, stock_id: str, code: str, *, reason: str, request_no: str) -> None:
        """The coupon is void. Source: 使券失效."""
        said = {
            "stock_id": stock_id,
            "coupon_code": code,
            "deactivate_reason": reason[:64],
            "deactivate_request_no": request_no,
        }
        self._call("POST", "coupons/deactivate", said)

    def coupon(self, openid: str, code: str, *, appid: str) -> Held:
        """One coupon. Source: 查询用户单张券详情."""
        parts = (quote(part, safe="") for part in (openid, code, appid))
        return _held(self._call("GET", "users/{}/coupons/{}/appids/{}".format(*parts)))

    def coupons(self, openid: str, stock_id: str, *, appid: str) -> list[Held]:
        """A person's newest coupons of a batch. Source: 根据过滤条件查询用户的券."""
        query = urlencode(
            {
                "appid": appid,
                "stock_id": stock_id,
                "creator_merchant": self.credentials.mch_id,
                "offset": 0,
                "limit": 20,
            }
        )
        found = self._call("GET", f"users/{quote(openid, safe='')}/coupons?{query}").get("data")
        return [_held(row) for row in found or []]

    def set_callback(self, url: str) -> None:
        """Where WeChat tells of coupons it sent. Source: 设置商家券事件通知地址."""
        self._call("POST", "callbacks", {"mchid": self.credentials.mch_id, "notify_url": url})

    def notification(self, headers: Mapping[str, str], body: bytes) -> Sent:
        """What a message about a coupon says, if WeChat wrote it to us, now.

        Raises: BadSignature.
        """
        core = self._core()
        if headers.get("Wechatpay-Serial") != self.credentials.public_key_id:
            raise BadSignature("another key")  # the library would look for it on the network
        try:
            text = core.decrypt_callback(dict(headers), body)
            _check_fresh(headers)
            facts = json.loads(text or "null")
            if facts["event_type"] != "EVENT_TYPE_BUSICOUPON_SEND":
                raise BadSignature("another event")
            return Sent(
                stock_id=str(facts["stock_id"]),
                code=str(facts["coupon_code"]),
                openid=str(facts.get("openid") or ""),
                # Not each of them says when it was; then the message's own time is near enough.
                at=dt.datetime.fromisoformat(
                    facts.get("send_time") or json.loads(body)["create_time"]
                ),
                channel=str(facts.get("send_channel") or ""),
            )
        except BadSignature:
            raise
        except Exception as error:
            # The library raises bare exceptions; whatever it is, it isn't a message to act on.
            raise BadSignature(type(error).__name__) from None

    def _core(self) -> _Core:
        return _core(self.credentials)

    def _call(
        self, method: str, path: str, said: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """WeChat's verified answer."""
        try:
            status, body = self._core().request(_BASE + path, RequestType[method], said)
            answer = json.loads(body) if body else {}
        except (*http.NO_ANSWER, ValueError) as error:
            raise Retry("no_answer", type(error).__name__) from None
        if not isinstance(answer, dict):
            raise Retry("no_answer", "an answer that is no object")
        if status in (200, 204):
            return answer
        code, message = str(answer.get("code") or status), str(answer.get("message") or "")[:200]
        if status == 429 or status >= 500 or not answer.get("code"):
            raise Retry(code, message)
        raise Refused(code, message)


class _Core(Core):  # type: ignore[misc]
    """wechatpayv3's core over our sessions, with time limits, and believing fresh answers only."""

    def request(
        self, path: str, method: RequestType, data: Mapping[str, Any] | None = None, **_more: Any
    ) -> tuple[int, str]:
        """The status and text of an answer; verified where it is a yes."""
        text = "" if data is None else json.dumps(data, ensure_ascii=False)
        authorization = build_authorization(
            path, method.value, self._mchid, self._cert_serial_no, self._private_key, data=text
        )
        base = http.base_url(settings.WECHAT_PAY_BASE_URL).rstrip("/")
        response = http.session_for(base).request(
            method.value,
            base + path,
            data=text.encode() or None,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "Authorization": authorization,
                "Wechatpay-Serial": self._public_key_id,
                "User-Agent": "shop",
            },
            **http.options(),
        )
        if 200 <= response.status_code < 300:
            if response.headers.get("Wechatpay-Serial") != self._public_key_id:
                raise Retry("no_answer", "an answer by another key")
            self._check_answer(response)
        return response.status_code, response.content.decode("utf-8")

    def _check_answer(self, response: requests.Response) -> None:
        """Raises: Retry for a yes that WeChat may not have said, or not now."""
        try:
            genuine = self._verify_signature(response.headers, response.text)
            _check_fresh(response.headers)
        except BadSignature:
            raise Retry("no_answer", "an old answer") from None
        except Exception as error:
            # The library raises bare ones: an algorithm it doesn't know, a signature that is none.
            raise Retry("no_answer", type(error).__name__) from None
        if not genuine:
            raise Retry("no_answer", "an answer with a wrong signature")


def _check_fresh(headers: Mapping[str, str]) -> None:
    """The library verifies a signature and not its age.

    Raises: BadSignature.
    """
    said = headers.get("Wechatpay-Timestamp", "")
    if not said.isascii() or not said.isdigit() or len(said) > 12:
        raise BadSignature("no timestamp")
    if abs(time.time() - int(said)) >= FRESH_FOR:
        raise BadSignature("an old timestamp")


@lru_cache(maxsize=256)
def _core(credentials: PayCredentials) -> _Core:
    """The account's keys, read once.

    Raises: Refused when they can't be used.
    """
    if not is_ready(credentials):
        raise Refused("NOT_READY", "the account has no API v3 keys")
    try:
        certificate = x509.load_pem_x509_certificate(credentials.cert_pem.encode())
        return _Core(
            credentials.mch_id,
            f"{certificate.serial_number:X}",
            credentials.key_pem,
            credentials.api_v3_key,
            public_key=credentials.public_key_pem,
            public_key_id=credentials.public_key_id,
        )
    except Exception as error:
        # Outside, so that no traceback drags a key along.
        reason = type(error).__name__
    raise Refused("CERT_ERROR", f"the account's keys can't be used: {reason}")


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Retry("no_answer", f"an answer without {name}")
    return value


def _held(row: Mapping[str, Any]) -> Held:
    received = row.get("receive_time")
    return Held(
        stock_id=str(row.get("stock_id") or ""),
        code=_text(row, "coupon_code"),
        state=_text(row, "coupon_state"),
        send_request_no=str(row.get("send_request_no") or ""),
        received_at=dt.datetime.fromisoformat(received) if received else None,
    )
