"""How long the choice among 60 coupons takes over 50 lines, and how often it is cut short.

Arithmetic alone, in this process. The seeds are fixed, so a run can be repeated.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Final

from backend.money import Fen
from coupons.promotions import Voucher, choice
from orders.pricing import quote
from orders.quotes import FreightRule, Offered, Quote, Wish

LINES: Final = 50
COUPONS: Final = 60
# What each coupon takes off at most, as a part of all the goods; and when free freight is lost.
BASKETS: Final = {"plain": (100, (0.1, 0.9)), "hard": (3, (0.3, 1.0))}
_PATIENCE: Final = 20  # times as much work as a quote may take


def _wish(sku: int, store: int, price: int, quantity: int) -> Wish:
    offered = Offered(
        stock=sku, sku=sku, sku_code="", product=sku, store=store, store_name="", store_phone="",
        name="", picture="", specs=(), list_price=Fen(price), unit_price=Fen(price),
        available=None, for_sale=True, store_open=True, weight_g=0, no_reason_return=True,
        no_return_ground="",
    )  # fmt: skip
    return Wish(offered, quantity)


def basket(kind: str, seed: int) -> tuple[list[Wish], list[Voucher], FreightRule]:
    """Goods of one to ten stores; coupons in two to twenty groups, most for some goods only."""
    part, (low, high) = BASKETS[kind]
    chance = random.Random(seed)  # noqa: S311
    stores, groups = chance.choice([1, 1, 5, 10]), chance.randint(2, 20)
    wishes = [
        _wish(sku, chance.randint(1, stores), chance.randint(500, 20_000), chance.randint(1, 3))
        for sku in range(1, LINES + 1)
    ]
    goods = sum(int(wish.goods) for wish in wishes)
    vouchers = []
    for pk in range(COUPONS):
        most = goods // part
        terms: dict[str, object] = {
            "off_fen": chance.randint(most // 2, most), "group": str(chance.randrange(groups))
        }  # fmt: skip
        if chance.random() < 0.7:
            terms["skus"] = chance.sample(range(1, LINES + 1), chance.randint(1, 20))
        vouchers.append(Voucher(pk, "", "amount_off", terms))
    over, per_order = int(goods * chance.uniform(low, high)), chance.random() < 0.5
    fee = Fen(chance.choice([800, 2000, 5000]))
    rule = FreightRule(fee, Fen(over // (stores if per_order else 1)), False, per_order)  # noqa: FBT003
    return wishes, vouchers, rule


def measured(kind: str, seeds: Sequence[int]) -> str:
    """One line: how long a quote takes, and what a search that needn't hurry would have found."""
    took: list[float] = []
    dearer: list[float] = []
    for seed in seeds:
        asked = basket(kind, seed)
        found, once = _timed(*asked)
        took.append(min(once, _timed(*asked)[1]))  # one of them may have swept the heap
        more = int(found.payable) - _patiently(*asked)
        if more:
            dearer.append(more / int(found.goods))
    took.sort()
    lost = f", by {max(dearer):.1%} of the goods at most" if dearer else ""
    return (
        f"| {kind} | {took[len(took) // 2]:.0f} / {took[-len(took) // 100]:.0f} / {took[-1]:.0f} ms"
        f" | {len(dearer)} of {len(took)}{lost} |"
    )


def _timed(wishes: list[Wish], vouchers: list[Voucher], rule: FreightRule) -> tuple[Quote, float]:
    """A quote, and the milliseconds of work it took."""
    started = time.process_time()
    found = quote(wishes, vouchers, rule)
    return found, 1000 * (time.process_time() - started)


def _patiently(wishes: list[Wish], vouchers: list[Voucher], rule: FreightRule) -> int:
    """What is paid after so much more work."""
    usual = choice.MOST_WORK
    choice.MOST_WORK = usual * _PATIENCE  # type: ignore[misc]
    try:
        return int(quote(wishes, vouchers, rule).payable)
    finally:
        choice.MOST_WORK = usual  # type: ignore[misc]
