"""Grants: each customer once, within the total, and resumed wherever a worker was killed."""

from __future__ import annotations

import datetime as dt
import itertools
import multiprocessing
import os
import signal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from backend.money import Fen
from coupons import automatic, claiming, grants, offers, segments
from coupons.models import Coupon, CouponEvent, CouponTemplate, Grant, GrantTarget
from coupons.tasks import forget_phones, greet_customers, run_grants
from orders import lifecycle
from orders.models import Purchase
from orders.tasks import reward_paid
from shop.models import Customer, Identity, Merchant
from tests.backend import desk
from tests.coupons.test_claiming import sums
from tests.orders.makers import place, shelf, shopper, template
from tests.orders.test_races import at_once
from tests.shop.conftest import open_shop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "STEP", 10)


def crowd(merchant: Merchant, count: int, **more: Any) -> list[Customer]:
    return Customer.objects.bulk_create(Customer(merchant=merchant, **more) for _n in range(count))


def grant(offer: CouponTemplate, **more: Any) -> Grant:
    number = Grant.objects.count()
    return Grant.objects.create(
        **{
            "merchant": offer.merchant, "template": offer, "name": "Thanks",
            "audience": "segment", "key": f"{number:024}", "by": "staff x", **more,
        }
    )  # fmt: skip


def listed(offer: CouponTemplate, phones: list[str], openids: list[str] | None = None) -> Grant:
    made = grant(offer, audience="list")
    grants.write_list(made, phones, openids or [])
    grants.expect(made)
    return made


def owners(offer: CouponTemplate) -> list[int]:
    return sorted(Coupon.objects.filter(template=offer).values_list("customer_id", flat=True))


def test_everyone_is_given_one_with_its_history(merchant: Merchant) -> None:
    everyone = crowd(merchant, 25)
    crowd(open_shop("乙")[0], 3)
    offer = template(merchant, total=100)
    made = grant(offer)
    grants.expect(made)

    run_grants()
    run_grants()

    made.refresh_from_db()
    assert (made.state, made.expected, made.looked_at, made.given) == ("done", 25, 25, 25)
    assert owners(offer) == sorted(one.pk for one in everyone)
    assert sums(offer) == (25, 100, 25)
    event = CouponEvent.objects.first()
    assert event is not None
    assert (event.event, event.reference, event.by) == ("claimed", f"grant:{made.pk}", "staff x")


def test_who_has_theirs_gets_no_more_and_who_has_not_gets_the_next(merchant: Merchant) -> None:
    first, second, _third = crowd(merchant, 3)
    offer = template(merchant, per_customer=2)
    for customer in (first, first, second):
        claiming.claim(merchant=merchant.pk, template=offer.pk, customer=customer.pk)
    made = grant(offer)

    run_grants()

    made.refresh_from_db()
    assert (made.looked_at, made.given) == (3, 2)
    assert sums(offer) == (5, 100, 5)


@pytest.mark.parametrize("audience", ["segment", "list"])
def test_a_grant_that_begins_anew_gives_nobody_a_second_one(
    merchant: Merchant, audience: str
) -> None:
    """Its place was lost, and everybody could have eight more: of one grant nobody has two."""
    everyone = crowd(merchant, 25)
    offer = template(merchant, per_customer=9)
    made = grant(offer, audience=audience)
    for one in everyone if audience == "list" else []:
        made.targets.create(merchant=merchant, customer=one)
    run_grants()
    late = crowd(merchant, 1)[0]

    Grant.objects.update(cursor=0, state="running", finished_at=None)
    run_grants()

    made.refresh_from_db()
    whose = sorted(one.pk for one in everyone) + ([late.pk] if audience == "segment" else [])
    assert owners(offer) == whose
    assert (made.state, made.given, sums(offer)[0]) == ("done", len(whose), len(whose))
    assert made.looked_at == 25 + len(whose)
    # Another grant of the same template is another occasion.
    grant(offer)
    run_grants()
    assert owners(offer) == sorted([*whose, *(one.pk for one in everyone), late.pk])


