"""The rows of the eight tables after a log, written from SPEC 7.3 alone: plain rows, event by event.

Slow and simple on purpose. It shares no code with the projections, so an error must be made twice to go unnoticed.

One long module: it follows the tables of SPEC 7.3, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from orchestrion.contracts.codec import to_json
from orchestrion.contracts.events import (
    PersistedEvent,
    ProjectCreated,
    ProjectDeleted,
    ProjectMetaUpdated,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadCreated,
    ThreadDeleted,
    ThreadMessageSent,
    ThreadMetaUpdated,
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
)
from orchestrion.contracts.values import UNSET

Row = dict[str, Any]
Tables = dict[str, list[Row]]
DECISIONS = ("accept", "acceptForSession", "decline", "cancel")


def fold(events: Iterable[PersistedEvent]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table in order of arrival, columns in the order of SPEC 7.3."""
    tables: Tables = {
        "projection_projects": [],
        "projection_threads": [],
        "projection_thread_messages": [],
        "projection_thread_activities": [],
        "projection_thread_sessions": [],
        "projection_thread_turns": [],
        "projection_checkpoints": [],
        "projection_pending_approvals": [],
    }
    for event in events:
        _projects(tables["projection_projects"], event)
        _threads(tables["projection_threads"], event)
        _messages(tables["projection_thread_messages"], event)
        _activities(tables["projection_thread_activities"], event)
        _sessions(tables["projection_thread_sessions"], event)
        _turns(tables["projection_thread_turns"], event)
        _checkpoints(tables["projection_checkpoints"], event)
        _approvals(tables["projection_pending_approvals"], event)
    return {table: [tuple(row.values()) for row in rows] for table, rows in tables.items()}


def _find(rows: list[Row], **key: object) -> Row | None:
    return next((row for row in rows if all(row[column] == value for column, value in key.items())), None)


def _remove(rows: list[Row], doomed: Callable[[Row], bool]) -> None:
    rows[:] = [row for row in rows if not doomed(row)]


def _json(value: object) -> str:
    return orjson.dumps(to_json(value)).decode()


def _set_present(row: Row, payload: object, *columns: str) -> None:
    for column in columns:
        value = getattr(payload, column)
        if value is not UNSET:
            row[column] = value


