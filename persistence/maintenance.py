"""Keeping the file small while no caller waits: the WAL goes into the file, freed pages go back to the disk.

Runs on the writing connection, as every write and checkpoint does. Nothing here is needed for correctness, so what
fails is left for the next time.
"""

from __future__ import annotations

from typing import Final

import attrs
import peewee

FREED_PAGES_AT_ONCE: Final = 2_000
"""How many pages one turn gives back: a command that comes meanwhile waits for it."""


@attrs.frozen(kw_only=True)
class TidyResult:
    """What one run did. `freed` counts pages given back, `left` those that are still free.

    `checkpointed` says that all of the WAL is in the file; a reader of an older state keeps it from getting there.
    """

    checkpointed: bool
    freed: int
    left: int


def tidy(database: peewee.SqliteDatabase, *, most_pages: int = FREED_PAGES_AT_ONCE) -> TidyResult:
    """Give back at most `most_pages` free pages, then move the WAL into the file as far as readers let it.

    A file that was made before pages could be given back keeps them for what is written next.

    Raises:
        peewee.OperationalError, sqlite3.OperationalError: the disk failed or is full; nothing is lost.
    """
    before = _free_pages(database)
    if before:
        # A row a page, without columns: `execute` would stop after the first.
        database.connection().executescript(f"PRAGMA incremental_vacuum({most_pages})")
    left = _free_pages(database)
    busy, written, moved = database.execute_sql("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return TidyResult(checkpointed=not busy and written == moved, freed=before - left, left=left)


def _free_pages(database: peewee.SqliteDatabase) -> int:
    pages: int = database.execute_sql("PRAGMA freelist_count").fetchone()[0]
    return pages
