"""The provider router: the reactor that sees intents in the log and wakes the worker of their thread.

- It follows the log from its position. The position stops before the oldest intent that is open, so that a start of
  the runtime finds every intent that nothing settled, however long ago it was asked for.
- It never waits for a worker, and only wakes it: the worker reads the intents from the log.
- A worker that fails is run again, with backoff, for as long as the runtime runs: its open intents are not lost.
  A slow or hung worker delays only its own thread.
- A store that cannot be read or written for a while only delays the router.
"""

from __future__ import annotations

import logging
from typing import Final

import anyio
import peewee
from anyio.abc import TaskGroup

from ...contracts.errors import RuntimeFailed, RuntimeStopped, StoreError
from ...contracts.events import INTENT_TYPES, LoggedEvent, PersistedEvent, ThreadDeleted, ThreadQueueUpdated
from ...contracts.ids import EventId, ThreadId
from ...contracts.mint import Mint
from ...persistence.crash_points import crash_point
from ...persistence.event_store import read_open_intents
from ...persistence.lane import WriteLane
from ...persistence.positions import write_reactor_position
from ...persistence.single_write import write_alone
from ..backoff import Backoff
from ..detached_task import is_cancelled
from ..last_errors import LastErrors
from ..log.event_log import EventLog, LogFollower
from .health import SessionHealth
from .parts import SessionParts
from .worker import ThreadWorker

REACTOR: Final = "reactor.provider-router"

SAVE_EVENTS: Final = 1000
"""How many events the stored position may lag behind."""

SAVE_SECONDS: Final = 1.0
"""After how long without events a position that lags is stored."""

REMEMBERED_FAILURES: Final = 1024
"""Of how many threads without a worker it is known that their agents failed: the next failure waits longer."""

BACKOFF: Final = Backoff(first_seconds=0.2, longest_seconds=30.0)

_logger = logging.getLogger(__name__)


