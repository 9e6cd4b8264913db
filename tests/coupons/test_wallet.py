"""A coupon moves by the table, and by nothing else."""

from __future__ import annotations

import datetime as dt
from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from backend.money import Fen
from coupons import wallet
from coupons.models import Coupon, CouponEvent, CouponStatus, CouponUse
from coupons.wallet import TRANSITIONS, CouponUnavailable, Event
from shop.models import Merchant
from tests.orders.makers import coupon as claimed
from tests.orders.makers import shopper

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def merchant() -> Merchant:
    return Merchant.objects.create(name="山野小铺", slug="shop")


def step(event: Event, coupon: Coupon, at: dt.datetime | None = None) -> None:
    """Have it happen, as its own function does it; what can't happen changes nothing."""
    at = at or timezone.now()
    whose: dict[str, Any] = {"merchant": coupon.merchant_id, "customer": coupon.customer_id}
    match event:
        case Event.HOLD:
            wallet.hold(**whose, saved={coupon.pk: Fen(300)}, reference="P1", at=at)
        case Event.REDEEM:
            wallet.redeem(
                **whose, coupon=coupon.pk, saved=Fen(300), reference="P1", by="staff", at=at
            )
        case Event.PASS_ON:
            wallet.pass_on(**whose, coupon=coupon.pk, reference="", at=at)
        case Event.LET_GO:
            wallet.let_go(coupon.merchant_id, "P1", at=at)
        case Event.USE:
            wallet.use(coupon.merchant_id, "P1", at=at)
        case Event.UNDO:
            wallet.undo(coupon.merchant_id, "P1", by="staff", at=at)
        case Event.GIVE_BACK:
            wallet.give_back(coupon.merchant_id, "P1", at=at)
        case Event.EXPIRE:
            wallet.expire(at=at)
        case Event.VOID:
            wallet.void(coupon.merchant_id, [coupon.pk], by="staff", reason="wrong", at=at)


def brought_to(status: CouponStatus, merchant: Merchant) -> Coupon:
    """A coupon that came to this status by lawful steps."""
    coupon = claimed(shopper(merchant))
    path = {
        CouponStatus.CLAIMED: [],
        CouponStatus.HELD: [Event.HOLD],
        CouponStatus.USED: [Event.HOLD, Event.USE],
        CouponStatus.EXPIRED: [Event.EXPIRE],
        CouponStatus.VOIDED: [Event.VOID],
        CouponStatus.PASSED: [Event.PASS_ON],
    }[status]
    for event in path:
        step(event, coupon, coupon.valid_until if event is Event.EXPIRE else None)
    coupon.refresh_from_db()
    assert coupon.status == status
    return coupon


@pytest.mark.parametrize(("status", "event"), list(product(CouponStatus, Event)))
def test_only_the_steps_in_the_table_are_taken(
    status: CouponStatus, event: Event, merchant: Merchant
) -> None:
    coupon = brought_to(status, merchant)
    before = CouponEvent.objects.count()
    late = event is Event.EXPIRE

    try:
        with transaction.atomic():
            step(event, coupon, coupon.valid_until if late else None)
    except CouponUnavailable:
        pass

    coupon.refresh_from_db()
    lawful = TRANSITIONS[event].source == status
    assert coupon.status == (TRANSITIONS[event].target if lawful else status)
    assert CouponEvent.objects.count() - before == lawful
    live = CouponUse.objects.filter(coupon=coupon, state__in=["held", "used"])
    assert [use.state for use in live] == (
        [coupon.status] if coupon.status in {"held", "used"} else []
    )


@pytest.mark.parametrize("event", [e for e, one in TRANSITIONS.items() if one.while_valid])
@pytest.mark.parametrize("side", ["early", "late"])
def test_outside_its_dates_a_coupon_is_put_to_no_use(
    event: Event, side: str, merchant: Merchant
) -> None:
    """Expiry is a fact of the clock: the sweep has not run."""
    coupon = claimed(shopper(merchant))
    at = coupon.valid_until if side == "late" else coupon.valid_from - DAY

    with pytest.raises(CouponUnavailable):
        step(event, coupon, at)

    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.CLAIMED
    assert not CouponUse.objects.exists()


@pytest.mark.parametrize(
    ("terms", "days_later", "status", "valid_days"),
    [
        ({}, 1, "claimed", 7),
        ({}, 8, "used", 7),
        ({"given_back": "never"}, 1, "used", 7),
        ({"grace_days": 3}, 1, "claimed", 7),
        ({"grace_days": 3}, 6, "claimed", 9),
        ({"grace_days": 3}, 30, "claimed", 33),
    ],
)
def test_a_refunded_purchase_gives_its_coupon_back_by_its_terms(
    terms: dict[str, Any], days_later: int, status: str, valid_days: int, merchant: Merchant
) -> None:
    coupon = claimed(shopper(merchant), terms={"threshold_fen": 1, "off_fen": 1, **terms})
    step(Event.HOLD, coupon)
    step(Event.USE, coupon)

    refunded_at = coupon.claimed_at + days_later * DAY
    for _time in range(2):
        step(Event.GIVE_BACK, coupon, refunded_at)

    coupon.refresh_from_db()
    assert coupon.status == status
    assert coupon.valid_until == coupon.claimed_at + valid_days * DAY
    assert CouponEvent.objects.filter(event="given_back").count() == (status == "claimed")


def test_a_coupon_given_back_can_be_used_again_by_another_purchase(merchant: Merchant) -> None:
    coupon = brought_to(CouponStatus.USED, merchant)
    step(Event.GIVE_BACK, coupon)

    wallet.hold(
        merchant=merchant.pk, customer=coupon.customer_id, saved={coupon.pk: Fen(1)},
        reference="P2", at=timezone.now(),
    )  # fmt: skip

    states = dict(CouponUse.objects.values_list("reference", "state"))
    assert states == {"P1": "returned", "P2": "held"}


@pytest.mark.parametrize("state", ["held", "used"])
def test_the_database_itself_refuses_a_second_use(state: str, merchant: Merchant) -> None:
    """Whatever the statements above it say: one that was returned is no use any more."""
    coupon = brought_to(CouponStatus.USED, merchant)
    of: dict[str, Any] = {"merchant": merchant, "coupon": coupon, "saved_fen": Fen(1)}

    with pytest.raises(IntegrityError, match="coupon_use_live_once"), transaction.atomic():
        CouponUse.objects.create(**of, reference="P2", state=state)

    assert CouponUse.objects.get().reference == "P1"
    CouponUse.objects.create(**of, reference="P3", state="returned")
    CouponUse.objects.update(state="returned")
    CouponUse.objects.create(**of, reference="P2", state=state)


def test_somebody_elses_coupon_moves_for_nobody(merchant: Merchant) -> None:
    coupon = claimed(shopper(merchant))
    stranger = shopper(Merchant.objects.create(name="别家", slug="other"))
    now = timezone.now()

    with pytest.raises(CouponUnavailable):
        wallet.hold(
            merchant=merchant.pk, customer=stranger.pk, saved={coupon.pk: Fen(1)},
            reference="P1", at=now,
        )  # fmt: skip
    assert wallet.void(stranger.merchant_id, [coupon.pk], by="", reason="", at=now) == 0
    assert wallet.void_all(stranger.merchant_id, coupon.customer_id, at=now) == 0

    coupon.refresh_from_db()
    assert coupon.status == CouponStatus.CLAIMED
