"""What may stand in an address: a row's id, a number people see."""

from django.urls import register_converter
from django.urls.converters import StringConverter


class IdConverter:
    """A row's id, as a bigint can hold it."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


class NumberConverter(StringConverter):
    """The number of a purchase, an order or a trade; the token of a link."""

    regex = "[0-9A-Za-z_|*-]{6,32}"


register_converter(IdConverter, "id")
register_converter(NumberConverter, "number")
