"""Promotions that nobody claims: they apply by themselves, before coupons, and gifts come along."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from backend.money import Fen
from coupons.models import CouponFigure, CouponTemplate, PromotionUse, Way
from coupons.promotions import Voucher
from orders import basket, checkout, figures, lifecycle, writing
from orders.models import CloseReason, OrderLine, Purchase, Reduction
from orders.pricing import quote
from orders.quotes import Circumstances, FreightRule, Offered, Quote, Wish
from shop import stock
from shop.models import Customer, Merchant, Stock, Store
from tests.orders.makers import counts, coupon, place, shelf, shopper, template
from tests.orders.test_pricing import freight, wish
from tests.orders.test_races import at_once
from tests.shop import goods
from tests.shop.conftest import open_shop


def promotion(pk: int, kind: str, **terms: Any) -> Voucher:
    return Voucher(pk, f"促 {pk}", kind, terms, automatic=True)


def off(pk: int, fen: int, **terms: Any) -> Voucher:
    return promotion(pk, "amount_off", off_fen=fen, **terms)


def paid(priced: Quote) -> dict[str, dict[int, int]]:
    """What promotions and what coupons take off, by id."""
    return {
        "promotions": {int(one.voucher.id): int(one.saves) for one in priced.applied if one.saves},
        "coupons": {pk: int(fen) for pk, fen in priced.saved.items()},
    }


def balances(priced: Quote) -> None:
    """As `adds_up`, with promotions among what is taken off."""
    promoted = sum(one.saves for one in priced.applied)
    assert sum(priced.saved.values()) + promoted == priced.discount
    for part in priced.parts:
        assert 0 <= part.freight_off <= part.freight
        assert all(0 <= line.payable <= line.wish.goods for line in part.lines)
    assert priced.payable == priced.goods + priced.freight - priced.discount >= 0


def test_it_applies_before_coupons_which_read_what_it_left() -> None:
    basket_of_100 = [wish(1, 1, 10000, 1)]
    from_95 = Voucher(7, "券", "spend_and_save", {"threshold_fen": 9500, "off_fen": 500})

    reached = quote(basket_of_100, [from_95, off(7, 500)], freight(0))
    missed = quote(basket_of_100, [from_95, off(7, 501)], freight(0))

    assert paid(reached) == {"promotions": {7: 500}, "coupons": {7: 500}}
    assert paid(missed) == {"promotions": {7: 501}, "coupons": {}}
    assert [(u.reason, u.missing) for u in missed.unusable] == [("below_threshold", 1)]
    balances(reached)


def test_it_applies_though_no_coupon_is_wanted() -> None:
    priced = quote([wish(1, 1, 1000, 1)], [off(1, 300)], freight(0), coupons=[])

    assert priced.payable == 700


def test_of_one_group_the_best_applies_and_of_several_each() -> None:
    priced = quote(
        [wish(1, 1, 1000, 1)],
        [off(1, 100), off(2, 300), off(3, 50, group="brand")],
        freight(0),
    )

    assert paid(priced)["promotions"] == {2: 300, 3: 50}


def test_an_exclusive_one_applies_alone_and_without_gifts_but_leaves_coupons() -> None:
    whole = off(2, 300, exclusive=True)
    present = promotion(4, "gift", sku=9)
    own = Voucher(1, "券", "amount_off", {"off_fen": 10})

    priced = quote(
        [wish(1, 1, 1000, 1)],
        [own, whole, off(3, 50, group="brand"), present],
        freight(0),
        given=Circumstances(gifts={9: [wish(9, 1, 100, 1).offered]}),
    )

    assert paid(priced) == {"promotions": {2: 300}, "coupons": {1: 10}}
    assert priced.gifts == {}


def test_free_freight_reads_goods_after_promotions_in_either_setting() -> None:
    goods_of_100, ten = [wish(1, 1, 10000, 1)], off(1, 1000)
    ten_more = Voucher(1, "券", "amount_off", {"off_fen": 1000})

    for before in (True, False):
        assert quote(goods_of_100, [ten], freight(free_over=9001, before_coupons=before)).freight
        assert not quote(
            goods_of_100, [ten], freight(free_over=9000, before_coupons=before)
        ).freight
    # Then coupons: read or not, as the merchant says.
    both = [ten, ten_more]
    assert not quote(goods_of_100, both, freight(free_over=9000, before_coupons=True)).freight
    assert quote(goods_of_100, both, freight(free_over=9000), coupons=[1]).freight


def test_a_freight_promotion_comes_before_a_freight_coupon() -> None:
    some = promotion(1, "free_freight", off_fen=500)
    own = Voucher(1, "运费券", "free_freight", {})

    priced = quote([wish(1, 1, 3000, 1)], [own, some], freight(801))
    nothing_left = quote([wish(1, 1, 3000, 1)], [own, promotion(1, "free_freight")], freight(801))

    assert paid(priced) == {"promotions": {1: 500}, "coupons": {1: 301}}
    assert [u.reason for u in nothing_left.unusable] == ["no_freight"]
    balances(priced)


def test_freight_that_another_promotion_brings_back_is_spared() -> None:
    """100.00 is free of freight, 80.00 isn't: with both promotions 80.00 is all that is paid."""
    both = [off(1, 2000), promotion(2, "free_freight")]

    for fee in (1000, 2500):
        assert quote([wish(1, 1, 10000, 1)], both, freight(fee, 10000)).payable == 8000
        coupons = [replace(one, automatic=False) for one in both]
        assert quote([wish(1, 1, 10000, 1)], coupons, freight(fee, 10000)).payable == 8000


