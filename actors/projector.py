"""The projector: one actor for each projection table. It alone writes the table's rows and its position.

- A batch is applied in one transaction, rows and position together: killed anywhere, each event is applied once.
- It reads the events and its own rows, never another projector's.
- A batch without events that it handles moves its position lazily: when idle, after a bound of events, at a barrier,
  at the end.
- An event whose payload does not decode is quarantined: skipped, counted, reported. A transient storage error is
  tried again with backoff; a commit of unknown outcome is looked up before it is tried again. Any other failure is
  traced to its event by halving the batch, and halts this projector alone at its last good position.
- Between two batches, and when halted, it takes rows that a rebuild made anew: rows and position are swapped in one
  transaction, and it goes on from there, live. A swap that fails leaves it as it was.

One long module, because batches, barriers and new rows meet in one loop over one state.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal, TypeAlias

import anyio
import attrs
import peewee

from ..persistence.crash_points import crash_point
from ..persistence.database import CommitOutcomeUnknown, is_transient, reopen, write_transaction
from ..persistence.lane import Job
from ..persistence.positions import PositionRow, read_position, write_position
from ..persistence.projections import Projection
from ..runtime.contracts.errors import MailboxClosed, ProjectionStalled, StoreError
from ..runtime.contracts.events import LoggedEvent, PersistedEvent, UndecodableEvent
from .barrier import PATIENCE_SECONDS, Barrier
from .event_log import EventLog
from .last_errors import LastErrors
from .replacement import Replacement, Swap
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

    def __init__(
        self, projection: Projection, log: EventLog, rounds: Rounds, position: PositionRow, *, errors: LastErrors
    ) -> None:
        self._errors = errors
        self._projection = projection
        self._log = log
        self._rounds = rounds
        self._applied = position
        self._saved = position.last_applied_sequence
        self._follower = log.follow(position.last_applied_sequence)
        self._barrier: Barrier | None = None
        self._replacement: Replacement | None = None
        self._waiting: list[tuple[int, anyio.Event]] = []
        self._status: ProjectorStatus = "live"
        self._fault: str | None = None
        self._backoff = FIRST_BACKOFF_SECONDS
        self._failing_since: float | None = None
        self._quarantined = 0
        self._has_ended = False

    @property
    def name(self) -> str:
        return self._projection.name

    @property
    def projection(self) -> Projection:
        return self._projection

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
        """Stop at the barrier's target until it is released. Who cannot get there soon fails it at once."""
        if self._status in ("halted", "stopped") or self._has_lost_patience():
            barrier.fail(self.stalled())
            return
        self._barrier = barrier
        self._follower.nudge()
        self._rounds.hurry()

    def _has_lost_patience(self) -> bool:
        return self._failing_since is not None and anyio.current_time() - self._failing_since >= PATIENCE_SECONDS

    async def replace_rows(self, swap: Swap) -> None:
        """Have the projector swap its rows between two batches, and wait until it has. One caller at a time.

        Cancelled before the swap has begun, the old rows stand; after that, its end is waited for first.

        Raises:
            MailboxClosed: the projector has stopped before it.
            Exception: what `swap` raised.
        """
        if self._has_ended:
            raise MailboxClosed(f"{self.name} has stopped at {self.position}: its rows are not replaced any more")
        replacement = self._replacement = Replacement(swap)
        self._follower.nudge()
        self._rounds.hurry()
        try:
            await replacement.ended()
        except anyio.get_cancelled_exc_class():
            if replacement.has_begun:
                with anyio.CancelScope(shield=True), suppress(Exception):
                    await replacement.ended()
            raise
        finally:
            if self._replacement is replacement:
                self._replacement = None

    async def run(self) -> None:
        """Apply the log until it ends, then move the position to its end. Halted, wait for new rows until then."""
        try:
            while True:
                try:
                    await (self._wait_halted() if self._status == "halted" else self._apply_log())
                except (anyio.EndOfStream, MailboxClosed):
                    raise
                except ProjectionStalled as stalled:
                    self._halt(stalled.fault)
                except Exception as error:  # a defect stops this projector alone
                    self._halt(repr(error))
        except anyio.EndOfStream:
            if self._status != "halted":
                await self._save_position()
        except MailboxClosed as closed:
            _logger.warning("%s ends at %d: %s", self.name, self.position, closed)
        finally:
            self._follower.close()
            self._has_ended = True
            if self._status != "halted":
                self._status = "stopped"
            if self._replacement is not None:
                self._replacement.end(MailboxClosed(f"{self.name} has stopped at {self.position}"))
            self._release_waiting()

    async def _apply_log(self) -> None:
        while True:
            # The gate comes first: what is published while it is closed waits in the channel and wakes nobody. It
            # comes again for a batch that was waited for, because others may have begun a round meanwhile.
            await self._rounds.turn()
            await self._stop_at_barrier()
            if self._replacement is not None and self._barrier is None:
                await self._take(self._replacement)
            else:
                batch = await self._next_batch()
                await self._rounds.turn()
                await self._apply_all([*batch, *self._follower.next_batch_nowait()])

    async def _wait_halted(self) -> None:
        """Wait for new rows; raises `EndOfStream` when the log ends before."""
        self._follow(self._log.head)
        while self._status == "halted":
            if self._replacement is not None:
                await self._take(self._replacement)
                continue
            try:
                await self._follower.next_batch()
            except StoreError:  # it is not for these events that it follows the log
                self._follow(self._log.head)

    async def _take(self, replacement: Replacement) -> None:
        """Swap the rows and go on from their position, which is between the own one and the published head."""
        self._replacement = None
        status, fault = self._status, self._fault
        up_to = self._log.head
        try:
            stored = await self._swapped(replacement, up_to)
        except BaseException:
            replacement.end(MailboxClosed(f"{self.name} has stopped at {self.position}"))
            raise
        if stored is not None:
            self._follow(stored.last_applied_sequence)
            self._saved = stored.last_applied_sequence
            self._go_on()
            self._advance(stored)
            replacement.end()
        elif status == "halted":
            self._halt(str(fault))
        else:
            self._status, self._fault = status, fault

    async def _swapped(self, replacement: Replacement, up_to: int) -> PositionRow | None:
        """The position after a swap; after an error that left rows and position as they were, None."""
        found: list[PositionRow] = []

        def swap(database: peewee.SqliteDatabase) -> None:
            replacement.swap(database, up_to)
            found.append(read_position(database, self.name))

        def look_up(database: peewee.SqliteDatabase) -> None:
            reopen(database)
            found.append(read_position(database, self.name))

        replacement.begin()
        try:
            await self._rounds.run_job(swap)
        except Exception as error:
            replacement.end(error)
            if isinstance(error, MailboxClosed):
                raise
            await self._run_until_done(look_up)
            # At the own position, old rows and new ones are the same to go on from.
            if found[0].last_applied_sequence != up_to or up_to == self._saved:
                return None
        return found[0]

    async def _run_until_done(self, job: Job[None]) -> None:
        while True:
            try:
                return await self._rounds.run_job(job)
            except ProjectionStalled:
                raise
            except Exception as error:
                if not isinstance(error, StoreError) and not is_transient(error):
                    raise
                await self._back_off(error)

    def _follow(self, position: int) -> None:
        self._follower.close()
        self._follower = self._log.follow(position)

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
                self._errors.note(self.name, f"skips event {event.sequence}: {event.fault}")
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
                if self._waiting:
                    self._rounds.hurry()
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
        """Wait before the next try. Once the log has ended there is none: the next start replays what is missing."""
        self._errors.note(self.name, error)
        if self._log.has_ended:
            raise MailboxClosed(f"the next start goes on from there, after {error}")
        if self._fault != str(error):  # told once, not with every try
            _logger.warning("%s retries after event %d: %s", self.name, self.position, error)
        self._status, self._fault = "retrying", str(error)
        if self._failing_since is None:
            self._failing_since = anyio.current_time()
        await anyio.sleep(self._backoff)
        self._backoff = min(self._backoff * 2, LAST_BACKOFF_SECONDS)

    def _go_on(self) -> None:
        if self._status == "retrying":
            _logger.info("%s goes on after event %d", self.name, self.position)
        self._status, self._fault, self._backoff = "live", None, FIRST_BACKOFF_SECONDS
        self._failing_since = None

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
        self._errors.note(self.name, f"halted at {self.position}: {fault}")
        _logger.error("%s halted at %d: %s", self.name, self.position, fault)
        if self._barrier is not None:
            self._barrier.fail(self.stalled())
            self._barrier = None
        self._release_waiting()

    def _release_waiting(self) -> None:
        for _, woken in self._waiting:
            woken.set()
        self._waiting.clear()
