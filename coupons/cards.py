"""Coupons in WeChat's card pack: asked for, taken into the wallet, told of what becomes of them.

WeChat tells us of a coupon once it is sent, and of nothing after; that it was used, is unused again
or void, we tell WeChat. The reports are written by the statements of `coupons.wallet`, with what
they report.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError, NotFound
from backend.wechat.errors import BadSignature, Refused, Retry
from backend.wechat.vouchers import Held, Sent, Vouchers, is_ready, send_params
from coupons import claiming, queries, wallet
from coupons.models import (
    Card,
    CardAsk,
    CardReport,
    Coupon,
    CouponStatus,
    CouponTemplate,
    VoucherStock,
    Way,
)
from shop import merchants
from shop.models import Customer, Identity, PayAccount

log = logging.getLogger(__name__)

LEASE: Final = dt.timedelta(seconds=60)
_LONGEST_WAIT: Final = dt.timedelta(hours=1)
_ASK_LIFE: Final = dt.timedelta(days=2)


class NotAtWeChat(DomainError):
    code = "not_at_wechat"
    message = _("This voucher can't be put into WeChat's card pack.")


def _published(**where: Any) -> VoucherStock:
    stock = (
        VoucherStock.objects.select_related("account", "template")
        .filter(state=VoucherStock.State.PUBLISHED, **where)
        .first()
    )
    if stock is None:
        raise NotAtWeChat
    return stock


def ask_for_template(customer: Customer, template: int) -> dict[str, Any]:
    """What the send-coupon plugin takes, for a voucher that WeChat itself gives out.

    Nothing is counted until WeChat says that it was sent.

    Raises: NotFound, NotAtWeChat, and what `claiming.claim` refuses.
    """
    offered = CouponTemplate.objects.filter(
        pk=template, merchant_id=customer.merchant_id, is_published=True, way=Way.WECHAT
    )
    if not offered.exists():
        raise NotFound(f"coupon template {template}")
    stock = _published(merchant_id=customer.merchant_id, template_id=template)
    giving = claiming.Giving(customer.merchant_id, template, customer.pk, Way.WECHAT)
    if refusal := claiming.refusal(giving, timezone.now()):
        raise refusal
    return _ask(stock, customer, secrets.token_hex(16), "")


def ask_for_coupon(customer: Customer, coupon_id: int) -> dict[str, Any]:
    """What the send-coupon plugin takes, for a coupon that was claimed here.

    Raises: NotFound, NotAtWeChat, CouponUnavailable.
    """
    coupon = queries.one(customer, coupon_id)
    stock = _published(
        merchant_id=customer.merchant_id,
        template_id=coupon.template_id,
        code_mode=VoucherStock.Mode.OURS,
    )
    if coupon.status != CouponStatus.CLAIMED or coupon.valid_until <= timezone.now():
        raise wallet.CouponUnavailable(f"coupon {coupon_id}", detail={"coupon": coupon_id})
    return _ask(stock, customer, f"COUPON{coupon.pk}", coupon.code)


def _ask(stock: VoucherStock, customer: Customer, number: str, code: str) -> dict[str, Any]:
    credentials = merchants.pay_credentials(stock.account)
    _appid, openid = merchants.payer(customer.merchant_id, customer.pk, credentials.payer_appid)
    CardAsk.objects.get_or_create(
        merchant_id=customer.merchant_id,
        request_no=number,
        defaults={
            "stock": stock, "customer": customer, "openid": openid, "at": timezone.now(),
        },
    )  # fmt: skip
    item = {"stock_id": stock.stock_id, "out_request_no": number, "coupon_code": code}
    return send_params([item], mch_id=credentials.mch_id, api_key=credentials.api_key)


def read(accounts: list[PayAccount], headers: dict[str, str], body: bytes) -> Sent | None:
    """A message of WeChat's, if it is authentic by a key of one of the accounts."""
    for account in accounts:
        credentials = merchants.pay_credentials(account)
        if not is_ready(credentials):
            continue
        try:
            return Vouchers(credentials).notification(headers, body)
        except (BadSignature, Refused):
            continue
    return None