def test_a_freight_coupon_that_spares_nothing_is_not_spent() -> None:
    priced = quote(
        [wish(1, 1, 10000, 1)], [Voucher(1, "免邮", "free_freight", {})], freight(800, 9900),
        coupons=[1],
    )  # fmt: skip

    assert (priced.saved, [u.reason for u in priced.unusable]) == ({}, ["no_freight"])


def test_however_many_groups_there_are_each_applies() -> None:
    many = [off(n, 10, group=f"g{n}") for n in range(9)]

    priced = quote([wish(1, 1, 10000, 1)], [*many, promotion(99, "free_freight")], freight(800))

    assert (priced.discount, priced.payable) == (90 + 800, 9910)


def test_what_is_spared_of_each_stores_freight_adds_up() -> None:
    both = [wish(1, 1, 3000, 1), wish(2, 2, 1000, 1)]

    priced = quote(both, [promotion(1, "free_freight", off_fen=1000)], freight(801, per_order=True))

    assert (priced.freight, priced.discount, priced.payable) == (1602, 1000, 4602)
    balances(priced)
    own = Voucher(2, "券", "free_freight", {})
    rest = quote(both, [own, promotion(1, "free_freight", off_fen=1000)],
                 freight(801, per_order=True))  # fmt: skip
    assert (rest.saved, rest.payable) == ({2: 602}, 4000)


def test_a_promotion_that_brings_freight_back_is_left_where_that_costs_more() -> None:
    """Coupons may not count towards the amount, promotions do: 99.99 would pay 8.00 of freight."""
    small = off(1, 1)

    for before in (True, False):
        rule = freight(800, 10000, before_coupons=before)
        assert quote([wish(1, 1, 10000, 1)], [small], rule).payable == 10000


def test_a_better_one_of_its_group_is_within_reach_and_a_worse_one_is_not() -> None:
    had = off(1, 500)
    better = promotion(2, "spend_and_save", threshold_fen=2000, off_fen=600)
    worse = promotion(3, "spend_and_save", threshold_fen=2000, off_fen=500)

    priced = quote([wish(1, 1, 1000, 1)], [had, better, worse], freight(0))

    assert [one.voucher.id for one in priced.not_applied] == [2]


def test_beside_an_exclusive_one_no_gift_is_promised() -> None:
    whole = off(1, 100, exclusive=True)
    far = promotion(2, "gift", sku=9, threshold_fen=5000)

    assert with_gifts([wish(1, 1, 1000, 1)], [whole, far], present(9)).not_applied == ()


def test_a_gift_comes_from_the_first_of_its_goods_stores_that_has_it() -> None:
    tea = promotion(4, "gift", sku=9)

    priced = with_gifts(
        [wish(1, 1, 1000, 1), wish(2, 2, 500, 1)], [tea], present(9, 1, 0), present(9, 2)
    )

    (gift,) = (line.wish for line in priced.lines if line.wish.given)
    assert gift.offered.store == 2
    assert gift.given is not None
    assert gift.given.goods == ((1, 1), (2, 2))


def test_a_gift_gives_way_to_money_off_of_its_group() -> None:
    gift = promotion(2, "gift", sku=9, group="x")

    assert with_gifts([wish(1, 1, 1000, 1)], [off(1, 100, group="x"), gift], present(9)).gifts == {}
    assert with_gifts([wish(1, 1, 1000, 1)], [gift], present(9)).gifts == {9: 1}


