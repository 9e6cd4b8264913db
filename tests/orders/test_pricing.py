"""The price is made in one order, and every share adds up to the fen."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from backend.money import Fen
from coupons.promotions import PROMOTIONS, Gift, Voucher, check
from orders.api.shapes import WHY_UNUSABLE
from orders.pricing import NotTogether, quote
from orders.quotes import Circumstances, FreightRule, Offered, Quote, Wish


def wish(sku: int, store: int, price: int, quantity: int) -> Wish:
    offered = Offered(
        stock=sku, sku=sku, sku_code=f"k{sku}", product=sku, store=store, store_name="门店",
        store_phone="", name="羊毛被", picture="", specs=(), list_price=Fen(price),
        unit_price=Fen(price),
        available=None, for_sale=True, store_open=True, weight_g=0, no_reason_return=True,
        no_return_ground="",
    )  # fmt: skip
    return Wish(offered, quantity)


def voucher(pk: int, threshold: int, off: int) -> Voucher:
    return Voucher(pk, f"券 {pk}", "spend_and_save", {"threshold_fen": threshold, "off_fen": off})


def freight(
    fee: int = 800,
    free_over: int | None = None,
    *,
    before_coupons: bool = False,
    per_order: bool = False,
) -> FreightRule:
    over = None if free_over is None else Fen(free_over)
    return FreightRule(Fen(fee), over, before_coupons, per_order)


def adds_up(priced: Quote) -> None:
    for part in priced.parts:
        assert part.goods == sum(line.wish.goods for line in part.lines)
        off_lines = sum(s.amount for line in part.lines for s in line.shares)
        assert 0 <= part.freight_off <= part.freight
        assert part.discount == off_lines + part.freight_off
        assert part.payable == part.goods + part.freight - part.discount >= 0
        assert all(0 <= line.payable <= line.wish.goods for line in part.lines)
    assert priced.payable == sum(part.payable for part in priced.parts)
    assert priced.payable == priced.goods + priced.freight - priced.discount >= 0
    assert sum(priced.saved.values()) == priced.discount


def test_the_best_coupon_is_taken_and_the_others_are_listed_by_what_they_save() -> None:
    priced = quote(
        [wish(1, 1, 12000, 1)],
        [voucher(1, 10000, 1000), voucher(2, 12000, 2000), voucher(3, 20000, 9000)],
        freight(),
    )

    assert priced.saved == {2: 2000}
    assert [choice.voucher.id for choice in priced.usable] == [2, 1]
    assert [(u.voucher.id, u.reason, u.missing) for u in priced.unusable] == [
        (3, "below_threshold", 8000)
    ]
    assert priced.payable == 12000 - 2000 + 800


def test_no_coupons_means_none() -> None:
    priced = quote([wish(1, 1, 12000, 1)], [voucher(1, 10000, 1000)], freight(), coupons=[])

    assert (priced.discount, priced.payable) == (0, 12800)


def test_free_freight_reads_goods_after_coupons_unless_told_otherwise() -> None:
    basket, coupons = [wish(1, 1, 10000, 1)], [voucher(1, 10000, 1000)]

    assert quote(basket, coupons, freight(free_over=10000)).freight == 800
    assert quote(basket, coupons, freight(free_over=10000, before_coupons=True)).freight == 0
    assert quote(basket, coupons, freight(free_over=9000)).freight == 0


def test_freight_is_paid_once_or_for_each_order_as_the_merchant_says() -> None:
    basket = [wish(1, 1, 3000, 1), wish(2, 2, 1000, 1)]

    once = quote(basket, [], freight(801))
    each = quote(basket, [], freight(801, per_order=True))

    assert [part.freight for part in once.parts] == [601, 200]
    assert [part.freight for part in each.parts] == [801, 801]


def test_without_an_address_freight_is_open() -> None:
    priced = quote([wish(1, 1, 3000, 1)], [], None)

    assert not priced.freight_known
    assert priced.payable == 3000


def test_a_freight_coupon_takes_freight_off_and_is_shared_over_the_orders() -> None:
    basket = [wish(1, 1, 3000, 1), wish(2, 2, 1000, 1)]
    free, some = Voucher(1, "免邮", "free_freight", {}), Voucher(2, "运费券", "free_freight", {
        "off_fen": 300})  # fmt: skip

    priced = quote(basket, [some], freight(801))
    assert [part.freight for part in priced.parts] == [601, 200]
    assert [part.freight_off for part in priced.parts] == [225, 75]
    assert (priced.discount, priced.payable) == (300, 4000 + 801 - 300)
    adds_up(priced)

    both = quote(basket, [some, free], freight(801))
    assert (both.saved, both.payable) == ({1: 801}, 4000)


def test_a_freight_coupon_is_for_nothing_where_there_is_no_freight() -> None:
    free = Voucher(1, "免邮", "free_freight", {})

    for rule in (freight(0), freight(800, free_over=1000), None):
        priced = quote([wish(1, 1, 3000, 1)], [free], rule)
        assert [(u.voucher.id, u.reason) for u in priced.unusable] == [(1, "no_freight")]
        assert priced.saved == {}


def test_coupons_of_different_groups_go_together_and_never_take_more_than_there_is() -> None:
    house = Voucher(1, "全场", "amount_off", {"off_fen": 700, "group": "house"})
    brand = Voucher(2, "品牌", "amount_off", {"off_fen": 600, "group": "brand", "skus": [2]})

    priced = quote([wish(1, 1, 500, 1), wish(2, 1, 500, 1)], [house, brand], freight(0))

    assert priced.saved == {1: 700, 2: 150}
    assert priced.payable == 150
    adds_up(priced)


def test_named_coupons_that_dont_go_together_are_refused() -> None:
    pair = [voucher(1, 1000, 100), voucher(2, 1000, 200)]

    with pytest.raises(NotTogether):
        quote([wish(1, 1, 3000, 1)], pair, freight(0), coupons=[1, 2])


def test_terms_see_the_categories_the_clock_and_who_asks() -> None:
    basket = [wish(1, 1, 1000, 1), wish(2, 1, 1000, 1)]
    tea = Voucher(1, "茶", "percent_off", {"pay_percent": 50, "categories": [9]})
    new = Voucher(2, "新客", "amount_off", {"off_fen": 100, "customers": "new", "group": "new"})
    lunch = Voucher(
        3,
        "午市",
        "amount_off",
        {"off_fen": 100, "hours": [["11:00", "14:00"]], "weekdays": [5], "group": "lunch"},
    )
    vouchers = [tea, new, lunch]  # fmt: skip
    saturday = dt.datetime(2026, 11, 21, 12, 0)  # noqa: DTZ001  the shop's own time

    given = Circumstances(saturday, customer="new", categories={2: (8, 9)})
    assert quote(basket, vouchers, freight(0), given=given).saved == {1: 500, 2: 100, 3: 100}

    later = Circumstances(saturday.replace(hour=14))
    found = quote(basket, vouchers, freight(0), given=later)
    assert {u.voucher.id: u.reason for u in found.unusable} == {
        1: "not_applicable", 2: "for_new_customers", 3: "not_now",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("day", "hour", "reason"),
    [
        ((2026, 12, 23), 23, None),
        ((2026, 12, 24), 0, "not_now"),
        ((2026, 12, 24), 23, "not_now"),
        ((2026, 12, 25), 0, None),
        ((2026, 12, 31), 12, "not_now"),
        ((2027, 12, 24), 12, None),
    ],
)
def test_on_a_blackout_day_it_can_not_be_used_from_midnight_to_midnight(
    day: tuple[int, int, int], hour: int, reason: str | None
) -> None:
    barred = {"off_fen": 100, "blackouts": ["2026-12-24", "2026-12-31"]}
    at = dt.datetime(*day, hour, 59)  # noqa: DTZ001  the shop's own time

    priced = quote(
        [wish(1, 1, 1000, 1)],
        [Voucher(1, "券", "amount_off", barred)],
        freight(0),
        given=Circumstances(at),
    )

    assert [u.reason for u in priced.unusable] == ([reason] if reason else [])
    assert priced.payable == (1000 if reason else 900)


@drawn(
    lines=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 100_000), st.integers(1, 999)),
        max_size=12,
    ),
    coupons=st.lists(st.tuples(st.integers(1, 500_000), st.integers(1, 500_000)), max_size=5),
    fee=st.integers(0, 5000),
    free_over=st.none() | st.integers(0, 500_000),
    before=st.booleans(),
    per_order=st.booleans(),
)
def test_whatever_is_bought_the_shares_add_up(
    lines: list[tuple[int, int, int]],
    coupons: list[tuple[int, int]],
    fee: int,
    free_over: int | None,
    before: bool,  # noqa: FBT001
    per_order: bool,  # noqa: FBT001
) -> None:
    wishes = [wish(n, store, price, count) for n, (store, price, count) in enumerate(lines, 1)]
    vouchers = [voucher(n, threshold, off) for n, (threshold, off) in enumerate(coupons, 1)]
    rule = freight(fee, free_over, before_coupons=before, per_order=per_order)

    adds_up(quote(wishes, vouchers, rule))


_SKUS = st.integers(1, 3)


def _limits(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Some of the terms that every kind may have."""
    terms: dict[str, Any] = {}
    if group := draw(st.sampled_from(["", "a", "b", "c"])):
        terms["group"] = group
    if draw(st.integers(0, 9)) == 0:
        terms["exclusive"] = True
    match draw(st.integers(0, 11)):
        case 0:
            terms["skus"] = draw(st.lists(_SKUS, min_size=1, max_size=2, unique=True))
        case 1:
            terms["except_skus"] = [draw(_SKUS)]
        case 2:
            terms["stores"] = [draw(st.integers(1, 2))]
        case 3 if kind != "spend_and_save":
            terms["threshold_fen"] = draw(st.integers(1, 1500))
        case 4:
            terms["not_with"] = ["promotion"]
    return terms


