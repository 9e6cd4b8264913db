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
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.wechat.errors import Refused, Retry
from backend.wechat.vouchers import MOST_CODES, Vouchers, is_ready
from coupons import offers, promotions
from coupons.models import CouponTemplate, VoucherStock, Way
from shop import merchants
from shop.models import PayAccount

State = VoucherStock.State
LEASE: Final = dt.timedelta(seconds=60)
_LONGEST_WAIT: Final = dt.timedelta(hours=1)


class NotExpressible(DomainError):
    """`detail["term"]` names what WeChat's card can't say."""

    code = "not_expressible"
    message = _("WeChat's card can't say this.")


class NotReady(DomainError):
    code = "pay_account_not_ready"
    message = _("This pay account lacks its API v3 keys.")


# Terms of ours that contradict the card rather than narrow it.
_UNSAYABLE: Final = ("tiers", "cap_fen", "units", "blackouts")
_MOST_NAME: Final = 21
_YEAR: Final = dt.timedelta(days=365)
_MOST_FEN: Final = 10_000_000


def expressed(template: CouponTemplate) -> dict[str, Any]:
    """What WeChat is told of a template's kind, validity and limits.

    Source: 创建商家券, the fields of coupon_use_rule and stock_send_rule.
    Raises: NotExpressible, naming the term.
    """
    terms = template.terms
    for name in _UNSAYABLE:
        if name in terms:
            raise _no(name)
    if len(template.name) > _MOST_NAME:
        raise _no("name")
    for name in ("per_store", "per_customer_per_day", "per_day"):
        if getattr(template, name) is not None:
            raise _no(name)
    kind, worth = _worth(template)
    return {
        "stock_name": template.name,
        "stock_type": kind,
        "coupon_use_rule": {**worth, "coupon_available_time": _times(template)},
        "stock_send_rule": {"max_coupons_per_user": template.per_customer},
    }


def _no(name: str) -> NotExpressible:
    return NotExpressible(
        name, message=_("WeChat's card can't say: %(term)s") % {"term": name}, detail={"term": name}
    )


def _worth(template: CouponTemplate) -> tuple[str, dict[str, Any]]:
    terms = template.terms
    least = terms.get("threshold_fen") or 1
    match template.kind:
        case "spend_and_save" | "amount_off":
            fixed = {"discount_amount": terms["off_fen"], "transaction_minimum": least}
            _bounded(fixed)
            return "NORMAL", {"fixed_normal_coupon": fixed}
        case "percent_off":
            cut = {"discount_percent": terms["pay_percent"], "transaction_minimum": least}
            _bounded(cut)
            return "DISCOUNT", {"discount_coupon": cut}
        case "exchange":
            swap = {"exchange_price": terms.get("price_fen", 0), "transaction_minimum": least}
            _bounded(swap)
            return "EXCHANGE", {"exchange_coupon": swap}
    raise _no("kind")


def _bounded(amounts: dict[str, int]) -> None:
    for name, value in amounts.items():
        if value > _MOST_FEN:
            raise _no(name)


def _times(template: CouponTemplate) -> dict[str, Any]:
    times: dict[str, Any] = {}
    if template.valid_days is not None:
        begins = template.starts_at
        days = template.valid_delay_days + template.valid_days
        ends = template.ends_at + dt.timedelta(days=days)
        times["available_day_after_receive"] = template.valid_days
        if template.valid_delay_days > 30:
            raise _no("valid_delay_days")
        if template.valid_delay_days:
            times["wait_days_after_receive"] = template.valid_delay_days
    else:
        assert template.valid_from is not None  # noqa: S101 (a constraint of the template's)
        assert template.valid_until is not None  # noqa: S101
        begins, ends = template.valid_from, template.valid_until
    if ends - begins > _YEAR:
        raise _no("valid_until")
    for name, moment in (("begin", begins), ("end", ends)):
        text = timezone.localtime(moment).isoformat(timespec="seconds")
        times[f"available_{name}_time"] = text
    if "weekdays" in template.terms or "hours" in template.terms:
        times["available_week"] = _week(template.terms)
    return times


def _week(terms: dict[str, Any]) -> dict[str, Any]:
    """WeChat counts days from Sunday, and seconds in a day."""
    days = sorted((day + 1) % 7 for day in terms.get("weekdays", range(7)))
    hours = terms.get("hours", [])
    if len(hours) > 2:
        raise _no("hours")
    spans = [
        {"begin_time": _seconds(begins), "end_time": _seconds(ends) - 1} for begins, ends in hours
    ]
    return {"week_day": days} | ({"available_day_time": spans} if spans else {})


def _seconds(text: str) -> int:
    at = dt.time.fromisoformat(text)
    return at.hour * 3600 + at.minute * 60


def check(template: CouponTemplate, account: PayAccount, mode: str) -> None:
    """Refuse what could not be published.

    Raises: NotExpressible, NotReady.
    """
    expressed(template)
    by_wechat = mode != VoucherStock.Mode.OURS
    if by_wechat != (template.way == Way.WECHAT):
        # Counted once: by WeChat where it makes the coupons, by us where they are claimed here.
        raise _no("way")
    if not is_ready(merchants.pay_credentials(account)):
        raise NotReady


def due(template: CouponTemplate) -> None:
    """WeChat is to be told of a template's change, where it has it."""
    VoucherStock.objects.filter(template=template, state=State.PUBLISHED).update(
        act_at=timezone.now(), tries=0
    )


def stop(stock_id: int) -> bool:
    """WeChat sends no more of it; what was sent stays good. Say whether it was published."""
    return bool(
        VoucherStock.objects.filter(pk=stock_id, state=State.PUBLISHED).update(
            state=State.STOPPING, act_at=timezone.now(), tries=0
        )
    )


