"""Whatever is sent, nothing breaks, and nothing comes back that the OpenAPI document doesn't say.

Schemathesis makes requests up from the document, fitting ones and twisted ones; half of them are
given rows that exist, so that they get past the door. `CONTRACT_EXAMPLES=500 make test
ARGS=tests/test_contract.py` looks longer than CI does.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backend import redis
from orders.models import Order
from shop import login
from shop.models import Address, CartLine, Customer, Identity, PayAccount
from tests.orders import makers
from tests.sandbox import SandboxProcess
from tests.shop.conftest import china, open_shop, register, running_wechat, wechat  # noqa: F401

EXAMPLES: Final = int(os.environ.get("CONTRACT_EXAMPLES", "12"))
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


def _all() -> Any:
    return document.get_all_operations()


document = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())
OPERATIONS: Final[list[Any]] = [found.ok() for found in _all()]


@pytest.fixture
def known(
    db: None,
    china: None,  # noqa: F811
    wechat: SandboxProcess,  # noqa: F811
    settings: Settings,
) -> Iterator[dict[str, Any]]:
    """A value for each name that a path or a body may ask for, and who is signed in."""
    settings.WECHAT_PAY_BASE_URL = wechat.base_url
    merchant, program = open_shop()
    register(wechat, program)
    PayAccount.objects.create(
        merchant=merchant, appid=program.appid, **_account(wechat, program.appid)
    )
    customer = makers.shopper(merchant)
    Identity.objects.create(
        merchant=merchant,
        customer=customer,
        appid=program.appid,
        openid="o-contract",
        signed_in_at=timezone.now(),
    )
    wechat.login_code(appid=program.appid, openid="o-contract")
    shelf = makers.shelf(merchant)
    coupon, template = makers.coupon(customer), makers.template(merchant)
    line = CartLine.objects.create(
        merchant=merchant, customer=customer, sku=shelf.sku, store=shelf.store, quantity=1
    )
    purchase = makers.place(customer, (shelf, 1), payable=1000, coupons=[])
    # What Django does between requests would close the connection that this test's rows are on.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {
        "customer": customer,
        "appid": program.appid,
        "sku": shelf.sku_id,
        "store": shelf.store_id,
        "product": shelf.sku.product_id,
        "address": Address.objects.get(customer=customer).pk,
        "coupon": coupon.pk,
        "template": template.pk,
        "line": line.pk,
        "purchase": purchase.number,
        "order": Order.objects.get(purchase=purchase).number,
        "payable_fen": 1000,
    }
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _account(wechat: SandboxProcess, appid: str) -> dict[str, str]:  # noqa: F811
    accounts = wechat.call("GET", "accounts")["accounts"]
    (found,) = [account for account in accounts if account["appid"] == appid]
    return {"mch_id": found["mch_id"], "api_key": found["api_key"]}


# What `{id}` or `{number}` means in a path, by the word before it.
_IN_PATH: Final = {
    "products": "product",
    "stores": "store",
    "addresses": "address",
    "coupon-templates": "template",
    "coupons": "coupon",
    "items": "line",
    "purchases": "purchase",
    "orders": "order",
    "favourites": "product",
}


def real(case: Any, known: dict[str, Any]) -> None:
    """Put rows that exist into a made-up request."""
    words = case.operation.path.split("/")
    for before, word in itertools.pairwise(words):
        name = word.strip("{}")
        if name != word and before in _IN_PATH and case.path_parameters:
            case.path_parameters[name] = known[_IN_PATH[before]]
    _fill(case.body, known)
    for name in ("store", "category", "product"):
        if isinstance(case.query, dict) and name in case.query and name in known:
            case.query[name] = known[name]


def _fill(value: Any, known: dict[str, Any]) -> None:
    if isinstance(value, list):
        for one in value:
            _fill(one, known)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in known and not isinstance(inner, dict | list):
                value[name] = known[name]
            elif name == "coupons" and isinstance(inner, list):
                value[name] = [known["coupon"]] * min(1, len(inner))
            else:
                _fill(inner, known)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: found.label)
def test_whatever_is_sent_is_answered_as_the_document_says(
    operation: Any, mode: GenerationMode, known: dict[str, Any]
) -> None:
    if mode not in _modes(operation):
        return
    memory = redis.client()

    @effort(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode),
        exists=st.booleans(),
        signed_in=st.sampled_from(["yes", "yes", "yes", "no", "garbage"]),
    )
    def send(case: Any, exists: bool, signed_in: str) -> None:  # noqa: FBT001
        memory.flushdb()  # limits are another test's matter
        if exists:
            real(case, known)
        headers = dict(case.headers or {}) | {"X-WX-Appid": known["appid"]}
        headers.pop("Authorization", None)
        if signed_in == "yes":
            customer = Customer.objects.get(pk=known["customer"].pk)
            token = login.access_token(customer, at=timezone.now())
            headers["Authorization"] = f"Bearer {token}"
        elif signed_in == "garbage":
            headers["Authorization"] = "Bearer a.b.c"
        case.headers = headers
        response = case.call()
        case.validate_response(response, checks=list(CHECKS))

    send()


def _modes(operation: Any) -> list[GenerationMode]:
    """A request that takes nothing can't be twisted."""
    takes = operation.body or operation.query or operation.path_parameters
    return list(GenerationMode) if takes else [GenerationMode.POSITIVE]
