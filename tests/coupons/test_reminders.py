"""Messages about coupons: to who agreed, at most once, not at night, through the sandbox."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import secrets
import signal
from functools import partial
from typing import Any, Final

import pytest
from django.db import connection
from django.utils import timezone

from backend.wechat.platform import Platform
from coupons import automatic, grants, reminders, wallet
from coupons.models import Coupon, Grant, Way
from coupons.tasks import send_reminders
from shop import messages
from shop.models import Customer, Identity, Message, MessageCredit, MessageTemplate, MiniProgram
from tests.backend import desk
from tests.orders.makers import coupon, template
from tests.orders.test_races import at_once
from tests.sandbox import SandboxProcess
from tests.shop.conftest import Api, open_shop, register, signed_in

pytestmark = pytest.mark.django_db(transaction=True)

NOON: Final = dt.datetime(2026, 11, 21, 12, tzinfo=dt.timezone(dt.timedelta(hours=8)))
KEYWORDS: Final = {"thing1": "name", "thing2": "text", "time3": "until", "thing4": "=点击使用"}


@pytest.fixture
def program(transactional_db: None, wechat: SandboxProcess) -> MiniProgram:
    made = open_shop()[1]
    register(wechat, made)
    return made


@pytest.fixture(autouse=True)
def by_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever o'clock it is, it isn't night."""
    monkeypatch.setattr(messages, "QUIET_FROM", 24)
    monkeypatch.setattr(messages, "QUIET_UNTIL", 0)


def person(program: MiniProgram, wechat: SandboxProcess) -> Customer:
    openid = f"o{secrets.token_hex(13)}"
    wechat.login_code(program.appid, openid)
    customer = Customer.objects.create(merchant=program.merchant)
    Identity.objects.create(
        merchant=program.merchant, customer=customer, appid=program.appid, openid=openid,
        signed_in_at=timezone.now(),
    )  # fmt: skip
    return customer


@pytest.fixture
def customer(program: MiniProgram, wechat: SandboxProcess) -> Customer:
    return person(program, wechat)


@pytest.fixture
def api(customer: Customer) -> Api:
    return signed_in(customer)


def written(program: MiniProgram, event: str, **more: Any) -> MessageTemplate:
    return MessageTemplate.objects.create(
        **{
            "merchant": program.merchant, "program": program, "event": event,
            "template_id": f"TPL-{event}", "keywords": KEYWORDS, "page": "pages/coupon/index",
            **more,
        }
    )  # fmt: skip


@pytest.fixture
def expires(program: MiniProgram) -> MessageTemplate:
    return written(program, "coupon_expires")


@pytest.fixture
def given(program: MiniProgram) -> MessageTemplate:
    return written(program, "coupon_given")


def openid(customer: Customer) -> str:
    return customer.identities.get().openid


def consent(wechat: SandboxProcess, customer: Customer, *templates: MessageTemplate) -> None:
    """The shopper accepts the prompt, so WeChat knows it."""
    for one in templates:
        wechat.consent(one.program.appid, openid(customer), one.template_id)


def agreed(api: Api, one: Coupon, *templates: MessageTemplate) -> Any:
    said = {"accepted": [each.template_id for each in templates]}
    return api("POST", f"coupons/{one.pk}/remind", said)


def come() -> None:
    """Everything that is planned is due."""
    Message.objects.update(act_at=timezone.now())
    send_reminders()


def told(wechat: SandboxProcess, customer: Customer) -> list[dict[str, Any]]:
    return wechat.messages(openid(customer))


