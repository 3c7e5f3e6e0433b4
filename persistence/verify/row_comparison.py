"""One table in two databases: the same rows, in the same order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import peewee

from ..projections import Projection
from .findings import Finding

_SHOWN: Final = 60


def compare_rows(
    database: peewee.SqliteDatabase, replayed: peewee.SqliteDatabase, projection: Projection
) -> Finding | None:
    """The first row, by key, that differs between `database` and a replay, with the number of those that do."""
    table: str = projection.model._meta.table_name
    columns: list[str] = [field.column_name for field in projection.model._meta.sorted_fields]
    key = _key_columns(replayed, projection.model)
    differences = 0
    first: Finding | None = None
    for found, expected in _paired(database, replayed, table, columns, key):
        if found == expected:
            continue
        differences += 1
        if first is None:
            first = _difference(table, columns, key, found, expected)
    if first is not None:
        count = "" if differences == 1 else f"; {differences} rows of the table differ"
        return Finding(check="rows", where=first.where, fault=first.fault + count)
    return _order_difference(database, replayed, table, key)


def _key_columns(database: peewee.SqliteDatabase, model: type[peewee.Model]) -> list[str]:
    """What identifies a row: the primary key, else the columns of the table's unique index."""
    meta: Any = model._meta
    if meta.primary_key is not False:
        return [meta.primary_key.column_name]
    return next(list(index.columns) for index in database.get_indexes(meta.table_name) if index.unique)


_Row = tuple[Any, ...]


def _paired(
    database: peewee.SqliteDatabase,
    replayed: peewee.SqliteDatabase,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
) -> Iterator[tuple[_Row | None, _Row | None]]:
    """The rows of both sides, matched by key; None where one side has no such row."""
    query = f"SELECT {', '.join((*key, *columns))} FROM {table} ORDER BY {', '.join(key)}"
    left, right = iter(database.execute_sql(query)), iter(replayed.execute_sql(query))
    width = len(key)
    found, expected = next(left, None), next(right, None)
    while found is not None or expected is not None:
        if expected is None or (found is not None and found[:width] < expected[:width]):
            assert found is not None
            yield found[width:], None
            found = next(left, None)
        elif found is None or expected[:width] < found[:width]:
            yield None, expected[width:]
            expected = next(right, None)
        else:
            yield found[width:], expected[width:]
            found, expected = next(left, None), next(right, None)


def _difference(
    table: str, columns: Sequence[str], key: Sequence[str], found: _Row | None, expected: _Row | None
) -> Finding:
    row = dict(zip(columns, found or expected or (), strict=True))
    where = f"{table} {', '.join(f'{column}={row[column]!r}' for column in key)}"
    if found is None:
        return Finding(check="rows", where=where, fault="the row is missing")
    if expected is None:
        return Finding(check="rows", where=where, fault="no event leads to this row")
    column, is_, gives = next(
        (column, one, other) for column, one, other in zip(columns, found, expected, strict=True) if one != other
    )
    shown = _shown(is_, gives)
    return Finding(check="rows", where=where, fault=f"{column} is {shown[0]}, a replay gives {shown[1]}")


def _order_difference(
    database: peewee.SqliteDatabase, replayed: peewee.SqliteDatabase, table: str, key: Sequence[str]
) -> Finding | None:
    query = f"SELECT {', '.join(key)} FROM {table} ORDER BY rowid"
    pairs = zip(database.execute_sql(query), replayed.execute_sql(query), strict=True)
    for number, (found, expected) in enumerate(pairs, start=1):
        if found != expected:
            return Finding(
                check="rows", where=f"{table} row {number}", fault=f"is {found!r}, a replay gives {expected!r} there"
            )
    return None


def _shown(one: object, other: object) -> tuple[str, str]:
    """Both values, long text from shortly before the first character that differs."""
    if isinstance(one, str) and isinstance(other, str):
        pairs = enumerate(zip(one, other, strict=False))
        same = next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
        start = max(0, same - _SHOWN // 2)
        return _cut(one, start), _cut(other, start)
    return repr(one)[:_SHOWN], repr(other)[:_SHOWN]


def _cut(text: str, start: int) -> str:
    if len(text) <= _SHOWN:
        return repr(text)
    before = "…" if start else ""
    after = "…" if len(text) > start + _SHOWN else ""
    return f"{before}{text[start : start + _SHOWN]!r}{after} ({len(text)} characters)"
