"""Fen add up, print as yuan for people only, and are shared without losing one."""

from __future__ import annotations

import json
import pickle
from itertools import pairwise
from typing import ClassVar

import orjson
import pytest
from django.db import connection, models
from django.db.migrations.writer import MigrationWriter
from django.db.models import F, Sum
from django.forms import modelform_factory
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from backend.money import Fen, FenField, split_fen

amounts = st.integers(min_value=0, max_value=10**12).map(Fen)
weights = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=40)


def test_money_plus_and_minus_money_is_money() -> None:
    paid = Fen(1200) + Fen(34) - Fen(4)

    assert paid == 1230
    assert type(paid) is Fen
    assert type(-paid) is Fen
    assert type(abs(-paid)) is Fen
    assert type(sum([Fen(1), Fen(2)])) is Fen


def test_money_times_a_quantity_is_money_either_way_round() -> None:
    assert (Fen(350) * 3, type(Fen(350) * 3)) == (1050, Fen)
    assert (3 * Fen(350), type(3 * Fen(350))) == (1050, Fen)


def test_three_of_five_units_round_down() -> None:
    share = Fen(999) * 3 // 5

    assert share == 599
    assert type(share) is Fen


@pytest.mark.parametrize("broken", ["a / 2", "2 / a", "a / a", "a // a", "a * a"])
def test_money_refuses_what_means_nothing(broken: str) -> None:
    with pytest.raises(TypeError):
        eval(broken, {"a": Fen(100)})  # noqa: S307


@pytest.mark.parametrize(
    ("fen", "shown"),
    [(0, "¥0.00"), (5, "¥0.05"), (1200, "¥12.00"), (-1205, "-¥12.05"), (-5, "-¥0.05")],
)
def test_people_read_yuan(fen: int, shown: str) -> None:
    assert str(Fen(fen)) == shown
    assert f"{Fen(fen)}" == shown


def test_machines_read_whole_fen() -> None:
    price = Fen(1200)

    assert json.dumps({"price_fen": price}) == '{"price_fen": 1200}'
    assert orjson.dumps({"price_fen": price}) == b'{"price_fen":1200}'
    assert f"{price:d}" == "1200"
    assert MigrationWriter.serialize(price)[0] == "1200"
    assert type(pickle.loads(pickle.dumps(price))) is Fen  # noqa: S301


@given(amounts, weights)
def test_shares_add_up_and_none_is_negative(amount: Fen, lines: list[int]) -> None:
    shares = split_fen(amount, lines)

    assert len(shares) == len(lines)
    assert sum(shares) == amount
    assert all(share >= 0 and type(share) is Fen for share in shares)


@given(amounts, weights)
def test_no_share_is_a_fen_away_from_its_proportion(amount: Fen, lines: list[int]) -> None:
    whole = sum(lines)
    shares = split_fen(amount, lines)

    if whole:
        exact = [(int(amount) * line, share) for line, share in zip(lines, shares, strict=True)]
        assert all(abs(int(share) * whole - product) < whole for product, share in exact)
    else:
        assert max(shares) - min(shares) <= 1


@given(weights, st.data())
def test_a_discount_never_takes_more_than_a_line_has(lines: list[int], data: st.DataObject) -> None:
    discount = Fen(data.draw(st.integers(0, sum(lines)))) if sum(lines) else Fen(0)

    for share, line in zip(split_fen(discount, lines), lines, strict=True):
        assert share <= line


@given(amounts, weights)
def test_a_heavier_line_never_gets_less(amount: Fen, lines: list[int]) -> None:
    by_weight = sorted(zip(lines, split_fen(amount, lines), strict=True))

    for (light, less), (heavy, more) in pairwise(by_weight):
        assert light == heavy or less <= more


def test_the_earlier_line_gets_the_odd_fen_on_a_tie() -> None:
    assert split_fen(Fen(10), [1, 1, 1]) == [4, 3, 3]
    assert split_fen(Fen(2), [5, 5, 5]) == [1, 1, 0]


def test_the_largest_remainder_gets_the_odd_fen_wherever_it_stands() -> None:
    assert split_fen(Fen(100), [1, 1, 4]) == [17, 17, 66]
    assert split_fen(Fen(10), [1, 4, 8]) == [1, 3, 6]


def test_lines_worth_nothing_share_evenly() -> None:
    assert split_fen(Fen(5), [0, 0]) == [3, 2]


def test_nothing_over_no_lines_is_nothing() -> None:
    assert split_fen(Fen(0), []) == []


@pytest.mark.parametrize(("amount", "lines"), [(-1, [1]), (1, [-1, 2]), (1, [])])
def test_what_can_not_be_shared_is_refused(amount: int, lines: list[int]) -> None:
    with pytest.raises(ValueError, match=r"shared|no line"):
        split_fen(Fen(amount), lines)


@pytest.mark.django_db(transaction=True)
@isolate_apps("backend")
def test_a_fen_column_reads_back_as_fen_also_out_of_a_sum() -> None:
    class Price(models.Model):
        price_fen = FenField(default=Fen(0))
        market_fen = FenField(null=True)
        objects: ClassVar[models.Manager[Price]] = models.Manager()

        class Meta:
            app_label = "backend"

        def __str__(self) -> str:
            return str(self.price_fen)

    with connection.schema_editor() as editor:
        editor.create_model(Price)
    try:
        made = Price.objects.create(price_fen=100)
        assert type(made.price_fen) is Fen
        Price.objects.create(price_fen=Fen(250), market_fen=Fen(300))
        Price.objects.update(price_fen=F("price_fen") + Fen(5))

        first = Price.objects.order_by("pk")[0]
        assert (first.price_fen, type(first.price_fen), first.market_fen) == (105, Fen, None)
        assert type(Price.objects.values_list("price_fen", flat=True)[0]) is Fen
        total = Price.objects.aggregate(total=Sum("price_fen"))["total"]
        assert (total, type(total)) == (360, Fen)
        assert Price.objects.filter(price_fen__gte=Fen(200)).count() == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::bigint", [Fen(1200)])
            assert cursor.fetchone() == (1200,)

        shown = modelform_factory(Price, fields=["price_fen"])(instance=first).as_p()
        assert 'value="105"' in shown
        assert Price._meta.get_field("price_fen").deconstruct()[3] == {"default": 0}
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Price)
