"""The agent that a worker keeps: at most one run at a time, its workspace, its runtime row.

A run stays the thread's until its end is reported, however often that has to be tried. Used by the task of its worker
and by that of its operation, never by both at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio
from anyio.abc import TaskGroup

from ...contracts.errors import StoreError
from ...contracts.events import PersistedEvent
from ...contracts.ids import CommandId, ThreadId
from ...contracts.provider_events import SessionNotice
from ...persistence.threads import in_thread
from ..checkpoints.workspace_identity import WorkspaceIdentity, leads_to_same_directory
from ..providers.adapter import own_process
from ..providers.process.process_table import commands_of
from .agent_run import AgentRun, TurnBegun
from .context import ThreadContext
from .conversation_loss import conversation_lost
from .health import SessionHealth
from .starter import AgentStarter

_logger = logging.getLogger(__name__)


class KeptAgent:
    """`changed` is called when its worker's clocks may have changed."""

    def __init__(self, starter: AgentStarter, *, changed: Callable[[], None], turn_begun: TurnBegun) -> None:
        self._starter = starter
        self._changed = changed
        self._turn_begun = turn_begun
        self._run: AgentRun | None = None
        self._place: WorkspaceIdentity | None = None
        self._saved: object = None
        self._ended_with: str | None = None
        self._noted_models: set[str] = set()
        self._has_reported_loss = False

    @property
    def run(self) -> AgentRun | None:
        """The agent that runs, or whose end is not recorded yet."""
        return self._run

    @property
    def living(self) -> AgentRun:
        """The agent, which exists."""
        assert self._run is not None, "no agent runs"
        return self._run

    async def start(
        self, context: ThreadContext, place: WorkspaceIdentity, tasks: TaskGroup, *, correlation_id: CommandId | None
    ) -> AgentRun:
        """Start an agent at `place`, in `tasks`. Raises as `AgentStarter.start` does."""
        run = await self._starter.start(
            context, tasks, correlation_id=correlation_id, changed=self._changed, turn_begun=self._turn_begun
        )
        self._run, self._place, self._saved = run, place, run.worth_saving
        self._noted_models.clear()
        self._has_reported_loss = False
        return run

    async def has_other_workspace(self, found: WorkspaceIdentity) -> bool:
        """Whether the agent works in another directory: the thread has moved, or its directory was replaced or renamed
        since the agent was started."""
        return self._place is None or not await leads_to_same_directory(self._place, found)

    async def note_left_out(self, model: str) -> None:
        """Record in the history that the agent uses its own model, not the thread's: once per run and model."""
        if model not in self._noted_models:
            self._noted_models.add(model)
            notice = f"The agent offers no choice of models: it uses its own, not {model}"
            await self.living.report(SessionNotice(kind="session.notice", summary=notice, detail={"model": model}))

    async def commands_run(self) -> bool:
        """Whether a command that the agent started still runs."""
        process = own_process(self.living.connection)
        return process is not None and bool(await in_thread(commands_of, process))

    @property
    def has_moved_on(self) -> bool:
        """Whether its conversation has changed since it was recorded."""
        return self._run is not None and not self._run.is_over and self._run.worth_saving != self._saved

    async def record_heartbeat(self) -> None:
        """Record that the agent is alive; durably only if its conversation has changed, which no log could replay."""
        run = self.living
        worth_saving = run.worth_saving
        try:
            if worth_saving == self._saved:
                await self._starter.record_heartbeat(run)
            else:
                await self._starter.record_run(run, "running")
        except StoreError as error:
            _warn(run, "the heartbeat of session %s was not recorded: %s", error)
        else:
            self._saved = worth_saving

    async def end(
        self, *, loses_conversation: bool, ended: Callable[[bool], None], settles: PersistedEvent | None = None
    ) -> None:
        """End the agent, if there is one, and record that. `ended` is called in between, with whether the agent failed.

        Raises:
            StoreError: the end of its turn or session is not reported yet: call again.
            RuntimeStopped: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        run = self._run
        if run is None:
            return
        if loses_conversation and not self._has_reported_loss:
            self._has_reported_loss = True
            await run.report(conversation_lost("the agent is ended and cannot resume it"))
        if settles is not None and not run.is_over:
            run.expect_end(settles)
        await run.end()
        has_failed = run.state.fatal_error is not None
        self._run, self._ended_with = None, run.state.last_error or self._ended_with
        ended(has_failed)
        try:
            await self._starter.record_run(run, "error" if has_failed else "stopped")
        except StoreError as error:
            _warn(run, "the end of session %s was not recorded: %s", error)

    def health(self, thread_id: ThreadId, last_error: str | None) -> SessionHealth:
        """The health of the thread's session."""
        run = self._run
        process = None if run is None or run.is_over else own_process(run.connection)
        return SessionHealth(
            thread_id=thread_id,
            provider_name=None if run is None else run.state.provider_name,
            provider_session_id=None if run is None else run.state.provider_session_id,
            capabilities=None if run is None or run.is_over else run.connection.capabilities,
            pid=None if process is None else process.pid,
            running_turn_id=None if run is None else run.running_turn_id,
            silent_seconds=0.0 if run is None else anyio.current_time() - run.last_heard_at,
            open_approvals=0 if run is None else run.open_approvals,
            last_error=last_error or (None if run is None else run.state.last_error) or self._ended_with,
        )


def _warn(run: AgentRun, message: str, error: StoreError) -> None:
    _logger.warning(message, run.state.provider_session_id, error, extra=run.ids())