@st.composite
def offers(draw: st.DrawFn, *, automatic: bool) -> tuple[str, dict[str, Any]]:
    """Terms of any kind, as the shop takes them; gifts only where nobody claims them."""
    kinds = [kind for kind in PROMOTIONS if automatic or kind != Gift.KIND] + ["free_freight"]
    kind, off = draw(st.sampled_from(kinds)), draw(st.integers(1, 700))
    some = {
        "amount_off": {"off_fen": off},
        "percent_off": {"pay_percent": draw(st.integers(1, 99))},
        "spend_and_save": {"threshold_fen": off + draw(st.integers(0, 700)), "off_fen": off},
        "sku_price": {"sku": draw(_SKUS), "price_fen": off, "units": draw(st.integers(1, 3))},
        "exchange": {"sku": draw(_SKUS), "price_fen": draw(st.sampled_from([0, 1, off]))},
        "nth_rate": {"nth": draw(st.integers(2, 3)), "pay_percent": draw(st.integers(0, 99))},
        "free_freight": {},
        Gift.KIND: {"sku": 9},
    }[kind]
    terms: dict[str, Any] = {**some, **_limits(draw, kind)}
    match kind, draw(st.booleans()):
        case "spend_and_save", True:
            step = {"threshold_fen": terms.pop("threshold_fen"), "off_fen": terms.pop("off_fen")}
            more = draw(st.integers(1, 700))
            terms["tiers"] = [step, {name: value + more for name, value in step.items()}]
        case "percent_off", True:
            terms["cap_fen"] = off
        case "free_freight", True:
            terms["off_fen"] = off
    check(kind, terms)
    return kind, terms


