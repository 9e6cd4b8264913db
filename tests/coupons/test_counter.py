"""At the counter: a code for a minute, its worth shown first, one redemption a request."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from backend.money import Fen
from coupons import counter, wallet
from coupons.models import Coupon, CouponEvent, CouponUse, Redemption
from shop import staff as people
from shop.models import Customer, Merchant, Staff, Store
from tests.backend import desk
from tests.orders.makers import coupon, place, shelf, shopper
from tests.orders.test_races import at_once
from tests.shop import goods
from tests.shop.conftest import Api, open_shop, signed_in
from tests.shop.test_staff import hire

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture
def store(merchant: Merchant) -> Store:
    return goods.default_store(merchant)


@pytest.fixture
def customer(merchant: Merchant) -> Customer:
    return shopper(merchant)


def employ(merchant: Merchant, role: str = "cashier", *stores: Store) -> Api:
    """A member of staff with their mini program open."""
    who, me = hire(merchant, role), shopper(merchant)
    who.stores.set(stores)
    people.link(me, people.invite(who))
    return signed_in(me)


@pytest.fixture
def cashier(merchant: Merchant, store: Store) -> Api:
    return employ(merchant, "cashier", store)


def shown(one: Coupon) -> str:
    """What the shopper's phone shows."""
    answer = signed_in(one.customer)("GET", f"coupons/{one.pk}/counter-code")
    assert answer.status == 200, answer.body
    return str(answer.body["code"])


def redeem(api: Api, one: Coupon | str, store: Store, request: str = "", **more: Any) -> Any:
    code = one if isinstance(one, str) else shown(one)
    said = {"code": code, "store": store.pk, "bill_fen": 5000, **more}
    said["request_id"] = request or f"request-{Redemption.objects.count()}"
    return api("POST", "staff/redemptions", said)


def status(one: Coupon) -> str:
    one.refresh_from_db()
    return one.status


class TestTheCode:
    def test_it_is_shown_as_digits_and_as_a_picture_until_the_minute_ends(
        self, customer: Customer
    ) -> None:
        one = coupon(customer)
        answer = signed_in(customer)("GET", f"coupons/{one.pk}/counter-code")

        assert answer.body["code"].isdecimal()
        assert answer.body["qr_svg"].startswith("<svg ")
        assert answer.headers["Cache-Control"] == "no-store"
        ends = dt.datetime.fromisoformat(answer.body["expires_at"])
        assert -5 < (ends - timezone.now()).total_seconds() <= 60
        assert ends.second == 0

    def test_it_changes_every_minute_and_the_last_one_is_taken_for_a_moment(
        self, customer: Customer
    ) -> None:
        one, merchant = coupon(customer), customer.merchant_id
        start = (timezone.now() + dt.timedelta(minutes=1)).replace(second=0, microsecond=0)
        code, ends = counter.code_of(one, start)

        assert ends == start + dt.timedelta(seconds=60)
        for seconds in (0, 59, 60, 74):
            at = start + dt.timedelta(seconds=seconds)
            assert counter.coupon_of(merchant, code, at) == one
        for seconds in (-1, 75, 120, 3600):
            at = start + dt.timedelta(seconds=seconds)
            with pytest.raises(counter.CounterCodeUnknown):
                counter.coupon_of(merchant, code, at)
        assert counter.code_of(one, ends)[0] != code

    @pytest.mark.parametrize(
        "change",
        [
            lambda code: code[:-1] + str((int(code[-1]) + 1) % 10),
            lambda code: code[1:],
            lambda code: "0" + code,
            lambda code: code + "0",
            lambda _code: "",
            lambda _code: "1" * 40,
            lambda _code: "码" * 12,
            lambda code: code.translate({ord(str(n)): chr(0x660 + n) for n in range(10)}),
        ],
    )
    def test_digits_that_were_never_shown_are_unknown(
        self, change: Any, customer: Customer
    ) -> None:
        code, _ends = counter.code_of(coupon(customer), timezone.now())

        with pytest.raises(counter.CounterCodeUnknown):
            counter.coupon_of(customer.merchant_id, change(code), timezone.now())

    def test_another_shop_does_not_know_it(self, customer: Customer) -> None:
        code, _ends = counter.code_of(coupon(customer), timezone.now())

        with pytest.raises(counter.CounterCodeUnknown):
            counter.coupon_of(open_shop("乙")[0].pk, code, timezone.now())

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"kind": "free_freight", "terms": {}}, "not_at_counter"),
            ({"kind": "nth_rate", "terms": {"nth": 2, "pay_percent": 50}}, "not_at_counter"),
            (
                {"terms": {"threshold_fen": 1, "off_fen": 1, "delivery": ["express"]}},
                "not_at_counter",
            ),
            ({"valid_delay_days": 1}, "coupon_unavailable"),
        ],
    )
    def test_what_a_counter_can_not_take_shows_no_code(
        self, more: dict[str, Any], said: str, customer: Customer
    ) -> None:
        one = coupon(customer, **more)

        answer = signed_in(customer)("GET", f"coupons/{one.pk}/counter-code")

        assert (answer.status, answer.body["code"]) == (409, said)


