"""The turns of one run of an agent. Each is opened by a commit, whether the user requested it or the agent began it.

The owner admits one caller at a time, so that commands keep the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...contracts.errors import SessionLost
from ...contracts.ids import CommandId, EventId, TurnId
from ...contracts.mint import Mint
from ...contracts.provider_events import ProviderRuntimeEvent, TurnCompleted, TurnStarted
from ...contracts.values import UNSET, TurnOrigin
from ...domain.session.inputs import AgentOver, AgentReport, OwnTurnBegan, TurnEnded
from ...domain.session_commands import numbered, session_set
from ..log.command_sender import CommandSender
from ..providers.hand_over import HandOverFailure
from .agent_reports import AgentReports


class AgentTurns:
    """Reports turns and the agent's end to the worker, in their order, each after it was recorded."""

    def __init__(self, reports: AgentReports, sender: CommandSender, mint: Mint) -> None:
        self._reports = reports
        self._sender = sender
        self._mint = mint
        self._is_acknowledged = False
        self._nested_turns = 0
        self._own_turns = 0
        self._listener: Callable[[AgentReport], None] | None = None
        self._unreported: list[AgentReport] = []
        self._has_reported_over = False

    @property
    def own_turns(self) -> int:
        """How many turns the agent began by itself."""
        return self._own_turns

    def listen(self, listener: Callable[[AgentReport], None]) -> None:
        """Send reports to this listener from now on, first those that were made before there was one."""
        self._listener = listener
        unreported, self._unreported = self._unreported, []
        for report in unreported:
            listener(report)

    def report_over(self) -> None:
        """Report that the agent has ended. Only the first call does."""
        if not self._has_reported_over:
            self._has_reported_over = True
            self._report(AgentOver())

    async def open_requested(self, turn_id: TurnId, *, caused_by: EventId, correlation_id: CommandId | None) -> bool:
        """Open a turn that will be handed over. False if the commit was rejected."""
        is_open = await self._open(turn_id, "user", caused_by=caused_by, correlation_id=correlation_id)
        self._is_acknowledged = False
        return is_open

    async def open_own_turn(self, started: TurnStarted, *, is_ending: bool) -> TurnId | None:
        """Open the turn that the agent began by itself and return its id; None if it acknowledged the requested turn.

        If the agent began its own turn before a requested one reached it, the own turn runs inside the requested one,
        which continues after the first of the two has ended.
        """
        if started.origin == "user":
            self._is_acknowledged = True
            return None
        if self._reports.state.turn_id is not None:
            self._nested_turns += 0 if self._is_acknowledged else 1
            return None
        if is_ending:
            return None
        turn_id = TurnId(self._mint.new_id())
        self._is_acknowledged = True
        if not await self._open(turn_id, "agent", caused_by=None, correlation_id=None):
            return None
        self._own_turns += 1
        self._report(OwnTurnBegan(turn_id))
        return turn_id

    async def ingest(self, event: ProviderRuntimeEvent) -> None:
        """Ingest the agent's event. The end of a turn that ran inside the requested one does not end that one.

        Raises:
            SessionLost: the running turn could not be handed over, and the agent is not usable.
        """
        if isinstance(event, HandOverFailure):
            if event.turn_id in (None, self._reports.state.turn_id):
                await self.take(event)
                if event.loses_session:
                    raise SessionLost(event.error or "the turn could not be handed over", reason=event.reason)
        elif isinstance(event, TurnCompleted) and self._nested_turns:
            self._nested_turns -= 1
            await self._reports.finish_messages()
        else:
            await self.take(event)

    async def take(self, event: ProviderRuntimeEvent) -> None:
        """Ingest an event, and report the end of the running turn if the event ended it."""
        turn_id = self._reports.state.turn_id
        try:
            await self._reports.take(event)
        finally:
            if self._reports.state.turn_id is None:
                self._nested_turns = 0
        if turn_id is not None and self._reports.state.turn_id is None:
            self._report(TurnEnded(turn_id))

    async def _open(
        self, turn_id: TurnId, origin: TurnOrigin, *, caused_by: EventId | None, correlation_id: CommandId | None
    ) -> bool:
        """Open a turn by one commit. Messages from before it are completed first."""
        reports = self._reports
        await reports.finish_messages()
        opened = attrs.evolve(reports.state, turn_id=turn_id, provider_turn_id=None)
        command = session_set(opened, "running", self._mint.now(), turn_origin=UNSET if origin == "user" else origin)
        reports.state = numbered(reports.state, command)
        result = await self._sender.send(command, caused_by=caused_by, correlation_id=correlation_id)
        if result is None:
            return False
        reports.state = attrs.evolve(opened, count=reports.state.count)
        reports.outbox.correlation_id = correlation_id
        return True

    def _report(self, report: AgentReport) -> None:
        if self._listener is None:
            self._unreported.append(report)
        else:
            self._listener(report)
