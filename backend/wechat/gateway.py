"""wechatpy's V2 client with its gaps closed: every answer is verified, every failure has a name."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import requests
from django.conf import settings
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay as WechatpyPay

from backend.wechat import http, wire
from backend.wechat.credentials import PayCredentials
from backend.wechat.errors import Refused, Retry, Unknown, WeChatError

# Source: the error tables of 统一下单, 查询订单, 关闭订单, 申请退款 (API v2).
NOT_ACCEPTED = frozenset(
    {"BIZERR_NEED_RETRY", "FREQUENCY_LIMITED", "INVALID_REQ_TOO_MUCH", "ORDER_NOT_READY"}
)
IN_DOUBT = frozenset({"SYSTEMERROR", "SYSTEM_ERROR", "BANKERROR"})

Answer = dict[str, str]


class Doubt(Exception):
    """There is no answer that can be believed."""


class Gateway(WechatpyPay):  # type: ignore[misc]
    """wechatpy's client for one pay account, talking to the gateway that the settings name."""

    def __init__(self, credentials: PayCredentials) -> None:
        super().__init__(
            appid=credentials.appid,
            api_key=credentials.api_key,
            mch_id=credentials.mch_id,
            sub_mch_id=credentials.sub_mch_id or None,
            sub_appid=credentials.sub_appid or None,
            timeout=http.TIMEOUT,
        )
        self.credentials = credentials
        self._http = http.session_for(self.API_BASE_URL)

    @property
    def API_BASE_URL(self) -> str:  # noqa: N802 (wechatpy's name)
        return http.base_url(settings.WECHAT_PAY_BASE_URL)

    def with_certificate(self) -> Gateway:
        """The same client showing the merchant's certificate, for the calls under secapi/.

        Raises: Refused when the certificate can't be used.
        """
        mine = self.credentials
        if self.API_BASE_URL.startswith("https:") and not (mine.cert_pem and mine.key_pem):
            raise Refused("CERT_ERROR", "the account has no certificate")
        try:
            session = http.session_for(self.API_BASE_URL, mine.cert_pem, mine.key_pem)
        except http.BadCertificate as error:
            reason = str(error)
        else:
            twin = Gateway(mine)
            twin._http = session
            return twin
        raise Refused("CERT_ERROR", f"the certificate can't be used: {reason}")

    def call(self, send: Callable[[], Answer], *, doubt: type[Unknown | Retry]) -> Answer:
        """What WeChat answered, once it is certain that WeChat answered it, to us, and yes.

        Raises: Refused and Retry as WeChat says; `doubt` when nobody can say what happened.
        """
        turned_away = False
        try:
            return send()
        except WeChatError:
            raise
        except Doubt as error:
            reason = str(error)
        except WeChatPayException as error:
            status = error.response.status_code
            reason = f"HTTP {status}"
            if 400 <= status < 500 and status not in (408, 429):
                turned_away = True  # at the door: a certificate not shown, an address not there
        except (*http.NO_ANSWER, ValueError, LookupError, AttributeError) as error:
            # Only the kind: its text may carry addresses, and wechatpy's kinds are not to be known.
            reason = type(error).__name__
        # Outside the handlers, so that no traceback drags the request along.
        if turned_away:
            raise Refused("turned_away", reason)
        raise Unknown(reason) if doubt is Unknown else Retry("no_answer", reason)

    def _request(self, method: str, url_or_endpoint: str, **kwargs: Any) -> Answer:
        if isinstance(kwargs.get("data"), dict):
            kwargs["data"].setdefault("nonce_str", secrets.token_hex(16))
        answer: Answer = super()._request(method, url_or_endpoint, **http.options(), **kwargs)
        return answer

    def _handle_result(self, res: requests.Response) -> Answer:
        if res.status_code != 200:
            raise Doubt(f"HTTP {res.status_code}")
        try:
            answer = wire.read(res.content)
        except wire.Unreadable:
            raise Doubt("an answer that is not WeChat's XML") from None
        if answer.get("return_code") != "SUCCESS":
            self._not_even_taken(answer)
        if not wire.signature_fits(answer, self.api_key):
            raise Doubt("an answer with a wrong signature")
        if not self.credentials.are_named_in(answer):
            raise Doubt("an answer about another account")
        if answer.get("result_code") == "SUCCESS":
            return answer
        code, message = answer.get("err_code", ""), answer.get("err_code_des", "")
        if code in NOT_ACCEPTED:
            raise Retry(code, message)
        if code in IN_DOUBT or not code:
            raise Doubt(code or "a failure without a code")
        raise Refused(code, message)

    def _not_even_taken(self, answer: Mapping[str, str]) -> None:
        """return_code FAIL: unsigned, a sentence instead of a code, and nothing was done."""
        message = answer.get("return_msg", "")
        code = answer.get("err_code") or answer.get("error_code") or "FAIL"
        if answer.get("return_code") != "FAIL":
            raise Doubt("an answer without a return_code")
        if code in IN_DOUBT or message.upper().replace(" ", "") in IN_DOUBT or "繁忙" in message:
            raise Doubt("SYSTEMERROR")
        if code in NOT_ACCEPTED or "频" in message:
            raise Retry(code, message)
        raise Refused(code, message)
