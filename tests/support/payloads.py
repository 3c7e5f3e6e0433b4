"""Payloads of events with defaults for every field."""

from __future__ import annotations

from typing import Any

from orchestrion.contracts.events import (
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
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadSessionStopRequested,
    ThreadTurnDiffCompleted,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
)
from orchestrion.contracts.ids import (
    ActivityId,
    ApprovalRequestId,
    CheckpointRef,
    MessageId,
    ProjectId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.values import (
    Activity,
    ApprovalDecision,
    ChangedFile,
    Count,
    Instant,
    Label,
    MessageRole,
    OpenedTurn,
    Session,
    SessionStatus,
)

PROJECT = ProjectId("project-1")
THREAD = ThreadId("thread-1")
OTHER_THREAD = ThreadId("thread-2")


def at(second: int) -> Instant:
    """The instant `second` seconds after the first instant of the tests, less than a minute."""
    return Instant(f"2026-01-02T03:04:{second:02}.000Z")


def changed_file(path: str) -> ChangedFile:
    return ChangedFile(path=Label(path), kind="modified", additions=Count(2), deletions=Count(1))


def project_created(project: str = PROJECT, *, time: int = 0, **fields: Any) -> ProjectCreated:
    defaults: dict[str, Any] = {
        "title": Label("Title"),
        "workspace_root": Label("/workspace"),
        "default_model": None,
        "scripts": (),
        "created_at": at(time),
        "updated_at": at(time),
    }
    return ProjectCreated(project_id=ProjectId(project), **(defaults | fields))


def project_meta_updated(project: str = PROJECT, *, time: int = 0, **fields: Any) -> ProjectMetaUpdated:
    return ProjectMetaUpdated(project_id=ProjectId(project), updated_at=at(time), **fields)


def project_deleted(project: str = PROJECT, *, time: int = 0) -> ProjectDeleted:
    return ProjectDeleted(project_id=ProjectId(project), deleted_at=at(time))


def thread_created(thread: str = THREAD, *, time: int = 0, **fields: Any) -> ThreadCreated:
    defaults: dict[str, Any] = {
        "project_id": PROJECT,
        "title": Label("Title"),
        "model": Label("model-a"),
        "branch": None,
        "worktree_path": None,
        "created_at": at(time),
        "updated_at": at(time),
    }
    return ThreadCreated(thread_id=ThreadId(thread), **(defaults | fields))


def thread_meta_updated(thread: str = THREAD, *, time: int = 0, **fields: Any) -> ThreadMetaUpdated:
    return ThreadMetaUpdated(thread_id=ThreadId(thread), updated_at=at(time), **fields)


def thread_deleted(thread: str = THREAD, *, time: int = 0) -> ThreadDeleted:
    return ThreadDeleted(thread_id=ThreadId(thread), deleted_at=at(time))


def message_sent(
    text: str,
    *,
    message: str = "message-1",
    role: MessageRole = "assistant",
    turn: str | None = "turn-1",
    streaming: bool = False,
    time: int = 0,
    thread: str = THREAD,
) -> ThreadMessageSent:
    return ThreadMessageSent(
        thread_id=ThreadId(thread),
        message_id=MessageId(message),
        role=role,
        text=text,
        turn_id=None if turn is None else TurnId(turn),
        streaming=streaming,
        created_at=at(time),
        updated_at=at(time),
    )


def delta(text: str, **fields: Any) -> ThreadMessageSent:
    return message_sent(text, streaming=True, **fields)


def completion(**fields: Any) -> ThreadMessageSent:
    return message_sent("", streaming=False, **fields)


def user_message(text: str, **fields: Any) -> ThreadMessageSent:
    return message_sent(text, role="user", turn=None, **fields)


def session_set(
    status: SessionStatus,
    *,
    turn: str | None = None,
    opens: int | None = None,
    user_message: str | None = None,
    time: int = 0,
    thread: str = THREAD,
    **fields: Any,
) -> ThreadSessionSetEvent:
    """`opens` is the turnCount of the turn that the event opens, None if it opens none."""
    defaults: dict[str, Any] = {
        "provider_name": Label("agent"),
        "provider_session_id": None,
        "provider_thread_id": None,
        "last_error": None,
    }
    session = Session(
        thread_id=ThreadId(thread),
        status=status,
        active_turn_id=None if turn is None else TurnId(turn),
        updated_at=at(time),
        **(defaults | fields),
    )
    if opens is None:
        return ThreadSessionSetEvent(thread_id=ThreadId(thread), session=session, created_at=at(time))
    opened = OpenedTurn(
        turn_count=Count(opens),
        user_message_id=None if user_message is None else MessageId(user_message),
        started_at=at(time),
    )
    return ThreadSessionSetEvent(thread_id=ThreadId(thread), session=session, turn=opened, created_at=at(time))


def turn_opened(turn: str, count: int, **fields: Any) -> ThreadSessionSetEvent:
    return session_set("running", turn=turn, opens=count, **fields)


def diff_completed(
    count: int, *, turn: str = "turn-1", time: int = 0, thread: str = THREAD, **fields: Any
) -> ThreadTurnDiffCompleted:
    defaults: dict[str, Any] = {
        "checkpoint_ref": CheckpointRef(f"refs/checkpoint/{count}"),
        "status": "ready",
        "files": (),
        "assistant_message_id": None,
    }
    return ThreadTurnDiffCompleted(
        thread_id=ThreadId(thread),
        turn_id=TurnId(turn),
        checkpoint_turn_count=Count(count),
        completed_at=at(time),
        created_at=at(time),
        **(defaults | fields),
    )


def reverted(
    to: int,
    *,
    turns: tuple[str, ...] = (),
    messages: tuple[str, ...] = (),
    latest: str | None = None,
    time: int = 0,
    thread: str = THREAD,
) -> ThreadReverted:
    return ThreadReverted(
        thread_id=ThreadId(thread),
        turn_count=Count(to),
        removed_turn_ids=tuple(TurnId(turn) for turn in turns),
        removed_message_ids=tuple(MessageId(message) for message in messages),
        latest_turn_id=None if latest is None else TurnId(latest),
        created_at=at(time),
    )


def activity(
    identifier: str = "activity-1", *, turn: str | None = "turn-1", time: int = 0, thread: str = THREAD, **fields: Any
) -> ThreadActivityAppended:
    defaults: dict[str, Any] = {"tone": "info", "kind": Label("plan.updated"), "summary": "Summary", "payload": {}}
    appended = Activity(
        id=ActivityId(identifier),
        turn_id=None if turn is None else TurnId(turn),
        created_at=at(time),
        **(defaults | fields),
    )
    return ThreadActivityAppended(thread_id=ThreadId(thread), activity=appended, created_at=at(time))


def approval_requested(request: str | None = "request-1", **fields: Any) -> ThreadActivityAppended:
    payload = {} if request is None else {"requestId": request}
    return activity(**({"tone": "approval", "kind": Label("approval.requested"), "payload": payload} | fields))


def approval_resolved(request: str, decision: str | None = None, **fields: Any) -> ThreadActivityAppended:
    payload = {"requestId": request} if decision is None else {"requestId": request, "decision": decision}
    kind = Label("approval.resolved")
    return activity(**({"identifier": "activity-2", "tone": "approval", "kind": kind, "payload": payload} | fields))


def approval_response(
    request: str, decision: ApprovalDecision, *, time: int = 0, thread: str = THREAD
) -> ThreadApprovalResponseRequested:
    return ThreadApprovalResponseRequested(
        thread_id=ThreadId(thread), request_id=ApprovalRequestId(request), decision=decision, created_at=at(time)
    )


def turn_start_requested(turn: str = "turn-1", *, time: int = 0, thread: str = THREAD) -> ThreadTurnStartRequested:
    return ThreadTurnStartRequested(
        thread_id=ThreadId(thread), turn_id=TurnId(turn), message_id=MessageId("message-1"), created_at=at(time)
    )


def interrupt_requested(turn: str = "turn-1", *, time: int = 0, thread: str = THREAD) -> ThreadTurnInterruptRequested:
    return ThreadTurnInterruptRequested(thread_id=ThreadId(thread), turn_id=TurnId(turn), created_at=at(time))


def revert_requested(to: int, *, time: int = 0, thread: str = THREAD) -> ThreadCheckpointRevertRequested:
    return ThreadCheckpointRevertRequested(thread_id=ThreadId(thread), turn_count=Count(to), created_at=at(time))


def stop_requested(*, time: int = 0, thread: str = THREAD) -> ThreadSessionStopRequested:
    return ThreadSessionStopRequested(thread_id=ThreadId(thread), created_at=at(time))