@dataclass(frozen=True)
class Case:
    """What a shopper wants, what they have, and what the shop does by itself."""

    wishes: list[Wish]
    coupons: list[Voucher]
    promotions: list[Voucher]
    freight: FreightRule

    def quote(self, coupons: Sequence[int] | None) -> Quote:
        gift = wish(9, 1, 500, 1).offered
        gifts = {9: [replace(gift, stock=90 + store, store=store) for store in (1, 2)]}
        return quote(
            self.wishes, [*self.coupons, *self.promotions], self.freight, coupons=coupons,
            given=Circumstances(gifts=gifts),
        )  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    line = st.tuples(_SKUS, st.integers(1, 2), st.integers(0, 600), st.integers(1, 3))
    rows = draw(st.lists(line, min_size=1, max_size=3, unique_by=lambda row: row[:2]))
    wishes = [wish(*row) for row in rows]
    # Often so that a coupon more, or a promotion, loses the free freight of a basket or a store.
    spent = [sum(w.goods for w in wishes if w.offered.store != other) for other in (0, 1, 2)]
    edge = max(0, draw(st.sampled_from(spent)) - draw(st.integers(0, 400)))
    own = draw(st.lists(offers(automatic=False), min_size=2, max_size=5))
    shops = draw(st.lists(offers(automatic=True), max_size=2))
    return Case(
        wishes,
        [Voucher(n, "券", kind, terms) for n, (kind, terms) in enumerate(own, 1)],
        [Voucher(n, "促", *one, automatic=True) for n, one in enumerate(shops, 1)],
        freight(
            draw(st.integers(0, 900)), draw(st.sampled_from([None, edge, edge, edge])),
            before_coupons=draw(st.booleans()), per_order=draw(st.booleans()),
        ),
    )  # fmt: skip


@settings(max_examples=800, deadline=None)
@drawn(cases())
def test_no_coupons_a_shopper_could_name_make_it_cheaper_than_none_named(case: Case) -> None:
    """The choice by itself is the best lawful one: the whole price is tried with every subset."""
    ours = case.quote(None)

    prices: list[Fen] = []
    ids = [one.id for one in case.coupons]
    for size in range(len(ids) + 1):
        for named in itertools.combinations(ids, size):
            with contextlib.suppress(NotTogether):
                prices.append(case.quote(named).payable)
    assert ours.payable == min(prices)
    # Named, the same ones cost the same; and of the others somebody can say why not.
    assert case.quote(list(ours.saved)).payable == ours.payable
    assert {one.reason for one in (*ours.unusable, *ours.not_applied)} <= set(WHY_UNUSABLE)
