"""At the counter: the code a coupon shows for a minute, what it is worth, redeeming and undoing."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backend import rows
from backend.errors import DomainError, KeyReused, NotFound
from backend.money import Fen
from backend.numbers import new_number
from coupons import promotions, wallet
from coupons.models import Coupon, Redemption, Till
from coupons.promotions import Basket, BasketLine, Voucher
from shop.catalogue import categories_of
from shop.models import Customer, Sku, Staff, Stock, Store

_PERIOD: Final = 60
# So long after the minute a code is still taken: it was on the screen when it was scanned.
_GRACE: Final = 15
_DIGITS: Final = 10
_CODE: Final = re.compile(rf"([1-9]\d{{0,17}})(\d{{{_DIGITS}}})")
# In fen: more than a counter sells at once.
BIGGEST_BILL: Final = 10**11
UNDO_WITHIN: Final = dt.timedelta(hours=24)


class CounterCodeUnknown(DomainError):
    code = "counter_code_unknown"
    status = 404
    message = _("This code is unknown or too old. Ask the customer to show it again.")


class NotAtCounter(DomainError):
    code = "not_at_counter"
    message = _("This coupon can't be used at a counter.")


class WorthNothing(DomainError):
    code = "worth_nothing"
    message = _("This coupon takes nothing off here.")


class BillNeeded(DomainError):
    code = "bill_needed"
    status = 422
    message = _("Enter the amount of the bill.")


class UndoTooLate(DomainError):
    code = "undo_too_late"
    message = _("A redemption can be undone within 24 hours.")


def _seal(coupon: int, minute: int) -> str:
    said = f"counter:{coupon}:{minute}"
    digest = hmac.new(settings.SECRET_KEY.encode(), said.encode(), hashlib.sha256).digest()
    return f"{int.from_bytes(digest[:8]) % 10**_DIGITS:0{_DIGITS}}"


def code_of(coupon: Coupon, at: dt.datetime) -> tuple[str, dt.datetime]:
    """The digits this coupon shows now, and until when.

    Raises: CouponUnavailable, NotAtCounter.
    """
    check(coupon, at)
    return digits_of(coupon.pk, at)


def digits_of(coupon: int, at: dt.datetime) -> tuple[str, dt.datetime]:
    """The digits of a moment, and until when; whether the coupon is good is not asked."""
    minute = int(at.timestamp()) // _PERIOD
    ends = dt.datetime.fromtimestamp((minute + 1) * _PERIOD, dt.UTC)
    return f"{coupon}{_seal(coupon, minute)}", ends


_COUPON_SQL: Final = """
SELECT {c}, {u} FROM coupons_coupon c JOIN shop_customer u ON u.id = c.customer_id
WHERE c.id = %s AND c.merchant_id = %s
"""


def coupon_of(merchant: int, code: str, at: dt.datetime) -> Coupon:
    """The coupon that shows these digits now, or did a moment ago.

    Raises: CounterCodeUnknown.
    """
    found = _CODE.fullmatch(_digits(code)) if code.isascii() else None
    if found is None:
        raise CounterCodeUnknown
    pk, seal = int(found[1]), found[2]
    now = int(at.timestamp())
    minutes = {now // _PERIOD, (now - _GRACE) // _PERIOD}
    if not any(hmac.compare_digest(_seal(pk, minute), seal) for minute in minutes):
        raise CounterCodeUnknown
    for coupon, customer in rows.read(_COUPON_SQL, [pk, merchant], c=Coupon, u=Customer):
        coupon.customer = customer
        return cast("Coupon", coupon)
    raise CounterCodeUnknown


def _for_counter(coupon: Coupon) -> bool:
    delivery = coupon.terms.get("delivery")
    asks = promotions.PROMOTIONS[coupon.kind].at_counter
    return bool(asks) and (delivery is None or "counter" in delivery)


def _digits(code: str) -> str:
    """A code as it is compared, however it was typed."""
    return re.sub(r"\s", "", code)


def check(coupon: Coupon, at: dt.datetime) -> None:
    """Refuse a coupon that no counter takes now.

    Raises: CouponUnavailable, NotAtCounter.
    """
    wallet.check_usable(coupon, at)
    if not _for_counter(coupon):
        raise NotAtCounter


def needs_bill(coupon: Coupon) -> bool:
    """Whether what it takes off depends on what was bought."""
    return promotions.PROMOTIONS[coupon.kind].at_counter == "bill"


# A bill says what the right goods cost and not which they were: that the staff have seen.
_GOODS: Final = frozenset(
    f"{bar}{goods}" for bar in ("", "except_") for goods in ("categories", "products", "skus")
)


def worth(coupon: Coupon, store: Store, bill: Fen | None, at: dt.datetime) -> Fen:
    """What a coupon takes off in this store now: of the bill, or of its sku's price.

    `bill` is what the goods cost that the coupon is for, in fen. Reads only.

    Raises: CouponUnavailable, NotAtCounter, BillNeeded, WorthNothing with the reason.
    """
    check(coupon, at)
    terms: Mapping[str, Any] = coupon.terms
    if needs_bill(coupon):
        if bill is None:
            raise BillNeeded
        terms = {name: value for name, value in terms.items() if name not in _GOODS}
        line = BasketLine(0, 0, store.pk, bill, 1)
    else:
        line = _line_of(coupon, store)
    basket = Basket(
        (line,),
        at=timezone.localtime(at),
        delivery="counter",
        customer="returning" if coupon.customer.paid_purchases else "new",
    )
    found = promotions.discount(Voucher(coupon.pk, coupon.name, coupon.kind, terms), basket)
    if not found.goods:
        raise WorthNothing(
            detail={"reason": found.reason or "not_applicable", "missing_fen": found.missing}
        )
    return found.goods


def _line_of(coupon: Coupon, store: Store) -> BasketLine:
    """The sku that a coupon names, at its price in the store: one, as a counter says no number."""
    sku = Sku.objects.filter(pk=coupon.terms["sku"], merchant_id=coupon.merchant_id).first()
    if sku is None:
        raise WorthNothing(detail={"reason": "not_applicable", "missing_fen": Fen(0)})
    here = Stock.objects.filter(sku=sku, store=store).values_list("price_fen", flat=True).first()
    categories = categories_of(coupon.merchant_id, [sku.product_id]).get(sku.product_id, ())
    price = sku.price_fen if here is None else here
    return BasketLine(sku.pk, sku.product_id, store.pk, Fen(price), 1, tuple(categories))


@dataclass(frozen=True)
class Asked:
    """Who redeems which code, where, for which bill; the same request is one redemption."""

    merchant: int
    store: Store
    code: str
    bill: Fen | None
    request: str
    by: str
    staff: Staff | None = None
    till: Till | None = None

    @property
    def key(self) -> str:
        """The request's id, and whose it is: two tills may count alike."""
        if self.till is not None:
            return f"till:{self.till.pk}:{self.request}"
        if self.staff is not None:
            return f"staff:{self.staff.pk}:{self.request}"
        return f"by:{hashlib.sha256(self.by.encode()).hexdigest()[:16]}:{self.request}"

    @property
    def hash(self) -> str:
        said = f"{self.store.pk}:{_digits(self.code)}:{self.bill}"
        return hashlib.sha256(said.encode()).hexdigest()


