"""The OpenAPI document shows an example of everything that is sent and answered."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

DOCUMENT: Any = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_call_has_examples_and_says_what_it_does(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    good = [body for code, body in operation["responses"].items() if code.startswith("2")]
    answers = [media for body in good for media in body.get("content", {}).values()]
    assert all("examples" in media for media in answers)
    sent = operation.get("requestBody", {}).get("content", {})
    assert all("examples" in media for kind, media in sent.items() if kind == "application/json")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_refusal_names_its_codes(operation: dict[str, Any]) -> None:
    refusals = {c: b for c, b in operation["responses"].items() if c >= "400"}
    assert {"400", "405"} <= set(refusals)
    for status, body in refusals.items():
        (media,) = body["content"].values()
        codes = {example["value"]["code"] for example in media["examples"].values()}
        assert codes, status
