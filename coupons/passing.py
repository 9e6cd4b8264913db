"""A customer passes an unused coupon on to a friend, by a link that works once and expires."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError, NotFound
from backend.numbers import new_code
from coupons import cards, claiming, queries, wallet
from coupons.models import Coupon, CouponEvent, CouponPass, CouponStatus, Way
from shop import customers
from shop.models import Customer

LIFE: Final = dt.timedelta(hours=24)


class Personal(DomainError):
    code = "coupon_personal"
    message = _("This coupon can't be passed on.")


class PassGone(DomainError):
    code = "pass_gone"
    message = _("This coupon has been taken, or the link has expired.")


class OwnPass(DomainError):
    code = "own_pass"
    message = _("This is your own coupon. Send the link to a friend.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def share(customer: Customer, coupon_id: int) -> tuple[str, dt.datetime]:
    """A link's token for a coupon, and when it ends; a token given before is worth nothing now.

    Locks: the coupon's pass.
    Raises: NotFound, Personal, CouponUnavailable.
    """
    coupon, at = queries.one(customer, coupon_id), timezone.now()
    if coupon.terms.get("personal") or cards.is_carded(coupon):
        raise Personal
    wallet.check_usable(coupon, at)
    token, ends = secrets.token_urlsafe(24), min(at + LIFE, coupon.valid_until)
    CouponPass.objects.update_or_create(
        merchant_id=coupon.merchant_id,
        coupon=coupon,
        defaults={"token_hash": _hash(token), "expires_at": ends},
    )
    return token, ends


def find(merchant: int, token: str) -> CouponPass:
    """The pass of a token, taken or not.

    Raises: NotFound.
    """
    found = (
        CouponPass.objects.select_related("coupon", "taken")
        .filter(merchant_id=merchant, token_hash=_hash(token))
        .first()
    )
    if found is None:
        raise NotFound("a pass")
    return found


def is_open(found: CouponPass, at: dt.datetime) -> bool:
    """Whether a friend can still take it."""
    coupon = found.coupon
    return (
        found.taken_id is None
        and coupon.status == CouponStatus.CLAIMED
        and at < min(found.expires_at, coupon.valid_until)
    )


def accept(friend: Customer, token: str) -> tuple[Coupon, bool]:
    """The friend has the coupon, under the terms and dates it had; say whether it is new.

    It counts as one of the friend's share of its template. The same friend again gets the same.

    Locks: the pass, the friend, then the coupon.
    Raises: NotFound, OwnPass, PassGone, ClaimLimitReached, Gone.
    """
    found = find(friend.merchant_id, token)
    if found.coupon.customer_id == friend.pk:
        raise OwnPass
    # The friend's other claims may take the same ordinal at the same moment.
    for _attempt in range(3):
        try:
            with transaction.atomic():
                return _accept(friend, found.pk, token, timezone.now())
        except IntegrityError:
            continue
    raise PassGone


def _accept(friend: Customer, pass_id: int, token: str, at: dt.datetime) -> tuple[Coupon, bool]:
    found = (
        CouponPass.objects.select_for_update(of=("self",))
        .select_related("coupon__template", "taken")
        .get(pk=pass_id)
    )
    if found.taken is not None and found.taken.customer_id == friend.pk:
        return found.taken, False
    # Read again behind the lock: a newer link may have replaced this one.
    if found.token_hash != _hash(token) or not is_open(found, at):
        raise PassGone
    customers.stay(friend)
    coupon, most = found.coupon, found.coupon.template.per_customer
    had = Coupon.objects.filter(
        merchant_id=friend.merchant_id, template_id=coupon.template_id, customer=friend
    ).count()
    if had >= most:
        raise claiming.ClaimLimitReached(detail={"per_customer": most})
    reference = f"pass:{found.pk}"
    try:
        wallet.pass_on(
            merchant=coupon.merchant_id, customer=coupon.customer_id, coupon=coupon.pk,
            reference=reference, at=at,
        )  # fmt: skip
    except wallet.CouponUnavailable as error:
        raise PassGone from error
    found.taken = Coupon.objects.create(
        merchant_id=coupon.merchant_id, template_id=coupon.template_id, customer=friend,
        ordinal=had + 1, code=new_code(), name=coupon.name, kind=coupon.kind,
        terms=coupon.terms, valid_from=coupon.valid_from, valid_until=coupon.valid_until,
        claimed_at=at, way=Way.FRIEND, source=coupon.source, idempotency_key=f" {reference}",
    )  # fmt: skip
    found.save(update_fields=["taken"])
    CouponEvent.objects.create(
        merchant_id=coupon.merchant_id, coupon_id=found.taken.pk, event="claimed",
        reference=reference, by="shopper", at=at,
    )  # fmt: skip
    return found.taken, True
