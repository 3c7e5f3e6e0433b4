"""The provider session of one thread: the actor that performs the thread's intents.

- Intents are read from the log; its mailbox holds nothing but "look again". Interrupts, approval responses and stops
  overtake turn starts and reverts, which keep the log's order. One turn runs at a time.
- A turn is claimed by the commit that opens it, the last one before the hand-over: it is handed over at most once.
- Everything has a bound: a request its deadline, an interrupt its escalation, a silent turn its clock, an idle agent
  its retirement. A slow or hung agent delays this thread alone.
- It ends when its router lets it go: nothing open, no agent alive, nothing published since it last looked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Final

import anyio
import attrs
from anyio.abc import TaskGroup

from ..persistence.event_store import read_event, read_open_intents_of
from ..persistence.readers import ReaderPool
from ..runtime.contracts.errors import OrchestrionError, ProviderError, ResumeRefused, StoreError
from ..runtime.contracts.events import (
    LoggedEvent,
    PersistedEvent,
    ThreadApprovalResponseRequested,
    ThreadCheckpointRevertRequested,
    ThreadMessageSent,
    ThreadSessionStopRequested,
    ThreadTurnInterruptRequested,
    ThreadTurnStartRequested,
)
from ..runtime.contracts.ids import ThreadId, TurnId
from ..runtime.contracts.provider_events import RuntimeErrorReported, TurnCompleted
from ..runtime.contracts.values import Unset
from ..runtime.domain.ingest import own_request_id
from .agent_life import AgentLife
from .checkpointer import Checkpointer, TurnWorkspace
from .intent_notes import IntentNotes
from .projectors import Projectors
from .providers.adapter import TurnRequest
from .session_health import SessionHealth
from .session_limits import SessionLimits
from .session_starter import SessionStarter
from .thread_context import ThreadContext, read_thread_context

CONTEXT_PROJECTORS: Final = (
    "projection.projects",
    "projection.threads",
    "projection.thread-sessions",
    "projection.thread-turns",
)

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class SessionParts:
    """What every thread's session works with."""

    readers: ReaderPool
    projectors: Projectors
    starter: SessionStarter
    checkpointer: Checkpointer
    notes: IntentNotes
    limits: SessionLimits


