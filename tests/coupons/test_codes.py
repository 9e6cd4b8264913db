"""Codes: unguessable, made in the background, used as often as they may be."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from coupons import codes
from coupons.models import Code, CodeBatch, Coupon, CouponTemplate
from coupons.tasks import make_codes
from shop.models import Merchant, Staff
from tests.backend import desk
from tests.orders.makers import shopper, template
from tests.orders.test_races import at_once
from tests.shop.conftest import open_shop, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


def batch(offer: CouponTemplate, **more: Any) -> CodeBatch:
    made = CodeBatch.objects.create(
        **{"merchant": offer.merchant, "template": offer, "name": "On the box", **more}
    )
    make_codes()
    return made


def text_of(one: CodeBatch) -> str:
    return one.codes.get().text


def test_codes_are_made_in_steps_and_a_killed_worker_leaves_whole_ones(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "_CHUNK", 40)
    offer = template(merchant, way="code")
    made = CodeBatch.objects.create(merchant=merchant, template=offer, name="Boxes", count=100)

    assert [codes.make_some(made.pk) for _n in range(2)] == [True, True]
    with monkeypatch.context() as patch:
        patch.setattr(CodeBatch, "save", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            codes.make_some(made.pk)
    assert Code.objects.count() == 80
    make_codes()
    make_codes()

    texts = list(codes.listed(made))
    assert (len(texts), len(set(texts))) == (100, 100)
    assert all(len(text) == codes.LENGTH and codes.written(text) == text for text in texts)
    made.refresh_from_db()
    assert made.made == 100


@pytest.mark.parametrize("typed", ["{}", " {} ", "{}\t", "lower"])
def test_a_code_brings_its_coupon_however_it_is_typed(typed: str, merchant: Merchant) -> None:
    text = text_of(batch(template(merchant, way="code")))
    spaced = f"{text[:4]}-{text[4:8]} {text[8:]}"
    api = signed_in(shopper(merchant))

    said = text.lower() if typed == "lower" else typed.format(spaced)
    first = api("POST", "coupon-codes", {"code": said, "source": {"channel": "box"}})
    again = api("POST", "coupon-codes", {"code": text})

    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    coupon = Coupon.objects.get()
    assert (coupon.way, coupon.source) == ("code", {"channel": "box"})
    assert coupon.events.get().reference == f"code:{Code.objects.get().pk}"


def test_a_used_code_is_used_for_everybody_else(merchant: Merchant) -> None:
    text = text_of(batch(template(merchant, way="code")))

    answers = [
        signed_in(shopper(merchant))("POST", "coupon-codes", {"code": text}) for _n in range(2)
    ]

    assert [answer.status for answer in answers] == [201, 409]
    assert answers[1].body["code"] == "code_used"


@pytest.mark.parametrize(
    "said", ["", "AAAA-BBBB-CCCC", "x", "'; drop table", "码", "0" * 64, "\u0000" * 5, None, 5, []]
)
def test_what_is_no_code_leaves_no_trace(said: Any, merchant: Merchant) -> None:
    batch(template(merchant, way="code"))

    answer = signed_in(shopper(merchant))("POST", "coupon-codes", {"code": said})

    assert answer.status in {400, 404}
    assert answer.body["code"] in {"invalid", "code_unknown"}
    assert Coupon.objects.count() == 0


def test_a_strangers_code_is_unknown(merchant: Merchant) -> None:
    text = text_of(batch(template(open_shop("乙")[0], way="code")))

    answer = signed_in(shopper(merchant))("POST", "coupon-codes", {"code": text})

    assert (answer.status, answer.body["code"]) == (404, "code_unknown")


def test_the_templates_limits_hold_for_codes_and_a_refusal_uses_nothing(merchant: Merchant) -> None:
    one = batch(template(merchant, way="code", total=1), count=2)
    first, second = codes.listed(one)

    assert signed_in(shopper(merchant))("POST", "coupon-codes", {"code": first}).status == 201
    late = signed_in(shopper(merchant))("POST", "coupon-codes", {"code": second})

    assert (late.status, late.body["code"]) == (409, "sold_out")
    assert codes.used(one) == 1


def test_one_known_code_is_used_as_often_as_it_may_be_by_everyone_at_once(
    merchant: Merchant,
) -> None:
    one = batch(template(merchant, way="code", total=1000), text="NEWYEAR", uses=20)
    shoppers = [shopper(merchant) for _n in range(60)]

    ended = at_once([partial(codes.redeem, s, "new year") for s in shoppers])

    assert ended == {"done": 20, "code_used": 40}
    assert (codes.used(one), Coupon.objects.count()) == (20, 20)


def test_the_same_tap_at_the_same_moment_uses_one(merchant: Merchant) -> None:
    one = batch(template(merchant, way="code", per_customer=5), uses=5)
    customer = shopper(merchant)

    ended = at_once([partial(codes.redeem, customer, text_of(one))] * 8, hands=8)

    assert ended == {"done": 8}
    assert (codes.used(one), Coupon.objects.count()) == (1, 1)


def test_a_double_tap_on_a_single_use_code_is_answered_alike(merchant: Merchant) -> None:
    one = batch(template(merchant, way="code"))
    customer = shopper(merchant)

    assert at_once([partial(codes.redeem, customer, text_of(one))] * 6, hands=6) == {"done": 6}
    assert Coupon.objects.count() == 1


def test_the_database_itself_refuses_one_use_too_many(merchant: Merchant) -> None:
    batch(template(merchant, way="code"))

    with pytest.raises(IntegrityError), transaction.atomic():
        Code.objects.update(used=2)


def test_a_thousand_guesses_lock_out_the_guesser_and_not_their_neighbour(
    merchant: Merchant,
) -> None:
    """Both come from the same address; the one who guesses is told when to come back."""
    text = text_of(batch(template(merchant, way="code")))
    guesser, neighbour = signed_in(shopper(merchant)), signed_in(shopper(merchant))

    answers = [guesser("POST", "coupon-codes", {"code": f"GUESS{n:07}"}) for n in range(1000)]
    late = guesser("POST", "coupon-codes", {"code": text})

    assert [answer.status for answer in answers[:20]] == [404] * 20
    assert {answer.status for answer in answers[20:]} == {429}
    assert (late.status, late.body["code"]) == (429, "too_many_requests")
    assert int(late.headers["Retry-After"]) > 0
    assert neighbour("POST", "coupon-codes", {"code": text}).status == 201


class TestAtTheDesk:
    @pytest.fixture
    def ours(self, transactional_db: None) -> desk.Shop:
        return desk.open_shop("Ours")

    def add(self, client: Client, **said: Any) -> Any:
        page = desk.address(CodeBatch, "add")
        return client.post(page, desk.filled(client.get(page)) | said)

    def test_a_batch_is_made_and_taken_away_as_csv(self, ours: desk.Shop) -> None:
        offer = template(ours.merchant, way="code")
        client = ours.owner

        assert self.add(client, template=offer.pk, name="Boxes", count=30).status_code == 302
        make_codes()

        made = CodeBatch.objects.get(name="Boxes")
        assert made.by.startswith("staff Ours-owner")
        file = client.get(desk.address(CodeBatch, "download", made.pk))
        heading, *lines = file.getvalue().decode().split()
        assert heading == "code"
        assert sorted(lines) == sorted(codes.listed(made))
        assert len(lines) == 30
        assert file["Content-Disposition"] == f'attachment; filename="codes-{made.pk}.csv"'

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({"count": 0}, "count"),
            ({"count": codes.MOST_CODES + 1}, "count"),
            ({"uses": 0}, "uses"),
            ({"text": "AB"}, "text"),
            ({"text": "大吉"}, "text"),
            ({"text": "NEWYEAR", "count": 2}, "count"),
        ],
    )
    def test_a_batch_that_can_not_be_made_is_refused(
        self, ours: desk.Shop, said: dict[str, Any], field: str
    ) -> None:
        offer = template(ours.merchant, way="code")

        answer = self.add(ours.owner, **{"template": offer.pk, "name": "x", "count": 1, **said})

        assert answer.status_code == 200
        assert field in desk.errors(answer)

    def test_a_known_code_stands_for_one_batch(self, ours: desk.Shop) -> None:
        offer = template(ours.merchant, way="code")
        said = {"template": offer.pk, "name": "x", "count": 1, "text": "new-year"}

        assert self.add(ours.owner, **said).status_code == 302
        answer = self.add(ours.owner, **said)

        assert answer.status_code == 200
        assert CodeBatch.objects.filter(text="NEWYEAR").count() == 1

    def test_who_may_only_look_takes_no_codes_away(self, ours: desk.Shop) -> None:
        made = batch(template(ours.merchant, way="code"))

        answer = ours.staff(Staff.Role.CASHIER).get(desk.address(CodeBatch, "download", made.pk))

        assert answer.status_code == 403
