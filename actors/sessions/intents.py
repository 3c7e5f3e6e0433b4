"""Reads a thread's open intents from the log as inputs of its machine."""

from __future__ import annotations

from typing import TypeAlias

import peewee

from ...contracts.events import (
    PersistedEvent,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadSessionStopRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from ...contracts.ids import EventId, ThreadId, TurnId
from ...domain.session.inputs import (
    InterruptAsked,
    Overtaking,
    Queued,
    QueueOrdered,
    ResponseGiven,
    RevertAsked,
    SteerAsked,
    StopAsked,
    TurnStartAsked,
)
from ...persistence.event_store import read_open_intents_of, read_queue_order
from ...persistence.readers import ReaderPool

IntentInput: TypeAlias = Queued | SteerAsked | Overtaking


class ThreadIntents:
    """The open intents of one thread, each given once until it is put back."""

    def __init__(self, readers: ReaderPool, thread_id: ThreadId) -> None:
        self._readers = readers
        self._thread_id = thread_id
        self._given: dict[EventId, PersistedEvent] = {}
        self._order: tuple[TurnId, ...] = ()

    def __getitem__(self, event_id: EventId) -> PersistedEvent:
        """The event of an intent that was given and is open."""
        return self._given[event_id]

    def put_back(self, *event_ids: EventId) -> None:
        """Give these again if they are still open."""
        for event_id in event_ids:
            self._given.pop(event_id, None)

    def put_all_back(self) -> None:
        """Give every open intent again."""
        self._given.clear()
        self._order = ()

    async def read(self) -> list[IntentInput | QueueOrdered]:
        """The open intents that were not given, in the order of the log. They count as given now.

        They are followed by the order of the waiting turns, if it is another one than before.
        """
        found, order = await self._readers.run(self._read)
        still_open = {event.event_id: event for event in found}
        added = [event for event_id, event in still_open.items() if event_id not in self._given]
        self._given = still_open
        inputs: list[IntentInput | QueueOrdered] = [intent_of(event) for event in added]
        if order != self._order:
            self._order = order
            inputs.append(QueueOrdered(order))
        return inputs

    def _read(self, database: peewee.SqliteDatabase) -> tuple[list[PersistedEvent], tuple[TurnId, ...]]:
        found = [one for one in read_open_intents_of(database, self._thread_id) if isinstance(one, PersistedEvent)]
        starts = [one for one in found if isinstance(one.payload, ThreadTurnStartRequested)]
        return found, read_queue_order(database, self._thread_id) if len(starts) > 1 else ()


def intent_of(event: PersistedEvent) -> IntentInput:
    """An intent's event as an input of the machine."""
    event_id, sequence = event.event_id, event.sequence
    match event.payload:
        case ThreadTurnStartRequested(turn_id=turn_id):
            return TurnStartAsked(event_id=event_id, sequence=sequence, turn_id=turn_id)
        case ThreadTurnSteerRequested(turn_id=running):
            return SteerAsked(event_id=event_id, sequence=sequence, turn_id=running)
        case ThreadCheckpointRevertRequested():
            return RevertAsked(event_id=event_id, sequence=sequence)
        case ThreadTurnInterruptRequested(turn_id=turn_id):
            return InterruptAsked(event_id=event_id, sequence=sequence, turn_id=turn_id)
        case ThreadApprovalResponseRequested():
            return ResponseGiven(event_id=event_id, sequence=sequence)
        case ThreadSessionStopRequested(forget_conversation=forgets):
            return StopAsked(event_id=event_id, sequence=sequence, forgets=forgets is True)
        case _:
            raise AssertionError(f"event {sequence} is no intent: {event.event_type}")