def test_a_grant_stops_at_the_total_and_goes_on_when_it_rises(merchant: Merchant) -> None:
    """The last step asks for ten when five are left: `given + n` is compared with the total."""
    everyone = crowd(merchant, 40)
    offer = template(merchant, total=15)
    made = grant(offer)

    run_grants()
    made.refresh_from_db()
    assert (made.state, made.given, sums(offer)) == ("sold_out", 15, (15, 15, 15))

    CouponTemplate.objects.filter(pk=offer.pk).update(total=1500)
    offers.deal(offer)
    assert grants.resume(made.pk)
    run_grants()
    made.refresh_from_db()
    assert (made.state, made.given, made.looked_at) == ("done", 40, 40)
    assert owners(offer) == sorted(one.pk for one in everyone)


def test_a_limit_of_the_day_is_kept(merchant: Merchant) -> None:
    crowd(merchant, 30)
    offer = template(merchant, total=100, per_day=12)
    made = grant(offer)

    run_grants()

    made.refresh_from_db()
    assert (made.state, made.given) == ("sold_out", 12)


@pytest.mark.parametrize("more", [{"is_published": False}, {"ends_at": timezone.now()}])
def test_a_template_that_gives_none_now_gives_none(merchant: Merchant, more: Any) -> None:
    crowd(merchant, 3)
    made = grant(template(merchant, **more))

    run_grants()

    made.refresh_from_db()
    assert (made.state, made.given, Coupon.objects.count()) == ("refused", 0, 0)


def test_a_worker_killed_in_the_middle_leaves_whole_steps_and_the_next_goes_on(
    merchant: Merchant,
) -> None:
    """Killed by the system, in a process of its own, while a step is written and not committed."""
    everyone = crowd(merchant, 35)
    offer = template(merchant, total=1000)
    made = grant(offer)
    connection.close()
    worker = multiprocessing.get_context("fork").Process(target=_die_in_third_step, args=[made.pk])
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL

    made.refresh_from_db()
    assert (made.state, made.looked_at, made.given) == ("running", 20, 20)
    assert sums(offer) == (20, 1000, 20)
    run_grants()

    made.refresh_from_db()
    assert (made.state, made.given) == ("done", 35)
    assert owners(offer) == sorted(one.pk for one in everyone)