class ThreadSession:
    """Performs the intents of one thread. Owned by the router."""

    def __init__(self, thread_id: ThreadId, parts: SessionParts, *, may_leave: Callable[[ThreadSession], bool]) -> None:
        self.thread_id = thread_id
        self._parts = parts
        self._may_leave = may_leave
        self._life: AgentLife | None = None
        self._turn: TurnWorkspace | None = None
        self._tasks: TaskGroup | None = None
        self._wake = anyio.Event()
        self._interrupted_at: float | None = None
        self._beaten_at = anyio.current_time()
        self._saved_cursor: object = None
        self._in_hand: set[str] = set()
        self._stopping = False
        self._deleted = False
        self._last_error: str | None = None

    @property
    def is_awake(self) -> bool:
        """Whether something was published that the session has not looked at."""
        return self._wake.is_set()

    def wake(self) -> None:
        """Something of this thread was published, or happened to its agent: look again."""
        self._wake.set()

    def thread_deleted(self) -> None:
        """The thread is gone: end its agent."""
        self._deleted = True
        self.wake()

    def stop(self) -> None:
        """The runtime stops: end the agent, leave queued turns in the log."""
        self._stopping = True
        self.wake()

    def health(self) -> SessionHealth:
        life = self._life
        connected = life is not None and not life.ended.is_set()
        return SessionHealth(
            thread_id=self.thread_id,
            provider_name=None if life is None else life.state.provider_name,
            provider_session_id=None if life is None else life.state.provider_session_id,
            pid=life.connection.process.pid if life is not None and connected else None,
            running_turn_id=None if life is None else life.running_turn_id,
            silent_seconds=0.0 if life is None else anyio.current_time() - life.heard_at,
            open_approvals=0 if life is None else life.open_approvals,
            last_error=self._last_error,
        )

    async def run(self) -> None:
        """Perform intents until the router lets go."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                while not await self._is_done():
                    with anyio.move_on_after(self._seconds_to_next_clock()):
                        await self._wake.wait()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._end_life()

    async def _is_done(self) -> bool:
        """Do everything there is to do now; True when nothing is left and the router lets go."""
        while not (self._stopping or self._deleted):
            self._wake = anyio.Event()
            if not await self._step():
                return self._life is None and self._may_leave(self)
        return True

    async def _step(self) -> bool:
        """Do the next thing there is to do; False when there is none."""
        await self._tend_life()
        intents = await self._open_intents()
        overtaking = (ThreadTurnInterruptRequested, ThreadApprovalResponseRequested, ThreadSessionStopRequested)
        for intent in intents:
            if isinstance(intent.payload, overtaking):
                await self._perform(intent, intents)
                return True
        if intents and (self._life is None or self._life.running_turn_id is None):
            await self._perform(intents[0], intents)
            return True
        return False

    async def _open_intents(self) -> list[PersistedEvent]:
        found: list[LoggedEvent] = await self._parts.readers.run(
            lambda database: read_open_intents_of(database, self.thread_id)
        )
        open_intents = [event for event in found if isinstance(event, PersistedEvent)]
        self._in_hand &= {intent.event_id for intent in open_intents}
        return [intent for intent in open_intents if intent.event_id not in self._in_hand]

    async def _perform(self, intent: PersistedEvent, intents: Collection[PersistedEvent]) -> None:
        self._in_hand.add(intent.event_id)
        match intent.payload:
            case ThreadTurnStartRequested() as start:
                await self._start_turn(intent, start)
            case ThreadTurnInterruptRequested() as interrupt:
                await self._interrupt(intent, interrupt.turn_id, intents)
            case ThreadApprovalResponseRequested() as response:
                await self._respond(intent, response)
            case ThreadSessionStopRequested():
                await self._stop_session(intent, intents)
            case ThreadCheckpointRevertRequested():
                await self._parts.notes.revert_refused(intent)
            case _:
                _logger.error("event %d is no intent: %s", intent.sequence, intent.event_type)

    async def _start_turn(self, intent: PersistedEvent, start: ThreadTurnStartRequested) -> None:
        context = await self._context()
        if context is None or context.thread.deleted_at is not None:
            return
        try:
            life = await self._living(context)
            turn = TurnWorkspace(
                thread_id=self.thread_id,
                turn_id=start.turn_id,
                turn_count=context.highest_turn_count + 1,
                path=context.workspace,
            )
            request = await self._turn_request(intent, start)
            await self._parts.checkpointer.capture_baseline(turn)
        except (ProviderError, OSError) as error:
            self._last_error = str(error)
            kind = "session.resume.failed" if isinstance(error, ResumeRefused) else "turn.start.failed"
            await self._parts.notes.turn_not_started(intent, kind, str(error))
            return
        if await life.opened(start.turn_id, intent):
            self._turn = turn
            await self._hand_over(life, request)

    async def _hand_over(self, life: AgentLife, request: TurnRequest) -> None:
        try:
            await life.connection.start_turn(request)
        except ProviderError as error:
            self._last_error = str(error)
            await life.report(TurnCompleted(outcome="failed", error=str(error)))

    async def _turn_request(self, intent: PersistedEvent, start: ThreadTurnStartRequested) -> TurnRequest:
        cause = intent.causation_event_id
        event = None if cause is None else await self._parts.readers.run(lambda database: read_event(database, cause))
        if not isinstance(event, PersistedEvent) or not isinstance(event.payload, ThreadMessageSent):
            raise ProviderError(f"the message of turn {start.turn_id!r} cannot be read from the log")
        attachments = event.payload.attachments
        return TurnRequest(
            text=event.payload.text,
            attachments=() if isinstance(attachments, Unset) else attachments,
            model=None if isinstance(start.model, Unset) else start.model,
            effort=None if isinstance(start.effort, Unset) else start.effort,
        )

    async def _interrupt(self, intent: PersistedEvent, turn_id: TurnId, intents: Collection[PersistedEvent]) -> None:
        life = self._life
        if life is not None and life.running_turn_id == turn_id:
            if self._interrupted_at is None:
                life.expect_end(intent)
                self._interrupted_at = anyio.current_time()
            try:
                await life.connection.interrupt()
            except ProviderError as error:
                self._last_error = str(error)
                await self._parts.notes.interrupt_failed(intent, turn_id, str(error))
            return
        queued = next((one for one in intents if _starts(one, turn_id)), None)
        if queued is not None:
            await self._parts.notes.turn_cancelled(queued, turn_id)
        await self._parts.notes.interrupt_settled(intent, turn_id, was_queued=queued is not None)

    async def _respond(self, intent: PersistedEvent, response: ThreadApprovalResponseRequested) -> None:
        life = self._life
        own = None if life is None else own_request_id(life.state.provider_session_id, response.request_id)
        if life is None or own is None or not life.has_open_approval(own):
            await self._parts.notes.response_undelivered(intent, "the agent no longer waits for it")
            return
        life.expect_answer(own, intent)
        try:
            await life.connection.respond(own, response.decision)
        except ProviderError as error:
            life.forget_answer(own)
            await self._parts.notes.response_undelivered(intent, str(error))

    async def _stop_session(self, intent: PersistedEvent, intents: Collection[PersistedEvent]) -> None:
        """Close the queued turns before the stop, end the agent, and settle the stop by the status that follows."""
        for queued in intents:
            if isinstance(queued.payload, ThreadTurnStartRequested) and queued.sequence < intent.sequence:
                await self._parts.notes.turn_cancelled(queued, queued.payload.turn_id)
        if self._life is not None and not self._life.ended.is_set():
            self._life.expect_end(intent)
            await self._end_life()
            return
        context = await self._context()
        if context is None:
            return
        if context.resume_was_refused:
            await self._parts.starter.drop_cursors(self.thread_id)
        await self._parts.notes.session_stopped(intent, context.thread.session)

    async def _context(self) -> ThreadContext | None:
        projectors = self._parts.projectors
        await projectors.wait_until(projectors.head, CONTEXT_PROJECTORS)
        return await self._parts.readers.run(lambda database: read_thread_context(database, self.thread_id))

    async def _living(self, context: ThreadContext) -> AgentLife:
        """The thread's agent, started if none lives."""
        if self._life is None:
            assert self._tasks is not None, "intents are performed by run alone"
            self._life = await self._parts.starter.start(context, self._tasks, self.wake)
            self._saved_cursor = self._life.connection.resume_cursor
        return self._life

    async def _tend_life(self) -> None:
        """What the clocks ask for: heartbeat, moved cursor, end of turn, escalation, silence, idleness, death."""
        life = self._life
        if life is None:
            return
        if life.ended.is_set():
            await self._end_life()
            return
        if life.running_turn_id is None:
            await self._turn_ended()
        now, limits = anyio.current_time(), self._parts.limits
        if life.connection.resume_cursor != self._saved_cursor or now - self._beaten_at >= limits.heartbeat_interval:
            self._beaten_at, self._saved_cursor = now, life.connection.resume_cursor
            await self._parts.starter.record_life(life, "running")
        if self._interrupted_at is not None and now - self._interrupted_at >= limits.interrupt_deadline:
            await self._end_life()
        elif life.running_turn_id is not None and self._is_silent(life, now):
            message = f"the agent said nothing for {limits.inactivity_deadline:g} seconds"
            await life.report(RuntimeErrorReported(message=message, fatal=True))
            await self._end_life()
        elif life.running_turn_id is None and now - life.idle_since >= limits.idle_timeout:
            await self._end_life()

    def _is_silent(self, life: AgentLife, now: float) -> bool:
        return not life.waits_for_others and now - life.heard_at >= self._parts.limits.inactivity_deadline

    def _seconds_to_next_clock(self) -> float:
        life, limits, now = self._life, self._parts.limits, anyio.current_time()
        if life is None:
            return limits.heartbeat_interval
        due = [self._beaten_at + limits.heartbeat_interval]
        if self._interrupted_at is not None:
            due.append(self._interrupted_at + limits.interrupt_deadline)
        if life.running_turn_id is None:
            due.append(life.idle_since + limits.idle_timeout)
        elif not life.waits_for_others:
            due.append(life.heard_at + limits.inactivity_deadline)
        return max(0.0, min(due) - now)

    async def _turn_ended(self) -> None:
        self._interrupted_at = None
        turn, self._turn = self._turn, None
        if turn is not None:
            self._in_hand.clear()
            await self._parts.checkpointer.capture_end(turn)

    async def _end_life(self) -> None:
        """End the agent, if one lives, and record that it ended."""
        life, self._life = self._life, None
        if life is None:
            return
        await life.connection.close()
        await life.ended.wait()
        await self._turn_ended()
        try:
            await self._parts.starter.record_life(life, "stopped" if life.state.fatal_error is None else "error")
        except (StoreError, OrchestrionError) as error:
            _logger.warning("the end of session %s was not recorded: %s", life.state.provider_session_id, error)


def _starts(intent: PersistedEvent, turn_id: TurnId) -> bool:
    return isinstance(intent.payload, ThreadTurnStartRequested) and intent.payload.turn_id == turn_id
