"""Whatever is done to vouchers in whatever order, what was promised holds after every step."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from backend.errors import DomainError
from backend.money import Fen
from coupons import claiming, counter, offers, passing, wallet
from coupons.models import Coupon, CouponTemplate
from tests.flows.promises import BROKEN
from tests.orders.makers import shopper, template
from tests.shop import goods
from tests.shop.conftest import open_shop

# Those of the design's promises that are about vouchers and need no orders.
_PROMISES = (
    "a template gave what lies in wallets, and no more than its total",
    "a customer has no more than their share",
    "a coupon is used by one purchase",
    "a coupon's status says what its uses say",
)
_ABOUT = {
    "a passed coupon lies in a friend's wallet": """
        SELECT p.id FROM coupons_couponpass p JOIN coupons_coupon c ON c.id = p.coupon_id
        LEFT JOIN coupons_coupon f ON f.id = p.taken_id
        WHERE (c.status = 'passed') <> (p.taken_id IS NOT NULL)
           OR f.terms <> c.terms OR f.valid_from <> c.valid_from""",
    "a redemption is a use until it is undone": """
        SELECT r.id FROM coupons_redemption r LEFT JOIN coupons_couponuse u
        ON u.reference = r.number AND u.merchant_id = r.merchant_id
        WHERE u.id IS NULL OR (r.undone_at IS NULL) <> (u.state = 'used')""",
    "every coupon's history begins with its claim": """
        SELECT c.id FROM coupons_coupon c LEFT JOIN coupons_couponevent e
        ON e.coupon_id = c.id AND e.event = 'claimed'
        GROUP BY c.id HAVING count(e.id) <> 1""",
}
_numbers = itertools.count(1)
some = st.integers(0, 3)


class Vouchers(RuleBasedStateMachine):
    """Four shoppers, two templates, and everything that can happen to a coupon."""

    @initialize()
    def open(self) -> None:
        self.merchant = open_shop()[0]
        self.store = goods.default_store(self.merchant)
        self.shoppers = [shopper(self.merchant) for _n in range(4)]
        self.offers = [
            template(self.merchant, total=3, per_customer=2),
            template(self.merchant, total=5, per_customer=1, terms={
                "threshold_fen": 1000, "off_fen": 300, "grace_days": 3,
            }),
        ]  # fmt: skip
        self.references: list[str] = []
        self.redemptions: list[str] = []

    def _tried(self, what: Any) -> None:
        """Done, or refused by a rule: nothing else may come of it."""
        try:
            with transaction.atomic():
                what()
        except DomainError:
            pass

    def _coupon(self, place: int) -> Coupon | None:
        return (
            Coupon.objects.filter(merchant=self.merchant).order_by("pk")[place : place + 1].first()
        )

    @rule(who=some, what=st.integers(0, 1))
    def claim(self, who: int, what: int) -> None:
        self._tried(lambda: claiming.claim(
            merchant=self.merchant.pk, template=self.offers[what].pk,
            customer=self.shoppers[who].pk,
        ))  # fmt: skip

    @rule(place=st.integers(0, 7), other=st.integers(0, 7))
    def hold(self, place: int, other: int) -> None:
        coupons = [one for one in (self._coupon(place), self._coupon(other)) if one]
        if not coupons:
            return
        reference = f"P{next(_numbers)}"
        self.references.append(reference)
        self._tried(lambda: wallet.hold(
            merchant=self.merchant.pk, customer=coupons[0].customer_id,
            saved={one.pk: Fen(300) for one in coupons}, reference=reference, at=timezone.now(),
        ))  # fmt: skip

    @rule(place=st.integers(0, 5), how=st.sampled_from(["use", "let_go", "give_back"]))
    def finish(self, place: int, how: str) -> None:
        """Paid, closed, or wholly refunded; again too."""
        if place < len(self.references):
            move = getattr(wallet, how)
            self._tried(lambda: move(self.merchant.pk, self.references[place], at=timezone.now()))

    @rule(place=st.integers(0, 7))
    def redeem(self, place: int) -> None:
        coupon = self._coupon(place)
        if coupon is None:
            return

        def there() -> None:
            code, _ends = counter.digits_of(coupon.pk, timezone.now())
            request = f"request-{coupon.pk}-{len(self.redemptions)}"
            asked = counter.Asked(self.merchant.pk, self.store, code, Fen(5000), request, by="x")
            self.redemptions.append(counter.redeem(asked)[0].number)

        self._tried(there)

    @rule(place=st.integers(0, 3))
    def undo(self, place: int) -> None:
        if place < len(self.redemptions):
            self._tried(lambda: counter.undo(
                self.merchant.pk, self.redemptions[place], stores=[self.store.pk], by="x"
            ))  # fmt: skip

    @rule(place=st.integers(0, 7), who=some)
    def share(self, place: int, who: int) -> None:
        coupon = self._coupon(place)
        if coupon is not None:

            def passed() -> None:
                token, _ends = passing.share(coupon.customer, coupon.pk)
                passing.accept(self.shoppers[who], token)

            self._tried(passed)

    @rule(place=st.integers(0, 7))
    def void(self, place: int) -> None:
        coupon = self._coupon(place)
        if coupon is not None:
            self._tried(lambda: wallet.void(
                self.merchant.pk, [coupon.pk], by="x", reason="x", at=timezone.now()
            ))  # fmt: skip

    @rule(place=st.integers(0, 7))
    def run_out(self, place: int) -> None:
        """Time passes for one coupon, and the sweep comes."""
        coupon = self._coupon(place)
        if coupon is not None:
            over = timezone.now() - dt.timedelta(seconds=1)
            Coupon.objects.filter(pk=coupon.pk).update(valid_until=over)
            wallet.expire(at=timezone.now())

    @rule(what=st.integers(0, 1), total=st.integers(0, 8))
    def change_total(self, what: int, total: int) -> None:
        offer = self.offers[what]
        given = CouponTemplate.objects.get(pk=offer.pk).given
        CouponTemplate.objects.filter(pk=offer.pk).update(total=max(total, given))
        offers.deal(offer)

    @invariant()
    def all_promises_hold(self) -> None:
        broken = {name: BROKEN[name] for name in _PROMISES} | _ABOUT
        with connection.cursor() as cursor:
            for name, sql in broken.items():
                cursor.execute(sql)
                assert cursor.fetchall() == [], name


@pytest.mark.django_db(transaction=True)
def test_the_promises_about_vouchers_hold_after_every_step() -> None:
    run_state_machine_as_test(
        Vouchers,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
