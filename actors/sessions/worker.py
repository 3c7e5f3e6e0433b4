"""The worker of one thread: passes inputs to its session's machine and performs the effects.

`domain/session/transitions.py` has the rules. Inputs are passed in this order: replies and the agent's reports as they
came, then new intents from the log, then expired clocks. Long operations run in a task of their own (`operations.py`);
every other call has a deadline and is awaited in line.

A worker that fails ends its agent, and its router runs it again: it reads the open intents from the log once more. It
ends when nothing is open, no agent runs, and nothing was published since it last read the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, assert_never

import anyio
from anyio.abc import TaskGroup

from ...contracts.errors import ProviderError
from ...contracts.events import ThreadApprovalResponseRequested
from ...contracts.ids import EventId, ThreadId, TurnId
from ...contracts.provider_events import RuntimeErrorReported, TurnCompleted
from ...domain.session import effects as do
from ...domain.session import inputs as on
from ...domain.session.abandonment import abandon
from ...domain.session.shared import Step
from ...domain.session.states import Clock, Finished, Idle, State, clocks_of, is_at_rest
from ...domain.session.transitions import step
from ...persistence.crash_points import crash_point
from ..shields import shield
from .agent_run import AgentRun
from .approval_answers import ApprovalAnswers
from .clocks import SessionClocks
from .context import ThreadContext, read_thread_context
from .failure_reasons import failure_of
from .health import SessionHealth
from .intents import ThreadIntents
from .kept_agent import KeptAgent
from .operations import Operations
from .parts import SessionParts
from .settling import Settling
from .turn_work import TurnWork

CONTEXT_PROJECTORS: Final = (
    "projection.projects",
    "projection.threads",
    "projection.thread-activities",
    "projection.thread-sessions",
    "projection.thread-turns",
)


class ThreadWorker:
    """Performs the intents of one thread. The router owns it."""

    def __init__(
        self,
        thread_id: ThreadId,
        parts: SessionParts,
        *,
        failures: int,
        may_leave: Callable[[ThreadWorker], bool],
    ) -> None:
        self.thread_id = thread_id
        self._parts = parts
        self._may_leave = may_leave
        self._state: State = Idle(failures=failures)
        self._inbox: deque[on.Input] = deque()
        self._is_published = False
        self._wake = anyio.Event()
        self._leaving = anyio.Event()
        self._failure: Exception | None = None
        self._last_error: str | None = None
        self._intents = ThreadIntents(parts.readers, thread_id)
        self._clocks = SessionClocks(parts.limits)
        self._agent = KeptAgent(parts.starter, changed=self._signal, turn_begun=self._capture_own_turn)
        self._turns = TurnWork(thread_id, parts, self._agent, self._context)
        self._operations = Operations(
            thread_id,
            parts,
            agent=self._agent,
            turns=self._turns,
            intents=self._intents,
            read_context=self._context,
            post=self._post,
            failed=self._fail,
        )
        self._answers = ApprovalAnswers(parts.secrets)
        self._settling = Settling(parts.notes, parts.starter, parts.secrets, self._context)

    @property
    def is_awake(self) -> bool:
        """Whether the worker has inputs that it has not processed."""
        return self._is_published or bool(self._inbox)

    @property
    def failures(self) -> int:
        """How many times in a row the thread's agent has failed."""
        return self._state.failures

    def wake(self) -> None:
        """Read the log again: an event of this thread was published."""
        self._is_published = True
        self._signal()

    def end_for_deletion(self) -> None:
        """End the agent: the thread was deleted."""
        self._request_end(on.ThreadWasDeleted())

    def stop(self) -> None:
        """End the agent, leave queued turns in the log."""
        self._request_end(on.RuntimeStops())

    async def rest(self, seconds: float) -> None:
        """Wait, unless the worker is to end."""
        with anyio.move_on_after(seconds):
            await self._leaving.wait()

    def health(self) -> SessionHealth:
        """The health of the thread's session."""
        return self._agent.health(self.thread_id, self._last_error)

    async def run(self) -> None:
        """Perform intents until the router allows the end.

        Raises:
            StoreError: the store cannot be read or written. Run the worker again: nothing is lost.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        failure: Exception | None = RuntimeError("one of its tasks was cancelled from outside")
        async with anyio.create_task_group() as tasks:
            try:
                await self._perform_all(tasks)
                failure = None
            except Exception as error:
                failure = error
                tasks.cancel_scope.cancel()  # also ends an agent whose end could not be recorded
        if failure is not None:
            raise failure

    async def _perform_all(self, tasks: TaskGroup) -> None:
        try:
            await self._begin(tasks)
            while not isinstance(self._state, Finished):
                if await self._advance(tasks):
                    continue
                if is_at_rest(self._state) and self._may_leave(self):
                    return
                now = anyio.current_time()
                with anyio.move_on_after(self._clocks.seconds_to_next(self._agent.run, now)):
                    await self._wake.wait()
        finally:
            with shield():
                await self._leave(tasks)

    async def _begin(self, tasks: TaskGroup) -> None:
        """Begin where an earlier run ended: its agent's end may not be recorded yet."""
        self._inbox.clear()
        self._failure = None
        self._intents.put_all_back()
        self._is_published = True
        left = abandon(self._state, (on.AgentOver(),)) if self._agent.run is not None else None
        await self._take(left or (Idle(failures=self._state.failures), ()), tasks)
        if self._leaving.is_set():
            self._post(on.RuntimeStops())

    async def _leave(self, tasks: TaskGroup) -> None:
        """Leave no operation and no agent behind."""
        await self._operations.end()
        if isinstance(self._state, Finished):
            return
        unread = tuple(self._inbox)
        self._inbox.clear()
        await self._take(abandon(self._state, unread), tasks)
        self._post(on.RuntimeStops())
        while not isinstance(self._state, Finished):
            await self._give(self._inbox.popleft(), tasks)

    async def _advance(self, tasks: TaskGroup) -> bool:
        """Pass the next input to the machine; False if there is none."""
        self._wake = anyio.Event()
        self._clocks.served(anyio.current_time())
        if self._failure is not None:
            raise self._failure
        if self._inbox:
            await self._give(self._inbox.popleft(), tasks)
            return True
        if self._is_published:
            self._is_published = False
            for intent in await self._intents.read():
                await self._give(intent, tasks)
            return True
        due = self._clocks.due(self._agent.run, anyio.current_time())
        if self._agent.has_moved_on or "heartbeat" in due:
            self._clocks.heartbeat_sent(anyio.current_time())
            await self._agent.record_heartbeat()
        before = self._state
        await self._give(on.CaughtUp(), tasks)
        if self._state is before and not self.is_awake:
            expired = await self._expired_clock(due)
            if expired is not None and not self.is_awake:
                await self._give(expired, tasks)
        return self._state is not before or self.is_awake

    async def _expired_clock(self, due: frozenset[Clock]) -> on.ClockInput | None:
        limits = self._parts.limits
        if "escalation" in due:
            seconds = limits.interrupt_deadline
            message = (
                f"the agent did not end its turn within {seconds:g} seconds of the interrupt: its process is ended"
            )
            return on.EscalationDue(on.Failure(message=message, reason="unresponsive"))
        if "silence" in due:
            message = f"the agent sent nothing for {limits.inactivity_deadline:g} seconds"
            return on.SilenceDue(on.Failure(message=message, reason="unresponsive"))
        if "backoff" in due:
            return on.BackoffOver()
        if "retirement" in due:
            return on.RetirementDue(commands_run=await self._agent.commands_run())
        return None

    async def _give(self, given: on.Input, tasks: TaskGroup) -> None:
        await self._take(step(self._state, given), tasks)

    async def _take(self, result: Step, tasks: TaskGroup) -> None:
        self._state, effects = result
        self._clocks.watch(clocks_of(self._state), anyio.current_time(), failures=self._state.failures)
        for effect in effects:
            await self._perform(effect, tasks)

    async def _perform(self, effect: do.Effect, tasks: TaskGroup) -> None:
        match effect:
            case do.StartAgent() | do.CaptureBaseline() | do.RevertFiles() | do.Attach():
                self._operations.begin(effect, tasks)
            case do.Withdraw():
                self._operations.withdraw()
            case do.Claim(turn=turn):
                self._post(await self._turns.claim(self._intents[turn.event_id], turn.turn_id))
            case do.HandOver():
                self._post(await self._turns.hand_over())
            case do.Steer(intent=steer, turn_id=turn_id):
                if not await self._turns.steer(self._intents[steer.event_id], turn_id):
                    self._post(on.SteerRefused(steer))
            case do.InterruptAgent():
                await self._interrupt(effect)
            case do.Answer(intent=response):
                await self._answer(response)
            case do.CloseRequest(intent=response):
                await self._close_request(response)
            case do.EndAgent():
                await self._end_agent(effect)
            case do.ForgetBaseline():
                self._turns.forget_baseline()
            case do.CaptureEnd(turn_id=turn_id):
                await self._turns.capture_end(turn_id)
            case do.Report():
                await self._report(effect)
            case do.ReadAgain(intents=intents):
                self._put_back(*intents)
            case do.PutOffRetirement():
                self._agent.living.put_off_retirement()
            case do.Settle(intent=intent, outcome=outcome):
                if isinstance(outcome, do.TurnNotStarted | do.InterruptRefused):
                    self._last_error = outcome.failure.message
                await self._settling.settle(self._intents[intent.event_id], outcome)
                self._is_published = self._is_published or isinstance(outcome, do.SteerQueued)
            case _:
                assert_never(effect)

    # Effects that are awaited in line.

    async def _interrupt(self, effect: do.InterruptAgent) -> None:
        intent = self._intents[effect.intent.event_id]
        try:
            await self._agent.living.interrupt(intent, effect.intent.turn_id, ends_turn=effect.is_first)
            crash_point("interrupt.sent")
        except ProviderError as error:
            self._post(on.InterruptFailed(intent=effect.intent, failure=failure_of(error)))

    async def _answer(self, response: on.ResponseGiven) -> None:
        intent = self._intents[response.event_id]
        assert isinstance(intent.payload, ThreadApprovalResponseRequested)
        error = await self._answers.deliver(self._agent.living, intent, intent.payload)
        if error is not None:
            is_open = self._answers.leaves_open(intent)
            self._post(on.AnswerFailed(intent=response, failure=failure_of(error), is_open=is_open))

    async def _close_request(self, response: on.ResponseGiven) -> None:
        error = await self._answers.close(self._agent.living, response.event_id)
        if error is not None:
            message = f"the agent could not be answered: {error}"
            self._post(on.AgentUnanswerable(on.Failure(message=message, reason=error.reason or "unknown")))

    async def _end_agent(self, effect: do.EndAgent) -> None:
        stop = effect.settles
        await self._agent.end(
            loses_conversation=effect.loses_conversation,
            settles=None if stop is None else self._intents[stop.event_id],
            ended=lambda has_failed: self._post(on.AgentEnded(has_failed=has_failed)),
        )

    async def _report(self, report: do.Report) -> None:
        failure, run = report.failure, self._agent.living
        if report.of == "turn":
            self._last_error = failure.message
            await run.report(TurnCompleted(outcome="failed", error=failure.message, reason=failure.reason))
        else:
            fatal = report.of == "agent"
            await run.report(RuntimeErrorReported(message=failure.message, fatal=fatal, reason=failure.reason))

    # Reports and wake-ups.

    async def _capture_own_turn(self, run: AgentRun, turn_id: TurnId) -> None:
        await self._turns.capture_own_turn(run, turn_id)

    def _post(self, given: on.Input) -> None:
        self._inbox.append(given)
        self._signal()

    def _signal(self) -> None:
        self._wake.set()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._signal()

    def _request_end(self, given: on.Leave) -> None:
        if not self._leaving.is_set():
            self._leaving.set()
            self._post(given)

    def _put_back(self, *intents: EventId) -> None:
        self._intents.put_back(*intents)
        self._is_published = True

    async def _context(self) -> ThreadContext | None:
        projectors = self._parts.projectors
        await projectors.wait_until(projectors.head, CONTEXT_PROJECTORS)
        return await self._parts.readers.run(lambda database: read_thread_context(database, self.thread_id))
