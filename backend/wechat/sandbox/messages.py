"""The two documents WeChat posts to a merchant: a payment succeeded, a refund has ended."""

from . import clock
from .accounts import Merchant
from .faults import Fault, is_fault
from .gateway import STRANGER
from .refunds import SUCCESS, Refund
from .trades import Trade, payment_fields, wrong_amount
from .wire import HMAC_SHA256, build_xml, nonce, seal_req_info, sign


def payment_message(trade: Trade, merchant: Merchant, fault: Fault | None) -> bytes:
    """A payment notification, signed as the unified order was and, like WeChat's, without
    saying how.
    """
    values = _head(trade, fault) | {"result_code": "SUCCESS", **payment_fields(trade)}
    if is_fault(fault, "result_fail"):
        values |= {"result_code": "FAIL", "err_code": "SYSTEMERROR", "err_code_des": "系统错误"}
    if fault is not None and fault.is_one_of("wrong_amount"):
        values |= wrong_amount(values, trade, fault)
    values = {name: value for name, value in values.items() if value}
    sign_type = HMAC_SHA256 if is_fault(fault, "hmac_notification") else trade.sign_type
    key = nonce() if is_fault(fault, "forged_signature") else merchant.api_key
    return build_xml({**values, "sign": sign(values, key, sign_type)})


def refund_message(trade: Trade, refund: Refund, merchant: Merchant, fault: Fault | None) -> bytes:
    """A refund notification: no signature, the facts sealed with the merchant's key."""
    fee = refund.refund_fee
    if fault is not None and fault.is_one_of("wrong_amount"):
        fee = int(fault.options.get("amount", fee + 1))
    facts = {
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "total_fee": str(trade.total_fee),
        "settlement_total_fee": str(trade.total_fee),
        "refund_fee": str(fee),
        "settlement_refund_fee": str(fee),
        "refund_status": refund.status,
        "refund_recv_accout": "支付用户零钱",
        "refund_account": refund.account,
        "refund_request_source": "API",
    }
    if refund.status == SUCCESS:
        facts["success_time"] = clock.spoken(refund.ended_at)
    key = nonce() if is_fault(fault, "forged_signature") else merchant.api_key
    values = {**_head(trade, fault), "req_info": seal_req_info(facts, key)}
    return build_xml({name: value for name, value in values.items() if value})


def _head(trade: Trade, fault: Fault | None) -> dict[str, str]:
    strange_app, strange_mch = is_fault(fault, "wrong_appid"), is_fault(fault, "wrong_mch")
    return {
        "return_code": "SUCCESS",
        "appid": STRANGER["appid"] if strange_app else trade.appid,
        "mch_id": STRANGER["mch_id"] if strange_mch else trade.mch_id,
        "sub_appid": trade.request.get("sub_appid", ""),
        "sub_mch_id": trade.sub_mch_id,
        "nonce_str": nonce(),
    }
