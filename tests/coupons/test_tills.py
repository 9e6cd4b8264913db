"""A till's requests: signed, fresh, believed once; the same request id answered alike for ever."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import time
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coupons import counter, tills
from coupons.models import Coupon, Redemption, Till, TillNonce
from coupons.tasks import forget_nonces
from shop.models import Customer, Merchant, Store
from tests.backend import desk
from tests.orders.makers import coupon, shopper
from tests.orders.test_races import at_once
from tests.shop import goods
from tests.shop.conftest import open_shop

pytestmark = pytest.mark.django_db(transaction=True)

_nonces = itertools.count(1)
PATH = "/api/v1/till/redemptions"


@pytest.fixture
def merchant(transactional_db: None) -> Merchant:
    return open_shop()[0]


@pytest.fixture
def customer(merchant: Merchant) -> Customer:
    return shopper(merchant)


class Machine:
    """A till, as somebody else's programmer writes it."""

    def __init__(self, store: Store) -> None:
        self.till = Till(merchant_id=store.merchant_id, store=store, name="一号机")
        self.secret = tills.equip(self.till)
        self.till.save()

    def signed(self, method: str, path: str, body: bytes, **said: str) -> dict[str, str]:
        """The headers of a request, some of them wrong."""
        timestamp = said.get("timestamp", str(int(time.time())))
        nonce = said.get("nonce", f"nonce-{next(_nonces):06}")
        signature = tills.signature(
            said.get("secret", self.secret), method, path, timestamp, nonce, body
        )
        return {
            "X-Till-Key": said.get("key", self.till.key),
            "X-Till-Timestamp": timestamp,
            "X-Till-Nonce": nonce,
            "X-Till-Signature": said.get("signature", signature),
        }

    def __call__(self, path: str, said: Any = None, **headers: str) -> Any:
        body = b"" if said is None else json.dumps(said).encode()
        return send(path, body, self.signed("POST", path, body, **headers))


def send(path: str, body: bytes, headers: dict[str, str]) -> Any:
    return Client().post(path, body, content_type="application/json", headers=headers)


@pytest.fixture
def till(merchant: Merchant) -> Machine:
    return Machine(goods.default_store(merchant))


def asked(one: Coupon, request: str = "request-1", bill: int = 5000) -> dict[str, Any]:
    code, _ends = counter.code_of(one, timezone.now())
    return {"code": code, "bill_fen": bill, "request_id": request}


def status(one: Coupon) -> str:
    one.refresh_from_db()
    return one.status


def test_a_till_looks_redeems_and_undoes(customer: Customer, till: Machine) -> None:
    one = coupon(customer)
    said = asked(one)
    look = {name: said[name] for name in ("code", "bill_fen")}

    seen = till(f"{PATH}/look", look)
    assert (seen.status_code, seen.json()["saved_fen"], status(one)) == (200, 300, "claimed")
    done = till(PATH, said)
    assert (done.status_code, status(one)) == (201, "used")
    made = Redemption.objects.get()
    assert (made.till, made.store, made.by) == (
        till.till, till.till.store, f"till {till.till.pk}",
    )  # fmt: skip
    undone = till(f"{PATH}/{done.json()['number']}/undo")
    assert (undone.status_code, status(one)) == (200, "claimed")


def test_the_signature_is_what_the_document_says(till: Machine) -> None:
    """Computed here by hand, from the words of `coupons.tills`."""
    import hashlib
    import hmac

    body = b'{"code": "1"}'
    text = f"POST\n{PATH}\n1800000000\nabcdefgh\n{hashlib.sha256(body).hexdigest()}"
    expected = hmac.new(b"secret", text.encode(), "sha256").hexdigest()

    assert tills.signature("secret", "POST", PATH, "1800000000", "abcdefgh", body) == expected


