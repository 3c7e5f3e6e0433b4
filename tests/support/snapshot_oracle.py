"""The snapshot that SPEC 7.4 describes, made of the rows that the projection oracle folds a log into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

from orchestrion.contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadDeleted,
    ThreadQueueUpdated,
    ThreadTurnStartRequested,
)
from orchestrion.contracts.values import EPOCH
from tests.support.projection_oracle import fold
from tests.support.usage_oracle import usage_json

_TABLES: Final = {
    "projects": "id title workspaceRoot defaultModel scripts createdAt updatedAt deletedAt",
    "threads": "id projectId title model branch worktreePath latestTurnId createdAt updatedAt deletedAt",
    "thread_messages": "id threadId turnId role text streaming createdAt updatedAt",
    "thread_activities": "id threadId turnId tone kind summary payload createdAt",
    "thread_sessions": (
        "threadId status providerName providerSessionId providerThreadId activeTurnId lastError updatedAt"
    ),
    "thread_turns": "turnId threadId turnCount status userMessageId assistantMessageId startedAt completedAt",
    "checkpoints": "threadId turnId checkpointTurnCount checkpointRef status files assistantMessageId completedAt",
    "pending_approvals": "requestId threadId turnId status decision createdAt resolvedAt",
}
_JSON: Final = ("scripts", "payload", "files")

Json = dict[str, Any]


def snapshot_json(log: Sequence[LoggedEvent], *, detail: str = "full") -> Json:
    """The answer of `getSnapshot` if the log ends here. Events that do not decode contribute nothing."""
    folded = fold(event for event in log if isinstance(event, PersistedEvent))
    queues = _queues(log)
    tables = {table: [_named(names, row) for row in folded[f"projection_{table}"]] for table, names in _TABLES.items()}
    return {
        "snapshotSequence": len(log),
        "projects": sorted(tables["projects"], key=_age),
        "threads": [
            _thread(thread, tables, detail) | {"queue": queues.get(thread["id"], [])}
            for thread in sorted(tables["threads"], key=_age)
        ],
        "updatedAt": log[-1].occurred_at if log else EPOCH,
    }


def _queues(log: Sequence[LoggedEvent]) -> dict[str, list[Json]]:
    """The turns that wait in each thread. Any event takes out the turn whose request is its cause."""
    queues: dict[str, list[Json]] = {}
    for event in log:
        waiting = queues.setdefault(event.stream_id, [])
        waiting[:] = [one for one in waiting if one["eventId"] != event.causation_event_id]
        match event:
            case PersistedEvent(payload=ThreadTurnStartRequested() as asked):
                turn = {"turnId": asked.turn_id, "messageId": asked.message_id, "requestedAt": asked.created_at}
                waiting.append(turn | {"eventId": event.event_id})
            case PersistedEvent(payload=ThreadQueueUpdated(turn_ids=order)):
                waiting.sort(key=lambda one: order.index(one["turnId"]) if one["turnId"] in order else len(order))
            case PersistedEvent(payload=ThreadDeleted()):
                waiting.clear()
    return queues


def _named(names: str, row: tuple[Any, ...]) -> Json:
    named = dict(zip(names.split(), row, strict=True))
    named |= {name: orjson.loads(named[name]) for name in _JSON if name in named}
    if "streaming" in named:
        named["streaming"] = bool(named["streaming"])
    return named


def _age(entity: Json) -> tuple[str, str]:
    return entity["createdAt"], entity["id"]


def _failed(activity: Json) -> bool:
    return bool(activity["kind"] == "turn.failed")


def _failure(activity: Json) -> Json:
    return {name: activity["payload"][name] for name in ("turnId", "reason", "message")} | {"at": activity["createdAt"]}


def _asked(approval: Json, activities: list[Json]) -> Json:
    """The content of the activity that opened a request, if both have one instant and the payload names it."""
    for one in activities:
        asked = one["payload"]
        opened = one["kind"] in ("approval.requested", "question.requested")
        opened = opened and one["createdAt"] == approval["createdAt"]
        if opened and asked.get("requestId") == approval["requestId"]:
            return {
                "kind": asked.get("requestKind"),
                "summary": one["summary"] or None,
                "options": asked.get("options", []),
                "questions": asked.get("questions", []),
                "editable": asked.get("editable", False),
            }
    return {"kind": None, "summary": None, "options": [], "questions": [], "editable": False}


def _provider(thread: Json, session: Json | None, activities: list[Json]) -> Any:
    if session is not None and session["providerName"] is not None:
        return session["providerName"]
    named = [
        one["payload"].get("name")
        for one in activities
        if one["kind"] == "thread.provider" and one["createdAt"] == thread["createdAt"]
    ]
    return named[-1] if named else None


def _attached(message_id: str, activities: list[Json]) -> list[Json]:
    """The attachments that the activities of a message name."""
    named = [one["payload"] for one in activities if one["kind"] == "message.attachments"]
    return [one for payload in named if payload.get("messageId") == message_id for one in payload["attachments"]]


def _thread(thread: Json, tables: dict[str, list[Json]], detail: str) -> Json:
    def own(table: str, *, without: str = "threadId") -> list[Json]:
        dropped = without.split()
        return [
            {name: value for name, value in row.items() if name not in dropped}
            for row in tables[table]
            if row["threadId"] == thread["id"]
        ]

    session = next(iter(own("thread_sessions", without="")), None)
    view = {
        **thread,
        "model": thread["model"] or None,
        "provider": _provider(thread, session, own("thread_activities")),
        "session": session,
        "turns": sorted(own("thread_turns"), key=lambda turn: turn["turnCount"]),
        "pendingApprovals": [
            {name: row[name] for name in ("requestId", "turnId", "createdAt")} | _asked(row, own("thread_activities"))
            for row in own("pending_approvals")
            if row["status"] == "pending"
        ],
        "usage": usage_json(own("thread_activities")),
        "lastFailure": next((_failure(one) for one in reversed(own("thread_activities")) if _failed(one)), None),
    }
    if detail == "full":
        named = own("thread_activities")
        view["messages"] = [{**one, "attachments": _attached(one["id"], named)} for one in own("thread_messages")]
        view["activities"] = own("thread_activities")
        view["checkpoints"] = sorted(own("checkpoints"), key=lambda one: one["checkpointTurnCount"])
    return view
