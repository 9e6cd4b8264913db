"""Voucher templates at the desk: checked by their kind, never taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backend.money import Fen
from coupons import running
from coupons.models import (
    Card,
    CardDifference,
    CardReport,
    CodeBatch,
    Coupon,
    CouponLot,
    CouponTemplate,
    Grant,
    PromotionUse,
    Redemption,
    WeChatBatch,
)
from shop.models import PayAccount, Sku
from tests.backend.desk import Shop, address, errors, filled, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours() -> Shop:
    """A shop with a template that WeChat knows nothing of."""
    shop = open_shop("Ours")
    for model in (CardDifference, CardReport, Card, WeChatBatch):
        model._default_manager.all().delete()
    return shop


@pytest.fixture
def client(ours: Shop) -> Client:
    return ours.owner


def saved(client: Client, page: str, **values: Any) -> Any:
    return client.post(page, filled(client.get(page)) | values)


NEW = {
    "name": "Ten off", "kind": "spend_and_save",
    "terms": '{"threshold_fen": 5000, "off_fen": 1000}',
    "total": "10", "per_customer": "1", "valid_days": "7", "starts_at_0": "2026-01-01",
    "starts_at_1": "00:00", "ends_at_0": "2027-01-01", "ends_at_1": "00:00",
}  # fmt: skip


def test_a_template_is_written_and_says_itself_in_words(ours: Shop, client: Client) -> None:
    assert saved(client, address(CouponTemplate, "add"), **NEW).status_code == 302

    template = CouponTemplate.objects.get(name="Ten off")
    assert (template.terms, template.merchant_id) == (
        {"threshold_fen": 5000, "off_fen": 1000},
        ours.merchant.pk,
    )
    for page in ("changelist", "change"):
        args = [template.pk] if page == "change" else []
        seen = client.get(address(CouponTemplate, page, *args)).content.decode()
        assert "¥10.00 off when you spend ¥50.00" in seen


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"terms": "{"}, "terms"),
        ({"terms": "[]"}, "terms"),
        ({"terms": json.dumps({"threshold_fen": 100, "off_fen": 200})}, "terms"),
        ({"terms": json.dumps({"threshold_fen": 100})}, "terms"),
        ({"terms": json.dumps({"threshold_fen": 100.5, "off_fen": 1})}, "terms"),
        ({"kind": "magic"}, "kind"),
        ({"total": "-1"}, "total"),
        ({"total": "99999999999"}, "total"),
        ({"per_customer": "0"}, "per_customer"),
        ({"per_customer": "101"}, "per_customer"),
        ({"valid_days": ""}, "valid_days"),
        ({"valid_days": "0"}, "valid_days"),
        ({"ends_at_0": "2025-01-01"}, "ends_at"),
        ({"valid_from_0": "2026-01-01", "valid_from_1": "00:00"}, "valid_days"),
        (
            {
                "valid_days": "",
                "valid_from_0": "2026-01-01",
                "valid_from_1": "00:00",
                "valid_until_0": "2026-12-31",
                "valid_until_1": "23:59",
            },
            "ends_at",
        ),
    ],
)
def test_a_template_that_can_not_be_kept_is_refused(
    wrong: dict[str, str], field: str, client: Client
) -> None:
    answer = saved(client, address(CouponTemplate, "add"), **NEW | wrong)

    assert answer.status_code == 200
    assert field in errors(answer)
    assert CouponTemplate.objects.count() == 1


def test_what_was_given_stays_given(ours: Shop, client: Client) -> None:
    page = address(CouponTemplate, "change", ours.one(CouponTemplate).pk)

    assert "total" in errors(saved(client, page, total="2"))
    assert saved(client, page, total="3").status_code == 302


def test_a_total_rises_and_falls_while_it_is_live(ours: Shop, client: Client) -> None:
    CouponTemplate.objects.update(is_published=True)
    page = address(CouponTemplate, "change", ours.one(CouponTemplate).pk)

    assert saved(client, page, total="101").status_code == 302
    assert saved(client, page, total="3").status_code == 302
    assert "total" in errors(saved(client, page, total="2"))

    template = CouponTemplate.objects.get()
    assert (template.total, template.given, template.remaining) == (3, 3, 0)


def test_a_claim_in_the_middle_of_an_edit_is_not_lost(ours: Shop, client: Client) -> None:
    page = address(CouponTemplate, "change", ours.one(CouponTemplate).pk)
    form = filled(client.get(page))
    CouponLot.objects.update(given=50)

    assert client.post(page, form | {"name": "Ours new"}).status_code == 302
    assert "total" in errors(client.post(page, form | {"total": "49"}))

    template = CouponTemplate.objects.get()
    assert (template.given, template.name) == (50, "Ours new")


def test_saving_never_writes_how_many_were_given(ours: Shop, client: Client) -> None:
    page = address(CouponTemplate, "change", ours.one(CouponTemplate).pk)
    with CaptureQueriesContext(connection) as queries:
        saved(client, page, name="Ours new")

    (update,) = [
        query["sql"]
        for query in queries
        if query["sql"].startswith('UPDATE "coupons_coupontemplate"')
    ]
    assert '"given"' not in update


def test_the_terms_some_have_taken_are_not_changed_under_the_others(
    ours: Shop, client: Client
) -> None:
    page = address(CouponTemplate, "change", ours.one(CouponTemplate).pk)

    saved(client, page, terms='{"threshold_fen": 1, "off_fen": 1}', per_customer="9")

    template = CouponTemplate.objects.get()
    assert (template.terms["off_fen"], template.per_customer) == (2000, 1)


def test_only_a_draft_nobody_took_may_go(ours: Shop, client: Client) -> None:
    page = address(CouponTemplate, "delete", ours.one(CouponTemplate).pk)

    assert client.post(page, {"post": "yes"}).status_code == 403

    CouponLot.objects.update(given=0)
    assert (
        client.post(page, {"post": "yes"}).status_code == 200
    )  # it has codes, a grant and a coupon
    Redemption.objects.all().delete()
    Coupon.objects.all().delete()
    CodeBatch.objects.all().delete()
    Grant.objects.all().delete()
    assert client.post(page, {"post": "yes"}).status_code == 302
    assert not CouponTemplate.objects.exists()


def test_a_coupon_is_taken_out_of_a_wallet_with_a_reason(ours: Shop, client: Client) -> None:
    coupon = ours.one(Coupon)
    page = address(Coupon, "void", coupon.pk)
    asked = {"_form_submitted": "True", "reason": "printed twice"}

    # One that was used stays so.
    client.post(page, asked)
    coupon.refresh_from_db()
    assert coupon.status == "used"

    Coupon.objects.filter(pk=coupon.pk).update(status="claimed")
    for _twice in range(2):
        client.post(page, asked)
    coupon.refresh_from_db()
    assert coupon.status == "voided"
    (event,) = coupon.events.filter(event="voided")
    assert event.reference == "printed twice"
    assert event.by
    seen = client.get(address(Coupon, "change", coupon.pk)).content.decode()
    assert "printed twice" in seen
    assert "voided" in seen


PROMOTION = {
    **NEW,
    "name": "Sale",
    "way": "automatic",
    "total": "",
    "valid_days": "",
    "is_published": "on",
}


def test_a_promotion_is_written_without_anything_to_claim(ours: Shop, client: Client) -> None:
    assert saved(client, address(CouponTemplate, "add"), **PROMOTION).status_code == 302

    sale = CouponTemplate.objects.get(name="Sale")
    assert (sale.way, sale.total, sale.given, sale.remaining) == ("automatic", 0, 0, 0)
    page = address(CouponTemplate, "change", sale.pk)
    form = filled(client.get(page))
    assert not {"total", "way", "kind", "per_customer", "valid_days"}.intersection(form)
    terms = '{"threshold_fen": 5000, "off_fen": 1500}'
    assert client.post(page, form | {"terms": terms}).status_code == 302
    sale.refresh_from_db()
    assert (sale.terms["off_fen"], sale.way) == (1500, "automatic")
    assert "applies" in client.get(address(CouponTemplate, "changelist")).content.decode()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"budget_fen": "100"}, "budget_fen"),
        ({"per_day": "1"}, "per_day"),
        ({"per_store": "1"}, "per_store"),
        ({"per_customer_per_day": "1"}, "per_customer_per_day"),
        ({"given_from_fen": "1"}, "given_from_fen"),
        ({"valid_days": "7"}, "valid_days"),
        ({"valid_from_0": "2026-01-01", "valid_from_1": "00:00"}, "valid_from"),
        ({"valid_until_0": "2026-01-01", "valid_until_1": "00:00"}, "valid_until"),
        ({"kind": "amount_off", "terms": '{"off_fen": 1, "given_back": "never"}'}, "terms"),
        ({"kind": "gift", "terms": '{"sku": 1, "store_percent": 10}'}, "terms"),
        ({"kind": "amount_off", "terms": '{"off_fen": 1, "personal": true}'}, "terms"),
        ({"kind": "amount_off", "terms": '{"off_fen": 1, "grace_days": 3}'}, "terms"),
        ({"kind": "amount_off", "terms": '{"off_fen": 1, "not_with": ["promotion"]}'}, "terms"),
        ({"kind": "gift", "terms": '{"sku": 1, "exclusive": true}'}, "terms"),
        ({"terms": '{"tiers": [{"threshold_fen": 9, "off_fen": 1, "x": 1}]}'}, "terms"),
        ({"terms": '{"tiers": ' + "[" * 300 + "]" * 300 + "}"}, "terms"),
        ({"kind": "amount_off", "terms": '{"off_fen": 1' + "0" * 400 + "}"}, "terms"),
        (
            {"kind": "amount_off", "terms": '{"off_fen": 1, "skus": [' + "1," * 40000 + "1]}"},
            "terms",
        ),
        ({"kind": "gift", "terms": '{"sku": 999999}'}, "terms"),
        ({"kind": "gift", "terms": '{"sku": "x"}'}, "terms"),
        ({"way": "claim", "total": "1", "valid_days": "7", "kind": "gift", "terms": "SKU"}, "kind"),
        ({"way": "claim", "valid_days": "7"}, "total"),
    ],
)
def test_a_promotion_that_can_not_be_kept_is_refused(
    wrong: dict[str, str], field: str, ours: Shop, client: Client
) -> None:
    terms = {"terms": json.dumps({"sku": ours.one(Sku).pk})} if wrong.get("terms") == "SKU" else {}

    answer = saved(client, address(CouponTemplate, "add"), **PROMOTION | wrong | terms)

    assert answer.status_code == 200
    assert field in errors(answer)
    assert CouponTemplate.objects.count() == 1


def test_a_gift_is_one_of_the_shops_own(ours: Shop, client: Client) -> None:
    gift = {"kind": "gift", "terms": json.dumps({"sku": ours.one(Sku).pk})}
    other = {"kind": "gift", "terms": json.dumps({"sku": open_shop("Theirs").one(Sku).pk})}

    assert saved(client, address(CouponTemplate, "add"), **PROMOTION | gift).status_code == 302
    assert "terms" in errors(saved(client, address(CouponTemplate, "add"), **PROMOTION | other))


def test_a_voucher_never_becomes_a_promotion_nor_is_a_promotion_given(
    ours: Shop, client: Client
) -> None:
    page = address(CouponTemplate, "change", ours.one(CouponTemplate).pk)
    assert "way" in errors(saved(client, page, way="automatic", total="", valid_days=""))

    saved(client, address(CouponTemplate, "add"), **PROMOTION)
    sale = CouponTemplate.objects.get(name="Sale")
    grant = {"name": "To all", "template": str(sale.pk), "audience": "segment"}
    assert "template" in errors(saved(client, address(Grant, "add"), **grant))
    batch = {"template": str(sale.pk), "mode": "ours", "account": str(ours.one(PayAccount).pk)}
    answer = saved(client, address(WeChatBatch, "add"), **batch, goods_name="all")
    assert "template" in errors(answer)
    assert not WeChatBatch.objects.exists()


def test_a_promotion_whose_gift_is_gone_can_still_be_ended(ours: Shop, client: Client) -> None:
    gift = {"kind": "gift", "terms": json.dumps({"sku": ours.one(Sku).pk})}
    saved(client, address(CouponTemplate, "add"), **PROMOTION | gift)
    sale = CouponTemplate.objects.get(name="Sale")
    CouponTemplate.objects.filter(pk=sale.pk).update(terms={"sku": 999999})

    page = address(CouponTemplate, "change", sale.pk)
    assert saved(client, page, is_published="").status_code == 302
    sale.refresh_from_db()
    assert not sale.is_published


def test_no_more_promotions_run_at_once_than_a_quote_weighs(ours: Shop, client: Client) -> None:
    saved(client, address(CouponTemplate, "add"), **PROMOTION)
    sale = CouponTemplate.objects.get(name="Sale")
    for _n in range(running.MOST - 1):
        sale.pk = None
        sale.save()

    full = saved(client, address(CouponTemplate, "add"), **PROMOTION | {"name": "One more"})
    assert "is_published" in errors(full)
    later = {"name": "Later", "starts_at_0": "2028-01-01", "ends_at_0": "2029-01-01"}
    assert saved(client, address(CouponTemplate, "add"), **PROMOTION | later).status_code == 302


def test_a_promotion_that_was_used_stays_in_the_books(ours: Shop, client: Client) -> None:
    saved(client, address(CouponTemplate, "add"), **PROMOTION | {"is_published": ""})
    sale = CouponTemplate.objects.get(name="Sale")
    page = address(CouponTemplate, "delete", sale.pk)
    assert client.get(page).status_code == 200
    PromotionUse.objects.create(
        merchant=ours.merchant, template=sale, reference="P1", terms=sale.terms, saved_fen=Fen(1)
    )
    assert client.get(page).status_code == 403
