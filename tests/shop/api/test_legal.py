"""Who runs the shop, its legal pages, and agreeing to them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shop.models import Consent, LegalDocument, Merchant, MiniProgram
from tests.shop.conftest import Api, at_once, open_shop

pytestmark = pytest.mark.django_db


def publish(merchant: Merchant, kind: str, version: str, days_ago: float = 1) -> LegalDocument:
    return LegalDocument.objects.create(
        merchant=merchant, kind=kind, version=version, title=f"{kind} {version}", body="<p>…</p>",
        published_at=timezone.now() - dt.timedelta(days=days_ago),
    )  # fmt: skip


def test_the_shop_says_who_runs_it_and_which_pages_are_in_force(program: MiniProgram) -> None:
    merchant = program.merchant
    merchant.logo, merchant.service_phone = "demo/logo.png", "400-000-0000"
    merchant.licences = [{"name": "营业执照", "number": "9131"}, "broken"]
    merchant.save()
    publish(merchant, "terms", "1", 9)
    publish(merchant, "terms", "2", 1)
    publish(merchant, "terms", "3", -1)
    publish(merchant, "privacy", "1")
    publish(open_shop("别家")[0], "returns", "1")

    with CaptureQueriesContext(connection) as queries:
        answer = Api(appid=program.appid)("get", "shop")

    assert answer.status == 200, answer.body
    assert answer.body["name"] == "山野小铺"
    assert answer.body["logo"].endswith("/media/demo/logo.png")
    assert answer.body["licences"] == [{"name": "营业执照", "number": "9131"}]
    shown = [(page["kind"], page["version"]) for page in answer.body["documents"]]
    assert shown == [("privacy", "1"), ("terms", "2")]
    assert len(queries) == 3


def test_where_there_are_several_shops_one_has_to_be_named(merchant: Merchant) -> None:
    open_shop("别家")
    assert Api()("get", "shop").body["code"] == "merchant_unknown"
    assert Api(appid="wxnobody")("get", "shop").body["code"] == "merchant_unknown"


def test_a_page_comes_with_its_text_in_force_or_by_version(merchant: Merchant) -> None:
    publish(merchant, "terms", "1", 9)
    publish(merchant, "terms", "2", 1)
    publish(merchant, "terms", "3", -1)

    assert Api()("get", "legal/terms").body["version"] == "2"
    assert Api()("get", "legal/terms?version=1").body["body"] == "<p>…</p>"
    for path in ("legal/terms?version=3", "legal/privacy", "legal/nonsense"):
        assert Api()("get", path).status == 404
    assert Api()("get", "legal/terms?version=%00").status == 400


def test_consent_is_kept_once_with_its_version(api: Api, merchant: Merchant) -> None:
    publish(merchant, "privacy", "1")
    body = {"document": "privacy", "version": "1"}

    first = api("post", "me/consents", body)
    again = api("post", "me/consents", body)

    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert api("get", "me/consents").body["results"] == [first.body]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"document": "privacy", "version": "9"}, 404),
        ({"document": "privacy", "version": "3"}, 404),
        ({"document": "nonsense", "version": "1"}, 404),
        ({"document": "privacy"}, 400),
        ({"document": ["privacy"], "version": "x" * 21}, 400),
    ],
)
def test_nobody_agrees_to_what_was_not_published(
    api: Api, merchant: Merchant, body: Any, status: int
) -> None:
    publish(merchant, "privacy", "3", -1)
    publish(open_shop("别家")[0], "privacy", "9")

    assert api("post", "me/consents", body).status == status
    assert Consent.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_agreeing_on_eight_threads_is_one_consent(api: Api, merchant: Merchant) -> None:
    publish(merchant, "privacy", "1")
    body = {"document": "privacy", "version": "1"}

    answers = at_once(*[lambda: Api(api.access)("post", "me/consents", body) for _ in range(8)])

    assert sorted(getattr(answer, "status", answer) for answer in answers) == [200] * 7 + [201]
    assert Consent.objects.count() == 1
