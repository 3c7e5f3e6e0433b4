"""A dispatcher in memory: admits, decides and folds as the real one does, without a task, a clock or a database.

Sequences and stream versions start at 1 without gaps. Ids are numbered (`event-7` is the event of sequence 7, `turn-2`
the second turn that was requested), and the clock advances one second per dispatch: two hosts with the same commands
hold equal logs. Receipts are not modelled: each command is given once.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ..contracts.commands import CLIENT_COMMANDS, Command
from ..contracts.events import (
    EventMetadata,
    EventPayload,
    LoggedEvent,
    PersistedEvent,
    ProjectPayload,
    ThreadCreated,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadReverted,
    ThreadTurnStartRequested,
)
from ..contracts.ids import (
    ApprovalRequestId,
    CommandId,
    EventId,
    MessageId,
    ProjectId,
    ThreadId,
    TurnId,
)
from ..contracts.values import ActorKind, AggregateKind, Label
from ..domain.decide import aggregate_of, decide
from ..domain.decision import DecisionRequest, DraftEvent, Rejection
from ..domain.evolve import evolve_message, evolve_project, evolve_thread
from ..domain.state import MessageFact, ProjectState, ThreadState
from .admitted import admitted
from .counting_mint import at

NO_METADATA = EventMetadata()


class ModelHost:
    """The log and the decision states after every command so far; it is its own `DecisionState`."""

    def __init__(self, log: Iterable[PersistedEvent] = ()) -> None:
        self.log: list[PersistedEvent] = []
        self._head = 0
        self.projects: dict[ProjectId, ProjectState] = {}
        self.threads: dict[ThreadId, ThreadState] = {}
        self.messages: dict[MessageId, MessageFact] = {}
        self._correlations: dict[EventId, CommandId | None] = {}
        self._dispatched = 0
        self._turns = 0
        for event in log:
            self.append(event)

    def copy(self) -> ModelHost:
        """A host that diverges from here. States are frozen, so both hold the same ones."""
        other = ModelHost()
        other.log, other.projects, other.threads = list(self.log), dict(self.projects), dict(self.threads)
        other.messages, other._correlations = dict(self.messages), dict(self._correlations)
        other._head, other._dispatched, other._turns = self._head, self._dispatched, self._turns
        return other

    def project(self, project_id: ProjectId) -> ProjectState | None:
        return self.projects.get(project_id)

    def thread(self, thread_id: ThreadId) -> ThreadState | None:
        return self.threads.get(thread_id)

    def message(self, message_id: MessageId) -> MessageFact | None:
        return self.messages.get(message_id)

    def messages_of(self, thread_id: ThreadId, turn_ids: frozenset[TurnId]) -> tuple[MessageId, ...]:
        return tuple(
            message_id
            for message_id, fact in self.messages.items()
            if fact.thread_id == thread_id and fact.turn_id in turn_ids
        )

    def owner_of_turn(self, turn_id: TurnId) -> ThreadId | None:
        return next((one.thread_id for one in self.threads.values() if turn_id in one.turns), None)

    def owner_of_approval(self, request_id: ApprovalRequestId) -> ThreadId | None:
        return next((one.thread_id for one in self.threads.values() if request_id in one.approvals), None)

    @property
    def head(self) -> int:
        return self._head

    def dispatch(
        self, command: Command, *, caused_by: str | None = None, metadata: EventMetadata = NO_METADATA
    ) -> list[PersistedEvent] | Rejection:
        """Dispatch `command`; return the events that it appended, or its rejection.

        Raises:
            InvalidCommand: the command is malformed; nothing was appended.
        """
        actor = actor_of(command, metadata)
        entered = admitted(command, actor)
        self._dispatched += 1
        decision = decide(
            self,
            DecisionRequest(
                command=entered.command,
                now=at(self._dispatched),
                turn_id=TurnId(f"turn-{self._turns + 1}"),
                caused_by=None if caused_by is None else EventId(caused_by),
                metadata=metadata,
            ),
        )
        if isinstance(decision, Rejection):
            return decision
        events = self._numbered(entered.command, decision, actor, metadata, entered.fingerprint)
        for event in events:
            self.append(event)
        return events

    def append_payload(self, payload: EventPayload) -> None:
        """Append an event that no command led to."""
        kind: AggregateKind = "project" if isinstance(payload, ProjectPayload) else "thread"
        stream_id = payload.project_id if isinstance(payload, ProjectPayload) else payload.thread_id
        self.append(
            PersistedEvent(
                sequence=self.head + 1,
                event_id=EventId(f"event-{self.head + 1}"),
                aggregate_kind=kind,
                stream_id=stream_id,
                stream_version=self._version(kind, stream_id) + 1,
                event_type=payload.event_type,
                occurred_at=at(self._dispatched),
                command_id=None,
                causation_event_id=None,
                correlation_id=None,
                actor_kind="server",
                payload=payload,
                metadata=NO_METADATA,
            )
        )

    def append(self, event: PersistedEvent) -> None:
        """Fold an event that continues the log."""
        assert event.sequence == self.head + 1, f"event {event.sequence} does not continue {self.head}"
        self.log.append(event)
        self._head += 1
        self._correlations[event.event_id] = event.correlation_id
        payload = event.payload
        if isinstance(payload, ThreadTurnStartRequested):
            self._turns += 1
        self._fold_messages(event)
        if event.aggregate_kind == "project":
            project_id = ProjectId(event.stream_id)
            project = evolve_project(self.projects.get(project_id), event)
            if project is not None:
                self.projects[project_id] = project
            return
        thread_id = ThreadId(event.stream_id)
        thread = evolve_thread(self.threads.get(thread_id), event)
        if thread is None:
            return
        self.threads[thread_id] = thread
        if isinstance(payload, ThreadCreated | ThreadDeleted):
            owner = evolve_project(self.projects.get(thread.project_id), event)
            if owner is not None:
                self.projects[thread.project_id] = owner

    def take(self, event: LoggedEvent) -> None:
        """Fold an event that continues the log. One that does not decode only takes its place in the log."""
        if isinstance(event, PersistedEvent):
            self.append(event)
            return
        assert event.sequence == self.head + 1, f"event {event.sequence} does not continue {self.head}"
        self._head += 1
        thread = self.threads.get(ThreadId(event.stream_id))
        if thread is not None and event.aggregate_kind == "thread":
            self.threads[thread.thread_id] = attrs.evolve(
                thread, version=event.stream_version, last_sequence=event.sequence
            )

    def _fold_messages(self, event: PersistedEvent) -> None:
        match event.payload:
            case ThreadMessageSent() as sent:
                known = self.messages.get(sent.message_id)
                self.messages[sent.message_id] = evolve_message(known, event, sent)
            case ThreadReverted() as reverted:
                for message_id in reverted.removed_message_ids:
                    self.messages.pop(message_id, None)
            case _:
                pass

    def _numbered(
        self,
        command: Command,
        drafts: tuple[DraftEvent, ...],
        actor: ActorKind,
        metadata: EventMetadata,
        fingerprint: Label,
    ) -> list[PersistedEvent]:
        kind, stream_id = aggregate_of(command)
        version = self._version(kind, stream_id)
        first = EventId(f"event-{self.head + 1}")
        correlation: CommandId | None = None
        events: list[PersistedEvent] = []
        for offset, draft in enumerate(drafts, start=1):
            cause = first if draft.caused_by_first else draft.caused_by
            if actor == "client":
                correlation = command.command_id
            elif cause is not None and not draft.caused_by_first:
                correlation = self._correlations.get(cause)
            events.append(
                PersistedEvent(
                    sequence=self.head + offset,
                    event_id=EventId(f"event-{self.head + offset}"),
                    aggregate_kind=kind,
                    stream_id=stream_id,
                    stream_version=version + offset,
                    event_type=draft.payload.event_type,
                    occurred_at=draft.occurred_at,
                    command_id=command.command_id,
                    causation_event_id=cause,
                    correlation_id=correlation,
                    actor_kind=actor,
                    payload=draft.payload,
                    metadata=attrs.evolve(metadata, command_fingerprint=fingerprint) if offset == 1 else metadata,
                )
            )
        return events

    def _version(self, kind: AggregateKind, stream_id: str) -> int:
        state = self.projects.get(ProjectId(stream_id)) if kind == "project" else self.threads.get(ThreadId(stream_id))
        return 0 if state is None else state.version


def actor_of(command: Command, metadata: EventMetadata) -> ActorKind:
    """The actor that sends commands of this kind."""
    if isinstance(command, CLIENT_COMMANDS):
        return "client"
    return "server" if metadata.provider_session_id is None else "provider"
