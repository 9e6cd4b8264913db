"""Vouchers in WeChat's card pack, over HTTP with the sandbox: both sides end up saying the same."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import secrets
import signal
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from backend.money import Fen
from backend.wechat.vouchers import Vouchers
from coupons import batches, claiming, comparison, passing, wallet
from coupons.models import (
    Card,
    CardAsk,
    CardDifference,
    CardReport,
    Coupon,
    CouponLot,
    CouponTemplate,
    WeChatBatch,
)
from coupons.tasks import (
    compare_cards,
    greet_customers,
    publish_batches,
    report_cards,
    take_in_cards,
)
from orders import lifecycle
from orders.models import CloseReason
from shop.merchants import pay_credentials
from shop.models import Customer, Identity, Merchant, MiniProgram, PayAccount
from tests.backend import desk
from tests.coupons.test_admin import NEW
from tests.orders.makers import place, shelf, shopper, template
from tests.orders.test_races import at_once
from tests.sandbox import SandboxProcess
from tests.shop.conftest import open_shop, signed_in
from tests.wechat.conftest import Letterbox

pytestmark = pytest.mark.django_db(transaction=True)

HOUR: Final = dt.timedelta(hours=1)


@pytest.fixture
def weixin(
    wechat: SandboxProcess,
    settings: Settings,
    live_server: LiveServer,
) -> SandboxProcess:
    """WeChat, which tells the shop of coupons over HTTP."""
    settings.WECHAT_PAY_BASE_URL = wechat.base_url
    settings.PUBLIC_BASE_URL = live_server.url
    return wechat


@pytest.fixture
def shop(transactional_db: None) -> tuple[Merchant, MiniProgram]:
    return open_shop()


@pytest.fixture
def merchant(shop: tuple[Merchant, MiniProgram]) -> Merchant:
    return shop[0]


@pytest.fixture
def account(shop: tuple[Merchant, MiniProgram], weixin: SandboxProcess) -> PayAccount:
    """A pay account with everything API v3 takes."""
    return pay_account(weixin, *shop)


def pay_account(weixin: SandboxProcess, merchant: Merchant, program: MiniProgram) -> PayAccount:
    known = weixin.register(
        appid=program.appid, secret=str(program.secret),
        mch_id=f"19{secrets.randbelow(10**8):08d}", api_key=secrets.token_hex(16),
    )  # fmt: skip
    v3 = weixin.v3(known["mch_id"])
    return PayAccount.objects.create(
        merchant=merchant, appid=program.appid, mch_id=known["mch_id"], api_key=known["api_key"],
        api_v3_key=v3["api_v3_key"], certificate_pem=v3["certificate_pem"],
        private_key_pem=v3["private_key_pem"], public_key_id=v3["public_key_id"],
        public_key_pem=v3["public_key_pem"],
    )  # fmt: skip


def person(program: MiniProgram, openid: str = "") -> Customer:
    customer = shopper(program.merchant)
    Identity.objects.create(
        merchant=program.merchant, customer=customer, appid=program.appid,
        openid=openid or f"o{secrets.token_hex(13)}", signed_in_at=timezone.now(),
    )  # fmt: skip
    return customer


@pytest.fixture
def customer(shop: tuple[Merchant, MiniProgram]) -> Customer:
    return person(shop[1])


def openid_of(customer: Customer) -> str:
    return customer.identities.get().openid


def publish(account: PayAccount, mode: str = "WECHATPAY_MODE", **more: Any) -> WeChatBatch:
    way = "claim" if mode == "MERCHANT_API" else "wechat"
    offer = template(account.merchant, **{"way": way, "total": 20, **more})
    batch = WeChatBatch.objects.create(
        merchant=account.merchant, template=offer, account=account, code_mode=mode,
        goods_name="全店可用", request_no=secrets.token_hex(12), act_at=timezone.now(),
    )  # fmt: skip
    publish_batches()
    batch.refresh_from_db()
    return batch


def ask(customer: Customer, path: str) -> Any:
    return signed_in(customer)("POST", f"{path}/card")


def put(weixin: SandboxProcess, customer: Customer, path: str) -> str:
    """The shopper asks, and confirms the plugin; the result's code."""
    answer = ask(customer, path)
    assert answer.status == 200, answer.body
    appid = customer.identities.get().appid
    (result,) = weixin.send_vouchers(answer.body, appid, openid_of(customer))
    return str(result["code"])


