"""Coupons in WeChat's card pack: asked for by a shopper, and taken into the wallet once sent."""

from __future__ import annotations

import datetime as dt
import logging
import secrets
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError, NotFound
from backend.wechat.errors import BadSignature, Refused
from backend.wechat.vouchers import Sent, Vouchers, is_ready, send_params
from coupons import claiming, queries, wallet
from coupons.models import (
    Card,
    CardAsk,
    CardReport,
    Coupon,
    CouponStatus,
    CouponTemplate,
    Way,
    WeChatBatch,
)
from shop import merchants
from shop.models import Customer, Identity, PayAccount

log = logging.getLogger(__name__)

# So long a prompt of the plugin may still be confirmed; the same tap again asks for the same one.
_PROMPT_LIFE: Final = dt.timedelta(minutes=10)
# WeChat's clock and ours agree to within this.
_CLOCKS: Final = dt.timedelta(minutes=1)


class NotAtWeChat(DomainError):
    code = "not_at_wechat"
    message = _("This voucher can't be put into WeChat's card pack.")


def _published(**where: Any) -> WeChatBatch:
    batch = (
        WeChatBatch.objects.select_related("account", "template")
        .filter(state=WeChatBatch.State.PUBLISHED, **where)
        .first()
    )
    if batch is None:
        raise NotAtWeChat
    return batch


def ask_for_template(customer: Customer, template: int) -> dict[str, Any]:
    """What the send-coupon plugin takes, for a voucher that WeChat itself gives out.

    Nothing is counted until WeChat says that it was sent. A second tap asks for the same one.

    Raises: NotFound, NotAtWeChat, NoPayAccount, and what `claiming.claim` refuses.
    """
    offered = CouponTemplate.objects.filter(
        pk=template, merchant_id=customer.merchant_id, is_published=True, way=Way.WECHAT
    )
    if not offered.exists():
        raise NotFound(f"coupon template {template}")
    batch = _published(merchant_id=customer.merchant_id, template_id=template)
    giving = claiming.Giving(customer.merchant_id, template, customer.pk, Way.WECHAT)
    if refusal := claiming.refusal(giving, timezone.now()):
        raise refusal
    return _ask(batch, customer, secrets.token_hex(16), "")


def ask_for_coupon(customer: Customer, coupon_id: int) -> dict[str, Any]:
    """What the send-coupon plugin takes, for a coupon that was claimed here.

    Raises: NotFound, NotAtWeChat, NoPayAccount, CouponUnavailable.
    """
    coupon = queries.one(customer, coupon_id)
    batch = _published(
        merchant_id=customer.merchant_id,
        template_id=coupon.template_id,
        code_mode=WeChatBatch.Mode.OURS,
    )
    # One that is not valid yet may lie in a card pack: WeChat is told from when on it is.
    wallet.check_usable(coupon, max(timezone.now(), coupon.valid_from))
    return _ask(batch, customer, f"COUPON{coupon.pk}", coupon.code)


def _ask(batch: WeChatBatch, customer: Customer, number: str, code: str) -> dict[str, Any]:
    """Signed parameters under this number, or under the one of a prompt that may still be open."""
    credentials = merchants.pay_credentials(batch.account)
    _appid, openid = merchants.payer(customer.merchant_id, customer.pk, credentials.payer_appid)
    now = timezone.now()
    open_one = CardAsk.objects.filter(
        batch=batch, customer=customer, looked_at=None, at__gt=now - _PROMPT_LIFE
    )
    if not code:
        number = open_one.values_list("request_no", flat=True).first() or number
    CardAsk.objects.get_or_create(
        merchant_id=customer.merchant_id,
        request_no=number,
        defaults={"batch": batch, "customer": customer, "openid": openid, "at": now},
    )
    item = {"stock_id": batch.stock_id, "out_request_no": number, "coupon_code": code}
    return send_params([item], mch_id=credentials.mch_id, api_key=credentials.api_key)


def read(
    accounts: list[PayAccount], headers: dict[str, str], body: bytes
) -> tuple[str, Sent] | None:
    """A message of WeChat's that is authentic by an account's key, and that account's number."""
    for account in accounts:
        credentials = merchants.pay_credentials(account)
        if not is_ready(credentials):
            continue
        try:
            return credentials.mch_id, Vouchers(credentials).notification(headers, body)
        except (BadSignature, Refused):
            continue
    return None


def note(mch_id: str, sent: Sent) -> bool:
    """Keep that a coupon was sent; say whether its batch is one of ours.

    The batch is looked up by the number that was told: merchants who share a service provider's
    share its address. Told again, or twice at once, it is kept once.

    Locks: none.
    """
    batch = WeChatBatch.objects.filter(account__mch_id=mch_id, stock_id=sent.stock_id).first()
    if batch is None:
        log.warning("a coupon of batch %s, which nobody has published here", sent.stock_id)
        return False
    card, new = Card.objects.get_or_create(
        merchant_id=batch.merchant_id,
        batch=batch,
        code=sent.code,
        defaults={
            "openid": sent.openid, "channel": sent.channel[:60], "sent_at": sent.at,
            "act_at": timezone.now(),
        },
    )  # fmt: skip
    if sent.openid and (new or _named(card, sent.openid)):
        _settle(batch, sent.openid)
    return True


def _named(card: Card, openid: str) -> bool:
    """Whether it is only now that WeChat says whose a card is: then it is looked at again."""
    nobodys = Card.objects.filter(pk=card.pk, openid="", coupon=None, error="")
    return bool(nobodys.update(openid=openid, act_at=timezone.now()))


def _settle(batch: WeChatBatch, openid: str) -> None:
    """Forget what a person asked for, once as many coupons have come as they asked for.

    A message doesn't say which request it answers; where one is missing, the night asks WeChat.
    """
    asks = CardAsk.objects.filter(batch=batch, openid=openid)
    first = asks.order_by("at").values_list("at", flat=True).first()
    if first is not None:
        come = Card.objects.filter(batch=batch, openid=openid, sent_at__gte=first - _CLOCKS)
        if come.count() >= asks.count():
            asks.delete()


def take_in(card_id: int) -> None:
    """Put a card's coupon into the wallet of its customer, or know why not. Again, it is done.

    Locks: the card, then one of the template's lots.
    """
    with transaction.atomic():
        card = (
            Card.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("batch")
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
    batch = card.batch
    if batch.code_mode == WeChatBatch.Mode.OURS:
        found = Coupon.objects.filter(
            merchant_id=card.merchant_id, template_id=batch.template_id, code=card.code
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
        card.merchant_id, batch.template_id, customer, Way.WECHAT, key=f" card:{card.pk}",
        source={"channel": card.channel}, reference=f"card:{card.pk}", given_at=card.sent_at,
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
        merchant_id=customer.merchant_id, openid__in=openids, coupon=None, error=""
    ).update(act_at=timezone.now())


def forget(customer: Customer) -> None:
    """Nobody's openid stays behind: the person's cards are no longer compared, nor waited for.

    Locks: their cards. Callers hold a transaction, and have not deleted the identities yet.
    """
    openids = list(
        Identity.objects.filter(merchant_id=customer.merchant_id, customer=customer).values_list(
            "openid", flat=True
        )
    )
    CardAsk.objects.filter(merchant_id=customer.merchant_id, customer=customer).delete()
    Card.objects.filter(merchant_id=customer.merchant_id, openid__in=openids).update(openid="")


def is_carded(coupon: Coupon) -> bool:
    """Whether a coupon lies in somebody's card pack, which no friend of theirs has."""
    return Card.objects.filter(coupon=coupon).exists()
