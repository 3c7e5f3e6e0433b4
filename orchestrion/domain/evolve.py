"""The fold: state and event in, next state out. Total: any event that was written can be folded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, assert_never

import attrs

from ..contracts.events import (
    PersistedEvent,
    ProjectCreated,
    ProjectDeleted,
    ProjectMetaUpdated,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadCreated,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadMetaUpdated,
    ThreadPayload,
    ThreadQueueUpdated,
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadSessionStopRequested,
    ThreadTurnDiffCompleted,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
    ThreadTurnSteerRequested,
)
from ..contracts.ids import ApprovalRequestId, TurnId
from ..contracts.values import UNSET, OpenedTurn
from .approvals import REQUESTED, RESOLVED, details_of, request_id_of
from .state import ApprovalFact, IntentKind, MessageFact, OpenIntent, ProjectState, ThreadState, TurnFact

K = TypeVar("K")
V = TypeVar("V")


def evolve_project(state: ProjectState | None, event: PersistedEvent) -> ProjectState | None:
    """The project after an event of its own stream, or of a thread's birth or death in it."""
    match event.payload:
        case ProjectCreated() as created:
            return ProjectState(
                project_id=created.project_id,
                deleted=False,
                version=event.stream_version,
                last_sequence=event.sequence,
                live_threads=0,
            )
        case _ if state is None:
            return None
        case ProjectMetaUpdated():
            return attrs.evolve(state, version=event.stream_version, last_sequence=event.sequence)
        case ProjectDeleted():
            return attrs.evolve(state, version=event.stream_version, last_sequence=event.sequence, deleted=True)
        case ThreadCreated():
            return attrs.evolve(state, last_sequence=event.sequence, live_threads=state.live_threads + 1)
        case ThreadDeleted():
            return attrs.evolve(state, last_sequence=event.sequence, live_threads=state.live_threads - 1)
        case _:
            return state


def evolve_thread(state: ThreadState | None, event: PersistedEvent) -> ThreadState | None:
    """The thread after an event of its stream; None while there is no thread."""
    payload = event.payload
    match payload:
        case ProjectCreated() | ProjectMetaUpdated() | ProjectDeleted():
            return state
        case ThreadCreated():
            return ThreadState(
                thread_id=payload.thread_id,
                project_id=payload.project_id,
                deleted=False,
                version=event.stream_version,
                last_sequence=event.sequence,
            )
        case _ if state is None:
            return None
        case _:
            return _applied(_advanced(state, event), payload, event)


def evolve_message(known: MessageFact | None, event: PersistedEvent, payload: ThreadMessageSent) -> MessageFact:
    """The message after an event of its thread that wrote to it."""
    return MessageFact(
        last_sequence=event.sequence,
        thread_id=payload.thread_id,
        role=payload.role if known is None else known.role,
        turn_id=payload.turn_id if known is None or known.turn_id is None else known.turn_id,
        streaming=payload.streaming,
    )


def turn_opened_by(event: PersistedEvent) -> TurnId | None:
    """The turn that an event opens."""
    match event.payload:
        case ThreadSessionSetEvent(turn=OpenedTurn(), session=session):
            return session.active_turn_id
        case _:
            return None


def approval_asked_by(event: PersistedEvent) -> ApprovalRequestId | None:
    """The approval request that an event opens."""
    match event.payload:
        case ThreadActivityAppended(activity=activity) if activity.kind in REQUESTED:
            return request_id_of(activity, event.metadata)
        case _:
            return None


def _advanced(state: ThreadState, event: PersistedEvent) -> ThreadState:
    """The stream's position, and the intent that the event settles."""
    cause, intents, queue = event.causation_event_id, state.open_intents, state.queue
    if cause is not None and cause in intents:
        started = intents[cause].turn_id if intents[cause].kind == "turn-start" else None
        queue = tuple(turn_id for turn_id in queue if turn_id != started)
        intents = _without(intents, (cause,))
    return ThreadState(  # every event comes through here, and attrs.evolve takes twice as long
        thread_id=state.thread_id,
        project_id=state.project_id,
        deleted=state.deleted,
        version=event.stream_version,
        last_sequence=event.sequence,
        session=state.session,
        running_turn_id=state.running_turn_id,
        turns=state.turns,
        checkpoint_counts=state.checkpoint_counts,
        approvals=state.approvals,
        open_intents=intents,
        queue=queue,
    )


