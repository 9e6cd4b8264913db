"""Secrets move to a new key, and the old one can be taken away."""

from __future__ import annotations

from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from backend import encryption
from shop import rotation
from shop.models import Customer, Identity, Merchant, MiniProgram, PayAccount

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def secrets_of_old(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    merchant = Merchant.objects.create(name="店", slug="old")
    MiniProgram.objects.create(merchant=merchant, appid="wx1", secret="app-secret")  # noqa: S106
    PayAccount.objects.create(merchant=merchant, appid="wx1", mch_id="1", api_key="api-key")
    customer = Customer.objects.create(merchant=merchant)
    for number in range(7):
        Identity.objects.create(
            merchant=merchant, customer=customer, appid="wx1", openid=f"o{number}",
            session_key=f"key-{number}", signed_in_at=timezone.now(),
        )  # fmt: skip


def run(**options: int) -> str:
    out = StringIO()
    call_command("rotate_encryption", stdout=out, **options)
    return out.getvalue()


def test_every_encrypted_column_of_every_app_is_found() -> None:
    found = {f"{model._meta.label}.{field.name}" for model, field in rotation.columns()}
    assert {
        "shop.MiniProgram.secret",
        "shop.PayAccount.api_key",
        "shop.PayAccount.api_v3_key",
        "shop.PayAccount.certificate_pem",
        "shop.PayAccount.private_key_pem",
        "shop.Identity.session_key",
    } <= found


@pytest.mark.usefixtures("secrets_of_old")
def test_after_the_rotation_the_old_key_can_be_taken_away(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    said = run(batch=3)

    assert "shop_identity.session_key: 7 rotated, 0 were, 0 unreadable" in said
    settings.ENCRYPTION_KEYS = [NEW]
    assert str(MiniProgram.objects.get().secret) == "app-secret"
    account = PayAccount.objects.get()
    assert (str(account.api_key), str(account.api_v3_key)) == ("api-key", "")
    keys = {str(row.session_key) for row in Identity.objects.all()}
    assert keys == {f"key-{number}" for number in range(7)}


@pytest.mark.usefixtures("secrets_of_old")
def test_a_second_run_changes_nothing(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    run()
    before = stored()

    said = run()

    assert "shop_identity.session_key: 0 rotated, 7 were, 0 unreadable" in said
    assert stored() == before


@pytest.mark.usefixtures("secrets_of_old")
def test_a_run_that_was_stopped_goes_on_where_it_was(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    field = Identity._meta.get_field("session_key")
    assert isinstance(field, encryption.EncryptedTextField)

    def stop(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(Identity, field, batch=3, seen=stop)

    assert "shop_identity.session_key: 4 rotated, 3 were, 0 unreadable" in run()


@pytest.mark.usefixtures("secrets_of_old")
def test_what_no_key_opens_is_said_and_left_and_the_rest_is_rotated(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    Identity.objects.filter(openid="o0").update(session_key="unknown to the next keys")
    lost = stored()[0]
    settings.ENCRYPTION_KEYS = [NEW, OLD]

    with pytest.raises(CommandError, match="1 secrets open with none"):
        run()

    assert stored()[0] == lost
    settings.ENCRYPTION_KEYS = [NEW]
    assert str(Identity.objects.get(openid="o6").session_key) == "key-6"


def stored() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key FROM shop_identity ORDER BY id")
        return [token for (token,) in cursor.fetchall()]