def note(merchant: int, sent: Sent) -> bool:
    """Keep that a coupon was sent; say whether it is news, of a batch of ours.

    Locks: none. Told again, or twice at once, it is kept once.
    """
    stock = VoucherStock.objects.filter(merchant_id=merchant, stock_id=sent.stock_id).first()
    if stock is None:
        log.warning("a coupon of a batch that merchant %s has not published here", merchant)
        return False
    _card, new = Card.objects.get_or_create(
        merchant_id=merchant,
        stock=stock,
        code=sent.code,
        defaults={
            "openid": sent.openid, "channel": sent.channel[:60], "sent_at": sent.at,
            "act_at": timezone.now(),
        },
    )  # fmt: skip
    return new


def take_in(card_id: int) -> None:
    """Put a card's coupon into the wallet of its customer, or know why not. Again, it is done.

    Locks: the card, then one of the template's lots.
    """
    with transaction.atomic():
        card = (
            Card.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("stock")
            .filter(pk=card_id, act_at__lte=timezone.now(), coupon=None, error="")
            .first()
        )
        if card is None:
            return
        try:
            coupon = _coupon_of(card)
        except DomainError as error:
            # WeChat gave what we don't: its card becomes void, and a row says why.
            card.error = error.code[:40]
            _report(card, CardReport.Call.DEACTIVATE)
        else:
            card.coupon = coupon
            if coupon is not None:
                _catch_up(card, coupon)
        card.act_at, card.compared_at = None, None
        card.save()


def _coupon_of(card: Card) -> Coupon | None:
    """Ours of a card; None while nobody here has its openid.

    Raises: DomainError where there can be none.
    """
    stock = card.stock
    if stock.code_mode == VoucherStock.Mode.OURS:
        found = Coupon.objects.filter(
            merchant_id=card.merchant_id, template_id=stock.template_id, code=card.code
        ).first()
        if found is None:
            raise NotFound("a card with a code that is nobody's")
        return found
    customer = (
        Identity.objects.filter(merchant_id=card.merchant_id, openid=card.openid)
        .values_list("customer_id", flat=True)
        .first()
    )
    if customer is None:
        return None
    giving = claiming.Giving(
        card.merchant_id, stock.template_id, customer, Way.WECHAT, key=f" card:{card.pk}",
        source={"channel": card.channel}, reference=f"card:{card.pk}",
    )  # fmt: skip
    return claiming.give(giving)[0]


def _catch_up(card: Card, coupon: Coupon) -> None:
    """What became of a coupon before WeChat's message was read is reported now."""
    if coupon.status == CouponStatus.USED:
        _report(card, CardReport.Call.USE)
    elif coupon.status in (CouponStatus.VOIDED, CouponStatus.PASSED):
        _report(card, CardReport.Call.DEACTIVATE)


def _report(card: Card, call: CardReport.Call) -> None:
    now = timezone.now()
    CardReport.objects.create(
        merchant_id=card.merchant_id, card=card, call=call, request_no=secrets.token_hex(16),
        at=now, act_at=now,
    )  # fmt: skip


def land(customer: Customer) -> int:
    """Cards that came before their owner did are looked at again. How many there are.

    Locks: none.
    """
    openids = list(
        Identity.objects.filter(merchant_id=customer.merchant_id, customer=customer).values_list(
            "openid", flat=True
        )
    )
    return Card.objects.filter(
        merchant_id=customer.merchant_id, openid__in=openids, coupon=None, error="", act_at=None
    ).update(act_at=timezone.now())


