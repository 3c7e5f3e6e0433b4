"""Which fields of a command name something new: names that the runtime's own must not be among.

A field that refers to what exists (the thread of a turn, a pending request, a running turn) names nothing new, so it
may hold an id that the runtime gave.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, assert_never

from .commands import (
    Command,
    ProjectCreate,
    ProjectDelete,
    ProjectMetaUpdate,
    ThreadActivityAppend,
    ThreadApprovalRespond,
    ThreadCheckpointRevert,
    ThreadCreate,
    ThreadDelete,
    ThreadMessageAssistantComplete,
    ThreadMessageAssistantDelta,
    ThreadMessageImport,
    ThreadMetaUpdate,
    ThreadQueueUpdate,
    ThreadRevertComplete,
    ThreadSessionSet,
    ThreadSessionStop,
    ThreadTurnDiffComplete,
    ThreadTurnInterrupt,
    ThreadTurnStart,
    ThreadTurnSteer,
    ThreadTurnSteerQueue,
)
from .values import UNSET

NamedField: TypeAlias = tuple[str, str]
"""A JSON path and the id at it."""


def new_names(command: Command) -> Iterator[NamedField]:
    """The fields of `command` that name something new, the command itself first."""
    yield "commandId", command.command_id
    match command:
        case ProjectCreate():
            yield "projectId", command.project_id
        case ThreadCreate():
            yield "threadId", command.thread_id
        case ThreadTurnStart() | ThreadTurnSteer():
            yield "message.messageId", command.message.message_id
        case ProjectMetaUpdate():
            if command.scripts is not UNSET:
                yield from ((f"scripts[{number}].id", script.id) for number, script in enumerate(command.scripts))
        case ThreadMessageAssistantDelta() | ThreadMessageAssistantComplete() | ThreadMessageImport():
            yield "messageId", command.message_id
        case ThreadActivityAppend():
            yield "activity.id", command.activity.id
            if command.activity.kind in ("approval.requested", "question.requested"):
                requested = command.activity.payload.get("requestId")
                if isinstance(requested, str):
                    yield "activity.payload.requestId", requested
        case (
            ProjectDelete()
            | ThreadMetaUpdate()
            | ThreadDelete()
            | ThreadQueueUpdate()
            | ThreadTurnInterrupt()
            | ThreadApprovalRespond()
            | ThreadCheckpointRevert()
            | ThreadSessionStop()
            | ThreadSessionSet()
            | ThreadTurnSteerQueue()
            | ThreadTurnDiffComplete()
            | ThreadRevertComplete()
        ):
            pass
        case _:
            assert_never(command)
