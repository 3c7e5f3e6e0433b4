"""The client of a tortured host: it reports its commands and their answers, and answers the agents' requests.

Each report is a line of JSON that is in the pipe before anything else happens, so it survives SIGKILL.
"""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import anyio
import attrs
import orjson

from orchestrion.contracts.admission import command_json, parse_command
from orchestrion.contracts.commands import (
    Command,
    ThreadApprovalRespond,
)
from orchestrion.contracts.errors import CommandRejected, OrchestrionError
from orchestrion.contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadActivityAppended,
    ThreadSessionSetEvent,
    ThreadTurnStartRequested,
)
from orchestrion.contracts.ids import (
    ApprovalRequestId,
    CommandId,
    EventId,
    MessageId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.values import (
    ActorKind,
    Instant,
    Unset,
    instant,
)
from orchestrion.runtime.runtime import Runtime

__all__ = ["Attendant", "Client", "Life", "now", "report"]


@attrs.frozen(kw_only=True)
class Life:
    """One life of the host. `again` names a file of commands to send again, one JSON per line."""

    name: str
    database: str
    agents: str
    workspaces: str
    backend: str
    again: str
    settles: bool
    commands: int


def now() -> Instant:
    return instant(datetime.now(UTC))


def report(**fields: Any) -> None:
    os.write(1, orjson.dumps(fields) + b"\n")


class Client:
    """Sends commands and reports each, before it is sent and when it was answered."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def send(self, *commands: Command, actor: ActorKind = "client") -> None:
        """Submit these commands together, then wait for each."""
        submissions = []
        for command in commands:
            report(kind="sent", command=command_json(command), actor=actor)
            submissions.append(await self.runtime.submit(command, actor=actor))
        for command, submission in zip(commands, submissions, strict=True):
            await _report_answer("answered", command, submission.result())

    async def send_again(self, lines: list[bytes]) -> None:
        submissions = []
        for line in lines:
            entry = orjson.loads(line)
            command = parse_command(entry["command"])
            submissions.append((command, await self.runtime.submit(command, actor=entry["actor"])))
        for command, submission in submissions:
            await _report_answer("again", command, submission.result())


async def _report_answer(kind: str, command: Command, result: Any) -> None:
    try:
        answer = await result
    except CommandRejected as rejected:
        report(kind=kind, id=command.command_id, rejected=rejected.reason, duplicate=rejected.duplicate)
    except OrchestrionError as error:
        report(kind="failed", id=command.command_id, error=repr(error))
    else:
        report(kind=kind, id=command.command_id, sequence=answer.sequence, duplicate=answer.duplicate)


class Attendant:
    """Follows the log: answers approvals, and keeps the turns of this life that are not over."""

    def __init__(self, client: Client, life: Life) -> None:
        self._client = client
        self._life = life
        self._starts: dict[ThreadId, dict[EventId, ThreadTurnStartRequested]] = defaultdict(dict)
        self.running: dict[ThreadId, TurnId | None] = {}
        self.turn_of: dict[MessageId, TurnId] = {}
        self.turn_count: dict[ThreadId, int] = {}
        self._changed = anyio.Event()
        self._answered: set[ApprovalRequestId] = set()

    def is_quiet(self, thread: ThreadId) -> bool:
        return not self._starts[thread] and self.running.get(thread) is None

    async def changed(self) -> None:
        await self._changed.wait()

    async def answer(self, thread: ThreadId, request: ApprovalRequestId) -> None:
        if request in self._answered:
            return
        self._answered.add(request)
        await self._client.send(
            ThreadApprovalRespond(
                command_id=CommandId(f"{self._life.name}/answer/{request}"[:200]),
                thread_id=thread,
                request_id=request,
                decision="accept" if len(self._answered) % 3 else "decline",
                created_at=now(),
            )
        )

    async def see(self, event: LoggedEvent) -> None:
        if not isinstance(event, PersistedEvent) or event.aggregate_kind != "thread":
            return
        thread = ThreadId(event.stream_id)
        if event.causation_event_id is not None:
            self._starts[thread].pop(event.causation_event_id, None)
        match event.payload:
            case ThreadTurnStartRequested() as start:
                self._starts[thread][event.event_id] = start
                self.turn_of[start.message_id] = start.turn_id
            case ThreadSessionSetEvent(session=session, turn=turn):
                self.running[thread] = session.active_turn_id
                if not isinstance(turn, Unset) and turn is not None:
                    self.turn_count[thread] = turn.turn_count
            case ThreadActivityAppended(activity=activity) if activity.kind == "approval.requested":
                await self.answer(thread, ApprovalRequestId(str(activity.payload["requestId"])))
            case _:
                pass
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
