"""The caretaker: tidies the file, and removes unreferenced attachments, once nothing has been committed for a while.

It sleeps while the log does not grow, and checks the head at intervals while it does, so a busy
runtime pays nothing for it. What fails is tried again after the next event.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Final

import anyio
import peewee

from ...contracts.errors import RuntimeStopped, StoreError
from ...persistence.lane import WriteLane
from ...persistence.maintenance import tidy
from ..last_errors import LastErrors
from .blob_collector import BlobCollector
from .event_log import EventLog

QUIET_SECONDS: Final = 2.0

_logger = logging.getLogger(__name__)


class Caretaker:
    """Runs `tidy` on the write lane, and the collection of blobs, when the log has been quiet."""

    def __init__(
        self,
        lane: WriteLane,
        log: EventLog,
        errors: LastErrors,
        blobs: BlobCollector,
        *,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._blobs = blobs
        self._errors = errors
        self._lane = lane
        self._log = log
        self._quiet = quiet_seconds

    async def run(self) -> None:
        """Tidy after each stretch of events, until the log ends."""
        try:
            while True:
                head = await self._wait_for_quiet()
                more = await self._tidied()
                while more and head == self._log.head:
                    await anyio.sleep(self._quiet)
                    more = await self._tidied()
                await self._collect()
                await self._wait_for_event(head)
        except (anyio.EndOfStream, RuntimeStopped):
            return

    async def finish(self) -> None:
        """Tidy once more, at a clean stop."""
        await self._tidied()

    async def _tidied(self) -> bool:
        """Tidy; whether there is more of it to do."""
        try:
            done = await self._lane.run(tidy)
        except (peewee.PeeweeException, sqlite3.Error) as error:
            self._errors.note("caretaker", error)
            _logger.warning("tidying the database failed: %s", error, extra={"actor": "caretaker"})
            return False
        return done.freed > 0 and done.left > 0

    async def _collect(self) -> None:
        try:
            await self._blobs.collect()
        except StoreError as error:
            self._errors.note("caretaker", error)
            _logger.warning("removing unreferenced attachments failed: %s", error, extra={"actor": "caretaker"})

    async def _wait_for_quiet(self) -> int:
        head = -1
        while head != self._log.head:
            head = self._log.head
            await anyio.sleep(self._quiet)
        return head

    async def _wait_for_event(self, head: int) -> None:
        """Wait until there is an event after `head`; raises `EndOfStream` when none will come."""
        follower = self._log.follow(head)
        try:
            await follower.next_batch(limit=1)
        except StoreError:
            await anyio.sleep(self._quiet)
        finally:
            follower.close()
