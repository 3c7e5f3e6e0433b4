"""A small client: takes a snapshot as JSON and applies events in wire form, as a user interface would.

Written from SPEC 4, 6 and 7 alone. It shares no code with the projections: lists and dictionaries, event by event.
"""

from __future__ import annotations

from typing import Any, Final

from tests.support.usage_oracle import usage_json

Json = dict[str, Any]

_DECISIONS = ("accept", "acceptForSession", "decline", "cancel")
_ENDS = {"ready": "completed", "idle": "completed", "error": "error"}


REQUESTS: Final = ("approval.requested", "question.requested")


class ClientModel:
    """What a client shows. `snapshot()` can be compared with a later answer of `getSnapshot`."""

    def __init__(self, snapshot: Json) -> None:
        self._sequence: int = snapshot["snapshotSequence"]
        self._updated_at: str = snapshot["updatedAt"]
        self._projects: dict[str, Json] = {project["id"]: dict(project) for project in snapshot["projects"]}
        self._threads: dict[str, Json] = {thread["id"]: _copied(thread) for thread in snapshot["threads"]}
        self._seen_requests = {
            request["requestId"] for thread in self._threads.values() for request in thread["pendingApprovals"]
        }
        for thread in self._threads.values():
            for activity in thread["activities"]:
                if activity["kind"] in REQUESTS and activity["payload"].get("requestId"):
                    self._seen_requests.add(activity["payload"]["requestId"])

    def snapshot(self) -> Json:
        def by_age(entities: dict[str, Json]) -> list[Json]:
            return sorted(entities.values(), key=lambda entity: (entity["createdAt"], entity["id"]))

        return {
            "snapshotSequence": self._sequence,
            "projects": by_age(self._projects),
            "threads": [_with_details(thread) for thread in by_age(self._threads)],
            "updatedAt": self._updated_at,
        }

    def apply(self, event: Json) -> None:
        """Apply the event that follows the last one."""
        assert event["sequence"] == self._sequence + 1, f"{event['sequence']} does not follow {self._sequence}"
        self._sequence, self._updated_at = event["sequence"], event["occurredAt"]
        kind, payload, now = event["eventType"], event["payload"], event["occurredAt"]
        if kind.startswith("project."):
            self._apply_to_projects(kind, payload)
            return
        if kind == "thread.created":
            self._threads[payload["threadId"]] = _new_thread(payload, event["eventId"])
            return
        thread = self._threads[event["streamId"]]
        _take_from_queue(thread, event["causationEventId"])
        match kind:
            case "thread.turn-start-requested":
                thread["queue"].append(
                    {
                        "turnId": payload["turnId"],
                        "messageId": payload["messageId"],
                        "requestedAt": payload["createdAt"],
                        "eventId": event["eventId"],
                    }
                )
            case "thread.queue-updated":
                thread["queue"].sort(key=lambda one: _place(payload["turnIds"], one["turnId"]))
            case "thread.meta-updated":
                _change(thread, payload)
            case "thread.deleted":
                thread |= {"deletedAt": payload["deletedAt"], "updatedAt": payload["deletedAt"], "pendingApprovals": []}
                thread["queue"] = []
                _end_running(thread, "interrupted", now)
            case "thread.message-sent":
                thread["updatedAt"] = now
                _write(thread, payload)
            case "thread.activity-appended":
                thread["updatedAt"] = now
                self._append(thread, payload["activity"], event["metadata"])
            case "thread.session-set":
                thread["updatedAt"] = now
                _set_session(thread, payload, now)
            case "thread.turn-diff-completed":
                thread |= {"updatedAt": now, "latestTurnId": payload["turnId"]}
                _capture(thread, payload)
            case "thread.reverted":
                thread |= {"updatedAt": now, "latestTurnId": payload["latestTurnId"]}
                _revert(thread, payload)
            case "thread.approval-response-requested":
                _resolve(thread, payload["requestId"])
            case _:
                pass

    def count_unreadable(self, event: Json) -> None:
        """Count an event that cannot be decoded: only its sequence, time and cause are used."""
        assert event["sequence"] == self._sequence + 1, f"{event['sequence']} does not follow {self._sequence}"
        self._sequence, self._updated_at = event["sequence"], event["occurredAt"]
        if event["streamId"] in self._threads:
            _take_from_queue(self._threads[event["streamId"]], event["causationEventId"])

    def _apply_to_projects(self, kind: str, payload: Json) -> None:
        if kind == "project.created":
            fields = {name: value for name, value in payload.items() if name != "projectId"}
            self._projects[payload["projectId"]] = {"id": payload["projectId"], **fields, "deletedAt": None}
        elif kind == "project.meta-updated":
            _change(self._projects[payload["projectId"]], payload)
        else:
            deleted = {"deletedAt": payload["deletedAt"], "updatedAt": payload["deletedAt"]}
            self._projects[payload["projectId"]] |= deleted

    def _append(self, thread: Json, activity: Json, metadata: Json) -> None:
        others = [one for one in self._threads.values() if one is not thread]
        if not any(row["id"] == activity["id"] for other in others for row in other["activities"]):
            _put(thread["activities"], "id", activity)
            _note_last_failure(thread)
        request = activity["payload"].get("requestId") or metadata.get("requestId")
        if activity["kind"] in REQUESTS and request and request not in self._seen_requests:
            self._seen_requests.add(request)
            pending = {"requestId": request, "turnId": activity["turnId"], "createdAt": activity["createdAt"]}
            thread["pendingApprovals"].append(pending)
        elif activity["kind"] == "approval.resolved" and request:
            _resolve(thread, request)


