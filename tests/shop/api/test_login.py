"""Signing in through WeChat's protocol, over HTTP to the sandbox."""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backend.wechat import platform
from shop import accounts, login
from shop.models import Customer, Identity, Merchant, MiniProgram, SignIn
from tests.sandbox import SandboxProcess
from tests.shop.conftest import Answer, Api, at_once, identities, new_customer, register, signed_in

pytestmark = pytest.mark.django_db


def sign_in(wechat: SandboxProcess, program: MiniProgram, openid: str, **more: Any) -> Answer:
    unionid = more.pop("unionid", "")
    code = wechat.login_code(program.appid, openid, unionid)
    return Api()("post", "auth/login", {"appid": program.appid, "code": code, **more})


def test_whoever_comes_for_the_first_time_is_a_customer_from_here_on(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    answer = sign_in(wechat, known_program, "o-new", source={"scene": 1011, "guide": "王"})

    assert answer.status == 200, answer.body
    assert set(answer.body) == {"access", "refresh", "expires_in", "customer"}
    customer = Customer.objects.get()
    assert answer.body["customer"] == {
        "id": customer.pk, "nickname": "", "avatar": "", "gender": 0, "phone": "",
    }  # fmt: skip
    assert customer.source == {"scene": "1011", "guide": "王"}
    assert identities(customer) == ["o-new"]
    assert Api(answer.body["access"])("get", "me").body["id"] == customer.pk


def test_who_comes_again_is_the_same_customer_with_a_new_session_key(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    first = sign_in(wechat, known_program, "o-again", source={"scene": "1"})
    old = str(Identity.objects.get().session_key)

    second = sign_in(wechat, known_program, "o-again", source={"scene": "2"})

    assert second.body["customer"]["id"] == first.body["customer"]["id"]
    assert Customer.objects.get().source == {"scene": "1"}
    assert str(Identity.objects.get().session_key) not in ("", old)


def test_the_session_key_is_encrypted_at_rest_and_never_answered(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    answer = sign_in(wechat, known_program, "o-secret")

    key = str(Identity.objects.get().session_key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_key FROM shop_identity")
        (stored,) = cursor.fetchone()
    assert len(key) == 24
    assert key not in stored
    assert key not in str(answer.body)
    assert "o-secret" not in str(answer.body)


@pytest.mark.django_db(transaction=True)
def test_a_new_shopper_on_eight_threads_is_one_customer(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    answers = at_once(*[lambda: sign_in(wechat, known_program, "o-eight") for _ in range(8)])

    assert [getattr(answer, "status", answer) for answer in answers] == [200] * 8
    assert Customer.objects.count() == 1
    assert Identity.objects.count() == 1
    assert {answer.body["customer"]["id"] for answer in answers} == {Customer.objects.get().pk}


@pytest.mark.django_db(transaction=True)
def test_one_person_in_two_mini_programs_at_once_is_one_customer(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    other = MiniProgram.objects.create(
        merchant=known_program.merchant, appid=f"{known_program.appid}b", secret="s" * 32
    )
    register(wechat, other)
    both = [(known_program, "o-one"), (other, "o-two")] * 4

    answers = at_once(
        *[lambda p=p, o=o: sign_in(wechat, p, o, unionid="u-joined") for p, o in both]
    )

    assert [getattr(answer, "status", answer) for answer in answers] == [200] * 8
    customer = Customer.objects.get()
    assert customer.unionid == "u-joined"
    assert sorted(identities(customer)) == ["o-one", "o-two"]


@pytest.mark.django_db(transaction=True)
def test_one_code_on_eight_threads_signs_in_once(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    code = wechat.login_code(known_program.appid, "o-code")
    body = {"appid": known_program.appid, "code": code}

    answers = at_once(*[lambda: Api()("post", "auth/login", body) for _ in range(8)])

    assert sorted(answer.status for answer in answers) == [200] + [400] * 7
    assert {a.body["code"] for a in answers if a.status == 400} == {"bad_login_code"}
    assert (Customer.objects.count(), SignIn.objects.count()) == (1, 1)


def test_the_same_unionid_at_another_merchant_is_another_customer(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    stranger = MiniProgram.objects.create(
        merchant=Merchant.objects.create(name="别家", slug="elsewhere"),
        appid=f"{known_program.appid}c",
        secret="s" * 32,
    )
    register(wechat, stranger)

    here = sign_in(wechat, known_program, "o-here", unionid="u-both").body["customer"]["id"]
    there = sign_in(wechat, stranger, "o-there", unionid="u-both").body["customer"]["id"]

    assert here != there


def test_a_unionid_told_late_is_kept_unless_somebody_has_it(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    early = sign_in(wechat, known_program, "o-early").body["customer"]["id"]
    sign_in(wechat, known_program, "o-early", unionid="u-late")
    assert Customer.objects.get(pk=early).unionid == "u-late"

    other = sign_in(wechat, known_program, "o-other").body["customer"]["id"]
    again = sign_in(wechat, known_program, "o-other", unionid="u-late")

    assert again.status == 200
    assert again.body["customer"]["id"] == other
    assert Customer.objects.get(pk=other).unionid is None


def test_a_code_wechat_does_not_know_is_refused_and_leaves_no_trace(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    for code in ("nonsense", "0" * 32):
        answer = Api()("post", "auth/login", {"appid": known_program.appid, "code": code})
        assert (answer.status, answer.body["code"]) == (400, "bad_login_code")
    assert (Customer.objects.count(), SignIn.objects.count()) == (0, 0)


def test_a_person_wechat_has_blocked_stays_out(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    wechat.faults("jscode2session", "errcode", errcode=40226)

    answer = sign_in(wechat, known_program, "o-blocked")

    assert (answer.status, answer.body["code"]) == (403, "login_blocked")
    assert Customer.objects.count() == 0


def test_wechat_being_busy_is_said_as_such(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    wechat.faults("jscode2session", "busy")

    answer = sign_in(wechat, known_program, "o-busy")

    assert (answer.status, answer.body["code"]) == (503, "wechat_unavailable")


def test_wechat_being_away_is_said_as_such(program: MiniProgram, settings: Any) -> None:
    settings.WECHAT_API_BASE_URL = "http://127.0.0.1:9/"

    answer = Api()("post", "auth/login", {"appid": program.appid, "code": "x"})

    assert (answer.status, answer.body["code"]) == (503, "wechat_unavailable")


def test_a_merchants_wrong_secret_is_the_merchants_trouble_and_is_logged_without_it(
    wechat: SandboxProcess, known_program: MiniProgram, caplog: pytest.LogCaptureFixture
) -> None:
    known_program.secret = "wrong-secret-00000000000000000000"  # noqa: S105
    known_program.save()

    answer = sign_in(wechat, known_program, "o-wrong")

    assert (answer.status, answer.body["code"]) == (503, "wechat_unavailable")
    assert "40125" in caplog.text
    assert "wrong-secret" not in caplog.text


def test_an_appid_nobody_has_or_a_closed_shop_is_unknown(program: MiniProgram) -> None:
    wanted = {"appid": "wx0000000000000000", "code": "x"}
    assert Api()("post", "auth/login", wanted).body["code"] == "merchant_unknown"

    Merchant.objects.update(is_active=False)
    answer = Api()("post", "auth/login", {"appid": program.appid, "code": "x"})
    assert (answer.status, answer.body["code"]) == (400, "merchant_unknown")


@pytest.mark.parametrize(
    "body",
    [[], "x", {}, {"appid": 1}, {"appid": "a" * 33, "code": "x"}, {"appid": "\x00", "code": ""},
     {"appid": {}, "code": []}],
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_400(db: None, body: Any) -> None:
    assert Api()("post", "auth/login", body).status == 400


def test_a_source_of_any_shape_is_taken_or_left_never_refused(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    for number, source in enumerate(["x", [], {"scene": {"a": 1}}, {"scene": "\x00", "z": "1"}]):
        answer = sign_in(wechat, known_program, f"o-source{number}", source=source)
        assert answer.status == 200, answer.body


def test_an_old_access_token_in_the_header_does_not_keep_anyone_from_signing_in(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    code = wechat.login_code(known_program.appid, "o-header")
    answer = Api(access="long.dead.token")(
        "post", "auth/login", {"appid": known_program.appid, "code": code}
    )
    assert answer.status == 200


def test_nobody_tries_codes_for_long(wechat: SandboxProcess, known_program: MiniProgram) -> None:
    body = {"appid": known_program.appid, "code": "guess"}

    answers = [Api()("post", "auth/login", body) for _ in range(31)]

    assert [answer.status for answer in answers] == [400] * 30 + [429]
    assert answers[-1].body["code"] == "too_many_requests"
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_one_customer_is_counted_from_wherever_they_come(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    def from_address(number: int) -> int:
        api = Api()
        api.client.defaults["REMOTE_ADDR"] = f"10.0.0.{number}"
        code = wechat.login_code(known_program.appid, "o-eager")
        return api("post", "auth/login", {"appid": known_program.appid, "code": code}).status

    assert [from_address(number) for number in range(21)] == [200] * 20 + [429]
    assert SignIn.objects.count() == accounts.MAX_SIGN_INS


def test_no_transaction_is_open_while_wechat_is_asked(
    wechat: SandboxProcess,
    known_program: MiniProgram,
    monkeypatch: pytest.MonkeyPatch,
    transactional_db: None,
) -> None:
    known_program.merchant.save()
    known_program.save()
    seen, real = [], platform._fetch

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return real(*args, **kwargs)

    monkeypatch.setattr(platform, "_fetch", watched)
    sign_in(wechat, known_program, "o-open")

    assert seen == [False]


def test_signing_in_again_takes_six_queries(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    sign_in(wechat, known_program, "o-counted")
    code = wechat.login_code(known_program.appid, "o-counted")

    with CaptureQueriesContext(connection) as queries:
        Api()("post", "auth/login", {"appid": known_program.appid, "code": code})

    statements = [q["sql"] for q in queries if "SAVEPOINT" not in q["sql"]]
    assert len(statements) <= 6, statements


# -- refresh and signing out --------------------------------------------------------------------


def test_a_refresh_token_works_once_and_gives_the_next(customer: Customer) -> None:
    _access, refresh = login.start(customer, "wx1")

    answer = Api()("post", "auth/refresh", {"refresh": refresh})

    assert answer.status == 200
    assert set(answer.body) == {"access", "refresh", "expires_in"}
    assert answer.body["refresh"] != refresh
    assert Api(answer.body["access"])("get", "me").status == 200


def test_a_stolen_refresh_token_seen_again_ends_the_sign_in(customer: Customer) -> None:
    _access, stolen = login.start(customer, "wx1")
    live = Api()("post", "auth/refresh", {"refresh": stolen}).body["refresh"]
    SignIn.objects.update(refreshed_at=timezone.now() - dt.timedelta(seconds=31))

    reused = Api()("post", "auth/refresh", {"refresh": stolen})

    assert (reused.status, reused.body["code"]) == (401, "bad_refresh_token")
    assert SignIn.objects.count() == 0
    assert Api()("post", "auth/refresh", {"refresh": live}).status == 401


def test_a_client_whose_answer_was_lost_may_ask_once_more_within_the_grace(
    customer: Customer,
) -> None:
    _access, refresh = login.start(customer, "wx1")
    Api()("post", "auth/refresh", {"refresh": refresh})

    again = Api()("post", "auth/refresh", {"refresh": refresh})

    assert again.status == 200
    assert Api()("post", "auth/refresh", {"refresh": again.body["refresh"]}).status == 200
    assert SignIn.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_refresh_token_on_eight_threads_gives_each_the_same_next_one(
    customer: Customer,
) -> None:
    _access, refresh = login.start(customer, "wx1")

    answers = at_once(
        *[lambda: Api()("post", "auth/refresh", {"refresh": refresh}) for _ in range(8)]
    )

    assert [getattr(answer, "status", answer) for answer in answers] == [200] * 8
    assert SignIn.objects.count() == 1
    SignIn.objects.update(refreshed_at=timezone.now() - dt.timedelta(seconds=31))
    assert Api()("post", "auth/refresh", {"refresh": answers[0].body["refresh"]}).status == 200
    assert Api()("post", "auth/refresh", {"refresh": answers[7].body["refresh"]}).status == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_a_token_that_means_nothing_refreshes_nothing(db: None, token: str) -> None:
    assert Api()("post", "auth/refresh", {"refresh": token}).status in (400, 401)


def test_an_access_token_is_no_refresh_token_nor_the_other_way_round(customer: Customer) -> None:
    access, refresh = login.start(customer, "wx1")

    assert Api()("post", "auth/refresh", {"refresh": access}).body["code"] == "bad_refresh_token"
    assert Api(access=refresh)("get", "me").body["code"] == "not_signed_in"


def test_a_token_signed_by_nobody_or_by_another_key_opens_nothing(customer: Customer) -> None:
    claims = {"typ": "access", "sub": str(customer.pk), "ver": 0, "exp": int(time.time()) + 60}
    forged = jwt.encode(claims, "another key of thirty-two letters", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")

    for token in (forged, unsigned):
        assert Api(access=token)("get", "me").status == 401


def test_an_access_token_runs_out(customer: Customer) -> None:
    old = login.access_token(customer, at=timezone.now() - login.ACCESS_LIFE)
    assert Api(access=old)("get", "me").status == 401


def test_signing_out_ends_this_sign_in_and_no_other(customer: Customer) -> None:
    _access, here = login.start(customer, "wx1")
    _access, there = login.start(customer, "wx1")

    assert Api()("post", "auth/logout", {"refresh": here}).status == 204
    assert Api()("post", "auth/logout", {"refresh": here}).status == 204

    assert Api()("post", "auth/refresh", {"refresh": here}).status == 401
    assert Api()("post", "auth/refresh", {"refresh": there}).status == 200


def test_signing_out_everywhere_kills_every_token_at_once(customer: Customer) -> None:
    phone, tablet = login.start(customer, "wx1"), login.start(customer, "wx1")

    assert Api(phone[0])("post", "auth/logout-everywhere").status == 204

    for access, refresh in (phone, tablet):
        assert Api(access)("get", "me").status == 401
        assert Api()("post", "auth/refresh", {"refresh": refresh}).status == 401
    assert SignIn.objects.count() == 0


def test_one_sign_in_refreshes_ten_times_a_minute_from_wherever(customer: Customer) -> None:
    _access, refresh = login.start(customer, "wx1")
    statuses = []
    for number in range(11):
        api = Api()
        api.client.defaults["REMOTE_ADDR"] = f"10.0.1.{number}"
        answer = api("post", "auth/refresh", {"refresh": refresh})
        statuses.append(answer.status)
        refresh = answer.body.get("refresh", refresh)

    assert statuses == [200] * 10 + [429]


# -- the verified phone -------------------------------------------------------------------------


def with_wechat(customer: Customer, program: MiniProgram, openid: str) -> Api:
    Identity.objects.create(
        merchant=program.merchant,
        customer=customer,
        appid=program.appid,
        openid=openid,
        session_key="",
        signed_in_at=timezone.now(),
    )
    return signed_in(customer, program.appid)


def test_a_verified_phone_is_kept_and_shown_masked(
    wechat: SandboxProcess, known_program: MiniProgram, customer: Customer
) -> None:
    api = with_wechat(customer, known_program, "o-phone")
    code = wechat.phone_code("o-phone", "13800000001", known_program.appid)

    answer = api("post", "me/phone", {"code": code})

    assert answer.status == 200, answer.body
    assert answer.body["phone"] == "138****0001"
    assert Customer.objects.get(pk=customer.pk).phone == "13800000001"
    assert api("get", "me").body["phone"] == "138****0001"


def test_a_phone_from_abroad_keeps_its_country(
    wechat: SandboxProcess, known_program: MiniProgram, customer: Customer
) -> None:
    api = with_wechat(customer, known_program, "o-abroad")
    values = {
        "appid": known_program.appid, "openid": "o-abroad", "phone": "91234567",
        "country_code": "852",
    }  # fmt: skip
    code = wechat.call("POST", "phone-code", values)["code"]

    api("post", "me/phone", {"code": code})

    assert Customer.objects.get(pk=customer.pk).phone == "+85291234567"


def test_a_number_goes_to_its_newest_holder(
    wechat: SandboxProcess, known_program: MiniProgram, customer: Customer
) -> None:
    before = new_customer(known_program.merchant, phone="13800000002")
    elsewhere = new_customer(Merchant.objects.create(name="别家", slug="b"), phone="13800000002")
    api = with_wechat(customer, known_program, "o-newest")

    code = wechat.phone_code("o-newest", "13800000002", known_program.appid)
    assert api("post", "me/phone", {"code": code}).status == 200

    phones = dict(Customer.objects.values_list("pk", "phone"))
    assert phones == {customer.pk: "13800000002", before.pk: None, elsewhere.pk: "13800000002"}


@pytest.mark.django_db(transaction=True)
def test_eight_new_holders_of_one_number_leave_one(
    wechat: SandboxProcess, known_program: MiniProgram
) -> None:
    people = [new_customer(known_program.merchant) for _ in range(8)]
    apis = [with_wechat(person, known_program, f"o-h{n}") for n, person in enumerate(people)]
    codes = [wechat.phone_code(f"o-h{n}", "13800000003", known_program.appid) for n in range(8)]

    pairs = zip(apis, codes, strict=True)
    answers = at_once(*[lambda a=a, c=c: a("post", "me/phone", {"code": c}) for a, c in pairs])

    assert [getattr(answer, "status", answer) for answer in answers] == [200] * 8
    assert Customer.objects.filter(phone="13800000003").count() == 1


def test_a_phone_code_that_is_used_or_of_another_mini_program_is_refused(
    wechat: SandboxProcess, known_program: MiniProgram, customer: Customer
) -> None:
    api = with_wechat(customer, known_program, "o-used")
    code = wechat.phone_code("o-used", "13800000004", known_program.appid)
    foreign = wechat.phone_code("o-used", "13800000004")
    api("post", "me/phone", {"code": code})
    Customer.objects.update(phone=None)

    for bad in (code, foreign, "nonsense"):
        answer = api("post", "me/phone", {"code": bad})
        assert (answer.status, answer.body["code"]) == (400, "bad_phone_code")
    assert Customer.objects.get(pk=customer.pk).phone is None


def test_a_header_naming_another_merchants_mini_program_is_refused(
    wechat: SandboxProcess, known_program: MiniProgram, customer: Customer
) -> None:
    stranger = MiniProgram.objects.create(
        merchant=Merchant.objects.create(name="别家", slug="b"), appid="wxstranger"
    )
    api = with_wechat(customer, known_program, "o-h")
    api.appid = stranger.appid

    assert api("post", "me/phone", {"code": "x"}).body["code"] == "merchant_unknown"


def test_phone_numbers_are_asked_for_ten_times_a_minute(
    wechat: SandboxProcess, known_program: MiniProgram, customer: Customer
) -> None:
    api = with_wechat(customer, known_program, "o-many")
    statuses = [api("post", "me/phone", {"code": "x"}).status for _ in range(11)]
    assert statuses == [400] * 10 + [429]


# -- secrets ------------------------------------------------------------------------------------


def test_no_secret_is_in_any_answer_or_any_log_record(
    wechat: SandboxProcess, known_program: MiniProgram, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for logger in ("wechatpy", "urllib3", "requests", "shop", "backend", "django.request"):
        caplog.set_level(logging.DEBUG, logger=logger)
    code = wechat.login_code(known_program.appid, "o-hidden-openid", "u-hidden-unionid")
    answers = [Api()("post", "auth/login", {"appid": known_program.appid, "code": code})]
    api = Api(answers[0].body["access"])
    answers.append(Api()("post", "auth/login", {"appid": known_program.appid, "code": code}))
    phone_code = wechat.phone_code("o-hidden-openid", "13899990001", known_program.appid)
    answers.append(api("post", "me/phone", {"code": phone_code}))
    answers.append(api("post", "me/phone", {"code": phone_code}))
    wechat.faults("getuserphonenumber", "busy")
    answers.append(api("post", "me/phone", {"code": phone_code}))
    answers.append(api("put", "me", {"nickname": "小满"}))
    answers += [api("get", path) for path in ("me", "me/center", "me/addresses", "favourites")]
    answers.append(api("delete", "me"))

    written = "\n".join(
        f"{record.getMessage()} {record.exc_text or ''} {record.args}" for record in caplog.records
    )
    for secret in (
        str(known_program.secret),
        "o-hidden-openid",
        "u-hidden-unionid",
        "13899990001",
        django_settings.SECRET_KEY,
    ):
        assert secret not in str([answer.body for answer in answers])
        assert secret not in written
    for only_logs in (code, phone_code, api.access):
        assert only_logs not in written