def present(
    sku: int, store: int = 1, available: int | None = None, *, is_open: bool = True
) -> Offered:
    return replace(
        wish(sku, store, 500, 1).offered,
        stock=100 * sku + store, available=available, store_open=is_open, for_sale=False,
    )  # fmt: skip


def with_gifts(wishes: list[Wish], vouchers: list[Voucher], *offered: Offered) -> Quote:
    gifts: dict[int, list[Offered]] = {}
    for one in offered:
        gifts.setdefault(one.sku, []).append(one)
    return quote(wishes, vouchers, freight(0), given=Circumstances(gifts=gifts))


def test_a_gift_is_a_line_for_nothing_in_the_order_of_its_goods() -> None:
    tea = promotion(4, "gift", sku=9, units=2, skus=[2], threshold_fen=500)

    priced = with_gifts(
        [wish(1, 1, 1000, 1), wish(2, 2, 500, 1)], [tea], present(9, 1), present(9, 2)
    )

    (gift,) = (line for line in priced.lines if line.wish.given)
    assert (gift.wish.offered.store, gift.wish.quantity, gift.wish.goods) == (2, 2, 0)
    assert gift.wish.given is not None
    assert gift.wish.given.goods == ((2, 2),)
    assert (priced.payable, priced.gifts) == (1500, {9: 2})


def test_of_one_group_the_gift_that_asks_most_is_given_and_the_next_where_it_is_gone() -> None:
    small = promotion(1, "gift", sku=8, threshold_fen=100)
    large = promotion(2, "gift", sku=9, threshold_fen=1000)
    other = promotion(3, "gift", sku=7, group="welcome")
    here = [present(8), present(7)]

    whole = with_gifts([wish(1, 1, 1000, 1)], [small, large, other], present(9), *here)
    gone = with_gifts([wish(1, 1, 1000, 1)], [small, large, other], present(9, available=0), *here)
    short = with_gifts([wish(1, 1, 999, 1)], [small, large, other], present(9), *here)

    assert whole.gifts == {9: 1, 7: 1}
    assert gone.gifts == {8: 1, 7: 1}
    assert [u.reason for u in gone.not_applied] == ["gift_gone"]
    assert [(u.voucher.id, u.missing) for u in short.not_applied] == [(2, 1)]


def test_what_is_bought_of_a_gift_is_not_given_too() -> None:
    """Two on the shelf: one is bought, one is left to give; not two."""
    one, two = (promotion(n, "gift", sku=9, units=n) for n in (1, 2))
    bought = Wish(present(9, available=2), 1)

    assert with_gifts([bought], [one], present(9, available=2)).gifts == {9: 1}
    assert with_gifts([bought], [two], present(9, available=2)).gifts == {}
    # Nor do two promotions give the same last one.
    again = promotion(3, "gift", sku=9, group="again")
    assert with_gifts([bought], [one, again], present(9, available=2)).gifts == {9: 1}


def test_a_closed_store_gives_nothing() -> None:
    one = promotion(1, "gift", sku=9)

    assert with_gifts([wish(1, 1, 1000, 1)], [one], present(9, is_open=False)).gifts == {}
    assert with_gifts([wish(1, 1, 1000, 1)], [one], present(9, store=2)).gifts == {}


_LINES = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 3000), st.integers(1, 4)), min_size=1, max_size=5
)
_KIND = st.one_of(
    st.tuples(st.just("amount_off"), st.builds(lambda n: {"off_fen": n}, st.integers(1, 4000))),
    st.tuples(st.just("percent_off"), st.builds(lambda n: {"pay_percent": n}, st.integers(1, 99))),
    st.tuples(st.just("nth_rate"), st.just({"nth": 2, "pay_percent": 50})),
    st.tuples(st.just("exchange"), st.just({"sku": 1})),
    st.tuples(st.just("free_freight"), st.builds(lambda n: {"off_fen": n}, st.integers(1, 900))),
    st.tuples(st.just("gift"), st.just({"sku": 9})),
)
_GROUPS = st.sampled_from(["a", "b", "c"])