def again(stock_id: int) -> bool:
    """A batch that was refused is tried again. Say whether it had been refused."""
    return bool(
        VoucherStock.objects.filter(pk=stock_id, state=State.REFUSED).update(
            state=State.PUBLISHING, act_at=timezone.now(), tries=0, error=""
        )
    )


def advance(pk: int) -> bool:
    """Tell WeChat the next thing of a batch; say whether there is more. Nothing is told twice.

    Killed in the middle, it is repeated with the same numbers. No transaction is open meanwhile.

    Locks: none while WeChat is asked; whoever moves `act_at` first has it.
    """
    now = timezone.now()
    mine = VoucherStock.objects.filter(pk=pk, act_at__lte=now).update(act_at=now + LEASE)
    if not mine:
        return False
    stock = VoucherStock.objects.select_related("template", "account", "merchant").get(pk=pk)
    try:
        more = _advance(stock)
    except Refused as error:
        _fail(stock, str(error), State.REFUSED, None)
    except DomainError as error:
        _fail(stock, f"{error.code}: {error.note}", State.REFUSED, None)
    except Retry as error:
        wait = min(dt.timedelta(seconds=15) * 2**stock.tries, _LONGEST_WAIT)
        _fail(stock, str(error), None, timezone.now() + wait)
    else:
        stock.act_at, stock.tries, stock.error = (timezone.now() if more else None), 0, ""
        stock.save()
        return more
    return False


def _fail(
    stock: VoucherStock, error: str, state: VoucherStock.State | None, at: dt.datetime | None
) -> None:
    stock.error, stock.tries, stock.act_at = error[:200], min(stock.tries + 1, 12), at
    stock.state = state or stock.state
    stock.save()


def _advance(stock: VoucherStock) -> bool:
    client = Vouchers(merchants.pay_credentials(stock.account))
    if not stock.stock_id:
        _create(client, stock)
        return True
    if stock.state == State.STOPPING:
        sent, most = client.counts(stock.stock_id)
        _tell_total(client, stock, max(sent, 1), most)
        stock.state = State.STOPPED
        return False
    if stock.goods_name != stock.told_goods_name:
        changes = {"goods_name": stock.goods_name}
        client.modify(stock.stock_id, changes, _number(stock, stock.goods_name))
        stock.told_goods_name, stock.changes = stock.goods_name, stock.changes + 1
        return True
    may = offers.allowance(stock.template)
    if may != stock.told_total:
        _tell_total(client, stock, may, client.counts(stock.stock_id)[1])
        return True
    if stock.code_mode == VoucherStock.Mode.POOL and stock.uploaded < may:
        first, last = stock.uploaded, min(stock.uploaded + MOST_CODES, may)
        codes = [_pool_code(stock, place) for place in range(first, last)]
        client.upload_codes(stock.stock_id, codes, f"{stock.request_no}U{first}")
        stock.uploaded = last
        return True
    stock.state = State.PUBLISHED
    stock.compare_at = stock.compare_at or tonight(timezone.now())
    return False


def _create(client: Vouchers, stock: VoucherStock) -> None:
    credentials, template = client.credentials, stock.template
    check(template, stock.account, stock.code_mode)
    may = offers.allowance(template)
    said = expressed(template)
    said["coupon_use_rule"] |= {
        "use_method": "MINI_PROGRAMS",
        "mini_programs_appid": credentials.payer_appid,
        "mini_programs_path": stock.path,
    }
    said["stock_send_rule"]["max_coupons"] = may
    said |= {
        "belong_merchant": credentials.sub_mch_id or credentials.mch_id,
        "goods_name": stock.goods_name,
        "coupon_code_mode": stock.code_mode,
        "display_pattern_info": {"description": promotions.text(template.kind, template.terms)},
        "notify_config": {"notify_appid": credentials.payer_appid},
    }
    client.set_callback(
        f"{settings.PUBLIC_BASE_URL}/webhooks/wechat-vouchers/{stock.merchant.slug}"
    )
    stock.stock_id = client.create(said, stock.request_no)
    stock.told_total, stock.told_goods_name = may, stock.goods_name


def _tell_total(client: Vouchers, stock: VoucherStock, target: int, current: int) -> None:
    if target != current:
        number = _number(stock, str(target))
        client.budget(stock.stock_id, target=target, current=current, request_no=number)
    stock.told_total, stock.changes = target, stock.changes + 1


def _number(stock: VoucherStock, what: str) -> str:
    """The request number of a change: the same while it is repeated, another for another."""
    digest = hashlib.sha256(f"{stock.changes}:{what}".encode()).hexdigest()
    return f"{stock.request_no}-{digest[:6]}"


def _pool_code(stock: VoucherStock, place: int) -> str:
    """The code at a place of the pool: nobody guesses it, and a repeated upload has the same."""
    said = f"pool:{stock.pk}:{place}"
    return hmac.new(settings.SECRET_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()[:24]


def tonight(at: dt.datetime) -> dt.datetime:
    """The next three o'clock in the shop's own night."""
    local = timezone.localtime(at)
    three = local.replace(hour=3, minute=0, second=0, microsecond=0)
    return three if three > local else three + dt.timedelta(days=1)


def stop_ended(at: dt.datetime) -> int:
    """Batches whose template's days are over are stopped. How many there were."""
    with transaction.atomic():
        return VoucherStock.objects.filter(state=State.PUBLISHED, template__ends_at__lte=at).update(
            state=State.STOPPING, act_at=at, tries=0
        )
