"""A template published as a batch of WeChat's, told of what changes, and stopped.

What WeChat can't say of a voucher refuses to be published, by name: its card would be untrue.
Whom, where and which goods a voucher is for, the card says in words; we decide when it is redeemed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from typing import Any, Final

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.wechat import vouchers
from backend.wechat.errors import Refused, Retry
from backend.wechat.vouchers import MOST_CODES, Vouchers, is_ready
from coupons import offers, promotions
from coupons.models import CouponTemplate, Way, WeChatBatch
from shop import merchants
from shop.models import PayAccount

State = WeChatBatch.State
LEASE: Final = dt.timedelta(seconds=60)
_FIRST_WAIT: Final = dt.timedelta(seconds=15)
_LONGEST_WAIT: Final = dt.timedelta(hours=1)
_MOST_DOUBLINGS: Final = 10


class NotExpressible(DomainError):
    """`detail["term"]` names what WeChat's card can't say."""

    code = "not_expressible"
    message = _("WeChat's card can't say this.")


class NotReady(DomainError):
    code = "pay_account_not_ready"
    message = _("This pay account lacks its API v3 keys.")


# Terms of ours that contradict the card rather than narrow it.
_UNSAYABLE: Final = ("tiers", "cap_fen", "blackouts")


def expressed(template: CouponTemplate) -> None:
    """Refuse what WeChat's card can't say of a template.

    Raises: NotExpressible, naming the term.
    """
    terms = template.terms
    if template.way == Way.AUTOMATIC:
        raise _no("way")
    for name in _UNSAYABLE:
        if name in terms:
            raise _no(name)
    if len(template.name) > vouchers.MOST_NAME:
        raise _no("name")
    for name in ("per_store", "per_customer_per_day", "per_day"):
        if getattr(template, name) is not None:
            raise _no(name)
    for name in ("threshold_fen", "off_fen", "price_fen"):
        if terms.get(name, 0) > vouchers.MOST_FEN:
            raise _no(name)
    if template.kind not in _KINDS:
        raise _no("kind")
    if template.valid_delay_days > vouchers.MOST_WAIT_DAYS:
        raise _no("valid_delay_days")
    if len(terms.get("hours", ())) > vouchers.MOST_SPANS:
        raise _no("hours")
    begins, ends = _usable(template)
    if ends - begins > vouchers.LONGEST:
        raise _no("valid_until" if template.valid_days is None else "valid_days")


def _no(name: str) -> NotExpressible:
    return NotExpressible(
        name, message=_("WeChat's card can't say: %(term)s") % {"term": name}, detail={"term": name}
    )


# A kind of ours, WeChat's for it, and the term that says how much.
_KINDS: Final = {
    "spend_and_save": (vouchers.Kind.AMOUNT_OFF, "off_fen"),
    "amount_off": (vouchers.Kind.AMOUNT_OFF, "off_fen"),
    "percent_off": (vouchers.Kind.PERCENT, "pay_percent"),
    "exchange": (vouchers.Kind.EXCHANGE, "price_fen"),
}


def _usable(template: CouponTemplate) -> tuple[dt.datetime, dt.datetime]:
    """From when until when any coupon of a template can be used."""
    if template.valid_days is None:
        assert template.valid_from is not None  # noqa: S101 (a constraint of the template's)
        assert template.valid_until is not None  # noqa: S101
        return template.valid_from, template.valid_until
    days = template.valid_delay_days + template.valid_days
    return template.starts_at, template.ends_at + dt.timedelta(days=days)


def check(template: CouponTemplate, account: PayAccount, mode: str) -> None:
    """Refuse what could not be published.

    Raises: NotExpressible, NotReady.
    """
    expressed(template)
    by_wechat = mode != WeChatBatch.Mode.OURS
    if by_wechat != (template.way == Way.WECHAT):
        # Counted once: by WeChat where it makes the coupons, by us where they are claimed here.
        raise _no("way")
    if not is_ready(merchants.pay_credentials(account)):
        raise NotReady


def due(template: CouponTemplate) -> None:
    """WeChat is to be told of a template's change, where it has it.

    Locks: the batch, for one statement.
    """
    WeChatBatch.objects.filter(template=template).exclude(stock_id="").exclude(
        state__in=[State.STOPPING, State.STOPPED]
    ).update(act_at=timezone.now(), tries=0)


def stop(batch: int) -> bool:
    """WeChat sends no more of it; what was sent stays good. Say whether it was published.

    A batch of which nothing was sent keeps one: WeChat takes no total of nothing.

    Locks: the batch, for one statement.
    """
    return bool(
        WeChatBatch.objects.filter(pk=batch, state=State.PUBLISHED).update(
            state=State.STOPPING, act_at=timezone.now(), tries=0
        )
    )


def again(batch: int) -> bool:
    """What WeChat refused is told again. Say whether anything was.

    Locks: the batch, for one statement.
    """
    refused = WeChatBatch.objects.filter(pk=batch, act_at=None).exclude(error="")
    return bool(refused.update(act_at=timezone.now(), tries=0))


def advance(pk: int) -> bool:
    """Tell WeChat the next thing of a batch; say whether there is more. Nothing is told twice.

    Killed in the middle, it is repeated with the same numbers. What staff change meanwhile stays,
    and is told next: of the row only what was told is written. A no is kept where staff see it.

    Locks: none while WeChat is asked; whoever moves `act_at` first has it.
    """
    now = timezone.now()
    lease = now + LEASE
    if not WeChatBatch.objects.filter(pk=pk, act_at__lte=now).update(act_at=lease):
        return False
    batch = WeChatBatch.objects.select_related("template", "account", "merchant").get(pk=pk)
    error, act_at, more = "", None, False
    try:
        told = _advance(batch)
    except Refused as refusal:
        error = str(refusal)
    except DomainError as refusal:
        error = f"{refusal.code}: {refusal.note}"
    except Retry as doubt:
        wait = min(_FIRST_WAIT * 2 ** min(batch.tries, _MOST_DOUBLINGS), _LONGEST_WAIT)
        error, act_at = str(doubt), timezone.now() + wait
    else:
        state = told.pop("state", None)
        more = state is None
        act_at = timezone.now() if more else None
        WeChatBatch.objects.filter(pk=pk).update(**told)
        if state is not None:
            WeChatBatch.objects.filter(pk=pk, state=batch.state).update(state=state)
    # Where staff have made it due anew, it is.
    WeChatBatch.objects.filter(pk=pk, act_at=lease).update(
        act_at=act_at, error=error[:200], tries=batch.tries + 1 if act_at and error else 0
    )
    return more


def _advance(batch: WeChatBatch) -> dict[str, Any]:
    """Tell WeChat one thing; what is true of the row now. With a `state` it was the last."""
    client = Vouchers(merchants.pay_credentials(batch.account))
    if not batch.stock_id:
        return _create(client, batch)
    sent, most = client.counts(batch.stock_id)
    if batch.state == State.STOPPING:
        return {**_tell_total(client, batch, max(sent, 1), most), "state": State.STOPPED}
    if batch.goods_name != batch.told_goods_name:
        changes = {"goods_name": batch.goods_name}
        client.modify(batch.stock_id, changes, _number(batch, batch.goods_name))
        return {"told_goods_name": batch.goods_name, "changes": batch.changes + 1}
    may = offers.allowance(batch.template)
    if may != most:
        return _tell_total(client, batch, may, most)
    if batch.code_mode == WeChatBatch.Mode.POOL and batch.uploaded < may:
        first, last = batch.uploaded, min(batch.uploaded + MOST_CODES, may)
        codes = [_pool_code(batch, place) for place in range(first, last)]
        client.upload_codes(batch.stock_id, codes, f"{batch.request_no}U{first}")
        return {"uploaded": last}
    tonight_at = batch.compare_at or tonight(timezone.now())
    return {"told_total": may, "compare_at": tonight_at, "state": State.PUBLISHED}


def _create(client: Vouchers, batch: WeChatBatch) -> dict[str, Any]:
    template, may = batch.template, offers.allowance(batch.template)
    check(template, batch.account, batch.code_mode)
    terms, (kind, amount) = template.terms, _KINDS[template.kind]
    begins, ends = _usable(template)
    with translation.override(settings.LANGUAGE_CODE):  # whoever asked, the card is read in China
        words = promotions.text(template.kind, terms)
    new = vouchers.NewBatch(
        name=template.name,
        goods_name=batch.goods_name,
        description=words,
        kind=kind,
        amount=terms.get(amount, 0),
        least_fen=terms.get("threshold_fen", 0),
        begins=begins,
        ends=ends,
        days=template.valid_days,
        wait_days=template.valid_delay_days,
        weekdays=tuple(terms.get("weekdays", ())),
        hours=tuple(
            (dt.time.fromisoformat(opens), dt.time.fromisoformat(closes))
            for opens, closes in terms.get("hours", ())
        ),
        total=may,
        per_person=template.per_customer,
        path=batch.path,
        code_mode=batch.code_mode,
    )
    client.set_callback(
        f"{settings.PUBLIC_BASE_URL}/webhooks/wechat-vouchers/{batch.merchant.slug}"
    )
    return {
        "stock_id": client.create(new, batch.request_no),
        "told_total": may,
        "told_goods_name": batch.goods_name,
    }


def _tell_total(client: Vouchers, batch: WeChatBatch, target: int, current: int) -> dict[str, Any]:
    if target != current:
        number = _number(batch, f"{current}>{target}")
        client.budget(batch.stock_id, target=target, current=current, request_no=number)
    return {"told_total": target, "changes": batch.changes + 1}


def _number(batch: WeChatBatch, what: str) -> str:
    """The request number of a change: the same while it is repeated, another for another."""
    digest = hashlib.sha256(f"{batch.changes}:{what}".encode()).hexdigest()
    return f"{batch.request_no}-{digest[:6]}"


def _pool_code(batch: WeChatBatch, place: int) -> str:
    """The code at a place of the pool: nobody guesses it, and a repeated upload has the same."""
    said = f"pool:{batch.pk}:{place}"
    return hmac.new(settings.SECRET_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()[:24]


def tonight(at: dt.datetime) -> dt.datetime:
    """The next three o'clock in the shop's own night."""
    local = timezone.localtime(at)
    three = local.replace(hour=3, minute=0, second=0, microsecond=0)
    return three if three > local else three + dt.timedelta(days=1)


def stop_ended(at: dt.datetime) -> int:
    """Batches whose template's days are over are stopped. How many there were."""
    return WeChatBatch.objects.filter(state=State.PUBLISHED, template__ends_at__lte=at).update(
        state=State.STOPPING, act_at=at, tries=0
    )
