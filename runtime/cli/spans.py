"""What a thread did and how long each thing took, read from its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import attrs

from ...contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadReverted,
    ThreadSessionSetEvent,
    ThreadTurnDiffCompleted,
    ThreadTurnStartRequested,
)
from ...contracts.values import Activity, Instant, Session, Unset


@attrs.define(kw_only=True)
class Span:
    """Something that took a while, or a moment: then `ended_at` is None. `depth` 1 lies within a turn."""

    sequence: int
    text: str
    began_at: Instant
    ended_at: Instant | None = None
    depth: int = 1

    @property
    def seconds(self) -> float | None:
        """How long it took, None for a moment and for what is not over."""
        if self.ended_at is None:
            return None
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.began_at)).total_seconds()


def read_spans(events: Iterable[LoggedEvent]) -> list[Span]:
    """The spans of a thread's events, in the order in which they began."""
    reader = _SpanReader()
    for event in events:
        if isinstance(event, PersistedEvent):
            reader.read(event)
    return reader.spans


@attrs.define
class _SpanReader:
    spans: list[Span] = attrs.field(factory=list)
    _open: dict[str, Span] = attrs.field(factory=dict)
    _turn: str | None = None

    def read(self, event: PersistedEvent) -> None:
        match event.payload:
            case ThreadTurnStartRequested(turn_id=turn_id):
                self._begin(event, f"waiting {turn_id}", "a turn is asked for, and waits")
            case ThreadSessionSetEvent() as changed:
                self._read_session(event, changed)
            case ThreadMessageSent(role="assistant", streaming=True) as sent:
                if sent.message_id not in self._open:
                    self._begin(event, sent.message_id, "the agent writes")
            case ThreadMessageSent(role="assistant", message_id=message_id):
                self._end(message_id, event)
            case ThreadTurnDiffCompleted(files=files):
                self._end("capture", event, f": {len(files)} {'file' if len(files) == 1 else 'files'} changed")
            case ThreadReverted(turn_count=count):
                self._begin(event, None, f"reverted to the end of turn {count}", depth=0)
            case ThreadActivityAppended(activity=activity):
                self._read_activity(event, activity)
            case _:
                pass

    def _read_session(self, event: PersistedEvent, changed: ThreadSessionSetEvent) -> None:
        session = changed.session
        if session.status == "starting":
            self._begin(event, "start", "the agent starts")
        else:
            self._end("start", event)
        if session.active_turn_id is not None and session.active_turn_id != self._turn:
            self._turn = session.active_turn_id
            self._end(f"waiting {self._turn}", event)
            count = "" if isinstance(changed.turn, Unset) else f" {changed.turn.turn_count}"
            self._begin(event, self._turn, f"turn{count}", depth=0)
        elif session.active_turn_id is None and self._turn is not None:
            self._end(self._turn, event, f": {_outcome(session)}")
            self._turn = None
            self._begin(event, "capture", "the workspace is captured")

    def _read_activity(self, event: PersistedEvent, activity: Activity) -> None:
        item, request = activity.payload.get("itemId"), activity.payload.get("requestId")
        match activity.kind:
            case "tool.started":
                self._begin(event, f"tool {item}", activity.summary)
            case "tool.completed":
                self._end(f"tool {item}", event, " (failed)" if activity.payload.get("failed") else "")
            case "approval.requested" | "question.requested":
                self._begin(event, f"request {request}", f"waits for an answer: {activity.summary}")
            case "approval.resolved":
                self._end(f"request {request}", event, f": {activity.summary}")
            case "turn.cancelled":
                self._end(f"waiting {activity.payload.get('turnId')}", event, ": cancelled")
            case "tool.updated" | "checkpoint.captured" | "usage.updated" | "session.info" | "frames.ignored":
                pass
            case _:
                self._begin(event, None, activity.summary)

    def _begin(self, event: PersistedEvent, key: str | None, text: str, *, depth: int = 1) -> None:
        span = Span(sequence=event.sequence, text=text, began_at=event.occurred_at, depth=depth)
        self.spans.append(span)
        if key is not None:
            self._open[key] = span

    def _end(self, key: str, event: PersistedEvent, addition: str = "") -> None:
        span = self._open.pop(key, None)
        if span is not None:
            span.ended_at = event.occurred_at
            span.text += addition


def _outcome(session: Session) -> str:
    return {"ready": "completed", "idle": "completed", "error": "failed"}.get(session.status, session.status)
