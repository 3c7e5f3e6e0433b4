"""The core without providers: dispatcher, log, projectors and readers on a real file, with access to each part."""

from __future__ import annotations

from base64 import b64decode
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import peewee
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from orchestrion.actors.last_errors import LastErrors
from orchestrion.actors.log.dispatcher import Dispatcher
from orchestrion.actors.log.event_log import EventLog
from orchestrion.actors.log.secret_answers import SecretAnswers
from orchestrion.actors.projecting.projector import Projector
from orchestrion.actors.projecting.projectors import Projectors
from orchestrion.actors.projecting.rounds import Rounds
from orchestrion.contracts.blobs import blob_of
from orchestrion.contracts.commands import CLIENT_COMMANDS, Command, ThreadTurnStart, ThreadTurnSteerQueue
from orchestrion.contracts.event_codec import encode_event
from orchestrion.contracts.events import LoggedEvent, PersistedEvent, ThreadMessageSent, ThreadTurnStartRequested
from orchestrion.contracts.ids import EventId
from orchestrion.contracts.mint import Mint
from orchestrion.contracts.read_model import DispatchResult
from orchestrion.contracts.system_mint import SystemMint
from orchestrion.contracts.values import ActorKind, Instant
from orchestrion.domain.decision import Rejection
from orchestrion.persistence.blobs import BlobStore
from orchestrion.persistence.command_envelope import CommandEnvelope
from orchestrion.persistence.command_group import CommandGroup
from orchestrion.persistence.database import prepare, write_transaction
from orchestrion.persistence.decision_states import DecisionStates
from orchestrion.persistence.event_store import EventPage, append_events, read_events
from orchestrion.persistence.lane import WriteLane
from orchestrion.persistence.positions import PositionRow, read_positions
from orchestrion.persistence.projections import PROJECTIONS, Projection
from orchestrion.persistence.readers import ReaderPool
from orchestrion.testing.admitted import admitted
from orchestrion.testing.model_host import actor_of
from tests.support.builders import PIXEL, at
from tests.support.random_commands import RandomRun

ALL_EVENTS = EventPage(after=0, limit=1_000_000)


class ScriptedMint:
    """Mints the ids and instants that `ModelHost` gave a run, so that both logs are equal."""

    def __init__(self, run: RandomRun) -> None:
        self._ids: deque[str] = deque()
        self._instants = deque(at(number) for number in range(1, len(run.steps) + 1))
        self._begun = False
        for step in run.steps:
            events = () if isinstance(step.outcome, Rejection) else step.outcome
            asked = [str(one.payload.turn_id) for one in events if isinstance(one.payload, ThreadTurnStartRequested)]
            unused = (
                ["unused"] if isinstance(step.command, ThreadTurnStart | ThreadTurnSteerQueue) and not asked else []
            )
            self._ids.extend([*unused, *asked, *(event.event_id for event in events)])

    def begin(self) -> None:
        """From now on ids and instants are those of commands. While a file opens, the runtime asks for instants too."""
        self._begun = True

    def pause(self) -> None:
        """Ids and instants are not those of commands, as while a file is opened again."""
        self._begun = False

    def now(self) -> Instant:
        return self._instants.popleft() if self._begun else at(0)

    def new_id(self) -> str:
        return self._ids.popleft()


def envelopes_of(run: RandomRun) -> list[CommandEnvelope]:
    """The commands of a run as their senders submit them."""
    by_id = {event.event_id: event for event in run.log}
    envelopes = []
    for step in run.steps:
        cause = None if step.caused_by is None else EventId(step.caused_by)
        actor = actor_of(step.command, step.metadata)
        entered = admitted(step.command, actor)
        envelopes.append(
            CommandEnvelope(
                command=entered.command,
                fingerprint=entered.fingerprint,
                size=entered.size,
                blobs=entered.blobs,
                actor=actor,
                caused_by=cause,
                correlation_id=None if cause is None or actor == "client" else by_id[cause].correlation_id,
                metadata=step.metadata,
            )
        )
    return envelopes


def envelope(command: Command, *, actor: ActorKind | None = None, **beside: Any) -> CommandEnvelope:
    """A command from its usual sender. `beside`: expected_version, caused_by, correlation_id, metadata."""
    actor = actor or ("client" if isinstance(command, CLIENT_COMMANDS) else "server")
    entered = admitted(command, actor)
    return CommandEnvelope(
        command=entered.command,
        fingerprint=entered.fingerprint,
        size=entered.size,
        blobs=entered.blobs,
        actor=actor,
        **beside,
    )


