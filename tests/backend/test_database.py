"""Connections that are kept, and rows that go around the ORM."""

import secrets
import select

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backend import rows
from backend.database.base import DatabaseWrapper
from shop.models import Merchant, MiniProgram, Store
from tests.shop.conftest import open_shop

WORD = secrets.token_hex(8)

pytestmark = pytest.mark.django_db(transaction=True)


def a_request_begins() -> None:
    """What Django does to a kept connection at the first query of a request."""
    connection.close_if_unusable_or_obsolete()
    vars(connections["default"])["health_check_enabled"] = True


def test_a_server_that_restarted_costs_no_request() -> None:
    open_shop()
    a_request_begins()
    assert Merchant.objects.count() == 1

    with psycopg.connect(_address()) as other:
        other.execute(
            "SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid]
        ).fetchone()
    news = select.poll()
    news.register(connection.connection.fileno(), select.POLLIN)
    assert news.poll(10_000)  # the server's farewell has arrived
    a_request_begins()

    assert Merchant.objects.count() == 1


def _address() -> str:
    told = connection.get_connection_params()
    parts = {"dbname": told["dbname"], "user": told["user"], "host": told["host"]}
    if told.get("password"):
        parts["password"] = told["password"]
    if told.get("port"):
        parts["port"] = told["port"]
    return psycopg.conninfo.make_conninfo(**parts)


def test_a_busy_connection_is_not_asked_before_each_request() -> None:
    _merchant, program = open_shop()
    shopper = Client(headers={"X-WX-Appid": program.appid})
    shopper.get("/api/v1/products")
    a_request_begins()

    with CaptureQueriesContext(connection) as queries:
        shopper.get("/api/v1/products")

    assert [query["sql"] for query in queries if query["sql"] == "SELECT 1"] == []


def test_rows_read_by_hand_are_what_the_orm_would_give() -> None:
    merchant, program = open_shop()

    ((found, of),) = rows.read(
        "SELECT {p}, {m} FROM shop_miniprogram p JOIN shop_merchant m ON m.id = p.merchant_id"
        " WHERE p.appid = %s",
        [program.appid],
        p=MiniProgram,
        m=Merchant,
    )

    for ours, theirs in ((found, MiniProgram.objects.get()), (of, Merchant.objects.get())):
        for field in theirs._meta.concrete_fields:
            value = getattr(ours, field.attname)
            assert value == getattr(theirs, field.attname)
            assert type(value) is type(getattr(theirs, field.attname))
    assert found.secret == program.secret
    assert of == merchant


def test_rows_written_by_hand_are_what_the_orm_reads() -> None:
    merchant, _program = open_shop()
    keys = rows.keys(shop_store=2, shop_miniprogram=0)
    assert keys["shop_miniprogram"] == []
    made = [
        Store(pk=key, merchant=merchant, name="总店", code=f"c{key}", hours=[[["09:00", "21:00"]]])
        for key in keys["shop_store"]
    ]
    program = MiniProgram(merchant=merchant, appid="wx-another", secret=WORD)

    with CaptureQueriesContext(connection) as queries:
        rows.insert(*made, program)

    assert len(queries) == 1
    assert list(Store.objects.order_by("pk").values_list("pk", "hours")) == [
        (key, [[["09:00", "21:00"]]]) for key in sorted(keys["shop_store"])
    ]
    assert MiniProgram.objects.get(appid="wx-another").secret == WORD


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_database_that_isolates_more_is_refused_in_words(level: str) -> None:
    told = {**connection.settings_dict}
    escaped = level.replace(" ", "\\ ")
    told["OPTIONS"] = {
        **told["OPTIONS"],
        "options": f"-c default_transaction_isolation={escaped}",
    }

    with pytest.raises(ImproperlyConfigured, match=level):
        DatabaseWrapper(told).connect()