def _projects(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    row = _find(rows, project_id=event.stream_id)
    if isinstance(payload, ProjectCreated) and row is None:
        rows.append(
            {
                "project_id": event.stream_id,
                "title": payload.title,
                "workspace_root": payload.workspace_root,
                "default_model": payload.default_model,
                "scripts_json": _json(payload.scripts),
                "created_at": payload.created_at,
                "updated_at": payload.updated_at,
                "deleted_at": None,
            }
        )
    if isinstance(payload, ProjectMetaUpdated) and row is not None:
        _set_present(row, payload, "title", "workspace_root", "default_model", "updated_at")
        if payload.scripts is not UNSET:
            row["scripts_json"] = _json(payload.scripts)
    if isinstance(payload, ProjectDeleted) and row is not None:
        row["deleted_at"] = row["updated_at"] = payload.deleted_at


def _threads(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    row = _find(rows, thread_id=event.stream_id)
    if isinstance(payload, ThreadCreated) and row is None:
        rows.append(
            {
                "thread_id": event.stream_id,
                "project_id": payload.project_id,
                "title": payload.title,
                "model": "" if payload.model is UNSET else payload.model,
                "branch": payload.branch,
                "worktree_path": payload.worktree_path,
                "latest_turn_id": None,
                "created_at": payload.created_at,
                "updated_at": payload.updated_at,
                "deleted_at": None,
            }
        )
    if row is None:
        return
    if isinstance(payload, ThreadMetaUpdated):
        _set_present(row, payload, "title", "model", "branch", "worktree_path", "updated_at")
    if isinstance(payload, ThreadDeleted):
        row["deleted_at"] = row["updated_at"] = payload.deleted_at
    if isinstance(
        payload,
        ThreadMessageSent | ThreadActivityAppended | ThreadSessionSetEvent | ThreadTurnDiffCompleted | ThreadReverted,
    ):
        row["updated_at"] = event.occurred_at
    if isinstance(payload, ThreadSessionSetEvent) and payload.session.active_turn_id is not None:
        row["latest_turn_id"] = payload.session.active_turn_id
    if isinstance(payload, ThreadTurnDiffCompleted):
        row["latest_turn_id"] = payload.turn_id
    if isinstance(payload, ThreadReverted):
        row["latest_turn_id"] = payload.latest_turn_id


def _messages(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    thread_id = event.stream_id
    if isinstance(payload, ThreadReverted):
        _remove(
            rows,
            lambda row: (
                row["thread_id"] == thread_id
                and (row["message_id"] in payload.removed_message_ids or row["turn_id"] in payload.removed_turn_ids)
            ),
        )
    if not isinstance(payload, ThreadMessageSent):
        return
    row = _find(rows, message_id=payload.message_id)
    if row is None:
        rows.append(
            {
                "message_id": payload.message_id,
                "thread_id": thread_id,
                "turn_id": payload.turn_id,
                "role": payload.role,
                "text": payload.text,
                "is_streaming": int(payload.streaming),
                "created_at": payload.created_at,
                "updated_at": payload.updated_at,
            }
        )
    elif row["thread_id"] == thread_id:
        if payload.streaming:
            row["text"] += payload.text
        elif payload.text != "":
            row["text"] = payload.text
        if row["turn_id"] is None:
            row["turn_id"] = payload.turn_id
        row["is_streaming"] = int(payload.streaming)
        row["updated_at"] = payload.updated_at


def _activities(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    thread_id = event.stream_id
    if isinstance(payload, ThreadReverted):
        _remove(rows, lambda row: row["thread_id"] == thread_id and row["turn_id"] in payload.removed_turn_ids)
    if isinstance(payload, ThreadCreated) and payload.provider is not UNSET:
        rows.append(
            {
                "activity_id": f"~provider/{event.event_id}",
                "thread_id": thread_id,
                "turn_id": None,
                "tone": "info",
                "kind": "thread.provider",
                "summary": f"The thread is for the provider {payload.provider}",
                "payload_json": _json({"name": payload.provider}),
                "created_at": payload.created_at,
            }
        )
    if not isinstance(payload, ThreadActivityAppended):
        return
    appended = payload.activity
    new = {
        "activity_id": appended.id,
        "thread_id": thread_id,
        "turn_id": appended.turn_id,
        "tone": appended.tone,
        "kind": appended.kind,
        "summary": appended.summary,
        "payload_json": _json(appended.payload),
        "created_at": appended.created_at,
    }
    row = _find(rows, activity_id=appended.id)
    if row is None:
        rows.append(new)
    elif row["thread_id"] == thread_id:
        row.update(new)


def _sessions(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    if not isinstance(payload, ThreadSessionSetEvent):
        return
    session = payload.session
    new = {
        "thread_id": event.stream_id,
        "status": session.status,
        "provider_name": session.provider_name,
        "provider_session_id": session.provider_session_id,
        "provider_thread_id": session.provider_thread_id,
        "active_turn_id": session.active_turn_id,
        "last_error": session.last_error,
        "updated_at": session.updated_at,
    }
    row = _find(rows, thread_id=event.stream_id)
    if row is None:
        rows.append(new)
    else:
        row.update(new)


def _turns(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    thread_id = event.stream_id
    if isinstance(payload, ThreadMessageSent) and payload.role == "assistant" and payload.turn_id is not None:
        row = _find(rows, turn_id=payload.turn_id, thread_id=thread_id)
        if row is not None:
            row["assistant_message_id"] = payload.message_id
    if isinstance(payload, ThreadSessionSetEvent):
        _end_turns(rows, event, payload)
        _open_turn(rows, thread_id, payload)
    if isinstance(payload, ThreadDeleted):
        for row in rows:
            if row["thread_id"] == thread_id and row["status"] == "running":
                row.update(status="interrupted", completed_at=event.occurred_at)
    if isinstance(payload, ThreadReverted):
        _remove(rows, lambda row: row["thread_id"] == thread_id and row["turn_id"] in payload.removed_turn_ids)


def _end_turns(rows: list[Row], event: PersistedEvent, payload: ThreadSessionSetEvent) -> None:
    status = payload.session.status
    for row in rows:
        if row["thread_id"] != event.stream_id or row["status"] != "running":
            continue
        if row["turn_id"] == payload.session.active_turn_id:
            continue
        if status in ("ready", "idle"):
            row["status"] = "completed"
        elif status == "error":
            row["status"] = "error"
        else:
            row["status"] = "interrupted"
        row["completed_at"] = event.occurred_at


def _open_turn(rows: list[Row], thread_id: str, payload: ThreadSessionSetEvent) -> None:
    opened, turn_id = payload.turn, payload.session.active_turn_id
    if opened is UNSET or turn_id is None:
        return
    if _find(rows, turn_id=turn_id) or _find(rows, thread_id=thread_id, turn_count=opened.turn_count):
        return
    rows.append(
        {
            "turn_id": turn_id,
            "thread_id": thread_id,
            "turn_count": opened.turn_count,
            "status": "running",
            "user_message_id": opened.user_message_id,
            "assistant_message_id": None,
            "started_at": opened.started_at,
            "completed_at": None,
        }
    )


def _checkpoints(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    thread_id = event.stream_id
    if isinstance(payload, ThreadReverted):
        _remove(rows, lambda row: row["thread_id"] == thread_id and row["checkpoint_turn_count"] > payload.turn_count)
    if not isinstance(payload, ThreadTurnDiffCompleted):
        return
    new = {
        "thread_id": thread_id,
        "turn_id": payload.turn_id,
        "checkpoint_turn_count": payload.checkpoint_turn_count,
        "checkpoint_ref": payload.checkpoint_ref,
        "status": payload.status,
        "files_json": _json(payload.files),
        "assistant_message_id": payload.assistant_message_id,
        "completed_at": payload.completed_at,
    }
    row = _find(rows, thread_id=thread_id, checkpoint_turn_count=payload.checkpoint_turn_count)
    if row is None:
        rows.append(new)
    else:
        row.update(new)


def _approvals(rows: list[Row], event: PersistedEvent) -> None:
    payload = event.payload
    thread_id = event.stream_id

    def resolve(decision: str, concerns: Callable[[Row], bool]) -> None:
        for row in rows:
            if row["thread_id"] == thread_id and row["status"] == "pending" and concerns(row):
                row.update(status="resolved", decision=decision, resolved_at=event.occurred_at)

    if isinstance(payload, ThreadActivityAppended):
        appended = payload.activity
        stated = appended.payload.get("requestId")
        request_id = stated if isinstance(stated, str) and stated else event.metadata.request_id
        if request_id is None:
            return
        if appended.kind in ("approval.requested", "question.requested") and _find(rows, request_id=request_id) is None:
            rows.append(
                {
                    "request_id": request_id,
                    "thread_id": thread_id,
                    "turn_id": appended.turn_id,
                    "status": "pending",
                    "decision": None,
                    "created_at": appended.created_at,
                    "resolved_at": None,
                }
            )
        if appended.kind == "approval.resolved":
            decision = appended.payload.get("decision")
            resolve(decision if decision in DECISIONS else "cancel", lambda row: row["request_id"] == request_id)
    if isinstance(payload, ThreadApprovalResponseRequested):
        resolve(payload.decision, lambda row: row["request_id"] == payload.request_id)
    if isinstance(payload, ThreadSessionSetEvent):
        session = payload.session
        if session.active_turn_id is None and session.status != "starting":
            resolve("cancel", lambda row: True)
    if isinstance(payload, ThreadDeleted):
        resolve("cancel", lambda row: True)
    if isinstance(payload, ThreadReverted):
        resolve("cancel", lambda row: row["turn_id"] in payload.removed_turn_ids)
