"""Starting an agent for a thread: the provider's choice, the runtime row, the binding, the connection.

Starting claims nothing: a crash anywhere in here leaves the turn's intent open, and it runs again. The runtime row is
written before the session names it, with the cursor it resumes from, so that no crash loses the cursor. A start that
fails or is cancelled leaves no agent behind, and records that in the session.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import attrs
import orjson
import peewee
from anyio.abc import TaskGroup

from ...contracts.errors import OrchestrionError, ResumeRefused
from ...contracts.ids import CommandId, ProviderSessionId, ThreadId
from ...contracts.mint import Mint
from ...contracts.values import JsonObject, Label, SessionRuntimeStatus
from ...domain.session_commands import IngestState, identifier_or_none
from ...persistence.crash_points import crash_point
from ...persistence.host_process import HostProcess
from ...persistence.lane import WriteLane
from ...persistence.provider_runtime import (
    ProviderRuntimeRow,
    drop_cursors,
    forget_conversation,
    put_provider_runtime,
    set_cursor,
    set_last_seen,
)
from ...persistence.single_write import write_alone
from ..log.command_sender import CommandSender
from ..providers.adapter import Provider, SessionRequest, ThreadHistory, own_process
from ..providers.session_config import SessionConfig
from ..shields import shield
from .agent_run import AgentRun, TurnBegun
from .context import ThreadContext
from .conversation_loss import ResumePolicy, conversation_lost
from .provider_choice import ProviderChoice

MAX_CURSOR_BYTES: Final = 16 * 1024 * 1024

_logger = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class AgentStarter:
    """Starts agents: knows which provider serves a thread, and records each run."""

    choice: ProviderChoice
    lane: WriteLane
    sender: CommandSender
    mint: Mint
    history: Callable[[ThreadId], ThreadHistory]
    python: str | None = None
    resume_policy: ResumePolicy = "refuse"

    async def start(
        self,
        context: ThreadContext,
        tasks: TaskGroup,
        *,
        correlation_id: CommandId | None,
        changed: Callable[[], None],
        turn_begun: TurnBegun,
    ) -> AgentRun:
        """Start an agent for the thread, or resume its conversation, and bind it as the thread's session.

        If the agent does not resume and the policy allows it, it starts afresh, which the history records first.
        If cancelled, ends the agent that was being started.

        Raises:
            ProviderUnavailable: no provider serves the thread, or its agent does not start.
            ResumeRefused: the agent refused to resume the conversation; nothing was started instead.
            ProviderProtocolError: the agent broke its protocol.
            StoreError: the store refused to record it.
        """
        provider = self.choice.provider_of(context)
        config = self.choice.config_of(context, provider)
        cursor = context.resume_cursor
        start = partial(
            self._start,
            provider,
            config,
            context,
            tasks,
            correlation_id=correlation_id,
            changed=changed,
            turn_begun=turn_begun,
        )
        try:
            return await start(cursor)
        except ResumeRefused:
            if cursor is None or self.resume_policy == "refuse":
                raise
        return await start(None)

    async def _start(
        self,
        provider: Provider,
        config: SessionConfig,
        context: ThreadContext,
        tasks: TaskGroup,
        cursor: JsonObject | None,
        *,
        correlation_id: CommandId | None,
        changed: Callable[[], None],
        turn_begun: TurnBegun,
    ) -> AgentRun:
        state = IngestState(
            thread_id=context.thread.id,
            provider_session_id=ProviderSessionId(self.mint.new_id()),
            provider_name=Label(provider.name),
            adapter_key=Label(provider.adapter_key),
            resumed=cursor is not None,
        )
        await self.record(state, "starting", cursor, {})
        crash_point("session.recorded")
        run = AgentRun(
            state,
            self.sender,
            self.mint,
            correlation_id=correlation_id,
            changed=changed,
            turn_begun=turn_begun,
        )
        request = SessionRequest(
            thread_id=context.thread.id,
            provider_session_id=state.provider_session_id,
            workspace=context.workspace,
            resume_cursor=cursor,
            python=self.python,
            history=self.history(context.thread.id),
            config=config,
        )
        try:
            await run.bind()
            crash_point("session.bound")
            await tasks.start(run.run, provider, request)
            crash_point("session.connected")
            await self.record_run(run, "running")
        except BaseException as error:
            with shield():
                await self._give_up(run, cursor, error)
            raise
        return run

    async def record_run(self, run: AgentRun, status: SessionRuntimeStatus) -> None:
        """Write a run's current runtime row durably: a changed cursor, the end.

        Raises:
            StoreError: the store refused it.
        """
        connection = run.connection
        process = own_process(connection)
        identity: JsonObject = {} if process is None else {"pid": process.pid, "startedAt": process.started_at}
        named = connection.provider_thread_id
        provider_thread_id = (None if named is None else identifier_or_none(named)) or run.state.provider_thread_id
        state = attrs.evolve(run.state, provider_thread_id=provider_thread_id)
        await self.record(state, status, connection.resume_cursor, identity)

    async def record_heartbeat(self, run: AgentRun) -> None:
        """Write that a run is alive, and nothing else: a crash may lose it.

        Raises:
            StoreError: the store refused it.
        """
        session, now = run.state.provider_session_id, self.mint.now()
        await self.lane.run(
            lambda database: write_alone(
                database, lambda opened: set_last_seen(opened, session, now), durability="normal"
            )
        )

    async def record(
        self, state: IngestState, status: SessionRuntimeStatus, cursor: JsonObject | None, payload: Mapping[str, Any]
    ) -> None:
        """Write a runtime row, durably: a cursor cannot be replayed.

        Raises:
            StoreError: the store refused it.
        """
        row = ProviderRuntimeRow(
            provider_session_id=state.provider_session_id,
            thread_id=state.thread_id,
            provider_name=state.provider_name,
            adapter_key=state.adapter_key,
            provider_thread_id=state.provider_thread_id,
            status=status,
            last_seen_at=self.mint.now(),
            resume_cursor_json=None if cursor is None else _cursor_text(cursor, state),
            runtime_payload_json=None,
        )

        def write(database: peewee.SqliteDatabase) -> None:
            host = {**HostProcess.current().as_payload(), **payload}
            put_provider_runtime(database, row._replace(runtime_payload_json=orjson.dumps(host).decode()))

        await self._write(write)

    async def move_cursor(self, session: ProviderSessionId, cursor: JsonObject) -> None:
        """Continue the thread's conversation from this cursor instead of the session's own.

        Raises:
            StoreError: the store refused it.
        """
        text = orjson.dumps(cursor).decode()
        await self._write(lambda database: set_cursor(database, session, text))

    async def drop_cursors(self, thread_id: ThreadId) -> None:
        """Forget the thread's conversation: its next session is a fresh one.

        Raises:
            StoreError: the store refused it.
        """
        await self._write(lambda database: drop_cursors(database, thread_id))

    async def forget_conversation(self, thread_id: ThreadId) -> None:
        """Forget the thread's conversation on request: its next session is a fresh one, of any provider.

        Raises:
            StoreError: the store refused it.
        """
        await self._write(lambda database: forget_conversation(database, thread_id))

    async def _give_up(self, run: AgentRun, cursor: JsonObject | None, error: BaseException) -> None:
        """Undo a start: end the agent if it has started meanwhile, and record the end of the session."""
        because = error if isinstance(error, Exception) else None
        refused = {"resumeRefused": True} if isinstance(error, ResumeRefused) else {}
        try:
            if isinstance(error, ResumeRefused) and cursor is not None and self.resume_policy == "start-afresh":
                await run.report(conversation_lost(f"the agent starts afresh: {error}"))
            await run.end(because=because)
            await self.record(run.state, "stopped" if because is None else "error", cursor, refused)
        except OrchestrionError as failure:
            session = run.state.provider_session_id
            _logger.warning(
                "the start of session %s was given up, which was not recorded: %s", session, failure, extra=run.ids()
            )

    async def _write(self, statement: Callable[[peewee.SqliteDatabase], None]) -> None:
        await self.lane.run(lambda database: write_alone(database, statement, durability="full"))


def _cursor_text(cursor: JsonObject, state: IngestState) -> str | None:
    """A cursor as it is stored. One that is not JSON or over 16 MiB is not kept: the conversation cannot be resumed."""
    try:
        text = orjson.dumps(cursor)
    except TypeError as error:
        fault = str(error)
    else:
        if len(text) <= MAX_CURSOR_BYTES:
            return text.decode()
        fault = f"it has {len(text)} bytes, at most {MAX_CURSOR_BYTES}"
    session = state.provider_session_id
    _logger.error(
        "the resume cursor of session %s is not kept: %s", session, fault, extra={"thread_id": state.thread_id}
    )
    return None
