"""api.mch.weixin.qq.com, API V2: one signed document in, one signed document out."""

import logging
from collections.abc import Mapping
from typing import Final

from . import fields
from .accounts import Accounts, Merchant
from .faults import Fault, Faults, is_fault
from .misbehaviour import instead, misbehave
from .refunds import Refunds
from .trades import Trades
from .wire import (
    MD5,
    SIGN_TYPES,
    Reply,
    ResultFail,
    ReturnFail,
    build_xml,
    is_signed,
    nonce,
    parse_xml,
    sign,
)

PATHS: Final = {
    "/pay/unifiedorder": "unifiedorder",
    "/pay/orderquery": "orderquery",
    "/pay/closeorder": "closeorder",
    "/secapi/pay/refund": "refund",
    "/pay/refundquery": "refundquery",
}
STRANGER: Final = {"appid": "wx0000000000000000", "mch_id": "1900000000"}
log = logging.getLogger("sandbox")


class Gateway:
    """All calls are made under the world's lock."""

    def __init__(
        self, accounts: Accounts, trades: Trades, refunds: Refunds, faults: Faults
    ) -> None:
        self._accounts = accounts
        self._trades = trades
        self._refunds = refunds
        self._faults = faults

    def answer(self, call: str, method: str, body: bytes, holder: str | None) -> Reply:
        """What WeChat, or its misbehaviour, says to one call.

        `holder` is the merchant number in the client's certificate; None on the plain port, where
        nobody can show one and nobody is asked.
        """
        try:
            if method != "POST":
                raise ReturnFail("请使用post方法")
            values = parse_xml(body)
        except ReturnFail as error:
            return _unsigned(error)
        fault = self._faults.take(call, values)
        if fault is not None and (early := instead(fault)):
            log.info("%s -> %s", call, fault.fault)
            return early
        try:
            merchant = self._recognise(values)
            answer = self._judge(call, values, merchant, fault, holder)
        except ReturnFail as error:
            log.info("%s -> %s", call, error)
            return misbehave(_unsigned(error), fault)
        outcome = answer.get("err_code") or answer.get("trade_state") or "SUCCESS"
        number = values.get("out_trade_no") or values.get("out_refund_no", "")
        log.info("%s %s -> %s%s", call, number, outcome, f" ({fault.fault})" if fault else "")
        return misbehave(_signed(answer, values, merchant, fault), fault)

    def _recognise(self, values: Mapping[str, str]) -> Merchant:
        """The merchant who signed this."""
        fields.need(values, "appid", "mch_id", "nonce_str", "sign")
        if (values.get("sign_type") or MD5) not in SIGN_TYPES:
            raise ReturnFail("sign_type参数格式错误")
        merchant = self._accounts.merchants.get(values["mch_id"])
        if merchant is None:
            raise ReturnFail("商户号mch_id或sub_mch_id不存在")
        if not is_signed(values, merchant.api_key):
            raise ReturnFail("签名错误")
        if len(values["nonce_str"]) > 32:
            raise ReturnFail("nonce_str参数长度有误")
        return merchant

    def _judge(
        self,
        call: str,
        values: Mapping[str, str],
        merchant: Merchant,
        fault: Fault | None,
        holder: str | None,
    ) -> dict[str, str]:
        """The fields of the answer, before they are signed."""
        try:
            self._check_parties(values, merchant)
            if call == "refund" and holder is not None and holder != merchant.mch_id:
                raise ResultFail("CERT_ERROR", "证书与商户号不匹配")
            if fault is not None and not fault.accepted:
                _refuse(fault)
            answer = self._do(call, values, merchant, fault)
            if fault is not None:
                _refuse(fault)
        except ResultFail as refusal:
            return {
                "result_code": "FAIL",
                "err_code": refusal.code,
                "err_code_des": refusal.description,
            }
        return {"result_code": "SUCCESS", **answer}

    def _check_parties(self, values: Mapping[str, str], merchant: Merchant) -> None:
        appid, sub = values["appid"], values.get("sub_mch_id")
        if appid not in self._accounts.secrets:
            raise ResultFail("APPID_NOT_EXIST", "appid不存在")
        if appid not in merchant.appids:
            raise ResultFail("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        if sub and sub not in merchant.subs:
            raise ResultFail("MCHID_NOT_EXIST", "sub_mch_id不存在或与mch_id没有受理关系")
        if merchant.subs and not sub:
            raise ReturnFail("缺少参数sub_mch_id")
        if values.get("sub_appid") and values["sub_appid"] not in merchant.subs.get(sub or "", []):
            raise ResultFail("APPID_MCHID_NOT_MATCH", "sub_appid和sub_mch_id不匹配")

    def _do(
        self, call: str, values: Mapping[str, str], merchant: Merchant, fault: Fault | None
    ) -> dict[str, str]:
        match call:
            case "unifiedorder":
                return self._trades.unified_order(values, merchant)
            case "orderquery":
                return self._trades.query(values, merchant, fault)
            case "closeorder":
                return self._trades.close(values, merchant, fault)
            case "refund":
                return self._refunds.apply(values, merchant, fault)
            case _:
                return self._refunds.query(values, merchant)


def _refuse(fault: Fault) -> None:
    if fault.is_one_of("systemerror"):
        raise ResultFail("SYSTEMERROR", "系统繁忙，请稍后再试")
    if fault.is_one_of("result_fail"):
        raise ResultFail(str(fault.options.get("err_code", "PARAM_ERROR")), "业务错误")


def _unsigned(error: ReturnFail) -> Reply:
    return Reply(build_xml({"return_code": "FAIL", "return_msg": str(error)}))


def _signed(
    answer: Mapping[str, str], values: Mapping[str, str], merchant: Merchant, fault: Fault | None
) -> Reply:
    head = {"return_code": "SUCCESS", "return_msg": "OK", "nonce_str": nonce()}
    for name in ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info"):
        head[name] = values.get(name, "")
    if is_fault(fault, "wrong_appid"):
        head["appid"] = STRANGER["appid"]
    if is_fault(fault, "wrong_mch"):
        head["mch_id"] = STRANGER["mch_id"]
    document = {name: value for name, value in {**head, **answer}.items() if value}
    document["sign"] = sign(document, merchant.api_key, values.get("sign_type") or MD5)
    if is_fault(fault, "bad_signature"):
        document["sign"] = sign(document, nonce(), values.get("sign_type") or MD5)
    return Reply(build_xml(document))
