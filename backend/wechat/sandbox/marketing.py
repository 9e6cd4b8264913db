"""api.mch.weixin.qq.com/v3/marketing/busifavor: which path is which call."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from .accounts import Accounts, Merchant
from .faults import Fault, Faults
from .misbehaviour import instead, misbehave
from .v3 import Seal, V3Error, refused, signer
from .vouchers import Vouchers
from .wire import Reply

PREFIX: Final = "/v3/marketing/busifavor/"
_ROUTES: Final = (
    ("POST", re.compile(r"stocks"), "stock_create"),
    ("GET", re.compile(r"stocks/(\d+)"), "stock_query"),
    ("PATCH", re.compile(r"stocks/(\d+)"), "stock_modify"),
    ("PATCH", re.compile(r"stocks/(\d+)/budget"), "stock_budget"),
    ("POST", re.compile(r"stocks/(\d+)/couponcodes"), "code_upload"),
    ("POST", re.compile(r"coupons/(use)"), "coupon_use"),
    ("POST", re.compile(r"coupons/(return)"), "coupon_return"),
    ("POST", re.compile(r"coupons/(deactivate)"), "coupon_deactivate"),
    ("GET", re.compile(r"users/([^/]+)/coupons"), "coupon_list"),
    ("GET", re.compile(r"users/([^/]+)/coupons/([^/]+)/appids/([^/]+)"), "coupon_query"),
    ("POST", re.compile(r"callbacks"), "callback_set"),
)


class Marketing:
    """All calls are made under the world's lock."""

    def __init__(self, accounts: Accounts, vouchers: Vouchers, faults: Faults, seal: Seal) -> None:
        self._accounts = accounts
        self._vouchers = vouchers
        self._faults = faults
        self._seal = seal

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What WeChat, or its misbehaviour, says to one call."""
        parts = urlsplit(target)
        found = self._find(method, parts.path.removeprefix(PREFIX))
        if found is None:
            return refused(V3Error(404, "RESOURCE_NOT_EXISTS", "路径不存在"))
        call, names = found
        fault = self._faults.take(call, {})
        if fault is not None and (early := instead(fault)):
            return early
        try:
            authorization = headers.get("Authorization", "")
            merchant = signer(self._accounts, method, target, authorization, body)
            if headers.get("Wechatpay-Serial", self._seal.key_id) != self._seal.key_id:
                raise V3Error(400, "PARAM_ERROR", "Wechatpay-Serial 不合法")
            if fault is not None and not fault.accepted:
                _refuse(fault)
            answer = self._do(call, names, merchant, dict(parse_qsl(parts.query)), _said(body))
            if fault is not None:
                _refuse(fault)
        except V3Error as error:
            return misbehave(refused(error), fault)
        status = 204 if answer is None else 200
        return misbehave(self._seal.reply(answer, fault, status=status), fault)

    def _find(self, method: str, path: str) -> tuple[str, list[str]] | None:
        for verb, pattern, call in _ROUTES:
            match = pattern.fullmatch(path)
            if verb == method and match:
                return call, [unquote(group) for group in match.groups()]
        return None

    def _do(
        self,
        call: str,
        names: list[str],
        merchant: Merchant,
        query: Mapping[str, str],
        said: dict[str, Any],
    ) -> dict[str, Any] | None:
        vouchers = self._vouchers
        calls: dict[str, Callable[[], dict[str, Any] | None]] = {
            "stock_create": lambda: vouchers.create(merchant, said),
            "stock_query": lambda: vouchers.query(merchant, names[0]),
            "stock_modify": lambda: vouchers.modify(merchant, names[0], said),
            "stock_budget": lambda: vouchers.budget(merchant, names[0], said),
            "code_upload": lambda: vouchers.upload(merchant, names[0], said),
            "coupon_use": lambda: vouchers.move(merchant, "use", said),
            "coupon_return": lambda: vouchers.move(merchant, "return", said),
            "coupon_deactivate": lambda: vouchers.move(merchant, "deactivate", said),
            "coupon_list": lambda: vouchers.of_person(merchant, names[0], query),
            "coupon_query": lambda: vouchers.one(merchant, *names),
            "callback_set": lambda: vouchers.set_callback(merchant, said),
        }
        return calls[call]()


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        raise V3Error(400, "PARAM_ERROR", "请求体不是JSON") from None
    if not isinstance(said, dict):
        raise V3Error(400, "PARAM_ERROR", "请求体不是JSON")
    return said


def _refuse(fault: Fault) -> None:
    if fault.is_one_of("systemerror"):
        raise V3Error(500, "SYSTEM_ERROR", "系统异常，请稍后重试")
    if fault.is_one_of("frequency"):
        raise V3Error(429, "FREQUENCY_LIMITED", "频率超限")
    if fault.is_one_of("result_fail"):
        code = str(fault.options.get("err_code", "INVALID_REQUEST"))
        raise V3Error(400, code, "业务规则校验未通过")
