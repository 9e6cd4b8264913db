"""Staff give a template's coupons to many: in steps, each a transaction that can be repeated.

A step looks at the next few thousand customers, writes the coupons of those who may have one, and
moves the grant's cursor with them: a worker killed anywhere leaves whole steps behind, and the next
goes on after the last. A coupon's key names its grant, so nobody gets two of one, whatever happens.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from backend.numbers import new_code
from coupons import claiming, offers, segments
from coupons.models import CouponLot, CouponTemplate, Grant, GrantTarget, Way
from shop import messages
from shop.models import Customer, MessageTemplate

STEP: Final = 4000
MOST_LISTED: Final = 2_000_000
# A phone's coupon that can't be given today is tried again tomorrow.
_TRY_AGAIN: Final = dt.timedelta(days=1)
RESUMABLE: Final = (Grant.State.STOPPED, Grant.State.SOLD_OUT, Grant.State.REFUSED)


def phone_hash(merchant: int, phone: str) -> str:
    """What is kept of a phone that nobody has verified: enough to know it again, no more."""
    said = f"grant:{merchant}:{phone}"
    return hmac.new(settings.SECRET_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()


_COUNT_SQL: Final = """
SELECT count(*) FROM shop_customer c WHERE c.merchant_id = %(merchant)s AND {condition}
"""


def expect(grant: Grant) -> None:
    """Say how many customers the grant will look at, for its progress."""
    if grant.audience == Grant.Audience.LIST:
        grant.expected = grant.targets.exclude(customer=None).count()
    else:
        with connection.cursor() as cursor:
            cursor.execute(
                _COUNT_SQL.format(condition=segments.condition(grant.segment)),
                {"merchant": grant.merchant_id, "at": timezone.now(), **grant.segment},
            )
            (grant.expected,) = cursor.fetchone()
    grant.save(update_fields=["expected"])


_LIST_SQL: Final = """
INSERT INTO coupons_granttarget (merchant_id, grant_id, customer_id, phone_hash)
SELECT %(merchant)s, %(grant)s, c.id, ''
FROM (
    SELECT c.id FROM listed l JOIN shop_customer c
        ON c.merchant_id = %(merchant)s AND c.phone = l.word AND c.erased_at IS NULL
    UNION
    SELECT i.customer_id FROM listed l JOIN shop_identity i
        ON i.merchant_id = %(merchant)s AND i.openid = l.word
) c
ON CONFLICT DO NOTHING
"""
_UNKNOWN_SQL: Final = """
SELECT l.word FROM listed l
WHERE l.is_phone AND NOT EXISTS (
    SELECT 1 FROM shop_customer c WHERE c.merchant_id = %s AND c.phone = l.word)
"""


@transaction.atomic
def write_list(grant: Grant, phones: Iterable[str], openids: Iterable[str]) -> int:
    """Keep whom a list names: customers we know, and phones that wait. How many openids nobody has.

    What was sent in is not kept.
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE listed (word text, is_phone bool) ON COMMIT DROP")
        with cursor.copy("COPY listed (word, is_phone) FROM STDIN") as copy:
            for phone in phones:
                copy.write_row((phone, True))
            for openid in openids:
                copy.write_row((openid, False))
        cursor.execute("ANALYZE listed")
        cursor.execute(_LIST_SQL, {"merchant": grant.merchant_id, "grant": grant.pk})
        cursor.execute(
            "SELECT count(DISTINCT l.word) FROM listed l WHERE NOT l.is_phone AND NOT EXISTS"
            " (SELECT 1 FROM shop_identity i WHERE i.merchant_id = %s AND i.openid = l.word)",
            [grant.merchant_id],
        )
        (nobodys,) = cursor.fetchone()
        cursor.execute(_UNKNOWN_SQL, [grant.merchant_id])
        unknown = [word for (word,) in cursor.fetchall()]
        waiting = {phone_hash(grant.merchant_id, word) for word in unknown}
        cursor.execute(
            "INSERT INTO coupons_granttarget (merchant_id, grant_id, phone_hash)"
            " SELECT %s, %s, hash FROM unnest(%s::text[]) hash ON CONFLICT DO NOTHING",
            [grant.merchant_id, grant.pk, sorted(waiting)],
        )
    # Who verified such a phone while this was written was greeted without seeing it.
    transaction.on_commit(
        lambda: Customer.objects.filter(merchant_id=grant.merchant_id, phone__in=unknown).update(
            greet_at=timezone.now()
        )
    )
    return int(nobodys)