def _die_in_third_step(pk: int) -> None:
    saved, calls = Grant.save, itertools.count(1)

    def dying(*args: Any, **more: Any) -> None:
        if next(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        saved(*args, **more)

    Grant.save = dying  # type: ignore[method-assign]
    while grants.step(pk):
        pass


def test_many_workers_and_a_rush_of_claims_pass_no_limit(merchant: Merchant) -> None:
    everyone = crowd(merchant, 120)
    offer = template(merchant, total=100)
    made = grant(offer)

    def claim(customer: Customer) -> None:
        claiming.claim(merchant=merchant.pk, template=offer.pk, customer=customer.pk)

    calls: list[Any] = [run_grants] * 4
    calls += [lambda c=customer: claim(c) for customer in everyone[::2]]
    at_once(calls, hands=12)
    run_grants()

    assert sums(offer) == (100, 100, 100)
    assert len(set(owners(offer))) == 100
    made.refresh_from_db()
    assert made.given == Coupon.objects.filter(way="grant").count()


def test_a_grant_that_fails_does_not_stop_the_others(
    merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(merchant, 12)
    broken, fine = template(merchant), template(merchant)
    first, second = grant(broken), grant(fine)
    stepped = grants.step

    def failing(pk: int) -> bool:
        if pk == first.pk:
            raise RuntimeError
        return stepped(pk)

    monkeypatch.setattr(grants, "step", failing)
    run_grants()

    second.refresh_from_db()
    assert (second.state, len(owners(fine))) == ("done", 12)


def test_a_limit_of_the_day_lowered_below_what_was_given_stops_one_grant(
    merchant: Merchant,
) -> None:
    crowd(merchant, 30)
    offer = template(merchant, total=100, per_day=20)
    made = grant(offer)
    assert grants.step(made.pk)
    CouponTemplate.objects.filter(pk=offer.pk).update(per_day=5)

    assert not grants.step(made.pk)

    made.refresh_from_db()
    assert (made.state, made.given) == ("sold_out", 10)


def test_what_wechat_gives_nobody_grants(merchant: Merchant) -> None:
    crowd(merchant, 3)
    made = grant(template(merchant, way="wechat"))

    run_grants()

    made.refresh_from_db()
    assert (made.state, made.given) == ("refused", 0)


def test_a_stopped_grant_gives_no_more(merchant: Merchant) -> None:
    crowd(merchant, 30)
    offer = template(merchant)
    made = grant(offer)
    assert grants.step(made.pk)

    assert grants.stop(made.pk)
    assert not grants.step(made.pk)
    run_grants()
    assert sums(offer)[0] == 10
    assert not grants.stop(made.pk)


class TestLists:
    def test_phones_and_openids_name_customers_each_once(self, merchant: Merchant) -> None:
        (one,) = crowd(merchant, 1, phone="13800000001")
        (two,) = crowd(merchant, 1)
        Identity.objects.create(
            merchant=merchant, customer=one, appid="wxa", openid="oABC-one", signed_in_at=now()
        )
        Identity.objects.create(
            merchant=merchant, customer=two, appid="wxa", openid="oABC-two", signed_in_at=now()
        )
        offer = template(merchant)
        made = grant(offer, audience="list")

        unknown = grants.write_list(
            made,
            ["13800000001", "13800000001", "13900000009"],
            ["oABC-one", "oABC-two", "oABC-two", "oABC-nobody"],
        )
        grants.expect(made)
        run_grants()

        assert unknown == 1
        assert owners(offer) == [one.pk, two.pk]
        made.refresh_from_db()
        assert (made.state, made.expected, made.given, grants.waiting(made)) == ("done", 2, 2, 1)

    def test_a_strangers_customer_is_nobody(self, merchant: Merchant) -> None:
        crowd(open_shop("乙")[0], 1, phone="13800000001")
        offer = template(merchant)

        made = listed(offer, ["13800000001"])
        run_grants()

        assert owners(offer) == []
        assert grants.waiting(made) == 1

    def test_an_unknown_phone_is_kept_as_a_keyed_hash(self, merchant: Merchant) -> None:
        made = listed(template(merchant), ["13900000009"])

        kept = GrantTarget.objects.get(grant=made)
        assert kept.customer_id is None
        assert kept.phone_hash == grants.phone_hash(merchant.pk, "13900000009")
        assert "13900000009" not in str(list(GrantTarget.objects.values()))
        assert kept.phone_hash != grants.phone_hash(merchant.pk + 1, "13900000009")

    def test_what_waits_lands_once_when_the_phone_is_verified(self, merchant: Merchant) -> None:
        offer = template(merchant)
        made = listed(offer, ["13900000009"])
        run_grants()
        (newcomer,) = crowd(merchant, 1, phone="13900000009", greet_at=now())

        for _n in range(2):
            greet_customers()
            Customer.objects.update(greet_at=now())

        assert owners(offer) == [newcomer.pk]
        coupon = Coupon.objects.get()
        assert (coupon.way, coupon.events.get().reference) == ("grant", f"grant:{made.pk}")
        assert grants.waiting(made) == 0

    def test_who_verifies_while_the_list_is_written_is_not_missed(self, merchant: Merchant) -> None:
        offer = template(merchant)
        made = grant(offer, audience="list")
        with transaction.atomic():
            grants.write_list(made, ["13900000009"], [])
            # Verified and greeted elsewhere before this is committed.
            (newcomer,) = crowd(merchant, 1, phone="13900000009")

        greet_customers()

        assert owners(offer) == [newcomer.pk]

    @pytest.mark.parametrize("why", ["late", "stopped"])
    def test_what_waited_too_long_or_was_stopped_does_not_land(
        self, merchant: Merchant, why: str
    ) -> None:
        made = listed(template(merchant), ["13900000009"])
        if why == "late":
            Grant.objects.update(waits_until=now() - dt.timedelta(seconds=1))
        else:
            grants.stop(made.pk)
        (newcomer,) = crowd(merchant, 1, phone="13900000009")

        assert grants.land(newcomer) is None
        assert Coupon.objects.count() == 0

    @pytest.mark.parametrize("why", ["landed", "late", "over"])
    def test_a_phone_that_waits_no_more_is_forgotten(self, merchant: Merchant, why: str) -> None:
        made = listed(template(merchant), ["13900000009", "13900000008"])
        kept = listed(template(merchant), ["13900000009"])
        run_grants()
        if why == "landed":
            (newcomer,) = crowd(merchant, 1, phone="13900000009")
            Grant.objects.filter(pk=kept.pk).update(waits_until=now() + dt.timedelta(days=1))
            grants.land(newcomer)
        elif why == "late":
            Grant.objects.filter(pk=made.pk).update(waits_until=now())
        else:
            CouponTemplate.objects.filter(pk=made.template_id).update(ends_at=now())

        forget_phones()
        forget_phones()

        waiting = GrantTarget.objects.exclude(phone_hash="")
        left = {"landed": (1, 0), "late": (0, 1), "over": (0, 1)}[why]
        assert (waiting.filter(grant=made).count(), waiting.filter(grant=kept).count()) == left

    @pytest.mark.parametrize("why", ["not begun", "sold out", "unpublished"])
    def test_what_can_not_land_today_lands_another_day(self, merchant: Merchant, why: str) -> None:
        begins = now() + dt.timedelta(days=3)
        window: dict[str, Any] = {"starts_at": begins, "ends_at": begins + dt.timedelta(days=9)}
        hidden: dict[str, Any] = {"is_published": False}
        more = {"not begun": window, "sold out": {}, "unpublished": hidden}[why]
        offer = template(merchant, total=1, **more)
        listed(offer, ["13900000009"])
        if why == "sold out":
            claiming.claim(merchant=merchant.pk, template=offer.pk, customer=shopper(merchant).pk)
        (newcomer,) = crowd(merchant, 1, phone="13900000009", greet_at=now())

        greet_customers()

        newcomer.refresh_from_db()
        assert owners(offer) == [] or newcomer.pk not in owners(offer)
        assert newcomer.greet_at is not None
        assert newcomer.greet_at == (begins if why == "not begun" else newcomer.greet_at)
        assert newcomer.greet_at > now()
        CouponTemplate.objects.update(
            starts_at=now() - dt.timedelta(days=1), total=5, is_published=True
        )
        offers.deal(offer)
        Customer.objects.update(greet_at=now())
        greet_customers()
        assert newcomer.pk in owners(offer)
        newcomer.refresh_from_db()
        assert newcomer.greet_at is None


def now() -> dt.datetime:
    return timezone.now()


SEGMENTS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"tags": ["vip", "x"]}, {"tags": ["vip"]}, {"tags": ["other"]}),
    ({"has_phone": True}, {"phone": "13800000001"}, {}),
    ({"has_phone": False}, {}, {"phone": "13800000001"}),
    ({"last_store": 7}, {"last_store_id": 7}, {"last_store_id": 8}),
    ({"paid_within_days": 3}, {"last_paid_at": dt.timedelta(days=-2)}, {}),
    ({"not_paid_for_days": 3}, {}, {"last_paid_at": dt.timedelta(days=-2)}),
    (
        {"not_paid_for_days": 3},
        {"last_paid_at": dt.timedelta(days=-4)},
        {"last_paid_at": dt.timedelta(days=-1)},
    ),
    ({"paid_purchases_from": 2}, {"paid_purchases": 2}, {"paid_purchases": 1}),
    ({"paid_purchases_to": 2}, {"paid_purchases": 2}, {"paid_purchases": 3}),
    ({"spent_from_fen": 200}, {"spent_fen": Fen(200)}, {"spent_fen": Fen(199)}),
    ({"spent_to_fen": 200}, {"spent_fen": Fen(200)}, {"spent_fen": Fen(201)}),
    ({"paid_purchases_to": 2, "has_phone": False}, {}, {"phone": "13800000001"}),
]


