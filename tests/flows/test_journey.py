"""The main job with the real processes, over HTTP: web, worker, beat and WeChat's sandbox."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from backend import buy, embedded
from tests.backend.test_run import Run

pytestmark = pytest.mark.flow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    started = Run(tmp_path_factory.mktemp("flow") / "data")
    started.open()
    yield started
    started.stop()
    assert started.family() == []


@pytest.fixture
def database(run: Run) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(embedded.database_url(run.data_dir), autocommit=True) as connection:
        yield connection


@pytest.fixture
def shopper(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buy, "SHOP", f"http://127.0.0.1:{run.port}")
    monkeypatch.setattr(buy, "SANDBOX", f"http://127.0.0.1:{run.sandbox_port}")


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def books(run: Run) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{run.sandbox_port}/_sandbox/books") as answer:
        return json.load(answer)


def keeps_its_promises(database: psycopg.Connection[tuple[Any, ...]]) -> None:
    """What must hold for every row, whatever was done before."""
    broken = {
        "stock is the sum of its movements": """
            SELECT s.id FROM shop_stock s LEFT JOIN shop_stockmovement m ON m.stock_id = s.id
            GROUP BY s.id HAVING s.available <> coalesce(sum(m.available_delta), 0)
                OR s.held <> coalesce(sum(m.held_delta), 0)""",
        "a purchase is the sum of its orders": """
            SELECT p.id FROM orders_purchase p JOIN orders_order o ON o.purchase_id = p.id
            GROUP BY p.id HAVING p.payable_fen <> sum(o.payable_fen)
                OR p.discount_fen <> sum(o.discount_fen)""",
        "an order is the sum of its lines": """
            SELECT o.id FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id
            GROUP BY o.id HAVING o.goods_fen <> sum(l.goods_fen)
                OR o.payable_fen <> sum(l.payable_fen) + o.freight_fen""",
        "a template gave what lies in wallets": """
            SELECT t.id FROM coupons_coupontemplate t LEFT JOIN coupons_coupon c
            ON c.template_id = t.id GROUP BY t.id HAVING t.given <> count(c.id)""",
        "money that paid nothing is going back": """
            SELECT y.id FROM payments_payment y JOIN orders_purchase p ON p.id = y.purchase_id
            WHERE y.status = 'succeeded' AND p.paid_by_id IS DISTINCT FROM y.id
                AND y.refund_reserved_fen <> y.amount_fen""",
    }
    for promise, sql in broken.items():
        assert database.execute(sql).fetchall() == [], promise


def test_a_shopper_signs_in_claims_orders_and_pays(
    run: Run, shopper: None, database: psycopg.Connection[tuple[Any, ...]]
) -> None:
    number = buy.buy()

    status, payable, transaction = database.execute(
        "SELECT status, payable_fen, transaction_id FROM orders_purchase WHERE number = %s",
        [number],
    ).fetchall()[0]
    assert status == "paid"
    trade = next(t for t in books(run)["trades"] if t["transaction_id"] == transaction)
    assert (trade["state"], trade["total_fee"], trade["refunded_fee"]) == ("SUCCESS", payable, 0)
    keeps_its_promises(database)


def test_the_worker_killed_between_payment_and_settlement_loses_nothing(
    run: Run,
    shopper: None,
    database: psycopg.Connection[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buy, "PATIENCE", 90.0)
    run.named("worker").kill()

    buy.buy()

    keeps_its_promises(database)


def test_a_purchase_nobody_pays_is_closed_by_the_clock(
    run: Run, shopper: None, database: psycopg.Connection[tuple[Any, ...]]
) -> None:
    someone = buy.Shopper()
    code = someone.sandbox("login-code", {"appid": buy.APPID})["code"]
    tokens = someone.shop("POST", "auth/login", {"appid": buy.APPID, "code": code})
    someone.headers["Authorization"] = f"Bearer {tokens['access']}"
    where = {"province": "浙江省", "city": "杭州市", "district": "西湖区", "detail": "文三路 1 号"}
    someone.shop("POST", "me/addresses", {"receiver": "小满", "phone": "13800000000", **where})
    sku, _product = buy.buyable(someone)
    items = {"items": [{"sku": sku, "quantity": 1}]}
    quote = someone.shop("POST", "purchases/quote", items)
    placed = someone.shop("POST", "purchases", {**items, "payable_fen": quote["payable_fen"]})
    someone.shop("POST", f"purchases/{placed['number']}/pay", {})

    database.execute(
        "UPDATE orders_purchase SET expires_at = now() - interval '5 minutes' WHERE number = %s",
        [placed["number"]],
    )
    wait_until(lambda: _trade_closed(database, placed["number"]))

    after = someone.shop("GET", f"purchases/{placed['number']}")
    assert (after["status"], after["close_reason"]) == ("closed", "expired")
    keeps_its_promises(database)


def _trade_closed(database: psycopg.Connection[tuple[Any, ...]], number: str) -> bool:
    rows = database.execute(
        "SELECT y.status FROM payments_payment y JOIN orders_purchase p ON p.id = y.purchase_id"
        " WHERE p.number = %s",
        [number],
    ).fetchall()
    return rows == [("closed",)]