_NEXT_CUSTOMERS: Final = """
    SELECT c.id AS mark, c.id AS customer FROM shop_customer c
    WHERE c.merchant_id = %(merchant)s AND c.id > %(cursor)s AND {condition}
    ORDER BY c.id LIMIT %(step)s
"""
_NEXT_TARGETS: Final = """
    SELECT g.id AS mark, g.customer_id AS customer
    FROM coupons_granttarget g JOIN shop_customer c ON c.id = g.customer_id
    WHERE g.grant_id = %(grant)s AND g.id > %(cursor)s AND c.erased_at IS NULL
    ORDER BY g.id LIMIT %(step)s
"""
# Written in the order of customers, so that two grants of one template don't wait for one another.
# Who was given another at the same moment is missed: the next step begins with them.
_STEP_SQL: Final = """
WITH next AS MATERIALIZED ({next}), mine AS (
    SELECT customer_id, count(*)::int AS n,
        count(*) FILTER (WHERE claimed_at >= %(midnight)s)::int AS today,
        coalesce(bool_or(idempotency_key = %(key)s), false) AS has_it
    FROM coupons_coupon
    WHERE merchant_id = %(merchant)s AND template_id = %(template)s
      AND customer_id IN (SELECT customer FROM next)
    GROUP BY customer_id
), fit AS (
    SELECT next.mark, next.customer, coalesce(mine.n, 0) + 1 AS ordinal,
        row_number() OVER (ORDER BY next.mark) AS place
    FROM next LEFT JOIN mine ON mine.customer_id = next.customer
        JOIN coupons_coupontemplate t ON t.id = %(template)s
    WHERE coalesce(mine.n, 0) < t.per_customer AND NOT coalesce(mine.has_it, false)
      AND (t.per_customer_per_day IS NULL OR coalesce(mine.today, 0) < t.per_customer_per_day)
    ORDER BY next.mark LIMIT %(most)s
), claimed AS (
    INSERT INTO coupons_coupon (merchant_id, template_id, customer_id, ordinal, code, name, kind,
        terms, status, valid_from, valid_until, claimed_at, way, source, idempotency_key)
    SELECT %(merchant)s, c.id, f.customer, f.ordinal, w.code, c.name, c.kind, c.terms,
        'claimed', VALIDITY,
        %(at)s, 'grant', '{{}}', %(key)s
    FROM fit f JOIN unnest(%(codes)s::text[]) WITH ORDINALITY AS w(code, place)
            ON w.place = f.place
        JOIN coupons_coupontemplate c ON c.id = %(template)s
    ORDER BY f.customer
    ON CONFLICT DO NOTHING
    RETURNING id, customer_id
), noted AS (
    INSERT INTO coupons_couponevent (merchant_id, coupon_id, event, reference, by, at)
    SELECT %(merchant)s, id, 'claimed', %(reference)s, %(by)s, %(at)s FROM claimed
), PLANNED, counted AS (
    UPDATE coupons_couponlot l
    SET given = l.given + n, day = greatest(l.day, %(day)s),
        given_that_day = n + CASE WHEN l.day >= %(day)s THEN l.given_that_day ELSE 0 END
    FROM (SELECT count(*)::int AS n FROM claimed) c WHERE l.id = %(lot)s
), reach AS (
    SELECT least(
        (SELECT min(mark) - 1 FROM fit WHERE customer NOT IN (SELECT customer_id FROM claimed)),
        (SELECT CASE WHEN count(*) = %(most)s THEN max(mark) END FROM fit),
        (SELECT max(mark) FROM next)) AS mark
)
SELECT reach.mark, (SELECT count(*) FROM next WHERE next.mark <= reach.mark),
    (SELECT count(*) FROM claimed),
    (SELECT count(*) < %(step)s AND coalesce(max(mark) <= reach.mark, true) FROM next)
FROM reach
""".replace("VALIDITY", claiming.VALIDITY).replace(
    "PLANNED",
    messages.PLAN_SQL.format(given="(SELECT customer_id AS customer, id AS about FROM claimed)"),
)


@transaction.atomic
def step(grant_id: int) -> bool:
    """Give the next customers of a grant theirs; say whether there is more to do.

    Locks: the grant, skipped where another worker has it; then one of the template's lots, so that
    whoever claims from the others doesn't wait; then the coupons it writes, by customer.
    """
    grant = (
        Grant.objects.select_for_update(skip_locked=True)
        .filter(pk=grant_id, state=Grant.State.RUNNING)
        .first()
    )
    if grant is None:
        return False
    at = timezone.now()
    template = CouponTemplate.objects.get(pk=grant.template_id)
    gives = template.is_published and template.starts_at <= at < template.ends_at
    if not gives or template.way not in offers.WAYS:
        return _end(grant, Grant.State.REFUSED, at)
    lot = offers.fullest_lot(template)
    if lot is None:
        return _end(grant, Grant.State.SOLD_OUT, at)
    most = offers.left_in(lot, template, timezone.localdate(at))
    if not most:  # somebody was faster: another lot may have some; but a day's limit has one lot
        return template.per_day is None or _end(grant, Grant.State.SOLD_OUT, at)
    reach, looked_at, given, done = _write(grant, template, lot, min(STEP, most), at)
    grant.cursor = grant.cursor if reach is None else reach
    grant.looked_at += looked_at
    grant.given += given
    if done:
        return _end(grant, Grant.State.DONE, at)
    grant.save()
    return True


