"""Staff link their mini program, and are read from the database at each call."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from shop import erasure, staff
from shop.models import Customer, Merchant, Staff, StaffInvite, Store
from tests.backend import desk
from tests.shop.conftest import Api, new_customer, open_shop, signed_in

pytestmark = pytest.mark.django_db


def hire(merchant: Merchant, role: str = "cashier", **more: Any) -> Staff:
    user = User.objects.create(username=f"u{User.objects.count()}", first_name="小陈")
    return Staff.objects.create(merchant=merchant, user=user, role=role, **more)


def link(api: Api, code: str) -> Any:
    return api("POST", "staff/link", {"invite_code": code})


def test_an_invited_customer_is_staff_with_stores_and_actions(
    merchant: Merchant, customer: Customer, api: Api
) -> None:
    here = Store.objects.create(merchant=merchant, name="南京路店", code="A")
    Store.objects.create(merchant=merchant, name="静安店", code="B")
    who = hire(merchant)
    who.stores.add(here)

    assert api("GET", "staff/me").body["code"] == "not_staff"
    linked = link(api, f" {staff.invite(who).lower()} ")

    assert linked.status == 200
    assert linked.body == api("GET", "staff/me").body == {
        "name": "小陈", "role": "cashier", "role_text": "收银",
        "stores": [{"id": here.pk, "name": "南京路店"}], "actions": ["redeem"],
    }  # fmt: skip


def test_who_names_no_store_works_in_all(merchant: Merchant, customer: Customer) -> None:
    for code in "AB":
        Store.objects.create(merchant=merchant, name=code, code=code)
    Store.objects.create(merchant=merchant, name="C", code="C", is_active=False)

    assert [store.code for store in staff.stores_of(hire(merchant))] == ["A", "B"]


@pytest.mark.parametrize("role", list(Staff.Role))
def test_the_table_of_roles_says_who_redeems(
    role: Staff.Role, merchant: Merchant, api: Api
) -> None:
    link(api, staff.invite(hire(merchant, role)))

    actions = api("GET", "staff/me").body["actions"]

    assert actions == (["redeem"] if role in {"owner", "manager", "cashier"} else [])


@pytest.mark.parametrize("why", ["wrong", "used", "late", "renewed", "shut out", "stranger"])
def test_an_invitation_that_does_not_hold(why: str, merchant: Merchant, api: Api) -> None:
    who = hire(open_shop("乙")[0] if why == "stranger" else merchant)
    code = staff.invite(who)
    if why == "wrong":
        code = "ABCDEFGHJKLM"
    elif why == "used":
        link(signed_in(new_customer(merchant)), code)
    elif why == "late":
        StaffInvite.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    elif why == "renewed":
        staff.invite(who)
    elif why == "shut out":
        Staff.objects.update(is_active=False)

    answer = link(api, code)

    assert (answer.status, answer.body["code"]) == (404, "invite_unknown")
    assert api("GET", "staff/me").status == 403


@pytest.mark.parametrize("why", ["is_active", "user", "unlinked", "erased"])
def test_whoever_was_shut_out_is_out_at_once(
    why: str, merchant: Merchant, customer: Customer, api: Api
) -> None:
    who = hire(merchant)
    link(api, staff.invite(who))
    if why == "is_active":
        Staff.objects.update(is_active=False)
    elif why == "user":
        User.objects.update(is_active=False)
    elif why == "unlinked":
        staff.unlink(who)
    else:
        erasure.erase(customer)

    assert api("GET", "staff/me").status in {401, 403}
    who.refresh_from_db()
    assert (who.customer_id is None) == (why in {"unlinked", "erased"})


def test_a_customer_is_one_member_of_staff(merchant: Merchant, api: Api) -> None:
    link(api, staff.invite(hire(merchant)))

    answer = link(api, staff.invite(hire(merchant)))

    assert (answer.status, answer.body["code"]) == (409, "linked_already")


def test_a_new_phone_takes_the_place_of_the_one_before(merchant: Merchant, api: Api) -> None:
    who, other = hire(merchant), signed_in(new_customer(merchant))
    link(api, staff.invite(who))

    link(other, staff.invite(who))

    assert api("GET", "staff/me").status == 403
    assert other("GET", "staff/me").status == 200


def test_guessing_invitations_is_counted_by_the_customer(merchant: Merchant, api: Api) -> None:
    code = staff.invite(hire(merchant))
    answers = [link(api, f"GUESS{n}").status for n in range(12)]

    assert answers == [404] * 10 + [429] * 2
    assert link(api, code).status == 429
    assert link(signed_in(new_customer(merchant)), code).status == 200


def test_the_desk_invites_and_takes_away(db: None) -> None:
    shop = desk.open_shop("Ours")
    who = shop.one(Staff)
    client = shop.owner
    page, sent = desk.address(Staff, "change", who.pk), {"_form_submitted": "True"}

    client.get(desk.address(Staff, "invite", who.pk))
    assert not StaffInvite.objects.exists()
    client.post(desk.address(Staff, "invite", who.pk), sent)
    told = client.get(page).content.decode()
    code = next(word for word in told.split() if staff._hash(word) == _kept())
    customer = new_customer(shop.merchant)
    staff.link(customer, code)

    assert "Take the mini program away" in client.get(page).content.decode()
    client.post(desk.address(Staff, "unlink", who.pk), sent)
    who.refresh_from_db()
    assert who.customer_id is None


def _kept() -> str:
    return StaffInvite.objects.get().code_hash
