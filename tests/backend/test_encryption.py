"""Secrets are ciphertext at rest, masked in a repr, absent from forms, and never searched."""

from __future__ import annotations

from typing import ClassVar

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection, models
from django.forms import modelform_factory
from django.test.utils import isolate_apps, override_settings
from pytest_django import Settings

from backend.encryption import CannotDecrypt, EncryptedTextField, Secret, decrypt, encrypt, rotate

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_secret_is_not_in_its_token_and_comes_back_whole() -> None:
    token = encrypt("商户密钥-key")

    assert "key" not in token
    assert decrypt(token) == "商户密钥-key"
    assert encrypt("商户密钥-key") != token


def test_nothing_stays_nothing() -> None:
    assert encrypt("") == ""
    assert decrypt("") == ""
    assert rotate("") == ""


def test_a_secret_masks_itself_in_a_repr() -> None:
    assert repr(decrypt(encrypt("hunter2"))) == "'***'"
    assert repr({"key": Secret("hunter2")}) == "{'key': '***'}"
    assert f"{Secret('hunter2')}" == "hunter2"


def test_an_old_key_still_reads_and_rotating_leaves_it_behind(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    token = encrypt("hunter2")

    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert decrypt(token) == "hunter2"
    rotated = rotate(token)

    settings.ENCRYPTION_KEYS = [NEW]
    assert decrypt(rotated) == "hunter2"
    with pytest.raises(CannotDecrypt):
        decrypt(token)
    with pytest.raises(CannotDecrypt):
        rotate(token)


@pytest.mark.parametrize("broken", ["plain text", "gAAAAA", "密文"])
def test_what_we_did_not_encrypt_is_not_a_secret_of_ours(broken: str) -> None:
    with pytest.raises(CannotDecrypt):
        decrypt(broken)


@pytest.mark.django_db(transaction=True)
@isolate_apps("backend")
def test_an_encrypted_column_shows_its_secret_to_nobody_but_the_code() -> None:
    class Vault(models.Model):
        kept = EncryptedTextField(blank=True, default="")
        objects: ClassVar[models.Manager[Vault]] = models.Manager()

        class Meta:
            app_label = "backend"

        def __str__(self) -> str:
            return "a vault"

    with connection.schema_editor() as editor:
        editor.create_model(Vault)
    try:
        vault = Vault.objects.create(kept="hunter2")
        with connection.cursor() as cursor:
            cursor.execute("SELECT kept FROM backend_vault")
            (stored,) = cursor.fetchone()
        assert "hunter2" not in stored
        assert decrypt(stored) == "hunter2"

        read = Vault.objects.get()
        assert read.kept == "hunter2"
        assert repr(read.kept) == "'***'"
        assert "hunter2" not in serializers.serialize("json", [read])

        for asked in ("kept", "kept__contains", "kept__in", "kept__lower"):
            with pytest.raises(FieldError):
                Vault.objects.filter(**{asked: ["hunter2"]})
        assert Vault.objects.filter(kept__isnull=True).count() == 0

        form_class = modelform_factory(Vault, fields=["kept"])
        assert "hunter2" not in form_class(instance=read).as_p()
        assert "typed" not in form_class({"kept": "typed"}, instance=read).as_p()
        read.refresh_from_db()
        untouched = form_class({"kept": ""}, instance=read)
        assert not untouched.has_changed()
        untouched.save()
        assert Vault.objects.get().kept == "hunter2"
        form_class({"kept": "line 1\nline 2"}, instance=vault).save()
        assert Vault.objects.get().kept.splitlines() == ["line 1", "line 2"]

        with override_settings(ENCRYPTION_KEYS=[NEW]), pytest.raises(CannotDecrypt):
            Vault.objects.get()
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Vault)
