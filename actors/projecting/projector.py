"""The projector: one actor for each projection table. It alone writes the table's rows and its position.

- A batch is applied in one transaction, the round's, rows and position together: killed anywhere, each event once.
- It reads the events and its own rows, never another projector's.
- A batch without events that it handles moves its position lazily: when idle, after many events, at a barrier or end.
- An event that does not decode, or with a value that SQLite cannot hold, is quarantined: skipped, counted, reported. A
  transient storage error is tried again with backoff; a commit of unknown outcome is looked up before that. Any other
  failure is traced to its event by halving the batch, and halts this projector alone at its last good position.
- Between two batches, and when halted, it takes rebuilt rows: rows and position are swapped in one
  transaction, and it continues from there, live. A swap that fails leaves it as it was.

One long module: the order of writing, waiting, rebuilding and halting is read in one place.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

import anyio

from ...contracts.errors import ProjectionStalled, RuntimeStopped, StoreError
from ...contracts.events import LoggedEvent, PersistedEvent
from ...persistence.apply_projection import (
    Swap,
    apply_events,
    apply_if_missing,
    find_position,
    handled_events,
    is_at_position,
    swap_rows,
)
from ...persistence.failures import CommitOutcomeUnknown, is_transient, is_value_error
from ...persistence.lane import Job
from ...persistence.positions import PositionRow
from ...persistence.projections import Projection
from ..last_errors import LastErrors
from ..log.event_log import EventLog
from .barrier import PATIENCE_SECONDS, Barrier
from .condition import ProjectorCondition, ProjectorHealth, ProjectorStatus
from .replacement import Replacement
from .rounds import Rounds
from .waiting_readers import WaitingReaders

LAZY_EVENTS: Final = 1000
"""How many events a position may lag behind rows that they do not change."""

IDLE_SECONDS: Final = 1.0
"""After how long without events a lazy position is moved."""

_logger = logging.getLogger(__name__)


class Projector:
    """Applies the log to one projection."""

    def __init__(
        self, projection: Projection, log: EventLog, rounds: Rounds, position: PositionRow, *, errors: LastErrors
    ) -> None:
        self._projection = projection
        self._condition = ProjectorCondition(projection.name, errors)
        self._log = log
        self._rounds = rounds
        self._applied = position
        self._saved = position.last_applied_sequence
        self._follower = log.follow(position.last_applied_sequence)
        self._barrier: Barrier | None = None
        self._replacement: Replacement | None = None
        self._waiting = WaitingReaders()
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
        return self._condition.status

    def health(self) -> ProjectorHealth:
        return self._condition.health(position=self.position, lag=self._log.head - self.position)

    def obstacle(self) -> ProjectionStalled | RuntimeStopped:
        """The error for a caller that waits for these rows."""
        if self.status == "stopped":
            return RuntimeStopped(f"{self.name} has stopped at {self.position}: the runtime takes no more events")
        return ProjectionStalled(self.name, self.position, self._condition.fault)

    async def wait_until(self, sequence: int) -> None:
        """Wait until the rows show every event up to `sequence`.

        Raises:
            ProjectionStalled: the projector has halted before it.
            RuntimeStopped: the projector has stopped before it.
        """
        while self.position < sequence:
            if self._condition.is_over:
                raise self.obstacle()
            self._rounds.hurry()
            await self._waiting.wait(sequence)

    def raise_barrier(self, barrier: Barrier) -> None:
        """Stop at the barrier's target until it is released. Who cannot get there soon fails it at once."""
        if self._condition.is_over or self._condition.has_failed_for(PATIENCE_SECONDS):
            barrier.fail(self.obstacle())
            return
        self._barrier = barrier
        self._follower.nudge()
        self._rounds.hurry()

    async def replace_rows(self, swap: Swap) -> None:
        """Have the projector swap its rows between two batches, and wait until it has. One caller at a time.

        Cancelled before the swap has begun, the old rows stay; after that, this waits for its end first.

        Raises:
            RuntimeStopped: the projector has stopped before it.
            Exception: what `swap` raised.
        """
        if self._has_ended:
            raise RuntimeStopped(f"{self.name} has stopped at {self.position}: its rows are not replaced any more")
        replacement = self._replacement = Replacement(swap)
        self._follower.nudge()
        self._rounds.hurry()
        try:
            await replacement.answer()
        finally:
            if self._replacement is replacement:
                self._replacement = None

    async def run(self) -> None:
        """Apply the log until it ends, then move the position to its end. Halted, wait for new rows until then."""
        try:
            is_over = False
            while not is_over:
                try:
                    is_over = await self._apply_to_the_end()
                except RuntimeStopped:
                    raise
                except ProjectionStalled as stalled:
                    self._halt(stalled.fault)
                except Exception as error:  # a defect stops this projector alone
                    self._halt(repr(error))
        except RuntimeStopped as closed:
            ids = self._condition.ids(self.position)
            _logger.warning("%s ends at %d: %s", self.name, self.position, closed, extra=ids)
        finally:
            self._follower.close()
            self._has_ended = True
            self._condition.stop()
            if self._replacement is not None:
                self._replacement.end(RuntimeStopped(f"{self.name} has stopped at {self.position}"))
            if self._barrier is not None:
                self._barrier.fail(self.obstacle())
            self._waiting.release()

    async def _apply_to_the_end(self) -> bool:
        """Apply the log, or wait for new rows, until the log has ended and the position is stored."""
        try:
            await (self._wait_halted() if self.status == "halted" else self._apply_log())
        except anyio.EndOfStream:
            if self.status != "halted":
                await self._save_position()
            return True
        return False

    async def _apply_log(self) -> None:
        while True:
            # The gate comes first: what is published while it is closed waits in the channel and wakes nobody. It
            # comes again for a batch that was waited for, because others may have begun a round meanwhile.
            await self._rounds.turn(hurry=self._is_awaited)
            await self._stop_at_barrier()
            if self._replacement is not None and self._barrier is None:
                await self._take(self._replacement)
            else:
                batch = await self._next_batch()
                await self._rounds.turn(hurry=self._is_awaited)
                await self._apply_all([*batch, *self._follower.next_batch_nowait()])

    @property
    def _is_awaited(self) -> bool:
        """Whether to ask for a round again: an earlier asking may be spent on a round that went without this one."""
        return bool(self._waiting) or self._barrier is not None or self._replacement is not None

    async def _wait_halted(self) -> None:
        """Wait for new rows; raises `EndOfStream` when the log ends before."""
        self._follow(self._log.head)
        while self.status == "halted":
            if self._replacement is not None:
                await self._take(self._replacement)
                continue
            try:
                await self._follower.next_batch()
            except StoreError:  # it is not for these events that it follows the log
                self._follow(self._log.head)

    async def _take(self, replacement: Replacement) -> None:
        """Swap the rows and continue from their position, between this projector's and the published head."""
        self._replacement = None
        was_halted, fault = self.status == "halted", self._condition.fault
        up_to = self._log.head
        try:
            stored = await self._swapped(replacement, up_to)
        except BaseException:
            replacement.end(RuntimeStopped(f"{self.name} has stopped at {self.position}"))
            raise
        if stored is not None:
            self._follow(stored.last_applied_sequence)
            self._saved = stored.last_applied_sequence
            self._condition.go_on(self.position)
            self._advance(stored)
            replacement.end()
        elif was_halted:
            self._halt(fault)
        else:
            self._condition.go_on(self.position)

    async def _swapped(self, replacement: Replacement, up_to: int) -> PositionRow | None:
        """The position after a swap; after an error that left rows and position as they were, None."""
        found: list[PositionRow] = []
        replacement.begin()
        try:
            await self._rounds.run_job(swap_rows(replacement.swap, self.name, up_to, found.append))
        except Exception as error:
            replacement.end(error)
            if isinstance(error, RuntimeStopped):
                raise
            await self._run_until_done(find_position(self.name, found.append))
            # At this projector's own position, old and new rows are equal.
            if found[0].last_applied_sequence != up_to or up_to == self._saved:
                return None
        return found[0]

    async def _run_until_done(self, job: Job[None]) -> None:
        while True:
            try:
                return await self._rounds.run_job(job)
            except Exception as error:
                is_storage = isinstance(error, StoreError) or is_transient(error)
                if isinstance(error, ProjectionStalled) or not is_storage:
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
                self._condition.go_on(self.position)
                return batch

    async def _apply_all(self, batch: list[LoggedEvent]) -> None:
        """Apply a batch; a barrier that is raised cuts it in two."""
        self._condition.quarantine(batch, self._projection.handles)
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
        handled = handled_events(self._projection, batch)
        if not handled and last.sequence - self._saved < LAZY_EVENTS:
            self._advance(position)
            return
        try:
            await self._commit(handled, position)
        except (RuntimeStopped, ProjectionStalled):
            raise
        except Exception as error:
            if len(batch) == 1 and is_value_error(error):
                self._condition.skip(last.sequence, repr(error))
                await self._commit((), position)
            elif len(batch) == 1:
                raise ProjectionStalled(self.name, self.position, f"event {last.sequence}: {error!r}") from error
            else:
                for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                    await self._apply(half)

    async def _commit(self, events: Sequence[PersistedEvent], position: PositionRow) -> None:
        rows = apply_events(self._projection, events, position)
        write = partial(self._rounds.write, rows, is_there=is_at_position(position))
        while True:
            try:
                if self._is_awaited:
                    self._rounds.hurry()
                await write()
                break
            except CommitOutcomeUnknown as error:
                write = partial(self._rounds.run_job, apply_if_missing(self._projection, events, position))
                await self._back_off(error)
            except Exception as error:
                if not is_transient(error):
                    raise
                await self._back_off(error)
        self._condition.go_on(self.position)
        self._saved = position.last_applied_sequence
        self._advance(position)

    async def _back_off(self, error: Exception) -> None:
        """Wait before the next try. Once the log has ended there is none: the next start replays what is missing."""
        if self._log.has_ended:
            self._condition.give_up(error)
            raise RuntimeStopped(f"the next start continues from there, after {error}")
        await self._condition.back_off(error, self.position)

    async def _save_position(self) -> None:
        if self._saved != self.position:
            await self._commit((), self._applied)

    def _advance(self, position: PositionRow) -> None:
        self._applied = position
        self._waiting.wake(self.position)

    def _halt(self, fault: str) -> None:
        self._condition.halt(fault, self.position)
        if self._barrier is not None:
            self._barrier.fail(self.obstacle())
            self._barrier = None
        self._waiting.release()
