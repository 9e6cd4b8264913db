"""Opening a trade for a purchase, and looking after it until it is paid or closed."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.money import Fen
from backend.numbers import new_number
from backend.wechat.errors import Refused, Retry, Unknown
from backend.wechat.trades import CloseOutcome, PrepayRequest, TradeState
from orders import lifecycle
from orders.models import CloseReason, Purchase, PurchaseStatus
from payments.methods import METHODS
from payments.methods.wechat_jsapi import notify_url
from payments.models import OPEN_STATUSES, Payment, PaymentStatus
from payments.settlement import Mismatch, settle, shut
from shop.merchants import WeChatUnavailable, pay_account, payer
from shop.models import Customer

log = logging.getLogger(__name__)

# WeChat refuses a trade that expires in under five minutes.
LEAST_TO_PAY: Final = dt.timedelta(minutes=6)
# A prepay_id lives two hours.
PREPAY_LIFE: Final = dt.timedelta(minutes=100)
GRACE: Final = dt.timedelta(minutes=1)
LEASE: Final = dt.timedelta(seconds=60)
_LONGEST_WAIT: Final = dt.timedelta(minutes=30)


class PurchaseClosed(DomainError):
    code = "purchase_closed"
    message = _("This purchase is closed. Please order again.")


class Repricing(DomainError):
    code = "repricing"
    message = _("The price is being changed. Please try again shortly.")


class PaymentRefused(DomainError):
    code = "payment_refused"
    status = 502
    message = _("WeChat doesn't take this payment. Please tell the shop.")


@dataclass(frozen=True)
class Paying:
    """What `pay` answers: paid already, or what the front end needs."""

    status: str
    method: str
    client: dict[str, str] | None


def pay(customer: Customer, purchase: Purchase, *, appid: str, client_ip: str) -> Paying:
    """Let the shopper pay: open a trade, or sign an open one again.

    Locks: the payment, then the purchase; none while WeChat is called.
    Raises: PurchaseClosed, Repricing, WeChatUnavailable, PaymentRefused, NoPayAccount.
    """
    if purchase.status == PurchaseStatus.PAID:
        return Paying("paid", purchase.method, None)
    if purchase.status == PurchaseStatus.CLOSED:
        raise PurchaseClosed
    payment = _open(customer, purchase, appid, client_ip)
    method = METHODS[payment.method]
    fresh = payment.prepaid_at is not None and timezone.now() - payment.prepaid_at < PREPAY_LIFE
    if not fresh and (paid := _prepay(payment)) is not None:
        return paid
    purchase.refresh_from_db()
    if purchase.status == PurchaseStatus.CLOSED:
        _mark_closing(payment.pk)
        raise PurchaseClosed
    return Paying("pending", payment.method, method.client(payment))


def _open(customer: Customer, purchase: Purchase, appid: str, client_ip: str) -> Payment:
    """The purchase's open trade, or a new one with its request written down once and for all."""
    own, openid = payer(customer.merchant_id, customer.pk, appid)
    account = pay_account(customer.merchant_id, own)
    now = timezone.now()
    try:
        with transaction.atomic():
            existing = (
                Payment.objects.select_for_update(of=("self",))
                .select_related("account")
                .filter(purchase=purchase, status__in=OPEN_STATUSES)
                .first()
            )
            if existing is not None:
                if existing.status == PaymentStatus.CLOSING:
                    raise Repricing(detail={"retry_at": existing.act_at})
                return existing
            locked = Purchase.objects.select_for_update().get(pk=purchase.pk)
            if locked.status != PurchaseStatus.AWAITING_PAYMENT:
                raise PurchaseClosed
            expires_at = max(locked.expires_at, now + LEAST_TO_PAY)
            Purchase.objects.filter(pk=locked.pk).update(expires_at=expires_at)
            out_trade_no = new_number()
            request = PrepayRequest(
                out_trade_no=out_trade_no,
                amount_fen=Fen(locked.payable_fen),
                openid=openid,
                body=customer.merchant.name,
                client_ip=client_ip,
                starts_at=now,
                expires_at=expires_at,
                notify_url=notify_url("payment", customer.merchant.slug),
                attach=locked.number,
            )
            return Payment.objects.create(
                merchant_id=customer.merchant_id,
                purchase=locked,
                account=account,
                method="wechat_jsapi",
                out_trade_no=out_trade_no,
                amount_fen=locked.payable_fen,
                request=request.to_json(),
                act_at=now + LEASE,
            )
    except IntegrityError:
        # Two taps at once: the other one has opened it.
        return Payment.objects.select_related("account").get(
            purchase=purchase, status__in=OPEN_STATUSES
        )