def due_reports(at: dt.datetime, limit: int) -> list[int]:
    """Reports to be made, of each card the oldest that is open: WeChat hears them in order."""
    before = CardReport.objects.filter(
        card_id=OuterRef("card_id"), pk__lt=OuterRef("pk"), act_at__isnull=False
    )
    rows = CardReport.objects.filter(~Exists(before), act_at__lte=at).order_by("act_at")
    return list(rows.values_list("pk", flat=True)[:limit])


def report(pk: int) -> None:
    """Tell WeChat what became of a coupon. Killed in the middle, it is told with the same number.

    Locks: none while WeChat is asked; whoever moves `act_at` first has it.
    """
    now = timezone.now()
    mine = CardReport.objects.filter(pk=pk, act_at__lte=now)
    if not mine.update(act_at=now + LEASE, tries=F("tries") + 1):
        return
    row = CardReport.objects.select_related("card__stock__account").get(pk=pk)
    error, act_at = "", None
    try:
        _tell(row)
    except Refused as refusal:
        # Somebody there did it otherwise: the comparison shows what.
        error = str(refusal)
    except Retry as doubt:
        wait = min(dt.timedelta(seconds=5) * 2 ** min(row.tries, 10), _LONGEST_WAIT)
        error, act_at = str(doubt), timezone.now() + wait
    CardReport.objects.filter(pk=pk).update(error=error[:200], act_at=act_at)
    Card.objects.filter(pk=row.card_id).update(compared_at=None)


def _tell(row: CardReport) -> None:
    card, stock = row.card, row.card.stock
    credentials = merchants.pay_credentials(stock.account)
    client = Vouchers(credentials)
    match row.call:
        case CardReport.Call.USE:
            client.use(
                stock.stock_id, card.code, appid=credentials.payer_appid,
                at=timezone.localtime(row.at), request_no=row.request_no,
            )  # fmt: skip
        case CardReport.Call.RETURN:
            client.give_back(stock.stock_id, card.code, request_no=row.request_no)
        case _:
            client.deactivate(
                stock.stock_id, card.code, reason=card.error or "void", request_no=row.request_no
            )


def settle_asks(stock: VoucherStock, client: Vouchers, at: dt.datetime, limit: int) -> int:
    """Look for coupons that were asked for and of which no message came. How many were looked at.

    Raises: Refused, Retry.
    """
    asks = CardAsk.objects.filter(
        stock=stock, is_settled=False, at__lte=at - dt.timedelta(minutes=10)
    ).order_by("at")
    appid = client.credentials.payer_appid
    looked = 0
    for ask in asks[:limit]:
        held = client.coupons(ask.openid, stock.stock_id, appid=appid)
        found = [one for one in held if one.send_request_no == ask.request_no]
        for one in found:
            note(stock.merchant_id, _as_sent(one, ask.openid))
        if found or ask.at <= at - _ASK_LIFE:
            CardAsk.objects.filter(pk=ask.pk).update(is_settled=True)
        looked += 1
    return looked


def _as_sent(held: Held, openid: str) -> Sent:
    at = held.received_at or timezone.now()
    return Sent(held.stock_id, held.code, openid, at, "BUSICOUPON_SEND_CHANNEL_MINIAPP")


def is_carded(coupon: Coupon) -> bool:
    """Whether a coupon lies in somebody's card pack, which no friend of theirs has."""
    return Card.objects.filter(coupon=coupon).exists()


def to_compare(stock: VoucherStock, since: dt.datetime, limit: int) -> list[Card]:
    """Cards not compared since then, those that moved first; not those with a report under way."""
    open_report = CardReport.objects.filter(card_id=OuterRef("pk"), act_at__isnull=False)
    rows = (
        Card.objects.select_related("coupon")
        .filter(Q(compared_at=None) | Q(compared_at__lt=since), stock=stock, act_at=None)
        .filter(~Exists(open_report))
        .exclude(openid="")
    )
    return list(rows.order_by(F("compared_at").asc(nulls_first=True), "pk")[:limit])
