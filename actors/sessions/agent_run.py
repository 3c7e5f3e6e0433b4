"""One run of an agent process: its connection, its running turn, and the task that reads its events.

- Events are coalesced, ingested and sent in order. Each command is answered before the next event is read, so a slow
  store makes the agent wait. A command that the store keeps refusing stays first in line.
- The worker that owns the run hands turns over and ends it; both sides send through `_sending`, so commands keep
  their numbers' order.
- A turn that the agent begins by itself, while none runs, is opened here, under an id that is minted here.
- Turns and the agent's end are reported to the worker in order, each after it was recorded.
- A run that was bound ends only when its end is reported, whether the agent, the adapter or the store caused it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

import anyio
import attrs
from anyio.abc import TaskStatus

from ...contracts.errors import OrchestrionError, ProviderError, ProviderProtocolError, SessionLost
from ...contracts.events import EventMetadata, PersistedEvent
from ...contracts.ids import ApprovalRequestId, CommandId, TurnId
from ...contracts.mint import Mint
from ...contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    ProviderRuntimeEvent,
    QuestionRequested,
    SessionExited,
    TurnCompleted,
    TurnStarted,
)
from ...domain.session.inputs import AgentReport
from ...domain.session_commands import (
    IngestState,
    ask_again,
    asked_id,
    count_repeated_asks,
    numbered,
    session_set,
)
from ..log.command_sender import CommandSender
from ..providers.adapter import AgentConnection, Provider, SessionRequest, SignsOfLife, SteerRequest
from .agent_events import ends_turn, next_event
from .agent_reports import AgentReports
from .agent_turns import AgentTurns
from .open_calls import AgentRequest
from .turn_steering import TurnSteering

_logger = logging.getLogger(__name__)

MAX_ASKED_AGAIN: Final = 3
"""How often the user is asked again for one request: a client that always gives the same answer must not go on."""

_CHANGES_CLOCKS: Final = (
    TurnStarted,
    TurnCompleted,
    ApprovalRequested,
    QuestionRequested,
    ApprovalResolved,
    SessionExited,
)

ClaimResult: TypeAlias = Literal["claimed", "void", "busy"]
"""`void`: the commit was refused. `busy`: the agent has begun a turn by itself since the workspace was captured."""

TurnBegun: TypeAlias = "Callable[[AgentRun, TurnId], Awaitable[None]]"


class AgentRun:
    """A running agent process. `changed` is called when its worker's clocks may have changed.

    `turn_begun` is awaited for each turn that the agent begins by itself, before more of the agent is read; it is
    cancelled when the run is ended.
    """

    def __init__(
        self,
        state: IngestState,
        sender: CommandSender,
        mint: Mint,
        *,
        correlation_id: CommandId | None,
        changed: Callable[[], None],
        turn_begun: TurnBegun | None = None,
    ) -> None:
        self._reports = AgentReports(state, sender, mint, correlation_id=correlation_id)
        self._turns = AgentTurns(self._reports, sender, mint)
        self._steering = TurnSteering(self._reports, mint)
        self._mint = mint
        self._changed = changed
        self._turn_begun = turn_begun
        self._beginning = anyio.CancelScope()
        self._is_ending = False
        self._sending = anyio.Lock()
        self._connection: AgentConnection | None = None
        self._workspace: Path | None = None
        self._failure: Exception | None = None
        self._is_listening = True
        self.ended = anyio.Event()
        self.heard_at = anyio.current_time()

    @property
    def state(self) -> IngestState:
        return self._reports.state

    def listen(self, listener: Callable[[AgentReport], None]) -> None:
        """Send reports to this listener from now on, first those that were made before there was one."""
        self._turns.listen(listener)

    @property
    def connection(self) -> AgentConnection:
        assert self._connection is not None, "a run is used after it is connected"
        return self._connection

    @property
    def is_over(self) -> bool:
        """Whether the agent has ended, reported or not."""
        return self._reports.exited or self.ended.is_set()

    @property
    def last_heard_at(self) -> float:
        """When the agent was last heard: messages count that lead to no event, where its adapter knows of them."""
        connection = self._connection
        return max(self.heard_at, connection.heard_at) if isinstance(connection, SignsOfLife) else self.heard_at

    @property
    def own_turns(self) -> int:
        """How many turns the agent began by itself."""
        return self._turns.own_turns

    @property
    def worth_saving(self) -> tuple[object, object]:
        """What of the run is lost unless it is recorded durably."""
        return self.connection.resume_cursor, self.connection.provider_thread_id

    @property
    def idle_since(self) -> float:
        """Since when the agent has had no turn, or was last put off."""
        return self._reports.idle_since

    def put_off_retirement(self) -> None:
        """Count the agent as busy until now."""
        self._reports.idle_since = anyio.current_time()

    @property
    def workspace(self) -> Path | None:
        """Where the agent was started."""
        return self._workspace

    @property
    def running_turn_id(self) -> TurnId | None:
        return self._reports.state.turn_id

    @property
    def waits_for_others(self) -> bool:
        """Whether the agent may be silent: an approval or a tool call is open, or its events are not being read now."""
        return bool(self._reports.calls) or not self._is_listening

    def ids(self) -> dict[str, object]:
        """What a log record about this run carries."""
        return {
            "thread_id": self._reports.state.thread_id,
            "turn_id": self._reports.state.turn_id,
            "provider_session_id": self._reports.state.provider_session_id,
        }

    @property
    def open_approvals(self) -> int:
        return len(self._reports.calls.approvals)

    def open_approval(self, asked: ApprovalRequestId) -> ApprovalRequestId | None:
        """The agent's own id of a request that it waits on; None where it waits on no such request."""
        return next((own for own in self._reports.calls.approvals if asked_id(self._reports.state, own) == asked), None)

    def request(self, own: ApprovalRequestId) -> AgentRequest | None:
        """An open request of the agent, but for a long detail."""
        return self._reports.calls.request(own)

    def is_open(self, own: ApprovalRequestId) -> bool:
        """Whether the agent's request is open."""
        return self.request(own) is not None

    def answered(self, own: ApprovalRequestId) -> None:
        """The answer to a request was delivered: the agent's silence counts from now on."""
        self._reports.calls.answered(own)
        self.heard_at = anyio.current_time()

    async def ask_again(self, own: ApprovalRequestId) -> bool:
        """Ask for a decision again, under a fresh id; False where that was done `MAX_ASKED_AGAIN` times."""
        async with self._sending:
            request = self._reports.calls.request(own)
            if request is not None:
                if count_repeated_asks(self._reports.state, own) >= MAX_ASKED_AGAIN:
                    return False
                self._reports.state = ask_again(self._reports.state, own)
                await self._turns.take(request)
        return True

    async def close_unanswered(self, own: ApprovalRequestId) -> None:
        """Close a request that the agent refuses answers for, so that the agent's silence counts again."""
        self.heard_at = anyio.current_time()
        await self.report(ApprovalResolved(request=own, decision="cancel", lost=True))

    async def bind(self) -> None:
        """Make this the thread's current session. Its metadata names no session: it replaces the one before."""
        async with self._sending:
            starting = session_set(self._reports.state, "starting", self._mint.now())
            self._reports.state = numbered(self._reports.state, starting)
            replacing = EventMetadata(adapter_key=self._reports.state.adapter_key)
            self._reports.outbox.put(attrs.evolve(starting, metadata=replacing))
            await self._reports.outbox.deliver()

    async def run(self, provider: Provider, request: SessionRequest, *, task_status: TaskStatus[None]) -> None:
        """Start the agent, then read its events until it ends. Started once it is ready for a turn.

        Before it is started, raises what `Provider.connect` raises. Later a failure ends the run, and `end` reports it.
        """
        self._workspace = request.workspace
        try:
            async with provider.connect(request) as connection:
                self._connection = connection
                task_status.started()
                await self._read(connection)
        except Exception as error:
            if self._connection is None:
                if isinstance(error, OrchestrionError):
                    raise
                raise ProviderProtocolError(f"the agent of {provider.name} could not be started: {error}") from error
            _logger.exception("session %s ends", self._reports.state.provider_session_id, extra=self.ids())
            self._failure = error
        finally:
            self.ended.set()
            self._turns.report_over()

    async def claim(self, turn_id: TurnId, intent: PersistedEvent, *, own_turns: int) -> ClaimResult:
        """Claim the intent: the commit that opens the turn, the last one before the turn is handed over.

        `own_turns` is how many turns the agent had begun by itself when the workspace was captured.

        Raises:
            SessionLost: the agent has ended, so nothing was claimed.
        """
        async with self._sending:
            await self._reports.outbox.deliver()
            if self.is_over:
                raise SessionLost(self._reports.state.fatal_error or "the agent process ended before its turn")
            if self._reports.state.turn_id is not None or self._turns.own_turns != own_turns:
                return "busy"
            cause, root = intent.event_id, intent.correlation_id
            is_open = await self._turns.open_requested(turn_id, caused_by=cause, correlation_id=root)
            self.heard_at = anyio.current_time()
            return "claimed" if is_open else "void"

    async def steer(self, intent: PersistedEvent, turn_id: TurnId, request: SteerRequest) -> bool:
        """Send a message into this turn, and record that. False if it runs no more, or the agent refused the message.

        Raises:
            StoreError: the store does not take the record, which stays first in line.
        """
        is_taken = await self._steering.deliver(self.connection, intent, turn_id, request)
        async with self._sending:
            await self._reports.outbox.deliver()
        return is_taken

    async def interrupt(self, intent: PersistedEvent, turn_id: TurnId, *, ends_turn: bool) -> None:
        """Ask the agent to end this turn, if it runs. If the intent `ends_turn`, the turn's end is its outcome.

        Raises:
            ProviderError: the agent was not asked, and the intent has no outcome yet.
        """
        if self.running_turn_id != turn_id:
            return
        if ends_turn:
            self.expect_end(intent)
        try:
            await self.connection.interrupt()
        except ProviderError:
            if not ends_turn or self._reports.outbox.forget_end(intent):
                raise

    async def report(self, event: ProviderRuntimeEvent) -> None:
        """Ingest an event that the runtime itself reports about this session."""
        async with self._sending:
            await self._turns.take(event)
        self._changed()

    async def end(self, *, because: Exception | None = None) -> None:
        """End the agent and wait until its end is reported, by its reader or, where that failed, from here.

        Raises:
            StoreError: the store refuses the report. Call again: nothing is lost.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        self._is_ending = True
        self._beginning.cancel()
        if self._connection is not None:
            await self._connection.close()
            await self.ended.wait()
        async with self._sending:
            await self._reports.flush()
            if not self._reports.exited:
                self._reports.note_failure(because or self._failure)
                await self._turns.take(SessionExited(asked=True))
            await self._reports.outbox.deliver()

    def expect_end(self, intent: PersistedEvent) -> None:
        """The next end of a turn, or of the session, is this intent's outcome."""
        self._reports.outbox.expect_end(intent)

    def expect_answer(self, asked: ApprovalRequestId, intent: PersistedEvent) -> bool:
        """Make the resolution of this request the intent's outcome; False if it already was."""
        return self._reports.outbox.expect_answer(asked, intent)

    def has_settled(self, intent: PersistedEvent) -> bool:
        """Whether a recent report of the agent is the intent's outcome."""
        return self._reports.outbox.has_settled(intent)

    def forget_answer(self, asked: ApprovalRequestId) -> bool:
        """The answer was not delivered; False if its request was resolved meanwhile."""
        return self._reports.outbox.forget_answer(asked)

    async def _read(self, connection: AgentConnection) -> None:
        while True:
            self._is_listening = True
            event = await next_event(connection, due_at=self._reports.due_at)
            self._is_listening = False
            begun: TurnId | None = None
            if event is not None and ends_turn(event):
                await self._steering.settled()
            async with self._sending:
                if event is None:
                    await self._reports.send_what_is_due()
                    continue
                self.heard_at = anyio.current_time()
                if isinstance(event, TurnStarted):
                    begun = await self._turns.open_own_turn(event, is_ending=self._is_ending)
                await self._turns.ingest(event)
            for lost in self._reports.calls.take_lost():
                with suppress(ProviderError):
                    await connection.respond(lost, "decline")
            if begun is not None:
                await self._report_begun(begun)
            self.heard_at = anyio.current_time()  # while an event was taken in, the agent could not be heard
            if isinstance(event, _CHANGES_CLOCKS):
                self._changed()
            if isinstance(event, SessionExited):
                self._turns.report_over()
                return

    async def _report_begun(self, turn_id: TurnId) -> None:
        if self._turn_begun is not None and not self._is_ending:
            with anyio.CancelScope() as self._beginning:
                await self._turn_begun(self, turn_id)
