"""What each kind takes off, by example; and which terms it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from backend.money import Fen
from coupons.promotions import (
    PROMOTIONS,
    Basket,
    BasketLine,
    Gift,
    Voucher,
    check,
    discount,
    scope,
    text,
)

# sku, yuan each, how many
Line = tuple[int, int, int]


def basket(*lines: Line) -> Basket:
    return Basket(
        tuple(
            BasketLine(sku, product=10 * sku, store=1, unit_price=Fen(price), quantity=count)
            for sku, price, count in lines
        )
    )


@pytest.mark.parametrize(
    ("kind", "terms", "lines", "off"),
    [
        # 满减, in one step and in several
        ("spend_and_save", {"threshold_fen": 100, "off_fen": 20}, [(1, 99, 1)], [0]),
        ("spend_and_save", {"threshold_fen": 100, "off_fen": 20}, [(1, 30, 2), (2, 40, 1)],
         [12, 8]),
        ("spend_and_save", {"tiers": [{"threshold_fen": 100, "off_fen": 10},
                                      {"threshold_fen": 200, "off_fen": 30}]}, [(1, 150, 1)], [10]),
        ("spend_and_save", {"tiers": [{"threshold_fen": 100, "off_fen": 10},
                                      {"threshold_fen": 200, "off_fen": 30}]}, [(1, 100, 2)], [30]),
        # 立减
        ("amount_off", {"off_fen": 50}, [(1, 30, 1), (2, 70, 1)], [15, 35]),
        ("amount_off", {"off_fen": 50}, [(1, 30, 1)], [30]),
        # 折扣: what doesn't come out even is paid
        ("percent_off", {"pay_percent": 88}, [(1, 100, 1)], [12]),
        ("percent_off", {"pay_percent": 88}, [(1, 99, 1)], [11]),
        ("percent_off", {"pay_percent": 50, "cap_fen": 30}, [(1, 100, 1)], [30]),
        ("percent_off", {"pay_percent": 85}, [(1, 100, 1), (2, 10, 1)], [15, 1]),
        # 单品价
        ("sku_price", {"sku": 2, "price_fen": 60}, [(1, 100, 1), (2, 100, 2)], [0, 40]),
        ("sku_price", {"sku": 2, "price_fen": 60, "units": 3}, [(2, 100, 2)], [80]),
        ("sku_price", {"sku": 2, "price_fen": 60}, [(2, 50, 1)], [0]),
        ("sku_price", {"sku": 2, "price_fen": 60}, [(1, 100, 1)], [0]),
        # 兑换券
        ("exchange", {"sku": 2}, [(1, 100, 1), (2, 70, 3)], [0, 70]),
        ("exchange", {"sku": 2, "price_fen": 1}, [(2, 70, 1)], [69]),
        # 第二件半价
        ("nth_rate", {"nth": 2, "pay_percent": 50}, [(1, 100, 1)], [0]),
        ("nth_rate", {"nth": 2, "pay_percent": 50}, [(1, 100, 2), (2, 30, 5)], [50, 30]),
        ("nth_rate", {"nth": 3, "pay_percent": 0}, [(1, 99, 7)], [198]),
    ],
)  # fmt: skip
def test_what_comes_off_each_line(
    kind: str, terms: dict[str, Any], lines: list[Line], off: list[int]
) -> None:
    check(kind, terms)

    found = discount(Voucher(1, "券", kind, terms), basket(*lines))

    assert list(found.lines or [0] * len(lines)) == off
    assert bool(found.goods) or found.reason


def test_freight_comes_off_whole_or_up_to_an_amount() -> None:
    for terms, most in (({}, 800), ({"off_fen": 500}, 500)):
        check("free_freight", terms)
        found = discount(Voucher(1, "券", "free_freight", terms), basket((1, 100, 1)))
        assert min(found.freight, Fen(800)) == most
        assert found.goods == 0


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("spend_and_save", {"tiers": []}),
        ("spend_and_save", {"tiers": [{"threshold_fen": 10, "off_fen": 1}], "off_fen": 1}),
        ("spend_and_save", {"tiers": [{"threshold_fen": 20, "off_fen": 2},
                                      {"threshold_fen": 10, "off_fen": 3}]}),
        ("spend_and_save", {"tiers": [{"threshold_fen": 10, "off_fen": 2},
                                      {"threshold_fen": 20, "off_fen": 2}]}),
        ("spend_and_save", {"tiers": "10"}),
        ("spend_and_save", {"tiers": [3]}),
        ("amount_off", {}),
        ("amount_off", {"off_fen": 0}),
        ("percent_off", {"pay_percent": 0}),
        ("percent_off", {"pay_percent": 100}),
        ("percent_off", {"pay_percent": 8.8}),
        ("percent_off", {"pay_percent": 88, "cap_fen": "10"}),
        ("sku_price", {"sku": 1}),
        ("sku_price", {"sku": 1, "price_fen": 0}),
        ("sku_price", {"sku": 1, "price_fen": 1, "units": 0}),
        ("exchange", {"sku": 0}),
        ("exchange", {"sku": 2**63}),
        ("exchange", {"sku": 1, "price_fen": -1}),
        ("nth_rate", {"nth": 1, "pay_percent": 50}),
        ("nth_rate", {"nth": 2, "pay_percent": 100}),
        ("nth_rate", {"nth": 2}),
        ("free_freight", {"off_fen": 0}),
        ("free_freight", {"pay_percent": 1}),
    ],
)  # fmt: skip
def test_terms_that_mean_nothing_or_give_too_much_are_refused(
    kind: str, terms: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        check(kind, terms)


_SOME_TERMS = st.sampled_from(
    [
        ("spend_and_save", {"threshold_fen": 500, "off_fen": 499}),
        ("amount_off", {"off_fen": 700}),
        ("percent_off", {"pay_percent": 1}),
        ("sku_price", {"sku": 1, "price_fen": 1, "units": 999}),
        ("exchange", {"sku": 1}),
        ("nth_rate", {"nth": 2, "pay_percent": 0}),
    ]
)


@given(
    _SOME_TERMS,
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 5000), st.integers(1, 9)),
        min_size=1,
        max_size=5,
    ),
)
def test_no_kind_ever_takes_more_than_a_line_costs(
    offer: tuple[str, dict[str, Any]], lines: list[Line]
) -> None:
    bought = basket(*lines)

    found = discount(Voucher(1, "券", *offer), bought)

    for off, line in zip(found.lines, bought.lines, strict=False):
        assert 0 <= off <= line.total


@pytest.mark.parametrize(
    ("kind", "terms", "chinese", "english"),
    [
        ("amount_off", {"off_fen": 1000}, "立减 ¥10.00", "¥10.00 off"),
        ("percent_off", {"pay_percent": 88}, "8.8 折", "12% off"),
        ("percent_off", {"pay_percent": 80, "cap_fen": 5000}, "8 折，最多减 ¥50.00",
         "20% off, up to ¥50.00"),
        ("sku_price", {"sku": 1, "price_fen": 990, "units": 2}, "特价 ¥9.90，限 2 件",
         "¥9.90 each, up to 2"),
        ("exchange", {"sku": 1}, "免费兑换一件", "One for free"),
        ("exchange", {"sku": 1, "price_fen": 100}, "¥1.00 兑换一件", "One for ¥1.00"),
        ("nth_rate", {"nth": 2, "pay_percent": 50}, "每第 2 件 5 折", "One in 2 at 50% off"),
        ("nth_rate", {"nth": 3, "pay_percent": 0}, "每第 3 件免费", "One in 3 free"),
        ("free_freight", {}, "免运费", "Free freight"),
        ("free_freight", {"off_fen": 600}, "运费减 ¥6.00", "¥6.00 off the freight"),
        ("amount_off", {"off_fen": 1000, "threshold_fen": 5000, "stores": [1],
                        "customers": "new", "weekdays": [5, 6], "exclusive": True},
         "立减 ¥10.00；满 ¥50.00 可用；限部分门店；限新客；周六、周日；不与其他优惠同用",
         "¥10.00 off; from ¥50.00 on; in some stores only; for new customers; Saturday, Sunday; "
         "not together with others"),
    ],
)  # fmt: skip
def test_the_text_is_made_of_the_terms(
    kind: str, terms: dict[str, Any], chinese: str, english: str
) -> None:
    with translation.override("zh-hans"):
        assert text(kind, terms) == chinese
    with translation.override("en"):
        assert text(kind, terms) == english


EVERYTHING: dict[str, Any] = {
    "tiers": [
        {"threshold_fen": 10000, "off_fen": 1000},
        {"threshold_fen": 20000, "off_fen": 3000},
    ],
    "categories": [1], "products": [2], "skus": [3],
    "except_categories": [4], "except_products": [5], "except_skus": [6],
    "stores": [7], "delivery": ["express", "pickup", "local", "virtual", "counter"],
    "customers": "new", "weekdays": [6, 0], "hours": [["09:00", "11:30"], ["14:00", "21:00"]],
    "blackouts": ["2026-12-24", "2026-12-25"], "not_with": ["flash", "group", "promotion"],
    "exclusive": True, "personal": True, "grace_days": 3, "group": "brand", "store_percent": 40,
}  # fmt: skip


def test_whatever_can_be_said_of_a_voucher_is_in_its_text() -> None:
    """All common terms and tiers at once; but who bears it, and what it goes with, is for staff."""
    check("spend_and_save", EVERYTHING)

    with translation.override("zh-hans"):
        assert text("spend_and_save", EVERYTHING) == (
            "满 ¥100.00 减 ¥10.00、满 ¥200.00 减 ¥30.00；限部分商品；部分商品除外；限部分门店；"
            "限快递、自提、同城配送、虚拟商品、门店柜台；限新客；周一、周日；"
            "09:00–11:30、14:00–21:00；2026-12-24、2026-12-25 不可用；"
            "不与秒杀、拼团、促销活动同享；不与其他优惠同用；不可转赠；退款退回后至少 3 天内有效"
        )
    with translation.override("en"):
        assert text("spend_and_save", EVERYTHING) == (
            "¥10.00 off when you spend ¥100.00, ¥30.00 off when you spend ¥200.00; "
            "for some goods only; some goods excepted; in some stores only; "
            "for express delivery, pick-up, local delivery, virtual goods, the counter; "
            "for new customers; Monday, Sunday; 09:00–11:30, 14:00–21:00; "
            "not on 2026-12-24, 2026-12-25; not with flash sales, group buying, promotions; "
            "not together with others; not to be passed on; "
            "after a refund valid for 3 days at least"
        )


@pytest.mark.parametrize("name", sorted(scope.TERMS - {"group", "store_percent"}))
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_no_term_a_shopper_should_know_is_passed_over(name: str, language: str) -> None:
    said = {**EVERYTHING, "threshold_fen": 5000, "given_back": "never"}

    with translation.override(language):
        plain = text("amount_off", {"off_fen": 1000})
        assert text("amount_off", {"off_fen": 1000, name: said[name]}).startswith(plain)
        assert text("amount_off", {"off_fen": 1000, name: said[name]}) != plain


def test_every_kind_names_its_own_terms() -> None:
    for promotion in PROMOTIONS.values():
        assert promotion.terms
        assert str(promotion.label)


LINE = BasketLine(5, 50, store=2, unit_price=Fen(100), quantity=1, categories=(7, 70))


@pytest.mark.parametrize(
    ("terms", "applies"),
    [
        ({}, True),
        ({"categories": [70]}, True),
        ({"categories": [8]}, False),
        ({"products": [50]}, True),
        ({"products": [51]}, False),
        ({"skus": [5], "categories": [8]}, True),
        ({"except_skus": [5]}, False),
        ({"categories": [7], "except_products": [50]}, False),
        ({"except_categories": [8]}, True),
        ({"stores": [2]}, True),
        ({"stores": [1], "skus": [5]}, False),
        ({"threshold_fen": 100}, True),
        ({"threshold_fen": 101}, False),
        ({"delivery": ["pickup"]}, False),
        ({"customers": "new"}, False),
        ({"customers": "returning"}, True),
    ],
)
def test_common_terms_say_which_goods_where_and_for_whom(
    terms: dict[str, Any],
    applies: bool,  # noqa: FBT001
) -> None:
    whole = {"off_fen": 10, **terms}
    check("amount_off", whole)

    found = discount(Voucher(1, "券", "amount_off", whole), Basket((LINE,)))

    assert (found.goods == 10) == applies
    assert bool(found.reason) != applies


@pytest.mark.parametrize(
    "terms",
    [
        {"categories": []}, {"categories": [0]}, {"skus": ["1"]}, {"skus": [2**63]},
        {"products": list(range(1, 502))}, {"stores": 1}, {"delivery": ["drone"]},
        {"customers": "old"}, {"weekdays": [7]}, {"hours": [["21:00", "09:00"]]},
        {"hours": [["9:00", "21:00"]]}, {"hours": [["09:00"]]}, {"blackouts": ["2026-13-01"]},
        {"blackouts": [20261224]}, {"exclusive": 1}, {"group": ""}, {"group": "x" * 25},
        {"store_percent": 101}, {"threshold_fen": 0}, {"colour": "red"},
    ],
)  # fmt: skip
def test_common_terms_that_mean_nothing_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check("amount_off", {"off_fen": 10, **terms})


def reduced(*rows: tuple[int, int, int, int]) -> Basket:
    """Lines of (sku, unit price, quantity, what came off the line already)."""
    return Basket(
        tuple(
            BasketLine(sku, 10 * sku, 1, Fen(price), count, off=Fen(off))
            for sku, price, count, off in rows
        )
    )


@pytest.mark.parametrize(
    ("kind", "terms", "off"),
    [
        # 3 × 1.00 less 0.10: a unit still costs 0.96 and a part of a fen, which is paid.
        ("exchange", {"sku": 1}, (96,)),
        ("sku_price", {"sku": 1, "price_fen": 90, "units": 3}, (20,)),
        ("nth_rate", {"nth": 2, "pay_percent": 50}, (48,)),
        ("percent_off", {"pay_percent": 90}, (29,)),
        ("amount_off", {"off_fen": 500}, (290,)),
        ("spend_and_save", {"threshold_fen": 290, "off_fen": 90}, (90,)),
    ],
)
def test_a_coupon_reads_what_promotions_left(
    kind: str, terms: dict[str, Any], off: tuple[int, ...]
) -> None:
    found = discount(Voucher(1, "券", kind, terms), reduced((1, 100, 3, 10)))

    assert found.lines == off


def test_a_coupon_may_be_kept_from_goods_that_a_promotion_reduced() -> None:
    both = reduced((1, 100, 1, 0), (2, 100, 1, 1))

    found = discount(
        Voucher(1, "券", "amount_off", {"off_fen": 5, "not_with": ["promotion"]}), both
    )

    assert found.lines == (5, 0)


@pytest.mark.parametrize(
    ("terms", "off", "reason"),
    [
        ({}, (4, 4, 4), ""),
        ({"not_with": ["flash"]}, (6, 0, 6), ""),
        ({"not_with": ["group"]}, (6, 6, 0), ""),
        ({"not_with": ["flash", "group"]}, (12, 0, 0), ""),
        ({"not_with": ["flash"], "skus": [2]}, (), "not_applicable"),
        ({"not_with": ["group"], "skus": [2]}, (0, 12, 0), ""),
        ({"not_with": ["flash"], "threshold_fen": 201}, (), "below_threshold"),
        ({"not_with": ["group", "promotion"], "threshold_fen": 200}, (6, 6, 0), ""),
    ],
)
def test_a_coupon_may_be_kept_from_goods_at_another_offers_price(
    terms: dict[str, Any], off: tuple[int, ...], reason: str
) -> None:
    """Such goods don't count towards its threshold either."""
    lines = ("", "flash", "group")
    bought = Basket(
        tuple(
            BasketLine(sku, 10 * sku, 1, Fen(100), 1, offer=offer)
            for sku, offer in enumerate(lines, 1)
        )
    )
    whole = {"off_fen": 12, **terms}
    check("amount_off", whole)

    found = discount(Voucher(1, "券", "amount_off", whole), bought)

    assert (found.lines, found.reason) == (off, reason)


def test_a_tier_that_is_reached_says_how_far_the_next_one_is() -> None:
    tiers = [{"threshold_fen": 100, "off_fen": 10}, {"threshold_fen": 300, "off_fen": 50}]
    terms = {"tiers": tiers}

    assert discount(Voucher(1, "券", "spend_and_save", terms), basket((1, 120, 1))).missing == 180
    assert discount(Voucher(1, "券", "spend_and_save", terms), basket((1, 300, 1))).missing == 0


def test_a_gift_names_itself_and_the_goods_it_comes_with() -> None:
    gift = Voucher(1, "赠", "gift", {"sku": 9, "threshold_fen": 200, "skus": [2]}, automatic=True)

    found = discount(gift, basket((1, 500, 1), (2, 100, 2)))
    short = discount(gift, basket((1, 500, 1), (2, 100, 1)))

    assert found.gift == Gift(sku=9, units=1, places=(1,))
    assert (short.gift, short.reason, short.missing) == (None, "below_threshold", 100)
