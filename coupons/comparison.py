"""Each night WeChat's cards and our coupons are laid side by side; what differs becomes a row."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Final

from django.utils import timezone

from backend.wechat.errors import Refused, Retry
from backend.wechat.vouchers import Vouchers
from coupons import cards
from coupons.models import Card, CardDifference, CouponStatus, VoucherStock
from coupons.stocks import tonight
from shop import merchants

log = logging.getLogger(__name__)

LEASE: Final = dt.timedelta(minutes=5)
_CARDS: Final = 50
_ASKS: Final = 50
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
    """Compare the next cards of a batch; say whether there are more tonight.

    A step that is killed is made again. No transaction is open while WeChat is asked.

    Locks: none; whoever moves `compare_at` first has it.
    """
    now = timezone.now()
    due = VoucherStock.objects.filter(pk=pk, compare_at__lte=now)
    since = due.values_list("compare_at", flat=True).first()
    if since is None or not due.update(compare_at=now + LEASE):
        return False
    stock = VoucherStock.objects.select_related("account").get(pk=pk)
    client = Vouchers(merchants.pay_credentials(stock.account))
    try:
        more = _compare(stock, client, now)
    except (Refused, Retry) as error:
        log.warning("batch %s was not compared: %s", pk, error)
        again = now + dt.timedelta(minutes=10)
        VoucherStock.objects.filter(pk=pk).update(compare_at=again, error=str(error)[:200])
        return False
    VoucherStock.objects.filter(pk=pk).update(compare_at=now if more else tonight(now))
    return more


def _compare(stock: VoucherStock, client: Vouchers, now: dt.datetime) -> bool:
    night = now - dt.timedelta(hours=12)
    asked = cards.settle_asks(stock, client, now, _ASKS)
    found = cards.to_compare(stock, night, _CARDS)
    for card in found:
        _one(stock, card, client)
    if len(found) == _CARDS:
        done = Card.objects.filter(stock=stock, compared_at__gte=night)[: MOST_A_NIGHT + 1]
        return done.count() < MOST_A_NIGHT
    if asked == _ASKS and stock.cards.filter(act_at__isnull=False).exists():
        return True
    sent, _most = client.counts(stock.stock_id)
    _say(stock, None, str(stock.cards.count()), str(sent))
    return False


def _one(stock: VoucherStock, card: Card, client: Vouchers) -> None:
    appid = client.credentials.payer_appid
    try:
        theirs = client.coupon(card.openid, card.code, appid=appid).state
    except Refused as error:
        theirs = error.code
    if card.coupon is not None:
        status = CouponStatus(card.coupon.status)
        ours, fitting = status.value, _FITTING[status]
    elif card.error:
        ours, fitting = card.error, {"DEACTIVATED", *_GONE}
    else:
        ours, fitting = "waiting", {"SENDED", *_GONE}
    _say(stock, card, theirs if theirs in fitting else ours, theirs)
    Card.objects.filter(pk=card.pk).update(compared_at=timezone.now())


def _say(stock: VoucherStock, card: Card | None, ours: str, theirs: str) -> None:
    """Keep one open row where the two differ; close it where they agree."""
    rows = CardDifference.objects.filter(
        merchant_id=stock.merchant_id, stock=stock, card=card, closed_at=None
    )
    if ours == theirs:
        rows.update(closed_at=timezone.now())
        return
    said = {"ours": ours[:40], "theirs": theirs[:40]}
    if not rows.update(**said):
        CardDifference.objects.create(
            merchant_id=stock.merchant_id, stock=stock, card=card, found_at=timezone.now(), **said
        )
