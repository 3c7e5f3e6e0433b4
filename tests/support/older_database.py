"""A database that version 0.1.0 wrote: the README's script and one queued turn, as SQLite dumps it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from orchestrion.migrations import APPLICATION_ID

_DUMP: Final = Path(__file__).with_name("database_of_0_1_0.sql")


def write_older_database(path: Path) -> Path:
    """Write the database of 0.1.0 to a new file. It lacks every migration after 005."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.executescript(_DUMP.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    return path


def migrations_of(path: Path) -> list[int]:
    """The numbers of the migrations that a database has."""
    with closing(sqlite3.connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT version FROM orchestrion_migrations")]