def test_the_answer_was_lost_and_the_till_asks_again(customer: Customer, till: Machine) -> None:
    one = coupon(customer)
    said = asked(one)

    answers = [till(PATH, said) for _n in range(3)]
    Redemption.objects.update(at=timezone.now() - dt.timedelta(days=400))
    years_later = till(PATH, said)

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert years_later.json() | {"at": ""} == answers[0].json() | {"at": ""}
    assert Redemption.objects.count() == 1
    other = till(PATH, said | {"bill_fen": 6000})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "0" * 64}, {"signature": ""}, {"signature": "0" * 64}, {"signature": "签"},
        {"key": "till_0000000000000000"}, {"key": ""}, {"key": "'--"},
        {"timestamp": "now"}, {"timestamp": ""}, {"timestamp": "-1800000000"},
        {"timestamp": "1" * 40}, {"nonce": ""}, {"nonce": "short"}, {"nonce": "x" * 65},
        {"nonce": "with space"},
    ],
)  # fmt: skip
def test_a_bad_signature_is_refused_and_tells_nothing(
    wrong: dict[str, str], customer: Customer, till: Machine
) -> None:
    one = coupon(customer)
    wrong = {name: value.encode().decode("latin-1") for name, value in wrong.items()}

    answer = till(PATH, asked(one), **wrong)

    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert "detail" not in answer.json()
    assert status(one) == "claimed"
    assert not TillNonce.objects.exists()


@pytest.mark.parametrize("what", ["method", "path", "body", "query"])
def test_what_is_signed_is_all_of_it(what: str, customer: Customer, till: Machine) -> None:
    one = coupon(customer)
    body = json.dumps(asked(one)).encode()
    headers = till.signed(
        "PUT" if what == "method" else "POST",
        f"{PATH}/look" if what == "path" else PATH,
        body + b" " if what == "body" else body,
    )

    answer = send(f"{PATH}?x=1" if what == "query" else PATH, body, headers)

    assert answer.status_code == 401
    assert status(one) == "claimed"


@pytest.mark.parametrize("seconds", [-301, 301, -86400])
def test_an_old_timestamp_is_stale(seconds: int, customer: Customer, till: Machine) -> None:
    answer = till(PATH, asked(coupon(customer)), timestamp=str(int(time.time()) + seconds))

    assert (answer.status_code, answer.json()["code"]) == (401, "stale_request")
    assert not Redemption.objects.exists()


def test_a_request_that_was_overheard_is_believed_once(customer: Customer, till: Machine) -> None:
    one = coupon(customer)
    body = json.dumps(asked(one)).encode()
    headers = till.signed("POST", PATH, body)

    first, second = send(PATH, body, headers), send(PATH, body, headers)

    assert (first.status_code, second.status_code) == (201, 401)
    assert second.json()["code"] == "stale_request"


def test_sent_many_times_at_once_it_is_believed_once(till: Machine) -> None:
    body = b"{}"
    headers = till.signed("POST", PATH, body)
    said: dict[str, Any] = {
        "key": headers["X-Till-Key"], "timestamp": headers["X-Till-Timestamp"],
        "nonce": headers["X-Till-Nonce"], "signed": headers["X-Till-Signature"],
        "method": "POST", "path": PATH, "body": body,
    }  # fmt: skip

    assert at_once([partial(tills.verify, **said)] * 8, hands=8) == {
        "done": 1, "stale_request": 7,
    }  # fmt: skip


def test_nonces_are_kept_as_long_as_they_could_be_sent_again(till: Machine) -> None:
    def used(minutes: int) -> TillNonce:
        at = timezone.now() - dt.timedelta(minutes=minutes)
        return TillNonce.objects.create(till=till.till, nonce=f"{minutes:08}", at=at)

    kept, _old = used(10), used(16)
    forget_nonces()

    assert list(TillNonce.objects.all()) == [kept]


@pytest.mark.parametrize("why", ["till", "store", "merchant"])
def test_a_till_out_of_use_is_nobody(why: str, customer: Customer, till: Machine) -> None:
    model: Any = {"till": Till, "store": Store, "merchant": Merchant}[why]
    model.objects.update(is_active=False)

    assert till(PATH, asked(coupon(customer))).status_code == 401