def _with_details(thread: Json) -> Json:
    """The thread as it is shown: its provider, and pending approvals with the content of their requests."""
    return thread | {
        "provider": _provider(thread),
        "usage": usage_json(thread["activities"]),
        "pendingApprovals": [one | _details(one, thread) for one in thread["pendingApprovals"]],
    }


def _provider(thread: Json) -> str | None:
    session: Json = thread["session"] or {}
    named = [one["payload"]["name"] for one in thread["activities"] if one["kind"] == "thread.provider"]
    return session.get("providerName") or (named[0] if named else None)


def _details(pending: Json, thread: Json) -> Json:
    asked = [
        activity
        for activity in thread["activities"]
        if activity["kind"] in REQUESTS
        and activity["payload"].get("requestId") == pending["requestId"]
        and activity["createdAt"] == pending["createdAt"]
    ]
    if not asked:
        return {"kind": None, "summary": None, "options": [], "questions": [], "editable": False}
    payload = asked[0]["payload"]
    return {
        "kind": payload.get("requestKind"),
        "summary": asked[0]["summary"] or None,
        "options": payload.get("options", []),
        "questions": payload.get("questions", []),
        "editable": payload.get("editable", False),
    }


def _copied(thread: Json) -> Json:
    return {name: [dict(one) for one in value] if isinstance(value, list) else value for name, value in thread.items()}


def _new_thread(payload: Json, event_id: str) -> Json:
    fields = {name: value for name, value in payload.items() if name != "threadId"}
    lists: Json = {name: [] for name in ("turns", "queue", "pendingApprovals", "messages", "activities", "checkpoints")}
    if "provider" in payload:
        lists["activities"].append(
            {
                "id": f"~provider/{event_id}",
                "tone": "info",
                "kind": "thread.provider",
                "summary": f"The thread is for the provider {payload['provider']}",
                "payload": {"name": payload["provider"]},
                "turnId": None,
                "createdAt": payload["createdAt"],
            }
        )
    return {
        "model": None,
        "id": payload["threadId"],
        **fields,
        "latestTurnId": None,
        "deletedAt": None,
        "session": None,
        "lastFailure": None,
        **lists,
    }


def _change(entity: Json, payload: Json) -> None:
    entity |= {name: value for name, value in payload.items() if name not in ("projectId", "threadId")}


def _put(rows: list[Json], key: str, new: Json) -> None:
    known = next((row for row in rows if row[key] == new[key]), None)
    if known is None:
        rows.append(dict(new))
    else:
        known |= new