def _applied(state: ThreadState, payload: ThreadPayload, event: PersistedEvent) -> ThreadState:
    match payload:
        case ThreadCreated() | ThreadMetaUpdated() | ThreadMessageSent():
            return state
        case ThreadDeleted():
            return attrs.evolve(
                state,
                deleted=True,
                running_turn_id=None,
                approvals=_all_resolved(state.approvals),
                open_intents={},
                queue=(),
            )
        case ThreadTurnStartRequested():
            asked = _intent(
                event,
                "turn-start",
                turn_id=payload.turn_id,
                message_id=payload.message_id,
                steered=payload.steered is True,
            )
            return attrs.evolve(_with_intent(state, asked), queue=(*state.queue, payload.turn_id))
        case ThreadTurnSteerRequested():
            steering = _intent(event, "turn-steer", turn_id=payload.turn_id, message_id=payload.message_id)
            return _with_intent(state, steering)
        case ThreadQueueUpdated():
            return attrs.evolve(state, queue=ordered_queue(state.queue, payload.turn_ids))
        case ThreadTurnInterruptRequested():
            return _with_intent(state, _intent(event, "turn-interrupt", turn_id=payload.turn_id))
        case ThreadApprovalResponseRequested():
            answered = _with_intent(state, _intent(event, "approval-response"))
            return attrs.evolve(answered, approvals=_resolved(answered.approvals, payload.request_id))
        case ThreadCheckpointRevertRequested():
            return _with_intent(state, _intent(event, "checkpoint-revert", turn_count=payload.turn_count))
        case ThreadSessionStopRequested():
            return _with_intent(state, _intent(event, "session-stop"))
        case ThreadReverted():
            return _reverted(state, payload)
        case ThreadSessionSetEvent():
            return _with_session(state, payload)
        case ThreadTurnDiffCompleted():
            return attrs.evolve(state, checkpoint_counts=state.checkpoint_counts | {payload.checkpoint_turn_count})
        case ThreadActivityAppended():
            return _with_activity(state, payload, event)
        case _:
            assert_never(payload)


def ordered_queue(waiting: Sequence[TurnId], first: Sequence[TurnId]) -> tuple[TurnId, ...]:
    """The waiting turns with those in `first` before the others. Turns that do not wait are left out."""
    named = [turn_id for turn_id in first if turn_id in waiting]
    return (*named, *(turn_id for turn_id in waiting if turn_id not in named))


def _intent(event: PersistedEvent, kind: IntentKind, **facts: Any) -> OpenIntent:
    return OpenIntent(
        event_id=event.event_id,
        sequence=event.sequence,
        kind=kind,
        correlation_id=event.correlation_id,
        **facts,
    )


def _with_intent(state: ThreadState, intent: OpenIntent) -> ThreadState:
    return attrs.evolve(state, open_intents={**state.open_intents, intent.event_id: intent})


def _with_session(state: ThreadState, payload: ThreadSessionSetEvent) -> ThreadState:
    session = payload.session
    running, turns = state.running_turn_id, state.turns
    if running is not None and session.active_turn_id != running:
        running = None
    if payload.turn is not UNSET and session.active_turn_id is not None and session.active_turn_id not in turns:
        running = session.active_turn_id
        fact = TurnFact(turn_count=payload.turn.turn_count, user_message_id=payload.turn.user_message_id)
        turns = {**turns, running: fact}
    ends_approvals = session.active_turn_id is None and session.status != "starting"
    return attrs.evolve(
        state,
        session=session,
        running_turn_id=running,
        turns=turns,
        approvals=_all_resolved(state.approvals) if ends_approvals else state.approvals,
    )


def _with_activity(state: ThreadState, payload: ThreadActivityAppended, event: PersistedEvent) -> ThreadState:
    activity = payload.activity
    if activity.kind not in (*REQUESTED, RESOLVED):
        return state
    request_id = request_id_of(activity, event.metadata)
    if request_id is None:
        return state
    if activity.kind == RESOLVED:
        return attrs.evolve(state, approvals=_resolved(state.approvals, request_id))
    if request_id in state.approvals:
        return state
    fact = ApprovalFact(pending=True, turn_id=activity.turn_id, details=details_of(activity))
    return attrs.evolve(state, approvals={**state.approvals, request_id: fact})


def _reverted(state: ThreadState, payload: ThreadReverted) -> ThreadState:
    removed_turns = frozenset(payload.removed_turn_ids)
    approvals = {
        request_id: fact.resolved() if fact.turn_id in removed_turns else fact
        for request_id, fact in state.approvals.items()
    }
    return attrs.evolve(
        state,
        running_turn_id=None if state.running_turn_id in removed_turns else state.running_turn_id,
        turns=_without(state.turns, removed_turns),
        checkpoint_counts=frozenset(count for count in state.checkpoint_counts if count <= payload.turn_count),
        approvals=approvals,
    )


def _resolved(
    approvals: Mapping[ApprovalRequestId, ApprovalFact], request_id: ApprovalRequestId
) -> Mapping[ApprovalRequestId, ApprovalFact]:
    fact = approvals.get(request_id)
    if fact is None or not fact.pending:
        return approvals
    return {**approvals, request_id: fact.resolved()}


def _all_resolved(approvals: Mapping[ApprovalRequestId, ApprovalFact]) -> Mapping[ApprovalRequestId, ApprovalFact]:
    if not any(fact.pending for fact in approvals.values()):
        return approvals
    return {request_id: fact.resolved() for request_id, fact in approvals.items()}


def _without(mapping: Mapping[K, V], keys: Iterable[K]) -> Mapping[K, V]:
    gone = frozenset(keys)
    return {key: value for key, value in mapping.items() if key not in gone}
