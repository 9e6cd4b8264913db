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
