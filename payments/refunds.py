"""Money leaving. A refund keeps its number for ever: it is what makes a repeat harmless."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from backend import metrics
from backend.errors import DomainError
from backend.money import Fen
from backend.numbers import new_number
from backend.wechat.errors import Refused, Retry, Unknown
from backend.wechat.trades import RefundState
from backend.wechat.trades import RefundStatus as AtWeChat
from payments.methods import METHODS
from payments.models import Payment, PaymentStatus, Refund, RefundStatus

log = logging.getLogger(__name__)

# WeChat takes two refunds of one trade no closer than a minute.
SPACING: Final = dt.timedelta(seconds=61)
LEASE: Final = dt.timedelta(seconds=60)
_LONGEST_WAIT: Final = dt.timedelta(hours=1)
# After so many tries without an end a person has to look; the sweep goes on hourly all the same.
_STUBBORN: Final = 20

# Refusals that pass: the merchant tops the account up, WeChat's own moment of trouble ends.
_PASSING: Final = {"NOTENOUGH", "FREQUENCY_LIMITED", "BIZERR_NEED_RETRY", "ORDER_NOT_READY"}

_AS_OURS: Final = {
    AtWeChat.PROCESSING: RefundStatus.PROCESSING,
    AtWeChat.SUCCEEDED: RefundStatus.SUCCEEDED,
    AtWeChat.CLOSED: RefundStatus.CLOSED,
    AtWeChat.STUCK: RefundStatus.STUCK,
}


class RefundTooMuch(DomainError):
    code = "refund_too_much"


def start(payment: Payment, *, amount: Fen, reason: str, reference: str) -> Refund:
    """Set money of a payment aside to go back, once for each reference; the sweep sends it.

    Locks: the payment, by its caller or by the UPDATE that reserves.
    Raises: RefundTooMuch when no so much is left of it.
    """
    with transaction.atomic():
        first = Refund.objects.filter(payment=payment, reference=reference).first()
        if first is not None:
            return first
        reserved = Payment.objects.filter(
            pk=payment.pk,
            status=PaymentStatus.SUCCEEDED,
            refund_reserved_fen__lte=payment.amount_fen - amount,
        ).update(refund_reserved_fen=F("refund_reserved_fen") + amount)
        if not reserved:
            raise RefundTooMuch(f"payment {payment.pk}")
        last = Refund.objects.filter(payment=payment).order_by("-not_before").first()
        now = timezone.now()
        not_before = max(now, last.not_before + SPACING) if last is not None else now
        return Refund.objects.create(
            merchant_id=payment.merchant_id,
            payment=payment,
            out_refund_no=new_number("R"),
            reference=reference,
            amount_fen=amount,
            reason=reason,
            not_before=not_before,
            act_at=not_before,
        )


def push(refund_id: int) -> None:
    """Bring a refund that is due one step on: ask for it, or ask about it. Safe to run twice.

    Whoever moves `act_at` first has it; the other finds nothing due.
    """
    now = timezone.now()
    mine = Refund.objects.filter(pk=refund_id, act_at__lte=now).update(
        act_at=now + LEASE, tries=F("tries") + 1
    )
    if not mine:
        return
    refund = Refund.objects.select_related("payment__account", "merchant").get(pk=refund_id)
    method = METHODS[refund.payment.method]
    try:
        if refund.status in {RefundStatus.UNKNOWN, RefundStatus.PROCESSING}:
            state = method.ask_refund(refund)
            if state is not None:
                record(refund, state)
                return
        # Never asked for, or WeChat never heard of it: the same number, again.
        refund_id_at_wechat = method.refund(refund)
    except Unknown as error:
        _later(refund, RefundStatus.UNKNOWN, str(error))
    except Retry as error:
        _later(refund, RefundStatus(refund.status), error.code)
    except Refused as error:
        if error.code in _PASSING:
            _later(refund, RefundStatus(refund.status), error.code)
        else:
            log.error("refund %s refused: %s", refund.pk, error.code)
            _end(refund, RefundStatus.STUCK, error.code)
    else:
        Refund.objects.filter(pk=refund.pk).exclude(status=RefundStatus.SUCCEEDED).update(
            status=RefundStatus.PROCESSING,
            refund_id=refund_id_at_wechat,
            act_at=timezone.now() + dt.timedelta(seconds=10),
            last_error="",
        )


def record(refund: Refund, state: RefundState) -> None:
    """Write down what WeChat says of a refund. A finished one stays as it is.

    What follows a refund that WeChat closed (REFUNDCLOSE) is unverified: it is treated as stuck
    with a person to look, as money that may not have moved must not be promised again by itself.
    """
    if state.amount_fen != refund.amount_fen:
        _end(refund, RefundStatus.STUCK, "another amount at WeChat")
        return
    status = _AS_OURS[state.status]
    if status == RefundStatus.PROCESSING:
        _later(refund, status, "")
        return
    _end(refund, status, "" if status == RefundStatus.SUCCEEDED else state.status, state)


def _end(
    refund: Refund, status: RefundStatus, error: str, state: RefundState | None = None
) -> None:
    moved = (
        Refund.objects.filter(pk=refund.pk)
        .exclude(status=RefundStatus.SUCCEEDED)
        .update(
            status=status,
            act_at=None,
            last_error=error[:200],
            refund_id=state.refund_id if state is not None else refund.refund_id,
            succeeded_at=(
                (state.succeeded_at or timezone.now())
                if state is not None and status == RefundStatus.SUCCEEDED
                else None
            ),
        )
    )
    if moved:
        metrics.payment(f"refund_{status.value}")


def _later(refund: Refund, status: RefundStatus, error: str) -> None:
    """Try again after a while that doubles, up to an hour; it is never given up silently."""
    wait = min(dt.timedelta(seconds=5 * 2 ** min(refund.tries, 12)), _LONGEST_WAIT)
    if refund.tries == _STUBBORN:
        log.error("refund %s has no end after %d tries: %s", refund.pk, refund.tries, error)
    Refund.objects.filter(pk=refund.pk).exclude(status=RefundStatus.SUCCEEDED).update(
        status=status, act_at=timezone.now() + wait, last_error=error[:200]
    )
