"""One life of an agent process: its connection, the turn it runs, and the task that reads what it reports.

- What the agent reports is coalesced, ingested and sent in its order, each command answered before the next event is
  read: a slow store makes the agent wait. A command that the store refuses for long stays first in line.
- The session that owns the life hands turns over and ends it; both sides send through `_sending`, so commands keep
  their numbers' order.
- A turn that the agent begins by itself, while none runs, is opened here, under an id that is minted here.
- Whatever ends it (the agent, the adapter, the store), a life that was bound is over only when its end is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import anyio
import attrs
from anyio.abc import TaskStatus

from ...contracts.errors import OrchestrionError, ProviderError, ProviderProtocolError, SessionLost
from ...contracts.events import EventMetadata, PersistedEvent
from ...contracts.ids import ApprovalRequestId, CommandId, EventId, TurnId
from ...contracts.mint import Mint
from ...contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    ProviderRuntimeEvent,
    SessionExited,
    TurnCompleted,
    TurnStarted,
)
from ...contracts.values import UNSET, TurnOrigin
from ...domain.event_bounds import bounded_event
from ...domain.session_commands import (
    IngestState,
    ask_again,
    asked_id,
    numbered,
    session_set,
    times_asked_again,
)
from ..log.command_sender import SessionVoice
from ..providers.adapter import AgentConnection, Provider, SessionRequest
from .agent_reports import AgentReports

_logger = logging.getLogger(__name__)

MAX_ASKED_AGAIN: Final = 3
"""How often the user is asked again for one request: a client that always gives the same answer must not go on."""

TurnBegun: TypeAlias = "Callable[[AgentLife, TurnId], Awaitable[None]]"


class AgentLife:
    """A living agent process. `changed` is called whenever its owner may have something to do.

    `turn_begun` is awaited for each turn that the agent begins by itself, before more of the agent is read; it is
    cancelled when the life is ended.
    """

    def __init__(
        self,
        state: IngestState,
        voice: SessionVoice,
        mint: Mint,
        *,
        correlation_id: CommandId | None,
        changed: Callable[[], None],
        turn_begun: TurnBegun | None = None,
    ) -> None:
        self._reports = AgentReports(state, voice, mint, correlation_id=correlation_id)
        self._voice = voice
        self._mint = mint
        self._changed = changed
        self._turn_begun = turn_begun
        self._beginning = anyio.CancelScope()
        self._is_ending = False
        self._turn_is_taken_up = False
        self._turns_of_others = 0
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

    @property
    def connection(self) -> AgentConnection:
        assert self._connection is not None, "a life is used after its connection stands"
        return self._connection

    @property
    def is_over(self) -> bool:
        """Whether the agent is gone, be its end reported or not."""
        return self._reports.exited or self.ended.is_set()

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
        """Whether the agent's silence is not its own: an approval or a tool is open, or nobody listens to it now."""
        return bool(self._reports.calls) or not self._is_listening

    def ids(self) -> dict[str, object]:
        """What a log record about this life carries."""
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

    def is_open(self, own: ApprovalRequestId) -> bool:
        """Whether the agent's request is open."""
        return self._reports.calls.request(own) is not None

    def answered(self, own: ApprovalRequestId) -> None:
        """The answer to a request was delivered: from now on the agent's silence is its own."""
        self._reports.calls.answered(own)
        self.heard_at = anyio.current_time()

    async def ask_again(self, own: ApprovalRequestId) -> bool:
        """Ask for a decision again, under a fresh id; False where that was done `MAX_ASKED_AGAIN` times."""
        async with self._sending:
            request = self._reports.calls.request(own)
            if request is not None:
                if times_asked_again(self._reports.state, own) >= MAX_ASKED_AGAIN:
                    return False
                self._reports.state = ask_again(self._reports.state, own)
                await self._take(request)
        return True

    async def close_unanswered(self, own: ApprovalRequestId) -> None:
        """Count a request as closed that its agent does not let be answered, so that its silence has an end."""
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
        """Start the agent, then read it until it is gone. Started once it is ready for a turn.

        Raises, before it is started, what `Provider.connect` raises. Afterwards a failure ends the life, and is what
        `end` reports.
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
            self._changed()

    async def claim(self, turn_id: TurnId, intent: PersistedEvent) -> bool:
        """Claim the intent: the commit that opens the turn, the last one before the turn is handed over.

        False where the claim is void, and where the agent has begun a turn by itself (`running_turn_id`).

        Raises:
            SessionLost: the agent is gone, so nothing was claimed.
        """
        async with self._sending:
            await self._reports.outbox.deliver()
            if self.is_over:
                raise SessionLost(self._reports.state.fatal_error or "the agent process ended before its turn")
            if self._reports.state.turn_id is not None:
                return False
            is_open = await self._open_turn(
                turn_id, "user", caused_by=intent.event_id, correlation_id=intent.correlation_id
            )
            self._turn_is_taken_up = False
            return is_open

    async def report(self, event: ProviderRuntimeEvent) -> None:
        """Ingest an event that the runtime itself has to report of this session."""
        async with self._sending:
            await self._take(event)
        self._changed()

    async def end(self, *, because: Exception | None = None) -> None:
        """End the agent and wait until its end is reported, by its reader or, where that failed, from here.

        Raises:
            StoreError: the store does not take the report. Call again: nothing of it is lost.
            MailboxClosed: the runtime is stopping.
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
                await self._take(SessionExited(asked=True))
            await self._reports.outbox.deliver()

    def expect_end(self, intent: PersistedEvent) -> None:
        """The next end of a turn, or of the session, is this intent's outcome."""
        self._reports.outbox.expect_end(intent)

    def expect_answer(self, asked: ApprovalRequestId, intent: PersistedEvent) -> None:
        """The resolution of this request is the intent's outcome."""
        self._reports.outbox.expect_answer(asked, intent)

    def forget_answer(self, asked: ApprovalRequestId) -> None:
        self._reports.outbox.forget_answer(asked)

    async def _read(self, connection: AgentConnection) -> None:
        while True:
            self._is_listening = True
            event = await self._next_event(connection)
            self._is_listening = False
            begun: TurnId | None = None
            async with self._sending:
                if event is None:
                    await self._reports.send_what_is_due()
                    continue
                self.heard_at = anyio.current_time()
                if isinstance(event, TurnStarted):
                    begun = await self._take_up(event)
                if isinstance(event, TurnCompleted) and self._turns_of_others:
                    self._turns_of_others -= 1
                    await self._reports.finish_messages()
                else:
                    await self._take(event)
            for lost in self._reports.calls.take_lost():
                with suppress(ProviderError):
                    await connection.respond(lost, "decline")
            if begun is not None:
                await self._report_begun(begun)
            self.heard_at = anyio.current_time()  # while an event was taken in, the agent could not be heard
            if isinstance(event, TurnStarted | TurnCompleted | ApprovalRequested | ApprovalResolved | SessionExited):
                self._changed()
            if isinstance(event, SessionExited):
                return

    async def _open_turn(
        self, turn_id: TurnId, origin: TurnOrigin, *, caused_by: EventId | None, correlation_id: CommandId | None
    ) -> bool:
        """Open a turn by one commit; what was said before it is completed first. False where the commit is void."""
        await self._reports.finish_messages()
        opened = attrs.evolve(self._reports.state, turn_id=turn_id, provider_turn_id=None)
        command = session_set(opened, "running", self._mint.now(), turn_origin=UNSET if origin == "user" else origin)
        self._reports.state = numbered(self._reports.state, command)
        result = await self._voice.send(command, caused_by=caused_by, correlation_id=correlation_id)
        if result is None:
            return False
        self._reports.state = attrs.evolve(opened, count=self._reports.state.count)
        self._reports.outbox.correlation_id = correlation_id
        self.heard_at = anyio.current_time()
        return True

    async def _take_up(self, started: TurnStarted) -> TurnId | None:
        """The turn that the agent has begun by itself, opened; None where it took up the turn it was given.

        A turn of its own that it began before the one it was given reached it runs inside that one, which goes on
        after the first of the two ends.
        """
        if started.origin == "user":
            self._turn_is_taken_up = True
            return None
        if self._reports.state.turn_id is not None:
            self._turns_of_others += 0 if self._turn_is_taken_up else 1
            return None
        if self._is_ending:
            return None
        turn_id = TurnId(self._mint.new_id())
        self._turn_is_taken_up = True
        is_open = await self._open_turn(turn_id, "agent", caused_by=None, correlation_id=None)
        return turn_id if is_open else None

    async def _report_begun(self, turn_id: TurnId) -> None:
        if self._turn_begun is not None and not self._is_ending:
            with anyio.CancelScope() as self._beginning:
                await self._turn_begun(self, turn_id)

    async def _next_event(self, connection: AgentConnection) -> ProviderRuntimeEvent | None:
        """The agent's next event; None when something that is held is due before it comes."""
        due = self._reports.due_at
        if due is None:
            return await self._received(connection)
        with anyio.move_on_after(max(0.0, due - anyio.current_time())):
            return await self._received(connection)
        return None

    @staticmethod
    async def _received(connection: AgentConnection) -> ProviderRuntimeEvent:
        try:
            return bounded_event(await connection.events.receive())
        except anyio.EndOfStream:
            return SessionExited(asked=False)

    async def _take(self, event: ProviderRuntimeEvent) -> None:
        try:
            await self._reports.take(event)
        finally:
            if self._reports.state.turn_id is None:
                self._turns_of_others = 0
