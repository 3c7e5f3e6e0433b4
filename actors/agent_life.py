"""One life of an agent process: its connection, the turn it runs, and the task that reads what it reports.

- What the agent reports is coalesced, ingested and sent in its order, each command answered before the next event is
  read: a slow store makes the agent wait. A command that the store refuses for long stays first in line.
- The session that owns the life hands turns over and ends it; both sides send through `_sending`, so commands keep
  their numbers' order.
- Whatever ends it (the agent, the adapter, the store), a life that was bound is over only when its end is reported.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import attrs
from anyio.abc import TaskStatus

from ..runtime.contracts.commands import ThreadActivityAppend, ThreadSessionSet
from ..runtime.contracts.errors import OrchestrionError, ProviderProtocolError, SessionLost, StoreError
from ..runtime.contracts.events import EventMetadata, PersistedEvent
from ..runtime.contracts.ids import ApprovalRequestId, CommandId, EventId, ProviderItemId, TurnId
from ..runtime.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    ProviderRuntimeEvent,
    RuntimeErrorReported,
    SessionExited,
    SessionStarted,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)
from ..runtime.domain.approvals import RESOLVED
from ..runtime.domain.coalesce import HeldText, hold, release
from ..runtime.domain.ingest import ingest
from ..runtime.domain.session_commands import IngestedCommand, IngestState, numbered, request_id, session_set
from .failure_reasons import reason_of
from .minting import Mint
from .providers.adapter import AgentConnection, Provider, SessionRequest
from .session_voice import SessionVoice

_NO_TEXT: Final = HeldText()

_logger = logging.getLogger(__name__)


@attrs.frozen
class _Outgoing:
    """A command that was not answered yet, with the intent that it settles and the client command at its root."""

    ingested: IngestedCommand
    caused_by: EventId | None
    correlation_id: CommandId | None


class AgentLife:
    """A living agent process. `changed` is called whenever its owner may have something to do."""

    def __init__(
        self,
        state: IngestState,
        voice: SessionVoice,
        mint: Mint,
        *,
        correlation_id: CommandId | None,
        changed: Callable[[], None],
    ) -> None:
        self._state = state
        self._voice = voice
        self._mint = mint
        self._changed = changed
        self._sending = anyio.Lock()
        self._unsent: deque[_Outgoing] = deque()
        self._connection: AgentConnection | None = None
        self._workspace: Path | None = None
        self._held = _NO_TEXT
        self._open_tools: set[ProviderItemId] = set()
        self._open_approvals: set[ApprovalRequestId] = set()
        self._answers: dict[str, PersistedEvent] = {}
        self._ending: PersistedEvent | None = None
        self._correlation_id = correlation_id
        self._failure: Exception | None = None
        self._exited = False
        self.ended = anyio.Event()
        self.heard_at = anyio.current_time()
        self.idle_since = anyio.current_time()

    @property
    def state(self) -> IngestState:
        return self._state

    @property
    def connection(self) -> AgentConnection:
        assert self._connection is not None, "a life is used after its connection stands"
        return self._connection

    @property
    def is_over(self) -> bool:
        """Whether the agent is gone, be its end reported or not."""
        return self._exited or self.ended.is_set()

    @property
    def workspace(self) -> Path | None:
        """Where the agent was started."""
        return self._workspace

    @property
    def running_turn_id(self) -> TurnId | None:
        return self._state.turn_id

    @property
    def waits_for_others(self) -> bool:
        """Whether the agent's silence is not its own: an approval or a tool is open."""
        return bool(self._open_tools or self._open_approvals)

    def ids(self) -> dict[str, object]:
        """What a log record about this life carries."""
        return {
            "thread_id": self._state.thread_id,
            "turn_id": self._state.turn_id,
            "provider_session_id": self._state.provider_session_id,
        }

    @property
    def open_approvals(self) -> int:
        return len(self._open_approvals)

    def open_approval(self, asked: ApprovalRequestId) -> ApprovalRequestId | None:
        """The agent's own id of a request that it waits on; None where it waits on no such request."""
        session = self._state.provider_session_id
        return next((own for own in self._open_approvals if request_id(session, own) == asked), None)

    async def bind(self) -> None:
        """Make this the thread's current session. Its metadata names no session: it replaces the one before."""
        async with self._sending:
            starting = session_set(self._state, "starting", self._mint.now())
            self._state = numbered(self._state, starting)
            replacing = EventMetadata(adapter_key=self._state.adapter_key)
            self._put_in_line(attrs.evolve(starting, metadata=replacing))
            await self._deliver()

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
            _logger.exception("session %s ends", self._state.provider_session_id, extra=self.ids())
            self._failure = error
        finally:
            self.ended.set()
            self._changed()

    async def claim(self, turn_id: TurnId, intent: PersistedEvent) -> bool:
        """Claim the intent: the commit that opens the turn, the last one before the turn is handed over.

        Raises:
            SessionLost: the agent is gone, so nothing was claimed.
        """
        async with self._sending:
            await self._deliver()
            if self.is_over:
                raise SessionLost(self._state.fatal_error or "the agent process ended before its turn")
            claimed = attrs.evolve(self._state, turn_id=turn_id, provider_turn_id=None)
            command = session_set(claimed, "running", self._mint.now())
            self._state = numbered(self._state, command)
            result = await self._voice.send(command, caused_by=intent.event_id, correlation_id=intent.correlation_id)
            if result is None:
                return False
            self._state = attrs.evolve(claimed, count=self._state.count)
            self._correlation_id = intent.correlation_id
            self.heard_at = anyio.current_time()
            return True

    async def report(self, event: ProviderRuntimeEvent) -> None:
        """Ingest an event that the runtime itself has to report of this session."""
        async with self._sending:
            await self._flush()
            await self._ingest(event)
        self._changed()

    async def end(self, *, because: Exception | None = None) -> None:
        """End the agent and wait until its end is reported, by its reader or, where that failed, from here.

        Raises:
            StoreError: the store does not take the report. Call again: nothing of it is lost.
            MailboxClosed: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        if self._connection is not None:
            await self._connection.close()
            await self.ended.wait()
        async with self._sending:
            await self._flush()
            if not self._exited:
                failure = because or self._failure
                if failure is not None and self._state.fatal_error is None:
                    why = reason_of(failure)
                    self._state = attrs.evolve(self._state, fatal_error=str(failure), fatal_reason=why)
                await self._ingest(SessionExited(asked=True))
            await self._deliver()

    def expect_end(self, intent: PersistedEvent) -> None:
        """The next end of a turn, or of the session, is this intent's outcome."""
        self._ending = intent

    def expect_answer(self, asked: ApprovalRequestId, intent: PersistedEvent) -> None:
        """The resolution of this request is the intent's outcome."""
        self._answers[asked] = intent

    def forget_answer(self, asked: ApprovalRequestId) -> None:
        self._answers.pop(asked, None)

    async def _read(self, connection: AgentConnection) -> None:
        while True:
            event = await self._next_event(connection)
            async with self._sending:
                if event is None:
                    await self._flush()
                    continue
                self.heard_at = anyio.current_time()
                await self._take(event)
            if isinstance(event, TurnCompleted | ApprovalRequested | ApprovalResolved | SessionExited):
                self._changed()
            if isinstance(event, SessionExited):
                return

    async def _next_event(self, connection: AgentConnection) -> ProviderRuntimeEvent | None:
        """The agent's next event; None when held text is due before it comes."""
        due = self._held.due_at
        if due is None:
            return await self._received(connection)
        with anyio.move_on_after(max(0.0, due - anyio.current_time())):
            return await self._received(connection)
        return None

    @staticmethod
    async def _received(connection: AgentConnection) -> ProviderRuntimeEvent:
        try:
            return await connection.events.receive()
        except anyio.EndOfStream:
            return SessionExited(asked=False)

    async def _take(self, event: ProviderRuntimeEvent) -> None:
        self._held, passed_on = hold(self._held, event, anyio.current_time())
        for passed in passed_on:
            await self._ingest(passed)

    async def _flush(self) -> None:
        self._held, passed_on = release(self._held)
        for passed in passed_on:
            await self._ingest(passed)

    async def _ingest(self, event: ProviderRuntimeEvent) -> None:
        self._note(event)
        self._state, commands = ingest(self._state, event, self._mint.now())
        self._put_in_line(*commands)
        if self._state.turn_id is None:
            self._correlation_id = None
        await self._deliver()

    def _note(self, event: ProviderRuntimeEvent) -> None:
        match event:
            case ToolStarted():
                self._open_tools.add(event.item)
            case ToolCompleted():
                self._open_tools.discard(event.item)
            case ApprovalRequested():
                self._open_approvals.add(event.request)
            case ApprovalResolved():
                self._open_approvals.discard(event.request)
            case TurnCompleted() | SessionExited():
                self._open_tools.clear()
                self._open_approvals.clear()
            case _:
                pass
        self._exited = self._exited or isinstance(event, SessionExited)
        if isinstance(event, TurnCompleted | SessionStarted | RuntimeErrorReported):
            self.idle_since = anyio.current_time()

    def _put_in_line(self, *commands: IngestedCommand) -> None:
        for command in commands:
            intent = self._intent_settled_by(command)
            caused_by = None if intent is None else intent.event_id
            correlation_id = self._correlation_id if intent is None else intent.correlation_id
            self._unsent.append(_Outgoing(command, caused_by, correlation_id))

    async def _deliver(self) -> None:
        """Send what is in line. What the store refuses stays there; what fails otherwise would fail again."""
        while self._unsent:
            first = self._unsent[0]
            try:
                await self._voice.send(first.ingested, caused_by=first.caused_by, correlation_id=first.correlation_id)
            except StoreError:
                raise
            except Exception:
                self._unsent.popleft()
                raise
            self._unsent.popleft()

    def _intent_settled_by(self, ingested: IngestedCommand) -> PersistedEvent | None:
        """The interrupt, stop or approval response whose outcome this command reports."""
        match ingested.command:
            case ThreadSessionSet(session=session) if session.active_turn_id is None:
                ending, self._ending = self._ending, None
                return ending
            case ThreadActivityAppend(activity=activity) if activity.kind == RESOLVED:
                return self._answers.pop(activity.payload["requestId"], None)
            case _:
                return None