def _prepay(payment: Payment) -> Paying | None:
    """Open the trade at WeChat with the request written down; answers only where it is paid."""
    try:
        payment.prepay_id = METHODS[payment.method].start(payment)
    except Refused as error:
        if error.code in {"ORDERPAID", "OUT_TRADE_NO_USED", "ORDERCLOSED"}:
            look(payment)
            payment.refresh_from_db()
            if payment.status == PaymentStatus.SUCCEEDED:
                return Paying("paid", payment.method, None)
            raise WeChatUnavailable(error.code) from error
        log.error("payment %s refused: %s", payment.pk, error.code)
        Payment.objects.filter(pk=payment.pk).update(last_error=error.code[:200])
        raise PaymentRefused(error.code) from error
    except (Retry, Unknown) as error:
        Payment.objects.filter(pk=payment.pk, status__in=OPEN_STATUSES).exclude(
            status=PaymentStatus.CLOSING
        ).update(status=PaymentStatus.UNKNOWN, last_error=str(error)[:200])
        raise WeChatUnavailable(str(error)) from error
    payment.prepaid_at = timezone.now()
    Payment.objects.filter(pk=payment.pk).update(
        prepay_id=payment.prepay_id, prepaid_at=payment.prepaid_at
    )
    Payment.objects.filter(
        pk=payment.pk, status__in=[PaymentStatus.STARTING, PaymentStatus.UNKNOWN]
    ).update(
        status=PaymentStatus.PENDING,
        act_at=payment.prepaid_at + dt.timedelta(minutes=1),
        last_error="",
    )
    return None


def _mark_closing(payment_id: int) -> None:
    Payment.objects.filter(pk=payment_id, status__in=OPEN_STATUSES).update(
        status=PaymentStatus.CLOSING, act_at=timezone.now()
    )


def look(payment: Payment) -> bool:
    """Ask WeChat about a trade and write down what it says; whether it answered.

    Called outside transactions. Safe to repeat.
    """
    try:
        trade = METHODS[payment.method].ask(payment)
    except (Refused, Retry, Unknown) as error:
        _again(payment, str(error))
        return False
    if trade.state == TradeState.PAID and trade.receipt is not None:
        try:
            settle(trade.receipt)
        except Mismatch as error:
            log.exception("payment %s: what WeChat says doesn't fit", payment.pk)
            _again(payment, f"mismatch: {error}")
    elif trade.state == TradeState.CLOSED or (
        trade.state == TradeState.ABSENT and payment.status == PaymentStatus.CLOSING
    ):
        shut(payment.pk)
    else:
        _again(payment, "")
    return True


def close_at_wechat(payment: Payment) -> None:
    """Close the trade of a purchase that is closed with us, or find that it was paid.

    Called outside transactions. A trade that can't be closed yet is tried again.
    """
    try:
        outcome = METHODS[payment.method].close(payment)
    except (Refused, Retry, Unknown) as error:
        _again(payment, str(error))
        return
    if outcome == CloseOutcome.CLOSED:
        shut(payment.pk)
    elif outcome in {CloseOutcome.PAID, CloseOutcome.ABSENT}:
        look(payment)
    else:
        _again(payment, "too early to close")


def _again(payment: Payment, error: str) -> None:
    """Look again after a while that grows, up to half an hour."""
    wait = min(dt.timedelta(seconds=15 * 2 ** min(payment.tries, 10)), _LONGEST_WAIT)
    Payment.objects.filter(pk=payment.pk, status__in=OPEN_STATUSES).update(
        act_at=timezone.now() + wait, last_error=error[:200]
    )


def look_when_due(payment_id: int) -> None:
    """One step for an open trade whose `act_at` has come. Whoever moves `act_at` first has it."""
    now = timezone.now()
    mine = Payment.objects.filter(pk=payment_id, act_at__lte=now, status__in=OPEN_STATUSES).update(
        act_at=now + LEASE, tries=F("tries") + 1
    )
    if not mine:
        return
    payment = Payment.objects.select_related("account", "purchase").get(pk=payment_id)
    if payment.status == PaymentStatus.CLOSING:
        close_at_wechat(payment)
    else:
        look(payment)


def expire(purchase_id: int) -> None:
    """A purchase whose time to pay is over: settled if it was paid after all, else closed.

    WeChat is asked first. A minute after the time it is closed with us whatever WeChat answers,
    so that stock is never held by a trade that can't be closed; what is paid later is refunded.
    """
    purchase = Purchase.objects.get(pk=purchase_id)
    now = timezone.now()
    if purchase.status != PurchaseStatus.AWAITING_PAYMENT or purchase.expires_at > now:
        return
    payment = (
        Payment.objects.select_related("account")
        .filter(purchase=purchase, status__in=OPEN_STATUSES)
        .first()
    )
    if payment is not None:
        answered = look(payment)
        purchase.refresh_from_db()
        if purchase.status != PurchaseStatus.AWAITING_PAYMENT:
            return
        if not answered and now < purchase.expires_at + GRACE:
            return
    try:
        lifecycle.close(purchase.pk, CloseReason.EXPIRED, at=now, by="clock")
    except lifecycle.WrongStatus:
        return
    close_trades_of_closed()


def close_trades_of_closed() -> int:
    """Mark the open trades of closed purchases to be closed at WeChat; how many."""
    return (
        Payment.objects.filter(purchase__status=PurchaseStatus.CLOSED, status__in=OPEN_STATUSES)
        .exclude(status=PaymentStatus.CLOSING)
        .update(status=PaymentStatus.CLOSING, act_at=timezone.now(), tries=0)
    )
