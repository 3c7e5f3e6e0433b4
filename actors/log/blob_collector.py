"""Removing the stored attachments that nothing refers to, while no caller waits."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from typing import Final

import anyio

from ...contracts.mint import Mint
from ...contracts.values import Instant, instant
from ...persistence.blobs import BlobStore, CollectRequest, RetentionPolicy, find_unreferenced, remove_unreferenced
from ...persistence.lane import WriteLane
from ...persistence.readers import ReaderPool

COLLECT_SECONDS: Final = 3600.0
"""How long after one look at all blobs the next one may come."""


class BlobCollector:
    """Looks for such blobs on a reading connection, and removes them on the write lane. Used by the caretaker."""

    def __init__(self, lane: WriteLane, readers: ReaderPool, policy: RetentionPolicy, mint: Mint) -> None:
        self._lane = lane
        self._readers = readers
        self._policy = policy
        self._mint = mint
        self._store = BlobStore.beside(readers.path)
        self._due_at = -math.inf

    async def collect(self) -> None:
        """Remove what may be removed, unless the last look was less than an hour ago.

        Raises:
            StoreError: the database or the store cannot be read or written.
            RuntimeStopped: the runtime is stopping.
        """
        if anyio.current_time() < self._due_at:
            return
        self._due_at = anyio.current_time() + COLLECT_SECONDS
        await self._lane.run(lambda _: self._store.remove_unfinished())
        request = self._request()
        found = sorted(await self._readers.run(lambda database: find_unreferenced(database, self._store, request)))
        while found:
            left = found
            removed = await self._lane.run(
                lambda database, left=left: remove_unreferenced(database, self._store, left, request)  # type: ignore[misc]  # binds this turn's list
            )
            found = found[removed:]

    def _request(self) -> CollectRequest:
        seconds = self._policy.deleted_threads_after
        return CollectRequest(
            stored_before=time.time() - self._policy.unreferenced_after,
            deleted_before=None if seconds is None else _before(self._mint.now(), seconds),
        )


def _before(moment: Instant, seconds: float) -> Instant:
    return instant(datetime.fromisoformat(moment) - timedelta(seconds=seconds))