@pytest.mark.parametrize(("segment", "meant", "others"), SEGMENTS)
def test_a_segment_means_whom_it_says(
    merchant: Merchant, segment: dict[str, Any], meant: dict[str, Any], others: dict[str, Any]
) -> None:
    def made(said: dict[str, Any]) -> int:
        values = {
            name: now() + value if isinstance(value, dt.timedelta) else value
            for name, value in said.items()
        }
        return crowd(merchant, 1, **values)[0].pk

    inside, _outside = made(meant), made(others)
    segments.check(segment)
    offer = template(merchant)
    one = grant(offer, segment=segment)
    grants.expect(one)

    run_grants()

    one.refresh_from_db()
    assert owners(offer) == [inside]
    assert (one.expected, one.looked_at) == (1, 1)


def test_a_segment_by_age_and_by_wallet(merchant: Merchant) -> None:
    old, new = crowd(merchant, 2)
    Customer.objects.filter(pk=old.pk).update(created_at=now() - dt.timedelta(days=9))
    claiming.claim(merchant=merchant.pk, template=template(merchant).pk, customer=old.pk)
    for segment, whom in (
        ({"joined_within_days": 3}, new),
        ({"has_unused_coupon": True}, old),
        ({"has_unused_coupon": False}, new),
    ):
        offer = template(merchant)
        grant(offer, segment=segment)
        run_grants()
        assert owners(offer) == [whom.pk]
        Coupon.objects.filter(template=offer).update(status="voided")