def redeem(asked: Asked) -> tuple[Redemption, bool]:
    """The coupon is used at this counter; say whether just now. The same request gives the same
    redemption, for ever, also when its code is long over.

    Locks: the coupon.
    Raises: CounterCodeUnknown, CouponUnavailable, NotAtCounter, BillNeeded, WorthNothing,
    KeyReused.
    """
    at = timezone.now()
    try:
        coupon = coupon_of(asked.merchant, asked.code, at)
        saved = worth(coupon, asked.store, asked.bill, at)
        with transaction.atomic():
            return _redeem(asked, coupon, saved, at), True
    except (IntegrityError, DomainError):
        # The same request was first, long ago or at this moment; its key is there once.
        first = _first(asked)
        if first is None:
            raise
        return first, False


def _redeem(asked: Asked, coupon: Coupon, saved: Fen, at: dt.datetime) -> Redemption:
    made = Redemption(
        merchant_id=asked.merchant, number=new_number(), coupon=coupon, store=asked.store,
        staff=asked.staff, till=asked.till, saved_fen=saved,
        bill_fen=asked.bill if needs_bill(coupon) else None,
        request_key=asked.key, request_hash=asked.hash, by=asked.by, at=at,
    )  # fmt: skip
    rows.insert(made)
    wallet.redeem(
        merchant=asked.merchant, customer=coupon.customer_id, coupon=coupon.pk, saved=saved,
        reference=made.number, by=asked.by, at=at,
    )  # fmt: skip
    return made


def _first(asked: Asked) -> Redemption | None:
    found = (
        Redemption.objects.select_related("coupon", "store")
        .filter(merchant_id=asked.merchant, request_key=asked.key)
        .first()
    )
    if found is not None and found.request_hash != asked.hash:
        raise KeyReused
    return found


@transaction.atomic
def undo(merchant: int, number: str, *, stores: list[int], by: str) -> Redemption:
    """The redemption is undone and the coupon unused again. Again, it changes nothing.

    Locks: the redemption, then the coupon.
    Raises: NotFound for another store's too, UndoTooLate.
    """
    found = (
        Redemption.objects.select_for_update(of=("self",))
        .select_related("coupon", "store")
        .filter(merchant_id=merchant, number=number, store_id__in=stores)
        .first()
    )
    if found is None:
        raise NotFound(f"redemption {number}")
    at = timezone.now()
    if found.undone_at is not None:
        return found
    if at - found.at > UNDO_WITHIN:
        raise UndoTooLate
    wallet.undo(merchant, found.number, by=by, at=at)
    found.undone_at, found.undone_by = at, by
    found.save(update_fields=["undone_at", "undone_by"])
    return found