class ProviderRouter:
    """Owns the threads' workers and the reactor's position."""

    def __init__(
        self,
        log: EventLog,
        lane: WriteLane,
        parts: SessionParts,
        mint: Mint,
        *,
        errors: LastErrors,
        position: int,
    ) -> None:
        self._errors = errors
        self._log = log
        self._lane = lane
        self._parts = parts
        self._mint = mint
        self._saved = position
        self._follower: LogFollower = log.follow(log.head)
        self._open: dict[EventId, tuple[int, ThreadId]] = {}
        self._workers: dict[ThreadId, ThreadWorker] = {}
        self._failures: dict[ThreadId, int] = {}
        self._tasks: TaskGroup | None = None
        self._ended = anyio.Event()
        self._stopping = False

    def sessions(self) -> tuple[SessionHealth, ...]:
        return tuple(worker.health() for worker in self._workers.values())

    async def run(self) -> None:
        """Wake sessions until stopped; then end every session and its agent, and store the position.

        Raises:
            RuntimeFailed: its tasks were cancelled from outside.
        """
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                await self._wake_left_open()
                while not self._stopping:
                    for event in await self._next_batch():
                        self._see(event)
                    await self._save_position(unless_within=SAVE_EVENTS)
                for worker in self._workers.values():
                    worker.stop()
            if not self._stopping:  # the task group ends like this when a task in it was cancelled
                raise RuntimeFailed("a task of the provider router was cancelled from outside")
            while self._follower.lag:
                for event in await self._follower.next_batch():
                    self._note_outcome(event)
            await self._save_position(unless_within=0)
        finally:
            self._follower.close()
            self._ended.set()

    async def stop(self) -> None:
        """Wake no more sessions, and wait until all have ended and reported it."""
        self._stopping = True
        self._follower.nudge()
        await self._ended.wait()

    async def _wake_left_open(self) -> None:
        after = self._saved
        for event in await self._parts.readers.run(lambda database: read_open_intents(database, after=after)):
            self._see(event)

    async def _next_batch(self) -> list[LoggedEvent]:
        try:
            with anyio.move_on_after(SAVE_SECONDS):
                return list(await self._follower.next_batch())
        except StoreError as error:
            self._errors.note(REACTOR, error)
            _logger.warning("the log cannot be read on: %s", error, extra={"actor": REACTOR})
            await anyio.sleep(SAVE_SECONDS)
        await self._save_position(unless_within=0)
        return []

    def _see(self, event: LoggedEvent) -> None:
        self._note_outcome(event)
        if not isinstance(event, PersistedEvent) or event.aggregate_kind != "thread":
            return
        thread_id = ThreadId(event.stream_id)
        if event.event_type in INTENT_TYPES:
            self._open[event.event_id] = (event.sequence, thread_id)
            self._worker(thread_id).wake()
        elif isinstance(event.payload, ThreadQueueUpdated):
            self._worker(thread_id).wake()
        elif isinstance(event.payload, ThreadDeleted):
            self._open = {key: value for key, value in self._open.items() if value[1] != thread_id}
            if thread_id in self._workers:
                self._workers[thread_id].end_for_deletion()

    def _note_outcome(self, event: LoggedEvent) -> None:
        if isinstance(event, PersistedEvent) and event.causation_event_id is not None:
            self._open.pop(event.causation_event_id, None)

    def _worker(self, thread_id: ThreadId) -> ThreadWorker:
        worker = self._workers.get(thread_id)
        if worker is None:
            failures = self._failures.pop(thread_id, 0)
            worker = ThreadWorker(thread_id, self._parts, failures=failures, may_leave=self._may_leave)
            self._workers[thread_id] = worker
            assert self._tasks is not None, "workers are started by run alone"
            self._tasks.start_soon(self._run_worker, worker, name=f"session of {thread_id}")
        return worker

    def _may_leave(self, worker: ThreadWorker) -> bool:
        """Whether the worker may end: nothing was published that it has not read."""
        if worker.is_awake:
            return False
        self._forget(worker)
        return True

    def _forget(self, worker: ThreadWorker) -> None:
        if self._workers.get(worker.thread_id) is not worker:
            return
        del self._workers[worker.thread_id]
        if worker.failures:
            self._failures[worker.thread_id] = worker.failures
            if len(self._failures) > REMEMBERED_FAILURES:
                del self._failures[next(iter(self._failures))]

    async def _run_worker(self, worker: ThreadWorker) -> None:
        failures = 0
        try:
            while True:
                began = anyio.current_time()
                try:
                    return await worker.run()
                except (RuntimeStopped, RuntimeFailed):
                    return
                except anyio.get_cancelled_exc_class() as error:
                    if is_cancelled():
                        raise
                    self._note_failure(worker, error)
                except Exception as error:
                    self._note_failure(worker, error)
                if self._stopping:
                    return
                lasted = anyio.current_time() - began
                failures = 1 if lasted > BACKOFF.longest_seconds else failures + 1
                await worker.rest(BACKOFF.seconds(failures))
        finally:
            self._forget(worker)

    def _note_failure(self, worker: ThreadWorker, error: BaseException) -> None:
        self._errors.note(f"session of {worker.thread_id}", error)
        _logger.error(
            "the session of thread %s failed",
            worker.thread_id,
            exc_info=error,
            extra={"thread_id": worker.thread_id},
        )

    async def _save_position(self, *, unless_within: int) -> None:
        """Store the position: before the oldest open intent, else at the last event seen."""
        oldest = min((sequence for sequence, _ in self._open.values()), default=None)
        position = self._follower.position if oldest is None else min(oldest - 1, self._follower.position)
        if position - self._saved <= unless_within:
            return

        def write(database: peewee.SqliteDatabase) -> None:
            write_reactor_position(database, REACTOR, position, self._mint.now())

        try:
            await self._lane.run(lambda database: write_alone(database, write, durability="normal"))
        except StoreError as error:
            self._errors.note(REACTOR, error)
            _logger.warning("the router's position %d was not stored: %s", position, error, extra={"actor": REACTOR})
            return
        crash_point("reactor.position-written")
        self._saved = position