@attrs.frozen(kw_only=True)
class Core:
    """The parts of one open database."""

    path: Path
    lane: WriteLane
    readers: ReaderPool
    log: EventLog
    group: CommandGroup
    states: DecisionStates
    dispatcher: Dispatcher
    secrets: SecretAnswers
    rounds: Rounds
    projectors: Projectors
    tasks: TaskGroup
    projecting: TaskGroup

    async def dispatch(self, command: Command, **beside: Any) -> DispatchResult:
        return await self.dispatcher.dispatch(envelope(command, **beside))

    async def events(self) -> list[LoggedEvent]:
        return await self.lane.run(lambda database: read_events(database, ALL_EVENTS))

    async def sql(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        return await self.lane.run(lambda database: list(database.execute_sql(text, parameters).fetchall()))

    async def projected(self) -> None:
        """Wait until every projector has applied the log."""
        await self.projectors.wait_until(self.log.head)

    def start_projectors(self) -> None:
        for projector in self.projectors.all:
            self.projecting.start_soon(projector.run)

    def start_dispatcher(self) -> None:
        self.tasks.start_soon(self.dispatcher.run)

    def projector(self, name: str) -> Projector:
        return next(one for one in self.projectors.all if one.name == name)


@asynccontextmanager
async def open_core(
    path: Path,
    *,
    mint: Mint | None = None,
    loaded_threads: int = 1000,
    projections: Sequence[Projection] = PROJECTIONS,
    starts: Collection[str] = ("dispatcher", "projectors"),
) -> AsyncIterator[Core]:
    """Open a file without replaying its projections first, start what `starts` names, and stop in order."""
    source = mint or SystemMint()

    def ready() -> tuple[peewee.SqliteDatabase, DecisionStates, CommandGroup, dict[str, PositionRow]]:
        writer = prepare(path, source.now())
        states = DecisionStates(writer, limit=loaded_threads)
        return writer, states, CommandGroup(writer, states, source), read_positions(writer)

    writer, states, group, positions = await run_sync(ready)
    lane = WriteLane(writer)
    readers = ReaderPool(path, size=4)
    log = EventLog(readers, head=group.head)
    rounds = Rounds(lane)
    errors = LastErrors(SystemMint().now)
    made = [Projector(one, log, rounds, positions[one.name], errors=errors) for one in projections]
    projectors = Projectors(made, log, readers)
    everywhere = dict.fromkeys((one.name for one in PROJECTIONS), 0)
    secrets = SecretAnswers()
    dispatcher = Dispatcher(
        lane, group, log, lambda: {**everywhere, **projectors.positions()}, errors=errors, secrets=secrets
    )
    try:
        async with anyio.create_task_group() as below:
            below.start_soon(rounds.run)
            async with anyio.create_task_group() as projecting:
                async with anyio.create_task_group() as tasks:
                    core = Core(
                        path=path,
                        lane=lane,
                        readers=readers,
                        log=log,
                        group=group,
                        states=states,
                        dispatcher=dispatcher,
                        secrets=secrets,
                        rounds=rounds,
                        projectors=projectors,
                        tasks=tasks,
                        projecting=projecting,
                    )
                    if "projectors" in starts:
                        core.start_projectors()
                    if "dispatcher" in starts:
                        core.start_dispatcher()
                    yield core
                    dispatcher.close()
                log.end()
            rounds.close()
    finally:
        for projector in projectors.all:
            projector._follower.close()
        await readers.close()
        await lane.close()


async def write_log(path: Path, events: Sequence[PersistedEvent]) -> None:
    """Make a file with these events, the images they name, and projections that have applied none of them."""

    def write() -> None:
        writer = prepare(path, at(0))
        if any(isinstance(event.payload, ThreadMessageSent) and event.payload.attachments for event in events):
            BlobStore.beside(path).put(blob_of(b64decode(PIXEL)))
        try:
            with write_transaction(writer, durability="normal"):
                append_events(writer, [encode_event(event) for event in events])
        finally:
            writer.close()

    await run_sync(write)


async def run_sql(path: Path, text: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement on a file that no runtime has open, and commit."""

    def run() -> list[tuple[Any, ...]]:
        database = peewee.SqliteDatabase(str(path), thread_safe=False)
        database.connect()
        try:
            return list(database.execute_sql(text, parameters).fetchall())
        finally:
            database.close()

    return await run_sync(run)