class TestAskedFor:
    def test_a_coupon_is_announced_and_a_day_before_its_end_recalled(
        self, api: Api, customer: Customer, wechat: SandboxProcess, given: MessageTemplate,
        expires: MessageTemplate,
    ) -> None:  # fmt: skip
        one = coupon(customer)
        consent(wechat, customer, given, expires)

        listed = api("GET", "message-templates").body["results"]
        answer = agreed(api, one, given, expires)

        assert {row["template_id"] for row in listed} == {given.template_id, expires.template_id}
        assert (answer.status, answer.body) == (200, {"planned": 2})
        planned = Message.objects.get(template=expires)
        assert planned.act_at == one.valid_until - dt.timedelta(hours=24)
        send_reminders()
        assert [row["template_id"] for row in told(wechat, customer)] == [given.template_id]
        come()
        first, second = told(wechat, customer)
        assert second["page"] == "pages/coupon/index"
        until = timezone.localtime(one.valid_until)
        assert second["data"] == {
            "thing1": {"value": "满 10 减 3"}, "thing2": {"value": "满 ¥10.00 减 ¥3.00"},
            "time3": {"value": f"{until.year}年{until.month}月{until.day}日 {until:%H:%M}"},
            "thing4": {"value": "点击使用"},
        }  # fmt: skip
        assert first["data"] == second["data"]
        assert set(Message.objects.values_list("state", flat=True)) == {"sent"}

    def test_agreed_twice_for_one_coupon_it_comes_once(
        self, api: Api, customer: Customer, wechat: SandboxProcess, expires: MessageTemplate
    ) -> None:
        one = coupon(customer)
        consent(wechat, customer, expires, expires)

        answers = [agreed(api, one, expires).body["planned"] for _n in range(3)]
        come()
        come()

        assert answers == [1, 0, 0]
        assert len(told(wechat, customer)) == 1
        assert MessageCredit.objects.get().left == 2

    @pytest.mark.parametrize("path", ["me/subscriptions", "coupons/{coupon}/remind"])
    def test_the_same_request_again_counts_once(
        self, path: str, api: Api, customer: Customer, expires: MessageTemplate
    ) -> None:
        address = path.format(coupon=coupon(customer).pk)
        body = {"accepted": [expires.template_id]}

        for key in ("tap-1", "tap-1", "tap-2", "tap-2"):
            answer = api("POST", address, body, Idempotency_Key=key)
            assert answer.status in {200, 204}, answer.body

        spent = Message.objects.count()
        assert MessageCredit.objects.get().left + spent == 2

    def test_agreed_at_once_it_is_planned_once(
        self, customer: Customer, expires: MessageTemplate
    ) -> None:
        one = coupon(customer)

        at_once([lambda: reminders.remind(customer, one.pk, [expires.template_id])] * 8, hands=8)

        assert Message.objects.count() == 1
        assert MessageCredit.objects.get().left == 7

    def test_who_did_not_agree_hears_nothing(
        self, api: Api, customer: Customer, expires: MessageTemplate
    ) -> None:
        one = coupon(customer)

        assert agreed(api, one).body["planned"] == 0
        for unknown in ("TPL-OTHER", "", "\u0000", "x" * 64):
            answer = api("POST", f"coupons/{one.pk}/remind", {"accepted": [unknown]})
            assert answer.status in {200, 400}
        assert not Message.objects.exists()

    def test_a_strangers_coupon_is_not_there(
        self, program: MiniProgram, wechat: SandboxProcess, customer: Customer,
        expires: MessageTemplate,
    ) -> None:  # fmt: skip
        other = signed_in(person(program, wechat))

        assert agreed(other, coupon(customer), expires).status == 404
        assert not MessageCredit.objects.exists()

    def test_too_late_for_the_end_nothing_is_planned(
        self, api: Api, customer: Customer, expires: MessageTemplate
    ) -> None:
        one = coupon(customer)
        Coupon.objects.update(valid_until=timezone.now())

        assert agreed(api, one, expires).body["planned"] == 0


class TestGiven:
    """Who agreed is told of coupons they were given while they were away."""

    def test_by_a_grant(
        self, api: Api, customer: Customer, program: MiniProgram, wechat: SandboxProcess,
        given: MessageTemplate,
    ) -> None:  # fmt: skip
        silent = person(program, wechat)
        consent(wechat, customer, given)
        assert api("POST", "me/subscriptions", {"accepted": [given.template_id]}).status == 204
        offer = template(program.merchant)
        grant = Grant.objects.create(
            merchant=program.merchant, template=offer, name="x", audience="segment", key="1"
        )

        while grants.step(grant.pk):
            pass
        come()

        assert Coupon.objects.count() == 2
        assert len(told(wechat, customer)) == 1
        assert told(wechat, silent) == []
        assert MessageCredit.objects.get().left == 0

    def test_by_itself(
        self, api: Api, customer: Customer, wechat: SandboxProcess, given: MessageTemplate
    ) -> None:
        consent(wechat, customer, given)
        api("POST", "me/subscriptions", {"accepted": [given.template_id]})
        template(customer.merchant, way="payment")

        for _n in range(2):
            automatic.give(
                Way.PAYMENT, customer.merchant_id, customer.pk, occasion="P1", spent=None
            )
        come()

        assert len(told(wechat, customer)) == 1

    def test_two_grants_at_once_spend_one_credit_each(
        self, customer: Customer, program: MiniProgram, given: MessageTemplate
    ) -> None:
        messages.agree(customer, [given.template_id])
        made = [
            Grant.objects.create(
                merchant=program.merchant, template=template(program.merchant), name="x",
                audience="segment", key=str(number),
            )
            for number in range(4)
        ]  # fmt: skip

        at_once([partial(grants.step, one.pk) for one in made], hands=4)

        assert Coupon.objects.count() == 4
        assert Message.objects.count() == 1


