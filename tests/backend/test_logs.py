"""What is written down, and what never is."""

import json
import logging

import pytest
from django.test import Client

from backend import logs


def written(formatter: logging.Formatter, message: str) -> str:
    record = logging.LogRecord("shop", logging.INFO, __file__, 1, message, (), None)
    logs.RequestIdFilter().filter(record)
    return formatter.format(record)


@pytest.mark.parametrize("formatter", [logs.TextFormatter(), logs.ScrubbingJsonFormatter()])
@pytest.mark.parametrize(
    "person",
    ["13812345678", "+8613812345678", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "138123456789"[:11]],
)
def test_a_phone_or_an_openid_is_never_written(formatter: logging.Formatter, person: str) -> None:
    line = written(formatter, f"no such customer: {person}.")

    assert person not in line
    assert "no such customer: ***." in line


def test_what_postgresql_quotes_of_a_row_is_never_written() -> None:
    quoted = "duplicate key\nDETAIL:  Key (merchant_id, name)=(1, Zhang San) already exists."

    assert "Zhang San" not in written(logs.TextFormatter(), quoted)


def test_an_order_number_and_a_time_stay_readable() -> None:
    line = "order 20261120123456789012345678 at 1763650000000 of 19.90"

    assert line in written(logs.TextFormatter(), line)


def test_a_json_line_is_one_object_with_its_request() -> None:
    token = logs.request_id.set("req-12345678")

    found = json.loads(written(logs.ScrubbingJsonFormatter(), "paid"))

    logs.request_id.reset(token)
    assert found["message"] == "paid"
    assert found["level"] == "INFO"
    assert found["logger"] == "shop"
    assert found["request_id"] == "req-12345678"


def test_a_sane_request_id_is_kept_and_another_is_replaced(client: Client) -> None:
    kept = client.get("/api/docs/", headers={"x-request-id": "abc-12345678"})
    replaced = client.get("/api/docs/", headers={"x-request-id": "evil id\tforged=1"})

    assert kept["X-Request-ID"] == "abc-12345678"
    assert len(replaced["X-Request-ID"]) == 16


def test_an_access_line_has_no_query_string(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="backend.request"):
        client.get("/api/docs/?phone=13812345678&code=secret")

    (line,) = [r.getMessage() for r in caplog.records if r.name == "backend.request"]
    assert line.startswith("GET /api/docs/ 200 ")
