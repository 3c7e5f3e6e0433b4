"""The stored attachments: each one that an event refers to is there, and has the content that its digest names."""

from __future__ import annotations

from collections.abc import Iterator

import peewee

from ...contracts.errors import AttachmentUnreadable
from ...contracts.ids import ThreadId
from ...contracts.values import Digest
from ..blobs import BlobStore, read_references
from .findings import Finding


def check_attachments(database: peewee.SqliteDatabase, blobs: BlobStore) -> Iterator[Finding]:
    """Reads every blob that is referred to. One that only deleted threads refer to may be missing.

    Raises:
        StoreError: a blob cannot be opened or read.
    """
    deleted = {thread for (thread,) in database.execute_sql(_DELETED)}
    first: dict[Digest, ThreadId] = {}
    for reference in read_references(database):
        known = first.get(reference.attachment.digest)
        if known is None or known in deleted:
            first[reference.attachment.digest] = reference.thread_id
    for digest, thread in sorted(first.items()):
        if thread in deleted and blobs.find(digest) is None:
            continue
        try:
            blobs.read(digest)
        except AttachmentUnreadable as error:
            yield Finding(check="attachments", where=f"{digest} of thread {thread!r}", fault=error.fault)


_DELETED = "SELECT thread_id FROM projection_threads WHERE deleted_at IS NOT NULL"
