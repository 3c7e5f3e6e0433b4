"""The states that commands are decided on: loaded a thread at a time, staged while a group is decided.

- A state is loaded from the log's indexes (versions, open intents) and from the rows of projections, when a command
  first needs it. At that moment these projections are at or past its last event: start-up brings them to the
  head, and a state is evicted only when they have caught up with it.
- `stage` folds an event into a staged state; `adopt` keeps what was staged, after the commit; `discard` drops it.
- Messages, and the owners of turns and approval requests, are known one by one: those written since start-up here,
  until their projection has them, the rest there.
- Only the thread that holds the writing connection touches this object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

import attrs
import peewee

from ..contracts.events import (
    PersistedEvent,
    ThreadCreated,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadReverted,
)
from ..contracts.ids import ApprovalRequestId, MessageId, ProjectId, ThreadId, TurnId
from ..domain.evolve import approval_asked_by, evolve_message, evolve_project, evolve_thread, turn_opened_by
from ..domain.state import MessageFact, OwnerFact, ProjectState, ThreadState
from .decision_rows import (
    load_message,
    load_owner_of_approval,
    load_owner_of_turn,
    load_project,
    load_thread,
    read_messages_of_turns,
    read_unprojected,
)

K = TypeVar("K")
V = TypeVar("V", ProjectState, ThreadState, MessageFact, OwnerFact)

DECISION_PROJECTORS: Final = (
    "projection.projects",
    "projection.threads",
    "projection.thread-sessions",
    "projection.thread-turns",
    "projection.checkpoints",
    "projection.pending-approvals",
)
"""The projectors whose rows states are loaded from. They have to be at the head before the first command."""

MESSAGE_PROJECTOR: Final = "projection.thread-messages"


@attrs.define(eq=False)
class _Staged(Generic[K, V]):
    """Adopted values, oldest used first, with a layer of staged ones above."""

    adopted: dict[K, V] = attrs.field(factory=dict)
    staged: dict[K, V] = attrs.field(factory=dict)

    def get(self, key: K) -> V | None:
        staged = self.staged.get(key)
        return staged if staged is not None else self.adopted.get(key)

    def adopt(self) -> None:
        for key, value in self.staged.items():
            self.adopted.pop(key, None)
            self.adopted[key] = value
        self.staged.clear()

    def evict(self, *, keep: int, projected: int) -> None:
        """Drop the longest unused values beyond `keep`, of which there are more, whose events the projections have."""
        excess = len(self.adopted) - keep
        evictable = (key for key, value in self.adopted.items() if value.last_sequence <= projected)
        for key in [key for key, _ in zip(evictable, range(excess), strict=False)]:
            del self.adopted[key]


class DecisionStates:
    """What `decide` looks things up in. Holds about `limit` projects, threads and messages at most."""

    def __init__(self, database: peewee.SqliteDatabase, *, limit: int) -> None:
        self._database = database
        self._limit = limit
        self._projects: _Staged[ProjectId, ProjectState] = _Staged()
        self._threads: _Staged[ThreadId, ThreadState] = _Staged()
        self._messages: _Staged[MessageId, MessageFact] = _Staged()
        self._turn_owners: _Staged[TurnId, OwnerFact] = _Staged()
        self._approval_owners: _Staged[ApprovalRequestId, OwnerFact] = _Staged()
        self._layers: Final[tuple[_Staged[Any, Any], ...]] = (
            self._projects,
            self._threads,
            self._messages,
            self._turn_owners,
            self._approval_owners,
        )
        for event in read_unprojected(database, MESSAGE_PROJECTOR):
            self._stage_messages_of(event)
        self._messages.adopt()

    @property
    def loaded_threads(self) -> int:
        return len(self._threads.adopted)

    def project(self, project_id: ProjectId) -> ProjectState | None:
        state = self._projects.get(project_id)
        if state is None and (state := load_project(self._database, project_id)) is not None:
            self._projects.adopted[project_id] = state
        return state

    def thread(self, thread_id: ThreadId) -> ThreadState | None:
        state = self._threads.get(thread_id)
        if state is None and (state := load_thread(self._database, thread_id)) is not None:
            self._threads.adopted[thread_id] = state
        return state

    def message(self, message_id: MessageId) -> MessageFact | None:
        fact = self._messages.get(message_id) or load_message(self._database, message_id)
        return None if fact is None or fact.removed else fact

    def messages_of(self, thread_id: ThreadId, turn_ids: frozenset[TurnId]) -> tuple[MessageId, ...]:
        projected = read_messages_of_turns(self._database, thread_id, turn_ids)
        written = {**self._messages.adopted, **self._messages.staged}
        removed = {message_id for message_id, fact in written.items() if fact.removed}
        fresh = (
            message_id
            for message_id, fact in written.items()
            if fact.thread_id == thread_id and fact.turn_id in turn_ids
        )
        elsewhere = {message_id for message_id, fact in written.items() if fact.turn_id not in turn_ids}
        return tuple(one for one in dict.fromkeys((*projected, *fresh)) if one not in removed | elsewhere)

    def owner_of_turn(self, turn_id: TurnId) -> ThreadId | None:
        fact = self._turn_owners.get(turn_id) or load_owner_of_turn(self._database, turn_id)
        return None if fact is None or fact.removed else fact.thread_id

    def owner_of_approval(self, request_id: ApprovalRequestId) -> ThreadId | None:
        fact = self._approval_owners.get(request_id) or load_owner_of_approval(self._database, request_id)
        return None if fact is None else fact.thread_id

    def stage(self, events: Iterable[PersistedEvent]) -> None:
        """Fold decided events into staged states."""
        for event in events:
            if event.aggregate_kind == "project":
                self._stage_project(ProjectId(event.stream_id), event)
                continue
            thread_id = ThreadId(event.stream_id)
            before = self.thread(thread_id)
            after = evolve_thread(before, event)
            if after is not None:
                self._threads.staged[thread_id] = after
            match event.payload:
                case ThreadCreated() as created:
                    self._stage_project(created.project_id, event)
                case ThreadDeleted() if before is not None:
                    self._stage_project(before.project_id, event)
                case _:
                    self._stage_messages_of(event)
                    self._stage_owners(event, thread_id)

    def adopt(self) -> None:
        """Keep what was staged: its events are committed."""
        for layer in self._layers:
            layer.adopt()

    def discard(self) -> None:
        """Drop what was staged: its events were not committed."""
        for layer in self._layers:
            layer.staged.clear()

    def evict(self, positions: Mapping[str, int]) -> None:
        """Drop states beyond the limit that can be loaded again, given how far each projector has come."""
        crowded = [layer for layer in self._layers if len(layer.adopted) > self._limit]
        if not crowded:
            return
        projected = min(positions[projector] for projector in DECISION_PROJECTORS)
        for layer in crowded:
            layer.evict(
                keep=self._limit,
                projected=positions[MESSAGE_PROJECTOR] if layer is self._messages else projected,
            )

    def _stage_project(self, project_id: ProjectId, event: PersistedEvent) -> None:
        state = evolve_project(self.project(project_id), event)
        if state is not None:
            self._projects.staged[project_id] = state

    def _stage_messages_of(self, event: PersistedEvent) -> None:
        match event.payload:
            case ThreadMessageSent() as sent:
                self._stage_message(event, sent)
            case ThreadReverted() as reverted:
                self._stage_removals(event, reverted)
            case _:
                pass

    def _stage_message(self, event: PersistedEvent, payload: ThreadMessageSent) -> None:
        known = self.message(payload.message_id)
        self._messages.staged[payload.message_id] = evolve_message(known, event, payload)

    def _stage_removals(self, event: PersistedEvent, payload: ThreadReverted) -> None:
        """Removed messages are known as removed until their projection has dropped their rows."""
        for message_id in payload.removed_message_ids:
            known = self.message(message_id)
            if known is not None:
                gone = attrs.evolve(known, removed=True, last_sequence=event.sequence)
                self._messages.staged[message_id] = gone

    def _stage_owners(self, event: PersistedEvent, thread_id: ThreadId) -> None:
        """A request keeps its first owner; a turn that a revert removed has none."""
        if (turn_id := turn_opened_by(event)) is not None:
            self._turn_owners.staged[turn_id] = OwnerFact(last_sequence=event.sequence, thread_id=thread_id)
        if (asked := approval_asked_by(event)) is not None and self.owner_of_approval(asked) is None:
            self._approval_owners.staged[asked] = OwnerFact(last_sequence=event.sequence, thread_id=thread_id)
        if isinstance(event.payload, ThreadReverted):
            gone = OwnerFact(last_sequence=event.sequence, thread_id=thread_id, removed=True)
            self._turn_owners.staged.update(dict.fromkeys(event.payload.removed_turn_ids, gone))