@pytest.mark.parametrize(
    "segment",
    [
        [], "x", {"age": 5}, {"tags": []}, {"tags": "vip"}, {"tags": ["\x00"]},
        {"tags": ["x" * 25]},
        {"has_phone": 1}, {"spent_from_fen": -1}, {"spent_from_fen": 1.5},
        {"spent_from_fen": True}, {"paid_within_days": 0}, {"paid_within_days": 4000},
        {"last_store": "1"}, {"paid_purchases_to": 2**60},
    ],
)  # fmt: skip
def test_a_segment_that_is_not_understood_is_refused(segment: Any) -> None:
    with pytest.raises(ValidationError):
        segments.check(segment)


class TestByThemselves:
    def test_a_first_sign_in_is_greeted_once(self, merchant: Merchant) -> None:
        offer = template(merchant, way="first_sign_in", per_customer=5)
        template(merchant, way="first_sign_in", is_published=False)
        (newcomer,) = crowd(merchant, 1, greet_at=now())

        for _n in range(3):
            greet_customers()
            Customer.objects.update(greet_at=now())

        assert owners(offer) == [newcomer.pk]
        assert Coupon.objects.get().way == "first_sign_in"

    def test_who_was_there_before_is_not_new(self, merchant: Merchant) -> None:
        (known,) = crowd(merchant, 1, greet_at=now())
        template(merchant, way="first_sign_in", starts_at=now() + dt.timedelta(seconds=-1))
        Customer.objects.update(created_at=now() - dt.timedelta(days=9))

        greet_customers()

        assert Coupon.objects.count() == 0
        known.refresh_from_db()
        assert known.greet_at is None

    def test_greeting_twice_at_once_gives_one(self, merchant: Merchant) -> None:
        template(merchant, way="first_sign_in", per_customer=5)
        (newcomer,) = crowd(merchant, 1, greet_at=now())

        at_once([lambda: automatic.greet(newcomer.pk)] * 8, hands=8)

        assert Coupon.objects.count() == 1

    def pay(self, purchase: Purchase) -> None:
        trade = lifecycle.Trade(payment_id=purchase.pk, method="free")
        lifecycle.pay(purchase.pk, trade, at=now())

    def test_a_payment_of_enough_is_thanked_for_once(self, merchant: Merchant) -> None:
        enough = template(merchant, way="payment", given_from_fen=Fen(1500), per_customer=9)
        customer, stock = shopper(merchant), shelf(merchant)
        for count, payable in ((1, 1000), (2, 2000)):
            self.pay(place(customer, (stock, count), payable=payable))

        reward_paid()
        Purchase.objects.update(reward_at=now())
        reward_paid()

        assert owners(enough) == [customer.pk]
        assert Coupon.objects.get().events.get().reference == Purchase.objects.last().number  # type: ignore[union-attr]
        assert not Purchase.objects.filter(reward_at__isnull=False).exists()

    def test_what_was_paid_is_remembered_on_the_customer(self, merchant: Merchant) -> None:
        customer, stock = shopper(merchant), shelf(merchant)
        for count in (1, 2):
            self.pay(place(customer, (stock, count), payable=count * 1000))

        customer.refresh_from_db()
        assert (customer.paid_purchases, customer.spent_fen) == (2, 3000)
        assert customer.last_store_id == stock.store_id
        last = Purchase.objects.order_by("-pk").first()
        assert last is not None
        assert customer.last_paid_at == last.paid_at