class TestSending:
    @pytest.fixture
    def message(
        self, api: Api, customer: Customer, wechat: SandboxProcess, expires: MessageTemplate
    ) -> Message:
        consent(wechat, customer, expires)
        agreed(api, coupon(customer), expires)
        return Message.objects.get()

    def state(self, message: Message) -> tuple[str, str]:
        message.refresh_from_db()
        return message.state, message.error.partition(":")[0]

    @pytest.mark.parametrize("what", ["used", "voided", "expired", "template off"])
    def test_what_is_not_needed_any_more_is_not_sent(
        self, what: str, message: Message, wechat: SandboxProcess, customer: Customer
    ) -> None:
        now, one = timezone.now(), Coupon.objects.get()
        if what == "used":
            wallet.redeem(
                merchant=one.merchant_id, customer=one.customer_id, coupon=one.pk,
                saved=one.terms["off_fen"], reference="R", by="x", at=now,
            )  # fmt: skip
        elif what == "voided":
            wallet.void(one.merchant_id, [one.pk], by="x", reason="x", at=now)
        elif what == "expired":
            Coupon.objects.update(valid_until=now)
        else:
            MessageTemplate.objects.update(is_active=False)

        come()

        assert self.state(message)[0] == "not_needed"
        assert told(wechat, customer) == []

    @pytest.mark.parametrize(
        "fault", ["timeout_after_accepting", "drop_before", "html_200", "busy"]
    )
    def test_nobody_knows_and_it_is_never_sent_again(
        self, fault: str, message: Message, wechat: SandboxProcess, customer: Customer
    ) -> None:
        wechat.faults("subscribe_send", fault)

        for _n in range(3):
            come()

        assert self.state(message)[0] == "sending"
        sent = 1 if fault == "timeout_after_accepting" else 0
        assert len(told(wechat, customer)) == sent

    @pytest.mark.parametrize("number", [43108, 45009])
    def test_what_wechat_puts_off_is_sent_later_and_not_for_ever(
        self, number: int, message: Message, wechat: SandboxProcess, customer: Customer
    ) -> None:
        wechat.faults("subscribe_send", "errcode", times=2, errcode=number)
        for _n in range(2):
            come()
        assert self.state(message) == ("due", str(number))
        assert message.act_at > timezone.now()

        come()
        assert self.state(message)[0] == "sent"
        assert len(told(wechat, customer)) == 1

    def test_put_off_too_often_it_is_given_up_where_staff_see_it(
        self, message: Message, wechat: SandboxProcess
    ) -> None:
        wechat.faults("subscribe_send", "errcode", times=20, errcode=43108)
        for _n in range(8):
            come()

        assert self.state(message) == ("refused", "43108")

    def test_without_a_token_it_was_not_sent_and_comes_later(
        self, message: Message, wechat: SandboxProcess, customer: Customer
    ) -> None:
        wechat.faults("stable_token", "http_502")
        come()
        assert self.state(message) == ("due", "not_sent")

        come()
        assert len(told(wechat, customer)) == 1

    def test_who_took_their_word_back_is_asked_no_more(
        self, message: Message, wechat: SandboxProcess, expires: MessageTemplate
    ) -> None:
        MessageCredit.objects.update(left=3)
        wechat.faults("subscribe_send", "errcode", errcode=43101)
        come()

        assert self.state(message) == ("refused", "43101")
        assert MessageCredit.objects.get().left == 0

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_worker_killed_while_sending_never_sends_it_again(
        self, when: str, message: Message, wechat: SandboxProcess, customer: Customer
    ) -> None:
        Message.objects.update(act_at=timezone.now())
        connection.close()
        worker = multiprocessing.get_context("fork").Process(target=_die, args=[when])
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL

        for _n in range(2):
            come()

        assert self.state(message)[0] == "sending"
        assert len(told(wechat, customer)) == (1 if when == "after" else 0)

    def test_many_workers_send_it_once(
        self, message: Message, wechat: SandboxProcess, customer: Customer
    ) -> None:
        Message.objects.update(act_at=timezone.now())

        at_once([send_reminders] * 6, hands=6)

        assert len(told(wechat, customer)) == 1


