"""The file: SQLite's own check, and the schema against the one that the migrations make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import peewee

from .findings import Finding

_FAULTS_OF_VALUES: Final = ("CHECK constraint failed in ", "NULL value in ")


def check_integrity(database: peewee.SqliteDatabase) -> Iterator[Finding]:
    """SQLite's integrity check: pages, indexes, CHECKs, types. Each fault is told once, however many rows have it."""
    faults = dict.fromkeys(fault for (fault,) in database.execute_sql("PRAGMA integrity_check").fetchall())
    for fault in faults:
        if fault != "ok":
            yield Finding(check="integrity", where="file", fault=fault)


def is_readable(finding: Finding) -> bool:
    """Whether rows can be read all the same: they hold a value that they must not hold."""
    return finding.fault.startswith(_FAULTS_OF_VALUES)


def check_schema(database: peewee.SqliteDatabase, fresh: peewee.SqliteDatabase) -> Iterator[Finding]:
    """Tables and indexes against those of a freshly migrated database."""
    found, expected = _read_schema(database), _read_schema(fresh)
    for kind, name in sorted(found.keys() | expected.keys()):
        if (kind, name) not in found:
            fault = "is missing"
        elif (kind, name) not in expected:
            fault = "does not belong to the schema"
        elif found[kind, name] != expected[kind, name]:
            fault = "differs from the one that the migrations make"
        else:
            continue
        yield Finding(check="schema", where=f"{kind} {name}", fault=fault)


def _read_schema(database: peewee.SqliteDatabase) -> dict[tuple[str, str], str]:
    """The text of each schema object, whitespace normalised. What ANALYZE keeps is SQLite's own."""
    cursor = database.execute_sql("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'")
    return {(kind, name): " ".join((sql or "").split()) for kind, name, sql in cursor.fetchall()}
