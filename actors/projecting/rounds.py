"""Rounds: the projectors' writes go to the write lane together, in one hop and one transaction, at a bounded pace.

What a projector does per event is cheap; waking eight tasks, crossing to another thread and committing eight times per
command is not. So a round has an immediate leading edge, and the next one comes no sooner than `interval_seconds`
later: until then projectors wait at the gate (`turn`) while their batches gather. Somebody who waits for a projection
asks for a round at once (`hurry`).

A write fails alone: when one does, the round's transaction is rolled back and each gets one of its own. When the
commit itself fails, its outcome is unknown: the connection is opened again, and each write that is not there gets a
transaction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio
import attrs
import peewee

from ...contracts.errors import RuntimeStopped, StoreError
from ...persistence.crash_points import crash_point
from ...persistence.database import reopen, write_transaction
from ...persistence.failures import CommitOutcomeUnknown
from ...persistence.lane import Job, WriteLane
from ..shields import shield

ROUND_INTERVAL_SECONDS: Final = 0.016
"""Rows that nobody waits for are so old at most. Half of it costs 64 callers a tenth of their throughput; twice as much
gains nothing."""

MAILBOX_JOBS: Final = 64


@attrs.define(eq=False)
class _Submitted:
    job: Job[None]
    done: anyio.Event = attrs.field(factory=anyio.Event)
    error: BaseException | None = None

    def attempt(self, database: peewee.SqliteDatabase) -> None:
        try:
            self.job(database)
        except BaseException as error:  # the projector that handed the job in decides what it means
            self.error = error


@attrs.define(eq=False, kw_only=True)
class _Write(_Submitted):
    """A job that joins the round's transaction."""

    is_there: Job[bool]


class Rounds:
    """Gathers projectors' jobs and runs them on the write lane, round by round."""

    def __init__(self, lane: WriteLane, *, interval_seconds: float = ROUND_INTERVAL_SECONDS) -> None:
        self._lane = lane
        self._interval = interval_seconds
        self._send, self._receive = anyio.create_memory_object_stream[_Submitted](MAILBOX_JOBS)
        self._gate: anyio.Event | None = None
        self._hurry = anyio.Event()

    async def turn(self, *, hurry: bool = False) -> None:
        """Wait until the next round is due; at once when none was lately. `hurry` asks for it now."""
        if self._gate is not None:
            if hurry:
                self.hurry()
            await self._gate.wait()

    def hurry(self) -> None:
        """Open the gate now instead of when the next round is due."""
        self._hurry.set()

    async def write(self, job: Job[None], *, is_there: Job[bool]) -> None:
        """Run a job inside the next round's transaction, and wait until that is committed. Raises what the job raises.

        The job may be run twice: again, alone, when a failure, its own or a neighbour's, has undone the first time.
        `is_there` returns whether what it writes is in the database. Shielded as `run_job` is.

        Raises:
            CommitOutcomeUnknown: a commit failed; what the job wrote may be there or not.
            RuntimeStopped: the rounds have ended; nothing was written.
        """
        await self._submit(_Write(job=job, is_there=is_there))

    async def run_job(self, job: Job[None]) -> None:
        """Run a job that has transactions of its own in the next round, and wait for it. Raises what the job raises.

        Shielded: a caller that is cancelled learns its job's outcome first.

        Raises:
            RuntimeStopped: the rounds have ended; the job was not run.
        """
        await self._submit(_Submitted(job))

    def close(self) -> None:
        """No more jobs: `run` ends."""
        self._send.close()

    def abandon(self) -> None:
        """No more jobs, and `run` is never called."""
        self._send.close()
        self._receive.close()

    async def run(self) -> None:
        """Run rounds until closed. However it ends, no job is left without an answer."""
        try:
            async for first in self._receive:
                self._gate = anyio.Event()
                due = anyio.current_time() + self._interval
                await self._run_round([first, *self._gathered()])
                with anyio.move_on_after(max(0.0, due - anyio.current_time())):
                    await self._hurry.wait()
                self._hurry = anyio.Event()
                self._open_gate()
        finally:
            self._send.close()
            for submitted in self._gathered():
                submitted.error = RuntimeStopped("the rounds of projections have ended")
                submitted.done.set()
            self._receive.close()
            self._open_gate()

    async def _submit(self, submitted: _Submitted) -> None:
        with shield():
            try:
                await self._send.send(submitted)
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                raise RuntimeStopped("the rounds of projections have ended") from None
            await submitted.done.wait()
        if submitted.error is not None:
            raise submitted.error

    def _open_gate(self) -> None:
        if self._gate is not None:
            self._gate.set()
            self._gate = None

    def _gathered(self) -> list[_Submitted]:
        gathered: list[_Submitted] = []
        while True:
            try:
                gathered.append(self._receive.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                return gathered

    async def _run_round(self, jobs: list[_Submitted]) -> None:
        def run_all(database: peewee.SqliteDatabase) -> None:
            _write_together(database, [submitted for submitted in jobs if isinstance(submitted, _Write)])
            for submitted in jobs:
                if not isinstance(submitted, _Write):
                    submitted.attempt(database)

        try:
            with shield():
                await self._lane.run(run_all)
        except BaseException as error:
            for submitted in jobs:
                submitted.error = error if isinstance(error, Exception) else RuntimeStopped("the rounds were cancelled")
            raise
        finally:
            for submitted in jobs:
                submitted.done.set()


def _write_together(database: peewee.SqliteDatabase, writes: Sequence[_Write]) -> None:
    """Run the writes in one transaction; where that fails, each that is not there in one of its own."""
    if not writes:
        return
    has_begun = False
    failure: BaseException | None = None
    try:
        with write_transaction(database, durability="normal"):
            has_begun = True
            for write in writes:
                write.job(database)
        crash_point("projector.committed")
    except BaseException as error:  # the projectors that handed the writes in decide what it means
        failure = error
    if failure is None:
        return
    may_go_on = has_begun and len(writes) > 1 and _reopen_after_failure(database, failure)
    for write in writes:
        if may_go_on:
            _write_alone(database, write, failure)
        else:
            write.error = failure


def _write_alone(database: peewee.SqliteDatabase, write: _Write, failure: BaseException) -> None:
    """Do a write again, unless the transaction that failed may have been committed and was."""
    if isinstance(failure, CommitOutcomeUnknown):
        try:
            if write.is_there(database):
                return
        except Exception:
            write.error = failure  # unknown still
            return
    _write_together(database, [write])


def _reopen_after_failure(database: peewee.SqliteDatabase, failure: BaseException) -> bool:
    """Whether the connection can go on after a failed transaction. After a failed commit it is opened again."""
    if isinstance(failure, CommitOutcomeUnknown):
        try:
            reopen(database)
        except StoreError:
            return False
    return not database.connection().in_transaction
