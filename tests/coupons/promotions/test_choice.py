"""The choice is the best there is: brute force finds none better."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from backend.money import Fen
from coupons.promotions import Discount, Voucher
from coupons.promotions.choice import (
    MOST_TOGETHER,
    MOST_WORK,
    Freight,
    Offer,
    _Search,
    best,
    lawful,
    saved,
    taken_off,
)


def offer(
    pk: int, lines: Sequence[int] = (), freight: int = 0, group: str = "", *, alone: bool = False
) -> Offer:
    terms = ({"group": group} if group else {}) | ({"exclusive": True} if alone else {})
    discount = Discount(tuple(Fen(off) for off in lines), Fen(freight))
    kind = "free_freight" if freight else "amount_off"
    return Offer(Voucher(pk, str(pk), kind, terms), discount)


def ids(offers: Sequence[Offer]) -> set[int]:
    return {offer.voucher.id for offer in offers}


def free_over(lines: Sequence[int], fee: int, over: int) -> Freight:
    def freight(off: Sequence[int]) -> int:
        return 0 if sum(lines) - sum(off) >= over else fee

    return freight


@st.composite
def baskets(draw: st.DrawFn) -> tuple[list[Offer], list[int], Freight]:
    lines = draw(st.lists(st.integers(1, 60), min_size=1, max_size=3))
    offers = []
    for pk in range(draw(st.integers(0, 6))):
        spared = draw(st.sampled_from([0, 0, 0, 5, 50]))
        off = [0 if spared else draw(st.integers(0, price)) for price in lines]
        if not spared and not any(off):
            continue
        group = draw(st.sampled_from(["", "a", "b", "c"]))
        offers.append(offer(pk, off, spared, group, alone=draw(st.booleans())))
    charge = free_over(lines, draw(st.integers(0, 30)), draw(st.integers(1, 150)))
    return offers, lines, charge


@given(baskets())
def test_no_lawful_choice_costs_less(basket: tuple[list[Offer], list[int], Freight]) -> None:
    offers, lines, freight = basket

    chosen = best(offers, lines, freight)

    assert lawful(chosen)
    ours = saved(chosen, lines, freight)
    for size in range(min(len(offers), MOST_TOGETHER) + 1):
        for others in itertools.combinations(offers, size):
            if lawful(others):
                assert saved(others, lines, freight) <= ours
    for one in chosen:
        assert saved([other for other in chosen if other is not one], lines, freight) < ours


@given(baskets())
def test_together_they_never_take_more_than_a_line_costs(
    basket: tuple[list[Offer], list[int], Freight],
) -> None:
    offers, lines, _freight = basket

    shares = taken_off(offers, lines)

    for line, price in enumerate(lines):
        assert sum(share[line] for share in shares) <= price
        assert all(share[line] >= 0 for share in shares)


def test_a_wallet_full_of_freight_coupons_ends_its_search() -> None:
    """They are for no line at all, and each of them looks as good as the one before."""
    lines = [10_000]
    many = [offer(n, freight=800, group=f"g{n % 20}") for n in range(60)]
    search = _Search(many, lines, lambda _off: 800, MOST_TOGETHER)

    assert len(search.run()) == 1
    assert search.work < MOST_WORK // 20


def test_a_coupon_that_loses_free_freight_stays_in_the_wallet() -> None:
    lines = [10_000]
    small = offer(1, [300])

    assert best([small], lines, free_over(lines, 800, 9_900)) == ()
    assert best([small], lines, free_over(lines, 800, 9_700)) == (small,)


def test_goods_and_freight_combine_and_two_of_a_group_dont() -> None:
    lines = [10_000]
    goods, more, freight = offer(1, [500]), offer(2, [900]), offer(3, freight=800)

    chosen = best([goods, more, freight], lines, free_over(lines, 800, 99_900))

    assert ids(chosen) == {2, 3}
    assert not lawful([goods, more])


def test_an_exclusive_one_is_used_alone_or_not_at_all() -> None:
    lines = [10_000]
    one, other = offer(1, [500], group="a"), offer(2, [600], group="b")
    alone, better = offer(3, [1000], alone=True), offer(4, [1200], alone=True)

    def none(_off: Sequence[int]) -> int:
        return 0

    assert ids(best([one, other, alone], lines, none)) == {1, 2}
    assert best([one, other, better], lines, none) == (better,)
    assert not lawful([one, better])


def test_of_equals_the_first_is_used_and_none_for_nothing() -> None:
    lines = [1000]
    first, second, rest = offer(1, [1000]), offer(2, [1000]), offer(3, [1000], group="b")

    def none(_off: Sequence[int]) -> int:
        return 0

    assert best([first, second, rest], lines, none) == (first,)
