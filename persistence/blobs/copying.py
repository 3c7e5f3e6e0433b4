"""Blobs beside a copy of their database."""

from __future__ import annotations

import attrs

from ...contracts.blobs import Blob
from ...contracts.errors import AttachmentUnreadable
from ...contracts.values import Digest
from .store import BlobStore


@attrs.frozen(kw_only=True)
class CopiedBlobs:
    """What a copy has, and what could not be read from its source."""

    copied: int
    unreadable: tuple[AttachmentUnreadable, ...]


def copy_blobs(source: BlobStore, target: BlobStore, digests: frozenset[Digest]) -> CopiedBlobs:
    """Store the blobs of these digests in `target` too, each checked and durable.

    They are copied rather than linked: damage to one file does not reach the other.

    Raises:
        StoreFull: the disk is full.
        StoreError: a file cannot be read or written.
    """
    unreadable: list[AttachmentUnreadable] = []
    for digest in sorted(digests):
        try:
            target.put(Blob(digest=digest, content=source.read(digest)))
        except AttachmentUnreadable as error:
            unreadable.append(error)
    return CopiedBlobs(copied=len(digests) - len(unreadable), unreadable=tuple(unreadable))
