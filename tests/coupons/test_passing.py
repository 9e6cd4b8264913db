"""A coupon passed on to a friend: once, under the same terms, within the friend's share."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from django.utils import timezone

from backend.money import Fen
from coupons import claiming, passing, wallet
from coupons.models import Coupon, CouponPass, CouponTemplate
from shop.models import Customer, Merchant
from tests.orders.makers import coupon, shopper, template
from tests.orders.test_races import at_once
from tests.shop.conftest import Api, open_shop, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture
def giver(merchant: Merchant) -> Customer:
    return shopper(merchant)


@pytest.fixture
def friend(merchant: Merchant) -> Customer:
    return shopper(merchant)


def shared(giver: Customer, one: Coupon) -> str:
    return passing.share(giver, one.pk)[0]


def status(one: Coupon) -> str:
    one.refresh_from_db()
    return one.status


def test_a_friend_has_it_under_the_same_terms_and_the_giver_no_more(
    giver: Customer, friend: Customer
) -> None:
    one = coupon(giver)
    CouponTemplate.objects.update(terms={"threshold_fen": 1, "off_fen": 1})
    link = signed_in(giver)("POST", f"coupons/{one.pk}/share")

    seen = signed_in(friend)("GET", f"coupon-passes/{link.body['token']}")
    taken = signed_in(friend)("POST", f"coupon-passes/{link.body['token']}/accept")
    again = signed_in(friend)("POST", f"coupon-passes/{link.body['token']}/accept")

    assert (link.status, seen.status, taken.status, again.status) == (201, 200, 201, 200)
    assert seen.body["open"]
    assert seen.body["text"] == taken.body["text"] == "满 ¥10.00 减 ¥3.00"
    assert taken.body == again.body
    theirs = Coupon.objects.get(customer=friend)
    assert (theirs.way, theirs.valid_until) == ("friend", one.valid_until)
    assert theirs.code != one.code
    assert status(one) == "passed"
    assert [event.event for event in one.events.order_by("pk")] == ["claimed", "passed"]
    assert signed_in(giver)("GET", f"coupons/{one.pk}").body["status"] == "passed"


def test_the_template_gave_no_more_than_before(giver: Customer, friend: Customer) -> None:
    one = coupon(giver, total=1)

    passing.accept(friend, shared(giver, one))

    assert one.template.lots.get().given == 1


def test_only_a_hash_of_the_token_is_kept(giver: Customer) -> None:
    token = shared(giver, coupon(giver))

    assert token not in str(list(CouponPass.objects.values()))


def test_the_token_stays_out_of_the_log(
    giver: Customer, friend: Customer, caplog: pytest.LogCaptureFixture
) -> None:
    token = shared(giver, coupon(giver))
    caplog.set_level("INFO")

    signed_in(friend)("GET", f"coupon-passes/{token}")

    assert "coupon-passes/***" in caplog.text
    assert token not in caplog.text


def test_a_newer_link_ends_the_one_before(giver: Customer, friend: Customer) -> None:
    one = coupon(giver)
    before, now = shared(giver, one), shared(giver, one)

    assert signed_in(friend)("POST", f"coupon-passes/{before}/accept").status == 404
    assert signed_in(friend)("POST", f"coupon-passes/{now}/accept").status == 201


@pytest.mark.parametrize("what", ["expired", "used", "held", "voided", "ran out", "taken"])
def test_what_is_gone_is_gone(what: str, giver: Customer, friend: Customer) -> None:
    one = coupon(giver)
    token = shared(giver, one)
    at = timezone.now()
    merchant, late = giver.merchant_id, at - dt.timedelta(seconds=1)
    if what == "expired":
        CouponPass.objects.update(expires_at=late)
    elif what == "ran out":
        Coupon.objects.update(valid_until=late)
    elif what == "voided":
        wallet.void(merchant, [one.pk], by="x", reason="x", at=at)
    elif what == "taken":
        passing.accept(shopper(giver.merchant), token)
    else:
        wallet.hold(
            merchant=merchant, customer=giver.pk, saved={one.pk: Fen(1)}, reference="p", at=at
        )
    if what == "used":
        wallet.use(merchant, "p", at=at)
    before = status(one)

    answer = signed_in(friend)("POST", f"coupon-passes/{token}/accept")
    seen = signed_in(friend)("GET", f"coupon-passes/{token}")

    assert (answer.status, answer.body["code"]) == (409, "pass_gone")
    assert not seen.body["open"]
    assert status(one) == before
    assert not Coupon.objects.filter(customer=friend).exists()


def test_what_is_not_to_be_passed_on_has_no_link(giver: Customer) -> None:
    terms = {"threshold_fen": 1000, "off_fen": 300, "personal": True}
    one = coupon(giver, terms=terms)

    answer = signed_in(giver)("POST", f"coupons/{one.pk}/share")

    assert (answer.status, answer.body["code"]) == (409, "coupon_personal")
    assert "不可转赠" in signed_in(giver)("GET", f"coupons/{one.pk}").body["text"]


def test_the_friend_takes_no_more_than_their_share(giver: Customer, friend: Customer) -> None:
    one = coupon(giver)
    claiming.claim(merchant=giver.merchant_id, template=one.template_id, customer=friend.pk)

    answer = signed_in(friend)("POST", f"coupon-passes/{shared(giver, one)}/accept")

    assert (answer.status, answer.body["code"]) == (409, "claim_limit_reached")
    assert status(one) == "claimed"


def test_passing_does_not_let_the_giver_claim_anew(giver: Customer, friend: Customer) -> None:
    one = coupon(giver)
    passing.accept(friend, shared(giver, one))

    with pytest.raises(claiming.ClaimLimitReached):
        claiming.claim(merchant=giver.merchant_id, template=one.template_id, customer=giver.pk)


def test_nobody_takes_their_own_nor_a_strangers(giver: Customer) -> None:
    token = shared(giver, coupon(giver))
    stranger = signed_in(shopper(open_shop("乙")[0]))

    own = signed_in(giver)("POST", f"coupon-passes/{token}/accept")
    assert (own.status, own.body["code"]) == (409, "own_pass")
    assert stranger("GET", f"coupon-passes/{token}").status == 404
    assert stranger("POST", f"coupon-passes/{token}/accept").status == 404
    assert Api()("POST", f"coupon-passes/{token}/accept").status == 401


def test_many_friends_at_once_and_one_has_it(giver: Customer) -> None:
    one = coupon(giver)
    token = shared(giver, one)
    friends = [shopper(giver.merchant) for _n in range(12)]

    ended = at_once([partial(passing.accept, each, token) for each in friends], hands=12)

    assert ended == {"done": 1, "pass_gone": 11}
    assert Coupon.objects.filter(status="claimed").count() == 1


def test_used_and_taken_at_once_is_one_of_both(giver: Customer, friend: Customer) -> None:
    for _n in range(5):
        one = coupon(giver, per_customer=1)
        token = shared(giver, one)
        hold = partial(
            wallet.hold, merchant=giver.merchant_id, customer=giver.pk, saved={one.pk: Fen(1)},
            reference=f"p{one.pk}", at=timezone.now(),
        )  # fmt: skip

        ended = at_once([hold, partial(passing.accept, friend, token)], hands=2)

        assert ended["done"] == 1
        held = status(one) == "held"
        assert Coupon.objects.filter(customer=friend, template=one.template).exists() is not held


def test_one_friend_offered_two_of_a_kind_takes_one(giver: Customer, friend: Customer) -> None:
    offer = template(giver.merchant, per_customer=1)
    other = shopper(giver.merchant)
    tokens = [
        shared(
            who,
            claiming.claim(merchant=giver.merchant_id, template=offer.pk, customer=who.pk)[0],
        )
        for who in (giver, other)
    ]

    ended = at_once([partial(passing.accept, friend, token) for token in tokens], hands=2)

    assert ended == {"done": 1, "claim_limit_reached": 1}
    assert Coupon.objects.filter(customer=friend).count() == 1
