"""The provider session of one thread: the actor that performs the thread's intents.

- Intents are read from the log; its mailbox holds nothing but "look again". Interrupts, approval responses and stops
  overtake turn starts and reverts, which keep the log's order. One turn runs at a time.
- A turn is claimed by the commit that opens it, the last one before the hand-over: it is handed over at most once.
- Everything has a bound: a request its deadline, an interrupt its escalation, a silent turn its clock, an idle agent
  its retirement. A slow or hung agent delays this thread alone; one that is still starting is not waited for when
  something overtakes.
- It ends when its router lets it go: nothing open, no agent alive, nothing published since it last looked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Final

import anyio
from anyio.abc import TaskGroup

from ...contracts.errors import (
    MailboxClosed,
    ProviderError,
    ResumeRefused,
    RuntimeFailed,
    SessionLost,
    StoreError,
)
from ...contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadSessionStopRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
)
from ...contracts.ids import ThreadId, TurnId
from ...contracts.provider_events import TurnCompleted
from ...domain.failures import WAY_TO_START_AFRESH
from ...persistence.crash_points import crash_point
from ...persistence.event_store import read_open_intents_of
from ..checkpoints.reverter import RevertOrder
from ..providers.adapter import TurnRequest
from ..shields import shield
from .agent_life import AgentLife
from .approval_answers import ApprovalAnswers
from .context import ThreadContext, read_thread_context
from .failure_reasons import reason_of
from .health import SessionHealth
from .parts import SessionParts
from .thread_agent import ThreadAgent
from .thread_conversation import ThreadConversation
from .turn_preparation import LATER, NotPrepared, PreparedTurn, TurnPreparation

CONTEXT_PROJECTORS: Final = (
    "projection.projects",
    "projection.threads",
    "projection.thread-sessions",
    "projection.thread-turns",
)

OVERTAKING: Final = (ThreadTurnInterruptRequested, ThreadApprovalResponseRequested, ThreadSessionStopRequested)
"""What is performed before turn starts and reverts that are older."""

NOT_THE_TURNS_FAULT: Final = (StoreError, MailboxClosed, RuntimeFailed)
"""What keeps a turn from starting now, and says nothing of whether it can."""

_logger = logging.getLogger(__name__)


class ThreadSession:
    """Performs the intents of one thread. Owned by the router."""

    def __init__(self, thread_id: ThreadId, parts: SessionParts, *, may_leave: Callable[[ThreadSession], bool]) -> None:
        self.thread_id = thread_id
        self._parts = parts
        self._may_leave = may_leave
        self._wake = anyio.Event()
        self._preparing = anyio.CancelScope()
        self._in_hand: set[str] = set()
        self._agent = ThreadAgent(
            starter=parts.starter,
            checkpointer=parts.checkpointer,
            limits=parts.limits,
            changed=self.wake,
            turn_ended=self._in_hand.clear,
            read_context=self._context,
        )
        self._answers = ApprovalAnswers(self._agent, parts.notes)
        self._preparation = TurnPreparation(thread_id, parts, self._agent, self._context)
        self._ending = anyio.Event()
        self._last_error: str | None = None

    @property
    def is_awake(self) -> bool:
        """Whether something was published that the session has not looked at."""
        return self._wake.is_set()

    def wake(self) -> None:
        """Something of this thread was published, or happened to its agent: look again."""
        self._wake.set()

    def overtake(self) -> None:
        """Something that overtakes turn starts was published: look again, and wait for no agent that is starting."""
        self._preparing.cancel()
        self.wake()

    def thread_deleted(self) -> None:
        """The thread is gone: end its agent."""
        self.stop()

    def stop(self) -> None:
        """End the agent, leave queued turns in the log."""
        self._ending.set()
        self.overtake()

    async def rest(self, seconds: float) -> None:
        """Wait, unless the session is to end."""
        with anyio.move_on_after(seconds):
            await self._ending.wait()

    def health(self) -> SessionHealth:
        return self._agent.health(self.thread_id, self._last_error)

    async def run(self) -> None:
        """Perform intents until the router lets go.

        Raises:
            StoreError: the store cannot be read or written. Run it again: nothing is lost.
            MailboxClosed: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        failure: Exception | None = RuntimeError("a task of it was cancelled by somebody else")
        self._in_hand.clear()
        async with anyio.create_task_group() as tasks:
            try:
                await self._perform_all(tasks)
                failure = None
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure

    async def _perform_all(self, tasks: TaskGroup) -> None:
        try:
            while not await self._is_done(tasks):
                with anyio.move_on_after(self._agent.seconds_to_next_clock()):
                    await self._wake.wait()
        finally:
            with shield():
                await self._agent.end()

    async def _is_done(self, tasks: TaskGroup) -> bool:
        """Do everything there is to do now; True when nothing is left and the router lets go."""
        while not self._ending.is_set():
            self._wake = anyio.Event()
            self._preparing = anyio.CancelScope()
            if not await self._step(tasks):
                return self._agent.life is None and self._may_leave(self)
        return True

    async def _step(self, tasks: TaskGroup) -> bool:
        """Do the next thing there is to do; False when there is none."""
        await self._agent.tend()
        intents = await self._open_intents()
        for intent in intents:
            if isinstance(intent.payload, OVERTAKING):
                await self._overtake_with(intent, intents)
                return True
        if intents and self._agent.running_turn_id is None:
            await self._perform(intents[0], tasks)
            return True
        await self._agent.retire_if_due(unless=lambda: self.is_awake)
        return False

    async def _open_intents(self) -> list[PersistedEvent]:
        found: list[LoggedEvent] = await self._parts.readers.run(
            lambda database: read_open_intents_of(database, self.thread_id)
        )
        open_intents = [event for event in found if isinstance(event, PersistedEvent)]
        self._in_hand &= {intent.event_id for intent in open_intents}
        return [intent for intent in open_intents if intent.event_id not in self._in_hand]

    async def _overtake_with(self, intent: PersistedEvent, intents: Collection[PersistedEvent]) -> None:
        self._in_hand.add(intent.event_id)
        match intent.payload:
            case ThreadTurnInterruptRequested() as interrupt:
                await self._interrupt(intent, interrupt.turn_id, intents)
            case ThreadApprovalResponseRequested() as response:
                await self._answers.deliver(intent, response)
            case ThreadSessionStopRequested() as stop:
                forgets = stop.forget_conversation is True
                await self._stop_session(intent, intents, forgets=forgets)
            case _:
                raise AssertionError(f"event {intent.sequence} overtakes nothing: {intent.event_type}")

    async def _perform(self, intent: PersistedEvent, tasks: TaskGroup) -> None:
        self._in_hand.add(intent.event_id)
        match intent.payload:
            case ThreadTurnStartRequested() as start:
                await self._start_turn(intent, start, tasks)
            case ThreadCheckpointRevertRequested() as revert:
                await self._revert(intent, revert.turn_count)
            case _:
                raise AssertionError(f"event {intent.sequence} is no intent: {intent.event_type}")

    async def _start_turn(self, intent: PersistedEvent, start: ThreadTurnStartRequested, tasks: TaskGroup) -> None:
        prepared: PreparedTurn | NotPrepared = LATER
        try:
            with self._preparing:
                prepared = await self._preparation.prepare(intent, start, tasks)
        except NOT_THE_TURNS_FAULT:
            raise
        except Exception as error:
            await self._not_started(intent, start.turn_id, error)
            return
        if not isinstance(prepared, PreparedTurn):
            if prepared == LATER:
                self._in_hand.discard(intent.event_id)
            return
        life, turn = prepared.life, prepared.workspace
        is_claimed = False
        try:
            is_claimed = await life.claim(start.turn_id, intent)
        except SessionLost as error:
            await self._not_started(intent, start.turn_id, error)
        finally:
            if not is_claimed and life.running_turn_id is None:
                self._parts.checkpointer.forget(turn)
        if not is_claimed and life.running_turn_id is not None:  # the agent's own turn: this one waits for its end
            self._in_hand.discard(intent.event_id)
        if is_claimed:
            self._agent.works_on(turn)
            crash_point("turn.claimed")
            await self._hand_over(life, prepared.request)

    async def _not_started(self, intent: PersistedEvent, turn_id: TurnId, error: Exception) -> None:
        defect = None if isinstance(error, ProviderError) else error
        said = "a turn of thread %s did not start: %s"
        _logger.warning(said, self.thread_id, error, exc_info=defect, extra=_ids(intent))
        self._last_error = str(error)
        kind, message = "turn.start.failed", str(error)
        if isinstance(error, ResumeRefused):
            kind, message = "session.resume.failed", f"{error}; {WAY_TO_START_AFRESH}"
        await self._parts.notes.turn_not_started(intent, turn_id, kind, reason=reason_of(error), error=message)

    async def _revert(self, intent: PersistedEvent, turn_count: int) -> None:
        """Take the thread back, unless something overtakes it before files are touched: then it is done after that."""
        with self._preparing:
            await self._parts.checkpointer.settled(self.thread_id)
            context = await self._context()
            if context is None or context.thread.deleted_at is not None:
                return
            conversation = ThreadConversation(self._agent, self._parts.starter, context)
            order = RevertOrder(
                intent=intent,
                turn_count=turn_count,
                thread=context.thread,
                workspace=context.workspace,
                failed_checkpoints=context.failed_checkpoints,
            )
            await self._parts.reverter.revert(order, conversation)
            return
        self._in_hand.discard(intent.event_id)

    async def _hand_over(self, life: AgentLife, request: TurnRequest) -> None:
        await self._agent.note_what_was_left_out()
        try:
            await life.connection.start_turn(request)
            crash_point("turn.handed-over")
        except ProviderError as error:
            self._last_error = str(error)
            await life.report(TurnCompleted(outcome="failed", error=str(error), reason=error.reason))
            if isinstance(error, SessionLost):
                await self._agent.end()

    async def _interrupt(self, intent: PersistedEvent, turn_id: TurnId, intents: Collection[PersistedEvent]) -> None:
        if self._agent.running_turn_id == turn_id:
            try:
                await self._agent.interrupt(intent)
                crash_point("interrupt.sent")
            except ProviderError as error:
                self._last_error = str(error)
                await self._parts.notes.interrupt_failed(intent, turn_id, str(error))
            return
        queued = next((one for one in intents if _starts(one, turn_id)), None)
        if queued is not None:
            await self._parts.notes.turn_cancelled(queued, turn_id)
        await self._parts.notes.interrupt_settled(intent, turn_id, was_queued=queued is not None)

    async def _stop_session(
        self, intent: PersistedEvent, intents: Collection[PersistedEvent], *, forgets: bool
    ) -> None:
        """Close the queued turns before the stop, end the agent, and settle the stop by the status that follows.

        A conversation to be forgotten is forgotten before the stop is settled, so that no crash keeps it.
        """
        for queued in intents:
            if isinstance(queued.payload, ThreadTurnStartRequested) and queued.sequence < intent.sequence:
                await self._parts.notes.turn_cancelled(queued, queued.payload.turn_id)
        life = self._agent.life
        if life is not None and not life.ended.is_set():
            if not forgets:
                life.expect_end(intent)
            await self._agent.end(keeps_conversation=not forgets)
            self._in_hand.discard(intent.event_id)  # if the agent died before this, its end was not the stop's outcome
            return
        context = await self._context()
        if context is None:
            return
        if forgets:
            await self._parts.starter.forget_conversation(self.thread_id)
        elif context.resume_was_refused:
            await self._parts.starter.drop_cursors(self.thread_id)
        await self._parts.notes.session_stopped(intent, context.thread.session)

    async def _context(self) -> ThreadContext | None:
        projectors = self._parts.projectors
        await projectors.wait_until(projectors.head, CONTEXT_PROJECTORS)
        return await self._parts.readers.run(lambda database: read_thread_context(database, self.thread_id))


def _ids(intent: PersistedEvent) -> dict[str, object]:
    """What a log record about an intent carries."""
    return {"thread_id": intent.stream_id, "event_sequence": intent.sequence, "command_id": intent.command_id}


def _starts(intent: PersistedEvent, turn_id: TurnId) -> bool:
    return isinstance(intent.payload, ThreadTurnStartRequested) and intent.payload.turn_id == turn_id
