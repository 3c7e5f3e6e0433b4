"""One database through all its lives: a program runs, hosts stop and die, and everything is checked in between.

A crash leaves a copy of the directory at that instant. The host that "died" works on until its operations are over, on
files that are not looked at again, and none of its later answers counts.

One long module: a life, its operations and its checks are read together.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import assert_never

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync

from orchestrion.actors.providers.adapter import Provider
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.errors import ProjectionStalled, RuntimeStopped, StoreError
from orchestrion.contracts.events import LoggedEvent
from orchestrion.persistence.decision_states import DECISION_PROJECTORS
from orchestrion.runtime.host import open_runtime
from orchestrion.runtime.options import RuntimeOptions
from orchestrion.runtime.runtime import Runtime
from orchestrion.testing.counting_mint import CountingMint
from orchestrion.testing.model_host import ModelHost
from tests.support.interleaving.at_rest import check_at_rest, check_numbers, check_verified, write_alien
from tests.support.interleaving.client import Client
from tests.support.interleaving.faults import NAMES, Faults
from tests.support.interleaving.journal import Journal
from tests.support.interleaving.program import (
    READERS,
    Abandon,
    Crash,
    Defect,
    Dispatch,
    FailCommit,
    FailStatement,
    Follow,
    Hiccup,
    Listen,
    Operation,
    Program,
    ReadLog,
    Rebuild,
    Reconnect,
    Repair,
    SendAgain,
    SendInvalid,
    Step,
    Stop,
    TakeSnapshot,
    Together,
)
from tests.support.interleaving.reader import Reader
from tests.support.interleaving.surroundings import NoAgent, check_owned, wait_until_settled
from tests.support.snapshot_oracle import snapshot_json
from tests.support.stage import SAFETY_NET_SECONDS


class World:
    """Runs a program on a database in `directory`. `die` ends the process at a crash, instead of making a copy.

    With the `journal` of a host that died so, the world continues where that host ended.
    """

    def __init__(
        self,
        directory: Path,
        patch: pytest.MonkeyPatch,
        program: Program,
        *,
        die: Callable[[], None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._directory = directory
        self._faults = Faults(patch, crash=self._crash)
        self.journal = journal or Journal()
        prefix = "later-" if journal is not None else ""
        self._client = Client(self.journal, self._faults, prefix=prefix, is_dead=lambda: self._is_dead)
        self._mint = CountingMint(prefix, step_seconds=1)
        self._readers: list[Reader] = []
        self._die = die
        self._program = program
        self._steps: deque[Step] = deque(program.steps)
        self._has_begun = journal is not None
        self._log: list[LoggedEvent] = []
        self._lives = 1
        self._is_dead = False
        self._ends_well = False
        self._armed_at_start: Crash | None = None
        self._provider = False
        self._alien: str | None = None

    @property
    def path(self) -> Path:
        return self._life / "state.db"

    @property
    def _life(self) -> Path:
        return self._directory / f"life-{self._lives}"

    async def run(self) -> None:
        """Run every step and all checks."""
        self._life.mkdir(exist_ok=True)
        self._readers = [Reader(is_dead=lambda: self._is_dead) for _ in range(READERS)]
        is_over = False
        if self._has_begun:
            await run_sync(self._lie)
        with anyio.fail_after(SAFETY_NET_SECONDS):
            while not is_over:
                is_over = await self._live()
                await run_sync(self._lie)

    async def _live(self) -> bool:
        """Run one life; return whether it ended the program."""
        self._faults.database = str(self.path)
        if self._armed_at_start is not None and self._armed_at_start.point is not None:
            self._faults.crash_at(self._armed_at_start.point, self._armed_at_start.times)
        self._armed_at_start = None
        is_over = False
        async with anyio.create_task_group() as outside:
            opened = False
            try:
                async with open_runtime(self.path, providers=self._providers(), options=self._options()) as runtime:
                    opened = True
                    is_over = await self._serve(runtime, outside)
                self._ends_well = not (runtime.health().failure or self._faults.defects or self._faults.has_struck)
            except ProjectionStalled as stalled:
                has_reason = stalled.projector in DECISION_PROJECTORS and self._faults.can_stall(stalled.projector)
                if opened or not has_reason:
                    raise
                self._faults.repair()
        for reader in self._readers:
            await reader.disconnect()
        return is_over

    def _providers(self) -> Sequence[Provider]:
        return [NoAgent()] if self._provider else []

    def _options(self) -> RuntimeOptions:
        readers = 1 + self._program.seed % 4  # a crash is a copy here, and its original is not used any more
        return RuntimeOptions(mint=self._mint, loaded_threads=1, reader_connections=readers, copy_policy="perform")

    async def _serve(self, runtime: Runtime, outside: TaskGroup) -> bool:
        """Run steps until one ends this life; return whether the program is over. What is started `outside` outlives
        it.
        """
        if self._is_dead:  # it died as it started
            return False
        self._faults.forget_crash()
        self._client.use(runtime)
        await self._arrive(runtime)
        if not self._has_begun:
            self._has_begun = True
            for number in range(self._program.commands):
                commands = self._client.commands(None, self._program.seed * 1000 + number)
                await self._client.send_at_once([self.journal.entry(one) for one in commands])
                await self._catch_up()
        while self._steps:
            step = self._steps.popleft()
            if not await self._take(step, outside) or runtime.health().status == "failed":
                return False
        if self._provider:  # whose sessions still write: what is compared last must not change
            self._provider = False
            return False
        if self._faults.has_unknown_commit:  # the runtime fails because of it, now or in a moment
            return False
        await self._finish(runtime)
        return True

    async def _take(self, step: Step, outside: TaskGroup) -> bool:
        """Run one step; return whether the life goes on after it."""
        match step:
            case Together():
                await self._perform_all(step.operations)
                await self._drain_abandoned_commands()
                await self._catch_up()
                self._check_readers()
                return True
            case Stop():
                self._provider, self._alien = step.provider, step.alien
                self._client.expect_stop()
                for operation in step.operations:
                    outside.start_soon(self._perform_while_stopping, operation)
                for _ in range(step.after):
                    await anyio.lowlevel.checkpoint()
                return False
            case Crash():
                self._provider = step.provider
                if step.point is not None:
                    self._faults.crash_at(step.point, step.times)
                await self._perform_all(step.operations)
                self._faults.forget_crash()
                if not self._is_dead:
                    self._armed_at_start = step
                    self._crash()
                return False
            case _:
                assert_never(step)

    async def _perform_all(self, operations: Sequence[Operation]) -> None:
        async with anyio.create_task_group() as tasks:
            for operation in operations:
                tasks.start_soon(self._perform, operation)

    async def _drain_abandoned_commands(self) -> None:
        """Commands whose callers were cancelled are handled all the same, and may meet an armed fault."""
        while (health := self._client.runtime.health()).mailbox_depth or health.lane_depth:
            await anyio.lowlevel.checkpoint()

    async def _perform_while_stopping(self, operation: Operation) -> None:
        try:
            await self._perform(operation)
        except* RuntimeStopped:  # alone, or from a reader's task group
            pass

    async def _perform(self, operation: Operation) -> None:
        match operation:
            case Dispatch():
                await self._client.dispatch(operation)
            case Abandon():
                await self._client.abandon(operation)
            case SendAgain():
                await self._client.send_again(operation)
            case SendInvalid():
                await self._client.send_invalid(operation.pick)
            case TakeSnapshot():
                await self._client.take_snapshot(operation)
            case ReadLog():
                await self._client.read_log(operation)
            case Rebuild():
                await self._client.rebuild(operation)
            case Follow():
                await self._readers[operation.reader].follow(operation.events)
            case Listen():
                await self._readers[operation.reader].listen(operation.turns)
            case Reconnect() if operation.afresh:
                await self._readers[operation.reader].restart_from_snapshot()
            case Reconnect():
                await self._readers[operation.reader].connect(self._client.runtime)
            case Defect():
                self._faults.break_projector(NAMES[operation.projector], len(self._log) + operation.ahead)
            case Hiccup():
                self._faults.disturb_projector(NAMES[operation.projector], operation.times)
            case FailStatement():
                self._faults.fail_statement(operation.where, operation.times)
            case FailCommit():
                self._faults.fail_commit(operation.end, operation.nth)
            case Repair():
                await self._repair()
            case _:
                assert_never(operation)

    async def _repair(self) -> None:
        """Stop all faults and rebuild halted projectors."""
        self._faults.repair()
        runtime = self._client.runtime
        halted = [one.name for one in runtime.health().projectors if one.status == "halted"]
        if halted and runtime.health().status == "running":
            with suppress(StoreError):  # the storage may fail all the same
                await runtime.rebuild(halted)

    async def _arrive(self, runtime: Runtime) -> None:
        """A host has started: the log is unchanged, and with a provider nothing runs without an owner."""
        before, self._log = self._log, []
        self._client.host = ModelHost()
        await self._catch_up()
        assert self._log[: len(before)] == before
        if self._provider and not self._faults.defects:
            await check_owned(runtime)
            await wait_until_settled(runtime)
            await self._catch_up()
        self._check_readers()
        for reader in self._readers:
            await reader.connect(runtime)

    async def _catch_up(self) -> None:
        """Read what is new in the log, and check the earlier reads that could not be checked before."""
        if self._is_dead:
            return
        async for event in self._client.runtime.replay_events(len(self._log)):
            self._log.append(event)
            self._client.host.take(event)
        for read in self._client.reads:
            read.check(self._log)
        self._client.reads.clear()

    def _check_readers(self) -> None:
        """Assert that each reader shows the fold of what it has read."""
        for reader in self._readers:
            assert reader.shows() == snapshot_json(self._log[: reader.position])

    async def _finish(self, runtime: Runtime) -> None:
        """Mend everything and send it again; then assert that all agree."""
        await self._mend(runtime)
        await self._client.send_at_once(list(self.journal.entries.values()))
        head = runtime.health().head
        await self._client.send_at_once([entry for entry in self.journal.entries.values() if entry.answer is not None])
        assert runtime.health().head == head, "a command that was answered was appended again"
        await self._catch_up()
        check_numbers(self._log)
        snapshot = to_json(await runtime.get_snapshot())
        assert snapshot == snapshot_json(self._log)
        for reader in self._readers:
            await reader.follow(len(self._log))
            assert reader.shows() == snapshot

    async def _mend(self, runtime: Runtime) -> None:
        """Stop all faults. Projectors that have halted, or still halt, are rebuilt."""
        self._faults.calm()
        self._faults.repair()
        is_shown = False
        while not is_shown:
            try:
                await runtime.wait_until_projected(runtime.health().head)
                is_shown = True
            except ProjectionStalled as stalled:
                await runtime.rebuild([stalled.projector])

    def _crash(self) -> None:
        """Copy everything as it is; later answers of this life do not count."""
        if self._is_dead:
            return
        if self._die is not None:
            self._die()
        self._is_dead = True
        copy = self._directory / f"life-{self._lives + 1}"
        copy.mkdir()
        # The database before its WAL: a WAL that is newer than the database holds everything that the database lacks.
        # Attachments last: each is on the disk before the event that names it.
        for file in sorted(self._life.iterdir(), key=lambda one: (one.is_dir(), one)):
            with suppress(FileNotFoundError, shutil.Error):
                if file.is_dir():
                    shutil.copytree(file, copy / file.name)
                else:
                    shutil.copyfile(file, copy / file.name)

    def _lie(self) -> None:
        """No host runs: check the file, and let another version write to it if the program demands that."""
        ends_well, self._ends_well = self._ends_well and not self._is_dead, False
        if self._is_dead:
            self._is_dead = False
            self._lives += 1
        self._faults.calm()
        with self._faults.sparing():
            log, positions = check_at_rest(self.path, self.journal, known=self._log)
            if not ends_well or not self._steps:
                check_verified(self.path, log)
        if ends_well:
            assert set(positions.values()) == {len(log)}, "a clean stop leaves no projector behind"
        if self._alien is not None:
            write_alien(self.path, self._alien, log)
            self._alien = None
