"""What is played: one project, one thread, three turns of the rehearsal agent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from ....actors.providers.acp.provider import AcpProvider
from ....actors.providers.rehearsal import rehearsal_command
from ....contracts.commands import Command, ProjectCreate, ThreadApprovalRespond, ThreadCreate, ThreadTurnStart
from ....contracts.events import LoggedEvent, PersistedEvent, ThreadActivityAppended
from ....contracts.ids import ApprovalRequestId, CommandId, MessageId, ProjectId, ThreadId
from ....contracts.values import Instant, Label, MessageText, UserMessage

PROJECT: Final = ProjectId("demo-project")
THREAD: Final = ThreadId("demo-thread")

PROMPTS: Final = (
    "think The notes have no greeting yet.\n"
    "plan Read the notes; Add a greeting\n"
    "say I will add a greeting to the notes.\n"
    "run Read notes.txt\n"
    "write notes.txt These are the notes.\\nHello from the first turn.\\n\n"
    "say The greeting is in place.",
    "say Next I would like to remove the old drafts.\nask Remove the old drafts",
    "recall\nwrite summary.txt The host was killed, and nothing was lost.\\n",
)
"""The first asks approval and edits a file; the second waits for an approval that never comes; the third remembers."""


@attrs.frozen(kw_only=True)
class Stage:
    """Where the story takes place."""

    directory: Path

    @property
    def database(self) -> Path:
        return self.directory / "state.db"

    @property
    def workspace(self) -> Path:
        return self.directory / "workspace"

    @property
    def provider(self) -> AcpProvider:
        return AcpProvider(rehearsal_command(state=self.directory / "agent"), name="rehearsal")


def setting(stage: Stage, created_at: Instant) -> tuple[Command, ...]:
    """The commands that make the project and its thread."""
    return (
        ProjectCreate(
            command_id=CommandId("demo-create-project"),
            project_id=PROJECT,
            title=Label("Notes"),
            workspace_root=Label(str(stage.workspace)),
            created_at=created_at,
        ),
        ThreadCreate(
            command_id=CommandId("demo-create-thread"),
            thread_id=THREAD,
            project_id=PROJECT,
            title=Label("Add a greeting"),
            model=Label("rehearsal"),
            branch=None,
            worktree_path=None,
            created_at=created_at,
        ),
    )


def turn_start(number: int, created_at: Instant) -> ThreadTurnStart:
    """The command that asks for turn `number`, counted from 1."""
    return ThreadTurnStart(
        command_id=CommandId(f"demo-turn-{number}"),
        thread_id=THREAD,
        message=UserMessage(message_id=MessageId(f"demo-message-{number}"), text=MessageText(PROMPTS[number - 1])),
        created_at=created_at,
    )


def acceptance(request: ApprovalRequestId, created_at: Instant) -> ThreadApprovalRespond:
    """The command that allows what the agent asks for."""
    return ThreadApprovalRespond(
        command_id=CommandId(f"demo-accept-{request}"[-200:]),
        thread_id=THREAD,
        request_id=request,
        decision="accept",
        created_at=created_at,
    )


def requested_approval(event: LoggedEvent) -> ApprovalRequestId | None:
    """The approval that an event asks for."""
    activity = _activity(event)
    if activity is None or activity["kind"] != "approval.requested":
        return None
    return ApprovalRequestId(str(activity["requestId"]))


def captured_turn(event: LoggedEvent) -> int | None:
    """The turn, counted from 1, whose end a checkpoint has captured."""
    activity = _activity(event)
    if activity is None or activity["kind"] != "checkpoint.captured":
        return None
    return int(str(activity["turnCount"]))


def _activity(event: LoggedEvent) -> Mapping[str, object] | None:
    if not isinstance(event, PersistedEvent) or not isinstance(event.payload, ThreadActivityAppended):
        return None
    activity = event.payload.activity
    return {**activity.payload, "kind": activity.kind}
