"""Model instances out of SQL written by hand, and into it.

For the few statements that every request or every order makes: there the ORM takes longer to write
a statement down than PostgreSQL to answer it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, models, transaction

Converter = Callable[[Any, Any, Any], Any]


@functools.cache
def _fields(model: type[models.Model]) -> tuple[list[str], list[tuple[int, Converter]]]:
    """The model's attributes, and what turns some columns into values."""
    fields = model._meta.concrete_fields
    converters = [
        (place, converter)
        for place, field in enumerate(fields)
        for converter in field.get_db_converters(connection)
    ]
    return [field.attname for field in fields], converters


@functools.cache
def _with_columns(sql: str, **kinds: type[models.Model]) -> str:
    return sql.format(
        **{
            table: ", ".join(f"{table}.{field.column}" for field in model._meta.concrete_fields)
            for table, model in kinds.items()
        }
    )


def read(
    sql: str, values: Mapping[str, Any] | Sequence[Any], **kinds: type[models.Model]
) -> list[tuple[Any, ...]]:
    """The rows of a query, as an instance of each model.

    The query selects `{c}` where `c=Customer` is asked for: the customer's columns, of the table
    that it calls c. The models are named in the order they are selected in.
    """
    with connection.cursor() as cursor:
        cursor.execute(_with_columns(sql, **kinds), values)
        rows = cursor.fetchall()
    return [_instances(row, kinds.values()) for row in rows]


def _instances(row: Sequence[Any], kinds: Iterable[type[models.Model]]) -> tuple[Any, ...]:
    found, start = [], 0
    for kind in kinds:
        names, converters = _fields(kind)
        values = list(row[start : start + len(names)])
        for place, converter in converters:
            values[place] = converter(values[place], None, connection)
        found.append(kind.from_db(connection.alias, names, values))
        start += len(names)
    return tuple(found)


@functools.cache
def _insert_sql(model: type[models.Model]) -> tuple[str, list[models.Field[Any, Any]]]:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(str(field.column) for field in fields)
    return f"INSERT INTO {model._meta.db_table} ({names}) VALUES ", fields  # noqa: S608


def insert(made: Sequence[models.Model]) -> None:
    """Write new instances of one model in one statement, in order, and give them their keys."""
    if not made:
        return
    sql, fields = _insert_sql(type(made[0]))
    one = f"({', '.join(['%s'] * len(fields))})"
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for row in made
        for field in fields
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"{sql}{', '.join([one] * len(made))} RETURNING id", values)
        for row, (pk,) in zip(made, cursor.fetchall(), strict=True):
            row.pk = pk
            row._state.adding, row._state.db = False, connection.alias


def alone() -> contextlib.AbstractContextManager[Any]:
    """For one statement that may fail: it is a transaction by itself, without BEGIN and COMMIT;
    inside another it has a savepoint, so that its failure leaves the rest usable."""
    return transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
