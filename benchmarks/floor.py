"""The floor: raw `sqlite3` writes the rows that the runtime wrote, into the same tables, in groups.

It decides, validates, projects and answers nothing. The rows are prepared before the clock starts.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from orchestrion import EPOCH
from orchestrion.persistence.database import WAL_AUTOCHECKPOINT_PAGES, Durability, prepare

__all__ = ["LogRows", "read_log_rows", "replay_floor", "write_floor"]

_LOG_TABLES = ("orchestration_events", "orchestration_command_receipts")


@attrs.frozen
class LogRows:
    """The rows of the log and the receipt of each command, in the order in which they were written."""

    events: Sequence[tuple[Any, ...]]
    receipts: Sequence[tuple[Any, ...]]


def read_log_rows(database: Path, *, after: int = 0) -> LogRows:
    """The rows that a runtime wrote after a sequence."""
    events = "SELECT * FROM orchestration_events WHERE sequence > ? ORDER BY sequence"
    receipts = "SELECT * FROM orchestration_command_receipts WHERE result_sequence > ? ORDER BY result_sequence"
    with closing(sqlite3.connect(database)) as connection:
        return LogRows(*(connection.execute(query, (after,)).fetchall() for query in (events, receipts)))


def write_floor(rows: LogRows, *, group: int, durability: Durability) -> float:
    """Rows per second when each transaction writes `group` events and their receipts."""
    with _fresh_database(durability) as connection:
        insert_event, insert_receipt = (_insert(connection, table) for table in _LOG_TABLES)
        began = time.perf_counter()
        for start in range(0, len(rows.events), group):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert_event, rows.events[start : start + group])
            connection.executemany(insert_receipt, rows.receipts[start : start + group])
            connection.execute("COMMIT")
        return len(rows.events) / (time.perf_counter() - began)


def replay_floor(database: Path, *, page: int) -> float:
    """Events per second when the log is read page by page and the resulting rows are written once."""
    with closing(sqlite3.connect(database)) as source, _fresh_database("normal") as target:
        names = [
            name
            for (name,) in source.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'projection!_%' ESCAPE '!'"
                " AND name != 'projection_state'"
            )
        ]
        rows = {name: source.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
        began = time.perf_counter()
        events = 0
        while read := source.execute(
            "SELECT * FROM orchestration_events WHERE sequence > ? ORDER BY sequence LIMIT ?", (events, page)
        ).fetchall():
            events = read[-1][0]
        target.execute("BEGIN IMMEDIATE")
        for name, written in rows.items():
            target.executemany(_insert(target, name), written)
        target.execute("COMMIT")
        return events / (time.perf_counter() - began)


@contextmanager
def _fresh_database(durability: Durability) -> Iterator[sqlite3.Connection]:
    """A new database with the schema, opened by raw `sqlite3` with the settings of the runtime."""
    with TemporaryDirectory(prefix="orchestrion-bench-") as directory:
        path = Path(directory) / "floor.db"
        prepare(path, EPOCH).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA synchronous = {durability}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_AUTOCHECKPOINT_PAGES}")
            yield connection


def _insert(connection: sqlite3.Connection, table: str) -> str:
    columns = connection.execute(f'SELECT count(*) FROM pragma_table_info("{table}")').fetchone()[0]
    return f'INSERT INTO "{table}" VALUES ({", ".join("?" * columns)})'
