"""Model instances out of SQL written by hand, and into it.

For the few statements that every request or every order makes: there the ORM takes longer to write
a statement down than PostgreSQL to answer it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models, transaction

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


def keys(**how_many: int) -> dict[str, list[int]]:
    """New primary keys by table: so rows that refer to one another are written in one statement."""
    wanted = {table: count for table, count in how_many.items() if count}
    one = "SELECT %s, nextval(%s) FROM generate_series(1, %s)"
    values = [
        value for table, count in wanted.items() for value in (table, f"{table}_id_seq", count)
    ]
    found: dict[str, list[int]] = {table: [] for table in how_many}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([one] * len(wanted)), values)
        for table, key in cursor.fetchall():
            found[table].append(key)
    return found


def insert(*made: models.Model) -> None:
    """Write new rows of any models in one statement. Those without a key don't learn theirs."""
    db = connections[DEFAULT_DB_ALIAS]
    together: dict[tuple[type[models.Model], bool], list[models.Model]] = {}
    for row in made:
        together.setdefault((type(row), row.pk is not None), []).append(row)
    statements, values = [], []
    for (model, has_key), rows in together.items():
        fields = [f for f in model._meta.concrete_fields if has_key or not f.primary_key]
        names = ", ".join(str(field.column) for field in fields)
        places = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * len(rows))
        statements.append(f"INSERT INTO {model._meta.db_table} ({names}) VALUES {places}")  # noqa: S608
        for row in rows:
            values += [field.get_db_prep_save(field.pre_save(row, True), db) for field in fields]  # noqa: FBT003
            row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    *others, last = statements
    named = ", ".join(f"w{number} AS ({sql})" for number, sql in enumerate(others))
    with db.cursor() as cursor:
        cursor.execute(f"WITH {named} {last}" if others else last, values)


def alone() -> contextlib.AbstractContextManager[Any]:
    """For one statement that may fail: it is a transaction by itself, without BEGIN and COMMIT;
    inside another it has a savepoint, so that its failure leaves the rest usable."""
    return transaction.atomic() if connection.in_atomic_block else contextlib.nullcontext()
