"""The load of a tortured host: writers of texts, of turns and of a mixture of everything else."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Final

import anyio
import attrs

from orchestrion.contracts.commands import (
    ProjectCreate,
    ThreadActivityAppend,
    ThreadCheckpointRevert,
    ThreadCreate,
    ThreadDelete,
    ThreadMessageAssistantComplete,
    ThreadMessageAssistantDelta,
    ThreadMetaUpdate,
    ThreadSessionStop,
    ThreadTurnInterrupt,
    ThreadTurnStart,
)
from orchestrion.contracts.ids import (
    ActivityId,
    CommandId,
    MessageId,
    ProjectId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.values import (
    Activity,
    Count,
    Label,
    MessageText,
    Unset,
    UserMessage,
)
from tests.support.torture_client import Attendant, Client, Life, now, report

__all__ = ["Load", "set_up"]

TEXT_THREADS: Final = 4
AGENT_THREADS: Final = 3
PROJECT: Final = ProjectId("p")
DELTAS_PER_MESSAGE: Final = 40
PIPELINED: Final = 8
TURNS_PER_LIFE: Final = 4


class Load:
    """The work of the writers of one life. Ids are derived from the life's name, so no two lives share one."""

    def __init__(self, client: Client, attendant: Attendant, life: Life) -> None:
        self._client = client
        self._attendant = attendant
        self._life = life
        self._left = life.commands

    async def run(self) -> None:
        async with anyio.create_task_group() as writers:
            for number in range(TEXT_THREADS):
                writers.start_soon(self._write_text, number)
            for number in range(AGENT_THREADS):
                writers.start_soon(self._start_turns, number)
            writers.start_soon(self._write_mixed_commands)
        report(kind="spent")

    async def complete_texts(self) -> None:
        """End the messages that resent commands have begun again: their writer is gone."""
        snapshot = await self._client.runtime.get_snapshot()
        for thread in snapshot.threads:
            messages = () if isinstance(thread.messages, Unset) else thread.messages
            for message in messages:
                if message.streaming and thread.id.startswith("text-"):
                    complete = ThreadMessageAssistantComplete(
                        command_id=self._id(message.id, "end"),
                        thread_id=thread.id,
                        message_id=message.id,
                        created_at=now(),
                    )
                    await self._client.send(complete, actor="provider")

    def _id(self, *parts: object) -> CommandId:
        return CommandId("/".join([self._life.name, *map(str, parts)]))

    def _has_budget(self, commands: int = 1) -> bool:
        self._left -= commands
        return self._left >= 0

    async def _write_text(self, number: int) -> None:
        """Messages whose text counts: `1 2 3 …`. Half of the writers send several deltas at once."""
        thread = ThreadId(f"text-{number}")
        at_once = PIPELINED if number % 2 else 1
        for part in count():
            message = MessageId(f"{thread}-{self._life.name}-{part}")
            for first in range(1, DELTAS_PER_MESSAGE + 1, at_once):
                if not self._has_budget(at_once):
                    return
                deltas = [
                    ThreadMessageAssistantDelta(
                        command_id=self._id(message, n),
                        thread_id=thread,
                        message_id=message,
                        delta=f"{n} ",
                        created_at=now(),
                    )
                    for n in range(first, first + at_once)
                ]
                await self._client.send(*deltas, actor="provider")
            complete = ThreadMessageAssistantComplete(
                command_id=self._id(message, "end"), thread_id=thread, message_id=message, created_at=now()
            )
            await self._client.send(complete, actor="provider")

    async def _write_mixed_commands(self) -> None:
        """Activities, updates, rejected commands, the same command twice at once, new and deleted threads."""
        thread = ThreadId("text-0")
        for n in count():
            if not self._has_budget(6):
                return
            activity = Activity(
                id=ActivityId(f"{self._life.name}-{n}"),
                tone="info",
                kind=Label("torture.note"),
                summary=f"note {n}",
                payload={"n": n},
                turn_id=None,
                created_at=now(),
            )
            noted = ThreadActivityAppend(
                command_id=self._id("note", n), thread_id=thread, activity=activity, created_at=now()
            )
            await self._client.send(noted, noted, actor="server")
            title = ThreadMetaUpdate(command_id=self._id("title", n), thread_id=thread, title=Label(f"title {n}"))
            await self._client.send(title, _thread(self._id("taken", n), thread))
            brief = ThreadId(f"brief-{self._life.name}-{n}")
            deleted = ThreadDelete(command_id=self._id("delete", n), thread_id=brief)
            await self._client.send(_thread(self._id("create", n), brief), deleted)

    async def _start_turns(self, number: int) -> None:
        thread = ThreadId(f"agent-{number}")
        attendant = self._attendant
        for n in range(TURNS_PER_LIFE):
            messages = [MessageId(f"{self._life.name}-{thread}-{n}-{place}") for place in range(2)]
            for place, message in enumerate(messages):
                text = f"say turn {message}\n{_SCRIPTS[(n + number + place) % len(_SCRIPTS)]}"
                start = ThreadTurnStart(
                    command_id=self._id(message),
                    thread_id=thread,
                    message=UserMessage(message_id=message, text=MessageText(text)),
                    created_at=now(),
                )
                await self._client.send(start)
            while messages[0] not in attendant.turn_of:
                await attendant.changed()
            if n % 2 == 0:
                await self._interrupt(thread, attendant.turn_of[messages[0]])
            while not attendant.is_quiet(thread):
                await attendant.changed()
            if n % 2:
                await self._revert(thread, n)
            if n % 3 == 2:
                stop = ThreadSessionStop(command_id=self._id(thread, "stop", n), thread_id=thread, created_at=now())
                await self._client.send(stop)

    async def _revert(self, thread: ThreadId, n: int) -> None:
        """Revert the last turn if it was captured; the next turn is requested at once."""
        command = ThreadCheckpointRevert(
            command_id=self._id(thread, "revert", n),
            thread_id=thread,
            turn_count=Count(max(0, self._attendant.turn_count.get(thread, 0) - 1)),
            created_at=now(),
        )
        await self._client.send(command)

    async def _interrupt(self, thread: ThreadId, turn: TurnId) -> None:
        """Interrupt the turn while it runs; a turn that is already over rejects it."""
        while self._attendant.running.get(thread) != turn and not self._attendant.is_quiet(thread):
            await self._attendant.changed()
        command = ThreadTurnInterrupt(
            command_id=self._id("interrupt", turn), thread_id=thread, turn_id=turn, created_at=now()
        )
        await self._client.send(command)


