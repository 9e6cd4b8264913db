"""How others failed with vouchers, each by its name; the races are in `test_limits_raced`."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from backend.money import Fen
from coupons import claiming, codes, grants, wallet
from coupons.models import CodeBatch, Coupon, CouponLot, CouponTemplate, Grant
from coupons.tasks import make_codes
from orders import lifecycle
from orders.models import CloseReason
from shop.models import Customer, Merchant
from tests.coupons.test_cards import wait_for
from tests.coupons.test_claiming import sums
from tests.orders.makers import coupon, place, shelf, shopper, template
from tests.orders.test_races import at_once
from tests.shop.conftest import open_shop, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture
def customer(merchant: Merchant) -> Customer:
    return shopper(merchant)


def test_5_somebody_elses_coupon_is_not_there_and_its_price_is_the_servers(
    merchant: Merchant, customer: Customer
) -> None:
    theirs, stock = coupon(shopper(merchant)), shelf(merchant)
    basket: dict[str, Any] = {
        "items": [{"sku": stock.sku_id, "quantity": 1, "price_fen": 1}],
        "coupons": [theirs.pk], "payable_fen": 700, "customer": theirs.customer_id,
    }  # fmt: skip
    api = signed_in(customer)

    assert api("POST", "purchases/quote", basket).status == 404
    assert api("POST", "purchases", basket, Idempotency_Key="k").status == 404
    for path in ("", "/share", "/counter-code", "/remind"):
        assert api("GET" if path in ("", "/counter-code") else "POST",
                   f"coupons/{theirs.pk}{path}", {"accepted": []} if path == "/remind" else None
                   ).status == 404  # fmt: skip
    theirs.refresh_from_db()
    assert theirs.status == "claimed"


def test_6_one_coupon_on_five_parallel_orders_takes_off_once(
    merchant: Merchant, customer: Customer
) -> None:
    stock, mine = shelf(merchant, count=9), coupon(customer)

    ended = at_once(
        [partial(place, customer, (stock, 1), payable=700, coupons=[mine.pk])] * 5, hands=5
    )

    assert ended == {"done": 1, "coupon_unavailable": 4}


def test_6_a_coupon_worth_more_than_the_goods_leaves_nothing_below_zero(
    merchant: Merchant, customer: Customer
) -> None:
    merchant.freight_fen = Fen(0)
    merchant.save()
    stock = shelf(merchant, price=200)
    mine = coupon(customer, kind="amount_off", terms={"off_fen": 900})

    bought = place(customer, (stock, 1), payable=0, coupons=[mine.pk])

    assert (bought.payable_fen, bought.discount_fen) == (0, 200)


@pytest.mark.parametrize(("kept_by", "late"), [("template", "sold_out"), ("code", "code_used")])
def test_7_a_limit_of_twenty_is_used_twenty_times_and_its_own_counter_says_so(
    merchant: Merchant, kept_by: str, late: str
) -> None:
    """Sixty times it was, and the counter said eleven. Every other limit: `test_limits_raced`."""
    offer = template(
        merchant, total=20 if kept_by == "template" else 1000,
        way="claim" if kept_by == "template" else "code",
    )  # fmt: skip
    batch = CodeBatch.objects.create(
        merchant=merchant, template=offer, name="x", text="NEWYEAR", uses=20
    )
    make_codes()
    calls: list[Any] = [
        partial(claiming.claim, merchant=merchant.pk, template=offer.pk, customer=one.pk)
        if kept_by == "template"
        else partial(codes.redeem, one, "NEWYEAR")
        for one in (shopper(merchant) for _n in range(60))
    ]

    assert at_once(calls, hands=30) == {"done": 20, late: 40}

    assert sums(offer)[0] == Coupon.objects.count() == 20
    assert codes.used(batch) == (0 if kept_by == "template" else 20)


def test_8_the_share_of_a_customer_is_not_read_and_then_written(
    merchant: Merchant, customer: Customer
) -> None:
    offer = template(merchant, total=1000, per_customer=1)
    take = partial(claiming.claim, merchant=merchant.pk, template=offer.pk, customer=customer.pk)

    assert at_once([take] * 40, hands=20) == {"done": 1, "claim_limit_reached": 39}


def test_9_a_grant_of_many_does_not_pass_the_total_of_which_some_is_left(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The condition there was `given < total`, the step plus n."""
    monkeypatch.setattr(grants, "STEP", 50)
    Customer.objects.bulk_create(Customer(merchant=merchant) for _n in range(120))
    offer = template(merchant, total=70)
    made = Grant.objects.create(
        merchant=merchant, template=offer, name="x", audience="segment", key="x"
    )

    while grants.step(made.pk):
        pass

    assert sums(offer) == (70, 70, 70)


