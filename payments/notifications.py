"""WeChat's messages: verified, stored, acknowledged, and acted on by a task."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any, Final

from django.db import connection
from django.db.models import F
from django.utils import timezone

from backend.wechat.errors import BadSignature
from backend.wechat.pay import WeChatPay
from backend.wechat.trades import Receipt, RefundNotice, RefundState
from payments import refunds
from payments.models import Notification, Refund
from payments.settlement import Mismatch, settle
from shop.merchants import pay_accounts, pay_credentials
from shop.models import PayAccount

log = logging.getLogger(__name__)

MAX_BODY: Final = 32 * 1024
LEASE: Final = dt.timedelta(seconds=60)
# What nobody signed is kept so long, for whoever has to look into it.
UNVERIFIED_LIFE: Final = dt.timedelta(days=7)

Kind = Notification.Kind
State = Notification.State


def _read(
    accounts: Iterable[PayAccount], kind: Notification.Kind, body: bytes
) -> Receipt | RefundNotice | None:
    """The message, if it is authentic by a key of one of the merchant's accounts."""
    for account in accounts:
        wechat = WeChatPay(pay_credentials(account))
        try:
            if kind == Kind.PAYMENT:
                return wechat.payment_notification(body)
            return wechat.refund_notification(body)
        except BadSignature:
            continue
    return None


def _key(message: Receipt | RefundNotice) -> str:
    if isinstance(message, RefundNotice):
        return f"v2refund:{message.refund_id}:{message.wechat_status}"
    if message.paid:
        return f"v2pay:{message.transaction_id}"
    return f"v2fail:{message.out_trade_no}"


_STORE_SQL: Final = """
INSERT INTO payments_notification
    (merchant_id, kind, state, body, dedupe_key, reason, act_at, tries, received_at)
VALUES (%(merchant)s, %(kind)s, 'received', %(body)s, %(key)s, '', %(at)s, 0, %(at)s)
ON CONFLICT DO NOTHING
"""


def take_in(
    merchant: int, accounts: Iterable[PayAccount], kind: Notification.Kind, body: bytes
) -> tuple[bool, bool]:
    """Store a message; whether it is authentic, and whether it is new.

    One that came before is acknowledged again and stored no second time. An unverified one is
    left to the caller, who limits how many are kept.
    """
    message = _read(accounts, kind, body)
    if message is None:
        return False, False
    values: dict[str, Any] = {
        "merchant": merchant,
        "kind": kind.value,
        "body": body,
        "key": _key(message),
        "at": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STORE_SQL, values)
        return True, cursor.rowcount == 1


def keep_unverified(merchant: int, kind: Notification.Kind, body: bytes) -> None:
    """Keep what nobody signed for a week, to be looked into."""
    Notification.objects.create(merchant_id=merchant, kind=kind, body=body[:MAX_BODY])


def act(notification_id: int) -> None:
    """Do what a stored message says, once. Whoever moves `act_at` first has it.

    Its bytes are verified anew, so that what is acted on is what WeChat signed.
    """
    now = timezone.now()
    mine = Notification.objects.filter(
        pk=notification_id, state=State.RECEIVED, act_at__lte=now
    ).update(act_at=now + LEASE, tries=F("tries") + 1)
    if not mine:
        return
    row = Notification.objects.get(pk=notification_id)
    message = _read(pay_accounts(row.merchant_id), Kind(row.kind), bytes(row.body))
    if message is None:
        _end(row, State.QUARANTINED, "no account's key fits any more")
        return
    try:
        if isinstance(message, RefundNotice):
            _refund_notice(row.merchant_id, message)
        elif not message.paid:
            raise Mismatch("a failure with a good signature")
        else:
            settle(message)
    except Mismatch as error:
        log.error("notification %s quarantined: %s", row.pk, error)
        _end(row, State.QUARANTINED, str(error))
    else:
        _end(row, State.DONE, "")


def _refund_notice(merchant: int, notice: RefundNotice) -> None:
    refund = (
        Refund.objects.select_related("payment")
        .filter(merchant_id=merchant, out_refund_no=notice.out_refund_no)
        .first()
    )
    if refund is None:
        raise Mismatch("unknown refund")
    if refund.payment.out_trade_no != notice.out_trade_no:
        raise Mismatch("a refund of another trade")
    refunds.record(
        refund,
        RefundState(
            status=notice.status,
            refund_id=notice.refund_id,
            amount_fen=notice.amount_fen,
            succeeded_at=notice.succeeded_at,
        ),
    )


def _end(row: Notification, state: Notification.State, reason: str) -> None:
    Notification.objects.filter(pk=row.pk).update(
        state=state, reason=reason[:200], act_at=None, done_at=timezone.now()
    )
