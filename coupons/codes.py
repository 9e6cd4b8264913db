"""Codes are made in the background, and each brings a coupon as often as it may."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

from backend.errors import DomainError
from backend.numbers import new_code
from coupons import claiming
from coupons.models import Code, CodeBatch, Coupon, Way
from shop.models import Customer

MOST_CODES: Final = 5_000_000
# 60 bits: where there are a million codes, a thousand guesses a second find one in 36 years.
LENGTH: Final = 12
_CHUNK: Final = 5000
_WRITTEN: Final = re.compile(r"[0-9A-Z]{4,24}")


class CodeUnknown(DomainError):
    code = "code_unknown"
    status = 404
    message = _("There is no such code. Please check how you typed it.")


class CodeUsed(DomainError):
    code = "code_used"
    message = _("This code has been used already.")


def written(text: str) -> str | None:
    """A code as we keep it, however it was typed; None where it can't be one."""
    plain = re.sub(r"[\s\-]", "", text).upper()
    return plain if _WRITTEN.fullmatch(plain) else None


def make_some(batch_id: int) -> bool:
    """Make the next codes of a batch; say whether it got some and lacks more.

    Each step is a transaction, so that a killed worker leaves whole ones, and the next goes on.

    Locks: the batch.
    """
    with transaction.atomic():
        batch = CodeBatch.objects.select_for_update().get(pk=batch_id)
        wanted = min(_CHUNK, batch.count - batch.made)
        texts = [batch.text] if batch.text else [new_code(LENGTH) for _n in range(wanted)]
        with connection.cursor() as cursor:
            # A code that is there already is left out, and made up for in the next step.
            cursor.execute(
                "INSERT INTO coupons_code (merchant_id, batch_id, text, most, used)"
                " SELECT %s, %s, text, %s, 0 FROM unnest(%s::text[]) text ON CONFLICT DO NOTHING",
                [batch.merchant_id, batch.pk, batch.uses, texts[:wanted]],
            )
            made = cursor.rowcount
        batch.made += made
        batch.save(update_fields=["made"])
    return bool(made) and batch.made < batch.count


def listed(batch: CodeBatch) -> Iterator[str]:
    """The codes of a batch that are made, page by page, in the order they were made in."""
    last, more = 0, True
    while more:
        following = Code.objects.filter(batch=batch, pk__gt=last).order_by("pk")
        rows = list(following.values_list("pk", "text")[:_CHUNK])
        yield from (text for _pk, text in rows)
        more = len(rows) == _CHUNK
        last = rows[-1][0] if rows else last


def is_taken(merchant: int, text: str) -> bool:
    """Whether the merchant has this code already."""
    return Code.objects.filter(merchant_id=merchant, text=text).exists()


def used(batch: CodeBatch) -> int:
    """How often the codes of a batch brought a coupon."""
    rows = Code.objects.filter(batch=batch, used__gt=0)
    return int(rows.aggregate(n=Sum("used", default=0))["n"])


def _given(customer: Customer, key: str) -> Coupon | None:
    return Coupon.objects.filter(
        merchant_id=customer.merchant_id, customer_id=customer.pk, idempotency_key=key
    ).first()


def redeem(
    customer: Customer, text: str, *, source: Mapping[str, Any] | None = None
) -> tuple[Coupon, bool]:
    """The code's coupon lies in the customer's wallet; say whether it is new.

    The same code from the same customer gives the same coupon.

    Locks: the code where its uses are counted, then one of the template's lots.
    Raises: CodeUnknown, CodeUsed, and what `claiming.give` raises.
    """
    merchant, plain = customer.merchant_id, written(text)
    code = (
        Code.objects.select_related("batch").filter(merchant_id=merchant, text=plain).first()
        if plain
        else None
    )
    if code is None:
        raise CodeUnknown
    key = f" code:{code.pk}"
    if (first := _given(customer, key)) is not None:
        return first, False
    with transaction.atomic():
        if code.most is not None:
            counted = Code.objects.filter(pk=code.pk, used__lt=F("most")).update(used=F("used") + 1)
            if not counted:
                # By this very customer, at this very moment, perhaps.
                first = _given(customer, key)
                if first is None:
                    raise CodeUsed
                return first, False
        giving = claiming.Giving(
            merchant, code.batch.template_id, customer.pk, Way.CODE, key=key, source=source or {},
            reference=f"code:{code.pk}",
        )  # fmt: skip
        coupon, new = claiming.give(giving)
        if not new and code.most is not None:  # the same tap at the same moment was first
            Code.objects.filter(pk=code.pk).update(used=F("used") - 1)
    return coupon, new
