"""What clients asked for and were answered, over all lives of a database, and what the log must therefore hold.

An answer that means "nothing was written" binds as much as an acceptance. After no answer (the caller was cancelled,
the host died) the command may be whole or absent; sending it again shows which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import attrs

from orchestrion.contracts.commands import CLIENT_COMMANDS, Command
from orchestrion.contracts.events import LoggedEvent, PersistedEvent, ThreadTurnStartRequested
from orchestrion.contracts.ids import CommandId, TurnId
from orchestrion.contracts.values import ActorKind, Instant
from orchestrion.domain.decide import aggregate_of, decide
from orchestrion.domain.decision import DecisionRequest, DraftEvent, Rejection
from orchestrion.persistence.receipts import ReceiptRow
from orchestrion.testing.admitted import admitted
from orchestrion.testing.model_host import ModelHost
from tests.support.builders import at

Outcome: TypeAlias = Literal["sent", "refused"]


@attrs.frozen
class Answer:
    """A command's outcome: the sequence of its last event, or the reason of its rejection."""

    sequence: int | None
    reason: str | None
    duplicate: bool


@attrs.define(eq=False)
class Entry:
    """A command and the outcome of every time it was sent."""

    command: Command
    actor: ActorKind
    expected_version: int | None = None
    sent: int = 0
    refused: int = 0
    answer: Answer | None = None

    @property
    def is_absent(self) -> bool:
        """Whether every sender was answered that nothing was written."""
        return self.sent == self.refused

    def take(self, answer: Answer) -> None:
        """Record an answer: it equals every other one, and is no duplicate at most once."""
        before = self.answer
        if before is None:
            self.answer = answer
            return
        assert (before.sequence, before.reason) == (answer.sequence, answer.reason), (
            f"{self.command} was answered {before}, then {answer}"
        )
        assert before.duplicate or answer.duplicate, f"{self.command}: two senders were both first"
        if before.duplicate:
            self.answer = answer


def actor_kind_of(command: Command) -> ActorKind:
    return "client" if isinstance(command, CLIENT_COMMANDS) else "server"


class Journal:
    """Every command that was ever sent."""

    def __init__(self) -> None:
        self.entries: dict[CommandId, Entry] = {}
        self.invalid: set[str] = set()
        """The ids of commands that were not well formed."""
        self.listener: Callable[[Entry, Answer | Outcome], None] | None = None
        """Called before anything else happens."""

    def note(self, entry: Entry, outcome: Answer | Outcome) -> None:
        """Record that a command was sent, that a sender learned that nothing was written, or an answer."""
        if self.listener is not None:
            self.listener(entry, outcome)
        match outcome:
            case "sent":
                entry.sent += 1
            case "refused":
                entry.refused += 1
            case _:
                entry.take(outcome)

    def entry(self, command: Command, *, expected_version: int | None = None) -> Entry:
        entry = self.entries.get(command.command_id)
        if entry is None:
            entry = Entry(command=command, actor=actor_kind_of(command), expected_version=expected_version)
            self.entries[command.command_id] = entry
        return entry

    def check(self, log: list[LoggedEvent], receipts: Mapping[str, ReceiptRow]) -> None:
        """The log is what deciding its commands one by one gives; every command is whole or absent, as answered."""
        self._check_answers(log, receipts)
        rejected: dict[int, list[ReceiptRow]] = {}
        for receipt in receipts.values():
            if receipt.status == "rejected":
                rejected.setdefault(receipt.result_sequence, []).append(receipt)
        host = ModelHost()
        previous: str | None = None
        for sequence in range(len(log) + 1):
            for receipt in rejected.get(sequence, ()):
                self._check_rejection(host, receipt)
            if sequence == len(log):
                return
            event = log[sequence]
            if isinstance(event, PersistedEvent) and event.command_id not in (None, previous):
                self._check_acceptance(host, event, log)
            previous = event.command_id
            host.take(event)

    def _check_answers(self, log: list[LoggedEvent], receipts: Mapping[str, ReceiptRow]) -> None:
        last = {event.command_id: event.sequence for event in log}
        assert not self.invalid & (last.keys() | receipts.keys())
        for command_id, entry in self.entries.items():
            receipt = receipts.get(command_id)
            match entry.answer:
                case Answer(sequence=int() as sequence):
                    assert receipt is not None, f"{entry} was accepted and has no receipt"
                    assert (receipt.status, receipt.result_sequence) == ("accepted", sequence), entry
                    assert last.get(command_id) == sequence, f"{entry} ends at {last.get(command_id)}"
                case Answer(reason=reason):
                    assert receipt is not None, f"{entry} was rejected and has no receipt"
                    assert (receipt.status, receipt.error) == ("rejected", reason), entry
                    assert command_id not in last, f"{entry} was rejected and has events"
                case None if entry.is_absent:
                    assert receipt is None, f"{entry} wrote nothing, by its answers, and has a receipt"
                    assert command_id not in last, f"{entry} wrote nothing, by its answers, and has events"
                case None:
                    assert (command_id in last) == (receipt is not None and receipt.status == "accepted"), entry

    def _check_rejection(self, host: ModelHost, receipt: ReceiptRow) -> None:
        entry = self.entries.get(CommandId(receipt.command_id))
        if entry is not None:
            decision = decide(host, _request(entry, at(0), TurnId("none")))
            assert decision == Rejection(reason=str(receipt.error)), f"{entry} at {host.head}: {decision}"

    def _check_acceptance(self, host: ModelHost, first: PersistedEvent, log: list[LoggedEvent]) -> None:
        """The events here are all those that the command leads to here, adjacent."""
        entry = self.entries.get(CommandId(str(first.command_id)))
        events = [event for event in log if event.command_id == first.command_id]
        assert [event.sequence for event in events] == [first.sequence + number for number in range(len(events))]
        if entry is None:  # an internal command
            return
        if entry.expected_version is not None:
            assert first.stream_version == entry.expected_version + 1, entry
        turns = [
            event.payload.turn_id
            for event in events
            if isinstance(event, PersistedEvent) and isinstance(event.payload, ThreadTurnStartRequested)
        ]
        decision = decide(host, _request(entry, first.occurred_at, turns[0] if turns else TurnId("none")))
        assert not isinstance(decision, Rejection), f"{entry} at {host.head}: {decision}"
        drafts = [(event.occurred_at, event.payload) for event in events if isinstance(event, PersistedEvent)]
        assert drafts == [(draft.occurred_at, draft.payload) for draft in decision], f"{entry} at {host.head}"
        assert [event.causation_event_id for event in events] == [_cause(one, first) for one in decision], entry
        assert {(event.aggregate_kind, event.stream_id) for event in events} == {aggregate_of(entry.command)}


def _request(entry: Entry, now: Instant, turn_id: TurnId) -> DecisionRequest:
    return DecisionRequest(command=admitted(entry.command, entry.actor).command, now=now, turn_id=turn_id)


def _cause(draft: DraftEvent, first: PersistedEvent) -> str | None:
    return first.event_id if draft.caused_by_first else draft.caused_by