def test_a_till_sees_its_own_store_alone(
    merchant: Merchant, customer: Customer, till: Machine
) -> None:
    other = Machine(Store.objects.create(merchant=merchant, name="静安店", code="B"))
    theirs = Machine(goods.default_store(open_shop("乙")[0]))
    number = till(PATH, asked(coupon(customer))).json()["number"]

    assert other(f"{PATH}/{number}/undo").status_code == 404
    assert theirs(f"{PATH}/{number}/undo").status_code == 404
    assert theirs(PATH, asked(coupon(customer), "request-2")).status_code == 404


def test_a_till_counts_its_own_requests(merchant: Merchant, customer: Customer) -> None:
    store = goods.default_store(merchant)
    machines = Machine(store), Machine(store)

    answers = [machine(PATH, asked(coupon(customer))).status_code for machine in machines]

    assert answers == [201, 201]


def test_who_guesses_signatures_locks_out_nobody_else(customer: Customer, till: Machine) -> None:
    answers = [
        till(PATH, asked(coupon(customer)), key=f"till_{n:016}").status_code for n in range(70)
    ]

    assert answers == [401] * 60 + [429] * 10
    assert till(PATH, asked(coupon(customer))).status_code == 201


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "bill_fen", "request_id", "x"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    body=st.binary(max_size=200) | JSON.map(lambda said: json.dumps(said).encode()),
    headers=st.dictionaries(
        st.sampled_from(["key", "timestamp", "nonce", "signature"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80),
        max_size=3,
    ),
)
def test_whatever_is_sent_is_answered_and_redeems_nothing(
    till: Machine, body: bytes, headers: dict[str, str]
) -> None:
    answer = send(PATH, body, till.signed("POST", PATH, body, **headers))

    assert answer.status_code in {400, 401, 404, 409, 422, 429}
    assert answer.json()["code"]
    assert not Redemption.objects.exists()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seconds=st.integers(-900, 900),
    nonce=st.sampled_from(["nonce-aaaa", "nonce-bbbb", "nonce-cccc"]),
    flipped=st.none() | st.sampled_from(["body", "signature", "nonce", "timestamp"]),
)
def test_a_coupon_is_redeemed_exactly_when_all_of_a_request_is_right(
    customer: Customer, till: Machine, seconds: int, nonce: str, flipped: str | None
) -> None:
    one = coupon(customer)
    replayed = TillNonce.objects.filter(nonce=nonce).exists()
    body = json.dumps(asked(one, f"request-{one.pk}")).encode()
    timestamp = str(int(time.time()) + seconds)
    headers = till.signed("POST", PATH, body, timestamp=timestamp, nonce=nonce)
    if flipped == "body":
        body = body.replace(b"5000", b"5001")
    elif flipped:
        name = f"X-Till-{flipped.title()}"
        last = headers[name][-1]
        headers[name] = headers[name][:-1] + ("1" if last != "1" else "2")

    answer = send(PATH, body, headers)

    # At the very edge the second may have passed.
    right = flipped is None and not replayed and abs(seconds) < 299
    wrong = flipped is not None or replayed or abs(seconds) > 301
    if right or wrong:
        assert (answer.status_code == 201) is right, answer.content
        assert status(one) == ("used" if right else "claimed")


def test_the_desk_shows_a_secret_once(transactional_db: None) -> None:
    ours = desk.open_shop("Ours")
    client, page = ours.owner, desk.address(Till, "add")
    said = desk.filled(client.get(page)) | {"name": "No. 1", "store": ours.one(Store).pk}

    assert client.post(page, said).status_code == 302
    made = Till.objects.get(name="No. 1")
    told = client.get(desk.address(Till, "changelist")).content.decode()
    assert str(made.secret) in told
    assert made.key in told
    for again in (desk.address(Till, "changelist"), desk.address(Till, "change", made.pk)):
        assert str(made.secret) not in client.get(again).content.decode()
