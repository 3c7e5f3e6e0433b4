"""A thread as a conversation: messages in order, what happened between them folded to a line each. Pure."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import attrs

from ...contracts.read_model import MessageView, ThreadView, TurnView
from ...contracts.values import Activity, JsonObject, Unset

Mark: TypeAlias = Literal["done", "failed", "open", "note", "error"]


@attrs.frozen(kw_only=True)
class Spoken:
    """A message of the user or of the agent."""

    message: MessageView


@attrs.frozen(kw_only=True)
class Step:
    """A line between messages: a tool call with its outcome, a plan, an approval, an error."""

    at: str
    mark: Mark
    text: str
    detail: JsonObject = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class TurnHead:
    """A turn begins here."""

    turn: TurnView


Entry: TypeAlias = Spoken | Step | TurnHead

_LEFT_OUT: Final = frozenset({"tool.updated", "approval.requested", "usage.updated", "session.info", "frames.ignored"})
"""Kinds that say what another line says better, or nothing of the conversation."""


def transcript(thread: ThreadView) -> tuple[Entry, ...]:
    """What a full thread has, in the order in which it happened. Of a tool call its end is shown, if it has one."""
    assert not isinstance(thread.messages, Unset)
    assert not isinstance(thread.activities, Unset)
    ended = _ended_calls(thread.activities)
    placed: list[tuple[str, int, Entry]] = []
    placed += [(_asked_at(one, thread.messages), 0, TurnHead(turn=one)) for one in thread.turns]
    placed += [(one.created_at, 1, Spoken(message=one)) for one in thread.messages if one.text]
    placed += [(step.at, 2, step) for one in thread.activities if (step := _step(one, ended)) is not None]
    return tuple(entry for _, _, entry in sorted(placed, key=lambda one: one[:2]))


def _asked_at(turn: TurnView, messages: tuple[MessageView, ...]) -> str:
    """A turn's head stands above the message that asked for it."""
    asked = next((one.created_at for one in messages if one.id == turn.user_message_id), turn.started_at)
    return min(asked, turn.started_at)


def _ended_calls(activities: tuple[Activity, ...]) -> frozenset[tuple[object, object]]:
    return frozenset((one.turn_id, one.payload.get("itemId")) for one in activities if one.kind == "tool.completed")


def _step(activity: Activity, ended: frozenset[tuple[object, object]]) -> Step | None:
    payload, mark = activity.payload, _mark(activity)
    if activity.kind in _LEFT_OUT:
        return None
    if activity.kind == "tool.started" and (activity.turn_id, payload.get("itemId")) in ended:
        return None
    text = activity.summary
    if activity.kind == "approval.resolved":
        text = f"answered: {activity.summary}"
    return Step(at=activity.created_at, mark=mark, text=text, detail=payload)


def _mark(activity: Activity) -> Mark:
    match activity.kind:
        case "tool.completed":
            return "failed" if activity.payload.get("failed") else "done"
        case "tool.started":
            return "open"
        case _:
            return "error" if activity.tone == "error" else "note"
