"""What takes the room in a database: per table with its indexes, and per thread.

A diagnosis, not a hot path: it reads every page of the file. Sizes of tables are pages, sizes of threads are the bytes
of what their rows say, without pages, keys and indexes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import attrs
import peewee

from ..contracts.errors import StoreError
from ..contracts.ids import ThreadId
from .blobs import BlobStore

_CONTENTS: Final = (
    (
        "log_bytes",
        "SELECT stream_id, count(*), sum(length(CAST(payload_json AS BLOB)) + length(CAST(metadata_json AS BLOB)))"
        " FROM orchestration_events WHERE aggregate_kind = 'thread' GROUP BY stream_id",
    ),
    (
        "message_bytes",
        "SELECT thread_id, count(*), sum(length(CAST(text AS BLOB)))"
        " FROM projection_thread_messages GROUP BY thread_id",
    ),
    (
        "activity_bytes",
        "SELECT thread_id, count(*), sum(length(CAST(payload_json AS BLOB)) + length(CAST(summary AS BLOB)))"
        " FROM projection_thread_activities GROUP BY thread_id",
    ),
    (
        "diff_bytes",
        "SELECT thread_id, count(*), sum(length(CAST(diff AS BLOB))) FROM checkpoint_diff_blobs GROUP BY thread_id",
    ),
)


@attrs.frozen(kw_only=True)
class TableStats:
    """A table: its rows, and the pages of itself and of its indexes."""

    name: str
    rows: int
    table_bytes: int
    index_bytes: int


@attrs.frozen(kw_only=True)
class ThreadStats:
    """A thread: its events, and the bytes of what they, its messages, its activities and its diffs say."""

    thread_id: ThreadId
    events: int = 0
    log_bytes: int = 0
    message_bytes: int = 0
    activity_bytes: int = 0
    diff_bytes: int = 0

    @property
    def content_bytes(self) -> int:
        return self.log_bytes + self.message_bytes + self.activity_bytes + self.diff_bytes


@attrs.frozen(kw_only=True)
class DatabaseStats:
    """A database, largest tables and threads first. `free_bytes` of the file are unused, `wal_bytes` lie beside it.

    `blobs` are the stored attachments, which lie beside it too.
    """

    file_bytes: int
    free_bytes: int
    wal_bytes: int
    blobs: int
    blob_bytes: int
    tables: tuple[TableStats, ...]
    threads: tuple[ThreadStats, ...]
    threads_left_out: int


def read_stats(database: peewee.SqliteDatabase, *, most_threads: int) -> DatabaseStats:
    """Read the sizes in the caller's read transaction, of `most_threads` threads at most.

    Raises:
        StoreError: this SQLite was built without `dbstat`, which lists the pages of each table.
    """
    page_bytes = _pragma(database, "page_size")
    threads = _read_threads(database)
    name: bytes = database.execute_sql("SELECT CAST(file AS BLOB) FROM pragma_database_list").fetchone()[0]
    path = os.fsdecode(name)
    log = Path(f"{path}-wal")
    blob_sizes = [blob.size for blob in BlobStore.beside(Path(path)).walk()]
    return DatabaseStats(
        file_bytes=_pragma(database, "page_count") * page_bytes,
        free_bytes=_pragma(database, "freelist_count") * page_bytes,
        wal_bytes=log.stat().st_size if log.exists() else 0,
        blobs=len(blob_sizes),
        blob_bytes=sum(blob_sizes),
        tables=_read_tables(database),
        threads=tuple(threads[:most_threads]),
        threads_left_out=max(0, len(threads) - most_threads),
    )


def _read_tables(database: peewee.SqliteDatabase) -> tuple[TableStats, ...]:
    try:
        sizes = database.execute_sql(
            "SELECT coalesce(item.tbl_name, page.name), sum(iif(item.type = 'index', 0, page.pgsize)),"
            " sum(iif(item.type = 'index', page.pgsize, 0))"
            " FROM dbstat AS page LEFT JOIN sqlite_master AS item ON item.name = page.name"
            " WHERE page.aggregate = TRUE GROUP BY 1"
        ).fetchall()
    except peewee.OperationalError as error:
        raise StoreError(f"this SQLite cannot report the sizes of tables ({error}): use one with dbstat") from error
    tables = [
        TableStats(
            name=name,
            rows=database.execute_sql(f'SELECT count(*) FROM "{name}"').fetchone()[0],
            table_bytes=table_bytes,
            index_bytes=index_bytes,
        )
        for name, table_bytes, index_bytes in sizes
    ]
    return tuple(sorted(tables, key=lambda table: (-table.table_bytes - table.index_bytes, table.name)))


def _read_threads(database: peewee.SqliteDatabase) -> list[ThreadStats]:
    found: dict[str, ThreadStats] = {}
    for column, query in _CONTENTS:
        for thread_id, rows, size in database.execute_sql(query).fetchall():
            known = found.get(thread_id) or ThreadStats(thread_id=ThreadId(thread_id))
            events = rows if column == "log_bytes" else known.events
            found[thread_id] = attrs.evolve(known, events=events, **{column: size})
    return sorted(found.values(), key=lambda thread: (-thread.content_bytes, thread.thread_id))


def _pragma(database: peewee.SqliteDatabase, name: str) -> int:
    value: int = database.execute_sql(f"PRAGMA {name}").fetchone()[0]
    return value
