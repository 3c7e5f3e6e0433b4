"""The memory of agents that keep none: the earlier messages of a thread, read from its projections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import attrs
import peewee

from ...contracts.ids import ThreadId, TurnId
from ...contracts.read_model import MessageView
from ...persistence.readers import ReaderPool
from ...persistence.thread_history import read_last_turn, read_messages_of_turns
from ..projecting.projectors import Projectors

HISTORY_PROJECTORS: Final = (
    "projection.thread-messages",
    "projection.thread-turns",
    "projection.thread-activities",
)

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ProjectedHistory:
    """The `ThreadHistory` of one thread."""

    thread_id: ThreadId
    readers: ReaderPool
    projectors: Projectors

    async def last_turn(self) -> TurnId | None:
        return await self._read(lambda database: read_last_turn(database, self.thread_id))

    async def messages(
        self, *, before: TurnId, after: TurnId | None = None, turns: int | None = None
    ) -> tuple[MessageView, ...]:
        return await self._read(
            lambda database: read_messages_of_turns(database, self.thread_id, before=before, after=after, turns=turns)
        )

    async def _read(self, job: Callable[[peewee.SqliteDatabase], T]) -> T:
        await self.projectors.wait_until(self.projectors.head, HISTORY_PROJECTORS)
        return await self.readers.run(job)