_SCRIPTS = (
    "slow 0.01\nsay a b c d e f g h i j k l m n o p",
    "write notes.txt torture\nsay written",
    "ask a question\nsay asked",
    "ignore-eof\nslow 0.01\nsay still here after the host is gone",
    "run a tool\nplan one; two\nsay planned",
)


def _thread(command: CommandId, thread: ThreadId) -> ThreadCreate:
    return ThreadCreate(
        command_id=command,
        thread_id=thread,
        project_id=PROJECT,
        title=Label(thread),
        model=Label("m"),
        branch=None,
        worktree_path=None,
        created_at=now(),
    )


async def set_up(client: Client, life: Life) -> None:
    """Projects and threads, by ids that every life shares: all but the first are answered from receipts."""
    for number, project in enumerate([PROJECT, ProjectId("plain")]):
        await client.send(
            ProjectCreate(
                command_id=CommandId(f"setup/{project}"),
                project_id=project,
                title=Label(project),
                workspace_root=Label(str(Path(life.workspaces) / ("plain" if number else "git"))),
                created_at=now(),
            )
        )
    names = [f"text-{n}" for n in range(TEXT_THREADS)] + [f"agent-{n}" for n in range(AGENT_THREADS)]
    threads = [_thread(CommandId(f"setup/{name}"), ThreadId(name)) for name in names]
    in_plain = attrs.evolve(threads[-1], project_id=ProjectId("plain"))
    await client.send(*threads[:-1], in_plain)
