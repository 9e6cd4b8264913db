"""Who may do what at the desk, walked over every address it has."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model, UniqueConstraint
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backend.desk.roles import ROLES, Area, Level
from coupons.models import (
    Card,
    CardDifference,
    CardReport,
    CodeBatch,
    Coupon,
    CouponTemplate,
    Grant,
    Redemption,
    Till,
    WeChatBatch,
)
from orders.models import Order, Purchase
from payments.models import Notification, Payment, Refund
from shop.models import (
    Banner,
    Category,
    Customer,
    HomeSection,
    LegalDocument,
    Merchant,
    Message,
    MessageTemplate,
    MiniProgram,
    Notice,
    PayAccount,
    Product,
    Sku,
    Staff,
    Stock,
    StockMovement,
    Store,
)
from tests.backend.desk import (
    SECRET,
    Shop,
    address,
    filled,
    open_shop,
    operator,
    pages,
    row_pages,
    signed_in,
)

pytestmark = pytest.mark.django_db

OWNED: list[type[Model]] = [
    Banner, Card, CardDifference, CardReport, Category, CodeBatch, Coupon, CouponTemplate, Customer,
    Grant, HomeSection, LegalDocument, Merchant, Message, MessageTemplate, MiniProgram, Notice,
    Notification, Order, PayAccount, Payment, Product, Redemption, Refund, Sku, Staff, Stock,
    StockMovement, Store, Till, WeChatBatch,
]  # fmt: skip


@pytest.fixture
def ours() -> Shop:
    return open_shop("Ours")


@pytest.fixture
def theirs() -> Shop:
    return open_shop("Theirs")


def snapshot(shop: Shop) -> dict[str, Any]:
    """Every column of every row of a shop, to see that nothing has moved."""
    return {
        model.__name__: sorted(
            map(
                str,
                (
                    model._default_manager.filter(pk=shop.merchant.pk)
                    if model is Merchant
                    else model._default_manager.filter(merchant_id=shop.merchant.pk)
                ).values_list(),
            )
        )
        for model in OWNED
    }


def test_every_page_of_the_desk_is_walked_here() -> None:
    assert set(pages()) == {*OWNED, User}


@pytest.mark.parametrize("model", [*OWNED, User])
def test_nobody_gets_in_without_signing_in(model: type[Model], ours: Shop) -> None:
    row = ours.rows.get(model) or User.objects.get(username="Ours-clerk")
    addresses = [address(model, page) for page in ("changelist", "add")]
    addresses += [address(model, page, row.pk) for page in row_pages(model)]

    for asked in addresses:
        for answer in (Client().get(asked), Client().post(asked, {"key": "1"})):
            assert answer.status_code == 302, asked
            assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("model", OWNED)
def test_an_owner_opens_every_page_of_their_own(model: type[Model], ours: Shop) -> None:
    client = ours.owner

    for page in row_pages(model):
        answer = client.get(address(model, page, ours.one(model).pk), follow=True)
        if page == "delete":
            assert answer.status_code in {200, 403}
        else:
            assert answer.status_code == 200, page
            assert SECRET not in b"".join(answer).decode()


@pytest.mark.parametrize("model", OWNED)
def test_a_stranger_sees_nothing_in_a_list(model: type[Model], ours: Shop, theirs: Shop) -> None:
    client, pk = theirs.owner, ours.one(model).pk
    page = address(model, "changelist")
    wishes: list[dict[str, Any]] = [
        {}, {"q": "ours"}, {"id": pk}, {"id__exact": pk}, {"pk__in": pk}, {"product": pk},
        {"stock": pk}, {"all": ""}, {"store__id__exact": ours.one(Store).pk},
        {"category__id__exact": ours.one(Category).pk}, {"merchant__id__exact": ours.merchant.pk},
    ]  # fmt: skip

    for wish in wishes:
        answer = client.get(page, wish, follow=True)
        assert answer.status_code in {200, 400}, wish
        assert "Ours" not in answer.content.decode(), wish


@pytest.mark.parametrize("model", OWNED)
def test_no_form_offers_what_is_a_strangers(model: type[Model], ours: Shop, theirs: Shop) -> None:
    client = theirs.owner
    Store.objects.create(merchant=theirs.merchant, name="Theirs too", code="2")

    for page in (address(model, "add"), address(model, "change", theirs.one(model).pk)):
        assert "Ours" not in client.get(page).content.decode()


@pytest.mark.parametrize("model", OWNED)
def test_a_strangers_row_is_as_one_that_never_was(
    model: type[Model], ours: Shop, theirs: Shop
) -> None:
    client, before = theirs.owner, snapshot(ours)
    asked = {
        "post": "yes", "quantity": "5", "available": "1", "note": "x", "key": "1" * 24,
        "courier": "SF", "tracking_no": "SF12345678", "_form_submitted": "True", "name": "taken",
        "text": "taken", "title": "taken",
    }  # fmt: skip

    for page in row_pages(model):
        foreign, missing = (
            [
                client.get(address(model, page, pk)),
                client.post(address(model, page, pk), asked),
            ]
            for pk in (ours.one(model).pk, 10**12)
        )
        for answer, nothing in zip(foreign, missing, strict=True):
            assert answer.status_code == nothing.status_code
            assert answer.status_code in {302, 403, 404}
            assert "Ours" not in answer.content.decode()
    assert snapshot(ours) == before


@pytest.mark.parametrize("model", OWNED)
def test_an_action_on_a_strangers_rows_changes_nothing(
    model: type[Model], ours: Shop, theirs: Shop
) -> None:
    client, before = theirs.owner, snapshot(ours)
    page = admin.site._registry[model]

    for name in [*(page.actions or ()), "delete_selected"]:
        for across in ("0", "1"):
            client.post(
                address(model, "changelist"),
                {
                    "action": str(name),
                    "_selected_action": [ours.one(model).pk],
                    "select_across": across,
                    "index": "0",
                    "post": "yes",
                },
            )
    assert snapshot(ours) == before


def _choosers() -> list[tuple[str, str, str]]:
    return [
        (model._meta.app_label, str(model._meta.model_name), name)
        for model, page in admin.site._registry.items()
        for name in page.autocomplete_fields
    ]


@pytest.mark.parametrize("chooser", _choosers())
def test_what_can_be_chosen_is_the_readers_own(
    chooser: tuple[str, str, str], ours: Shop, theirs: Shop
) -> None:
    app, model, name = chooser
    asked = {"app_label": app, "model_name": model, "field_name": name, "term": ""}

    answer = theirs.owner.get(reverse("admin:autocomplete"), asked)

    texts = [row["text"] for row in answer.json()["results"]]
    assert texts
    assert not [text for text in texts if "Ours" in text]


# Which field of which page names another row, and which of the stranger's rows to put there.
_REFERENCES = [
    (Product, "category", Category),
    (Category, "parent", Category),
    (HomeSection, "products", Product),
    (Stock, "sku", Sku),
    (Stock, "store", Store),
    (Staff, "stores", Store),
    (CodeBatch, "template", CouponTemplate),
    (Grant, "template", CouponTemplate),
    (Till, "store", Store),
    (MessageTemplate, "program", MiniProgram),
    (WeChatBatch, "template", CouponTemplate),
    (WeChatBatch, "account", PayAccount),
    (Grant, "only_last_store", Store),
]


@pytest.mark.parametrize(("model", "field", "target"), _REFERENCES)
@pytest.mark.parametrize("who", ["owner", "operator"])
def test_no_row_may_point_at_a_strangers(
    model: type[Model], field: str, target: type[Model], who: str, ours: Shop, theirs: Shop
) -> None:
    client = theirs.owner if who == "owner" else operator()
    page = address(model, "add")
    form = filled(client.get(page)) | {
        "merchant": theirs.merchant.pk,
        field: ours.one(target).pk,
        "name": "new",
        "code": "new",
        "title": "new",
        "username": "new",
        "password": "quite-a-long-one-7",
        "role": "service",
        "sku": theirs.one(Sku).pk,
        "store": theirs.one(Store).pk,
    }
    form[field] = ours.one(target).pk
    before = model._default_manager.count()

    answer = client.post(page, form)

    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert model._default_manager.count() == before


def test_the_merchant_is_the_signed_in_one_whatever_the_form_says(ours: Shop, theirs: Shop) -> None:
    client = theirs.owner
    form = filled(client.get(address(Notice, "add"))) | {"text": "hello"}

    client.post(address(Notice, "add"), form | {"merchant": ours.merchant.pk})

    assert Notice.objects.get(text="hello").merchant_id == theirs.merchant.pk


def test_an_operator_says_whose_a_new_row_is(ours: Shop) -> None:
    client = operator()
    page = address(Product, "add")
    form = filled(client.get(page)) | {"name": "New", "code": "N", "skus-TOTAL_FORMS": "1"}
    form |= {
        "skus-0-code": "N",
        "skus-0-price_fen": "5",
        "skus-0-weight_g": "0",
        "skus-0-sort": "0",
    }

    unsaid = client.post(page, form)
    said = client.post(page, form | {"merchant": ours.merchant.pk})

    assert "merchant" in unsaid.context["adminform"].form.errors
    assert said.status_code == 302
    assert Sku.objects.get(code="N").merchant_id == ours.merchant.pk


def test_a_row_does_not_change_hands(ours: Shop, theirs: Shop) -> None:
    page = address(Notice, "change", ours.one(Notice).pk)
    for client in (ours.owner, operator()):
        form = filled(client.get(page)) | {"merchant": theirs.merchant.pk, "text": "Ours still"}

        assert client.post(page, form).status_code == 302

        row = Notice.objects.get(pk=ours.one(Notice).pk)
        assert (row.merchant_id, row.text) == (ours.merchant.pk, "Ours still")


@pytest.mark.parametrize("role", list(Staff.Role))
def test_a_role_opens_its_areas_and_no_others(role: Staff.Role, ours: Shop) -> None:
    client = ours.staff(role)

    menu = client.get(reverse("admin:index")).content.decode()

    for model in OWNED:
        page: Any = admin.site._registry[model]
        level = ROLES[role].get(page.area, Level.NONE)
        listed = client.get(address(model, "changelist"), follow=True)
        assert listed.status_code == (200 if level >= Level.VIEW else 403), model
        assert (f'href="{address(model, "changelist")}"' in menu) == (
            level >= Level.VIEW and model is not Sku
        ), model
        comes_by_itself = model in (Merchant, Customer)
        may_add = level >= Level.EDIT and not page.read_only and not comes_by_itself
        added = client.get(address(model, "add"))
        assert added.status_code == (200 if may_add else 403), model
        changed = client.get(address(model, "change", ours.one(model).pk))
        assert changed.status_code == (200 if level >= Level.VIEW else 403), model
        if level < Level.EDIT:
            pressed = client.post(address(model, "change", ours.one(model).pk), {})
            assert pressed.status_code == 403, model
    assert client.get(address(User, "changelist")).status_code == 403


@pytest.mark.parametrize("role", list(Staff.Role))
def test_a_role_presses_its_buttons_and_no_others(role: Staff.Role, ours: Shop) -> None:
    client, before = ours.staff(role), snapshot(ours)
    buttons: list[tuple[type[Model], str, Area, Level]] = [
        (Order, "ship", Area.ORDERS, Level.EDIT),
        (Order, "look", Area.LOCKED, Level.VIEW),
        (Stock, "receive", Area.STOCK, Level.EDIT),
        (Stock, "recount", Area.STOCK, Level.EDIT),
        (Stock, "history_of", Area.STOCK, Level.VIEW),
        (Coupon, "void", Area.COUPONS, Level.EDIT),
        (CodeBatch, "download", Area.COUPONS, Level.EDIT),
        (Grant, "stop", Area.COUPONS, Level.EDIT),
        (Grant, "resume", Area.COUPONS, Level.EDIT),
        (Redemption, "undo", Area.COUNTER, Level.EDIT),
        (WeChatBatch, "stop", Area.COUPONS, Level.EDIT),
        (WeChatBatch, "again", Area.COUPONS, Level.EDIT),
        (CardReport, "again", Area.COUPONS, Level.EDIT),
        (Staff, "invite", Area.STAFF, Level.EDIT),
        (Staff, "unlink", Area.STAFF, Level.EDIT),
    ]
    assert {(model, name) for model, name, _area, _level in buttons} == {
        (model, name)
        for model, page in admin.site._registry.items()
        for name in {*page.actions_detail, *page.actions_row}  # type: ignore[attr-defined]
    }

    for model, name, area, level in buttons:
        allowed = ROLES[role].get(area, Level.NONE) >= level
        answer = client.get(address(model, name, ours.one(model).pk))
        assert (answer.status_code in {200, 302}) == allowed, name
        if not allowed:
            sent = {"_form_submitted": "True", "quantity": "1", "key": "1" * 24, "courier": "SF",
                    "tracking_no": "SF12345678", "available": "1", "note": "x",
                    "why": "x"}  # fmt: skip
            assert client.post(address(model, name, ours.one(model).pk), sent).status_code == 403
    assert snapshot(ours) == before

    chosen = {"action": "take_off_sale", "_selected_action": [ours.one(Product).pk], "index": "0"}
    client.post(address(Product, "changelist"), chosen | {"select_across": "0"})
    allowed = ROLES[role].get(Area.PRODUCTS, Level.NONE) >= Level.EDIT
    assert Product.objects.get(pk=ours.one(Product).pk).on_sale is not allowed


def test_whoever_was_shut_out_is_out_at_once(ours: Shop) -> None:
    client = ours.owner
    assert client.get(reverse("admin:index")).status_code == 200

    Staff.objects.filter(merchant=ours.merchant, role=Staff.Role.OWNER).update(is_active=False)

    assert client.get(reverse("admin:index")).status_code == 302
    assert client.get(address(Product, "changelist")).status_code == 302


@pytest.mark.parametrize("why", ["no staff row", "shut out", "not for the desk"])
def test_the_right_password_is_not_enough(why: str, ours: Shop) -> None:
    user = User.objects.create_user("x", password="pass-word-1", is_staff=why != "not for the desk")  # noqa: S106
    if why != "no staff row":
        Staff.objects.create(
            merchant=ours.merchant, user=user, role="owner", is_active=why != "shut out"
        )

    answer = Client().post(reverse("admin:login"), {"username": "x", "password": "pass-word-1"})

    assert answer.status_code == 200
    assert "_auth_user_id" not in answer.client.session
    assert signed_in(user).get(reverse("admin:index")).status_code == 302


def test_an_operator_sees_every_shop(ours: Shop, theirs: Shop) -> None:
    client = operator()

    for model in OWNED:
        seen = client.get(address(model, "changelist"))
        assert seen.status_code == 200
        assert seen.context["cl"].result_count >= 2, model
        for page in row_pages(model):
            answer = client.get(address(model, page, ours.one(model).pk), follow=True)
            assert answer.status_code == (200 if page != "delete" else answer.status_code)
            assert SECRET not in b"".join(answer).decode()
    assert client.get(address(User, "changelist")).status_code == 200


def _clone(row: Any, number: int) -> None:
    """The same row once more, under other unique texts."""
    hangs = {
        Stock: "sku", Order: "purchase", Staff: "user", WeChatBatch: "template",
        CardDifference: "batch", Card: "batch", Coupon: "customer",
    }  # fmt: skip
    for name, hangs_on in hangs.items():
        if isinstance(row, name):
            parent = getattr(row, hangs_on)
            _clone(parent, number)
            setattr(row, hangs_on, parent)
    model = type(row)
    unique = {
        name
        for constraint in model._meta.constraints
        if isinstance(constraint, UniqueConstraint)
        for name in constraint.fields
    }
    for column in model._meta.concrete_fields:
        text = getattr(row, column.attname)
        known_once = (column.unique or column.name in unique) and not column.choices
        if known_once and isinstance(text, str) and text:
            setattr(row, column.attname, f"{number}{text}"[: column.max_length or 200])
    if isinstance(row, Store):
        row.is_default = False
    if isinstance(row, Message):
        row.about = 1000 + number
    if isinstance(row, MessageTemplate):
        row.is_active = False
    if isinstance(row, Sku):
        row.spec_values = [str(number)]
    row.pk = None
    row.save(force_insert=True)


@pytest.mark.parametrize("model", OWNED)
@pytest.mark.parametrize("who", ["owner", "operator"])
def test_a_longer_list_takes_no_more_queries(model: type[Model], who: str, ours: Shop) -> None:
    client = ours.owner if who == "owner" else operator()
    page = address(model, "changelist")
    counts = []
    client.get(page)

    for rows in (2, 50):
        while model._default_manager.count() < rows:
            if model is Merchant and who == "owner":
                break
            _clone(
                model._default_manager.get(pk=ours.one(model).pk), model._default_manager.count()
            )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = client.get(page)
        assert answer.status_code == 200
        counts.append(len(queries))

    assert max(counts) <= 15
    assert counts[1] <= counts[0] + 1


def test_an_order_of_many_lines_takes_no_more_queries(ours: Shop) -> None:
    client, order = ours.owner, ours.one(Order)
    page = address(Order, "change", order.pk)
    counts = []
    client.get(page)

    for _times in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(page)
        counts.append(len(queries))
        for related in ("lines", "reductions", "events"):
            for _more in range(20):
                row = getattr(order, related).first()
                row.pk = None
                row.save()

    assert counts[1] == counts[0]
    assert Purchase.objects.count() == 1


def test_whoever_signs_in_at_the_front_door_stands_at_the_desk(ours: Shop) -> None:
    user = User.objects.create(username="front", is_staff=True)
    user.set_password(SECRET)
    user.save()
    Staff.objects.create(merchant=ours.merchant, user=user, role=Staff.Role.OWNER)

    answer = Client().post(
        reverse("admin:login"), {"username": "front", "password": SECRET}, follow=True
    )

    assert answer.request["PATH_INFO"] == reverse("admin:index")
    assert answer.status_code == 200
