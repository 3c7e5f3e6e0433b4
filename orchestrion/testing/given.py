"""given(…).when(command).then(…): what a command leads to after commands and events, without a runtime.

Commands are admitted and decided as a runtime does it, in memory. Ids and instants are counted, so that the same steps
give equal events.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ..contracts.commands import Command
from ..contracts.events import EventMetadata, EventPayload, PersistedEvent
from ..contracts.ids import ProviderSessionId
from ..domain.decision import Rejection
from .model_host import NO_METADATA, ModelHost


@attrs.frozen(kw_only=True)
class Sent:
    """A command with its envelope."""

    command: Command
    caused_by: str | None = None
    metadata: EventMetadata = NO_METADATA


Step: TypeAlias = Command | Sent | PersistedEvent | EventPayload


def from_session(provider_session_id: str) -> EventMetadata:
    """The metadata of a command that this provider session leads to."""
    return EventMetadata(provider_session_id=ProviderSessionId(provider_session_id))


@attrs.frozen
class Outcome:
    """What a command led to: events, or a rejection. `host` is the log after it."""

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
    """A log in memory, and the states that it leads to."""

    host: ModelHost

    def when(self, command: Command, *, caused_by: str | None = None, metadata: EventMetadata = NO_METADATA) -> Outcome:
        """Dispatch a command. What it leads to is part of the log from now on.

        Raises:
            InvalidCommand: it is not well formed.
        """
        return Outcome(self.host, self.host.dispatch(command, caused_by=caused_by, metadata=metadata))


def given(*steps: Step) -> Given:
    """A log after these commands, each of them accepted, and these events, whole or as payloads."""
    host = ModelHost()
    for step in steps:
        match step:
            case PersistedEvent():
                host.append(step)
            case _ if isinstance(step, EventPayload):
                host.append_payload(step)
            case Sent():
                _accepted(host, step)
            case _:
                _accepted(host, Sent(command=step))
    return Given(host)


def _accepted(host: ModelHost, sent: Sent) -> None:
    result = host.dispatch(sent.command, caused_by=sent.caused_by, metadata=sent.metadata)
    assert not isinstance(result, Rejection), f"given: {sent.command.type} was rejected: {result.reason}"