def _write(
    grant: Grant, template: CouponTemplate, lot: CouponLot, most: int, at: dt.datetime
) -> tuple[int | None, int, int, bool]:
    """The next coupons, counted in the lot. How far it came: the last mark, how many were looked
    at and given, and whether that is all."""
    values: dict[str, Any] = {
        "merchant": grant.merchant_id,
        "grant": grant.pk,
        "template": template.pk,
        "lot": lot.pk,
        "cursor": grant.cursor,
        "step": STEP,
        "most": most,
        "at": at,
        "day": timezone.localdate(at),
        "midnight": claiming.midnight(at),
        "codes": [new_code() for _n in range(most)],
        "key": _key(grant),
        "reference": f"grant:{grant.pk}",
        "by": grant.by,
        **messages.plan_values(MessageTemplate.Event.COUPON_GIVEN, at),
    }
    following = _NEXT_TARGETS
    if grant.audience == Grant.Audience.SEGMENT:
        following = _NEXT_CUSTOMERS.format(condition=segments.condition(grant.segment))
        values.update(grant.segment)
    with connection.cursor() as cursor:
        cursor.execute(_STEP_SQL.format(next=following), values)
        reach, looked_at, given, done = cursor.fetchone()
    return reach, int(looked_at or 0), int(given), bool(done)


def _key(grant: Grant) -> str:
    """The key of every coupon of a grant, so that nobody gets two of one."""
    return f" grant:{grant.pk}"


def _end(grant: Grant, state: Grant.State, at: dt.datetime) -> bool:
    grant.state, grant.finished_at = state, at
    grant.save()
    return False


def stop(grant_id: int) -> bool:
    """The grant gives no more; what it gave stays given. Say whether it was running.

    Locks: the grant.
    """
    return bool(
        Grant.objects.filter(pk=grant_id, state=Grant.State.RUNNING).update(
            state=Grant.State.STOPPED, finished_at=timezone.now()
        )
    )


def resume(grant_id: int) -> bool:
    """A stopped grant, or one that ran out, goes on where it was. Say whether it does.

    Locks: the grant.
    """
    return bool(
        Grant.objects.filter(pk=grant_id, state__in=RESUMABLE).update(
            state=Grant.State.RUNNING, finished_at=None
        )
    )


def land(customer: Customer) -> dt.datetime | None:
    """Give a customer the coupons that waited for their phone.

    When to try again, where some can't be given yet: the template has not begun, or has none
    today. A target lands once, when it is given or the customer has had their share.

    Locks: the target, then one of a template's lots, at a time.
    """
    if not customer.phone:
        return None
    at, again = timezone.now(), None
    waiting = GrantTarget.objects.filter(
        Q(grant__waits_until=None) | Q(grant__waits_until__gt=at),
        merchant_id=customer.merchant_id,
        phone_hash=phone_hash(customer.merchant_id, customer.phone),
        landed_at=None,
        grant__template__ends_at__gt=at,
    ).exclude(grant__state=Grant.State.STOPPED)
    for target in waiting.select_related("grant__template"):
        if not _land(target, customer.pk, at):
            later = max(at + _TRY_AGAIN, target.grant.template.starts_at)
            again = later if again is None else min(again, later)
    return again


@transaction.atomic
def _land(target: GrantTarget, customer: int, at: dt.datetime) -> bool:
    """Whether the target needs nothing more."""
    if not GrantTarget.objects.filter(pk=target.pk, landed_at=None).update(landed_at=at):
        return True
    try:
        claiming.give(_giving(target.grant, customer))
    except claiming.ClaimLimitReached:
        return True
    except claiming.REFUSALS:
        GrantTarget.objects.filter(pk=target.pk).update(landed_at=None)
        return False
    return True


_FORGET_SQL: Final = """
DELETE FROM coupons_granttarget WHERE id IN (
    SELECT t.id FROM coupons_granttarget t
    JOIN coupons_grant g ON g.id = t.grant_id
    JOIN coupons_coupontemplate o ON o.id = g.template_id
    WHERE t.phone_hash <> '' AND g.state = 'done'
      AND (t.landed_at IS NOT NULL OR g.waits_until <= %(at)s OR o.ends_at <= %(at)s)
    LIMIT %(limit)s FOR UPDATE OF t SKIP LOCKED)
"""


def forget(at: dt.datetime, limit: int = 5000) -> int:
    """Delete the phones of ended grants that landed, or can't any more. How many there were.

    Locks: those targets, skipped where somebody has them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_SQL, {"at": at, "limit": limit})
        return int(cursor.rowcount)


def _giving(grant: Grant, customer: int) -> claiming.Giving:
    return claiming.Giving(
        grant.merchant_id, grant.template_id, customer, Way.GRANT, ways=offers.WAYS,
        key=_key(grant), by=grant.by, reference=f"grant:{grant.pk}",
    )  # fmt: skip


def waiting(grant: Grant) -> int:
    """How many phones of a grant's list still wait for somebody to verify them."""
    late = grant.waits_until is not None and timezone.now() >= grant.waits_until
    rows: Any = grant.targets.filter(landed_at=None).exclude(phone_hash="")
    return 0 if late else int(rows.count())
