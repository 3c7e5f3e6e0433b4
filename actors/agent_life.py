"""One life of an agent process: its connection, the turn it runs, and the task that reads what it reports.

What the agent reports is coalesced, ingested and sent in its order, each command answered before the next event is
read: a slow store makes the agent wait. The session that owns the life hands turns over and ends it; both sides send
through `_sending`, so commands keep their numbers' order.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import anyio
import attrs
from anyio.abc import TaskStatus

from ..runtime.contracts.commands import ThreadActivityAppend, ThreadSessionSet
from ..runtime.contracts.errors import OrchestrionError, StoreError
from ..runtime.contracts.events import PersistedEvent
from ..runtime.contracts.ids import ApprovalRequestId, CommandId, ProviderItemId, TurnId
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
from ..runtime.contracts.values import SessionStatus
from ..runtime.domain.approvals import RESOLVED
from ..runtime.domain.coalesce import HeldText, hold, release
from ..runtime.domain.ingest import IngestedCommand, IngestState, ingest, numbered, own_request_id, session_set
from .minting import Mint
from .providers.adapter import AgentConnection, Provider, SessionRequest
from .session_voice import SessionVoice

_NO_TEXT: Final = HeldText()

_logger = logging.getLogger(__name__)


class AgentLife:
    """A living agent process. `changed` is called whenever its owner may have something to do."""

    def __init__(self, state: IngestState, voice: SessionVoice, mint: Mint, *, changed: Callable[[], None]) -> None:
        self._state = state
        self._voice = voice
        self._mint = mint
        self._changed = changed
        self._sending = anyio.Lock()
        self._connection: AgentConnection | None = None
        self._held = _NO_TEXT
        self._open_tools: set[ProviderItemId] = set()
        self._open_approvals: set[ApprovalRequestId] = set()
        self._answers: dict[ApprovalRequestId, PersistedEvent] = {}
        self._ending: PersistedEvent | None = None
        self._correlation_id: CommandId | None = None
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
    def running_turn_id(self) -> TurnId | None:
        return self._state.turn_id

    @property
    def waits_for_others(self) -> bool:
        """Whether the agent's silence is not its own: an approval or a tool is open."""
        return bool(self._open_tools or self._open_approvals)

    @property
    def open_approvals(self) -> int:
        return len(self._open_approvals)

    def has_open_approval(self, request: ApprovalRequestId) -> bool:
        return request in self._open_approvals

    async def run(self, provider: Provider, request: SessionRequest, *, task_status: TaskStatus[None]) -> None:
        """Start the agent, then read it until it is gone. Started once it is ready for a turn.

        Raises, before it is started, what `Provider.connect` raises.
        """
        try:
            async with provider.connect(request) as connection:
                self._connection = connection
                task_status.started()
                await self._read(connection)
        except (OrchestrionError, OSError) as error:
            if self._connection is None:
                raise
            _logger.error("session %s ends: %s", self._state.provider_session_id, error)
        finally:
            self.ended.set()
            self._changed()

    async def opened(self, turn_id: TurnId, intent: PersistedEvent) -> bool:
        """Claim the intent: the commit that opens the turn, the last one before the turn is handed over."""
        claimed = attrs.evolve(self._state, turn_id=turn_id, provider_turn_id=None)
        async with self._sending:
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

    async def report_status(self, status: SessionStatus) -> None:
        """Set the session's status outside of any turn."""
        async with self._sending:
            await self._send((session_set(self._state, status, self._mint.now()),))

    def expect_end(self, intent: PersistedEvent) -> None:
        """The next end of a turn, or of the session, is this intent's outcome."""
        self._ending = intent

    def expect_answer(self, request: ApprovalRequestId, intent: PersistedEvent) -> None:
        """The resolution of this request is the intent's outcome."""
        self._answers[request] = intent

    def forget_answer(self, request: ApprovalRequestId) -> None:
        self._answers.pop(request, None)

    async def _read(self, connection: AgentConnection) -> None:
        while True:
            event = await self._next_event(connection)
            try:
                async with self._sending:
                    if event is None:
                        await self._flush()
                        continue
                    self.heard_at = anyio.current_time()
                    await self._take(event)
            except StoreError:
                await connection.close()
                raise
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
        if isinstance(event, TurnCompleted) and self._state.turn_id is None:
            return
        self._state, commands = ingest(self._state, event, self._mint.now())
        await self._send(commands, already_numbered=True)
        if self._state.turn_id is None:
            self._correlation_id = None
        if isinstance(event, TurnCompleted | SessionStarted | RuntimeErrorReported):
            self.idle_since = anyio.current_time()

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

    async def _send(self, commands: tuple[IngestedCommand, ...], *, already_numbered: bool = False) -> None:
        if not already_numbered:
            self._state = numbered(self._state, *commands)
        for command in commands:
            intent = self._intent_settled_by(command)
            await self._voice.send(
                command,
                caused_by=None if intent is None else intent.event_id,
                correlation_id=self._correlation_id if intent is None else intent.correlation_id,
            )

    def _intent_settled_by(self, ingested: IngestedCommand) -> PersistedEvent | None:
        """The interrupt, stop or approval response whose outcome this command reports."""
        match ingested.command:
            case ThreadSessionSet(session=session) if session.active_turn_id is None:
                ending, self._ending = self._ending, None
                return ending
            case ThreadActivityAppend(activity=activity) if activity.kind == RESOLVED:
                own = own_request_id(self._state.provider_session_id, activity.payload["requestId"])
                return None if own is None else self._answers.pop(own, None)
            case _:
                return None