class TestWhatItIsWorth:
    def look(self, api: Api, one: Coupon, store: Store, bill: int | None) -> Any:
        return api(
            "POST",
            "staff/redemptions/look",
            {"code": shown(one), "store": store.pk, "bill_fen": bill},
        )

    @pytest.mark.parametrize(
        ("kind", "terms", "bill", "worth"),
        [
            ("spend_and_save", {"threshold_fen": 1000, "off_fen": 300}, 1000, 300),
            ("amount_off", {"off_fen": 300}, 200, 200),
            ("percent_off", {"pay_percent": 80}, 1001, 200),
            ("percent_off", {"pay_percent": 80, "cap_fen": 150}, 1001, 150),
            ("amount_off", {"off_fen": 300, "delivery": ["counter"]}, 1000, 300),
            ("amount_off", {"off_fen": 300, "customers": "new"}, 1000, 300),
            ("amount_off", {"off_fen": 300, "products": [1]}, 1000, 300),
        ],
    )
    def test_it_is_said_before_anything_happens(
        self,
        kind: str,
        terms: dict[str, Any],
        bill: int,
        worth: int,
        customer: Customer,
        cashier: Api,
        store: Store,
    ) -> None:
        one = coupon(customer, kind=kind, terms=terms)

        answer = self.look(cashier, one, store, bill)

        assert answer.status == 200
        assert (answer.body["saved_fen"], answer.body["needs_bill"]) == (worth, True)
        assert status(one) == "claimed"

    def test_the_bill_is_asked_for(self, customer: Customer, cashier: Api, store: Store) -> None:
        one = coupon(customer)

        seen = self.look(cashier, one, store, None)
        done = redeem(cashier, one, store, bill_fen=None)

        assert (seen.body["needs_bill"], seen.body["saved_fen"]) == (True, None)
        assert (done.status, done.body["code"]) == (422, "bill_needed")

    def test_an_exchange_is_worth_its_sku_in_this_store(
        self, merchant: Merchant, customer: Customer, cashier: Api, store: Store
    ) -> None:
        stock = shelf(merchant, price=2000, store=store)
        one = coupon(customer, kind="exchange", terms={"sku": stock.sku_id, "price_fen": 500})

        assert self.look(cashier, one, store, None).body["saved_fen"] == 1500
        stock.price_fen = Fen(1800)
        stock.save()
        seen = self.look(cashier, one, store, None)
        assert (seen.body["saved_fen"], seen.body["needs_bill"]) == (1300, False)
        # A bill that nobody asked for doesn't bound it.
        assert redeem(cashier, one, store, bill_fen=1).body["saved_fen"] == 1300
        assert Redemption.objects.get().bill_fen is None

    @pytest.mark.parametrize(
        ("terms", "bill", "reason"),
        [
            ({"threshold_fen": 1000, "off_fen": 300}, 999, "below_threshold"),
            ({"threshold_fen": 1, "off_fen": 1, "customers": "returning"}, 5000, "for_returning"),
            ({"threshold_fen": 1, "off_fen": 1, "stores": [10**9]}, 5000, "not_applicable"),
            ({"threshold_fen": 1, "off_fen": 1, "weekdays": "not today"}, 5000, "not_now"),
        ],
    )
    def test_what_takes_nothing_off_says_why(
        self,
        terms: dict[str, Any],
        bill: int,
        reason: str,
        customer: Customer,
        cashier: Api,
        store: Store,
    ) -> None:
        if "weekdays" in terms:
            terms = terms | {"weekdays": [(timezone.localtime().weekday() + 3) % 7]}
        one = coupon(customer, terms=terms)

        answer = self.look(cashier, one, store, bill)

        assert (answer.status, answer.body["code"]) == (409, "worth_nothing")
        assert answer.body["detail"]["reason"].startswith(reason)
        assert redeem(cashier, one, store, bill_fen=bill).body["code"] == "worth_nothing"
        assert status(one) == "claimed"

    @pytest.mark.parametrize("what", ["used", "over"])
    def test_what_no_counter_takes_now_is_said_before_the_bill(
        self, what: str, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        code = shown(one)
        if what == "used":
            redeem(cashier, code, store)
        else:
            Coupon.objects.update(valid_until=timezone.now())

        answer = cashier(
            "POST", "staff/redemptions/look", {"code": code, "store": store.pk, "bill_fen": None}
        )

        assert (answer.status, answer.body["code"]) == (409, "coupon_unavailable")


class TestRedeeming:
    def test_it_is_used_with_its_history_and_what_it_saved(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)

        answer = redeem(cashier, one, store)

        assert answer.status == 201
        assert (answer.body["saved_fen"], answer.body["bill_fen"]) == (300, 5000)
        made = Redemption.objects.get(number=answer.body["number"])
        use = CouponUse.objects.get(coupon=one)
        assert (use.reference, use.saved_fen, use.state) == (made.number, 300, "used")
        event = CouponEvent.objects.get(coupon=one, event="redeemed")
        assert event.by.startswith("staff ")
        assert status(one) == "used"
        assert signed_in(customer)("GET", "coupons?status=used").body["results"]

    def test_the_same_request_gives_the_same_answer_for_ever(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        code = shown(one)

        first = redeem(cashier, code, store, "request-1")
        again = redeem(cashier, code, store, "request-1")
        cashier("POST", f"staff/redemptions/{first.body['number']}/undo")
        CouponEvent.objects.update(at=timezone.now() - dt.timedelta(days=400))
        for_ever = redeem(cashier, code, store, "request-1")

        assert (first.status, again.status, for_ever.status) == (201, 200, 200)
        assert first.body == again.body == for_ever.body
        assert Redemption.objects.count() == 1
        assert status(one) == "claimed"

    def test_a_code_typed_with_spaces_is_the_same_request(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        code = shown(coupon(customer))

        first = redeem(cashier, code, store, "request-1")
        again = redeem(cashier, f" {code[:4]} {code[4:]}", store, "request-1")

        assert (first.status, again.status) == (201, 200)

    def test_whoever_redeems_may_have_a_long_name(
        self, merchant: Merchant, customer: Customer, store: Store
    ) -> None:
        code, _ends = counter.code_of(coupon(customer), timezone.now())
        by = "staff " + "长" * 74

        made, new = counter.redeem(
            counter.Asked(merchant.pk, store, code, Fen(5000), "r" * 64, by=by)
        )

        assert (made.by, new) == (by, True)

    def test_a_request_id_for_something_else_is_refused(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        redeem(cashier, coupon(customer), store, "request-1")

        answer = redeem(cashier, coupon(customer), store, "request-1")

        assert (answer.status, answer.body["code"]) == (409, "idempotency_key_reused")

    def test_two_cashiers_count_requests_alike(
        self, merchant: Merchant, customer: Customer, cashier: Api, store: Store
    ) -> None:
        other = employ(merchant, "cashier", store)

        answers = [
            redeem(api, coupon(customer), store, "request-1").status for api in (cashier, other)
        ]

        assert answers == [201, 201]

    def test_twice_at_the_same_moment_is_once(
        self, merchant: Merchant, customer: Customer, store: Store
    ) -> None:
        one, who = coupon(customer), hire(merchant)
        code, _ends = counter.code_of(one, timezone.now())
        asked = counter.Asked(
            merchant.pk, store, code, Fen(5000), "request-1", by="staff x", staff=who
        )

        ended = at_once([partial(counter.redeem, asked)] * 8, hands=8)

        assert ended == {"done": 8}
        assert Redemption.objects.count() == CouponUse.objects.count() == 1

    def test_eight_tills_and_an_order_at_once_use_it_once(
        self, merchant: Merchant, customer: Customer, store: Store
    ) -> None:
        stock, who = shelf(merchant, store=store), hire(merchant)
        one = coupon(customer)
        code, _ends = counter.code_of(one, timezone.now())
        calls: list[Any] = [
            partial(
                counter.redeem,
                counter.Asked(merchant.pk, store, code, Fen(5000), f"r{n}", by="x", staff=who),
            )
            for n in range(8)
        ]
        calls.append(partial(place, customer, (stock, 1), payable=700, coupons=[one.pk]))

        ended = at_once(calls, hands=9)

        assert ended["done"] == 1
        assert CouponUse.objects.filter(state__in=["held", "used"]).count() == 1
        assert Redemption.objects.count() == CouponUse.objects.filter(state="used").count()

    def test_a_used_coupon_is_used_and_an_expired_one_over(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        code = shown(one)
        redeem(cashier, code, store, "request-1")
        late = coupon(customer)
        late_code = shown(late)
        Coupon.objects.filter(pk=late.pk).update(valid_until=timezone.now())

        for each in (code, late_code):
            answer = redeem(cashier, each, store, f"other-{each[:6]}")
            assert (answer.status, answer.body["code"]) == (409, "coupon_unavailable")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"bill_fen": 0}, {"bill_fen": -5}, {"bill_fen": 10**12}, {"bill_fen": 1.5},
            {"bill_fen": "x"}, {"request_id": "short"}, {"request_id": "x" * 65},
            {"request_id": "new\nline-in-it"}, {"store": 0}, {"code": ""}, {"code": "9" * 41},
        ],
    )  # fmt: skip
    def test_what_is_not_understood_leaves_no_trace(
        self, wrong: dict[str, Any], customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        said = {
            "code": shown(one), "store": store.pk, "bill_fen": 5000, "request_id": "request-1",
            **wrong,
        }  # fmt: skip

        answer = cashier("POST", "staff/redemptions", said)

        assert (answer.status, answer.body["code"]) == (400, "invalid")
        assert set(answer.body["fields"]) == set(wrong)
        assert status(one) == "claimed"

    def test_the_database_itself_refuses_to_take_off_more_than_the_bill(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        redeem(cashier, coupon(customer), store)
        made = Redemption.objects.get()

        made.saved_fen = Fen(5001)
        with pytest.raises(ValidationError):
            made.validate_constraints()


class TestWhoAndWhere:
    @pytest.mark.parametrize("role", list(Staff.Role))
    def test_by_role(
        self, role: Staff.Role, merchant: Merchant, customer: Customer, store: Store
    ) -> None:
        one, api = coupon(customer), employ(merchant, role)

        answer = redeem(api, one, store)

        may = role in {"owner", "manager", "cashier"}
        assert answer.status == (201 if may else 403)
        assert status(one) == ("used" if may else "claimed")
        assert api("GET", "staff/redemptions").status == (200 if may else 403)

    def test_a_shopper_is_nobody_here(self, customer: Customer, store: Store) -> None:
        api = signed_in(customer)

        for path in ("", "/look", "/123456/undo"):
            answer = api(
                "POST",
                f"staff/redemptions{path}",
                {"code": "1", "store": store.pk, "request_id": "r" * 8},
            )
            assert (answer.status, answer.body["code"]) == (403, "not_staff")

    def test_by_store(
        self, merchant: Merchant, customer: Customer, cashier: Api, store: Store
    ) -> None:
        elsewhere = Store.objects.create(merchant=merchant, name="静安店", code="B")
        done = redeem(cashier, coupon(customer), store).body
        other = employ(merchant, "cashier", elsewhere)

        assert redeem(cashier, coupon(customer), elsewhere, "request-2").status == 404
        assert other("POST", f"staff/redemptions/{done['number']}/undo").status == 404
        assert other("GET", "staff/redemptions").body["results"] == []
        (seen,) = cashier("GET", "staff/redemptions").body["results"]
        assert seen["number"] == done["number"]

    def test_a_stranger_merchants_staff_find_nothing(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        done = redeem(cashier, coupon(customer), store).body
        theirs = open_shop("乙")[0]
        there = goods.default_store(theirs)
        stranger = employ(theirs, "owner")

        assert redeem(stranger, coupon(customer), there, "request-2").status == 404
        assert stranger("POST", f"staff/redemptions/{done['number']}/undo").status == 404


class TestUndoing:
    def test_it_is_unused_again_and_can_be_redeemed_anew(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        number = redeem(cashier, one, store, "request-1").body["number"]

        first = cashier("POST", f"staff/redemptions/{number}/undo")
        again = cashier("POST", f"staff/redemptions/{number}/undo")

        assert first.status == again.status == 200
        assert first.body == again.body
        assert first.body["undone_at"]
        assert status(one) == "claimed"
        assert CouponUse.objects.get().state == "returned"
        assert redeem(cashier, one, store, "request-2").status == 201
        # What was undone stays undone, and doesn't touch the second.
        cashier("POST", f"staff/redemptions/{number}/undo")
        assert status(one) == "used"

    def test_after_a_day_it_is_too_late(
        self, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        number = redeem(cashier, one, store).body["number"]
        Redemption.objects.update(at=timezone.now() - dt.timedelta(hours=24, seconds=1))

        answer = cashier("POST", f"staff/redemptions/{number}/undo")

        assert (answer.status, answer.body["code"]) == (409, "undo_too_late")
        assert status(one) == "used"

    def test_undone_at_once_is_undone_once(
        self, merchant: Merchant, customer: Customer, cashier: Api, store: Store
    ) -> None:
        one = coupon(customer)
        number = redeem(cashier, one, store).body["number"]
        undo = partial(counter.undo, merchant.pk, number, stores=[store.pk], by="x")

        assert at_once([undo] * 6, hands=6) == {"done": 6}
        assert CouponEvent.objects.filter(event="undone").count() == 1


class TestAtTheDesk:
    def test_its_worth_is_shown_before_it_is_redeemed_and_undone(
        self, transactional_db: None
    ) -> None:
        ours = desk.open_shop("Ours")
        one = coupon(shopper(ours.merchant))
        client = ours.staff(Staff.Role.CASHIER)
        page = desk.address(Redemption, "redeem")
        code, _ends = counter.code_of(one, timezone.now())
        asked = client.get(page).context["form"]
        said = {
            "_form_submitted": "True", "key": asked["key"].value(), "code": code,
            "store": ours.one(Store).pk, "bill_fen": "5000", "agreed": "",
        }  # fmt: skip

        shown = client.post(page, said)
        assert "takes off ¥3.00" in shown.content.decode()
        assert status(one) == "claimed"
        agreed = shown.context["form"]["agreed"].value()
        for _n in range(2):
            assert client.post(page, said | {"agreed": agreed}).status_code in {200, 302}
        made = Redemption.objects.get(coupon=one)
        assert (status(one), made.saved_fen) == ("used", 300)
        assert made.by.startswith("staff Ours-cashier")

        undo = desk.address(Redemption, "undo", made.pk)
        client.get(undo)
        assert status(one) == "used"
        client.post(undo, {"_form_submitted": "True"})
        assert status(one) == "claimed"

    @pytest.mark.parametrize(
        ("wrong", "text"),
        [({"code": "123"}, "unknown or too old"), ({"bill_fen": "1"}, "takes nothing off")],
    )
    def test_what_is_wrong_is_said(
        self, wrong: dict[str, str], text: str, transactional_db: None
    ) -> None:
        ours = desk.open_shop("Ours")
        one = coupon(shopper(ours.merchant))
        client, page = ours.owner, desk.address(Redemption, "redeem")
        code, _ends = counter.code_of(one, timezone.now())
        said = {
            "_form_submitted": "True", "key": "1" * 24, "code": code,
            "store": ours.one(Store).pk, "bill_fen": "5000", "agreed": "", **wrong,
        }  # fmt: skip

        assert text in client.post(page, said).content.decode()
        assert status(one) == "claimed"

    def test_a_store_of_somebody_elses_can_not_be_chosen(self, transactional_db: None) -> None:
        ours, theirs = desk.open_shop("Ours"), desk.open_shop("Theirs")
        form = theirs.owner.get(desk.address(Redemption, "redeem")).context["form"]

        assert list(form.fields["store"].queryset) == [theirs.one(Store)]
        assert ours.one(Store) not in form.fields["store"].queryset


def test_a_void_coupon_shows_no_code(customer: Customer) -> None:
    one = coupon(customer)
    wallet.void_all(customer.merchant_id, customer.pk, at=timezone.now())
    one.refresh_from_db()

    with pytest.raises(wallet.CouponUnavailable):
        counter.code_of(one, timezone.now())
