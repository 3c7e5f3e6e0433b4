"""Which blobs may be removed: those that no event refers to, after a time of grace.

A blob is stored, and its event committed, by one job of the write lane. The removal is another one, which looks for
references once more. So no blob is removed between its storage and its event. The grace protects readers, and
copies that are being made.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Final

import attrs
import peewee

from ...contracts.ids import ThreadId
from ...contracts.values import Digest, Instant
from .references import read_references
from .store import BlobStore

REMOVED_AT_ONCE: Final = 200
"""How many blobs one job of the write lane removes: a command that comes meanwhile waits for it."""


@attrs.frozen(kw_only=True)
class RetentionPolicy:
    """When stored attachments are removed, in seconds. A runtime that has been quiet looks, at most once an hour."""

    unreferenced_after: float = 3600.0
    """After an attachment was stored that no event refers to, as a crash may leave it."""
    deleted_threads_after: float | None = None
    """After a thread was deleted, for the attachments that only it refers to. None: they are kept."""


@attrs.frozen(kw_only=True)
class CollectRequest:
    """Limits of one collection: seconds since the epoch for files, an instant for threads."""

    stored_before: float
    deleted_before: Instant | None = None


def find_unreferenced(database: peewee.SqliteDatabase, store: BlobStore, request: CollectRequest) -> frozenset[Digest]:
    """The blobs that may be removed now. Looks at every blob and every reference; changes nothing.

    Raises:
        StoreError: the store cannot be read.
    """
    old = frozenset(blob.digest for blob in store.walk() if blob.touched_at <= request.stored_before)
    return old - _referenced(database, request) if old else old


def remove_unreferenced(
    database: peewee.SqliteDatabase, store: BlobStore, found: Collection[Digest], request: CollectRequest
) -> int:
    """Remove at most `REMOVED_AT_ONCE` of the blobs found that still may be removed; how many were looked at.

    Only on the write lane.

    Raises:
        StoreError: a file cannot be removed.
    """
    looked_at = tuple(islice(found, REMOVED_AT_ONCE))
    for digest in frozenset(looked_at) - _referenced(database, request):
        blob = store.find(digest)
        if blob is not None and blob.touched_at <= request.stored_before:
            store.remove(digest)
    return len(looked_at)


def _referenced(database: peewee.SqliteDatabase, request: CollectRequest) -> frozenset[Digest]:
    gone = _deleted_threads(database, request.deleted_before)
    return frozenset(one.attachment.digest for one in read_references(database) if one.thread_id not in gone)


def _deleted_threads(database: peewee.SqliteDatabase, before: Instant | None) -> frozenset[ThreadId]:
    if before is None:
        return frozenset()
    rows = database.execute_sql("SELECT thread_id FROM projection_threads WHERE deleted_at <= ?", (before,))
    return frozenset(ThreadId(thread_id) for (thread_id,) in rows)
