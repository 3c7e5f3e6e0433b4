"""A client of a host that may fail and die: what it asks for, and which answers are allowed."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import attrs
import orjson
import pytest

from orchestrion.contracts.admission import command_json
from orchestrion.contracts.codec import to_json
from orchestrion.contracts.commands import Command
from orchestrion.contracts.errors import (
    CommandIdReused,
    CommandRejected,
    ConcurrencyConflict,
    InvalidCommand,
    ProjectionStalled,
    RuntimeFailed,
    RuntimeStopped,
    StoreError,
)
from orchestrion.contracts.events import LoggedEvent
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.read_model import DispatchResult
from orchestrion.contracts.values import UNSET, Label
from orchestrion.domain.decide import aggregate_of
from orchestrion.runtime.runtime import Runtime
from orchestrion.testing.model_host import ModelHost
from tests.support import builders as make
from tests.support.interleaving.at_rest import LogRead
from tests.support.interleaving.faults import NAMES, Faults
from tests.support.interleaving.journal import Answer, Entry, Journal, Outcome
from tests.support.interleaving.program import Abandon, Dispatch, Form, ReadLog, Rebuild, SendAgain, TakeSnapshot
from tests.support.random_commands import RunWriter
from tests.support.snapshot_oracle import snapshot_json


@attrs.frozen(kw_only=True)
class SnapshotRead:
    """A snapshot, and the head of the log when it was requested."""

    form: Form
    thread: str | None
    found: dict[str, Any]
    floor: int

    def check(self, log: list[LoggedEvent]) -> None:
        """Assert that it is the fold of the log up to its sequence, which is not older than the request."""
        sequence = self.found["snapshotSequence"]
        assert self.floor <= sequence <= len(log)
        expected = snapshot_json(log[:sequence], detail="summary" if self.form == "summary" else "full")
        if self.thread is not None:
            threads = [one for one in expected["threads"] if one["id"] == self.thread]
            owners = {one["projectId"] for one in threads}
            projects = [one for one in expected["projects"] if one["id"] in owners]
            expected |= {"threads": threads, "projects": projects}
        assert self.found == expected


class Client:
    """Sends and reads through a runtime that changes with every life. Nothing received after `is_dead` counts."""

    def __init__(self, journal: Journal, faults: Faults, *, prefix: str, is_dead: Callable[[], bool]) -> None:
        self.journal = journal
        self.host = ModelHost()
        self.reads: list[SnapshotRead | LogRead] = []
        self._faults = faults
        self._is_dead = is_dead
        self._writer = RunWriter(random.Random(0), prefix=prefix)
        self._runtime: Runtime | None = None
        self._may_be_refused = False

    @property
    def runtime(self) -> Runtime:
        assert self._runtime is not None
        return self._runtime

    def use(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._may_be_refused = False

    def expect_stop(self) -> None:
        """The runtime is about to stop: from now on it may refuse requests."""
        self._may_be_refused = True

    def commands(self, kind: str | None, pick: int) -> list[Command]:
        """The command that a host would now send: the same for the same pick and the same log."""
        self._writer.host = self.host.copy()
        self._writer.choose_by(random.Random(pick))
        before = len(self._writer.steps)
        self._writer.step(kind)
        made = [step.command for step in self._writer.steps[before:]]
        # A turn that the writer asked for in this very step has another id by now.
        return [one for one in made if b'"turn-' not in orjson.dumps(command_json(one))]

    async def dispatch(self, asked: Dispatch) -> None:
        commands = self.commands(asked.kind, asked.pick)
        wait_for = () if asked.wait_for is None else (NAMES[asked.wait_for],)
        version = None if asked.shift is None or not commands else self._version(commands[0]) + asked.shift
        entries = [
            self.journal.entry(one, expected_version=version if one is commands[0] else None) for one in commands
        ]
        if asked.at_once:
            await self.send_at_once([entry for entry in entries for _ in range(1 + asked.twice)])
            return
        for entry in entries:
            await self._send(entry, wait_for)

    async def send_at_once(self, entries: list[Entry]) -> None:
        """Everything is in the mailbox, in this order, before the first answer is awaited."""
        submissions: list[tuple[Entry, Awaitable[DispatchResult]]] = []
        for entry in entries:
            self.journal.note(entry, "sent")
            try:
                submission = await self.runtime.submit(
                    entry.command, actor=entry.actor, expected_version=_version_of(entry)
                )
            except RuntimeFailed:
                self._check_struck()
                continue
            except RuntimeStopped:
                self._refuse(entry)
                continue
            submissions.append((entry, submission.result()))
        accepted: list[int] = []
        for entry, result in submissions:
            answer = await self._answer(entry, result)
            if answer is not None and answer.sequence is not None and not answer.duplicate:
                accepted.append(answer.sequence)
        assert accepted == sorted(accepted), "commands were taken in another order than they were submitted"

    async def abandon(self, asked: Abandon) -> None:
        """Dispatch, and be cancelled after some iterations of the loop: the outcome is unknown."""
        for command in self.commands(asked.kind, asked.pick)[:1]:
            entry = self.journal.entry(command)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send, entry, ())
                for _ in range(asked.after):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()

    async def send_again(self, asked: SendAgain) -> None:
        entries = list(self.journal.entries.values())
        if not entries:
            return
        entry = entries[asked.pick % len(entries)]
        if not asked.changed:
            await self._send(entry, ())
        elif entry.answer is not None:
            await self._send_changed(entry)

    async def send_invalid(self, pick: int) -> None:
        """A malformed command, or one that a client may not send, changes nothing."""
        invalid = make.project_create("invalid", title="", command_id=f"invalid-{pick}")
        internal = make.session_set("running", command_id=f"internal-{pick}")
        for command, field in ((invalid, "title"), (internal, "type")):
            self.journal.invalid.add(command.command_id)
            with pytest.raises(InvalidCommand) as refused:
                await self.runtime.dispatch(command, actor="client")
            assert refused.value.field == field

    async def take_snapshot(self, asked: TakeSnapshot) -> None:
        if asked.cancelled_after is None:
            await self._take_snapshot(asked)
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._take_snapshot, asked)
            for _ in range(asked.cancelled_after):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    async def _take_snapshot(self, asked: TakeSnapshot) -> None:
        threads = list(self.host.threads)
        if asked.form == "thread" and not threads:
            return
        thread = threads[asked.pick % len(threads)] if asked.form == "thread" else None
        floor = self.runtime.health().head
        try:
            found = await self._snapshot(asked.form, thread)
        except ProjectionStalled as stalled:
            self.check_stall_is_expected(stalled)
            return
        if not self._is_dead():
            self.reads.append(SnapshotRead(form=asked.form, thread=thread, found=found, floor=floor))

    async def read_log(self, asked: ReadLog) -> None:
        head = self.host.head
        after = asked.pick % (head + 1)
        if not asked.of_thread:
            events = tuple([event async for event in self.runtime.replay_events(after)])
            self._keep_read(LogRead(after, None, events))
            return
        thread = next(iter(self.host.threads), None)
        if thread is None:
            return
        known = [event async for event in self.runtime.replay_events(after)]
        own = [one for one in known if (one.aggregate_kind, one.stream_id) == ("thread", thread)]
        async with self.runtime.subscribe(after, thread) as subscription:
            self._keep_read(LogRead(after, thread, tuple([await anext(subscription) for _ in own])))

    async def rebuild(self, asked: Rebuild) -> None:
        names = [NAMES[one] for one in asked.projectors]
        pages = 0
        with anyio.CancelScope() as scope:

            def count(_: object) -> None:
                nonlocal pages
                pages += 1
                if asked.cancelled_after is not None and pages > asked.cancelled_after:
                    scope.cancel()

            try:
                await self.runtime.rebuild(names, progress=count)
            except ProjectionStalled as stalled:
                self.check_stall_is_expected(stalled)
            except StoreError:
                self._check_struck()

    def check_stall_is_expected(self, stalled: ProjectionStalled) -> None:
        assert self._faults.can_stall(stalled.projector), stalled

    def _check_struck(self) -> None:
        """A storage failure is only reported if there was one."""
        assert self._faults.has_struck

    async def _send(self, entry: Entry, wait_for: tuple[str, ...]) -> None:
        self.journal.note(entry, "sent")
        runtime = self.runtime
        result = runtime.dispatch(
            entry.command, actor=entry.actor, expected_version=_version_of(entry), wait_for=wait_for
        )
        answer = await self._answer(entry, result, is_awaited=bool(wait_for))
        if answer is not None and answer.sequence is not None:
            positions = {one.name: one.position for one in runtime.health().projectors}
            assert all(positions[name] >= answer.sequence for name in wait_for)

    async def _send_changed(self, entry: Entry) -> None:
        """Other content under an old id: refused if the first command was accepted, else the rejection is repeated."""
        changed = make.project_meta_update("other", title=Label("other"), command_id=entry.command.command_id)
        assert entry.answer is not None
        reason = entry.answer.reason
        try:
            await self.runtime.dispatch(changed, actor="client")
        except CommandIdReused:
            outcome: str | None = None
        except CommandRejected as rejected:
            outcome = rejected.reason if rejected.duplicate else f"anew: {rejected.reason}"
        except (StoreError, RuntimeFailed):
            self._check_struck()
            return
        except RuntimeStopped:
            assert self._may_be_refused
            return
        else:
            raise AssertionError(f"{entry} was accepted again with other content")
        assert outcome == reason, entry

    async def _answer(
        self, entry: Entry, result: Awaitable[DispatchResult], *, is_awaited: bool = False
    ) -> Answer | None:
        """Record a sender's outcome unless the host has died. `is_awaited`: its rows are waited for too."""
        outcome: Answer | Outcome
        try:
            accepted = await result
            outcome = Answer(accepted.sequence, None, accepted.duplicate)
        except CommandRejected as rejected:
            outcome = Answer(None, rejected.reason, rejected.duplicate)
        except ProjectionStalled as stalled:  # accepted, but the projections that were waited for do not show it
            self.check_stall_is_expected(stalled)
            return None
        except RuntimeFailed:
            self._check_struck()
            return None
        except RuntimeStopped:
            if not is_awaited:  # else it may be accepted, and not be shown any more
                self._refuse(entry)
            return None
        except StoreError:
            self._check_struck()
            outcome = "refused"
        except ConcurrencyConflict:
            outcome = "refused"
        if self._is_dead():
            return None
        self.journal.note(entry, outcome)
        return outcome if isinstance(outcome, Answer) else None

    def _refuse(self, entry: Entry) -> None:
        """A runtime that stops does not take a command."""
        assert self._may_be_refused
        self.journal.note(entry, "refused")

    async def _snapshot(self, form: Form, thread: str | None) -> dict[str, Any]:
        found: dict[str, Any]
        if form == "streamed":
            async with self.runtime.stream_snapshot() as stream:
                found = {
                    "snapshotSequence": stream.snapshot_sequence,
                    "projects": to_json(stream.projects),
                    "threads": [to_json(one) async for one in stream],
                    "updatedAt": stream.updated_at,
                }
            return found
        found = to_json(
            await self.runtime.get_snapshot(
                thread_id=UNSET if thread is None else ThreadId(thread),
                detail="summary" if form == "summary" else "full",
            )
        )
        return found

    def _keep_read(self, read: LogRead) -> None:
        if not self._is_dead():
            self.reads.append(read)

    def _version(self, command: Command) -> int:
        kind, stream_id = aggregate_of(command)
        return self.host._version(kind, stream_id)


def _version_of(entry: Entry) -> int | None:
    """A command known to be accepted is answered from its receipt, whatever version it expects."""
    return entry.expected_version if entry.answer is None else None
