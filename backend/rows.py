"""Model instances out of SQL written by hand.

For the few queries that every request makes: there the ORM takes longer to write a query down than
PostgreSQL to answer it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection, models, transaction

Converter = Callable[[Any, Any, Any], Any]


@functools.cache
def _fields(model: type[models.Model]) -> tuple[list[str], list[str], list[tuple[int, Converter]]]:
    """The model's attributes, their columns, and what turns some columns into values."""
    fields = model._meta.concrete_fields
    converters = [
        (place, converter)
        for place, field in enumerate(fields)
        for converter in field.get_db_converters(connection)
    ]
    return [f.attname for f in fields], [f.column for f in fields], converters


@functools.cache
def columns(model: type[models.Model], table: str) -> str:
    """What to select for a model, under this name of its table."""
    return ", ".join(f"{table}.{column}" for column in _fields(model)[1])


def read(
    sql: str, values: Mapping[str, Any] | Sequence[Any], *kinds: type[models.Model]
) -> list[tuple[Any, ...]]:
    """The rows of a query that selects `columns` of each model in turn: an instance of each."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    return [_instances(row, kinds) for row in rows]


def _instances(row: Sequence[Any], kinds: Sequence[type[models.Model]]) -> tuple[Any, ...]:
    found, start = [], 0
    for kind in kinds:
        names, _columns, converters = _fields(kind)
        values = list(row[start : start + len(names)])
        for place, converter in converters:
            values[place] = converter(values[place], None, connection)
        found.append(kind.from_db(connection.alias, names, values))
        start += len(names)
    return tuple(found)


def alone() -> contextlib.AbstractContextManager[Any]:
    """For one statement that may fail: it is a transaction by itself, without BEGIN and COMMIT;
    inside another it has a savepoint, so that its failure leaves the rest usable."""
    return transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
