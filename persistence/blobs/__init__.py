"""The bytes of attachments, in files beside the database, and the events that refer to them."""

from __future__ import annotations

from .collection import CollectRequest, RetentionPolicy, find_unreferenced, remove_unreferenced
from .copying import copy_blobs
from .references import BlobReference, find_reference, read_references
from .store import BlobStore, StoredBlob

__all__ = [
    "BlobReference",
    "BlobStore",
    "CollectRequest",
    "RetentionPolicy",
    "StoredBlob",
    "copy_blobs",
    "find_reference",
    "find_unreferenced",
    "read_references",
    "remove_unreferenced",
]
