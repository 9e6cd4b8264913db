"""商家券: stocks that merchants make, and the coupons of them in people's card packs."""

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from . import clock
from .accounts import Merchant
from .store import Store
from .v3 import V3Error
from .wire import HMAC_SHA256, sign

WECHATPAY_MODE: Final = "WECHATPAY_MODE"
MERCHANT_API: Final = "MERCHANT_API"
MERCHANT_UPLOAD: Final = "MERCHANT_UPLOAD"
MODES: Final = {WECHATPAY_MODE, MERCHANT_API, MERCHANT_UPLOAD}
KINDS: Final = {
    "NORMAL": ("fixed_normal_coupon", {"discount_amount", "transaction_minimum"}),
    "DISCOUNT": ("discount_coupon", {"discount_percent", "transaction_minimum"}),
    "EXCHANGE": ("exchange_coupon", {"exchange_price", "transaction_minimum"}),
}
MODIFIABLE: Final = {
    "custom_entrance", "comment", "goods_name", "display_pattern_info", "coupon_use_rule",
    "stock_send_rule", "notify_config", "subsidy", "out_request_no",
}  # fmt: skip
REQUEST_NO: Final = re.compile(r"[0-9A-Za-z|_*-]{1,128}")
CODE: Final = re.compile(r"[0-9A-Za-z\-_\\/=| ]{1,32}")
SENDED, USED, DEACTIVATED, EXPIRED, DELETED = "SENDED", "USED", "DEACTIVATED", "EXPIRED", "DELETED"


@dataclass
class Coupon:
    """One coupon in a card pack."""

    code: str
    stock_id: str
    openid: str
    appid: str
    send_request_no: str
    begins: float
    ends: float
    received_at: float = field(default_factory=clock.now)
    state: str = SENDED
    done: dict[str, str] = field(default_factory=dict)  # request number: which call it was

    def shown(self) -> dict[str, Any]:
        state = EXPIRED if self.state == SENDED and self.ends <= clock.now() else self.state
        return {
            "coupon_code": self.code,
            "stock_id": self.stock_id,
            "coupon_state": state,
            "available_start_time": clock.iso(self.begins),
            "expire_time": clock.iso(self.ends),
            "receive_time": clock.iso(self.received_at),
            "send_request_no": self.send_request_no,
        }


@dataclass
class Stock:
    """A batch of vouchers, as its merchant described it."""

    stock_id: str
    mch_id: str
    facts: dict[str, Any]
    maximum: int
    request_nos: dict[str, str] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)  # uploaded and not sent yet
    known_codes: list[str] = field(default_factory=list)
    sent: int = 0

    @property
    def mode(self) -> str:
        return str(self.facts["coupon_code_mode"])


def _bad(message: str) -> V3Error:
    return V3Error(400, "PARAM_ERROR", message)


