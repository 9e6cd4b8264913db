"""Secrets at rest move to the first of ENCRYPTION_KEYS, so that an old key can be taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.apps import apps
from django.db import connection, models, transaction

from backend import encryption

BATCH: Final = 500


@dataclass
class Count:
    """What happened to one column."""

    rotated: int = 0
    current: int = 0
    unreadable: int = 0


def columns() -> Iterator[tuple[type[models.Model], encryption.EncryptedTextField]]:
    """Every encrypted column of every app."""
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, encryption.EncryptedTextField):
                yield model, field


def rotate(
    model: type[models.Model],
    field: encryption.EncryptedTextField,
    *,
    batch: int = BATCH,
    seen: Callable[[int], object] = lambda _rows: None,
) -> Count:
    """Every secret in a column is encrypted with the first key; again, it changes nothing.

    A batch is a transaction, so what was done stays done when it is stopped. What no key opens is
    counted and left as it is. `seen` is told how many rows went by.

    Locks: a batch of rows at a time, by pk.
    """
    count, last = Count(), 0
    while rows := _rotate_batch(model, field, last, batch, count):
        last = rows[-1]
        seen(len(rows))
    return count


def _rotate_batch(
    model: type[models.Model],
    field: encryption.EncryptedTextField,
    after: int,
    batch: int,
    count: Count,
) -> list[int]:
    quote = connection.ops.quote_name
    table, column = quote(model._meta.db_table), quote(str(field.column))
    # The stored text itself: the model would decrypt it. The names are our own models'.
    select = (
        f"SELECT id, {column} FROM {table}"  # noqa: S608
        f" WHERE id > %s AND {column} <> '' ORDER BY id LIMIT %s FOR UPDATE"
    )
    update = (
        f"UPDATE {table} SET {column} = v.token"  # noqa: S608
        f" FROM unnest(%s::bigint[], %s::text[]) AS v(id, token) WHERE {table}.id = v.id"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(select, [after, batch])
        rows = cursor.fetchall()
        fresh: dict[int, str] = {}
        for pk, token in rows:
            if encryption.is_current(token):
                count.current += 1
                continue
            try:
                fresh[pk] = encryption.rotate(token)
                count.rotated += 1
            except encryption.CannotDecrypt:
                count.unreadable += 1
        if fresh:
            cursor.execute(update, [list(fresh), list(fresh.values())])
    return [pk for pk, _token in rows]
