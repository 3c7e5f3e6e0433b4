"""A runtime with rehearsal agents, driven as a client drives it, and helpers that wait for events of its log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import attrs

from orchestrion import RehearsalProvider
from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import Provider
from orchestrion.actors.providers.session_limits import SessionLimits
from orchestrion.contracts.commands import ClientCommand
from orchestrion.contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadMessageSent,
    ThreadSessionSetEvent,
    ThreadTurnStartRequested,
)
from orchestrion.contracts.ids import ThreadId, TurnId
from orchestrion.contracts.read_model import ThreadView
from orchestrion.contracts.values import UNSET, Session, Unset
from orchestrion.persistence.database import open_reader
from orchestrion.persistence.provider_runtime import ProviderRuntimeRow, read_runtimes
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.options import RuntimeOptions
from orchestrion.runtime.runtime import Runtime
from tests.support.builders import project_create, thread_create, turn_start

SAFETY_NET_SECONDS: Final = 120.0

Condition = Callable[[PersistedEvent], bool]


def rehearsal(directory: Path, *, name: str = "rehearsal", resume: str = "load", steering: bool = False) -> AcpProvider:
    """The rehearsal agent, with its conversations in `directory` and a short grace period."""
    return RehearsalProvider(
        state=directory / f"{name}-state", name=name, resume=resume, steering=steering, end_grace_seconds=0.2
    )


def activity(kind: str) -> Condition:
    return lambda event: isinstance(event.payload, ThreadActivityAppended) and event.payload.activity.kind == kind


def session(status: str) -> Condition:
    return lambda event: isinstance(event.payload, ThreadSessionSetEvent) and event.payload.session.status == status


def payload(kind: type[object]) -> Condition:
    return lambda event: isinstance(event.payload, kind)


def session_of(event: PersistedEvent) -> Session:
    assert isinstance(event.payload, ThreadSessionSetEvent)
    return event.payload.session


def error_of(event: PersistedEvent) -> str:
    """The error that an activity reports."""
    assert isinstance(event.payload, ThreadActivityAppended)
    return str(event.payload.activity.payload["error"])


def request_of(event: PersistedEvent) -> str:
    """The request that an approval activity is about."""
    assert isinstance(event.payload, ThreadActivityAppended)
    return str(event.payload.activity.payload["requestId"])


@attrs.frozen
class Asked:
    """A turn that was requested: its id, its request's event id and sequence, its command's id."""

    turn_id: TurnId
    event_id: str
    sequence: int
    command_id: str


@attrs.define
class Stage:
    """A client of one runtime. The thread `t1` of project `p1` works in `workspace`."""

    runtime: Runtime
    directory: Path
    workspace: Path
    database: Path
    _messages: int = 0

    async def open_thread(self, thread_id: str = "t1", *, worktree_path: str | None = None) -> None:
        await self.runtime.dispatch(thread_create(thread_id, worktree_path=worktree_path))

    async def ask(self, script: str, *, thread_id: str = "t1", model: str | Unset = UNSET) -> Asked:
        """Request a turn that performs the script."""
        self._messages += 1
        message_id = f"{thread_id.removeprefix('~')}-m{self._messages}-{self.runtime.health().head}"
        command = turn_start(thread_id, message_id, text=script, model=model)
        result = await self.runtime.dispatch(command)
        event = await self.until(payload(ThreadTurnStartRequested), after=result.sequence - 1)
        assert isinstance(event.payload, ThreadTurnStartRequested)
        return Asked(event.payload.turn_id, event.event_id, event.sequence, command.command_id)

    async def send(self, command: ClientCommand) -> PersistedEvent:
        """Dispatch a command; return the last event that it led to."""
        result = await self.runtime.dispatch(command)
        return await self.until(lambda _: True, after=result.sequence - 1)

    async def until(self, condition: Condition, *, after: int = 0) -> PersistedEvent:
        """The first event after a sequence that meets the condition, now or later."""
        async with self.runtime.subscribe(after) as events:
            async for event in events:
                assert isinstance(event, PersistedEvent)
                if condition(event):
                    return event
        raise AssertionError("the runtime closed before the event came")

    async def claimed(self, turn: Asked) -> PersistedEvent:
        """The event that opened the turn."""
        return await self.until(lambda event: event.causation_event_id == turn.event_id, after=turn.sequence)

    async def ended(self, turn: Asked) -> PersistedEvent:
        """The session-set that ended the turn."""
        opened = await self.claimed(turn)
        assert session_of(opened).active_turn_id == turn.turn_id
        return await self.until(
            lambda event: (
                event.stream_id == opened.stream_id
                and isinstance(event.payload, ThreadSessionSetEvent)
                and event.payload.session.active_turn_id != turn.turn_id
            ),
            after=opened.sequence,
        )

    async def perform(self, script: str, *, thread_id: str = "t1") -> PersistedEvent:
        """Run a whole turn; return the event that ended it."""
        return await self.ended(await self.ask(script, thread_id=thread_id))

    async def outcome(self, event_id: str, *, after: int = 0) -> PersistedEvent:
        """The first event that names this one as its cause."""
        return await self.until(lambda event: event.causation_event_id == event_id, after=after)

    async def log(self) -> list[PersistedEvent]:
        """Every event so far."""
        return [event async for event in self.runtime.replay_events(0) if isinstance(event, PersistedEvent)]

    async def thread(self, thread_id: str = "t1") -> ThreadView:
        snapshot = await self.runtime.get_snapshot(thread_id=ThreadId(thread_id))
        return snapshot.threads[0]

    async def turn_statuses(self, thread_id: str = "t1") -> list[str]:
        return [turn.status for turn in (await self.thread(thread_id)).turns]

    async def text_of(self, turn: Asked) -> str:
        """All text of the agent in a turn."""
        sent = [event.payload for event in await self.log() if isinstance(event.payload, ThreadMessageSent)]
        return "".join(message.text for message in sent if message.turn_id == turn.turn_id)

    async def runtime_rows(self) -> list[ProviderRuntimeRow]:
        return await anyio.to_thread.run_sync(_runtime_rows, self.database)

    def path(self, name: str) -> Path:
        """A file of the workspace, which a script may wait for or touch."""
        return self.workspace / name

    async def let_go(self, name: str) -> None:
        """Create the file that a script waits for."""
        await anyio.Path(self.path(name)).touch()


def _runtime_rows(database: Path) -> list[ProviderRuntimeRow]:
    reader = open_reader(database)
    try:
        return read_runtimes(reader)
    finally:
        reader.close()


@asynccontextmanager
async def stage(
    directory: Path,
    *,
    providers: Sequence[Provider] | None = None,
    options: RuntimeOptions | None = None,
    limits: SessionLimits | None = None,
    database: Path | None = None,
) -> AsyncIterator[Stage]:
    """Open a runtime on `directory`, with a project and a thread if it is new, under a time limit.

    The database is `state.db` there, unless `database` names another path.
    """
    workspace = directory / "workspace"
    workspace.mkdir(exist_ok=True)
    opened = options or RuntimeOptions(sessions=limits or SessionLimits())
    agents = [rehearsal(directory)] if providers is None else providers
    with anyio.fail_after(SAFETY_NET_SECONDS):
        path = database or directory / "state.db"
        async with open_runtime(path, providers=agents, options=opened) as runtime:
            it = Stage(runtime, directory, workspace, path)
            if runtime.health().head == 0:
                await runtime.dispatch(project_create("p1", workspace_root=str(workspace)))
                await it.open_thread()
            yield it
