"""From an agent's events to commands: calls are tracked, text is joined, events are ingested, commands are sent.

The owner admits one caller at a time, so that commands keep the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import attrs

from ...contracts.ids import CommandId
from ...contracts.mint import Mint
from ...contracts.provider_events import (
    MessageDelta,
    ProviderRuntimeEvent,
    SessionExited,
    SessionStarted,
    TurnCompleted,
)
from ...domain.agent_messages import LATE_SILENCE_SECONDS, complete_messages
from ...domain.coalesce import BufferedEvents, hold, release, release_due
from ...domain.ingest import ingest
from ...domain.session_commands import IngestState
from ..log.command_sender import CommandSender
from .failure_reasons import reason_of
from .open_calls import OpenCalls
from .outbox import AgentOutbox


class AgentReports:
    """The reports of one run of an agent. `state` is what is known of it after the last ingested event."""

    def __init__(
        self, state: IngestState, sender: CommandSender, mint: Mint, *, correlation_id: CommandId | None
    ) -> None:
        self.state = state
        self.calls = OpenCalls()
        self.outbox = AgentOutbox(sender, correlation_id=correlation_id)
        self.exited = False
        """Whether the agent's end was ingested."""
        self.idle_since = anyio.current_time()
        self._mint = mint
        self._held = BufferedEvents()
        self._text_at = 0.0

    async def take(self, event: ProviderRuntimeEvent) -> None:
        """Ingest an event, or hold it until more has come. Events are ingested in the order in which they came."""
        now = anyio.current_time()
        for taken in self.calls.take(event):
            self._held, passed_on = hold(self._held, taken, now)
            self._ingest(passed_on)
        await self.outbox.deliver()

    async def flush(self) -> None:
        """Ingest everything that is held."""
        self._held, passed_on = release(self._held, anyio.current_time(), whole=True)
        self._ingest(passed_on)
        await self.outbox.deliver()

    async def finish_messages(self) -> None:
        """Ingest everything that is held, and complete the messages that are still open."""
        await self.flush()
        self.state, commands = complete_messages(self.state, self._mint.now())
        self.outbox.put(*commands)
        await self.outbox.deliver()

    def note_failure(self, failure: Exception | None) -> None:
        """Keep why the session ends, unless a reason is known already."""
        if failure is not None and self.state.fatal_error is None:
            self.state = attrs.evolve(self.state, fatal_error=str(failure), fatal_reason=reason_of(failure))

    @property
    def due_at(self) -> float | None:
        """When `send_what_is_due` has something to send; None while nothing is held."""
        late = self._text_at + LATE_SILENCE_SECONDS if self._has_late_text else None
        return min((due for due in (self._held.due_at, late) if due is not None), default=None)

    async def send_what_is_due(self) -> None:
        """Ingest events whose time to be held is over."""
        now = anyio.current_time()
        self._held, passed_on = release_due(self._held, now)
        self._ingest(passed_on)
        await self.outbox.deliver()
        if self._has_late_text and self._text_at + LATE_SILENCE_SECONDS <= now:
            await self.finish_messages()

    @property
    def _has_late_text(self) -> bool:
        return self.state.turn_id is None and bool(self.state.open_messages or self.state.early_text)

    def _ingest(self, events: Sequence[ProviderRuntimeEvent]) -> None:
        """Make commands of events. All of them are in the outbox before one is sent: a store that fails loses none."""
        for event in events:
            self._note(event)
            self.state, commands = ingest(self.state, event, self._mint.now())
            self.outbox.put(*commands)
            if self.state.turn_id is None:
                self.outbox.correlation_id = None

    def _note(self, event: ProviderRuntimeEvent) -> None:
        self.exited = self.exited or isinstance(event, SessionExited)
        if isinstance(event, TurnCompleted | SessionStarted) or self.state.turn_id is None:
            self.idle_since = anyio.current_time()
        if isinstance(event, MessageDelta):
            self._text_at = anyio.current_time()
