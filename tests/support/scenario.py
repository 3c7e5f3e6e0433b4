"""given(…).when(command).then(…): the shape of a decider's test."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from orchestrion.contracts.commands import Command
from orchestrion.contracts.events import EventMetadata, EventPayload, PersistedEvent
from orchestrion.contracts.ids import ProviderSessionId
from orchestrion.domain.decision import Rejection
from tests.support.model_host import NO_METADATA, ModelHost


@attrs.frozen(kw_only=True)
class Sent:
    """A command with its envelope."""

    command: Command
    caused_by: str | None = None
    metadata: EventMetadata = NO_METADATA


Step: TypeAlias = Command | Sent | PersistedEvent


def from_session(provider_session_id: str) -> EventMetadata:
    """The metadata of a command that this provider session leads to."""
    return EventMetadata(provider_session_id=ProviderSessionId(provider_session_id))


@attrs.frozen
class Outcome:
    host: ModelHost
    result: list[PersistedEvent] | Rejection

    @property
    def events(self) -> list[PersistedEvent]:
        assert not isinstance(self.result, Rejection), self.result.reason
        return self.result

    @property
    def event(self) -> PersistedEvent:
        """The one event that the command led to."""
        (event,) = self.events
        return event

    def then(self, *payloads: EventPayload) -> list[PersistedEvent]:
        """The command led to exactly these events."""
        assert [event.payload for event in self.events] == list(payloads)
        return self.events

    def then_accepted(self) -> list[PersistedEvent]:
        return self.events

    def then_rejected(self, *named: str) -> None:
        """The command was rejected with a sentence that names these ids; nothing was appended."""
        assert isinstance(self.result, Rejection), f"accepted: {self.result}"
        for name in named:
            assert repr(name) in self.result.reason


@attrs.frozen
class Given:
    host: ModelHost

    def when(self, command: Command, *, caused_by: str | None = None, metadata: EventMetadata = NO_METADATA) -> Outcome:
        return Outcome(self.host, self.host.dispatch(command, caused_by=caused_by, metadata=metadata))


def given(*steps: Step) -> Given:
    """A host after these commands (each of them accepted) and events."""
    host = ModelHost()
    for step in steps:
        match step:
            case PersistedEvent():
                host.append(step)
            case Sent():
                _accepted(host, step)
            case _:
                _accepted(host, Sent(command=step))
    return Given(host)


def _accepted(host: ModelHost, sent: Sent) -> None:
    result = host.dispatch(sent.command, caused_by=sent.caused_by, metadata=sent.metadata)
    assert not isinstance(result, Rejection), f"given: {sent.command.type} was rejected: {result.reason}"
