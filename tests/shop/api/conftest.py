import pytest
from django.urls import register_converter
from django.urls.converters import IntConverter, get_converters
from pytest_django import Settings


class _Id(IntConverter):
    regex = "[0-9]{1,18}"


if "id" not in get_converters():
    register_converter(_Id, "id")


@pytest.fixture(autouse=True)
def own_routes(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.shop.urls"
