"""Reads a thread's open intents from the log as inputs of its machine."""

from __future__ import annotations

from ...contracts.events import (
    PersistedEvent,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadSessionStopRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
)
from ...contracts.ids import EventId, ThreadId
from ...domain.session.inputs import (
    InterruptAsked,
    Overtaking,
    Queued,
    ResponseGiven,
    RevertAsked,
    StopAsked,
    TurnStartAsked,
)
from ...persistence.event_store import read_open_intents_of
from ...persistence.readers import ReaderPool


class ThreadIntents:
    """The open intents of one thread, each given once until it is put back."""

    def __init__(self, readers: ReaderPool, thread_id: ThreadId) -> None:
        self._readers = readers
        self._thread_id = thread_id
        self._given: dict[EventId, PersistedEvent] = {}

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

    async def read(self) -> list[Queued | Overtaking]:
        """The open intents that were not given, in the order of the log. They count as given now."""
        found = await self._readers.run(lambda database: read_open_intents_of(database, self._thread_id))
        still_open = {event.event_id: event for event in found if isinstance(event, PersistedEvent)}
        added = [event for event_id, event in still_open.items() if event_id not in self._given]
        self._given = still_open
        return [intent_of(event) for event in added]


def intent_of(event: PersistedEvent) -> Queued | Overtaking:
    """An intent's event as an input of the machine."""
    event_id, sequence = event.event_id, event.sequence
    match event.payload:
        case ThreadTurnStartRequested(turn_id=turn_id):
            return TurnStartAsked(event_id=event_id, sequence=sequence, turn_id=turn_id)
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
