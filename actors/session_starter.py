"""Starting an agent for a thread: the provider's choice, the runtime row, the binding, the connection.

Starting claims nothing: a crash anywhere in here leaves the turn's intent open, and it runs again. The runtime row is
written before the session names it, with the cursor it resumes from, so that no crash loses the cursor.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import orjson
import peewee
from anyio.abc import TaskGroup

from ..persistence.database import write_transaction
from ..persistence.lane import WriteLane
from ..persistence.provider_runtime import ProviderRuntimeRow, drop_cursors, put_provider_runtime
from ..runtime.contracts.errors import ProviderUnavailable, ResumeRefused
from ..runtime.contracts.events import EventMetadata
from ..runtime.contracts.ids import ProviderSessionId, ThreadId
from ..runtime.contracts.values import JsonObject, Label, RuntimeStatus
from ..runtime.domain.ingest import IngestState, numbered, session_set
from .agent_life import AgentLife
from .minting import Mint
from .providers.adapter import Provider, SessionRequest
from .session_voice import SessionVoice
from .thread_context import ChooseProvider, ThreadContext


@attrs.frozen(kw_only=True)
class SessionStarter:
    """What it takes to start agents: providers by name, and where their lives are recorded."""

    providers: Mapping[str, Provider]
    choose_provider: ChooseProvider | None
    lane: WriteLane
    voice: SessionVoice
    mint: Mint

    async def start(self, context: ThreadContext, tasks: TaskGroup, changed: Callable[[], None]) -> AgentLife:
        """Start an agent for the thread, or resume its conversation, and bind it as the thread's session.

        Raises:
            ProviderUnavailable: no provider serves the thread, or its agent does not come up.
            ResumeRefused: the agent does not know the conversation; nothing was started in its place.
            ProviderProtocolError: the agent broke its protocol.
            StoreError: the store refused to record it.
        """
        provider = self._provider_of(context)
        state = IngestState(
            thread_id=context.thread.id,
            provider_session_id=ProviderSessionId(self.mint.new_id()),
            provider_name=Label(provider.name),
            adapter_key=Label(provider.adapter_key),
        )
        cursor = context.resume_cursor
        await self.record(state, "starting", cursor, {})
        state = await self._bind(state)
        life = AgentLife(state, self.voice, self.mint, changed=changed)
        request = SessionRequest(
            thread_id=context.thread.id,
            provider_session_id=state.provider_session_id,
            workspace=context.workspace,
            resume_cursor=cursor,
            model=None,
        )
        try:
            await tasks.start(life.run, provider, request)
        except Exception as error:
            refused = {"resumeRefused": True} if isinstance(error, ResumeRefused) else {}
            await self.record(state, "error", cursor, refused)
            await self.voice.send(session_set(state, "error", self.mint.now(), error=str(error)))
            raise
        await self.record_life(life, "running")
        return life

    async def record_life(self, life: AgentLife, status: RuntimeStatus) -> None:
        """Write a life's runtime row as it stands now: the heartbeat, a moved cursor, the end."""
        process = life.connection.process
        identity = {"pid": process.pid, "startedAt": process.started_at}
        await self.record(life.state, status, life.connection.resume_cursor, identity)

    async def record(
        self, state: IngestState, status: RuntimeStatus, cursor: JsonObject | None, payload: Mapping[str, Any]
    ) -> None:
        """Write a runtime row, durably: a cursor cannot be replayed."""
        host = {"host": socket.gethostname(), "hostPid": os.getpid(), **payload}
        row = ProviderRuntimeRow(
            provider_session_id=state.provider_session_id,
            thread_id=state.thread_id,
            provider_name=state.provider_name,
            adapter_key=state.adapter_key,
            provider_thread_id=state.provider_thread_id,
            status=status,
            last_seen_at=self.mint.now(),
            resume_cursor_json=None if cursor is None else orjson.dumps(cursor).decode(),
            runtime_payload_json=orjson.dumps(host).decode(),
        )
        await self._write(lambda database: put_provider_runtime(database, row))

    async def drop_cursors(self, thread_id: ThreadId) -> None:
        """Forget the thread's conversation: its next session is a fresh one."""
        await self._write(lambda database: drop_cursors(database, thread_id))

    def _provider_of(self, context: ThreadContext) -> Provider:
        if context.runtime is not None:
            name = context.runtime.provider_name
        elif len(self.providers) == 1:
            name = next(iter(self.providers))
        elif self.choose_provider is not None:
            name = self.choose_provider(context.project, context.thread)
        else:
            raise ProviderUnavailable(
                f"thread {context.thread.id!r} could be served by {', '.join(self.providers)}:"
                " give RuntimeOptions a choose_provider"
            )
        if name not in self.providers:
            raise ProviderUnavailable(
                f"thread {context.thread.id!r} is served by {name!r}, which is not among this runtime's providers:"
                f" {', '.join(self.providers)}"
            )
        return self.providers[name]

    async def _bind(self, state: IngestState) -> IngestState:
        """Make this the thread's current session. Its metadata names no session: it replaces the one before."""
        starting = session_set(state, "starting", self.mint.now())
        await self.voice.send(attrs.evolve(starting, metadata=EventMetadata(adapter_key=state.adapter_key)))
        return numbered(state, starting)

    async def _write(self, statement: Callable[[peewee.SqliteDatabase], None]) -> None:
        def write(database: peewee.SqliteDatabase) -> None:
            with write_transaction(database, durability="full"):
                statement(database)

        await self.lane.run(write)
