"""The turns of one run of an agent: each opened by a commit, whether it was given or the agent began it by itself.

Whoever owns it lets one caller in at a time, so that commands keep their numbers' order.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ...contracts.ids import CommandId, EventId, TurnId
from ...contracts.mint import Mint
from ...contracts.provider_events import ProviderRuntimeEvent, TurnCompleted, TurnStarted
from ...contracts.values import UNSET, TurnOrigin
from ...domain.session.inputs import AgentOver, AgentReport, OwnTurnBegan, TurnEnded
from ...domain.session_commands import numbered, session_set
from ..log.command_sender import CommandSender
from .agent_reports import AgentReports


class AgentTurns:
    """Tells the worker of turns and of the agent's end in their order, each after it was recorded."""

    def __init__(self, reports: AgentReports, sender: CommandSender, mint: Mint) -> None:
        self._reports = reports
        self._sender = sender
        self._mint = mint
        self._is_taken_up = False
        self._of_others = 0
        self._own_turns = 0
        self._listener: Callable[[AgentReport], None] | None = None
        self._unheard: list[AgentReport] = []
        self._was_told_over = False

    @property
    def own_turns(self) -> int:
        """How many turns the agent began by itself."""
        return self._own_turns

    def listen(self, listener: Callable[[AgentReport], None]) -> None:
        """Report to this listener from now on, at first what nobody listened to yet."""
        self._listener = listener
        unheard, self._unheard = self._unheard, []
        for report in unheard:
            listener(report)

    def tell_over(self) -> None:
        """Tell, once, that the agent is gone."""
        if not self._was_told_over:
            self._was_told_over = True
            self._tell(AgentOver())

    async def open_given(self, turn_id: TurnId, *, caused_by: EventId, correlation_id: CommandId | None) -> bool:
        """Open a turn that the agent will be given. False where the commit is void."""
        is_open = await self._open(turn_id, "user", caused_by=caused_by, correlation_id=correlation_id)
        self._is_taken_up = False
        return is_open

    async def take_up(self, started: TurnStarted, *, is_ending: bool) -> TurnId | None:
        """The turn that the agent has begun by itself, opened; None where it took up the turn it was given.

        A turn of its own that it began before the one it was given reached it runs inside that one, which goes on
        after the first of the two ends.
        """
        if started.origin == "user":
            self._is_taken_up = True
            return None
        if self._reports.state.turn_id is not None:
            self._of_others += 0 if self._is_taken_up else 1
            return None
        if is_ending:
            return None
        turn_id = TurnId(self._mint.new_id())
        self._is_taken_up = True
        if not await self._open(turn_id, "agent", caused_by=None, correlation_id=None):
            return None
        self._own_turns += 1
        self._tell(OwnTurnBegan(turn_id))
        return turn_id

    async def hear(self, event: ProviderRuntimeEvent) -> None:
        """Ingest what the agent reported, but for the end of a turn that ran inside the one it was given."""
        if isinstance(event, TurnCompleted) and self._of_others:
            self._of_others -= 1
            await self._reports.finish_messages()
        else:
            await self.take(event)

    async def take(self, event: ProviderRuntimeEvent) -> None:
        """Ingest an event; where the running turn has ended by it, tell so."""
        turn_id = self._reports.state.turn_id
        try:
            await self._reports.take(event)
        finally:
            if self._reports.state.turn_id is None:
                self._of_others = 0
        if turn_id is not None and self._reports.state.turn_id is None:
            self._tell(TurnEnded(turn_id))

    async def _open(
        self, turn_id: TurnId, origin: TurnOrigin, *, caused_by: EventId | None, correlation_id: CommandId | None
    ) -> bool:
        """Open a turn by one commit; what was said before it is completed first."""
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

    def _tell(self, report: AgentReport) -> None:
        if self._listener is None:
            self._unheard.append(report)
        else:
            self._listener(report)
