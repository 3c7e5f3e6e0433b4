"""One turn as a terminal follows it: which events are its own, what they show, and how it ended. No input or output."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ....contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    ThreadTurnStartRequested,
)
from ....contracts.ids import ApprovalRequestId, CommandId, EventId, TurnId
from ....contracts.questions import Question
from ....domain.approvals import details_of

Outcome: TypeAlias = Literal["completed", "interrupted", "error"]


@attrs.frozen(kw_only=True)
class TextShown:
    """Text that continues the agent's message."""

    text: str


@attrs.frozen(kw_only=True)
class MessageEnd:
    """A message of the agent is complete."""


@attrs.frozen(kw_only=True)
class NoteShown:
    """A line beside the text: a tool, a plan, an error."""

    text: str
    is_error: bool


@attrs.frozen(kw_only=True)
class ApprovalAsked:
    """The agent waits for a decision."""

    request: ApprovalRequestId
    question: str


@attrs.frozen(kw_only=True)
class QuestionsAsked:
    """The agent waits for answers of its user."""

    request: ApprovalRequestId
    summary: str
    questions: tuple[Question, ...]


@attrs.frozen(kw_only=True)
class ApprovalSettled:
    """The request was decided and is not open any more."""

    request: ApprovalRequestId


@attrs.frozen(kw_only=True)
class TurnEnd:
    """The turn is over."""

    outcome: Outcome
    error: str | None
    login: tuple[str, ...] = ()
    """The commands that log in, where a login is missing."""


TurnUpdate: TypeAlias = TextShown | MessageEnd | NoteShown | ApprovalAsked | QuestionsAsked | ApprovalSettled | TurnEnd


@attrs.define(kw_only=True)
class FollowedTurn:
    """The turn that a command asked for, followed through the thread's events in their order."""

    command_id: CommandId
    turn_id: TurnId | None = None
    _intent: EventId | None = None
    _is_open: bool = False
    _login: tuple[str, ...] = ()

    def read_update(self, event: LoggedEvent) -> TurnUpdate | None:
        """What an event of the thread shows of this turn."""
        if not isinstance(event, PersistedEvent):
            return None
        match event.payload:
            case ThreadTurnStartRequested() as requested if event.command_id == self.command_id:
                self.turn_id, self._intent = requested.turn_id, event.event_id
            case ThreadSessionSetEvent() as changed:
                return self._read_session(changed)
            case ThreadMessageSent(role="assistant") as sent if self._is_open and sent.turn_id == self.turn_id:
                return TextShown(text=sent.text) if sent.streaming else MessageEnd()
            case ThreadActivityAppended() as appended:
                return self._read_activity(event, appended)
            case _:
                pass
        return None

    def _read_session(self, changed: ThreadSessionSetEvent) -> TurnEnd | None:
        session = changed.session
        if session.active_turn_id == self.turn_id and self.turn_id is not None:
            self._is_open = True
            return None
        if not self._is_open:
            return None
        self._is_open = False
        match session.status:
            case "ready" | "idle":
                return TurnEnd(outcome="completed", error=None)
            case "error":
                return TurnEnd(outcome="error", error=session.last_error)
            case _:
                return TurnEnd(outcome="interrupted", error=None)

    def _read_activity(self, event: PersistedEvent, appended: ThreadActivityAppended) -> TurnUpdate | None:
        activity = appended.activity
        if activity.kind == "turn.failed" and activity.payload.get("turnId") == self.turn_id:
            self._login = tuple(map(str, activity.payload.get("login", ())))
        if self._intent is not None and event.causation_event_id == self._intent:
            outcome: Outcome = "interrupted" if activity.kind == "turn.cancelled" else "error"
            return TurnEnd(outcome=outcome, error=activity.summary, login=self._login)
        if activity.kind == "session.notice":
            return NoteShown(text=activity.summary, is_error=False)
        if not self._is_open or activity.turn_id != self.turn_id:
            return None
        match activity.kind:
            case "turn.failed":
                return None  # the end of the turn, which follows, says why
            case "approval.requested":
                return ApprovalAsked(
                    request=ApprovalRequestId(str(activity.payload["requestId"])), question=activity.summary
                )
            case "question.requested":
                return QuestionsAsked(
                    request=ApprovalRequestId(str(activity.payload["requestId"])),
                    summary=activity.summary,
                    questions=details_of(activity).questions,
                )
            case "approval.resolved":
                return ApprovalSettled(request=ApprovalRequestId(str(activity.payload["requestId"])))
            case "tool.started" | "plan.updated" | "message.attachments" | "attachment.stored":
                return NoteShown(text=activity.summary, is_error=False)
            case _:
                return NoteShown(text=activity.summary, is_error=True) if activity.tone == "error" else None