def _whole(values: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = values.get(name)
    if type(value) is not int or not least <= value <= most:
        raise _bad(f"{name} 不合法")
    return value


def _text(values: Mapping[str, Any], name: str, most: int, least: int = 1) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise _bad(f"{name} 不合法")
    return value


def _moment(values: Mapping[str, Any], name: str) -> float:
    try:
        return dt.datetime.fromisoformat(_text(values, name, 40)).timestamp()
    except ValueError:
        raise _bad(f"{name} 不合法") from None


class Vouchers:
    """All calls are made under the world's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.stocks = {s.stock_id: s for s in (Stock(**row) for row in store.load("stock"))}
        self.coupons = {
            (c.stock_id, c.code): c for c in (Coupon(**row) for row in store.load("coupon"))
        }
        self.callbacks: dict[str, str] = {
            row["mch_id"]: row["url"] for row in store.load("voucher_callback")
        }

    def _keep(self, *rows: Stock | Coupon) -> None:
        for row in rows:
            if isinstance(row, Stock):
                self._store.save("stock", row.stock_id, vars(row))
            else:
                self._store.save("coupon", f"{row.stock_id}/{row.code}", vars(row))

    def _own(self, merchant: Merchant, stock_id: str) -> Stock:
        stock = self.stocks.get(stock_id)
        if stock is None or stock.mch_id != merchant.mch_id:
            raise V3Error(404, "RESOURCE_NOT_EXISTS", "批次不存在")
        return stock

    # -- stocks --------------------------------------------------------------------------------

    def create(self, merchant: Merchant, said: dict[str, Any]) -> dict[str, Any]:
        number = _text(said, "out_request_no", 128)
        for stock in self.stocks.values():
            if stock.mch_id == merchant.mch_id and number in stock.request_nos:
                return {"stock_id": stock.stock_id, "create_time": stock.request_nos[number]}
        self._check(merchant, said)
        stock = Stock(
            stock_id=f"12869500{secrets.randbelow(10**8):08d}",
            mch_id=merchant.mch_id,
            facts=said,
            maximum=said["stock_send_rule"]["max_coupons"],
            request_nos={number: clock.iso(clock.now())},
        )
        self.stocks[stock.stock_id] = stock
        self._keep(stock)
        return {"stock_id": stock.stock_id, "create_time": stock.request_nos[number]}

    def _check(self, merchant: Merchant, said: dict[str, Any]) -> None:
        if not REQUEST_NO.fullmatch(said["out_request_no"]):
            raise _bad("out_request_no 不合法")
        _text(said, "stock_name", 21)
        _text(said, "goods_name", 15)
        if said.get("belong_merchant") != merchant.mch_id:
            raise _bad("belong_merchant 不合法")
        if said.get("coupon_code_mode") not in MODES:
            raise _bad("coupon_code_mode 不合法")
        rule = said.get("coupon_use_rule")
        kind = KINDS.get(str(said.get("stock_type")))
        if not isinstance(rule, dict) or kind is None:
            raise _bad("coupon_use_rule 不合法")
        worth = rule.get(kind[0])
        if not isinstance(worth, dict) or set(worth) != kind[1]:
            raise _bad(f"{kind[0]} 不合法")
        for name in kind[1]:
            _whole(worth, name, 0 if name == "exchange_price" else 1, 10_000_000)
        if said["stock_type"] == "DISCOUNT":
            _whole(worth, "discount_percent", 1, 99)
        self._check_time(rule)
        if rule.get("use_method") not in {"OFF_LINE", "MINI_PROGRAMS", "PAYMENT_CODE"}:
            raise _bad("use_method 不合法")
        if rule["use_method"] == "MINI_PROGRAMS":
            if rule.get("mini_programs_appid") not in merchant.appids:
                raise V3Error(400, "APPID_MCHID_NOT_MATCH", "小程序未与商户号绑定")
            _text(rule, "mini_programs_path", 128)
        send = said.get("stock_send_rule")
        if not isinstance(send, dict):
            raise _bad("stock_send_rule 不合法")
        _whole(send, "max_coupons", 1, 1_000_000_000)
        _whole(send, "max_coupons_per_user", 1, 100)
        if "max_coupons_by_day" in send and said["stock_type"] == "NORMAL":
            raise _bad("max_coupons_by_day 不合法")

    def _check_time(self, rule: dict[str, Any]) -> None:
        time = rule.get("coupon_available_time")
        if not isinstance(time, dict):
            raise _bad("coupon_available_time 不合法")
        begins, ends = _moment(time, "available_begin_time"), _moment(time, "available_end_time")
        if not begins < ends <= begins + 366 * 86400:
            raise _bad("可用时间不能超过一年")
        if "wait_days_after_receive" in time:
            _whole(time, "wait_days_after_receive", 0, 30)
            _whole(time, "available_day_after_receive", 1, 366)
        week = time.get("available_week")
        if week is not None:
            days = week.get("week_day")
            if not isinstance(days, list) or not set(days) <= set(range(7)) or not days:
                raise _bad("week_day 不合法")
            spans = week.get("available_day_time", [])
            if len(spans) > 2:
                raise _bad("available_day_time 不合法")
            for span in spans:
                first = _whole(span, "begin_time", 1, 86399)
                if first >= _whole(span, "end_time", 1, 86399):
                    raise _bad("available_day_time 不合法")

    def query(self, merchant: Merchant, stock_id: str) -> dict[str, Any]:
        stock = self._own(merchant, stock_id)
        answer = dict(stock.facts) | {
            "stock_id": stock_id,
            "stock_state": "RUNNING",
            "stock_send_rule": {**stock.facts["stock_send_rule"], "max_coupons": stock.maximum},
            "send_count_information": {"total_send_num": stock.sent},
        }
        if stock.mode == MERCHANT_UPLOAD:
            answer["coupon_code_count"] = {
                "total_count": len(stock.known_codes), "available_count": len(stock.codes),
            }  # fmt: skip
        return answer

    def modify(self, merchant: Merchant, stock_id: str, said: dict[str, Any]) -> None:
        stock = self._own(merchant, stock_id)
        number = _text(said, "out_request_no", 128)
        if unknown := set(said) - MODIFIABLE:
            raise _bad(f"{min(unknown)} 不可修改")
        if number in stock.request_nos:
            return
        if "goods_name" in said:
            _text(said, "goods_name", 15)
        stock.facts |= {name: value for name, value in said.items() if name != "out_request_no"}
        stock.request_nos[number] = "modify"
        self._keep(stock)

    def budget(self, merchant: Merchant, stock_id: str, said: dict[str, Any]) -> dict[str, Any]:
        stock = self._own(merchant, stock_id)
        number = _text(said, "modify_budget_request_no", 128)
        target = _whole(said, "target_max_coupons", 1, 1_000_000_000)
        if number not in stock.request_nos:
            if said.get("current_max_coupons") != stock.maximum:
                raise V3Error(400, "INVALID_REQUEST", "当前预算与实际不符")
            if target < stock.sent:
                raise V3Error(400, "INVALID_REQUEST", "目标预算小于已发放数量")
            stock.maximum = target
            stock.request_nos[number] = "budget"
            self._keep(stock)
        return {"max_coupons": stock.maximum}

    def upload(self, merchant: Merchant, stock_id: str, said: dict[str, Any]) -> dict[str, Any]:
        stock = self._own(merchant, stock_id)
        number, codes = _text(said, "upload_request_no", 128), said.get("coupon_code_list")
        if stock.mode != MERCHANT_UPLOAD:
            raise V3Error(400, "INVALID_REQUEST", "批次不是上传code模式")
        if not isinstance(codes, list) or not 1 <= len(codes) <= 200:
            raise _bad("coupon_code_list 不合法")
        if not all(isinstance(code, str) and CODE.fullmatch(code) for code in codes):
            raise _bad("coupon_code_list 不合法")
        known = set(stock.known_codes)
        new = [code for code in dict.fromkeys(codes) if code not in known]
        if number not in stock.request_nos:
            stock.codes += new
            stock.known_codes += new
            stock.request_nos[number] = "upload"
            self._keep(stock)
        exist = [code for code in codes if code not in new]
        return {
            "stock_id": stock_id, "total_count": len(codes), "success_count": len(new),
            "success_codes": new, "success_time": clock.iso(clock.now()), "fail_count": 0,
            "fail_codes": [], "exist_codes": exist, "duplicate_codes": [],
        }  # fmt: skip

    # -- coupons -------------------------------------------------------------------------------

    def _coupon(self, merchant: Merchant, said: Mapping[str, Any]) -> Coupon:
        code, stock_id = _text(said, "coupon_code", 32), said.get("stock_id") or ""
        for coupon in self.coupons.values():
            stock = self.stocks[coupon.stock_id]
            if coupon.code != code or stock.mch_id != merchant.mch_id:
                continue
            if stock_id == coupon.stock_id or (not stock_id and stock.mode == WECHATPAY_MODE):
                return coupon
        raise V3Error(404, "RESOURCE_NOT_EXISTS", "券不存在")

    def move(self, merchant: Merchant, call: str, said: dict[str, Any]) -> dict[str, Any]:
        """Use, return or deactivate: again with the same number, it changes nothing."""
        source, target, name = {
            "use": (SENDED, USED, "use_request_no"),
            "return": (USED, SENDED, "return_request_no"),
            "deactivate": (SENDED, DEACTIVATED, "deactivate_request_no"),
        }[call]
        coupon = self._coupon(merchant, said)
        number = _text(said, name, 128)
        if call == "use":
            _moment(said, "use_time")
            if said.get("appid") not in merchant.appids:
                raise V3Error(400, "APPID_MCHID_NOT_MATCH", "appid与商户号不匹配")
            if said.get("openid", coupon.openid) != coupon.openid:
                raise V3Error(400, "INVALID_REQUEST", "券不属于该用户")
        if number not in coupon.done:
            if coupon.state != source or (call == "use" and coupon.ends <= clock.now()):
                raise V3Error(400, "INVALID_REQUEST", f"券状态为{coupon.shown()['coupon_state']}")
            coupon.state = target
            coupon.done[number] = call
            self._keep(coupon)
        answer = {f"wechatpay_{call}_time": clock.iso(clock.now())}
        if call == "use":
            answer |= {"stock_id": coupon.stock_id, "openid": coupon.openid}
        return answer

    def one(self, merchant: Merchant, openid: str, code: str, appid: str) -> dict[str, Any]:
        for coupon in self.coupons.values():
            stock = self.stocks[coupon.stock_id]
            if (coupon.code, coupon.openid, stock.mch_id) == (code, openid, merchant.mch_id):
                if appid not in merchant.appids:
                    raise V3Error(400, "APPID_MCHID_NOT_MATCH", "appid与商户号不匹配")
                return coupon.shown()
        raise V3Error(404, "RESOURCE_NOT_EXISTS", "券不存在")

    def of_person(
        self, merchant: Merchant, openid: str, query: Mapping[str, str]
    ) -> dict[str, Any]:
        if query.get("appid") not in merchant.appids:
            raise V3Error(400, "APPID_MCHID_NOT_MATCH", "appid与商户号不匹配")
        roles = {"creator_merchant", "belong_merchant", "sender_merchant"}
        if not any(query.get(role) == merchant.mch_id for role in roles):
            raise _bad("creator_merchant 必填")
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 20))
        found = [
            coupon.shown()
            for coupon in self.coupons.values()
            if coupon.openid == openid
            and self.stocks[coupon.stock_id].mch_id == merchant.mch_id
            and query.get("stock_id", coupon.stock_id) == coupon.stock_id
        ]
        page = found[offset * limit : (offset + 1) * limit]
        return {"data": page, "total_count": len(found), "offset": offset, "limit": limit}

    # -- what people do with the plugin --------------------------------------------------------

    def send(
        self, merchant: Merchant, appid: str, openid: str, params: Mapping[str, Any]
    ) -> tuple[list[dict[str, str]], list[Coupon]]:
        """The send-coupon plugin was confirmed: each item's result, and the new coupons.

        Raises: V3Error SIGN_ERROR.
        """
        items = params.get("send_coupon_params")
        if not isinstance(items, list) or not 1 <= len(items) <= 10:
            raise _bad("send_coupon_params 不合法")
        flat = {"send_coupon_merchant": str(params.get("send_coupon_merchant", ""))}
        for number, item in enumerate(items):
            flat |= {f"{name}{number}": str(value) for name, value in item.items()}
        if sign(flat, merchant.api_key, HMAC_SHA256) != params.get("sign"):
            raise V3Error(400, "SIGN_ERROR", "签名错误")
        results, made = [], []
        for item in items:
            code, coupon = self._send_one(merchant, appid, openid, item)
            results.append(
                {
                    "stock_id": item.get("stock_id", ""),
                    "out_request_no": item.get("out_request_no", ""),
                    "coupon_code": coupon.code if coupon else "",
                    "code": code,
                    "message": code,
                }
            )
            if coupon is not None and code == "SUCCESS":
                made.append(coupon)
        return results, made

    def _send_one(
        self, merchant: Merchant, appid: str, openid: str, item: Mapping[str, Any]
    ) -> tuple[str, Coupon | None]:
        stock = self.stocks.get(str(item.get("stock_id")))
        if stock is None or stock.mch_id != merchant.mch_id:
            return "FAILED", None
        mine = [
            coupon
            for coupon in self.coupons.values()
            if (coupon.stock_id, coupon.openid) == (stock.stock_id, openid)
        ]
        number = str(item.get("out_request_no"))
        for coupon in mine:
            if coupon.send_request_no == number:
                return "DUPREQUEST", coupon
        if len(mine) >= stock.facts["stock_send_rule"]["max_coupons_per_user"]:
            return "USERLIMIT", None
        if stock.sent >= stock.maximum:
            return "NOTENOUGH", None
        code = self._code(stock, item)
        if not code or (stock.stock_id, code) in self.coupons:
            return "FAILED", None
        coupon = self._new(stock, code, appid, openid, number)
        return "SUCCESS", coupon

    def _code(self, stock: Stock, item: Mapping[str, Any]) -> str:
        if stock.mode == WECHATPAY_MODE:
            return f"{secrets.randbelow(10**22):022d}"
        if stock.mode == MERCHANT_API:
            return str(item.get("coupon_code") or "")
        return stock.codes.pop(secrets.randbelow(len(stock.codes))) if stock.codes else ""

    def _new(self, stock: Stock, code: str, appid: str, openid: str, number: str) -> Coupon:
        time = stock.facts["coupon_use_rule"]["coupon_available_time"]
        begins, ends = _moment(time, "available_begin_time"), _moment(time, "available_end_time")
        if "available_day_after_receive" in time:
            begins = clock.now() + 86400 * time.get("wait_days_after_receive", 0)
            ends = min(ends, begins + 86400 * time["available_day_after_receive"])
        coupon = Coupon(code, stock.stock_id, openid, appid, number, begins, ends)
        self.coupons[stock.stock_id, code] = coupon
        stock.sent += 1
        self._keep(stock, coupon)
        return coupon

    def set_callback(self, merchant: Merchant, said: dict[str, Any]) -> dict[str, Any]:
        url = _text(said, "notify_url", 256, 10)
        self.callbacks[merchant.mch_id] = url
        self._store.save(
            "voucher_callback", merchant.mch_id, {"mch_id": merchant.mch_id, "url": url}
        )
        return {
            "update_time": clock.iso(clock.now()), "notify_url": url, "mchid": merchant.mch_id,
        }  # fmt: skip

    def news(self, coupon: Coupon, channel: str = "MINIAPP") -> dict[str, Any]:
        """What a merchant is told of a coupon that was sent."""
        stock = self.stocks[coupon.stock_id]
        config = stock.facts.get("notify_config") or {}
        facts = {
            "event_type": "EVENT_TYPE_BUSICOUPON_SEND",
            "coupon_code": coupon.code,
            "stock_id": coupon.stock_id,
            "send_time": clock.iso(coupon.received_at),
            "send_channel": f"BUSICOUPON_SEND_CHANNEL_{channel}",
            "send_merchant": stock.mch_id,
        }
        return facts | ({"openid": coupon.openid} if config.get("notify_appid") else {})

    def set_state(self, stock_id: str, code: str, state: str) -> dict[str, Any]:
        """Somebody did it behind the merchant's back.

        Raises: ValueError.
        """
        coupon = self.coupons.get((stock_id, code))
        if coupon is None or state not in {SENDED, USED, DEACTIVATED, EXPIRED, DELETED}:
            raise ValueError("stock_id, coupon_code of a coupon, and state SENDED, USED…")
        coupon.state = state
        self._keep(coupon)
        return coupon.shown()

    def books(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Every stock, or the one asked for, with its coupons."""
        return {
            "stocks": [
                {
                    **vars(stock),
                    "coupons": [
                        {**c.shown(), "openid": c.openid, "done": c.done}
                        for c in self.coupons.values()
                        if c.stock_id == stock.stock_id
                    ],
                }
                for stock in self.stocks.values()
                if wanted.get("stock_id", stock.stock_id) == stock.stock_id
            ]
        }