class TestAtTheDesk:
    @pytest.fixture
    def ours(self, transactional_db: None) -> desk.Shop:
        return desk.open_shop("Ours")

    def add(self, client: Client, **said: Any) -> Any:
        page = desk.address(Grant, "add")
        return client.post(page, desk.filled(client.get(page)) | said)

    def file(self, text: str | bytes) -> SimpleUploadedFile:
        raw = text if isinstance(text, bytes) else text.encode()
        return SimpleUploadedFile("list.csv", raw, "text/csv")

    def test_a_segment_is_given_to_and_its_progress_shown(self, ours: desk.Shop) -> None:
        crowd(ours.merchant, 25, tags=["vip"])
        offer = template(ours.merchant)
        client = ours.owner
        said = {"name": "Thanks", "template": offer.pk, "audience": "segment"}

        assert self.add(client, **said, only_tags="vip，gold").status_code == 302
        run_grants()

        made = Grant.objects.get(name="Thanks")
        assert made.segment == {"tags": ["vip", "gold"]}
        assert made.by.startswith("staff Ours-owner")
        assert (made.state, made.given, made.expected) == ("done", 25, 25)
        page = client.get(desk.address(Grant, "change", made.pk)).content.decode()
        assert "25 / 25" in page
        assert "with one of these tags" in page

    def test_the_same_form_sent_twice_starts_one(self, ours: desk.Shop) -> None:
        offer = template(ours.merchant)
        client = ours.owner
        page = desk.address(Grant, "add")
        said = desk.filled(client.get(page)) | {
            "name": "x", "template": offer.pk, "audience": "segment",
        }  # fmt: skip

        assert [client.post(page, said).status_code for _n in range(2)] == [302, 200]
        assert Grant.objects.filter(name="x").count() == 1

    def test_a_list_is_given_to(self, ours: desk.Shop) -> None:
        (one,) = crowd(ours.merchant, 1, phone="13800000001")
        offer = template(ours.merchant)
        rows = "手机号,备注\r\n138 0000 0001,老客\r\n\r\n+86 13900000009\noABCDEFGHIJKLMNOPQRST\n"

        answer = self.add(
            ours.owner, name="x", template=offer.pk, audience="list",
            file=self.file(b"\xef\xbb\xbf" + rows.encode()),
        )  # fmt: skip
        run_grants()

        assert answer.status_code == 302
        made = Grant.objects.get(name="x")
        assert owners(offer) == [one.pk]
        assert grants.waiting(made) == 1
        told = ours.owner.get(desk.address(Grant, "change", made.pk)).content.decode()
        assert "13900000009" not in told

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({"audience": "list"}, "file"),
            ({"audience": "list", "file": "1380000\n"}, "file"),
            ({"audience": "list", "file": "phone\n13800000001\nnobody\n"}, "file"),
            ({"audience": "list", "file": "phone\n"}, "file"),
            ({"audience": "list", "file": b"\xff\xfe1\x00"}, "file"),
            ({"audience": "list", "file": b"138\x00"}, "file"),
            ({"audience": "segment", "file": "13800000001\n"}, "audience"),
            ({"audience": "list", "file": "13800000001\n", "only_has_phone": "true"}, "audience"),
            ({"audience": "everyone"}, "audience"),
            ({"audience": "segment", "only_spent_from_fen": "-1"}, "only_spent_from_fen"),
            ({"audience": "segment", "only_tags": "x" * 30}, "__all__"),
            ({"audience": "segment", "only_last_store": "999999"}, "only_last_store"),
            (
                {"audience": "segment", "waits_until_0": "2020-01-01", "waits_until_1": "00:00"},
                "waits_until",
            ),
        ],
    )
    def test_a_grant_that_is_not_understood_starts_nothing(
        self, ours: desk.Shop, said: dict[str, Any], field: str
    ) -> None:
        if "file" in said:
            said = said | {"file": self.file(said["file"])}

        answer = self.add(ours.owner, name="x", template=template(ours.merchant).pk, **said)

        assert answer.status_code == 200
        assert field in desk.errors(answer)
        assert not Grant.objects.filter(name="x").exists()
        assert not GrantTarget.objects.exists()

    def test_it_is_stopped_and_goes_on(self, ours: desk.Shop) -> None:
        made = grant(template(ours.merchant))
        client = ours.owner

        sent = {"_form_submitted": "True"}
        assert client.get(desk.address(Grant, "stop", made.pk)).status_code == 200
        made.refresh_from_db()
        assert made.state == "running"
        client.post(desk.address(Grant, "stop", made.pk), sent)
        made.refresh_from_db()
        assert made.state == "stopped"
        client.post(desk.address(Grant, "resume", made.pk), sent)
        made.refresh_from_db()
        assert made.state == "running"
