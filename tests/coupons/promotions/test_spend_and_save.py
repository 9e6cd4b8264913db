from typing import Any

import pytest
from django.core.exceptions import ValidationError

from backend.money import Fen
from coupons.promotions import Basket, BasketLine, Voucher, check, discount

TERMS = {"threshold_fen": 10000, "off_fen": 2000}


def basket(*totals: int) -> Basket:
    return Basket(tuple(BasketLine(n, n, 1, Fen(t), 1) for n, t in enumerate(totals, 1)))


@pytest.mark.parametrize(
    ("totals", "off", "missing"),
    [
        ((9999,), 0, 1),
        ((10000,), 2000, 0),
        ((5000, 5000), 2000, 0),
        ((30000,), 2000, 0),
    ],
)
def test_it_takes_off_once_the_threshold_is_reached(
    totals: tuple[int, ...], off: int, missing: int
) -> None:
    found = discount(Voucher(1, "券", "spend_and_save", TERMS), basket(*totals))

    assert (found.goods, found.missing) == (off, missing)


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"threshold_fen": 100},
        {"threshold_fen": 100, "off_fen": 0},
        {"threshold_fen": 100, "off_fen": -1},
        {"threshold_fen": 100, "off_fen": 101},
        {"threshold_fen": 100, "off_fen": 1.5},
        {"threshold_fen": True, "off_fen": 1},
        {"threshold_fen": 10**12, "off_fen": 1},
        {"threshold_fen": 100, "off_fen": 1, "more": 1},
    ],
)
def test_terms_that_give_too_much_or_mean_nothing_are_refused(terms: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        check("spend_and_save", terms)


# A line of tea (sku 1), one of cups (sku 2, another store's), and one of a thing in no category.
MIXED = Basket(
    (
        BasketLine(1, 10, 1, Fen(3000), 2, categories=(5,)),
        BasketLine(2, 20, 2, Fen(5000), 1, categories=(5, 6)),
        BasketLine(3, 30, 1, Fen(50000), 1),
    )
)
TIERS = [{"threshold_fen": 6000, "off_fen": 600}, {"threshold_fen": 12000, "off_fen": 2000}]


@pytest.mark.parametrize(
    ("terms", "off", "missing"),
    [
        ({**TERMS, "categories": [5]}, (1091, 909, 0), 0),
        ({**TERMS, "categories": [6]}, (), 5000),
        ({**TERMS, "skus": [1]}, (), 4000),
        ({**TERMS, "products": [10, 20], "stores": [1]}, (), 4000),
        ({**TERMS, "except_skus": [2]}, (214, 0, 1786), 0),
        ({**TERMS, "except_products": [30], "except_skus": [1]}, (), 5000),
        ({"tiers": TIERS, "skus": [1]}, (600, 0, 0), 6000),
        ({"tiers": TIERS, "categories": [5]}, (327, 273, 0), 1000),
        ({"tiers": TIERS, "skus": [2]}, (), 1000),
        ({"tiers": TIERS}, (197, 164, 1639), 0),
    ],
)
def test_only_the_goods_it_is_for_count_towards_its_threshold(
    terms: dict[str, Any], off: tuple[int, ...], missing: int
) -> None:
    """However much of the others is in the basket; and from them nothing comes off."""
    check("spend_and_save", terms)

    found = discount(Voucher(1, "券", "spend_and_save", terms), MIXED)

    assert (found.lines, found.missing) == (off, missing)
    assert found.reason == ("" if off else "below_threshold")
