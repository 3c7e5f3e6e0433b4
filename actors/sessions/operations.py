"""The long operations of a worker: one at a time, each in its own task and cancel scope.

An operation posts its outcome. A withdrawn operation may still complete, and then posts that outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, assert_never

import anyio
from anyio.abc import TaskGroup

from ...contracts.errors import ProviderError, RuntimeFailed, RuntimeStopped, StoreError
from ...contracts.events import PersistedEvent, ThreadCheckpointRevertRequested, ThreadTurnStartRequested
from ...contracts.ids import ThreadId
from ...domain.session import inputs as on
from ...domain.session.effects import Attach, CaptureBaseline, Operation, RevertFiles, StartAgent
from ..checkpoints.reverter import RevertOrder
from ..checkpoints.workspace_identity import identify
from .context import ThreadContext
from .conversation_rollback import ConversationRollback
from .failure_reasons import failure_of
from .intents import ThreadIntents
from .kept_agent import KeptAgent
from .parts import SessionParts
from .turn_work import TurnWork

NOT_CAUSED_BY_TURN: Final = (StoreError, RuntimeStopped, RuntimeFailed)
"""Errors that stop the worker. They are not outcomes of the turn that was being started."""

_logger = logging.getLogger(__name__)


class Operations:
    """The operations of one worker. `post` takes their outcomes, `failed` an error that ends the worker."""

    def __init__(
        self,
        thread_id: ThreadId,
        parts: SessionParts,
        *,
        agent: KeptAgent,
        turns: TurnWork,
        intents: ThreadIntents,
        read_context: Callable[[], Awaitable[ThreadContext | None]],
        post: Callable[[on.Input], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._thread_id = thread_id
        self._parts = parts
        self._agent = agent
        self._turns = turns
        self._intents = intents
        self._read_context = read_context
        self._post = post
        self._failed = failed
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._ended.set()

    def begin(self, operation: Operation, tasks: TaskGroup) -> None:
        """Begin an operation in `tasks`. The previous one has ended."""
        assert self._ended.is_set(), "one operation at a time"
        self._scope, self._ended = anyio.CancelScope(), anyio.Event()
        tasks.start_soon(self._run, operation, tasks)

    def withdraw(self) -> None:
        """Cancel the operation."""
        self._scope.cancel()

    async def end(self) -> None:
        """Cancel the operation, and wait until it has ended."""
        self.withdraw()
        await self._ended.wait()

    async def _run(self, operation: Operation, tasks: TaskGroup) -> None:
        try:
            with self._scope as scope:
                match operation:
                    case StartAgent(turn=turn):
                        await self._start_agent(turn, tasks)
                    case CaptureBaseline(turn=turn):
                        await self._capture_baseline(turn)
                    case RevertFiles():
                        await self._revert(operation)
                    case Attach():
                        raise NotImplementedError("no turn outlives its host yet")
                    case _:
                        assert_never(operation)
            if scope.cancelled_caught:
                self._post(on.Withdrawn())
        except Exception as error:
            self._failed(error)
        finally:
            self._ended.set()

    async def _start_agent(self, turn: on.TurnStartAsked, tasks: TaskGroup) -> None:
        intent = self._intents[turn.event_id]
        context = await self._read_context()
        if context is None or context.thread.deleted_at is not None:
            self._post(on.ThreadMissing())
            return
        try:
            place = await identify(context.workspace)
        except ProviderError as error:
            self._post(on.TurnImpossible(self._log_failure(error, intent)))
            return
        try:
            run = await self._agent.start(context, place, tasks, correlation_id=intent.correlation_id)
        except NOT_CAUSED_BY_TURN:
            raise
        except Exception as error:
            self._post(on.StartFailed(self._log_failure(error, intent)))
            return
        can = run.connection.capabilities
        self._post(on.AgentStarted(resumes=can.resume, steers=can.steer))
        run.listen(self._post)

    async def _capture_baseline(self, turn: on.TurnStartAsked) -> None:
        intent = self._intents[turn.event_id]
        assert isinstance(intent.payload, ThreadTurnStartRequested)
        try:
            reply = await self._turns.capture_baseline(intent, intent.payload)
        except NOT_CAUSED_BY_TURN:
            raise
        except Exception as error:
            self._post(on.TurnImpossible(self._log_failure(error, intent)))
        else:
            self._post(reply)

    async def _revert(self, operation: RevertFiles) -> None:
        intent = self._intents[operation.revert.event_id]
        assert isinstance(intent.payload, ThreadCheckpointRevertRequested)
        await self._parts.checkpointer.settled(self._thread_id)
        context = await self._read_context()
        if context is not None and context.thread.deleted_at is None:
            order = RevertOrder(
                intent=intent,
                turn_count=intent.payload.turn_count,
                thread=context.thread,
                workspace=context.workspace,
                failed_checkpoints=context.failed_checkpoints,
            )
            end_agent = partial(
                self._agent.end, loses_conversation=operation.loses_conversation, ended=self._agent_ended
            )
            conversation = ConversationRollback(self._agent.run, self._parts.starter, context, end_agent=end_agent)
            await self._parts.reverter.revert(order, conversation)
        self._post(on.RevertDone())

    def _agent_ended(self, has_failed: bool) -> None:
        self._post(on.AgentEnded(has_failed=has_failed))

    def _log_failure(self, error: Exception, intent: PersistedEvent) -> on.Failure:
        """Log why a turn does not start, and return it as the outcome."""
        ids = {"thread_id": self._thread_id, "event_sequence": intent.sequence, "command_id": intent.command_id}
        defect = None if isinstance(error, ProviderError) else error
        message = "a turn of thread %s did not start: %s"
        _logger.warning(message, self._thread_id, error, exc_info=defect, extra=ids)
        return failure_of(error)
