"""The commands of a workload: threads, turns, streamed deltas, activities and checkpoints, by parameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import attrs

from orchestrion import ActorKind, Command, parse_command

__all__ = ["TEXT", "Sent", "Workload", "delta"]

WORKSPACE = Path("/srv/project")
AT = "2026-03-01T09:00:00.000Z"
TEXT = "some streamed text, of 26 "


class Sent(NamedTuple):
    """A command and its sender."""

    command: Command
    actor: ActorKind


@attrs.frozen(kw_only=True)
class Workload:
    """`threads` threads with `turns` turns of `deltas` deltas, `activities` activities and one checkpoint each."""

    threads: int = 8
    turns: int = 4
    deltas: int = 20
    activities: int = 4

    @property
    def commands_of_turn(self) -> int:
        return 5 + self.deltas + self.activities

    @property
    def commands(self) -> int:
        """The number of commands without those of `opening`."""
        return self.threads * self.turns * self.commands_of_turn

    def opening(self, workspace: Path = WORKSPACE) -> Iterator[Sent]:
        """The project and its threads. They are not measured."""
        yield _sent("client", "project.create", "p", projectId="p", title="A project", workspaceRoot=str(workspace))
        for number in range(self.threads):
            thread_id = f"t{number}"
            yield _sent(
                "client",
                "thread.create",
                thread_id,
                threadId=thread_id,
                projectId="p",
                title="A thread",
                model="a-model",
                branch=None,
                worktreePath=None,
            )

    def of_caller(self, caller: int, callers: int) -> Iterator[Sent]:
        """One caller's part: the turns of every `callers`-th thread."""
        for turn in range(1, self.turns + 1):
            for thread in range(caller, self.threads, callers):
                yield from self.turn(thread, turn)

    def turn(self, thread: int, turn: int) -> Iterator[Sent]:
        """One turn, from the user's message to its checkpoint. `turn` counts from 1."""
        thread_id, turn_id, message_id = f"t{thread}", f"turn-{thread}-{turn}", f"m{thread}-{turn}"
        prefix = f"{thread_id}/{turn}"
        asked = {
            "messageId": f"u{thread}-{turn}",
            "role": "user",
            "text": "Please do the next thing.",
            "attachments": [],
        }
        yield _sent("client", "thread.turn.start", f"{prefix}/start", threadId=thread_id, message=asked)
        yield _session(f"{prefix}/open", thread_id, "running", turn_id)
        for number in range(self.deltas):
            yield delta(thread_id, message_id, f"{prefix}/d{number}", turn_id=turn_id)
        for number in range(self.activities):
            activity = {
                "id": f"{prefix}/a{number}",
                "tone": "tool",
                "kind": "tool.completed",
                "summary": "make test",
                "payload": {"itemId": f"call-{number}", "failed": False},
                "turnId": turn_id,
                "createdAt": AT,
            }
            yield _sent(
                "provider", "thread.activity.append", f"{prefix}/a{number}", threadId=thread_id, activity=activity
            )
        yield _sent(
            "provider",
            "thread.message.assistant.complete",
            f"{prefix}/done",
            threadId=thread_id,
            messageId=message_id,
            turnId=turn_id,
        )
        yield _sent(
            "server",
            "thread.turn.diff.complete",
            f"{prefix}/diff",
            threadId=thread_id,
            turnId=turn_id,
            completedAt=AT,
            checkpointRef=f"refs/checkpoints/{prefix}",
            status="ready",
            files=[{"path": "src/app.py", "kind": "modified", "additions": 3, "deletions": 1}],
            assistantMessageId=message_id,
            checkpointTurnCount=turn,
        )
        yield _session(f"{prefix}/close", thread_id, "ready", None)


def delta(thread_id: str, message_id: str, command_id: str, *, turn_id: str) -> Sent:
    """One piece of streamed text."""
    return _sent(
        "provider",
        "thread.message.assistant.delta",
        command_id,
        threadId=thread_id,
        messageId=message_id,
        delta=TEXT,
        turnId=turn_id,
    )


def _session(command_id: str, thread_id: str, status: str, turn_id: str | None) -> Sent:
    session = {
        "threadId": thread_id,
        "status": status,
        "providerName": "bench",
        "providerSessionId": f"session-{thread_id}",
        "providerThreadId": None,
        "activeTurnId": turn_id,
        "lastError": None,
        "updatedAt": AT,
    }
    return _sent("provider", "thread.session.set", command_id, threadId=thread_id, session=session)


def _sent(actor: ActorKind, kind: str, command_id: str, **fields: Any) -> Sent:
    return Sent(parse_command({"type": kind, "commandId": command_id, **fields, "createdAt": AT}), actor)
