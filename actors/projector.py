"""The projector: one actor for each projection table. It alone writes the table's rows and its position.

- A batch is applied in one transaction, rows and position together: killed anywhere, each event is applied once.
- It reads the events and its own rows, never another projector's.
- A batch without events that it handles moves its position lazily: when idle, after a bound of events, at a barrier,
  at the end.
- An event whose payload does not decode is quarantined: skipped, counted, reported. A transient storage error is
  tried again with backoff; a commit of unknown outcome is looked up before it is tried again. Any other failure is
  traced to its event by halving the batch, and halts this projector alone at its last good position.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import anyio
import attrs
import peewee

from ..persistence.crash_points import crash_point
from ..persistence.database import CommitOutcomeUnknown, is_transient, reopen, write_transaction
from ..persistence.positions import PositionRow, read_position, write_position
from ..persistence.projections import Projection
from ..runtime.contracts.errors import MailboxClosed, ProjectionStalled, StoreError
from ..runtime.contracts.events import LoggedEvent, PersistedEvent, UndecodableEvent
from .barrier import Barrier
from .event_log import EventLog
from .rounds import Rounds

ProjectorStatus: TypeAlias = Literal["live", "retrying", "halted", "stopped"]

LAZY_EVENTS: Final = 1000
"""How many events a position may lag behind rows that they do not change."""

IDLE_SECONDS: Final = 1.0
"""After how long without events a lazy position is moved."""

FIRST_BACKOFF_SECONDS: Final = 0.05
LAST_BACKOFF_SECONDS: Final = 1.0

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class ProjectorHealth:
    """A projector at one moment. `lag` counts published events that it has not applied."""

    name: str
    status: ProjectorStatus
    position: int
    lag: int
    quarantined: int
    fault: str | None


class Projector:
    """Applies the log to one projection."""

    def __init__(self, projection: Projection, log: EventLog, rounds: Rounds, position: PositionRow) -> None:
        self._projection = projection
        self._log = log
        self._rounds = rounds
        self._applied = position
        self._saved = position.last_applied_sequence
        self._follower = log.follow(position.last_applied_sequence)
        self._barrier: Barrier | None = None
        self._waiting: list[tuple[int, anyio.Event]] = []
        self._status: ProjectorStatus = "live"
        self._fault: str | None = None
        self._backoff = FIRST_BACKOFF_SECONDS
        self._quarantined = 0

    @property
    def name(self) -> str:
        return self._projection.name

    @property
    def position(self) -> int:
        """The last event whose effect the rows show. The stored position may lag behind by events without effect."""
        return self._applied.last_applied_sequence

    @property
    def status(self) -> ProjectorStatus:
        return self._status

    def health(self) -> ProjectorHealth:
        return ProjectorHealth(
            name=self.name,
            status=self._status,
            position=self.position,
            lag=self._log.head - self.position,
            quarantined=self._quarantined,
            fault=self._fault,
        )

    def stalled(self) -> ProjectionStalled:
        """The error for whoever needs these rows."""
        return ProjectionStalled(self.name, self.position, self._fault or f"it is {self._status}")

    async def wait_until(self, sequence: int) -> None:
        """Wait until the rows show every event up to `sequence`.

        Raises:
            ProjectionStalled: the projector has halted before it.
            MailboxClosed: the projector has stopped before it.
        """
        while self.position < sequence:
            if self._status == "halted":
                raise self.stalled()
            if self._status == "stopped":
                raise MailboxClosed(f"{self.name} has stopped at {self.position}: the runtime takes no more events")
            woken = anyio.Event()
            self._waiting.append((sequence, woken))
            self._rounds.hurry()
            await woken.wait()

    def raise_barrier(self, barrier: Barrier) -> None:
        """Stop at the barrier's target until it is released."""
        if self._status in ("halted", "stopped"):
            barrier.fail(self.stalled())
            return
        self._barrier = barrier
        self._follower.nudge()
        self._rounds.hurry()

    async def run(self) -> None:
        """Apply the log until it ends, then move the position to its end."""
        try:
            while True:
                # The gate first: what is published while it is closed waits in the channel and wakes nobody.
                await self._rounds.turn()
                await self._stop_at_barrier()
                await self._apply_all(list(await self._next_batch()))
        except anyio.EndOfStream:
            await self._save_position()
            self._status = "stopped"
        except MailboxClosed as closed:
            _logger.warning("%s ends at %d: %s", self.name, self.position, closed)
        except ProjectionStalled as stalled:
            self._halt(stalled.fault)
        except Exception as error:  # a defect stops this projector alone
            self._halt(repr(error))
        finally:
            self._follower.close()
            if self._status != "halted":
                self._status = "stopped"
            self._release_waiting()

    async def _next_batch(self) -> Sequence[LoggedEvent]:
        if self._saved == self.position:
            return await self._read_on()
        if batch := self._follower.next_batch_nowait():
            return batch
        with anyio.move_on_after(IDLE_SECONDS):
            return await self._read_on()
        await self._save_position()
        return ()

    async def _read_on(self) -> Sequence[LoggedEvent]:
        while True:
            try:
                batch = await self._follower.next_batch()
            except StoreError as error:
                await self._back_off(error)
            else:
                self._go_on()
                return batch

    async def _apply_all(self, batch: list[LoggedEvent]) -> None:
        """Apply a batch; a barrier that is raised cuts it in two."""
        self._quarantine(batch)
        while batch:
            cut = len(batch)
            if self._barrier is not None:
                cut = max(0, self._barrier.target - self.position)
            first, batch = batch[:cut], batch[cut:]
            if first:
                await self._apply(first)
            await self._stop_at_barrier()

    async def _stop_at_barrier(self) -> None:
        while (barrier := self._barrier) is not None and barrier.target <= self.position:
            await self._save_position()
            if self._barrier is barrier:
                self._barrier = None
            barrier.arrive(self.name)
            await barrier.released()

    async def _apply(self, batch: Sequence[LoggedEvent]) -> None:
        last = batch[-1]
        position = PositionRow(self.name, last.sequence, last.occurred_at)
        handled = self._handled(batch)
        if not handled and last.sequence - self._saved < LAZY_EVENTS:
            self._advance(position)
            return
        try:
            await self._commit(handled, position)
        except (MailboxClosed, ProjectionStalled):
            raise
        except Exception as error:
            if len(batch) == 1:
                raise ProjectionStalled(self.name, self.position, f"event {last.sequence}: {error!r}") from error
            middle = len(batch) // 2
            await self._apply(batch[:middle])
            await self._apply(batch[middle:])

    def _handled(self, batch: Sequence[LoggedEvent]) -> list[PersistedEvent]:
        return [
            event
            for event in batch
            if isinstance(event, PersistedEvent) and event.event_type in self._projection.handles
        ]

    def _quarantine(self, batch: Sequence[LoggedEvent]) -> None:
        for event in batch:
            if isinstance(event, UndecodableEvent) and event.known and event.event_type in self._projection.handles:
                self._quarantined += 1
                _logger.error("%s skips event %d: %s", self.name, event.sequence, event.fault)

    async def _commit(self, events: Sequence[PersistedEvent], position: PositionRow) -> None:
        def write(database: peewee.SqliteDatabase) -> None:
            with write_transaction(database, durability="normal"):
                self._projection.apply(database, events)
                crash_point("projector.rows-written")
                write_position(database, position)
                crash_point("projector.position-written")
            crash_point("projector.committed")

        def write_unless_written(database: peewee.SqliteDatabase) -> None:
            reopen(database)
            if read_position(database, self.name).last_applied_sequence < position.last_applied_sequence:
                write(database)

        job = write
        while True:
            try:
                await self._rounds.run_job(job)
                break
            except CommitOutcomeUnknown as error:
                job = write_unless_written
                await self._back_off(error)
            except Exception as error:
                if not is_transient(error):
                    raise
                await self._back_off(error)
        self._go_on()
        self._saved = position.last_applied_sequence
        self._advance(position)

    async def _back_off(self, error: Exception) -> None:
        self._status, self._fault = "retrying", str(error)
        _logger.warning("%s retries after event %d: %s", self.name, self.position, error)
        await anyio.sleep(self._backoff)
        self._backoff = min(self._backoff * 2, LAST_BACKOFF_SECONDS)

    def _go_on(self) -> None:
        self._status, self._fault, self._backoff = "live", None, FIRST_BACKOFF_SECONDS

    async def _save_position(self) -> None:
        if self._saved != self.position:
            await self._commit((), self._applied)

    def _advance(self, position: PositionRow) -> None:
        self._applied = position
        reached = [waiter for waiter in self._waiting if waiter[0] <= self.position]
        if reached:
            self._waiting = [waiter for waiter in self._waiting if waiter[0] > self.position]
            for _, woken in reached:
                woken.set()

    def _halt(self, fault: str) -> None:
        self._status, self._fault = "halted", fault
        _logger.error("%s halted at %d: %s", self.name, self.position, fault)
        if self._barrier is not None:
            self._barrier.fail(self.stalled())
            self._barrier = None

    def _release_waiting(self) -> None:
        for _, woken in self._waiting:
            woken.set()
        self._waiting.clear()
