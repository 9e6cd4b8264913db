"""Settings come from the environment, are all listed, and a careless production doesn't start."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "k7Gq0vXz" * 8,
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "ALLOWED_HOSTS": "shop.example.com",
    "PUBLIC_BASE_URL": "https://shop.example.com",
    "DATABASE_URL": "postgresql://shop:pw@db:5432/shop",
    "REDIS_URL": "redis://redis:6379/0",
}


def read_settings(expression: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a fresh process makes of this environment and no other."""
    program = f"from django.conf import settings; print({expression})"
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.defpath, "DJANGO_SETTINGS_MODULE": "backend.settings"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={"PATH": os.defpath} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_variable_the_settings_read_is_in_the_example_and_the_other_way_round() -> None:
    read = set(re.findall(r"env\w*\(\s*\"([A-Z_]+)\"", (ROOT / "backend/settings.py").read_text()))
    example = (ROOT / ".env.example").read_text()
    composed = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))

    listed = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))

    assert listed - {"POSTGRES_PASSWORD"} == read
    assert composed - {"SHOP_IMAGE"} <= listed


def test_a_careful_production_starts() -> None:
    answer = read_settings("settings.ENVIRONMENT, settings.DEBUG", **GOOD)

    assert answer.stdout == "production False\n", answer.stderr


def test_an_environment_that_says_nothing_is_a_production_and_hears_every_fault_at_once() -> None:
    answer = manage("check")

    assert answer.returncode == 1
    assert [line.split()[0] for line in answer.stderr.splitlines()] == [
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "ENCRYPTION_KEYS",
        "DATABASE_URL",
        "REDIS_URL",
        "PUBLIC_BASE_URL",
    ]
    assert all("set it to" in line for line in answer.stderr.splitlines())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is not set"),
        ("SECRET_KEY", "django-insecure-" + "x" * 50, "SECRET_KEY is short or well known"),
        ("SECRET_KEY", "short", "SECRET_KEY is short or well known"),
        ("DEBUG", "true", "DEBUG is on"),
        ("ALLOWED_HOSTS", "*", "ALLOWED_HOSTS is open"),
        ("ALLOWED_HOSTS", "shop.example.com,*", "ALLOWED_HOSTS is open"),
        ("ALLOWED_HOSTS", "", "ALLOWED_HOSTS is empty"),
        ("ENCRYPTION_KEYS", "", "ENCRYPTION_KEYS is not set"),
        ("ENCRYPTION_KEYS", "abc", "ENCRYPTION_KEYS has an entry"),
        ("PUBLIC_BASE_URL", "http://shop.example.com", "PUBLIC_BASE_URL is not"),
        ("PUBLIC_BASE_URL", "https://localhost", "PUBLIC_BASE_URL is not"),
        ("WECHAT_API_BASE_URL", "http://api.weixin.qq.com/", "WECHAT_API_BASE_URL is a sandbox"),
        ("WECHAT_API_BASE_URL", "https://127.0.0.1:8001/", "WECHAT_API_BASE_URL is a sandbox"),
        ("WECHAT_PAY_BASE_URL", "https://localhost:8001/", "WECHAT_PAY_BASE_URL is a sandbox"),
        ("WECHAT_PAY_BASE_URL", "https://[::1]:8001/", "WECHAT_PAY_BASE_URL is a sandbox"),
        ("WECHAT_PAY_BASE_URL", "https://sandbox:8443/", "WECHAT_PAY_BASE_URL is a sandbox"),
    ],
)
def test_a_careless_production_does_not_start(name: str, value: str, says: str) -> None:
    answer = manage("check", **(GOOD | {name: value}))

    assert answer.returncode == 1
    assert answer.stderr.startswith(says)
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEBUG", "perhaps"), ("PORT", "-1"), ("ENVIRONMENT", "staging"), ("LOG_FORMAT", "xml")],
)
def test_a_value_that_makes_no_sense_is_named(name: str, value: str) -> None:
    answer = manage("check", **(GOOD | {name: value}))

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"{name}: {value} is ")


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("f" * 60 + "\n")
    without = {name: value for name, value in GOOD.items() if name != "SECRET_KEY"}

    answer = read_settings("settings.SECRET_KEY", SECRET_KEY_FILE=str(secret), **without)

    assert answer.stdout == "f" * 60 + "\n", answer.stderr


def test_a_development_makes_its_secrets_once_and_keeps_them_to_itself(tmp_path: Path) -> None:
    environment = {"ENVIRONMENT": "development", "DATA_DIR": str(tmp_path)}
    first = read_settings("settings.SECRET_KEY, settings.ENCRYPTION_KEYS", **environment)

    second = read_settings("settings.SECRET_KEY, settings.ENCRYPTION_KEYS", **environment)

    assert first.stdout == second.stdout != ""
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"secret_key": 0o600, "encryption_key": 0o600}


def test_a_development_talks_to_the_sandbox_and_a_production_to_wechat(tmp_path: Path) -> None:
    both = "settings.WECHAT_API_BASE_URL, settings.WECHAT_PAY_BASE_URL"

    development = read_settings(
        both, ENVIRONMENT="development", DATA_DIR=str(tmp_path), SANDBOX_PORT="8123"
    )
    production = read_settings(both, **GOOD)

    assert development.stdout == "http://127.0.0.1:8123/ http://127.0.0.1:8123/\n"
    assert production.stdout == "https://api.weixin.qq.com/ https://api.mch.weixin.qq.com/\n"


@pytest.mark.parametrize("role", ["sandbox", "all"])
def test_a_production_does_not_start_the_sandbox(role: str) -> None:
    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "backend.run", role],
        cwd=ROOT,
        env={"PATH": os.defpath} | GOOD,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"{role} is for development")


def test_a_folder_where_no_secret_can_be_kept_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    answer = manage("check", ENVIRONMENT="development", DATA_DIR=str(tmp_path / "file"))

    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1
    assert "set DATA_DIR" in answer.stderr
