"""One run of an in-process agent's generator: what it yields becomes events, its end becomes the turn's end."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

import anyio
import attrs
from anyio.lowlevel import checkpoint_if_cancelled

from ....contracts.errors import AnswerRefused, ProviderError, ProviderProtocolError, StoreError
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderItemId, TurnId
from ....contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    CheckpointCaptured,
    MessageCompleted,
    MessageDelta,
    QuestionRequested,
    SessionExited,
    SessionStarted,
    ThreadStarted,
    TurnCompleted,
    TurnOutcome,
    TurnStarted,
)
from ....contracts.values import ApprovalDecision, JsonObject
from ...detached_task import DetachedTask, is_cancelled
from ..adapter import SessionRequest, TurnRequest
from ..event_queue import EventQueue
from ..guarded_events import fault_of
from ..provider_calls import describe_error
from .turn import InProcessTurn, Run, UserReply, UserRequest

__all__ = ["TurnRun"]

END_SECONDS: Final = 5.0
"""How long a generator that was cancelled may take to end before it is left behind."""

_NOT_OF_A_TURN = (
    SessionStarted,
    ThreadStarted,
    TurnStarted,
    ApprovalRequested,
    ApprovalResolved,
    QuestionRequested,
    CheckpointCaptured,
    SessionExited,
)

_logger = logging.getLogger(__name__)


@attrs.define(eq=False)
class _AwaitedDecision:
    """The decision on a request that is open."""

    answered: anyio.Event = attrs.field(factory=anyio.Event)
    reply: UserReply = attrs.field(factory=lambda: UserReply(decision="cancel"))


class TurnRun:
    """Starts when it is constructed. Belongs to its connection."""

    def __init__(
        self,
        run: Run,
        request: TurnRequest,
        *,
        session: SessionRequest,
        after: TurnId | None,
        number: int,
        events: EventQueue,
    ) -> None:
        self._run = run
        self._turn = InProcessTurn(request=request, session=session, after=after, ask=self._ask)
        self._number = number
        self._events = events
        self._scope = anyio.CancelScope()
        self._outcome: TurnOutcome | None = None
        self._is_abandoned = self._is_over = False
        self._requests: dict[ApprovalRequestId, _AwaitedDecision] = {}
        self._asked = 0
        self._messages = 0
        self._message: ProviderItemId | None = None
        self._ids = {"thread_id": session.thread_id, "turn_id": request.turn_id}
        self._task = DetachedTask(self._perform, name=f"turn of thread {session.thread_id}")

    @property
    def is_over(self) -> bool:
        """Whether the turn's end was reported."""
        return self._is_over

    def end_as(self, outcome: TurnOutcome) -> None:
        """Cancel the generator. The turn ends with this outcome, unless it has ended or is ending already."""
        self._outcome = self._outcome or outcome
        self._scope.cancel()

    async def abandon(self) -> None:
        """Cancel the generator and wait for its end. The turn is not reported as completed."""
        self._is_abandoned = True
        self._scope.cancel()
        with anyio.move_on_after(END_SECONDS):
            await self._task.ended.wait()
        if not self._task.ended.is_set():
            self._task.leave_behind()
            _logger.error("%s was cancelled and goes on: it is left behind", self._task.name, extra=self._ids)

    def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        option: ApprovalOptionId | None,
        answers: JsonObject | None,
    ) -> None:
        open_request = self._requests.get(request)
        if open_request is None or open_request.answered.is_set():
            raise ProviderProtocolError(f"request {request!r} is not open")
        if option is not None:
            raise AnswerRefused(f"request {request!r} has no option {option!r}: it takes decisions only")
        open_request.reply = UserReply(decision=decision, answers=answers or {})
        open_request.answered.set()
        self._events.put_nowait(ApprovalResolved(request=request, decision=decision))
        if decision == "cancel":
            self.end_as("cancelled")

    async def _ask(self, make: Callable[[ApprovalRequestId], UserRequest]) -> UserReply:
        self._asked += 1
        name = ApprovalRequestId(f"{self._number}-{self._asked}")
        request = make(name)
        if request.item is not None:
            request = attrs.evolve(request, item=self._in_session(request.item))
        await self._complete_message()
        await self._events.put(request)
        open_request = self._requests[name] = _AwaitedDecision()
        try:
            await open_request.answered.wait()
            await checkpoint_if_cancelled()
        finally:
            del self._requests[name]
            if not open_request.answered.is_set():
                self._events.put_nowait(ApprovalResolved(request=name, decision="cancel"))
        return open_request.reply

    async def _perform(self) -> None:
        end = TurnCompleted(outcome="completed")
        try:
            with self._scope:
                end = await self._generate()
        except anyio.get_cancelled_exc_class():
            if is_cancelled():
                raise
            end = TurnCompleted(
                outcome="failed", error="the task of the agent was cancelled from outside", reason="agent_crashed"
            )
        except Exception as error:
            end = self._failed(error)
        if self._is_abandoned:
            return
        if self._outcome is not None:
            end = TurnCompleted(outcome=self._outcome)
        if self._message is not None:
            self._events.put_nowait(MessageCompleted(item=self._message))
        self._is_over = True
        self._events.put_nowait(end)

    async def _generate(self) -> TurnCompleted:
        """Report what the generator yields; the turn's end, which it may yield itself."""
        yielded: object = self._run(self._turn)
        if not isinstance(yielded, AsyncGenerator):
            raise ProviderProtocolError("it is no asynchronous generator function")
        async with aclosing(yielded) as parts:
            async for part in parts:
                if isinstance(part, str):
                    await self._say(part)
                elif isinstance(part, TurnCompleted):
                    return part
                else:
                    await self._report(part)
        return TurnCompleted(outcome="completed")

    async def _report(self, event: Any) -> None:
        fault = fault_of(event)
        if fault is not None:
            raise ProviderProtocolError(f"a turn yields text or events, but {fault}")
        if isinstance(event, _NOT_OF_A_TURN):
            raise ProviderProtocolError(f"a turn cannot yield {type(event).__name__}")
        await self._complete_message()
        item: ProviderItemId | None = getattr(event, "item", None)
        await self._events.put(event if item is None else attrs.evolve(event, item=self._in_session(item)))

    async def _say(self, text: str) -> None:
        message = self._message or ProviderItemId(f"{self._number}-text-{self._messages + 1}")
        await self._events.put(MessageDelta(item=message, text=text))
        if self._message is None:
            self._message, self._messages = message, self._messages + 1

    async def _complete_message(self) -> None:
        if self._message is not None:
            await self._events.put(MessageCompleted(item=self._message))
            self._message = None

    def _in_session(self, item: ProviderItemId) -> ProviderItemId:
        """The item under a name that is unique in the session: the generator's own names are unique in their turn."""
        return ProviderItemId(f"{self._number}-{item}")

    def _failed(self, error: Exception) -> TurnCompleted:
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            (error,) = error.exceptions
        _logger.warning("%s failed: %s", self._task.name, error, exc_info=error, extra=self._ids)
        match error:
            case ProviderError():
                return TurnCompleted(outcome="failed", error=str(error), reason=error.reason)
            case StoreError():
                return TurnCompleted(outcome="failed", error=describe_error(error), reason="storage")
            case _:
                return TurnCompleted(outcome="failed", error=describe_error(error), reason="agent_crashed")
