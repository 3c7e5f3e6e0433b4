"""The connection to an in-process agent: one conversation of a thread, one turn at a time."""

from __future__ import annotations

from typing import Final

from anyio.abc import ObjectReceiveStream

from ....contracts.errors import ProviderProtocolError, SessionLost
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId
from ....contracts.provider_events import ProviderRuntimeEvent, SessionExited, SessionStarted
from ....contracts.values import ApprovalDecision, JsonObject
from ..adapter import Capabilities, SessionRequest, TurnRequest
from ..event_queue import EventQueue
from .turn import Run
from .turn_run import TurnRun

__all__ = ["InProcessConnection"]

_CAPACITY: Final = 64


class InProcessConnection:
    """An `AgentConnection` without a process."""

    process: Final = None

    def __init__(self, run: Run, request: SessionRequest, cursor: JsonObject, capabilities: Capabilities) -> None:
        self.capabilities: Final = capabilities
        self.resume_cursor: Final[JsonObject | None] = cursor
        self.provider_thread_id: Final = ProviderThreadId(cursor["conversation"])
        self._run = run
        self._request = request
        self._after = cursor.get("after")
        self._queue = EventQueue(_CAPACITY)
        self._queue.put_nowait(SessionStarted(provider_thread_id=self.provider_thread_id))
        self._turn: TurnRun | None = None
        self._turns = 0
        self._is_closed = False

    @property
    def events(self) -> ObjectReceiveStream[ProviderRuntimeEvent]:
        return self._queue

    async def start_turn(self, turn: TurnRequest) -> None:
        self._check_open()
        if self._turn is not None and not self._turn.is_over:
            raise ProviderProtocolError("a turn is running")
        self._turns += 1
        self._turn = TurnRun(
            self._run, turn, session=self._request, after=self._after, number=self._turns, events=self._queue
        )

    async def interrupt(self) -> None:
        self._check_open()
        if self._turn is not None:
            self._turn.end_as("interrupted")

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        self._check_open()
        if self._turn is None:
            raise ProviderProtocolError(f"request {request!r} is not open")
        self._turn.respond(request, decision, option, answers)

    async def close(self) -> None:
        """As `AgentConnection.close`: cancels the generator and waits for its end, five seconds at most."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if self._turn is not None:
                await self._turn.abandon()
        finally:
            self._queue.end(SessionExited(asked=True))

    def _check_open(self) -> None:
        if self._is_closed:
            raise SessionLost("the session was closed")
