"""A coupon comes into a wallet: counted and written in one statement, within every limit."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.api import KeyReused, NotFound
from backend.errors import DomainError
from backend.numbers import new_code
from coupons import offers
from coupons.models import Coupon, CouponLot, CouponStoreCount, CouponTemplate, Way
from shop import messages
from shop.models import MessageTemplate, Store

log = logging.getLogger(__name__)


class SoldOut(DomainError):
    code = "sold_out"
    message = _("All of these coupons have been claimed.")


class SoldOutToday(DomainError):
    code = "sold_out_today"
    message = _("Today's coupons have been claimed. More come tomorrow.")


class SoldOutHere(DomainError):
    code = "sold_out_in_store"
    message = _("This store has no more of these coupons.")


class ClaimLimitReached(DomainError):
    code = "claim_limit_reached"
    message = _("You have claimed as many of these as you may.")


class DailyLimitReached(DomainError):
    code = "claim_limit_today"
    message = _("You have claimed as many of these as you may today.")


class NotStarted(DomainError):
    code = "not_started"
    message = _("These coupons can't be claimed yet.")


class Ended(DomainError):
    code = "ended"
    message = _("These coupons can't be claimed any more.")


class StoreNeeded(DomainError):
    code = "store_needed"
    status = 422
    message = _("Say in which store you are.")


# What may be asked of a claim, and refused.
REFUSALS: Final = (
    NotFound, NotStarted, Ended, SoldOut, SoldOutToday, SoldOutHere, ClaimLimitReached,
    DailyLimitReached, StoreNeeded, KeyReused,
)  # fmt: skip

# From when until when a coupon of the template `c`, given %(at)s, is valid.
VALIDITY: Final = """
        coalesce(c.valid_from, %(at)s + make_interval(days => c.valid_delay_days)),
        coalesce(c.valid_until,
                 %(at)s + make_interval(days => c.valid_delay_days + c.valid_days))"""

# Counting and writing are one statement, so the lot's lock is held for one round trip. Which lot
# a customer begins at is chance; whose lot was emptied while they waited tries again. The lot is
# chosen before it is locked: a statement that locked them until one fits would hold those that
# didn't, and two would wait for one another. The ordinal makes two claims of one customer collide.
_CLAIM_SQL: Final = """
WITH mine AS (
    SELECT count(*)::int AS n, count(*) FILTER (WHERE claimed_at >= %(midnight)s)::int AS today
    FROM coupons_coupon
    WHERE merchant_id = %(merchant)s AND template_id = %(template)s AND customer_id = %(customer)s
), lot AS (
    SELECT l.id AS lot, t.*, mine.n
    FROM coupons_coupontemplate t JOIN coupons_couponlot l ON l.template_id = t.id, mine
    WHERE l.id = (
        SELECT x.id FROM coupons_couponlot x
        WHERE x.merchant_id = %(merchant)s AND x.template_id = %(template)s AND x.given < x.share
        ORDER BY (x.number + %(customer)s) %% 16 LIMIT 1)
      AND t.id = %(template)s AND t.merchant_id = %(merchant)s AND t.way = ANY(%(ways)s)
      AND (%(promised)s OR t.is_published AND t.starts_at <= %(at)s AND t.ends_at > %(at)s)
      AND l.given < l.share AND mine.n < t.per_customer
      AND (t.per_customer_per_day IS NULL OR mine.today < t.per_customer_per_day)
      AND (t.per_day IS NULL OR l.day IS NULL OR l.day < %(day)s OR l.given_that_day < t.per_day)
      AND IN_STORE
    FOR NO KEY UPDATE OF l
), counted AS (
    UPDATE coupons_couponlot l
    SET given = l.given + 1, day = greatest(l.day, %(day)s),
        given_that_day = CASE WHEN l.day >= %(day)s THEN l.given_that_day ELSE 0 END + 1
    FROM lot WHERE l.id = lot.lot AND STORED
    RETURNING lot.*
), claimed AS (
    INSERT INTO coupons_coupon (merchant_id, template_id, customer_id, ordinal, code, name, kind,
        terms, status, valid_from, valid_until, claimed_at, way, store_id, source,
        idempotency_key)
    SELECT %(merchant)s, c.id, %(customer)s, c.n + 1, %(code)s, c.name, c.kind, c.terms,
        'claimed', VALIDITY,
        %(at)s, %(way)s, %(store)s, %(source)s::jsonb, %(key)s
    FROM counted c
    RETURNING *
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT merchant_id, id, 'claimed', %(reference)s, %(by)s, %(now)s FROM claimed
)
SELECT {claimed} FROM claimed
""".replace("VALIDITY", VALIDITY)
_ANYWHERE_SQL: Final = _CLAIM_SQL.replace("IN_STORE", "t.per_store IS NULL").replace(
    "STORED", "true"
)
# The store's count is taken after the lot's lock, and the lot's count after it: both or neither.
_IN_STORE_SQL: Final = (
    _CLAIM_SQL.replace(
        "IN_STORE",
        """EXISTS (SELECT 1 FROM shop_store s WHERE s.id = %(store)s
                  AND s.merchant_id = %(merchant)s AND s.is_active)""",
    )
    .replace("STORED", "(lot.per_store IS NULL OR EXISTS (SELECT 1 FROM stored))")
    .replace(
        "), counted AS (",
        """), stored AS (
    INSERT INTO coupons_couponstorecount AS s (merchant_id, template_id, store_id, most, given)
    SELECT %(merchant)s, lot.id, %(store)s, lot.per_store, 1 FROM lot
    WHERE lot.per_store IS NOT NULL
    ON CONFLICT (merchant_id, template_id, store_id)
    DO UPDATE SET given = s.given + 1, most = excluded.most
    WHERE s.given < excluded.most
    RETURNING s.id
), counted AS (""",
    )
)

# Everybody who had to wait for a lot may find it empty; but then somebody else was served.
_TRIES: Final = 50


@dataclass(frozen=True)
class Giving:
    """Which template's coupon goes to whom, how and where.

    `ways`: what the template's own way may be. The same `key` gives the same coupon; `by` and
    `reference` are written into its history. `given_at`: when somebody else, WeChat, has given it
    already: its days count from then, and only the limits are asked.
    """

    merchant: int
    template: int
    customer: int
    way: Way
    ways: Collection[Way] = ()
    key: str | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    store: int | None = None
    by: str = ""
    reference: str = ""
    given_at: dt.datetime | None = None


def claim(
    *,
    merchant: int,
    template: int,
    customer: int,
    key: str | None = None,
    source: Mapping[str, Any] | None = None,
    store: int | None = None,
) -> tuple[Coupon, bool]:
    """Put one coupon of a template into a customer's wallet; say whether it is new.

    The same key again gives the first coupon. Nothing is counted when it is refused.

    Locks: one of the template's lots, for one statement.
    Raises: one of REFUSALS.
    """
    return give(
        Giving(merchant, template, customer, Way.CLAIM, key=key, source=source or {}, store=store)
    )


def give(giving: Giving) -> tuple[Coupon, bool]:
    """Count a coupon and write it into the wallet; say whether it is new.

    Locks: one of the template's lots, for one statement.
    Raises: one of REFUSALS.
    """
    at = giving.given_at or timezone.now()
    parameters = {
        "promised": giving.given_at is not None,
        "merchant": giving.merchant,
        "template": giving.template,
        "customer": giving.customer,
        "ways": [str(way.value) for way in giving.ways or (giving.way,)],
        "way": giving.way.value,
        "at": at,
        "now": timezone.now(),
        "day": timezone.localdate(at),
        "midnight": midnight(at),
        "store": giving.store,
        "code": new_code(),
        "source": json.dumps(dict(giving.source)),
        "key": giving.key,
        "by": giving.by,
        "reference": giving.reference,
    }
    sql = _ANYWHERE_SQL if giving.store is None else _IN_STORE_SQL
    for _attempt in range(_TRIES):
        try:
            with rows.alone():
                claimed = rows.read(sql, parameters, claimed=Coupon)
        except IntegrityError:
            # The same customer at the same moment: the other one took the ordinal, or the key.
            claimed = []
        if claimed:
            return claimed[0][0], True
        first = _first(giving)
        if first is not None:
            return first, False
        if why := refusal(giving, at):
            raise why
    raise SoldOut


def _first(giving: Giving) -> Coupon | None:
    """What this key gave before.

    Raises: KeyReused when that was of another template.
    """
    if giving.key is None:
        return None
    first = Coupon.objects.filter(
        merchant_id=giving.merchant, customer_id=giving.customer, idempotency_key=giving.key
    ).first()
    if first is not None and first.template_id != giving.template:
        raise KeyReused
    return first


def refusal(giving: Giving, at: dt.datetime) -> DomainError | None:
    """Why this can't be given now, in the order a shopper would ask; None: it can. Reads only."""
    offer = CouponTemplate.objects.filter(
        pk=giving.template,
        merchant_id=giving.merchant,
        way__in=giving.ways or (giving.way,),
    ).first()
    promised = giving.given_at is not None
    if offer is None or not (offer.is_published or promised):
        return NotFound(f"coupon template {giving.template}")
    if at < offer.starts_at and not promised:
        return NotStarted(detail={"starts_at": offer.starts_at})
    if at >= offer.ends_at and not promised:
        return Ended()
    return _own_limits(giving, offer, at) or _shared_limits(giving, offer, at)


def _own_limits(giving: Giving, offer: CouponTemplate, at: dt.datetime) -> DomainError | None:
    """Whether this customer has had their share, in all or today."""
    mine = list(
        Coupon.objects.filter(
            merchant_id=giving.merchant,
            template_id=giving.template,
            customer_id=giving.customer,
        ).values_list("claimed_at", flat=True)
    )
    if len(mine) >= offer.per_customer:
        return ClaimLimitReached(detail={"per_customer": offer.per_customer})
    most = offer.per_customer_per_day
    if most is not None and sum(one >= midnight(at) for one in mine) >= most:
        return DailyLimitReached(detail={"per_customer_per_day": most})
    return None


def _shared_limits(giving: Giving, offer: CouponTemplate, at: dt.datetime) -> DomainError | None:
    """Whether the template has none left: at all, today, or in this store."""
    day = timezone.localdate(at)
    lots = list(CouponLot.objects.filter(template=offer))
    if all(lot.given >= lot.share for lot in lots):
        return SoldOut()
    if offers.is_over_today(offer, lots, day):
        return SoldOutToday(detail={"per_day": offer.per_day})
    if giving.store is None:
        return StoreNeeded() if offer.per_store is not None else None
    own = Store.objects.filter(pk=giving.store, merchant_id=giving.merchant, is_active=True)
    if not own.exists():
        return NotFound(f"store {giving.store}")
    full = CouponStoreCount.objects.filter(
        template=offer, store_id=giving.store, given__gte=offer.per_store or 0
    )
    return SoldOutHere() if offer.per_store is not None and full.exists() else None


def midnight(at: dt.datetime) -> dt.datetime:
    """When the shop's day began that a moment is in."""
    return timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)


def try_to_give(giving: Giving) -> bool:
    """Give it where the limits allow; say whether the customer now has it from this key.

    For what nobody asked for at this moment: a refusal is logged, and is all there is to say.
    """
    try:
        coupon, new = give(giving)
    except REFUSALS as error:
        log.info("template %s not given: %s", giving.template, error.code)
        return False
    if new:
        messages.plan(
            MessageTemplate.Event.COUPON_GIVEN, merchant=giving.merchant, customer=giving.customer,
            about=coupon.pk, at=timezone.now(),
        )  # fmt: skip
    return True
