"""Hypothesis strategies for logs that collide: two projects, two threads, and few ids of every kind.

No decider would write most of these logs. What holds for them holds for every log.
"""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from orchestrion.contracts import events as contract
from orchestrion.contracts.events import EventMetadata, EventPayload, PersistedEvent
from orchestrion.contracts.values import (
    UNSET,
    Activity,
    ApprovalDecision,
    CheckpointStatus,
    Instant,
    MessageRole,
    OpenedTurn,
    Session,
    SessionStatus,
    Tone,
)

from .builders import script
from .payloads import changed_file
from .projection_scenarios import Batch, Occurrence, persisted

projects = st.sampled_from(["project-1", "project-2"])
threads = st.sampled_from(["thread-1", "thread-2"])
turns = st.sampled_from(["turn-1", "turn-2", "turn-3"])
messages = st.sampled_from(["message-1", "message-2", "message-3"])
requests = st.sampled_from(["request-1", "request-2", "request-3"])
activities = st.sampled_from(["activity-1", "activity-2", "activity-3"])
counts = st.integers(0, 3)
labels = st.sampled_from(["red", "green", "blue"])
texts = st.sampled_from(["", "", "a", "b", "\N{SNOWMAN}", "nul\0inside", "'; --"])
instants = st.integers(0, 59).map(lambda second: Instant(f"2026-01-01T00:00:{second:02}.000Z"))


def _one_of(literal: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(literal))


def _maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def _present(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | values


def _some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=2, unique=True).map(tuple)


scripts = _some(labels.map(script))
files = _some(labels.map(changed_file))
request_payloads = st.fixed_dictionaries(
    {},
    optional={
        "requestId": requests | st.sampled_from(["", None, 7]),
        "decision": _one_of(ApprovalDecision) | st.sampled_from(["later", None]),
        "note": texts,
    },
)
_SESSION: dict[str, Any] = {
    "thread_id": threads,
    "status": _one_of(SessionStatus),
    "provider_name": _maybe(labels),
    "provider_session_id": _maybe(labels),
    "provider_thread_id": _maybe(labels),
    "last_error": _maybe(texts),
    "updated_at": instants,
}
sessions = st.builds(Session, active_turn_id=_maybe(turns), **_SESSION)
busy_sessions = st.builds(Session, active_turn_id=turns, **_SESSION)
appended_activities = st.builds(
    Activity,
    id=activities,
    tone=_one_of(Tone),
    kind=st.sampled_from(["approval.requested", "question.requested", "approval.resolved", "tool.started"]),
    summary=texts,
    payload=request_payloads,
    turn_id=_maybe(turns),
    created_at=instants,
)
opened_turns = st.builds(OpenedTurn, turn_count=counts, user_message_id=_maybe(messages), started_at=instants)

_SENT: dict[str, Any] = {
    "thread_id": threads,
    "message_id": messages,
    "text": texts,
    "turn_id": _maybe(turns),
    "created_at": instants,
    "updated_at": instants,
}
_STRATEGIES: tuple[st.SearchStrategy[EventPayload], ...] = (
    st.builds(
        contract.ProjectCreated,
        project_id=projects,
        title=labels,
        workspace_root=labels,
        default_model=_maybe(labels),
        scripts=scripts,
        created_at=instants,
        updated_at=instants,
    ),
    st.builds(
        contract.ProjectMetaUpdated,
        project_id=projects,
        title=_present(labels),
        workspace_root=_present(labels),
        default_model=_present(_maybe(labels)),
        scripts=_present(scripts),
        updated_at=instants,
    ),
    st.builds(contract.ProjectDeleted, project_id=projects, deleted_at=instants),
    st.builds(
        contract.ThreadCreated,
        thread_id=threads,
        project_id=projects,
        title=labels,
        model=_present(labels),
        provider=_present(labels),
        branch=_maybe(labels),
        worktree_path=_maybe(labels),
        created_at=instants,
        updated_at=instants,
    ),
    st.builds(
        contract.ThreadMetaUpdated,
        thread_id=threads,
        title=_present(labels),
        model=_present(labels),
        branch=_present(_maybe(labels)),
        worktree_path=_present(_maybe(labels)),
        updated_at=instants,
    ),
    st.builds(contract.ThreadDeleted, thread_id=threads, deleted_at=instants),
    st.builds(contract.ThreadMessageSent, role=st.just("assistant"), streaming=st.just(True), **_SENT),
    st.builds(contract.ThreadMessageSent, role=st.just("assistant"), streaming=st.booleans(), **_SENT),
    st.builds(contract.ThreadMessageSent, role=_one_of(MessageRole), streaming=st.booleans(), **_SENT),
    st.builds(
        contract.ThreadTurnStartRequested, thread_id=threads, turn_id=turns, message_id=messages, created_at=instants
    ),
    st.builds(contract.ThreadTurnInterruptRequested, thread_id=threads, turn_id=turns, created_at=instants),
    st.builds(
        contract.ThreadApprovalResponseRequested,
        thread_id=threads,
        request_id=requests,
        decision=_one_of(ApprovalDecision),
        created_at=instants,
    ),
    st.builds(contract.ThreadCheckpointRevertRequested, thread_id=threads, turn_count=counts, created_at=instants),
    st.builds(
        contract.ThreadReverted,
        thread_id=threads,
        turn_count=counts,
        removed_turn_ids=_some(turns),
        removed_message_ids=_some(messages),
        latest_turn_id=_maybe(turns),
        created_at=instants,
    ),
    st.builds(contract.ThreadSessionStopRequested, thread_id=threads, created_at=instants),
    st.builds(
        contract.ThreadSessionSetEvent,
        thread_id=threads,
        session=sessions,
        turn=_present(opened_turns),
        created_at=instants,
    ),
    st.builds(
        contract.ThreadSessionSetEvent,
        thread_id=threads,
        session=busy_sessions,
        turn=opened_turns,
        created_at=instants,
    ),
    st.builds(
        contract.ThreadTurnDiffCompleted,
        thread_id=threads,
        turn_id=turns,
        checkpoint_turn_count=counts,
        checkpoint_ref=labels,
        status=_one_of(CheckpointStatus),
        files=files,
        assistant_message_id=_maybe(messages),
        completed_at=instants,
        created_at=instants,
    ),
    st.builds(contract.ThreadActivityAppended, thread_id=threads, activity=appended_activities, created_at=instants),
)

payloads: st.SearchStrategy[EventPayload] = st.one_of(_STRATEGIES)
"""Any of the sixteen payloads."""


def logs(max_size: int = 40) -> st.SearchStrategy[list[PersistedEvent]]:
    """Logs of up to `max_size` events: sequences and versions without gaps, everything else arbitrary."""
    occurrences = st.builds(
        Occurrence,
        payload=payloads,
        metadata=st.builds(EventMetadata, request_id=_maybe(requests)),
        occurred_at=instants,
    )
    # Hypothesis keeps lists short unless their size is drawn first, and short logs rarely collide.
    sizes = st.integers(0, max_size)
    drawn = sizes.flatmap(lambda size: st.lists(occurrences, min_size=size, max_size=size))
    return drawn.map(lambda found: list(persisted(found)))


@st.composite
def cut_logs(draw: st.DrawFn, max_size: int = 40) -> list[Batch]:
    """A log in consecutive batches, cut anywhere."""
    log = draw(logs(max_size))
    at = sorted(draw(st.sets(st.integers(1, max(1, len(log) - 1)), max_size=len(log))))
    return [log[start:stop] for start, stop in zip([0, *at], [*at, len(log)], strict=True)]
