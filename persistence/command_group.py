"""A group commit: what happens to the commands that the dispatcher took up together, on the write lane.

1. The receipts of the whole group are looked up in one query.
2. Each command is decided in order, on the states its neighbours before it staged. One that has a receipt, or is
   rejected, costs its neighbours nothing.
3. The attachments of accepted commands are stored, durable before any event refers to them.
4. All events and all receipts are written in one transaction, durable before anybody is answered. With a
   `thread.reverted`, the diffs of the turns that it removes go.

If a statement fails, the transaction is rolled back, what was staged is dropped, and the commands are decided and
committed one by one, so that a bad one fails alone. If the commit itself fails, its outcome is unknown: the connection
is opened again and the receipts give the outcome.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import attrs
import peewee

from ..contracts.blobs import Blob
from ..contracts.commands import INTERNAL_COMMANDS, ThreadTurnStart, ThreadTurnSteerQueue
from ..contracts.errors import (
    CommandIdReused,
    CommandRejected,
    ConcurrencyConflict,
    RuntimeFailed,
    StoreError,
)
from ..contracts.event_codec import EventRow, encode_event
from ..contracts.events import EventMetadata, LoggedEvent, PersistedEvent, ThreadReverted
from ..contracts.ids import CommandId, EventId, ProjectId, ThreadId, TurnId, is_runtime_id
from ..contracts.mint import Mint
from ..contracts.read_model import DispatchResult
from ..contracts.values import Instant, JsonObject
from ..domain.decide import aggregate_of, decide
from ..domain.decide_internal import is_from_replaced_session
from ..domain.decision import DecisionRequest, DraftEvent, Rejection
from ..domain.state import ThreadState
from .batches import NOTHING, Batch, joined
from .blobs import BlobStore
from .command_envelope import CommandEnvelope
from .crash_points import crash_point
from .database import Durability, reopen, write_transaction
from .decision_states import DecisionStates
from .diff_blobs import drop_diffs_above
from .event_store import append_events, read_events_of_command, read_head
from .failures import CommitOutcomeUnknown, translated
from .fingerprints import fingerprinted, has_content_of
from .open_files import OpenFiles
from .receipts import ReceiptRow, find_receipts, insert_receipts


class CommandSuperseded(CommandRejected):
    """An internal command came too late: its session was replaced, or its thread is deleted. Not a fault."""


_STARTS_TURN: Final = (ThreadTurnStart, ThreadTurnSteerQueue)

CommandAnswer: TypeAlias = DispatchResult | Exception

DECIDING_SECONDS: Final = 0.002
"""After deciding for so long, the thread releases the GIL for a moment, so that the event loop can run."""


@attrs.frozen(kw_only=True)
class GroupOutcome:
    """The answers in the order of the commands, and what was committed.

    `withheld` has the secret answers that committed events lack, by the ids of the events.
    """

    answers: tuple[CommandAnswer, ...]
    batch: Batch
    withheld: Mapping[EventId, JsonObject] = attrs.field(factory=dict[EventId, JsonObject], repr=False)


@attrs.define(eq=False)
class _GroupPlan:
    """What a group is going to write."""

    head: int
    events: list[PersistedEvent] = attrs.field(factory=list)
    rows: list[EventRow] = attrs.field(factory=list)
    receipts: dict[str, ReceiptRow] = attrs.field(factory=dict)
    accepted: set[str] = attrs.field(factory=set)
    withheld: dict[EventId, JsonObject] = attrs.field(factory=dict, repr=False)
    answers: list[CommandAnswer] = attrs.field(factory=list)
    blobs: list[Blob] = attrs.field(factory=list)


class CommandGroup:
    """Decides and commits groups of commands. Lives on the write lane: only its thread calls `handle`."""

    def __init__(
        self,
        database: peewee.SqliteDatabase,
        states: DecisionStates,
        mint: Mint,
        *,
        durability: Durability = "full",
    ) -> None:
        self._database = database
        self._states = states
        self._mint = mint
        self._durability: Durability = durability
        self._path = Path(database.database)
        self._files = OpenFiles(self._path)
        self._blobs = BlobStore.beside(self._path)
        self._head = read_head(database).sequence

    @property
    def head(self) -> int:
        """The sequence of the last committed event."""
        return self._head

    def handle(self, envelopes: Sequence[CommandEnvelope], positions: Mapping[str, int]) -> GroupOutcome:
        """Decide and commit a group. `positions` are those of the projectors: what they have may be evicted.

        Raises:
            RuntimeFailed: a commit's outcome is unknown and could not be found out, or the database's files were
                removed or replaced. Nothing more may be written.
        """
        try:
            outcome = self._attempt(envelopes)
        except RuntimeFailed:
            raise
        except Exception as error:  # a failed statement: the commands are tried again one by one
            if len(envelopes) == 1:
                return GroupOutcome(answers=(self._named(error),), batch=NOTHING)
        else:
            self._states.evict(positions)
            return outcome
        outcomes = [self.handle((envelope,), positions) for envelope in envelopes]
        return GroupOutcome(
            answers=tuple(answer for outcome in outcomes for answer in outcome.answers),
            batch=joined(outcome.batch for outcome in outcomes),
            withheld={event: secret for outcome in outcomes for event, secret in outcome.withheld.items()},
        )

    def _attempt(self, envelopes: Sequence[CommandEnvelope]) -> GroupOutcome:
        plan = _GroupPlan(head=self._head)
        try:
            known = find_receipts(self._database, [envelope.command.command_id for envelope in envelopes])
            last_pause = time.monotonic()
            for envelope in envelopes:
                plan.answers.append(self._decide(envelope, plan, known))
                if time.monotonic() - last_pause > DECIDING_SECONDS:
                    time.sleep(0)
                    last_pause = time.monotonic()
            crash_point("command.decided")
            for blob in plan.blobs:
                self._blobs.put(blob)
                crash_point("blob.stored")
            if plan.receipts:
                with write_transaction(self._database, durability=self._durability):
                    append_events(self._database, plan.rows)
                    crash_point("append.events-written")
                    self._drop_reverted_diffs(plan.events)
                    insert_receipts(self._database, list(plan.receipts.values()))
                    crash_point("append.receipts-written")
                    self.check_files()
                crash_point("append.committed")
        except CommitOutcomeUnknown as error:
            self._resolve(plan, error)
        except BaseException:
            self._states.discard()
            raise
        self._states.adopt()
        self._head = plan.head
        batch = Batch(tuple(plan.events), sum(envelope.size for envelope in envelopes))
        return GroupOutcome(answers=tuple(plan.answers), batch=batch, withheld=plan.withheld)

    def check_files(self) -> None:
        """Commit nothing into a file that was removed or replaced, or whose lock was.

        Raises:
            RuntimeFailed: a file is not what it was. The transaction is rolled back.
        """
        try:
            self._files.check(self._database.connection())
        except StoreError as error:
            raise RuntimeFailed(str(error)) from error

    def _drop_reverted_diffs(self, events: Sequence[PersistedEvent]) -> None:
        """Diffs cannot be replayed: those of removed turns are deleted with the event of the revert."""
        for event in events:
            if isinstance(event.payload, ThreadReverted):
                drop_diffs_above(self._database, event.payload.thread_id, event.payload.turn_count)

    def _decide(self, envelope: CommandEnvelope, plan: _GroupPlan, known: dict[str, ReceiptRow]) -> CommandAnswer:
        command_id = envelope.command.command_id
        receipt = plan.receipts.get(command_id) or known.get(command_id)
        if receipt is not None:
            return self._repeated(envelope, receipt, plan)
        conflict = self._version_conflict(envelope)
        if conflict is not None:
            return conflict
        request = DecisionRequest(
            command=envelope.command,
            now=self._mint.now(),
            turn_id=TurnId(self._mint.new_id()) if isinstance(envelope.command, _STARTS_TURN) else None,
            caused_by=envelope.caused_by,
            metadata=envelope.metadata,
        )
        decision = decide(self._states, request)
        if isinstance(decision, Rejection):
            plan.receipts[command_id] = _receipt(envelope, request.now, plan.head, rejected=decision.reason)
            return self._rejection(envelope, decision.reason)
        events = self._numbered(decision, envelope, plan.head)
        self._states.stage(events)
        plan.events += events
        plan.rows += map(encode_event, events)
        plan.head += len(events)
        plan.receipts[command_id] = _receipt(envelope, request.now, plan.head)
        plan.blobs += envelope.blobs
        plan.accepted.add(command_id)
        plan.withheld |= {
            event.event_id: draft.withheld for event, draft in zip(events, decision, strict=True) if draft.withheld
        }
        return DispatchResult(sequence=plan.head, duplicate=False, events=tuple(events))

    def _repeated(self, envelope: CommandEnvelope, receipt: ReceiptRow, plan: _GroupPlan) -> CommandAnswer:
        command_id = envelope.command.command_id
        if receipt.status == "rejected":
            return self._rejection(envelope, receipt.error or "", duplicate=True)
        events = tuple(self._events_of(command_id, plan))
        first = events[0] if events else None
        if not isinstance(first, PersistedEvent) or not has_content_of(envelope, first):
            return CommandIdReused(command_id)
        return DispatchResult(sequence=receipt.result_sequence, duplicate=True, events=events)

    def _rejection(self, envelope: CommandEnvelope, reason: str, *, duplicate: bool = False) -> CommandRejected:
        command = envelope.command
        superseded = (
            isinstance(command, INTERNAL_COMMANDS)
            and is_runtime_id(command.command_id)
            and is_superseded(self._states.thread(command.thread_id), envelope.metadata)
        )
        answer = CommandSuperseded if superseded else CommandRejected
        return answer(command.command_id, reason, duplicate=duplicate)

    def _events_of(self, command_id: CommandId, plan: _GroupPlan) -> list[LoggedEvent]:
        """The events of an accepted command, which this group or an earlier one decided."""
        if command_id in plan.accepted:
            return [event for event in plan.events if event.command_id == command_id]
        return read_events_of_command(self._database, command_id)

    def _version_conflict(self, envelope: CommandEnvelope) -> ConcurrencyConflict | None:
        if envelope.expected_version is None:
            return None
        kind, stream_id = aggregate_of(envelope.command)
        version = self._version(kind, stream_id)
        if version == envelope.expected_version:
            return None
        return ConcurrencyConflict(stream_id, envelope.expected_version, version)

    def _version(self, kind: str, stream_id: str) -> int:
        states = self._states
        state = states.project(ProjectId(stream_id)) if kind == "project" else states.thread(ThreadId(stream_id))
        return 0 if state is None else state.version

    def _numbered(self, drafts: Sequence[DraftEvent], envelope: CommandEnvelope, head: int) -> list[PersistedEvent]:
        kind, stream_id = aggregate_of(envelope.command)
        version = self._version(kind, stream_id)
        command_id = envelope.command.command_id
        correlation_id = envelope.correlation_id or self._root_command(envelope, drafts)
        events: list[PersistedEvent] = []
        for number, draft in enumerate(drafts, start=1):
            metadata = envelope.metadata if events else fingerprinted(envelope, draft)
            event = PersistedEvent(
                sequence=head + number,
                event_id=EventId(self._mint.new_id()),
                aggregate_kind=kind,
                stream_id=stream_id,
                stream_version=version + number,
                event_type=draft.payload.event_type,
                occurred_at=draft.occurred_at,
                command_id=command_id,
                causation_event_id=events[0].event_id if draft.caused_by_first else draft.caused_by,
                correlation_id=correlation_id,
                actor_kind=envelope.actor,
                payload=draft.payload,
                metadata=metadata,
            )
            events.append(event)
        return events

    def _root_command(self, envelope: CommandEnvelope, drafts: Sequence[DraftEvent]) -> CommandId | None:
        """The client command at the root: itself, or that of the intent which the decider found to be the cause."""
        command = envelope.command
        if not isinstance(command, INTERNAL_COMMANDS):
            return command.command_id
        thread, cause = self._states.thread(command.thread_id), drafts[0].caused_by
        intent = None if thread is None or cause is None else thread.open_intents.get(cause)
        return None if intent is None else intent.correlation_id

    def _resolve(self, plan: _GroupPlan, error: CommitOutcomeUnknown) -> None:
        """Find out whether the commit took place, and go on as it did.

        Raises:
            RuntimeFailed: the file cannot be opened again.
            StoreError: the commit did not take place; nothing of the group is written.
        """
        try:
            reopen(self._database)
            written = find_receipts(self._database, [CommandId(command_id) for command_id in plan.receipts])
        except Exception as failure:
            raise RuntimeFailed(
                f"a commit's outcome is unknown and {self._path} cannot be opened again: {failure}"
            ) from failure
        if len(written) != len(plan.receipts):
            self._states.discard()
            raise self._named(error.__cause__ or error) from error

    def _named(self, error: BaseException) -> Exception:
        """A driver's error in the contract's words; any other error as it is."""
        match error:
            case StoreError():
                return error
            case peewee.PeeweeException() | sqlite3.Error() | OSError():
                named = translated(error, self._path)
                named.__cause__ = error
                return named
            case Exception():
                return error
            case _:
                raise error


def is_superseded(thread: ThreadState | None, metadata: EventMetadata) -> bool:
    """Whether what this thread's session reports has come too late."""
    return thread is not None and (thread.deleted or is_from_replaced_session(thread, metadata))


def _receipt(
    envelope: CommandEnvelope, now: Instant, result_sequence: int, *, rejected: str | None = None
) -> ReceiptRow:
    kind, aggregate_id = aggregate_of(envelope.command)
    return ReceiptRow(
        envelope.command.command_id,
        kind,
        aggregate_id,
        now,
        result_sequence,
        "accepted" if rejected is None else "rejected",
        rejected,
    )
