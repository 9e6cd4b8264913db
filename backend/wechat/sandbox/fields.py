"""What each field of a V2 request may hold. A breach is return_code FAIL with a sentence."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from .wire import ReturnFail

TRADE_NUMBER: Final = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
REFUND_NUMBER: Final = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
AMOUNT: Final = re.compile(r"[1-9][0-9]{0,9}")
LIMITS: Final = {
    "appid": 32,
    "mch_id": 32,
    "sub_appid": 32,
    "sub_mch_id": 32,
    "nonce_str": 32,
    "device_info": 32,
    "body": 128,
    "detail": 6000,
    "attach": 127,
    "goods_tag": 32,
    "product_id": 32,
    "limit_pay": 32,
    "openid": 128,
    "sub_openid": 128,
    "transaction_id": 32,
    "refund_id": 32,
    "refund_desc": 80,
    "notify_url": 256,
    "spbill_create_ip": 64,
}


def need(values: Mapping[str, str], *names: str) -> None:
    """Every one of these is there."""
    for name in names:
        if not values.get(name):
            raise ReturnFail(f"缺少参数{name}")


def check_lengths(values: Mapping[str, str], unit: str) -> None:
    """No value is longer than its field."""
    for name, limit in LIMITS.items():
        value = values.get(name, "")
        if (len(value.encode()) if unit == "bytes" else len(value)) > limit:
            raise ReturnFail(f"{name}参数长度有误")


def trade_number(values: Mapping[str, str]) -> str:
    return _matching(values, "out_trade_no", TRADE_NUMBER)


def refund_number(values: Mapping[str, str]) -> str:
    return _matching(values, "out_refund_no", REFUND_NUMBER)


def amount(values: Mapping[str, str], name: str) -> int:
    """Whole fen, at least one."""
    return int(_matching(values, name, AMOUNT))


def _matching(values: Mapping[str, str], name: str, pattern: re.Pattern[str]) -> str:
    need(values, name)
    if not pattern.fullmatch(values[name]):
        raise ReturnFail(f"{name}参数格式错误")
    return values[name]


def check_choice(values: Mapping[str, str], name: str, *allowed: str) -> None:
    """The field is left out or holds one of these."""
    if values.get(name) and values[name] not in allowed:
        raise ReturnFail(f"{name}参数格式错误")


def check_ip(values: Mapping[str, str]) -> None:
    try:
        ipaddress.ip_address(values["spbill_create_ip"])
    except ValueError:
        raise ReturnFail("spbill_create_ip参数格式错误") from None


def check_notify_url(values: Mapping[str, str]) -> None:
    """An address WeChat would call: http(s), a host, neither query string nor fragment."""
    url = values["notify_url"]
    try:
        parts = urlsplit(url)
        lawful = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        lawful = False
    if not lawful or "?" in url or "#" in url or not url.isascii() or len(url.split()) != 1:
        raise ReturnFail("notify_url参数格式错误")
