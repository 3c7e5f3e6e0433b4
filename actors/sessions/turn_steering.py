"""Sends messages into the turn that an agent runs, and records each that the agent took.

The end of the turn waits for that: it is never recorded between the delivery of a message and its `turn.steered`. So
an open steering request whose turn is over was not delivered. If the host stops while one is on its way, or its
agent does, it is unknown whether the agent took it: it counts as taken, so that no message is given to an agent twice.
"""

from __future__ import annotations

import anyio

from ...contracts.errors import ProviderError, SessionLost
from ...contracts.events import PersistedEvent
from ...contracts.ids import TurnId
from ...contracts.mint import Mint
from ...domain.session_commands import activity, numbered
from ...domain.steering import STEERED, SteerDelivery, steered_payload
from ...persistence.crash_points import crash_point
from ..providers.adapter import AgentConnection, SteerRequest, Steers
from ..providers.provider_calls import ProviderDefect
from .agent_reports import AgentReports


class TurnSteering:
    """The steering of one run. One message at a time."""

    def __init__(self, reports: AgentReports, mint: Mint) -> None:
        self._reports = reports
        self._mint = mint
        self._delivering = anyio.Lock()

    async def settled(self) -> None:
        """Wait until no message is on its way."""
        async with self._delivering:
            pass

    async def deliver(
        self, connection: AgentConnection, intent: PersistedEvent, turn_id: TurnId, request: SteerRequest
    ) -> bool:
        """Send the message into this turn. False if the turn has ended, or the agent refused it.

        Otherwise its `turn.steered` is in the outbox, before all that the agent reports later.
        """
        async with self._delivering:
            if self._reports.state.turn_id != turn_id:
                return False
            assert isinstance(connection, Steers), "only an agent that can be steered is"
            try:
                await connection.steer(request)
                crash_point("steer.delivered")
            except ProviderError as error:
                if not _is_uncertain(error):
                    return False
                self._record(intent, turn_id, request, "unknown")
            except BaseException:
                self._record(intent, turn_id, request, "unknown")
                raise
            else:
                self._record(intent, turn_id, request, "delivered")
        return True

    def _record(self, intent: PersistedEvent, turn_id: TurnId, request: SteerRequest, delivery: SteerDelivery) -> None:
        reports = self._reports
        is_certain = delivery == "delivered"
        summary = "The message was added to the running turn"
        steered = activity(
            reports.state,
            self._mint.now(),
            tone="info" if is_certain else "error",
            kind=STEERED,
            summary=summary if is_certain else "It is unknown whether the agent got the message",
            payload=steered_payload(turn_id, request.message_id, delivery),
        )
        reports.state = numbered(reports.state, steered)
        reports.outbox.settle(intent, steered)


def _is_uncertain(error: ProviderError) -> bool:
    """Whether the agent may have the message all the same."""
    return isinstance(error, SessionLost | ProviderDefect) or error.reason == "unresponsive"
