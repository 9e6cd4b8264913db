"""What the clock clears away."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from backend.celery import SCHEDULE, app
from shop import login, tasks, uploads
from shop.models import (
    CartAddition,
    CartLine,
    Customer,
    Merchant,
    Product,
    RecentView,
    SignIn,
    Sku,
    Store,
    Upload,
)
from tests.shop.api.test_uploads import picture
from tests.shop.conftest import at_once, new_customer

pytestmark = pytest.mark.django_db


def ago(**span: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(**span)


def cart_of(merchant: Merchant, *ages: float) -> list[int]:
    """A cart with one line for each age in days."""
    customer = new_customer(merchant)
    store = Store.objects.create(merchant=merchant, name="店", code="main")
    lines = []
    for number, age in enumerate(ages):
        product = Product.objects.create(merchant=merchant, code=str(number), name="被")
        sku = Sku.objects.create(merchant=merchant, product=product, code=str(number), price_fen=1)
        line = CartLine.objects.create(
            merchant=merchant, customer=customer, sku=sku, store=store, quantity=1
        )
        CartLine.objects.filter(pk=line.pk).update(touched_at=ago(days=age))
        lines.append(line.pk)
    return lines


def test_sign_ins_that_ran_out_are_gone_and_the_others_stay(customer: Customer) -> None:
    for _ in range(5):
        login.start(customer, "wx1")
    old = list(SignIn.objects.values_list("pk", flat=True)[:3])
    SignIn.objects.filter(pk__in=old).update(expires_at=ago(seconds=1))

    assert tasks.delete_expired_sign_ins(batch=2) == 3
    assert tasks.delete_expired_sign_ins(batch=2) == 0
    assert SignIn.objects.count() == 2


def test_a_cart_is_kept_as_long_as_its_merchant_says(merchant: Merchant) -> None:
    week = Merchant.objects.create(name="周店", slug="week", cart_days=7)
    kept, stale = cart_of(merchant, 89.9, 90.1)
    kept_a_week, stale_after_a_week = cart_of(week, 6.9, 7.1)

    assert tasks.delete_stale_carts() == 2

    left = set(CartLine.objects.values_list("pk", flat=True))
    assert left == {kept, kept_a_week}
    assert not left & {stale, stale_after_a_week}


def test_keys_of_additions_are_forgotten_after_a_week(customer: Customer) -> None:
    for number, days in enumerate((1, 6.9, 7.1)):
        row = CartAddition.objects.create(
            merchant=customer.merchant, customer=customer, idempotency_key=str(number)
        )
        CartAddition.objects.filter(pk=row.pk).update(at=ago(days=days))

    assert tasks.delete_old_cart_additions() == 1
    assert CartAddition.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_sweeps_at_once_share_the_work(customer: Customer) -> None:
    for _ in range(20):
        login.start(customer, "wx1")
    SignIn.objects.update(expires_at=ago(seconds=1))

    counts = at_once(*[lambda: tasks.delete_expired_sign_ins(batch=3) for _ in range(4)])

    assert sum(counts) + tasks.delete_expired_sign_ins() == 20
    assert SignIn.objects.count() == 0


def test_every_sweep_of_the_shop_is_on_the_schedule_and_known_to_the_worker() -> None:
    scheduled = {entry["task"] for entry in SCHEDULE.values()}
    app.loader.import_default_modules()
    for task in (
        tasks.delete_expired_sign_ins,
        tasks.delete_stale_carts,
        tasks.delete_old_cart_additions,
    ):
        assert task.name in scheduled
        assert task.name in app.tasks


def test_what_was_looked_at_long_ago_is_forgotten(merchant: Merchant) -> None:
    customer = new_customer(merchant)
    for number, age in enumerate((89, 91)):
        product = Product.objects.create(merchant=merchant, code=f"v{number}", name="被")
        RecentView.objects.create(
            merchant=merchant, customer=customer, product=product, at=ago(days=age)
        )

    assert tasks.delete_old_views() == 1
    assert RecentView.objects.get().product.code == "v0"


@pytest.mark.django_db(transaction=True)
def test_a_picture_nobody_used_goes_with_its_file(
    merchant: Merchant, media: Path, customer: Customer
) -> None:
    kept, face, unused = (
        uploads.keep(customer, io.BytesIO(picture()), key=key)[0] for key in ("a", "b", "c")
    )
    Upload.objects.exclude(pk=kept.pk).update(at=ago(days=2))
    Customer.objects.filter(pk=customer.pk).update(avatar=face.file.name)

    assert tasks.delete_unused_uploads() == 1
    assert tasks.delete_unused_uploads() == 0

    assert set(Upload.objects.values_list("pk", flat=True)) == {kept.pk, face.pk}
    files = {path.name for path in media.rglob("*") if path.is_file()}
    assert files == {Path(str(row.file)).name for row in (kept, face)}
    assert Path(str(unused.file)).name not in files


def test_sessions_of_the_desk_that_ran_out_are_gone() -> None:
    for key, age in (("a", 1), ("b", -1)):
        Session.objects.create(session_key=key, session_data="", expire_date=ago(hours=age))

    assert tasks.delete_expired_sessions() == 1
    assert Session.objects.get().session_key == "b"
