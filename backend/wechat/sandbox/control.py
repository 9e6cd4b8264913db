"""The sandbox's own calls, under /_sandbox/: for tests, and for people who play the shopper."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from .trades import CLOSED, PaymentRefused
from .v3 import V3Error, issue
from .wire import JSON_TYPE, Reply
from .world import World

Values = dict[str, Any]


class Refused(Exception):
    """The call was wrong; `status` is HTTP's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Control:
    """All calls are made under the world's lock."""

    def __init__(self, world: World) -> None:
        self._world = world
        routes: dict[tuple[str, str], Callable[[Values], object]] = {
            ("POST", "login-code"): self._login_code,
            ("POST", "phone-code"): self._phone_code,
            ("POST", "pay"): self._pay,
            ("POST", "faults"): self._add_fault,
            ("GET", "faults"): self._list_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "rules"): self._set_rules,
            ("GET", "rules"): self._list_rules,
            ("DELETE", "rules"): self._reset_rules,
            ("POST", "accounts"): self._register,
            ("GET", "accounts"): self._list_accounts,
            ("GET", "books"): world.books,
            ("POST", "consents"): self._consent,
            ("GET", "messages"): self._messages,
            ("POST", "v3"): self._v3,
            ("POST", "vouchers/send"): self._send_vouchers,
            ("POST", "vouchers/state"): self._voucher_state,
            ("GET", "vouchers"): world.vouchers.books,
        }
        self._routes: Final = routes

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        """What one of the sandbox's own calls answers."""
        if (method, path) == ("GET", "ca.pem"):
            pem = self._world.authority.root.certificate_pem
            return Reply(pem.encode(), "application/x-pem-file")
        try:
            route = self._routes.get((method, path))
            if route is None:
                known = any(name == path for _, name in self._routes)
                raise Refused(405 if known else 404, "no_such_call", f"no {method} {path} here")
            return _json(route(_body(body) if method == "POST" else dict(query)))
        except Refused as error:
            return _json({"error": error.code, "message": str(error)}, error.status)
        except V3Error as error:
            return _json({"error": error.code, "message": error.message}, error.status)
        except ValueError as error:
            return _json({"error": "bad_request", "message": str(error)}, 400)
        except PaymentRefused as error:
            status = 404 if error.code == "unknown_prepay_id" else 409
            return _json({"error": error.code, "message": str(error)}, status)

    def _known_appid(self, values: Values) -> str:
        appid = _text(values, "appid")
        if appid not in self._world.accounts.secrets:
            raise Refused(404, "unknown_appid", f"no mini program {appid} is registered here")
        return appid

    def _login_code(self, values: Values) -> object:
        appid = self._known_appid(values)
        openid = _text(values, "openid", needed=False)
        code = self._world.people.login_code(appid, openid, _text(values, "unionid", needed=False))
        return {"code": code.code, "openid": code.openid}

    def _phone_code(self, values: Values) -> object:
        appid = self._known_appid(values)
        openid, phone = _text(values, "openid"), _text(values, "phone")
        country = _text(values, "country_code", needed=False) or "86"
        return {"code": self._world.people.phone_code(appid, openid, phone, country).code}

    def _pay(self, values: Values) -> object:
        outcome = values.get("outcome", "success")
        if outcome not in {"success", "cancel"}:
            raise ValueError("outcome is success or cancel")
        coupon_fee = values.get("coupon_fee", 0)
        if isinstance(coupon_fee, bool) or not isinstance(coupon_fee, int):
            raise ValueError("coupon_fee is whole fen")
        client = values.get("client")
        if client is not None and not isinstance(client, dict):
            raise ValueError("client holds the parameters of wx.requestPayment")
        prepay_id = _text(values, "prepay_id", needed=client is None)
        if client is not None:
            package = str(client.get("package", ""))
            if not package.startswith("prepay_id="):
                raise PaymentRefused("bad_client", "package is prepay_id=…")
            prepay_id = package.removeprefix("prepay_id=")
        return self.pay(prepay_id, str(outcome), coupon_fee=coupon_fee, client=client)

    def pay(
        self, prepay_id: str, outcome: str, *, coupon_fee: int = 0, client: Values | None = None
    ) -> dict[str, Any]:
        """The shopper taps 支付 or 取消 at the cashier of a prepay_id.

        Raises: PaymentRefused.
        """
        world = self._world
        trade = world.trades.at_cashier(prepay_id)
        if client is not None:
            world.trades.check_client(trade, client, world.accounts.merchants[trade.mch_id].api_key)
        if outcome == "success":
            where = {
                "appid": trade.appid,
                "mch_id": trade.mch_id,
                "out_trade_no": trade.out_trade_no,
            }
            late = trade.state == CLOSED and world.faults.take("pay", where) is not None
            world.trades.pay(trade, coupon_fee=coupon_fee, late=late)
        message = "requestPayment:ok" if outcome == "success" else "requestPayment:fail cancel"
        return {
            "outcome": outcome,
            "errMsg": message,
            "mch_id": trade.mch_id,
            "out_trade_no": trade.out_trade_no,
            "transaction_id": trade.transaction_id,
            "state": trade.state,
            "total_fee": trade.total_fee,
        }

    def _consent(self, values: Values) -> object:
        appid = self._known_appid(values)
        openid, template_id = _text(values, "openid"), _text(values, "template_id")
        left = self._world.people.consent(appid, openid, template_id)
        return {"left": left}

    def _messages(self, values: Values) -> object:
        wanted = values.get("openid")
        told = self._world.people.told
        return {"messages": [one for one in told if wanted in (None, one["touser"])]}

    def _v3(self, values: Values) -> object:
        merchant = issue(self._world.accounts, _text(values, "mch_id"))
        return {
            "mch_id": merchant.mch_id,
            "api_v3_key": merchant.v3_key,
            "certificate_pem": merchant.v3_certificate_pem,
            "private_key_pem": merchant.v3_private_key_pem,
            "public_key_id": self._world.seal.key_id,
            "public_key_pem": self._world.seal.public_pem,
        }

    def _send_vouchers(self, values: Values) -> object:
        params = values.get("params")
        if not isinstance(params, dict):
            raise ValueError("params are what the plugin is given")
        mch_id = str(params.get("send_coupon_merchant", ""))
        appid, openid = self._known_appid(values), _text(values, "openid")
        return {"send_coupon_result": self._world.send_vouchers(mch_id, appid, openid, params)}

    def _voucher_state(self, values: Values) -> object:
        return self._world.vouchers.set_state(
            _text(values, "stock_id"), _text(values, "coupon_code"), _text(values, "state")
        )

    def _add_fault(self, values: Values) -> object:
        self._world.faults.add(values)
        return self._list_faults(values)

    def _list_faults(self, _values: Values) -> object:
        return {"faults": self._world.faults.shown()}

    def _clear_faults(self, values: Values) -> object:
        self._world.faults.clear()
        return self._list_faults(values)

    def _set_rules(self, values: Values) -> object:
        self._world.set_rules(self._world.rules.changed(values))
        return self._list_rules(values)

    def _list_rules(self, _values: Values) -> object:
        return {"rules": self._world.rules.shown()}

    def _reset_rules(self, values: Values) -> object:
        self._world.reset_rules()
        return self._list_rules(values)

    def _register(self, values: Values) -> object:
        return self._world.accounts.register(values)

    def _list_accounts(self, _values: Values) -> object:
        return {"accounts": self._world.accounts.shown()}


def _body(body: bytes) -> Values:
    try:
        values = json.loads(body or b"{}")
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(values, dict):
        raise ValueError("the body is not a JSON object")
    return values


def _text(values: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    value = values.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value):
        raise ValueError(f"{name} is needed, as text")
    return value


def _json(values: object, status: int = 200) -> Reply:
    return Reply(json.dumps(values, ensure_ascii=False).encode(), JSON_TYPE, status=status)