@settings(max_examples=300)
@drawn(
    _LINES,
    st.lists(st.tuples(_KIND, _GROUPS, st.booleans()), max_size=4),
    st.lists(st.tuples(_KIND.filter(lambda k: k[0] != "gift"), _GROUPS), max_size=4),
    st.sampled_from([(0, None), (800, None), (800, 3000)]),
    st.booleans(),
)
def test_every_mixture_adds_up_and_promotions_never_make_it_dearer(
    rows: list[tuple[int, int, int]],
    automatic: list[tuple[tuple[str, dict[str, Any]], str, bool]],
    own: list[tuple[tuple[str, dict[str, Any]], str]],
    rule: tuple[int, int | None],
    before: bool,  # noqa: FBT001
) -> None:
    wishes = [wish(n, store, price, count) for n, (store, price, count) in enumerate(rows, 1)]
    promotions = [
        Voucher(n, "促", kind, {**terms, "group": group, "exclusive": alone}, automatic=True)
        for n, ((kind, terms), group, alone) in enumerate(automatic)
    ]
    coupons = [
        Voucher(n, "券", kind, {**terms, "group": group})
        for n, ((kind, terms), group) in enumerate(own)
    ]
    fee: FreightRule = freight(rule[0], rule[1], before_coupons=before)
    given = Circumstances(gifts={9: [present(9, store) for store in (1, 2, 3)]})

    priced = quote(wishes, [*coupons, *promotions], fee, given=given)
    without = quote(wishes, [], fee)

    balances(priced)
    assert priced.goods == without.goods
    only = quote(wishes, promotions, fee, given=given)
    assert only.payable <= without.payable
    assert priced.payable <= only.payable
    assert priced.applied == only.applied


# From here on with the shop's own rows.


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


def runs(merchant: Merchant, kind: str, **terms: Any) -> CouponTemplate:
    return template(
        merchant, name="促销", kind=kind, terms=terms, way=Way.AUTOMATIC, total=0, valid_days=None
    )


def pay(purchase: Purchase) -> None:
    lifecycle.pay(purchase.pk, lifecycle.Trade(purchase.pk, "free"), at=timezone.now())


with_rows = pytest.mark.django_db(transaction=True)


@with_rows
def test_shares_of_promotions_and_coupons_are_rows_apart_with_who_bears_them(
    merchant: Merchant,
) -> None:
    customer, row = shopper(merchant), shelf(merchant, price=1000)
    sale = runs(merchant, "amount_off", off_fen=101, store_percent=30)
    mine = coupon(customer, terms={"threshold_fen": 500, "off_fen": 200, "store_percent": 55})

    purchase = place(customer, (row, 1), payable=699)

    shares = Reduction.objects.order_by("pk").values_list(
        "promotion_id", "coupon_id", "amount_fen", "merchant_fen", "store_fen"
    )
    assert list(shares) == [(sale.pk, None, 101, 71, 30), (None, mine.pk, 200, 90, 110)]
    (use,) = PromotionUse.objects.filter(reference=purchase.number)
    assert (use.template_id, use.saved_fen, use.terms, use.used_at) == (
        sale.pk, 101, sale.terms, None,
    )  # fmt: skip
    pay(purchase)
    use.refresh_from_db()
    assert use.used_at is not None


