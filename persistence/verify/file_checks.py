"""The file: SQLite's own check, and the schema against the one that the migrations make."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import peewee

from ...contracts.errors import DatabaseCorrupt
from ..failures import translated
from .findings import Finding

_FAULTS_OF_VALUES: Final = ("CHECK constraint failed in ", "NULL value in ")


def check_integrity(database: peewee.SqliteDatabase) -> Iterator[Finding]:
    """SQLite's integrity check: pages, indexes, CHECKs, types. Each fault is reported once, however many rows have it.

    Tables with pages that cannot be read come first: their damage ends SQLite's own check before its time.
    """
    faults, is_whole = _integrity_faults(database, "PRAGMA integrity_check")
    findings = [Finding(check="integrity", where="file", fault=fault) for fault in faults]
    if not is_whole or not all(is_readable(finding) for finding in findings):
        yield from _damaged_tables(database)
    yield from findings


def _damaged_tables(database: peewee.SqliteDatabase) -> Iterator[Finding]:
    for (table,) in database.execute_sql("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        faults, is_whole = _integrity_faults(database, f'PRAGMA integrity_check("{table}")')
        if not is_whole or any(not fault.startswith(_FAULTS_OF_VALUES) for fault in faults):
            yield Finding(check="integrity", where=f"table {table}", fault="it, or an index on it, is damaged")


def _integrity_faults(database: peewee.SqliteDatabase, check: str) -> tuple[list[str], bool]:
    """What a check of SQLite finds, and whether it came to its end."""
    faults: dict[str, None] = {}
    try:
        for (text,) in database.execute_sql(check):
            lines = str(text).splitlines()
            faults.update(dict.fromkeys(line for line in lines if line != "ok" and not line.startswith("***")))
    except (peewee.DatabaseError, sqlite3.DatabaseError) as error:
        if not isinstance(translated(error, Path(database.database)), DatabaseCorrupt):
            raise
        return list(faults), False
    return list(faults), True


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
