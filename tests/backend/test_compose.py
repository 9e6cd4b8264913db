"""The compose file and the image, as far as they can be checked without Docker."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema

from backend.run import ROLES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_the_compose_file_follows_the_compose_schema(compose: dict[str, Any]) -> None:
    schema = get_builtin_schema("vendor.compose-spec")

    faults = list(jsonschema.Draft202012Validator(schema).iter_errors(compose))

    assert faults == []


def test_the_schema_would_notice_a_mistake(compose: dict[str, Any]) -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    wrong = compose | {"services": {"web": {"imagee": "x"}}}

    assert not jsonschema.Draft202012Validator(schema).is_valid(wrong)


def test_each_service_runs_a_role_of_the_start_script(compose: dict[str, Any]) -> None:
    ours = {name: s["command"] for name, s in compose["services"].items() if "build" in s}

    assert ours == {name: [name] for name in ("migrate", "web", "worker", "beat")}
    assert set(ours) - {"migrate"} <= set(ROLES)
    assert 'ENTRYPOINT ["python", "-m", "backend.run"]' in (ROOT / "Dockerfile").read_text()


def test_no_secret_stands_in_the_compose_file(compose: dict[str, Any]) -> None:
    web = compose["services"]["web"]["environment"]

    for name in ("SECRET_KEY", "ENCRYPTION_KEYS"):
        assert re.fullmatch(rf"\$\{{{name}:\?[^}}]+\}}", web[name])
    assert "${POSTGRES_PASSWORD:?" in web["DATABASE_URL"]
    assert web["ENVIRONMENT"] == "production"


def test_nothing_of_ours_runs_as_root(compose: dict[str, Any]) -> None:
    instructions = (ROOT / "Dockerfile").read_text().splitlines()

    users = [line for line in instructions if line.startswith("USER ")]
    assert users == ["USER shop"]
    assert instructions.index("USER shop") < instructions.index('CMD ["web"]')
    assert compose["services"]["web"]["cap_drop"] == ["ALL"]


def test_the_shop_waits_for_its_database_and_its_migrations(compose: dict[str, Any]) -> None:
    for name in ("web", "worker", "beat"):
        waits = compose["services"][name]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}
    for name in ("postgres", "redis"):
        assert compose["services"][name]["healthcheck"]["test"]
    assert compose["services"]["migrate"]["depends_on"]["postgres"] == {
        "condition": "service_healthy"
    }