def _die(when: str) -> None:
    sent = Platform.send_message

    def dying(*args: Any, **more: Any) -> None:
        if when == "after":
            sent(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    Platform.send_message = dying  # type: ignore[method-assign]
    send_reminders()


class TestQuietHours:
    @pytest.fixture(autouse=True)
    def by_night(self, by_day: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(messages, "QUIET_FROM", 22)
        monkeypatch.setattr(messages, "QUIET_UNTIL", 8)

    @pytest.mark.parametrize(
        ("hour", "minute", "hours_later"),
        [
            (8, 0, 0),
            (12, 0, 0),
            (21, 59, 0),
            (22, 0, 10),
            (23, 30, 8.5),
            (0, 0, 8),
            (7, 59, 1 / 60),
        ],
    )
    def test_the_night_ends_at_eight(self, hour: int, minute: int, hours_later: float) -> None:
        at = NOON.replace(hour=hour, minute=minute)

        assert messages.waking(at) == at + dt.timedelta(hours=hours_later)

    def test_nothing_is_sent_at_night(self, customer: Customer, expires: MessageTemplate) -> None:
        one = coupon(customer)
        reminders.remind(customer, one.pk, [expires.template_id])
        Message.objects.update(act_at=NOON - dt.timedelta(days=1))

        night = NOON.replace(hour=23)
        assert messages.due(reminders.EVENTS, night, 10) == []
        assert len(messages.due(reminders.EVENTS, NOON, 10)) == 1

    def test_what_falls_into_the_night_is_planned_for_the_morning(
        self, customer: Customer, expires: MessageTemplate
    ) -> None:
        one = coupon(customer)
        ends = (timezone.localtime() + dt.timedelta(days=5)).replace(hour=23, minute=0)
        Coupon.objects.update(valid_until=ends)

        reminders.remind(customer, one.pk, [expires.template_id])

        planned = timezone.localtime(Message.objects.get().act_at)
        assert (planned.hour, planned.date()) == (8, ends.date())


class TestWords:
    def test_values_are_cut_to_what_wechat_takes(self) -> None:
        keywords = {"thing1": "name", "phrase2": "name", "time3": "until", "thing4": "text"}
        words = {"name": "很" * 30, "until": "2026年11月21日 12:00", "text": "两\n行\x07"}

        said = messages.data(keywords, words)

        assert said["thing1"]["value"] == "很" * 19 + "…"
        assert said["phrase2"]["value"] == "很" * 4 + "…"
        assert said["time3"]["value"] == "2026年11月21日 12:00"
        assert said["thing4"]["value"].isprintable()

    @pytest.mark.parametrize(
        "keywords",
        [
            [], {}, "x", {"thing1": "price"}, {"thing": "name"}, {"other1": "name"},
            {"thing1": "="}, {"thing1": 5}, {"thing1": "=" + "x" * 40},
            {f"thing{n}": "name" for n in range(9)},
        ],
    )  # fmt: skip
    def test_keywords_that_are_not_ours_are_refused(self, keywords: Any) -> None:
        assert not messages.check(keywords)
        assert messages.check(KEYWORDS)

    def test_the_desk_keeps_a_template_and_refuses_another(self, transactional_db: None) -> None:
        ours = desk.open_shop("Ours")
        client, page = ours.owner, desk.address(MessageTemplate, "add")
        Message.objects.all().delete()
        MessageTemplate.objects.all().delete()
        said = desk.filled(client.get(page)) | {
            "program": ours.one(MiniProgram).pk, "event": "coupon_given", "template_id": "TPL",
        }  # fmt: skip

        wrong = client.post(page, said | {"keywords": '{"thing1": "price"}'})
        assert "keywords" in desk.errors(wrong)
        assert client.post(page, said | {"keywords": '{"thing1": "name"}'}).status_code == 302
        twice = client.post(page, said | {"keywords": '{"thing1": "name"}'})
        assert twice.status_code == 200
        assert MessageTemplate.objects.count() == 1
