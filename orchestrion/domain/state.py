"""What decisions need to know, and no more: which ids exist, turns, approvals, open intents, stream versions.

States are frozen: `evolve` gives the next one, so a group of commands is decided on staged states that are adopted
after its commit or dropped with it. Message text is never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

import attrs

from ..contracts.ids import ApprovalRequestId, CommandId, EventId, MessageId, ProjectId, ThreadId, TurnId
from ..contracts.values import MessageRole, Session
from .approvals import ApprovalDetails

IntentKind: TypeAlias = Literal[
    "turn-start", "turn-steer", "turn-interrupt", "approval-response", "checkpoint-revert", "session-stop"
]


@attrs.frozen(kw_only=True)
class TurnFact:
    turn_count: int
    user_message_id: MessageId | None


@attrs.frozen(kw_only=True)
class MessageFact:
    """`last_sequence` is that of the last event that touched the message; `removed`: a revert removed it."""

    last_sequence: int
    thread_id: ThreadId
    role: MessageRole
    turn_id: TurnId | None
    streaming: bool
    removed: bool = False


@attrs.frozen(kw_only=True)
class OwnerFact:
    """The thread that a turn or an approval request belongs to. `removed`: a revert took the turn, its id is free."""

    last_sequence: int
    thread_id: ThreadId
    removed: bool = False


@attrs.frozen(kw_only=True)
class OpenIntent:
    """An event that asked for a side effect which has no outcome yet."""

    event_id: EventId
    sequence: int
    kind: IntentKind
    correlation_id: CommandId | None
    turn_id: TurnId | None = None
    message_id: MessageId | None = None
    turn_count: int | None = None
    steered: bool = False
    """Whether a turn start comes from a message that was sent to steer a turn."""


@attrs.frozen(kw_only=True)
class ApprovalFact:
    """`details` is what a pending request is about; None where it is not known any more, and no part of equality."""

    pending: bool
    turn_id: TurnId | None
    details: ApprovalDetails | None = attrs.field(default=None, eq=False)

    def resolved(self) -> ApprovalFact:
        return ApprovalFact(pending=False, turn_id=self.turn_id)


@attrs.frozen(kw_only=True)
class ProjectState:
    """`version` and `last_sequence` are those of the last event that touched this state."""

    project_id: ProjectId
    deleted: bool
    version: int
    last_sequence: int
    live_threads: int


@attrs.frozen(kw_only=True)
class ThreadState:
    """A thread as deciders see it."""

    thread_id: ThreadId
    project_id: ProjectId
    deleted: bool
    version: int
    last_sequence: int
    session: Session | None = None
    running_turn_id: TurnId | None = None
    turns: Mapping[TurnId, TurnFact] = attrs.field(factory=dict)
    checkpoint_counts: frozenset[int] = frozenset()
    approvals: Mapping[ApprovalRequestId, ApprovalFact] = attrs.field(factory=dict)
    open_intents: Mapping[EventId, OpenIntent] = attrs.field(factory=dict)
    queue: tuple[TurnId, ...] = ()
    """The turns of the open turn-start requests, in the order in which they will run."""

    @property
    def highest_turn_count(self) -> int:
        return max((turn.turn_count for turn in self.turns.values()), default=0)

    @property
    def queued_starts(self) -> tuple[OpenIntent, ...]:
        """The open turn-start requests, oldest first."""
        return tuple(intent for intent in self.open_intents.values() if intent.kind == "turn-start")

    @property
    def queue_after_steering(self) -> int:
        """The place of a steered turn in the queue: before the others, behind those that were steered before it."""
        steered = {intent.turn_id for intent in self.queued_starts if intent.steered}
        return next((place for place, turn_id in enumerate(self.queue) if turn_id not in steered), len(self.queue))

    def queued_start(self, turn_id: TurnId | None) -> OpenIntent | None:
        return next((intent for intent in self.queued_starts if intent.turn_id == turn_id), None)


class DecisionState(Protocol):
    """Where a decider looks things up. None: the id was never used."""

    def project(self, project_id: ProjectId) -> ProjectState | None: ...

    def thread(self, thread_id: ThreadId) -> ThreadState | None: ...

    def message(self, message_id: MessageId) -> MessageFact | None: ...

    def messages_of(self, thread_id: ThreadId, turn_ids: frozenset[TurnId]) -> tuple[MessageId, ...]:
        """The thread's messages that belong to these turns, in order of arrival."""

    def owner_of_turn(self, turn_id: TurnId) -> ThreadId | None:
        """The thread that opened this turn."""

    def owner_of_approval(self, request_id: ApprovalRequestId) -> ThreadId | None:
        """The thread whose agent asked for this approval."""
