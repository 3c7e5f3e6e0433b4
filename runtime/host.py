"""The one module that composes everything: `open_runtime` and the order in which a runtime starts and stops.

Start-up: lock, migrate, check positions, bring projections to the head, recover, and only then the first command.
A clean stop: refuse commands, end sessions, handle what is in the mailbox, let projectors reach the head, release.

The runtime's actors never cancel the host's code, a cancellation of the host's code reaches them as a clean stop, and
an exception of the host's body leaves `open_runtime` as it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import attrs
import peewee
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from ..actors.caretaker import Caretaker
from ..actors.command_group import CommandGroup
from ..actors.dispatcher import Dispatcher
from ..actors.event_log import EventLog
from ..actors.last_errors import LastErrors
from ..actors.projector import Projector
from ..actors.projectors import Projectors
from ..actors.provider_router import REACTOR
from ..actors.providers.adapter import Provider
from ..actors.rebuilder import Rebuilder
from ..actors.rounds import Rounds
from ..actors.supervisor import Supervisor
from ..persistence.bootstrap import ReplayRequest, check_positions, replay_to_head
from ..persistence.database import database_path, prepare
from ..persistence.decision_states import DECISION_PROJECTORS, DecisionStates
from ..persistence.failures import translate_errors
from ..persistence.lane import WriteLane
from ..persistence.ownership import DatabaseLock
from ..persistence.positions import PositionRow, read_positions
from ..persistence.projections import PROJECTIONS
from ..persistence.readers import ReaderPool
from ..persistence.rebuild import drop_left_scratch, outdated_projections, rebuild, record_versions
from .health import HealthSource
from .options import RuntimeOptions
from .provider_host import ProviderHost, providers_by_name
from .runtime import Runtime


@asynccontextmanager
async def open_runtime(
    database: str | Path,
    *,
    providers: Sequence[Provider] = (),
    options: RuntimeOptions | None = None,
) -> AsyncIterator[Runtime]:
    """Open a database and run everything that lives on it until the block is left.

    Without providers the runtime is passive: it takes commands and serves reads, recovers nothing and performs no
    intents. Leaving the block stops it cleanly, within `options.shutdown_deadline`, cancellation included.

    Raises:
        InvalidRequest: two providers have one name.
        DatabaseInUse: another runtime owns the database.
        DatabaseTooNew: a newer version migrated it.
        ForeignDatabase: the file holds something else.
        DatabaseCorrupt: it breaks a rule that Orchestrion keeps.
        ProjectionStalled: a projection that decisions need cannot be brought to the head; names the repair.
        StoreError: the file cannot be opened or written.
    """
    options = options or RuntimeOptions()
    by_name = providers_by_name(providers)
    path = await run_sync(database_path, database)
    async with AsyncExitStack() as stack:
        lock = DatabaseLock(path, since=options.mint.now())
        await run_sync(lock.acquire)
        stack.callback(lock.release)
        prepared = await run_sync(_prepare, path, options)
        lane = WriteLane(prepared.writer)
        stack.push_async_callback(lane.close)
        readers = ReaderPool(path, size=options.reader_connections)
        stack.push_async_callback(readers.close)  # before the lane: the last connection to close tidies the WAL
        house = _House(prepared, lane, readers, by_name, options)
        async with _running(house, options.shutdown_deadline) as runtime:
            yield runtime


@attrs.frozen(kw_only=True)
class _Prepared:
    """What was made ready on a worker thread: the database, and the states and positions read from it."""

    writer: peewee.SqliteDatabase
    group: CommandGroup
    positions: dict[str, PositionRow]


def _prepare(path: Path, options: RuntimeOptions) -> _Prepared:
    """Migrate, check positions, rebuild what another version wrote, bring projections to the head."""
    writer = prepare(path, options.mint.now())
    try:
        with translate_errors(path):
            drop_left_scratch(path)
            check_positions(writer, PROJECTIONS)
            outdated = outdated_projections(writer, PROJECTIONS)
            if outdated:
                rebuild(writer, ReplayRequest(projections=outdated, progress=options.progress))
            record_versions(writer, PROJECTIONS)
            stalled = replay_to_head(writer, ReplayRequest(projections=PROJECTIONS, progress=options.progress))
        for one in stalled:
            if one.projector in DECISION_PROJECTORS:
                raise one
        states = DecisionStates(writer, limit=options.loaded_threads)
        return _Prepared(
            writer=writer,
            group=CommandGroup(writer, states, options.mint, durability=options.durability),
            positions=read_positions(writer),
        )
    except BaseException:
        writer.close()
        raise


@asynccontextmanager
async def _running(house: _House, shutdown_deadline: float) -> AsyncIterator[Runtime]:
    """The actors, from the first task to the last."""
    body_error: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        try:
            await house.start(tasks)
            yield house.runtime
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:  # the host's own: it leaves unwrapped, below
            body_error = error
        finally:
            with anyio.move_on_after(shutdown_deadline, shield=True):
                await house.stop()
            house.cancel()
    if body_error is not None:
        raise body_error


class _House:
    """Everything that runs on one open database, and the order in which it starts and stops."""

    def __init__(
        self,
        prepared: _Prepared,
        lane: WriteLane,
        readers: ReaderPool,
        providers: Mapping[str, Provider],
        options: RuntimeOptions,
    ) -> None:
        errors = LastErrors(options.mint.now)
        log = self._log = EventLog(readers, head=prepared.group.head)
        rounds = self._rounds = Rounds(lane)
        projectors = self._projectors = Projectors(
            [Projector(one, log, rounds, prepared.positions[one.name], errors=errors) for one in PROJECTIONS],
            log,
            readers,
        )
        dispatcher = self._dispatcher = Dispatcher(lane, prepared.group, log, projectors.positions, errors=errors)
        supervisor = self._supervisor = Supervisor(errors, on_failure=lambda failure: dispatcher.fail(failure.error))
        self._providers = ProviderHost(
            providers=providers,
            options=options,
            lane=lane,
            readers=readers,
            log=log,
            group=prepared.group,
            dispatcher=dispatcher,
            projectors=projectors,
            errors=errors,
            reactor_position=_reactor_position(prepared.positions),
            database=Path(prepared.writer.database),
        )
        self._caretaker = Caretaker(lane, log, errors)
        self._stopping = False
        self._dispatcher_ended: anyio.Event | None = None
        self._projectors_ended: list[anyio.Event] = []
        health = HealthSource(
            dispatcher=dispatcher,
            log=log,
            lane=lane,
            projectors=projectors,
            supervisor=supervisor,
            errors=errors,
            sessions=self._providers.sessions,
            captures=self._providers.captures,
            is_stopping=lambda: self._stopping,
        )
        rebuilder = self._rebuilder = Rebuilder(projectors, log, path=Path(prepared.writer.database))
        self.runtime = Runtime(dispatcher, log, projectors, readers, rebuilder=rebuilder, health=health)

    async def start(self, tasks: TaskGroup) -> None:
        """Recover what a dead host left, then run all actors."""
        await self._providers.recover()
        self._supervisor.run_in(tasks)
        self._dispatcher_ended = self._supervisor.start("dispatcher", self._dispatcher.run)
        self._supervisor.start("rounds", self._rounds.run)
        self._projectors_ended = [
            self._supervisor.start(projector.name, projector.run) for projector in self._projectors.all
        ]
        self._supervisor.start("caretaker", self._caretaker.run)
        self._providers.start(self._supervisor)

    async def stop(self) -> None:
        """A clean stop: what was taken is finished, what was not is refused."""
        self._stopping = True
        if self._dispatcher_ended is None:  # recovery failed, so that no actor has begun
            self._log.abandon()
            self._rounds.abandon()
            return
        self._dispatcher.refuse_clients()
        await self._providers.stop()
        self._dispatcher.close()
        await self._dispatcher_ended.wait()
        self._log.end()
        for ended in self._projectors_ended:
            await ended.wait()
        await self._rebuilder.finished()
        self._rounds.close()
        await self._caretaker.finish()

    def cancel(self) -> None:
        """End the actors that a clean stop did not end in time."""
        self._supervisor.cancel()
        self._providers.abandon()


def _reactor_position(positions: dict[str, PositionRow]) -> int:
    """Where the router goes on: its position, 0 before its first run."""
    row = positions.get(REACTOR)
    return 0 if row is None else row.last_applied_sequence
