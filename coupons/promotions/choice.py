"""Which coupons go together, and which of them a shopper is best off with.

Of one group a shopper uses one coupon; coupons of different groups combine. A coupon that names no
group is of its kind's: goods or freight. An exclusive one is used alone.

Each coupon reads the prices before any other, so what several take off is the sum of what each
does, but never more than a line costs. Freight is reckoned afterwards, and may come back when the
goods fall below the amount from which it is free: the choice that costs least in all wins, and no
coupon is used that adds nothing to it. Of equals in a group the first is used.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from coupons.promotions import Discount, Voucher, group_of

# What freight costs once so much has come off each line.
Freight = Callable[[Sequence[int]], int]
MOST_TOGETHER: Final = 5
# A wallet made to be hard could take minutes. Past so much work, in lines looked at, the best found
# so far is taken: `docs/decisions/vouchers.md` says how often that is. Counted, not timed: what is
# placed must be what was quoted.
MOST_WORK: Final = 200_000


@dataclass(frozen=True)
class Offer:
    """A voucher and what it takes off the basket."""

    voucher: Voucher
    discount: Discount

    @property
    def group(self) -> str:
        return group_of(self.voucher)

    @property
    def alone(self) -> bool:
        return bool(self.voucher.terms.get("exclusive"))


class _Taking:
    """An offer as the search sees it: the lines it takes something off, and how much."""

    def __init__(self, offer: Offer, most_freight: int) -> None:
        self.offer = offer
        self.freight = min(most_freight, int(offer.discount.freight))
        self.places = [place for place, off in enumerate(offer.discount.lines) if off]
        self.off = [int(offer.discount.lines[place]) for place in self.places]
        self.worth = sum(self.off) + self.freight
        self.size = 1 + len(self.places)  # looking at it is work, even where it is for no line
        # Two places at least, as it answers no list for one.
        self._rest = itemgetter(*self.places, *self.places[:1]) if self.places else None

    def goods(self, left: Sequence[int]) -> int:
        """How much it takes off the goods where so much of each line is left to pay."""
        if self._rest is None:
            return 0
        rest: Sequence[int] = self._rest(left)
        return sum(map(min, self.off, rest))

    def adds(self, left: Sequence[int], freight: int) -> int:
        """How much it can add where so much is left to pay, and at most so much of the freight."""
        return self.goods(left) + min(self.freight, freight)

    def take(self, left: Sequence[int]) -> list[int]:
        """What is left of each line after it."""
        after = list(left)
        for place, off in zip(self.places, self.off, strict=True):
            after[place] = max(0, after[place] - off)
        return after


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


def best(
    offers: Sequence[Offer], lines: Sequence[int], freight: Freight, most: int = MOST_TOGETHER
) -> tuple[Offer, ...]:
    """The lawful choice, of so many offers at most, that costs least: every other is tried, or
    can't be better.
    """
    found = _Search(offers, lines, freight, most).run()
    for offer in sorted(found, key=lambda one: one.discount.goods):
        fewer = tuple(one for one in found if one is not offer)
        if saved(fewer, lines, freight) >= saved(found, lines, freight):
            found = fewer
    return found


# Of each group, the most that it can add; and its offers, with what each of them could add once.
_Bounds = list[tuple[int, list[tuple[int, _Taking]]]]
_first = itemgetter(0)


class _Search:
    """Depth first, the group with the most to gain first, cutting what can't catch up.

    What an offer adds never grows as others are taken, because a line's cost is shared among them:
    so what a group could add once is a bound of what it can add later. `freight` never falls as
    more comes off the goods: what it costs so far, it costs at the end.
    """

    def __init__(
        self, offers: Sequence[Offer], lines: Sequence[int], freight: Freight, most_together: int
    ) -> None:
        self.lines, self.freight = [int(cost) for cost in lines], freight
        self.most_together = most_together
        self.least_freight, self.most_freight = freight([0] * len(lines)), freight(list(lines))
        self.alone = [offer for offer in offers if offer.alone]
        groups: dict[str, list[_Taking]] = {}
        for offer in offers:
            if not offer.alone:
                groups.setdefault(offer.group, []).append(_Taking(offer, self.most_freight))
        self.groups = list(groups.values())
        self.found: tuple[Offer, ...] = ()
        self.most = 0
        self.work = 0

    def run(self) -> tuple[Offer, ...]:
        for offer in self.alone:
            worth = saved((offer,), self.lines, self.freight)
            if worth > self.most:
                self.found, self.most = (offer,), worth
        self._climb()
        bounds: _Bounds = [
            (max(one.worth for one in group), [(one.worth, one) for one in group])
            for group in self.groups
        ]
        self._descend((), list(self.lines), 0, 0, bounds)
        return self.found

    def _climb(self) -> None:
        """A good choice to begin with: add or swap one as long as that saves more."""
        here: tuple[_Taking, ...] = ()
        better: tuple[_Taking, ...] | None = here
        while better is not None:
            here, better = better, None
            for fewer in [here[:place] + here[place + 1 :] for place in range(len(here))] + [here]:
                if len(fewer) == self.most_together:
                    continue
                left, taken, spared = list(self.lines), 0, 0
                for one in fewer:
                    taken += one.goods(left)
                    left, spared = one.take(left), spared + one.freight
                used = {one.offer.group for one in fewer}
                for group in self.groups:
                    if group[0].offer.group in used:
                        continue
                    for one in group:
                        goods = one.goods(left)
                        self.work += one.size
                        if taken + goods + self.least_freight <= self.most:
                            continue
                        worth = self._worth(one.take(left), taken + goods, spared + one.freight)
                        if worth > self.most:
                            better = (*fewer, one)
                            self.most, self.found = worth, tuple(o.offer for o in better)

    def _worth(self, left: Sequence[int], taken: int, spared: int) -> int:
        """What is saved where so much comes off the goods, and at most so much off the freight.

        As `saved` has it: what comes off each line in all is bounded by its cost, in any order.
        """
        after = self.most_freight
        if self.most_freight > self.least_freight:
            after = self.freight([cost - rest for cost, rest in zip(self.lines, left, strict=True)])
        return taken + self.least_freight - max(0, after - spared)

    def _descend(
        self, chosen: tuple[Offer, ...], left: list[int], taken: int, spared: int, bounds: _Bounds
    ) -> None:
        """Everything that begins with `chosen`: `left` of each line is still to be paid, and each
        of the groups can add at most its bound.
        """
        worth = self._worth(left, taken, spared)
        if worth > self.most:
            self.found, self.most = chosen, worth
        slots = self.most_together - len(chosen)
        while slots and bounds and self.work < MOST_WORK:
            bounds = self._tightened(bounds, left, max(0, self.most_freight - spared), slots)
            if worth + sum(bound for bound, _adds in bounds[:slots]) <= self.most:
                return
            (_bound, adds), *bounds = bounds
            for more, one in sorted(adds, key=_first, reverse=True):
                if more:
                    self._descend(
                        (*chosen, one.offer), one.take(left), taken + one.goods(left),
                        spared + one.freight, bounds,
                    )  # fmt: skip

    def _tightened(self, bounds: _Bounds, left: list[int], freight: int, slots: int) -> _Bounds:
        """The bounds, greatest first: as tight as is needed to know the greatest `slots` of them,
        and what each offer of those adds now.
        """
        known: _Bounds = []
        stale = sorted(bounds, key=_first, reverse=True)
        greatest: list[int] = []  # of the known, as many as there are slots, least first
        for place, (bound, adds) in enumerate(stale):
            if len(greatest) == slots and greatest[0] >= bound:
                known += stale[place:]
                break
            now = [(one.adds(left, freight), one) for _before, one in adds]
            self.work += sum(one.size for _more, one in now)
            most = max(now, key=_first)[0]
            known.append((most, now))
            heapq.heappush(greatest, most) if len(greatest) < slots else heapq.heappushpop(
                greatest, most
            )
        return sorted(known, key=_first, reverse=True)
