"""Each night WeChat's cards and our coupons are laid side by side; what differs becomes a row."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from backend.wechat.errors import Refused, Retry
from backend.wechat.vouchers import Held, Sent, Vouchers
from coupons import cards
from coupons.batches import tonight
from coupons.models import (
    Card,
    CardAsk,
    CardDifference,
    CardReport,
    CouponStatus,
    WeChatBatch,
)
from shop import merchants

log = logging.getLogger(__name__)

LEASE: Final = dt.timedelta(minutes=5)
_NO_ANSWER_WAIT: Final = dt.timedelta(minutes=10)
# What was looked at so lately was looked at tonight.
_TONIGHT: Final = dt.timedelta(hours=12)
# A prompt that was confirmed has brought a message by then, unless it was lost.
_MESSAGE_LATE: Final = dt.timedelta(minutes=10)
_ASK_LIFE: Final = dt.timedelta(days=2)
_AT_ONCE: Final = 50
# In one night and batch; those that moved come first, the others by turns.
MOST_A_NIGHT: Final = 50_000

# What WeChat may say of a coupon whose status here is this. It expires, and people throw away,
# without telling us.
_GONE: Final = {"EXPIRED", "DELETED"}
_FITTING: Final = {
    CouponStatus.CLAIMED: {"SENDED", *_GONE},
    CouponStatus.HELD: {"SENDED", *_GONE},
    CouponStatus.USED: {"USED"},
    CouponStatus.EXPIRED: {"SENDED", *_GONE},
    CouponStatus.VOIDED: {"DEACTIVATED", *_GONE},
    CouponStatus.PASSED: {"DEACTIVATED", *_GONE},
}


def step(pk: int) -> bool:
    """Compare the next of a batch; say whether there is more tonight.

    A step that is killed is made again. No transaction is open while WeChat is asked.

    Locks: none; whoever moves `compare_at` first has it.
    """
    now = timezone.now()
    due = WeChatBatch.objects.filter(pk=pk, compare_at__lte=now)
    if not due.update(compare_at=now + LEASE):
        return False
    batch = WeChatBatch.objects.select_related("account").get(pk=pk)
    client = Vouchers(merchants.pay_credentials(batch.account))
    try:
        more = _compare(batch, client, now)
    except (Refused, Retry) as error:
        log.warning("batch %s was not compared: %s", pk, error)
        WeChatBatch.objects.filter(pk=pk).update(
            compare_at=now + _NO_ANSWER_WAIT, compare_error=str(error)[:200]
        )
        return False
    WeChatBatch.objects.filter(pk=pk).update(
        compare_at=now if more else tonight(now), compare_error=""
    )
    return more


def _compare(batch: WeChatBatch, client: Vouchers, now: dt.datetime) -> bool:
    if _settle_asks(batch, client, now) == _AT_ONCE:
        return True
    found = _to_compare(batch, now)
    for card in found:
        _one(batch, card, client)
    if len(found) == _AT_ONCE:
        done = Card.objects.filter(batch=batch, compared_at__gte=now - _TONIGHT)
        return done[: MOST_A_NIGHT + 1].count() < MOST_A_NIGHT
    sent, _most = client.counts(batch.stock_id)
    _say(batch, None, str(batch.cards.count()), str(sent))
    return False


def _settle_asks(batch: WeChatBatch, client: Vouchers, now: dt.datetime) -> int:
    """Look for coupons that were asked for and of which no message came. How many were looked for.

    Each is looked for once a night, for two nights; then nobody confirmed it.

    Raises: Refused, Retry.
    """
    asks = CardAsk.objects.filter(
        Q(looked_at=None) | Q(looked_at__lt=now - _TONIGHT),
        batch=batch,
        at__lte=now - _MESSAGE_LATE,
    ).order_by(F("looked_at").asc(nulls_first=True), "pk")[:_AT_ONCE]
    appid = client.credentials.payer_appid
    for ask in asks:
        held = client.coupons(ask.openid, batch.stock_id, appid=appid)
        found = [one for one in held if one.send_request_no == ask.request_no]
        for one in found:
            cards.note(client.credentials.mch_id, _as_sent(one, ask.openid))
        if found or ask.at <= now - _ASK_LIFE:
            ask.delete()
        else:
            CardAsk.objects.filter(pk=ask.pk).update(looked_at=now)
    return len(asks)


def _as_sent(held: Held, openid: str) -> Sent:
    at = held.received_at or timezone.now()
    return Sent(held.stock_id, held.code, openid, at, "BUSICOUPON_SEND_CHANNEL_MINIAPP")


def _to_compare(batch: WeChatBatch, now: dt.datetime) -> list[Card]:
    """Cards not compared tonight, those that moved first; not those with a report under way."""
    open_report = CardReport.objects.filter(card_id=OuterRef("pk"), act_at__isnull=False)
    rows = (
        Card.objects.select_related("coupon")
        .filter(Q(compared_at=None) | Q(compared_at__lt=now - _TONIGHT), batch=batch, act_at=None)
        .filter(~Exists(open_report))
        .exclude(openid="")
    )
    return list(rows.order_by(F("compared_at").asc(nulls_first=True), "pk")[:_AT_ONCE])


def _one(batch: WeChatBatch, card: Card, client: Vouchers) -> None:
    appid = client.credentials.payer_appid
    try:
        theirs = client.coupon(card.openid, card.code, appid=appid).state
    except Refused as error:
        if error.code != "RESOURCE_NOT_EXISTS":
            raise  # it is about us, and says nothing of the card
        theirs = error.code
    if card.coupon is not None:
        status = CouponStatus(card.coupon.status)
        ours, fitting = status.value, _FITTING[status]
    elif card.error:
        ours, fitting = card.error, {"DEACTIVATED", *_GONE}
    else:
        ours, fitting = "waiting", {"SENDED", *_GONE}
    _say(batch, card, theirs if theirs in fitting else ours, theirs)
    Card.objects.filter(pk=card.pk).update(compared_at=timezone.now())


def _say(batch: WeChatBatch, card: Card | None, ours: str, theirs: str) -> None:
    """Keep one open row where the two differ; close it where they agree."""
    rows = CardDifference.objects.filter(
        merchant_id=batch.merchant_id, batch=batch, card=card, closed_at=None
    )
    if ours == theirs:
        rows.update(closed_at=timezone.now())
        return
    said = {"ours": ours[:40], "theirs": theirs[:40]}
    if not rows.update(**said):
        CardDifference.objects.create(
            merchant_id=batch.merchant_id, batch=batch, card=card, found_at=timezone.now(), **said
        )
