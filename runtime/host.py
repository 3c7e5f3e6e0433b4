"""The one module that composes everything: `open_runtime` and the order in which a runtime starts and stops.

Start-up: lock, migrate, check positions, bring projections to the head, recover, and only then the first command.
A clean stop: refuse commands, end sessions, handle what is in the mailbox, let projectors reach the head, release.

All of it lives in a task of the runtime's own (`lifetime.py`). The runtime's actors never cancel the host's code, a
cancellation of the host's code reaches them as a clean stop, and an exception of the host's body leaves `open_runtime`
as it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from ..actors.detached_task import wait_to_end
from ..actors.last_errors import LastErrors
from ..actors.log.blob_collector import BlobCollector
from ..actors.log.caretaker import Caretaker
from ..actors.log.dispatcher import Dispatcher
from ..actors.log.event_log import EventLog
from ..actors.log.file_watch import FileWatch
from ..actors.log.secret_answers import SecretAnswers
from ..actors.projecting.projector import Projector
from ..actors.projecting.projectors import Projectors
from ..actors.projecting.rebuilder import Rebuilder
from ..actors.projecting.rounds import Rounds
from ..actors.providers.adapter import Provider
from ..actors.providers.provider_calls import ProviderCalls
from ..actors.sessions.router import REACTOR
from ..actors.supervisor import Supervisor
from ..persistence.lane import LANE_THREAD, WriteLane
from ..persistence.positions import PositionRow
from ..persistence.projections import PROJECTIONS
from ..persistence.readers import ReaderPool
from ..persistence.threads import JobThread
from .conversation_import import ConversationImporter
from .database_files import DatabaseFiles, PreparedDatabase
from .health import HealthSource
from .lifetime import Lifetime
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
    intents. Leaving the block stops it cleanly, within `options.shutdown_deadline`. What is not done by then is cut off
    as a crash would do, within two seconds more: nothing is left locked or alive, and the next start recovers it.

    A cancellation of the host's code, by whatever means and however often, while the runtime opens, serves or stops,
    changes nothing of that. It is raised when the runtime is gone. The block may be entered in one task and left in
    another.

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
    calls = ProviderCalls()
    by_name = providers_by_name(providers, calls, options.sessions)
    live = partial(_live, database, by_name, calls, options)
    lifetime = Lifetime(live, deadline_seconds=options.shutdown_deadline)
    runtime = await lifetime.open()
    try:
        yield runtime
    finally:
        await lifetime.close()


async def _live(
    database: str | Path,
    providers: Mapping[str, Provider],
    calls: ProviderCalls,
    options: RuntimeOptions,
    lifetime: Lifetime,
) -> None:
    """The runtime's own task: from the lock on the database to its release."""
    thread = JobThread(LANE_THREAD)
    files = DatabaseFiles(database, options)
    lifetime.at_once(files.interrupt)
    try:
        with lifetime.opening(), _interrupting_on_cancel(files):
            prepared = await thread.run(files.open)
    except BaseException:
        thread.end(files.close)
        await wait_to_end(thread.ended)
        raise
    lane = WriteLane(prepared.writer, thread=thread, afterwards=files.close)
    readers = ReaderPool(Path(prepared.writer.database), size=options.reader_connections)
    lifetime.at_once(readers.abort)
    lifetime.at_once(lane.abort)
    try:
        await _run(_Host(prepared, lane, readers, options, providers=providers, calls=calls), lifetime)
    finally:
        try:
            await wait_to_end(readers.close)  # before the lane: the last connection to close tidies the WAL
        finally:
            await wait_to_end(lane.close)


@contextmanager
def _interrupting_on_cancel(files: DatabaseFiles) -> Iterator[None]:
    try:
        yield
    except anyio.get_cancelled_exc_class():
        files.interrupt()
        raise


async def _run(house: _Host, lifetime: Lifetime) -> None:
    """The actors, from the first task to the last."""
    failure: Exception | None = None
    lifetime.at_once(house.cancel)
    async with anyio.create_task_group() as tasks:
        try:
            with lifetime.opening():
                await house.start(tasks)
            await lifetime.serve(house.runtime)
        except Exception as error:
            failure = error
        finally:
            try:
                with lifetime.stopping:
                    await house.stop()
            finally:
                house.cancel()
    await wait_to_end(house.closed)
    if failure is not None:
        raise failure


class _Host:
    """Everything that runs on one open database, and the order in which it starts and stops."""

    def __init__(
        self,
        prepared: PreparedDatabase,
        lane: WriteLane,
        readers: ReaderPool,
        options: RuntimeOptions,
        *,
        providers: Mapping[str, Provider],
        calls: ProviderCalls,
    ) -> None:
        errors = LastErrors(options.mint.now)
        log = self._log = EventLog(readers, head=prepared.group.head)
        rounds = self._rounds = Rounds(lane)
        projectors = self._projectors = Projectors(
            [Projector(one, log, rounds, prepared.positions[one.name], errors=errors) for one in PROJECTIONS],
            log,
            readers,
        )
        secrets = SecretAnswers()
        dispatcher = self._dispatcher = Dispatcher(
            lane, prepared.group, log, projectors.positions, errors=errors, secrets=secrets if providers else None
        )
        supervisor = self._supervisor = Supervisor(errors, on_failure=lambda failure: dispatcher.fail(failure.error))
        self._providers = ProviderHost(
            providers=providers,
            calls=calls,
            options=options,
            lane=lane,
            readers=readers,
            log=log,
            group=prepared.group,
            dispatcher=dispatcher,
            secrets=secrets,
            projectors=projectors,
            errors=errors,
            reactor_position=_reactor_position(prepared.positions),
            database=Path(prepared.writer.database),
        )
        blobs = BlobCollector(lane, readers, options.retention, options.mint)
        self._caretaker = Caretaker(lane, log, errors, blobs)
        self._file_watch = FileWatch(lane, prepared.group.check_files)
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
            copy=self._providers.copy,
            is_stopping=lambda: self._stopping,
        )
        rebuilder = self._rebuilder = Rebuilder(projectors, log, path=Path(prepared.writer.database))
        importer = ConversationImporter(dispatcher=dispatcher, lane=lane, projectors=projectors, options=options)
        self.runtime = Runtime(
            dispatcher, log, projectors, readers, rebuilder=rebuilder, importer=importer, health=health
        )

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
        self._supervisor.start("file-watch", self._file_watch.run)
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
        self._rebuilder.close()
        self._supervisor.cancel()
        self._providers.abandon()

    async def closed(self) -> None:
        """Wait for the end of what has a thread of its own."""
        await self._rebuilder.closed()


def _reactor_position(positions: dict[str, PositionRow]) -> int:
    """Where the router continues: its position, 0 before its first run."""
    row = positions.get(REACTOR)
    return 0 if row is None else row.last_applied_sequence
