"""Verification: every rule that the tables keep among themselves, checked on a copy of one moment.

The copy is made by SQLite's online backup into a temporary directory, so a runtime that owns the database is neither
waited for nor disturbed, and nothing is written to the file. A copy of an older schema is migrated, as a runtime would.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import peewee

from ... import migrations
from ...contracts.errors import DatabaseCorrupt
from ...contracts.values import EPOCH
from ..blobs import BlobStore
from ..bootstrap import ProgressListener
from ..database import database_path, open_writer
from ..event_store import LogHead, read_head, read_open_intents
from ..failures import translate_errors
from ..inspection import copy_database, open_read_only
from .attachment_checks import check_attachments
from .file_checks import check_integrity, check_schema, is_readable
from .findings import Check, Finding, VerifyReport, listed
from .log_checks import check_orphans, check_positions, check_receipts, check_sequences, check_streams
from .replay_checks import check_replay

_CONTENT_CHECKS: Final[tuple[Check, ...]] = (
    "sequences",
    "streams",
    "receipts",
    "orphans",
    "positions",
    "attachments",
    "payloads",
    "rows",
)


def verify_database(path: Path, *, progress: ProgressListener | None = None) -> VerifyReport:
    """Check a database against its own log. Works beside a runtime; `progress` is called during the replay.

    A damaged file, or a table that is not as the migrations make it, leaves the checks of the content out.

    Raises:
        ForeignDatabase: the file holds something else.
        DatabaseTooNew: a newer version migrated it.
        DatabaseCorrupt: the ledger of migrations differs from this installation.
        StoreFull: there is no room for the copy.
        StoreError: there is no such file, or it cannot be read.
    """
    try:
        return _verify_copy(path, progress)
    except DatabaseCorrupt as error:
        if not isinstance(error.__cause__, peewee.DatabaseError | sqlite3.DatabaseError):
            raise
        unreadable = Finding(check="integrity", where="file", fault=f"it cannot be read: {error.__cause__}")
        return VerifyReport(head=0, findings=(unreadable,), left_out=("schema", *_CONTENT_CHECKS))


def _verify_copy(path: Path, progress: ProgressListener | None) -> VerifyReport:
    with TemporaryDirectory(prefix="orchestrion-") as directory:
        copy = Path(directory) / "copy.db"
        with open_read_only(path) as original:
            copy_database(original, copy)
        with (
            translate_errors(path),
            closing(open_writer(copy)) as database,  # a read-only connection leaves CHECKs out of its integrity check
            _scratch(Path(directory) / "replay.db") as scratch,
        ):
            return _verify(database, scratch, BlobStore.beside(database_path(path)), progress)


def _verify(
    database: peewee.SqliteDatabase,
    scratch: peewee.SqliteDatabase,
    blobs: BlobStore,
    progress: ProgressListener | None,
) -> VerifyReport:
    integrity = tuple(listed(check_integrity(database)))
    if not all(is_readable(finding) for finding in integrity):
        return VerifyReport(head=0, findings=integrity, left_out=("schema", *_CONTENT_CHECKS))
    try:
        migrations.migrate(database, now=EPOCH)  # a runtime would: what readers can do without may be pending
    except peewee.DatabaseError as error:
        pending = Finding(check="schema", where="file", fault=f"pending migrations cannot be applied: {error}")
        return VerifyReport(head=0, findings=(*integrity, pending), left_out=_CONTENT_CHECKS)
    schema = tuple(listed(check_schema(database, scratch)))
    if any(finding.where.startswith("table ") for finding in schema):
        return VerifyReport(head=0, findings=integrity + schema, left_out=_CONTENT_CHECKS)
    head = read_head(database)
    content = tuple(_check_content(database, scratch, head, blobs, progress))
    return VerifyReport(
        head=head.sequence,
        findings=integrity + schema + content,
        left_out=(),
        open_intents=len(read_open_intents(database, after=0)),
    )


def _check_content(
    database: peewee.SqliteDatabase,
    scratch: peewee.SqliteDatabase,
    head: LogHead,
    blobs: BlobStore,
    progress: ProgressListener | None,
) -> Iterator[Finding]:
    yield from listed(check_sequences(database))
    yield from listed(check_streams(database))
    yield from listed(check_receipts(database, head))
    yield from listed(check_orphans(database))
    yield from listed(check_positions(database, head))
    yield from listed(check_attachments(database, blobs))
    replay = list(check_replay(database, scratch, progress))
    yield from listed(finding for finding in replay if finding.check == "payloads")
    yield from (finding for finding in replay if finding.check == "rows")


@contextmanager
def _scratch(path: Path) -> Iterator[peewee.SqliteDatabase]:
    """An empty database with our schema. It is not durable, but its transactions roll back."""
    scratch = peewee.SqliteDatabase(
        str(path), pragmas={"journal_mode": "memory", "synchronous": 0}, thread_safe=False, check_same_thread=False
    )
    scratch.connect()
    with closing(scratch):
        migrations.migrate(scratch, now=EPOCH)
        yield scratch
