"""Money at the desk: looked at, never moved, and nobody's secret on the page."""

from __future__ import annotations

import pytest
from django.db.models import Model

from payments.models import Notification, Payment, Refund
from tests.backend.desk import SECRET, address, open_shop, operator

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", [Payment, Refund, Notification])
def test_money_is_only_looked_at(model: type[Model]) -> None:
    ours = open_shop("Ours")
    row = ours.one(model)
    before = list(model._default_manager.values_list())

    for client in (ours.owner, operator()):
        for page in ("changelist", "change"):
            args = [row.pk] if page == "change" else []
            seen = client.get(address(model, page, *args))
            assert seen.status_code == 200
            assert SECRET not in seen.content.decode()
        assert client.get(address(model, "add")).status_code == 403
        assert (
            client.post(address(model, "change", row.pk), {"status": "closed"}).status_code == 403
        )
        assert client.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403

    assert list(model._default_manager.values_list()) == before


def test_a_payment_says_what_it_paid_and_with_which_account() -> None:
    ours = open_shop("Ours")

    seen = ours.owner.get(address(Payment, "change", ours.one(Payment).pk)).content.decode()

    for fact in ("Ours-T", "Ours-W", "¥88.00", "Ours-m"):
        assert fact in seen
