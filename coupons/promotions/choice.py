"""Which coupons go together, and which of them a shopper is best off with.

Of one group a shopper uses one coupon; coupons of different groups combine. A coupon that names no
group is of its kind's: goods or freight. An exclusive one is used alone.

Each coupon reads the prices before any other, so what several take off is the sum of what each
does, but never more than a line costs. Freight is reckoned afterwards, and may come back when the
goods fall below the amount from which it is free: the choice that costs least in all wins, and no
coupon is used that adds nothing to it. Of equals in a group the first is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from coupons.promotions.basket import Discount, Voucher

# What freight costs once so much has come off each line.
Freight = Callable[[Sequence[int]], int]
MOST_TOGETHER: Final = 5
# A wallet made to be hard could take minutes. Past so many steps the best one found so far is
# taken; 60 coupons in five groups over 50 lines take a few hundred, or all of them where freight
# hangs on a fen.
MOST_STEPS: Final = 3000


@dataclass(frozen=True)
class Offer:
    """A voucher and what it takes off the basket."""

    voucher: Voucher
    discount: Discount

    @property
    def group(self) -> str:
        kind = "freight" if self.discount.freight else "goods"
        return str(self.voucher.terms.get("group", kind))

    @property
    def alone(self) -> bool:
        return bool(self.voucher.terms.get("exclusive"))


def lawful(offers: Sequence[Offer]) -> bool:
    """Whether these may be used together."""
    groups = [offer.group for offer in offers]
    apart = len(set(groups)) == len(groups) <= MOST_TOGETHER
    return apart and (len(offers) < 2 or not any(offer.alone for offer in offers))


def taken_off(offers: Sequence[Offer], lines: Sequence[int]) -> list[list[int]]:
    """What each offer takes off each line, in their order; together never more than it costs."""
    left = list(lines)
    shares = []
    for offer in offers:
        wanted = offer.discount.lines or (0,) * len(left)
        share = [min(want, rest) for want, rest in zip(wanted, left, strict=True)]
        left = [rest - taken for rest, taken in zip(left, share, strict=True)]
        shares.append(share)
    return shares


def saved(offers: Sequence[Offer], lines: Sequence[int], freight: Freight) -> int:
    """How much less is paid with these offers than with none."""
    off = [sum(shares) for shares in zip(*taken_off(offers, lines), strict=True)]
    before, after = freight([0] * len(lines)), freight(off or [0] * len(lines))
    spared = min(after, sum(offer.discount.freight for offer in offers))
    return int(sum(off) + before - after + spared)


def best(offers: Sequence[Offer], lines: Sequence[int], freight: Freight) -> tuple[Offer, ...]:
    """The lawful choice that costs least: every other is tried, or can't be better."""
    found = _Search(offers, lines, freight).run()
    for offer in sorted(found, key=lambda one: one.discount.goods):
        fewer = tuple(one for one in found if one is not offer)
        if saved(fewer, lines, freight) >= saved(found, lines, freight):
            found = fewer
    return found


class _Search:
    """Depth first over the groups, the most promising first, cutting what can't catch up.

    `freight` never falls as more comes off the goods: what it costs so far, it costs at the end.
    """

    def __init__(self, offers: Sequence[Offer], lines: Sequence[int], freight: Freight) -> None:
        self.lines, self.freight = lines, freight
        self.least_freight, self.most_freight = freight([0] * len(lines)), freight(list(lines))
        self.alone = [offer for offer in offers if offer.alone]
        groups: dict[str, list[Offer]] = {}
        for offer in offers:
            if not offer.alone:
                groups.setdefault(offer.group, []).append(offer)
        self.groups = sorted(
            (sorted(group, key=self._worth, reverse=True) for group in groups.values()),
            key=lambda group: -self._worth(group[0]),
        )
        # Of the groups from each depth on: most off each line, their worth, most freight spared.
        self.rest: list[list[int]] = [[0] * len(lines)]
        self.rest_worth, self.rest_freight = [0], [0]
        for group in reversed(self.groups):
            most = [max(off) for off in zip(*(self._off(offer) for offer in group), strict=True)]
            below = self.rest[0]
            self.rest.insert(0, [one + more for one, more in zip(below, most, strict=True)])
            self.rest_worth.insert(0, self.rest_worth[0] + self._worth(group[0]))
            spared = max(int(offer.discount.freight) for offer in group)
            self.rest_freight.insert(0, self.rest_freight[0] + spared)
        # Where all of them together take no line's whole cost, nothing is ever cut off.
        self.roomy = all(map(int.__le__, self.rest[0], self.lines))
        self.rest_sum = [sum(rest) for rest in self.rest]
        self.found: tuple[Offer, ...] = ()
        self.most = 0
        self.steps = 0

    def _off(self, offer: Offer) -> Sequence[int]:
        return offer.discount.lines or (0,) * len(self.lines)

    def _worth(self, offer: Offer) -> int:
        return offer.discount.goods + min(self.most_freight, offer.discount.freight)

    def run(self) -> tuple[Offer, ...]:
        for offer in self.alone:
            worth = saved((offer,), self.lines, self.freight)
            if worth > self.most:
                self.found, self.most = (offer,), worth
        self._descend(0, (), [0] * len(self.lines), 0)
        return self.found

    def _descend(
        self, depth: int, chosen: tuple[Offer, ...], off: Sequence[int], spared: int
    ) -> None:
        """Everything that begins with `chosen`, of which `off` comes off the lines so far."""
        self.steps += 1
        if self.steps > MOST_STEPS:
            return
        here = off if self.roomy else list(map(min, self.lines, off))
        taken, beyond = sum(here), min(depth + MOST_TOGETHER - len(chosen), len(self.groups))
        # The groups are sorted by what they are worth: no others of as many are worth more.
        reach = (
            self.least_freight + taken + min(self.most_freight, spared)
            + self.rest_worth[depth] - self.rest_worth[beyond]
        )  # fmt: skip
        if reach <= self.most:
            return
        more = min(self.most_freight, spared + self.rest_freight[depth])
        if self.roomy:
            more += taken + self.rest_sum[depth]
        else:
            more += sum(map(min, self.lines, map(int.__add__, here, self.rest[depth])))
        reach = min(reach, self.least_freight + more)
        if reach <= self.most:
            return
        after = self.freight(here) if self.most_freight > self.least_freight else self.most_freight
        if reach - after <= self.most:
            return
        # As `saved` has it: what comes off each line in all is bounded by its cost, in any order.
        worth = taken + self.least_freight - after + min(after, spared)
        if worth > self.most:
            self.found, self.most = chosen, worth
        if depth == len(self.groups) or len(chosen) == MOST_TOGETHER:
            return
        for offer in self.groups[depth]:
            lower = list(map(int.__add__, off, self._off(offer)))
            self._descend(depth + 1, (*chosen, offer), lower, spared + offer.discount.freight)
        self._descend(depth + 1, chosen, off, spared)