def test_10_what_was_read_before_the_wait_is_read_again_after_it(
    merchant: Merchant, customer: Customer
) -> None:
    """A claim that waited while the last voucher went finds it gone, however it began."""
    offer = template(merchant, total=1)
    others = [shopper(merchant) for _n in range(8)]
    take: list[Any] = [
        partial(claiming.claim, merchant=merchant.pk, template=offer.pk, customer=one.pk)
        for one in (customer, *others)
    ]

    assert at_once(take, hands=9) == {"done": 1, "sold_out": 8}
    assert sums(offer) == (1, 1, 1)


def _somebody_waits_for_us() -> bool:
    """Whether another connection wants a lock that this one holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize(("left_elsewhere", "ended"), [(0, "sold_out"), (1, "done")])
def test_10_a_claim_that_waited_for_a_lot_counts_what_is_left_when_it_has_it(
    merchant: Merchant, customer: Customer, left_elsewhere: int, ended: str
) -> None:
    """It read that there is one left, and surely waits while that one goes to somebody else."""
    offer = template(merchant, total=1000)
    # The lot that both of these begin at has one left; another has one or none.
    other = Customer.objects.create(pk=customer.pk + 16, merchant=merchant)
    first, second, *_rest = sorted(
        offer.lots.all(), key=lambda lot: (lot.number + customer.pk) % 16
    )
    offer.lots.update(given=F("share"))
    CouponLot.objects.filter(pk=first.pk).update(given=F("share") - 1)
    CouponLot.objects.filter(pk=second.pk).update(given=F("share") - left_elsewhere)
    take: list[Any] = [
        partial(claiming.claim, merchant=merchant.pk, template=offer.pk, customer=one.pk)
        for one in (customer, other)
    ]

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            take[1]()
            waiting = pool.submit(at_once, take[:1], 1)
            wait_for(_somebody_waits_for_us)
        assert waiting.result(30) == {ended: 1}

    assert sums(offer) == (1000, 1000, 1 + left_elsewhere)
    assert not offer.lots.exclude(given=F("share")).exists()


def test_18_a_refunded_orders_coupon_comes_back_and_a_closed_ones_too(
    merchant: Merchant, customer: Customer
) -> None:
    stock, mine = shelf(merchant, count=9), coupon(customer)
    bought = place(customer, (stock, 1), payable=700, coupons=[mine.pk])
    lifecycle.close(bought.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    mine.refresh_from_db()
    assert mine.status == "claimed"

    again = place(customer, (stock, 1), payable=700, coupons=[mine.pk])
    lifecycle.pay(again.pk, lifecycle.Trade(payment_id=again.pk, method="free"), at=timezone.now())
    assert wallet.give_back(merchant.pk, again.number, at=timezone.now()) == {mine.pk}


def test_18_the_order_and_its_coupon_move_in_one_transaction(
    merchant: Merchant, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock, mine = shelf(merchant, count=9), coupon(customer)
    bought = place(customer, (stock, 1), payable=700, coupons=[mine.pk])

    def fails(*_args: Any, **_more: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("shop.stock.release", fails)
    with pytest.raises(RuntimeError):
        lifecycle.close(bought.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")

    mine.refresh_from_db()
    bought.refresh_from_db()
    assert (mine.status, bought.status) == ("held", "awaiting_payment")


def test_20_codes_can_not_be_tried_without_end(merchant: Merchant, customer: Customer) -> None:
    api = signed_in(customer)

    answers = [api("POST", "coupon-codes", {"code": f"WRONG{n:05}"}).status for n in range(25)]

    assert answers == [404] * 20 + [429] * 5


def test_24_a_claim_that_is_undone_gives_its_count_back(
    merchant: Merchant, customer: Customer
) -> None:
    offer = template(merchant, total=1)

    def claim(who: Customer) -> Coupon:
        return claiming.claim(merchant=merchant.pk, template=offer.pk, customer=who.pk)[0]

    with pytest.raises(RuntimeError), transaction.atomic():
        _fail_after(claim, customer)

    assert sums(offer) == (0, 1, 0)
    assert claim(shopper(merchant)).template_id == offer.pk


def _fail_after(step: Any, *args: Any) -> None:
    step(*args)
    raise RuntimeError


def test_an_expired_coupon_is_expired_though_no_sweep_came(
    merchant: Merchant, customer: Customer
) -> None:
    mine, stock = coupon(customer), shelf(merchant)
    over = timezone.now() - dt.timedelta(seconds=1)
    Coupon.objects.update(valid_until=over)

    ended = at_once([partial(place, customer, (stock, 1), payable=700, coupons=[mine.pk])], hands=1)

    assert ended == {"coupon_unavailable": 1}
    assert signed_in(customer)("GET", f"coupons/{mine.pk}").body["status"] == "expired"
    assert CouponTemplate.objects.count() == 1
