"""Customers at the desk: known by what they bought and by tags, never by a whole phone number."""

from __future__ import annotations

import pytest
from django.utils import timezone

from shop.models import Customer
from tests.backend.desk import address, errors, filled, open_shop

pytestmark = pytest.mark.django_db


def test_tags_are_written_and_the_phone_stays_masked() -> None:
    ours = open_shop("Ours")
    customer = ours.one(Customer)
    Customer.objects.filter(pk=customer.pk).update(phone="13800001234")
    page = address(Customer, "change", customer.pk)

    shown = ours.owner.get(page).content.decode()
    assert "138****1234" in shown
    assert "13800001234" not in shown
    form = filled(ours.owner.get(page))
    assert ours.owner.post(page, form | {"tags": "VIP，tea, VIP"}).status_code == 302

    customer.refresh_from_db()
    assert customer.tags == ["VIP", "tea"]
    assert "tags" in errors(ours.owner.post(page, form | {"tags": "x" * 25}))


def test_the_list_finds_a_whole_number_and_shows_nobody_who_left() -> None:
    ours, theirs = open_shop("Ours"), open_shop("Theirs")
    customer = ours.one(Customer)
    for number, shop in (("13800001234", ours), ("13800001234", theirs)):
        Customer.objects.filter(pk=shop.one(Customer).pk).update(phone=number)
    page = address(Customer, "changelist")

    found = ours.owner.get(page, {"q": "13800001234"}).content.decode()
    assert "Ours passer-by" in found
    assert "Theirs passer-by" not in found
    assert "Ours passer-by" not in ours.owner.get(page, {"q": "1380000"}).content.decode()

    Customer.objects.filter(pk=customer.pk).update(erased_at=timezone.now())
    assert "Ours passer-by" not in ours.owner.get(page).content.decode()