def _take_from_queue(thread: Json, cause: str | None) -> None:
    thread["queue"] = [one for one in thread["queue"] if one["eventId"] != cause]


def _place(order: list[str], turn_id: str) -> int:
    return order.index(turn_id) if turn_id in order else len(order)


def _note_last_failure(thread: Json) -> None:
    failed = [one for one in thread["activities"] if one["kind"] == "turn.failed"]
    names = ("turnId", "reason", "message")
    thread["lastFailure"] = (
        {name: failed[-1]["payload"][name] for name in names} | {"at": failed[-1]["createdAt"]} if failed else None
    )


def _resolve(thread: Json, request: str) -> None:
    thread["pendingApprovals"] = [one for one in thread["pendingApprovals"] if one["requestId"] != request]


def _write(thread: Json, sent: Json) -> None:
    message = next((one for one in thread["messages"] if one["id"] == sent["messageId"]), None)
    if message is None:
        message = {
            "id": sent["messageId"],
            "role": sent["role"],
            "text": "",
            "turnId": sent["turnId"],
            "createdAt": sent["createdAt"],
            "attachments": [_attachment(one) for one in sent.get("attachments", [])],
        }
        thread["messages"].append(message)
    if sent["streaming"]:
        message["text"] += sent["text"]
    elif sent["text"]:
        message["text"] = sent["text"]
    message |= {
        "streaming": sent["streaming"],
        "updatedAt": sent["updatedAt"],
        "turnId": message["turnId"] or sent["turnId"],
    }
    if sent["role"] == "assistant":
        for turn in thread["turns"]:
            if turn["turnId"] == sent["turnId"]:
                turn["assistantMessageId"] = sent["messageId"]


def _attachment(sent: Json) -> Json:
    return {
        "name": sent["name"],
        "mediaType": sent["mimeType"],
        "size": sent["sizeBytes"],
        "digest": sent["digest"],
    }


def _set_session(thread: Json, payload: Json, now: str) -> None:
    session = payload["session"]
    active = session["activeTurnId"]
    _end_running(thread, _ENDS.get(session["status"], "interrupted"), now, but=active)
    thread["session"] = session
    if active is not None:
        thread["latestTurnId"] = active
    elif session["status"] != "starting":
        thread["pendingApprovals"] = []
    if payload.get("turn") is not None:
        thread["turns"].append(
            {
                "turnId": active,
                "turnCount": payload["turn"]["turnCount"],
                "status": "running",
                "userMessageId": payload["turn"]["userMessageId"],
                "assistantMessageId": None,
                "startedAt": payload["turn"]["startedAt"],
                "completedAt": None,
            }
        )


def _end_running(thread: Json, status: str, now: str, *, but: str | None = None) -> None:
    for turn in thread["turns"]:
        if turn["status"] == "running" and turn["turnId"] != but:
            turn |= {"status": status, "completedAt": now}


def _capture(thread: Json, payload: Json) -> None:
    names = ("turnId", "checkpointTurnCount", "checkpointRef", "status", "files", "assistantMessageId", "completedAt")
    _put(thread["checkpoints"], "checkpointTurnCount", {name: payload[name] for name in names})
    thread["checkpoints"].sort(key=lambda one: one["checkpointTurnCount"])


def _revert(thread: Json, payload: Json) -> None:
    turns, messages = payload["removedTurnIds"], payload["removedMessageIds"]
    thread["turns"] = [one for one in thread["turns"] if one["turnId"] not in turns]
    thread["activities"] = [one for one in thread["activities"] if one["turnId"] not in turns]
    _note_last_failure(thread)
    thread["pendingApprovals"] = [one for one in thread["pendingApprovals"] if one["turnId"] not in turns]
    thread["checkpoints"] = [one for one in thread["checkpoints"] if one["checkpointTurnCount"] <= payload["turnCount"]]
    thread["messages"] = [one for one in thread["messages"] if one["id"] not in messages and one["turnId"] not in turns]