def wait_for(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def arrived(batch: WeChatBatch, count: int = 1) -> None:
    """The messages have come and what they say lies in wallets."""
    wait_for(lambda: Card.objects.filter(batch=batch).count() == count)
    take_in_cards()


def theirs(weixin: SandboxProcess, batch: WeChatBatch) -> list[str]:
    return [row["coupon_state"] for row in weixin.stock(batch.stock_id)["coupons"]]


def given(weixin: SandboxProcess, batch: WeChatBatch, customer: Customer) -> Coupon:
    """A coupon that WeChat gave a customer, in both wallets."""
    assert put(weixin, customer, f"coupon-templates/{batch.template_id}") == "SUCCESS"
    arrived(batch, batch.cards.count() + 1)
    return Coupon.objects.filter(customer=customer).latest("pk")


def carded(weixin: SandboxProcess, batch: WeChatBatch, customer: Customer) -> Coupon:
    """A coupon in both wallets, whoever makes the codes of its batch."""
    if batch.code_mode != WeChatBatch.Mode.OURS:
        return given(weixin, batch, customer)
    coupon = claiming.claim(
        merchant=customer.merchant_id, template=batch.template_id, customer=customer.pk
    )[0]
    assert put(weixin, customer, f"coupons/{coupon.pk}") == "SUCCESS"
    arrived(batch, batch.cards.count() + 1)
    return coupon


class TestPublishing:
    def test_a_template_is_a_batch_there(self, account: PayAccount, weixin: SandboxProcess) -> None:
        terms = {
            "threshold_fen": 1000,
            "off_fen": 300,
            "weekdays": [0, 6],
            "hours": [["09:00", "21:00"]],
        }
        batch = publish(account, terms=terms, per_customer=2)

        assert (batch.state, batch.error, batch.act_at) == ("published", "", None)
        facts = weixin.stock(batch.stock_id)["facts"]
        rule = facts["coupon_use_rule"]
        assert rule["fixed_normal_coupon"] == {"discount_amount": 300, "transaction_minimum": 1000}
        assert rule["coupon_available_time"]["available_day_after_receive"] == 7
        assert rule["coupon_available_time"]["available_week"] == {
            "week_day": [0, 1], "available_day_time": [{"begin_time": 32400, "end_time": 75599}],
        }  # fmt: skip
        assert facts["stock_send_rule"] == {"max_coupons_per_user": 2, "max_coupons": 20}
        assert "满 ¥10.00 减 ¥3.00" in facts["display_pattern_info"]["description"]

    @pytest.mark.parametrize("mode", ["WECHATPAY_MODE", "MERCHANT_API"])
    def test_a_template_with_dates_is_published_with_just_those(
        self, mode: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        """Its coupons may lie in the card pack before their first day; they say when it is."""
        begins = (timezone.now() + dt.timedelta(days=2)).replace(microsecond=0)
        ends = begins + dt.timedelta(days=3)
        batch = publish(account, mode, valid_days=None, valid_from=begins, valid_until=ends)

        assert (batch.state, batch.error) == ("published", "")
        times = weixin.stock(batch.stock_id)["facts"]["coupon_use_rule"]["coupon_available_time"]
        assert set(times) == {"available_begin_time", "available_end_time"}
        assert {name: dt.datetime.fromisoformat(said) for name, said in times.items()} == {
            "available_begin_time": begins, "available_end_time": ends,
        }  # fmt: skip
        assert all(said.endswith("+08:00") for said in times.values())

        coupon = carded(weixin, batch, customer)
        assert (coupon.valid_from, coupon.valid_until) == (begins, ends)
        (card,) = weixin.stock(batch.stock_id)["coupons"]
        assert dt.datetime.fromisoformat(card["available_start_time"]) == begins
        assert dt.datetime.fromisoformat(card["expire_time"]) == ends

    @pytest.mark.parametrize(
        ("kind", "terms", "expected"),
        [
            ("amount_off", {"off_fen": 300}, {"discount_amount": 300, "transaction_minimum": 1}),
            (
                "percent_off",
                {"pay_percent": 88},
                {"discount_percent": 88, "transaction_minimum": 1},
            ),
            ("exchange", {"sku": 1}, {"exchange_price": 0, "transaction_minimum": 1}),
        ],
    )
    def test_its_kind_is_said_in_wechats_words(
        self, kind: str, terms: dict[str, Any], expected: dict[str, int], account: PayAccount,
        weixin: SandboxProcess,
    ) -> None:  # fmt: skip
        batch = publish(account, kind=kind, terms=terms)

        assert batch.state == "published"
        rule = weixin.stock(batch.stock_id)["facts"]["coupon_use_rule"]
        assert {**expected, "transaction_minimum": 1} in rule.values()

    @pytest.mark.parametrize(
        ("more", "term"),
        [
            ({"terms": {"tiers": [{"threshold_fen": 9, "off_fen": 1}]}}, "tiers"),
            ({"kind": "percent_off", "terms": {"pay_percent": 88, "cap_fen": 100}}, "cap_fen"),
            ({"kind": "nth_rate", "terms": {"nth": 2, "pay_percent": 50}}, "kind"),
            ({"kind": "free_freight", "terms": {}}, "kind"),
            (
                {"terms": {"threshold_fen": 9, "off_fen": 1, "blackouts": ["2026-12-24"]}},
                "blackouts",
            ),
            (
                {"kind": "amount_off", "terms": {"off_fen": 1, "hours": [["01:00", "02:00"]] * 3}},
                "hours",
            ),
            ({"kind": "amount_off", "terms": {"off_fen": 10_000_001}}, "off_fen"),
            ({"name": "二十二个字的名字放不进微信的卡面上所以要被拒绝的呀"}, "name"),
            ({"per_day": 5}, "per_day"),
            ({"per_store": 5}, "per_store"),
            ({"per_customer_per_day": 1}, "per_customer_per_day"),
            ({"valid_delay_days": 31}, "valid_delay_days"),
            ({"valid_days": 400}, "valid_days"),
        ],
    )
    def test_what_wechat_can_not_say_is_named(
        self, more: dict[str, Any], term: str, merchant: Merchant
    ) -> None:
        offer = template(merchant, **more)

        with pytest.raises(batches.NotExpressible) as caught:
            batches.expressed(offer)
        assert caught.value.detail == {"term": term}

    @pytest.mark.parametrize("fault", ["drop_before", "timeout_after_accepting", "systemerror"])
    @pytest.mark.parametrize("call", ["callback_set", "stock_create"])
    def test_in_doubt_it_is_asked_again_and_made_once(
        self, call: str, fault: str, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        weixin.faults(call, fault)
        batch = publish(account)
        assert (batch.state, bool(batch.error)) == ("publishing", True)
        assert batch.act_at is not None
        assert batch.act_at > timezone.now()

        WeChatBatch.objects.update(act_at=timezone.now())
        publish_batches()

        batch.refresh_from_db()
        assert (batch.state, batch.error) == ("published", "")
        assert len([s for s in weixin.call("GET", "vouchers")["stocks"]
                    if s["mch_id"] == account.mch_id]) == 1  # fmt: skip

    def test_a_no_is_shown_and_can_be_asked_again(
        self, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        weixin.faults("stock_create", "result_fail", err_code="RULE_LIMIT")
        batch = publish(account)

        assert (batch.state, batch.act_at) == ("publishing", None)
        assert "RULE_LIMIT" in batch.error
        assert batches.again(batch.pk)
        publish_batches()
        batch.refresh_from_db()
        assert batch.state == "published"

    def test_a_total_that_changes_is_told_up_and_down(
        self, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        batch = publish(account)
        for total in (50, 20, 50):
            CouponTemplate.objects.update(total=total)
            batches.due(batch.template)
            publish_batches()
            assert weixin.stock(batch.stock_id)["maximum"] == total
        WeChatBatch.objects.update(goods_name="茶叶")
        batches.due(batch.template)
        publish_batches()
        assert weixin.stock(batch.stock_id)["facts"]["goods_name"] == "茶叶"

    def test_a_budget_told_and_lost_is_told_again(
        self, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        batch = publish(account)
        CouponTemplate.objects.update(total=50)
        weixin.faults("stock_budget", "systemerror", accepted=True)
        batches.due(batch.template)
        publish_batches()
        CouponTemplate.objects.update(total=60)  # changed meanwhile
        WeChatBatch.objects.update(act_at=timezone.now())
        publish_batches()

        batch.refresh_from_db()
        assert (batch.state, batch.told_total) == ("published", 60)
        assert weixin.stock(batch.stock_id)["maximum"] == 60

    def test_stopped_wechat_sends_no_more(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, per_customer=5)
        given(weixin, batch, customer)

        assert batches.stop(batch.pk)
        publish_batches()

        batch.refresh_from_db()
        assert batch.state == "stopped"
        assert weixin.stock(batch.stock_id)["maximum"] == 1
        assert (
            ask(customer, f"coupon-templates/{batch.template_id}").body["code"] == "not_at_wechat"
        )

    def test_when_the_templates_days_are_over_it_is_stopped(
        self, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        batch = publish(account)
        CouponTemplate.objects.update(ends_at=timezone.now())

        publish_batches()

        batch.refresh_from_db()
        assert batch.state == "stopped"

    def test_a_pool_is_uploaded_in_steps_that_may_be_killed(
        self, account: PayAccount, weixin: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches, "MOST_CODES", 8)
        weixin.faults("code_upload", "systemerror", accepted=True)
        batch = publish(account, "MERCHANT_UPLOAD")
        assert batch.uploaded == 0
        WeChatBatch.objects.update(act_at=timezone.now())
        publish_batches()

        batch.refresh_from_db()
        assert (batch.state, batch.uploaded) == ("published", 20)
        assert len(weixin.stock(batch.stock_id)["codes"]) == 20

    @pytest.mark.parametrize("what", ["stop", "rename", "total"])
    def test_what_staff_change_while_wechat_is_asked_is_told_next(
        self, what: str, account: PayAccount, weixin: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        batch = publish(account)
        counted = Vouchers.counts

        def meanwhile(client: Vouchers, stock_id: str) -> tuple[int, int]:
            monkeypatch.setattr(Vouchers, "counts", counted)
            if what == "stop":
                assert batches.stop(batch.pk)
            elif what == "rename":
                WeChatBatch.objects.update(goods_name="茶叶")
                batches.due(batch.template)
            else:
                CouponTemplate.objects.update(total=77)
                batches.due(batch.template)
            return counted(client, stock_id)

        monkeypatch.setattr(Vouchers, "counts", meanwhile)
        batches.due(batch.template)
        publish_batches()
        publish_batches()

        batch.refresh_from_db()
        known = weixin.stock(batch.stock_id)
        assert batch.state == ("stopped" if what == "stop" else "published")
        assert known["facts"]["goods_name"] == ("茶叶" if what == "rename" else "全店可用")
        assert known["maximum"] == {"stop": 1, "rename": 20, "total": 77}[what]

    def test_a_stop_that_wechat_refuses_is_tried_again_as_a_stop(
        self, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        batch = publish(account)
        weixin.faults("stock_budget", "result_fail")
        batches.stop(batch.pk)
        publish_batches()
        batch.refresh_from_db()
        assert (batch.state, batch.act_at) == ("stopping", None)

        assert batches.again(batch.pk)
        publish_batches()
        batch.refresh_from_db()
        assert (batch.state, batch.error) == ("stopped", "")


class TestIntoTheWallet:
    @pytest.mark.parametrize("mode", ["WECHATPAY_MODE", "MERCHANT_UPLOAD"])
    def test_what_wechat_sends_lies_in_the_wallet_and_is_counted(
        self, mode: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, mode)

        coupon = given(weixin, batch, customer)

        assert (coupon.way, coupon.template_id) == ("wechat", batch.template_id)
        assert coupon.source == {"channel": "BUSICOUPON_SEND_CHANNEL_MINIAPP"}
        assert sum(lot.given for lot in batch.template.lots.all()) == 1
        card = Card.objects.get()
        assert (card.coupon, card.error, card.act_at) == (coupon, "", None)

    def test_a_claimed_coupon_goes_into_the_card_pack_under_its_own_code(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, "MERCHANT_API")
        coupon = claiming.claim(
            merchant=customer.merchant_id, template=batch.template_id, customer=customer.pk
        )[0]

        codes = [put(weixin, customer, f"coupons/{coupon.pk}") for _n in range(2)]
        arrived(batch)

        assert codes == ["SUCCESS", "DUPREQUEST"]
        card = Card.objects.get()
        assert (card.code, card.coupon) == (coupon.code, coupon)
        assert Coupon.objects.count() == 1

    @pytest.mark.parametrize("fault", ["double", "concurrent", "forged_signature", "stale"])
    def test_told_twice_or_told_wrongly_it_is_there_once(
        self, fault: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account)
        weixin.faults("voucher_notification", fault)

        coupon = given(weixin, batch, customer)  # what is refused is told again

        assert list(Coupon.objects.all()) == [coupon]
        assert Card.objects.count() == 1

    def test_a_message_nobody_signed_is_refused(self, account: PayAccount) -> None:
        hook = f"/webhooks/wechat-vouchers/{account.merchant.slug}"

        assert Client().post(hook, b"{}", content_type="application/json").status_code == 401
        assert Client().post(hook, b"x" * 40_000, content_type="a/b").status_code == 413
        elsewhere = "/webhooks/wechat-vouchers/nobody"
        assert Client().post(elsewhere, b"{}", content_type="a/b").status_code == 404
        assert Client().get(hook).status_code == 405

    def test_a_message_about_a_batch_nobody_published_is_refused_until_it_is_known(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer, letterbox: Letterbox
    ) -> None:
        """It may come before we have written down what WeChat calls the batch; it is told again."""
        batch = publish(account)
        Vouchers(pay_credentials(account)).set_callback(letterbox.url)
        put(weixin, customer, f"coupon-templates/{batch.template_id}")
        body, signed = letterbox.next(), letterbox.headers[-1]
        hook = f"/webhooks/wechat-vouchers/{account.merchant.slug}"

        def tell() -> Any:
            heads = {name: said for name, said in signed.items() if name.startswith("Wechatpay-")}
            return Client().post(hook, body, content_type="application/json", headers=heads)

        WeChatBatch.objects.update(stock_id="")
        refused = tell()
        assert (refused.status_code, refused.json()) == (
            404, {"code": "FAIL", "message": "unknown batch"},
        )  # fmt: skip
        assert not Card.objects.exists()

        WeChatBatch.objects.update(stock_id=batch.stock_id)
        assert (tell().status_code, tell().json()["code"]) == (200, "SUCCESS")
        take_in_cards()
        assert Coupon.objects.get().customer == customer

    @pytest.mark.parametrize("mode", ["WECHATPAY_MODE", "MERCHANT_API"])
    def test_a_message_that_names_nobody_is_kept_where_staff_see_it(
        self, mode: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        """A code of ours says whose coupon it is; of WeChat's, nobody's wallet can have it."""
        batch = publish(account, mode)
        Vouchers(pay_credentials(account)).modify(batch.stock_id, {"notify_config": {}}, "NOBODY")
        path = f"coupon-templates/{batch.template_id}"
        if mode == "MERCHANT_API":
            claimed = signed_in(customer)("POST", f"{path}/claim", {})
            path = f"coupons/{claimed.body['id']}"

        assert put(weixin, customer, path) == "SUCCESS"
        arrived(batch)
        for _n in range(2):  # nor does greeting anybody, or the night, stumble over it
            Customer.objects.update(greet_at=timezone.now())
            greet_customers()
            take_in_cards()
            compare(batch)

        card, ours = Card.objects.get(), mode == "MERCHANT_API"
        assert (card.openid, card.error, card.act_at) == ("", "", None)
        assert (card.coupon is not None, Coupon.objects.count()) == (ours, int(ours))
        batch.refresh_from_db()
        assert batch.compare_error == ""
        lists = desk.Shop("Ours", account.merchant).owner.get(
            f"{desk.address(Card, 'changelist')}?coupon__isempty=1"
        )
        assert (card.code in lists.content.decode()) != ours

    def test_a_lost_message_is_found_by_asking(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account)
        weixin.faults("voucher_notification", "lost")
        put(weixin, customer, f"coupon-templates/{batch.template_id}")
        CardAsk.objects.update(at=timezone.now() - HOUR)

        compare(batch)
        take_in_cards()

        assert Coupon.objects.get().customer == customer
        assert not CardAsk.objects.exists()
        compare(batch)
        assert not CardDifference.objects.filter(closed_at=None).exists()

    def test_who_is_not_known_yet_has_it_at_the_first_sign_in(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer,
        shop: tuple[Merchant, MiniProgram],
    ) -> None:  # fmt: skip
        batch = publish(account)
        answer = ask(customer, f"coupon-templates/{batch.template_id}")
        weixin.send_vouchers(answer.body, shop[1].appid, "oNOBODY-YET")
        arrived(batch)
        assert Coupon.objects.count() == 0

        newcomer = person(shop[1], "oNOBODY-YET")
        Customer.objects.filter(pk=newcomer.pk).update(greet_at=timezone.now())
        greet_customers()
        take_in_cards()

        assert Coupon.objects.get().customer == newcomer

    def test_what_we_do_not_give_becomes_void_there(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        """Nobody gets more than there are, though WeChat was faster."""
        batch = publish(account)
        put(weixin, customer, f"coupon-templates/{batch.template_id}")
        wait_for(lambda: Card.objects.exists())
        CouponLot.objects.update(given=F("share"))

        take_in_cards()
        report_cards()

        assert Coupon.objects.count() == 0
        assert Card.objects.get().error == "sold_out"
        assert theirs(weixin, batch) == ["DEACTIVATED"]

    @pytest.mark.parametrize("late", ["ended", "unpublished"])
    def test_what_wechat_gave_in_time_is_good_though_we_are_late(
        self, late: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account)
        put(weixin, customer, f"coupon-templates/{batch.template_id}")
        wait_for(lambda: Card.objects.exists())
        sent_at = timezone.now() - dt.timedelta(days=2)
        Card.objects.update(sent_at=sent_at)
        if late == "ended":
            CouponTemplate.objects.update(ends_at=timezone.now() - HOUR)
        else:
            CouponTemplate.objects.update(is_published=False)

        take_in_cards()

        coupon = Coupon.objects.get()
        assert (coupon.claimed_at, coupon.valid_from) == (sent_at, sent_at)
        assert not CardReport.objects.exists()

    def test_two_merchants_of_one_number_share_its_address(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        """The last to publish is told of both's coupons."""
        batch = publish(account)
        other, program = open_shop("乙")
        theirs_too = PayAccount.objects.get(pk=account.pk)
        theirs_too.pk, theirs_too.merchant = None, other
        theirs_too.save()
        publish(theirs_too)

        coupon = given(weixin, batch, customer)

        assert coupon.merchant_id == account.merchant_id
        assert Card.objects.get().merchant_id == account.merchant_id
        assert program.merchant_id == other.pk

    def test_a_second_tap_asks_for_the_same_coupon(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, per_customer=5)
        path = f"coupon-templates/{batch.template_id}"

        asked = [ask(customer, path).body for _n in range(2)]

        assert asked[0] == asked[1]
        appid = customer.identities.get().appid
        results = [weixin.send_vouchers(one, appid, openid_of(customer))[0] for one in asked]
        assert [result["code"] for result in results] == ["SUCCESS", "DUPREQUEST"]
        arrived(batch)
        assert put(weixin, customer, path) == "SUCCESS"

    def test_many_who_closed_the_prompt_hide_nobodys_lost_message(
        self, account: PayAccount, weixin: SandboxProcess, shop: tuple[Merchant, MiniProgram],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(comparison, "_AT_ONCE", 1)
        batch = publish(account)
        for _n in range(3):
            ask(person(shop[1]), f"coupon-templates/{batch.template_id}")
        weixin.faults("voucher_notification", "lost")
        put(weixin, person(shop[1]), f"coupon-templates/{batch.template_id}")
        CardAsk.objects.update(at=timezone.now() - HOUR)

        compare(batch)

        assert Card.objects.count() == 1
        assert CardAsk.objects.count() == 3
        CardAsk.objects.update(at=timezone.now() - dt.timedelta(days=3), looked_at=None)
        compare(batch)
        assert not CardAsk.objects.exists()

    def test_many_workers_take_a_card_in_once(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, per_customer=9)
        put(weixin, customer, f"coupon-templates/{batch.template_id}")
        wait_for(lambda: Card.objects.exists())

        at_once([take_in_cards] * 6, hands=6)

        assert Coupon.objects.count() == 1

    @pytest.mark.parametrize("what", ["claimed", "unpublished", "stranger", "unknown"])
    def test_what_can_not_be_put_there(
        self, what: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account)
        path, code = f"coupon-templates/{batch.template_id}", "claim_limit_reached"
        if what == "claimed":
            given(weixin, batch, customer)
        elif what == "unpublished":
            path, code = (
                f"coupon-templates/{template(account.merchant, way='wechat').pk}",
                "not_at_wechat",
            )
        elif what == "stranger":
            customer = person(open_shop("乙")[1])
            code = "not_found"
        else:
            Identity.objects.all().delete()
            code = "no_pay_account"

        assert ask(customer, path).body["code"] == code

    def test_passed_on_by_an_earlier_link_its_card_becomes_void(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, "MERCHANT_API")
        coupon = claiming.claim(
            merchant=customer.merchant_id, template=batch.template_id, customer=customer.pk
        )[0]
        token, _ends = passing.share(customer, coupon.pk)
        put(weixin, customer, f"coupons/{coupon.pk}")
        arrived(batch)

        passing.accept(shopper(customer.merchant), token)
        report_cards()

        assert theirs(weixin, batch) == ["DEACTIVATED"]

    def test_a_coupon_in_a_card_pack_is_not_passed_on(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        coupon = given(weixin, publish(account), customer)

        with pytest.raises(passing.Personal):
            passing.share(customer, coupon.pk)


class TestReports:
    @pytest.fixture
    def batch(self, account: PayAccount) -> WeChatBatch:
        return publish(account)

    @pytest.fixture
    def coupon(self, batch: WeChatBatch, weixin: SandboxProcess, customer: Customer) -> Coupon:
        return given(weixin, batch, customer)

    def hold_and_use(self, coupon: Coupon) -> None:
        now = timezone.now()
        wallet.hold(
            merchant=coupon.merchant_id, customer=coupon.customer_id, saved={coupon.pk: Fen(1)},
            reference="P1", at=now,
        )  # fmt: skip
        assert not CardReport.objects.exists()
        wallet.use(coupon.merchant_id, "P1", at=now)

    def redeem(self, coupon: Coupon, reference: str) -> None:
        wallet.redeem(
            merchant=coupon.merchant_id, customer=coupon.customer_id, coupon=coupon.pk,
            saved=Fen(1), reference=reference, by="x", at=timezone.now(),
        )  # fmt: skip

    def test_use_and_return_are_told(
        self, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess
    ) -> None:
        self.hold_and_use(coupon)
        report_cards()
        assert theirs(weixin, batch) == ["USED"]
        wallet.give_back(coupon.merchant_id, "P1", at=timezone.now())
        report_cards()
        assert theirs(weixin, batch) == ["SENDED"]
        self.redeem(coupon, "R1")
        wallet.undo(coupon.merchant_id, "R1", by="x", at=timezone.now())
        report_cards()

        assert theirs(weixin, batch) == ["SENDED"]
        told = CardReport.objects.order_by("pk").values_list("call", "act_at", "error")
        assert list(told) == [(call, None, "") for call in ("use", "return", "use", "return")]

    @pytest.mark.parametrize("mode", ["WECHATPAY_MODE", "MERCHANT_API"])
    def test_a_purchase_it_made_cheaper_uses_it_on_both_sides(
        self, mode: str, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        """WeChat takes nothing off what is paid: our order does, and says so once it is paid."""
        batch, stock = publish(account, mode), shelf(account.merchant, price=1000)
        coupon = carded(weixin, batch, customer)

        bought = place(customer, (stock, 2), payable=2 * 1000 - 300, coupons=[coupon.pk])
        report_cards()
        assert (bought.discount_fen, theirs(weixin, batch)) == (300, ["SENDED"])
        trade = lifecycle.Trade(payment_id=bought.pk, method="wechat_jsapi")
        lifecycle.pay(bought.pk, trade, at=timezone.now())
        report_cards()

        bought.refresh_from_db()
        coupon.refresh_from_db()
        assert (bought.status, bought.payable_fen, coupon.status) == ("paid", 1700, "used")
        assert coupon.uses.get().reference == bought.number
        (there,) = weixin.stock(batch.stock_id)["coupons"]
        assert (there["coupon_code"], there["coupon_state"]) == (coupon.card.code, "USED")
        compare(batch)
        assert not CardDifference.objects.exists()

    def test_a_purchase_that_was_never_paid_tells_wechat_nothing(
        self, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess, customer: Customer
    ) -> None:
        stock = shelf(customer.merchant, price=1000)
        bought = place(customer, (stock, 1), payable=700, coupons=[coupon.pk])

        lifecycle.close(bought.pk, CloseReason.CANCELLED, at=timezone.now(), by="shopper")
        report_cards()

        assert not CardReport.objects.exists()
        assert theirs(weixin, batch) == ["SENDED"]

    def test_a_void_one_is_told(
        self, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess
    ) -> None:
        wallet.void(coupon.merchant_id, [coupon.pk], by="x", reason="x", at=timezone.now())
        report_cards()

        assert theirs(weixin, batch) == ["DEACTIVATED"]

    @pytest.mark.parametrize(
        "fault",
        ["drop_before", "timeout_after_accepting", "html_200", "http_502", "systemerror",
         "frequency", "bad_signature", "stale"],
    )  # fmt: skip
    def test_in_doubt_it_is_told_again_and_in_order(
        self, fault: str, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess
    ) -> None:
        weixin.faults("coupon_use", fault, times=2)
        self.redeem(coupon, "R1")
        wallet.undo(coupon.merchant_id, "R1", by="x", at=timezone.now())
        self.redeem(coupon, "R2")
        for _n in range(4):
            report_cards()
            CardReport.objects.filter(act_at__isnull=False).update(act_at=timezone.now())

        assert not CardReport.objects.filter(act_at__isnull=False).exists()
        assert theirs(weixin, batch) == ["USED"]
        (row,) = weixin.stock(batch.stock_id)["coupons"]
        assert list(row["done"].values()) == ["use", "return", "use"]

    def test_a_worker_killed_after_wechat_was_told_tells_it_again(
        self, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess
    ) -> None:
        self.redeem(coupon, "R1")
        connection.close()
        worker = multiprocessing.get_context("fork").Process(target=_die_when_told)
        worker.start()
        worker.join(60)
        assert worker.exitcode == -signal.SIGKILL
        assert theirs(weixin, batch) == ["USED"]
        open_one = CardReport.objects.get()
        assert open_one.act_at is not None

        CardReport.objects.update(act_at=timezone.now())
        report_cards()

        assert CardReport.objects.get().act_at is None
        (row,) = weixin.stock(batch.stock_id)["coupons"]
        assert list(row["done"].values()) == ["use"]

    def test_what_happened_before_the_message_was_read_is_told(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, "MERCHANT_API")
        coupon = claiming.claim(
            merchant=customer.merchant_id, template=batch.template_id, customer=customer.pk
        )[0]
        put(weixin, customer, f"coupons/{coupon.pk}")
        self.redeem(coupon, "R1")
        arrived(batch)
        report_cards()

        assert theirs(weixin, batch) == ["USED"]

    def test_keys_that_do_not_fit_lose_nothing(
        self, account: PayAccount, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess
    ) -> None:
        self.redeem(coupon, "R1")
        PayAccount.objects.update(public_key_id="")
        report_cards()
        row = CardReport.objects.get()
        assert row.error.startswith("NOT_READY")
        assert row.act_at is not None

        account.save()
        CardReport.objects.update(act_at=timezone.now())
        report_cards()
        assert theirs(weixin, batch) == ["USED"]

    def test_a_no_is_kept_where_staff_see_it(
        self, coupon: Coupon, batch: WeChatBatch, weixin: SandboxProcess
    ) -> None:
        weixin.set_voucher(batch.stock_id, coupon.card.code, "DEACTIVATED")
        self.redeem(coupon, "R1")
        report_cards()

        row = CardReport.objects.get()
        assert row.act_at is None
        assert "INVALID_REQUEST" in row.error


def _die_when_told() -> None:
    told = Vouchers.use

    def dying(*args: Any, **more: Any) -> None:
        told(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    Vouchers.use = dying  # type: ignore[method-assign]
    report_cards()


def compare(batch: WeChatBatch) -> None:
    """The night has come."""
    WeChatBatch.objects.filter(pk=batch.pk).update(compare_at=timezone.now())
    Card.objects.update(compared_at=None)
    compare_cards()


class TestComparison:
    def test_what_differs_becomes_a_row_and_closes_by_itself(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, per_customer=5)
        first, _second = (given(weixin, batch, customer) for _n in range(2))
        compare(batch)
        assert not CardDifference.objects.exists()
        weixin.set_voucher(batch.stock_id, first.card.code, "USED")

        for _n in range(2):
            compare(batch)

        row = CardDifference.objects.get()
        assert (row.card, row.ours, row.theirs) == (first.card, "claimed", "USED")
        assert row.closed_at is None
        weixin.set_voucher(batch.stock_id, first.card.code, "SENDED")
        compare(batch)
        row.refresh_from_db()
        assert row.closed_at is not None

    def test_a_card_that_only_wechat_knows_shows_in_the_sum(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer,
        shop: tuple[Merchant, MiniProgram],
    ) -> None:  # fmt: skip
        batch = publish(account)
        answer = ask(customer, f"coupon-templates/{batch.template_id}")
        weixin.faults("voucher_notification", "lost")
        weixin.send_vouchers(answer.body, shop[1].appid, "oELSEWHERE")

        compare(batch)

        row = CardDifference.objects.get()
        assert (row.card, row.ours, row.theirs) == (None, "0", "1")

    def test_a_report_under_way_is_no_difference(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account)
        coupon = given(weixin, batch, customer)
        wallet.void(coupon.merchant_id, [coupon.pk], by="x", reason="x", at=timezone.now())

        compare(batch)
        assert not CardDifference.objects.exists()
        report_cards()
        compare(batch)
        assert not CardDifference.objects.exists()

    def test_a_refusal_that_is_about_us_says_nothing_of_a_card(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account)
        given(weixin, batch, customer)
        weixin.faults("coupon_query", "result_fail", err_code="NO_AUTH")

        compare(batch)

        assert not CardDifference.objects.exists()
        batch.refresh_from_db()
        assert batch.compare_error.startswith("NO_AUTH")

    def test_of_who_erased_their_account_no_openid_stays(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer
    ) -> None:
        batch = publish(account, per_customer=5)
        given(weixin, batch, customer)
        ask(customer, f"coupon-templates/{batch.template_id}")
        openid = openid_of(customer)

        assert signed_in(customer)("DELETE", "me").status == 204

        kept = str([list(model.objects.values()) for model in (Card, CardAsk, Identity)])
        assert openid not in kept
        report_cards()
        assert theirs(weixin, batch) == ["DEACTIVATED"]

    def test_it_comes_again_the_next_night_and_goes_on_where_it_was(
        self, account: PayAccount, weixin: SandboxProcess, customer: Customer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(comparison, "_AT_ONCE", 1)
        batch = publish(account, per_customer=5)
        for _n in range(3):
            given(weixin, batch, customer)
        WeChatBatch.objects.update(compare_at=timezone.now())

        assert [comparison.step(batch.pk) for _n in range(4)] == [True, True, True, False]

        batch.refresh_from_db()
        assert batch.compare_at is not None
        assert batch.compare_at > timezone.now()
        assert timezone.localtime(batch.compare_at).hour == 3
        assert not Card.objects.filter(compared_at=None).exists()

    def test_without_an_answer_it_is_made_later(
        self, account: PayAccount, weixin: SandboxProcess
    ) -> None:
        batch = publish(account)
        weixin.faults("stock_query", "http_502")
        compare(batch)

        batch.refresh_from_db()
        assert batch.compare_error
        assert not CardDifference.objects.exists()
        compare(batch)
        batch.refresh_from_db()
        assert batch.compare_error == ""


def test_both_sides_agree_after_a_day_of_misfortunes(
    account: PayAccount, weixin: SandboxProcess, shop: tuple[Merchant, MiniProgram]
) -> None:
    """Claims, uses, returns and voids while WeChat drops calls, lies and repeats itself."""
    batch = publish(account, per_customer=3, total=50)
    people = [person(shop[1]) for _n in range(6)]
    for call in ("coupon_use", "coupon_return", "coupon_deactivate"):
        for fault in ("systemerror", "drop_before", "timeout_after_accepting", "bad_signature"):
            weixin.faults(call, fault)
    for fault in ("lost", "double", "forged_signature", "concurrent"):
        weixin.faults("voucher_notification", fault)
    for customer in people:
        for _n in range(2):
            assert put(weixin, customer, f"coupon-templates/{batch.template_id}") == "SUCCESS"
            CardAsk.objects.update(at=timezone.now() - HOUR)
    wait_for(lambda: Card.objects.count() == 11)  # one message was lost
    CardAsk.objects.update(at=timezone.now() - HOUR)
    compare(batch)
    take_in_cards()
    assert Coupon.objects.count() == 12

    now = timezone.now()
    for number, coupon in enumerate(Coupon.objects.order_by("pk")):
        reference = f"P{number}"
        if number % 4:
            wallet.hold(
                merchant=coupon.merchant_id, customer=coupon.customer_id,
                saved={coupon.pk: Fen(1)}, reference=reference, at=now,
            )  # fmt: skip
            wallet.use(coupon.merchant_id, reference, at=now)
        if number % 4 == 2:
            wallet.give_back(coupon.merchant_id, reference, at=now)
        if number % 4 == 0:
            wallet.void(coupon.merchant_id, [coupon.pk], by="x", reason="x", at=now)
    for _n in range(12):
        report_cards()
        CardReport.objects.filter(act_at__isnull=False).update(act_at=timezone.now())

    compare(batch)
    assert not CardDifference.objects.filter(closed_at=None).exists()
    assert sorted(theirs(weixin, batch)) == ["DEACTIVATED"] * 3 + ["SENDED"] * 3 + ["USED"] * 6
    assert Vouchers(pay_credentials(account)).counts(batch.stock_id)[0] == 12


class TestAtTheDesk:
    def add(self, ours: desk.Shop, offer: CouponTemplate, account: PayAccount, **said: Any) -> Any:
        client, page = ours.owner, desk.address(WeChatBatch, "add")
        form = desk.filled(client.get(page)) | {
            "template": offer.pk, "account": account.pk, "code_mode": "WECHATPAY_MODE",
            "goods_name": "全店", **said,
        }  # fmt: skip
        return client.post(page, form)

    def test_a_template_is_published_and_stopped(self, weixin: SandboxProcess) -> None:
        ours = desk.open_shop("Ours")
        account = pay_account(weixin, ours.merchant, ours.one(MiniProgram))
        page = desk.address(CouponTemplate, "add")
        written = ours.owner.post(
            page,
            desk.filled(ours.owner.get(page))
            | NEW
            | {"way": "wechat", "name": "By WeChat", "ends_at_0": "2026-12-20"},
        )
        assert written.status_code == 302
        offer = CouponTemplate.objects.get(name="By WeChat")

        assert self.add(ours, offer, account).status_code == 302
        publish_batches()
        batch = WeChatBatch.objects.get(template=offer)
        assert batch.state == "published"
        page = ours.owner.get(desk.address(WeChatBatch, "change", batch.pk)).content.decode()
        assert batch.stock_id in page
        ours.owner.post(desk.address(WeChatBatch, "stop", batch.pk), {"_form_submitted": "True"})
        publish_batches()
        batch.refresh_from_db()
        assert batch.state == "stopped"

    def test_what_is_at_wechat_keeps_its_terms_and_is_stopped_when_unpublished(
        self, weixin: SandboxProcess
    ) -> None:
        ours = desk.open_shop("Ours")
        account = pay_account(weixin, ours.merchant, ours.one(MiniProgram))
        offer = template(ours.merchant, way="wechat")
        self.add(ours, offer, account)
        publish_batches()
        page = desk.address(CouponTemplate, "change", offer.pk)
        form = desk.filled(ours.owner.get(page))
        assert not {"terms", "per_day", "per_store", "way"} & set(form)

        form.pop("is_published")
        assert ours.owner.post(page, form).status_code == 302
        publish_batches()

        assert WeChatBatch.objects.get(template=offer).state == "stopped"

    def test_what_can_not_be_published_is_named_at_its_field(self, weixin: SandboxProcess) -> None:
        ours = desk.open_shop("Ours")
        account = pay_account(weixin, ours.merchant, ours.one(MiniProgram))
        capped = template(
            ours.merchant, way="wechat", kind="percent_off",
            terms={"pay_percent": 88, "cap_fen": 100},
        )  # fmt: skip
        plain = template(ours.merchant, way="wechat")

        wrong = desk.errors(self.add(ours, capped, account))
        assert "cap_fen" in str(wrong["template"])
        bare = desk.errors(self.add(ours, plain, ours.one(PayAccount)))
        assert "API v3" in str(bare["account"])
        assert not WeChatBatch.objects.exclude(pk=ours.one(WeChatBatch).pk).exists()


def test_a_message_without_openid_is_made_good_by_asking(
    account: PayAccount, weixin: SandboxProcess, customer: Customer
) -> None:
    batch = publish(account)
    Vouchers(pay_credentials(account)).modify(batch.stock_id, {"notify_config": {}}, "NOBODY")
    assert put(weixin, customer, f"coupon-templates/{batch.template_id}") == "SUCCESS"
    arrived(batch)
    CardAsk.objects.update(at=timezone.now() - HOUR)

    compare(batch)
    take_in_cards()

    assert Coupon.objects.get().customer == customer
