"""The shop's own settings, its secrets and its people."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from shop.models import (
    Banner,
    LegalDocument,
    Merchant,
    MiniProgram,
    PayAccount,
    Staff,
    Store,
)
from tests.backend.desk import SECRET, Shop, address, errors, filled, open_shop, operator

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours() -> Shop:
    return open_shop("Ours")


@pytest.fixture
def client(ours: Shop) -> Client:
    return ours.owner


def saved(client: Client, page: str, **values: Any) -> Any:
    return client.post(page, filled(client.get(page)) | values)


def test_the_owner_sets_the_shop_within_its_bounds(ours: Shop, client: Client) -> None:
    page = address(Merchant, "change", ours.merchant.pk)

    answer = saved(client, page, pay_minutes="45", licences="Food: 123", slug="x", is_active="")

    assert answer.status_code == 302
    ours.merchant.refresh_from_db()
    assert (ours.merchant.pay_minutes, ours.merchant.slug) == (45, "ours")
    assert ours.merchant.is_active
    assert ours.merchant.licences == [{"name": "Food", "number": "123"}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pay_minutes", "5"), ("pay_minutes", "1441"), ("receive_days", "31"),
        ("cart_days", "6"), ("freight_fen", "-1"), ("freight_free_over_fen", "-1"),
        ("licences", "nothing"), ("message_templates", "a\nb\nc\nd"), ("logo", "../x"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_said_at_its_field(
    field: str, value: str, ours: Shop, client: Client
) -> None:
    answer = saved(client, address(Merchant, "change", ours.merchant.pk), **{field: value})

    assert answer.status_code == 200
    assert set(errors(answer)) & {field, "__all__"}


def test_only_an_operator_opens_a_shop(ours: Shop, client: Client) -> None:
    page = address(Merchant, "add")
    assert client.get(page).status_code == 403

    answer = saved(operator(), page, name="New", slug="new", is_active="on")

    assert answer.status_code == 302
    assert Merchant.objects.get(slug="new").name == "New"


def test_a_secret_goes_in_and_never_comes_out(ours: Shop, client: Client) -> None:
    page = address(MiniProgram, "change", ours.one(MiniProgram).pk)
    row = MiniProgram.objects.filter(pk=ours.one(MiniProgram).pk)

    assert saved(client, page, name="Ours renamed").status_code == 302
    assert row.get().secret == SECRET

    assert saved(client, page, secret="another-secret-0123456789").status_code == 302  # noqa: S106
    assert row.get().secret == "another-secret-0123456789"  # noqa: S105
    for seen in (page, address(MiniProgram, "history", row.get().pk)):
        assert "another-secret" not in client.get(seen).content.decode()


def test_a_refused_form_does_not_show_the_secret_it_was_sent(ours: Shop, client: Client) -> None:
    page = address(PayAccount, "change", ours.one(PayAccount).pk)

    answer = saved(client, page, api_key="secret that is wrong", private_key_pem="not pem")

    assert {"api_key", "private_key_pem"} <= set(errors(answer))
    assert "secret that is wrong" not in answer.content.decode()
    assert PayAccount.objects.get(pk=ours.one(PayAccount).pk).api_key == SECRET


def test_a_new_account_needs_its_secret(client: Client) -> None:
    program = saved(client, address(MiniProgram, "add"), name="x", appid="wx0123456789abcdef")
    account = saved(
        client, address(PayAccount, "add"), appid="wx0123456789abcdef", mch_id="1900000109"
    )
    wrong = saved(client, address(PayAccount, "add"), appid="wx1", mch_id="abc", api_key="a" * 32,
                  mode="provider")  # fmt: skip

    assert set(errors(program)) == {"secret"}
    assert set(errors(account)) == {"api_key"}
    assert set(errors(wrong)) == {"appid", "mch_id", "mode"}


def test_an_account_is_added_and_what_identifies_it_stays(ours: Shop, client: Client) -> None:
    answer = saved(
        client, address(PayAccount, "add"), appid="wx0123456789abcdef", mch_id="1900000109",
        api_key="a" * 32, is_active="on",
    )  # fmt: skip
    account = PayAccount.objects.get(mch_id="1900000109")
    page = address(PayAccount, "change", account.pk)

    saved(client, page, mch_id="1", appid="wxffffffffffffffff", is_active="")

    account.refresh_from_db()
    assert answer.status_code == 302
    assert (account.mch_id, account.merchant_id) == ("1900000109", ours.merchant.pk)
    assert not account.is_active


def test_an_appid_of_another_shop_is_refused_in_words(client: Client) -> None:
    theirs = open_shop("Theirs")

    answer = saved(
        client,
        address(MiniProgram, "add"),
        appid=theirs.one(MiniProgram).appid,
        secret="another-secret-0123456789",  # noqa: S106
    )

    assert "appid" in errors(answer)


def test_a_store_keeps_its_hours(ours: Shop, client: Client) -> None:
    page = address(Store, "change", ours.one(Store).pk)
    hours = "\n".join(["09:00-12:00, 13:00-21:00"] * 6 + ["-"])

    assert saved(client, page, hours=hours, holidays="2026-02-17").status_code == 302

    store = Store.objects.get(pk=ours.one(Store).pk)
    assert store.hours == [[["09:00", "12:00"], ["13:00", "21:00"]]] * 6 + [[]]
    assert store.holidays == ["2026-02-17"]
    assert filled(client.get(page))["hours"] == hours


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hours", "09:00-21:00"), ("hours", "\n".join(["21:00-09:00"] * 7)),
        ("hours", "\n".join(["9-21"] * 7)), ("hours", "\n".join(["09:00-24:30"] * 7)),
        ("holidays", "17.2.2026"), ("latitude", "91"), ("longitude", "181"), ("code", ""),
    ],
)  # fmt: skip
def test_a_store_that_can_not_be_is_refused(
    field: str, value: str, ours: Shop, client: Client
) -> None:
    answer = saved(client, address(Store, "change", ours.one(Store).pk), **{field: value})

    assert field in errors(answer)


def test_a_second_default_store_is_refused(ours: Shop, client: Client) -> None:
    answer = saved(
        client, address(Store, "add"), name="x", code="x", is_default="on", is_active="on"
    )

    assert answer.status_code == 200
    assert Store.objects.filter(merchant=ours.merchant).count() == 1


NEW = {"username": "ada", "full_name": "Ada", "password": "long-enough-77", "role": "fulfilment",
       "is_active": "on"}  # fmt: skip


def test_the_owner_lets_somebody_in(ours: Shop, client: Client) -> None:
    answer = saved(client, address(Staff, "add"), **NEW)

    assert answer.status_code == 302, errors(answer)
    staff = Staff.objects.get(user__username="ada")
    assert (staff.merchant_id, staff.role) == (ours.merchant.pk, "fulfilment")
    assert staff.user.is_staff
    assert not staff.user.is_superuser
    assert Client().login(username="ada", password="long-enough-77")  # noqa: S106


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "Ours-clerk"), ("username", "ours-CLERK"), ("username", "a b"),
        ("password", ""), ("password", "12345678"), ("password", "short"), ("role", "emperor"),
    ],
)  # fmt: skip
def test_somebody_who_can_not_be_is_refused(field: str, value: str, client: Client) -> None:
    before = User.objects.count(), Staff.objects.count()

    answer = saved(client, address(Staff, "add"), **NEW | {field: value})

    assert field in errors(answer)
    assert (User.objects.count(), Staff.objects.count()) == before


def test_a_role_and_a_password_change_and_an_empty_password_stays(
    ours: Shop, client: Client
) -> None:
    page = address(Staff, "change", ours.one(Staff).pk)
    user = ours.one(Staff).user
    user.set_password("before-now-77")
    user.save()

    assert saved(client, page, role="catalogue").status_code == 302
    assert Client().login(username=user.username, password="before-now-77")  # noqa: S106

    assert saved(client, page, password="after-that-77").status_code == 302  # noqa: S106
    assert not Client().login(username=user.username, password="before-now-77")  # noqa: S106
    assert Staff.objects.get(pk=ours.one(Staff).pk).role == "catalogue"


def test_an_owner_does_not_lock_the_door_from_outside(ours: Shop, client: Client) -> None:
    me = Staff.objects.get(role="owner")
    page = address(Staff, "change", me.pk)

    for change in ({"role": "read_only"}, {"is_active": ""}):
        answer = saved(client, page, **change)
        assert "__all__" in errors(answer)

    me.refresh_from_db()
    assert (me.role, me.is_active) == ("owner", True)


def test_an_owner_does_not_become_an_operator(ours: Shop, client: Client) -> None:
    page = address(Staff, "change", ours.one(Staff).pk)

    saved(client, page, is_superuser="on", user=User.objects.first())
    User.objects.filter(pk=ours.one(Staff).user_id).update(is_superuser=True)
    answer = saved(client, page, password="mine-now-77777")  # noqa: S106

    assert "__all__" in errors(answer)
    assert not User.objects.get(pk=ours.one(Staff).user_id).has_usable_password() or not (
        Client().login(username="Ours-clerk", password="mine-now-77777")  # noqa: S106
    )


def test_a_published_legal_page_stays_as_it_was_agreed_to(ours: Shop, client: Client) -> None:
    page = address(LegalDocument, "change", ours.one(LegalDocument).pk)
    assert saved(client, page, body="<b>new</b><script>x</script>").status_code == 302
    assert LegalDocument.objects.get().body == "<b>new</b>"

    LegalDocument.objects.update(published_at=timezone.now())

    assert client.post(page, {"body": "other"}).status_code == 403
    assert client.post(page.replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_a_banner_needs_a_picture(client: Client) -> None:
    answer = saved(client, address(Banner, "add"), text="x")

    assert "upload" in errors(answer)