@with_rows
def test_a_gift_has_its_own_stock_and_knows_its_goods(merchant: Merchant) -> None:
    customer, bought = shopper(merchant), shelf(merchant, price=1000, count=9)
    given = shelf(merchant, price=500, count=3)
    given.sku.product.on_sale = False
    given.sku.product.save()
    runs(merchant, "gift", sku=given.sku_id, units=2)

    purchase = place(customer, (bought, 1), payable=1000)

    goods_line, gift = OrderLine.objects.order_by("pk")
    assert (gift.sku_id, gift.quantity, gift.goods_fen, gift.offer_kind) == (
        given.sku_id, 2, 0, "gift",
    )  # fmt: skip
    assert gift.given_with == [goods_line.pk]
    assert (counts(bought), counts(given)) == ((8, 1), (1, 2))
    pay(purchase)
    assert (counts(bought), counts(given)) == ((8, 0), (1, 0))
    bought.sku.product.refresh_from_db()
    given.sku.product.refresh_from_db()
    assert (bought.sku.product.sold, given.sku.product.sold) == (1, 0)

    # Another, which isn't paid: both go back. There is one left, so nothing comes along.
    other = place(customer, (bought, 1), payable=1000)
    assert counts(given) == (1, 0)
    lifecycle.close(other.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    assert (counts(bought), counts(given)) == ((8, 0), (1, 0))


@with_rows
def test_a_gift_goes_back_when_its_purchase_is_closed(merchant: Merchant) -> None:
    customer, bought, given = shopper(merchant), shelf(merchant), shelf(merchant, count=1)
    runs(merchant, "gift", sku=given.sku_id)
    purchase = place(customer, (bought, 1), payable=1000)
    assert counts(given) == (0, 1)

    for _twice in range(2):
        lifecycle.close(purchase.pk, CloseReason.EXPIRED, at=timezone.now(), by="sweep")
    assert counts(given) == (1, 0)


@with_rows
def test_goods_that_are_their_own_gift_take_from_one_shelf_once(merchant: Merchant) -> None:
    customer, row = shopper(merchant), shelf(merchant, count=3)
    runs(merchant, "gift", sku=row.sku_id)

    purchase = place(customer, (row, 2), payable=2000)

    assert counts(row) == (0, 3)
    assert sorted(OrderLine.objects.values_list("quantity", "goods_fen")) == [(1, 0), (2, 2000)]
    pay(purchase)
    assert counts(row) == (0, 0)


@with_rows
def test_a_shopper_who_saw_a_gift_is_told_when_it_is_gone(merchant: Merchant) -> None:
    customer, bought, given = shopper(merchant), shelf(merchant), shelf(merchant, count=1)
    runs(merchant, "gift", sku=given.sku_id)
    wanted = checkout.Wanted([basket.Item(bought.sku_id, 1, bought.store_id)])
    seen = checkout.price(customer, wanted, at=timezone.now()).quote.gifts
    assert seen == {given.sku_id: 1}
    Stock.objects.filter(pk=given.pk).update(on_sale=False)
    stock.count(given, 0, reference="broken")

    agreed = writing.Placing(payable=Fen(1000), gifts=seen)
    with pytest.raises(checkout.PriceChanged):
        checkout.place_order(customer, wanted, agreed, key=None, request_hash="")
    assert not Purchase.objects.exists()

    agreed = writing.Placing(payable=Fen(1000), gifts={})
    checkout.place_order(customer, wanted, agreed, key=None, request_hash="")
    assert Purchase.objects.count() == 1


@with_rows
def test_the_last_gifts_are_given_once_however_many_come(merchant: Merchant) -> None:
    bought, given = shelf(merchant, count=99), shelf(merchant, count=3)
    runs(merchant, "gift", sku=given.sku_id)
    customers = [shopper(merchant) for _n in range(12)]

    def buy(customer: Customer) -> None:
        while True:
            try:
                place(customer, (bought, 1), payable=1000)
            except checkout.PriceChanged:
                continue  # the gift went to somebody else: without it, it is another quote
            else:
                return

    at_once([partial(buy, customer) for customer in customers])

    assert counts(given) == (0, 3)
    assert counts(bought) == (99 - 12, 12)
    assert OrderLine.objects.filter(offer_kind="gift").count() == 3
    assert PromotionUse.objects.count() == 3


@with_rows
def test_a_newcomers_promotion_is_had_once_however_often_they_ask(merchant: Merchant) -> None:
    row, given = shelf(merchant, count=99), shelf(merchant, count=99)
    runs(merchant, "amount_off", off_fen=900, customers="new")
    runs(merchant, "gift", sku=given.sku_id, customers="new")
    customer = shopper(merchant)

    first = place(customer, (row, 1), payable=100)
    # While it waits they are neither new nor returning.
    other = place(customer, (row, 1), payable=1000)
    pay(first)
    customer.refresh_from_db()
    place(customer, (row, 1), payable=1000)
    lifecycle.close(other.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
    assert PromotionUse.objects.count() == 2
    assert counts(given) == (98, 0)


@with_rows
@pytest.mark.parametrize("off_fen", [900, 1000])
def test_nor_do_eight_calls_at_once_have_it_twice(merchant: Merchant, off_fen: int) -> None:
    row = shelf(merchant, count=99)
    runs(merchant, "amount_off", off_fen=off_fen, customers="new")
    customer = shopper(merchant)

    ended = at_once([partial(place, customer, (row, 1), payable=1000 - off_fen)] * 8)

    assert ended == {"done": 1, "price_changed": 7}
    assert PromotionUse.objects.count() == 1
    assert counts(row)[0] == 98


@with_rows
def test_whoever_let_the_first_go_is_still_new(merchant: Merchant) -> None:
    row, customer = shelf(merchant, count=99), shopper(merchant)
    runs(merchant, "amount_off", off_fen=900, customers="new")
    first = place(customer, (row, 1), payable=100)
    lifecycle.close(first.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")

    place(customer, (row, 1), payable=100)


@with_rows
def test_a_used_promotion_can_not_be_deleted_behind_the_desks_back(merchant: Merchant) -> None:
    customer, row = shopper(merchant), shelf(merchant)
    sale = runs(merchant, "amount_off", off_fen=100)
    place(customer, (row, 1), payable=900)

    with connection.cursor() as cursor, pytest.raises(IntegrityError):
        cursor.execute("DELETE FROM coupons_coupontemplate WHERE id = %s", [sale.pk])


@with_rows
def test_what_is_over_or_a_draft_or_anothers_applies_to_nothing(merchant: Merchant) -> None:
    customer, row = shopper(merchant), shelf(merchant)
    sale = runs(merchant, "amount_off", off_fen=100)
    now = timezone.now()

    for change in (
        {"is_published": False},
        {"is_published": True, "starts_at": now + dt.timedelta(hours=1)},
        {"starts_at": now - dt.timedelta(days=2), "ends_at": now - dt.timedelta(seconds=1)},
    ):
        CouponTemplate.objects.filter(pk=sale.pk).update(**change)
        place(customer, (row, 1), payable=1000)
    assert not PromotionUse.objects.exists()


@with_rows
def test_as_many_queries_for_many_lines_and_promotions_as_for_few(merchant: Merchant) -> None:
    customer, given = shopper(merchant), shelf(merchant, count=99)
    rows = [shelf(merchant, count=99) for _n in range(20)]
    runs(merchant, "gift", sku=given.sku_id)
    runs(merchant, "amount_off", off_fen=100, except_categories=[1])

    def queries(lines: list[Stock], payable: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            place(customer, *((row, 1) for row in lines), payable=payable)
        return len(seen)

    few = queries(rows[:2], 1900)
    for n in range(3):
        runs(merchant, "amount_off", off_fen=10, group=f"g{n}")
    assert queries(rows, 20000 - 130) == few


@with_rows
def test_figures_count_promotions_by_day_store_and_channel(merchant: Merchant) -> None:
    customer = shopper(merchant)
    here = goods.default_store(merchant)
    there = Store.objects.create(merchant=merchant, name="静安店", code="B")
    stocks = [shelf(merchant, price=1000, count=99, store=store) for store in (here, there)]
    given = shelf(merchant, count=9, store=there)
    sale = runs(merchant, "amount_off", off_fen=300)
    present = runs(merchant, "gift", sku=given.sku_id, threshold_fen=3000, stores=[there.pk])

    pay(place(customer, (stocks[0], 1), (stocks[1], 2), payable=2700))
    of_poster = place(customer, (stocks[1], 3), payable=2700)
    Purchase.objects.filter(pk=of_poster.pk).update(source={"channel": "poster"})
    pay(of_poster)
    place(customer, (stocks[0], 1), payable=700)  # not paid: nothing came of it
    for _again in range(2):
        for day in figures.due(timezone.now()):
            figures.count(day, timezone.now())

    rows = CouponFigure.objects.order_by("store_id").values_list(
        "template_id", "store_id", "channel", "given", "used", "saved_fen", "sales_fen"
    )
    # 3.00 off 10.00 here and 20.00 there; then off 30.00 there, by a poster, with a gift.
    assert set(rows) == {
        (sale.pk, here.pk, "automatic", 0, 1, 100, 900),
        (sale.pk, there.pk, "automatic", 0, 0, 200, 1800),
        (sale.pk, there.pk, "poster", 0, 1, 300, 2700),
        (present.pk, there.pk, "poster", 0, 1, 0, 2700),
    }


@with_rows
def test_a_day_counts_what_was_paid_on_it_and_the_first_day_is_the_first_use(
    merchant: Merchant,
) -> None:
    customer, row = shopper(merchant), shelf(merchant, count=9)
    runs(merchant, "amount_off", off_fen=300)
    for _n in range(2):
        pay(place(customer, (row, 1), payable=700))
    before = timezone.now() - dt.timedelta(days=2)
    PromotionUse.objects.filter(pk=PromotionUse.objects.first().pk).update(used_at=before)  # type: ignore[union-attr]

    days = figures.due(timezone.now())
    for day in days:
        figures.count(day, timezone.now())

    assert days[0] == timezone.localdate(before)
    counted = CouponFigure.objects.order_by("day").values_list("day", "used")
    assert list(counted) == [(days[0], 1), (days[-1], 1)]
