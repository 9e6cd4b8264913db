"""What becomes of coupons in WeChat's card pack is told to WeChat, in order, until it has it.

WeChat tells us of a coupon once it is sent, and of nothing after. The reports are written by the
statements of `coupons.wallet`, with what they report.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from backend.wechat.errors import Refused, Retry
from backend.wechat.vouchers import OUR_FAULT, Vouchers
from coupons.models import Card, CardReport
from shop import merchants

LEASE: Final = dt.timedelta(seconds=60)
_FIRST_WAIT: Final = dt.timedelta(seconds=5)
_LONGEST_WAIT: Final = dt.timedelta(hours=1)
_MOST_DOUBLINGS: Final = 10


def due(at: dt.datetime, limit: int) -> list[int]:
    """Reports to be made, of each card the oldest that is open: WeChat hears them in order."""
    before = CardReport.objects.filter(
        card_id=OuterRef("card_id"), pk__lt=OuterRef("pk"), act_at__isnull=False
    )
    rows = CardReport.objects.filter(~Exists(before), act_at__lte=at).order_by("act_at")
    return list(rows.values_list("pk", flat=True)[:limit])


def again(pk: int) -> bool:
    """What WeChat refused is told once more. Say whether it had been refused.

    Locks: the report, for one statement.
    """
    refused = CardReport.objects.filter(pk=pk, act_at=None).exclude(error="")
    return bool(refused.update(act_at=timezone.now()))


def report(pk: int) -> None:
    """Tell WeChat what became of a coupon. Killed in the middle, it is told with the same number.

    Locks: none while WeChat is asked; whoever moves `act_at` first has it.
    """
    now = timezone.now()
    mine = CardReport.objects.filter(pk=pk, act_at__lte=now)
    if not mine.update(act_at=now + LEASE, tries=F("tries") + 1):
        return
    row = CardReport.objects.select_related("card__batch__account").get(pk=pk)
    error: str = ""
    act_at: dt.datetime | None = None
    try:
        _tell(row)
    except Refused as refusal:
        # Somebody there did it otherwise: the comparison shows what. But keys that don't fit are
        # ours to mend, and nothing is lost by it.
        error = str(refusal)
        act_at = timezone.now() + _LONGEST_WAIT if refusal.code in OUR_FAULT else None
    except Retry as doubt:
        wait = min(_FIRST_WAIT * 2 ** min(row.tries, _MOST_DOUBLINGS), _LONGEST_WAIT)
        error, act_at = str(doubt), timezone.now() + wait
    CardReport.objects.filter(pk=pk).update(error=error[:200], act_at=act_at)
    Card.objects.filter(pk=row.card_id).update(compared_at=None)


def _tell(row: CardReport) -> None:
    card, batch = row.card, row.card.batch
    credentials = merchants.pay_credentials(batch.account)
    client = Vouchers(credentials)
    match row.call:
        case CardReport.Call.USE:
            client.use(
                batch.stock_id, card.code, appid=credentials.payer_appid,
                at=timezone.localtime(row.at), request_no=row.request_no,
            )  # fmt: skip
        case CardReport.Call.RETURN:
            client.give_back(batch.stock_id, card.code, request_no=row.request_no)
        case _:
            client.deactivate(
                batch.stock_id, card.code, reason=card.error or "void", request_no=row.request_no
            )
