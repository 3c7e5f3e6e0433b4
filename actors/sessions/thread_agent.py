"""The agent of one thread: at most one life at a time, its clocks, its runtime row, the turn it works on.

- A life is the thread's until its end is reported, however often that has to be tried.
- Everything is bounded: an interrupted agent by its escalation, a silent turn by its clock, an idle agent by its
  retirement. An agent without a turn is not idle while a command that it started runs.
- An agent that failed is left alone for a while before the next turn starts it again.
- When a turn has ended, its workspace is captured, beside the session.

Belongs to the task of its session.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio
import attrs
from anyio.abc import TaskGroup

from ...contracts.errors import StoreError
from ...contracts.events import PersistedEvent
from ...contracts.ids import CommandId, ThreadId, TurnId
from ...contracts.provider_events import RuntimeErrorReported, SessionNotice
from ...contracts.values import FailureReason
from ...persistence.crash_points import crash_point
from ...persistence.threads import in_thread
from ..checkpoints.checkpointer import Checkpointer
from ..checkpoints.turn_workspace import TurnWorkspace
from ..checkpoints.workspace_identity import WorkspaceIdentity, still_leads_to
from ..providers.adapter import SignsOfLife, own_process
from ..providers.process.process_table import commands_of
from ..providers.session_limits import SessionLimits
from .agent_life import AgentLife
from .backoff import Backoff
from .clocks import SessionClocks
from .context import ThreadContext
from .conversation_loss import conversation_lost
from .health import SessionHealth
from .starter import SessionStarter

_logger = logging.getLogger(__name__)


class ThreadAgent:
    """Keeps the thread's agent. `changed` is called when its session should look, `turn_ended` when a turn is over."""

    def __init__(
        self,
        *,
        starter: SessionStarter,
        checkpointer: Checkpointer,
        limits: SessionLimits,
        changed: Callable[[], None],
        turn_ended: Callable[[], None],
        read_context: Callable[[], Awaitable[ThreadContext | None]],
    ) -> None:
        self._starter = starter
        self._checkpointer = checkpointer
        self._limits = limits
        self._changed = changed
        self._report_turn_ended = turn_ended
        self._read_context = read_context
        self._clocks = SessionClocks(limits)
        self._restart = Backoff(first=limits.restart_backoff, longest=limits.longest_restart_backoff)
        self._life: AgentLife | None = None
        self._turn: TurnWorkspace | None = None
        self._place: WorkspaceIdentity | None = None
        self._saved: object = None
        self._ended_with: str | None = None
        self._has_had_a_turn = False
        self._left_out: str | None = None
        self._noted: set[str] = set()

    @property
    def life(self) -> AgentLife | None:
        """The agent that lives, or whose end is not recorded yet."""
        return self._life

    @property
    def running_turn_id(self) -> TurnId | None:
        return None if self._life is None else self._life.running_turn_id

    async def lives_elsewhere(self, found: WorkspaceIdentity) -> bool:
        """Whether the agent works in another directory: the thread has moved, or its directory was replaced or renamed
        since the agent was started."""
        return self._life is not None and (self._place is None or not await still_leads_to(self._place, found))

    def seconds_to_next_clock(self) -> float:
        watched = None if self._life is None else _Watched(self._life)
        return self._clocks.seconds_to_next(watched, anyio.current_time())

    def works_on(self, turn: TurnWorkspace) -> None:
        """The agent's turn was claimed."""
        self._turn = turn
        self._has_had_a_turn = True

    async def left_alone(self) -> None:
        """Wait until an agent that failed may be started again. What is read of the thread afterwards is not old."""
        if self._life is None:
            await anyio.sleep(self._restart.seconds_left(anyio.current_time()))

    async def living(
        self,
        context: ThreadContext,
        place: WorkspaceIdentity,
        tasks: TaskGroup,
        *,
        correlation_id: CommandId | None,
    ) -> AgentLife:
        """The thread's agent, started at `place` in `tasks` if none lives. Raises as `SessionStarter.start` does."""
        if self._life is None:
            try:
                life = await self._starter.start(
                    context,
                    tasks,
                    correlation_id=correlation_id,
                    changed=self._changed,
                    turn_begun=self._capture_turn_of_agent,
                )
            except Exception:
                self._restart.failed(anyio.current_time())
                raise
            self._life, self._place, self._saved = life, place, _worth_saving(life)
            self._has_had_a_turn = False
            self._noted.clear()
            self._clocks.heartbeat_sent(anyio.current_time())
        return self._life

    def can_switch_to(self, model: str) -> bool:
        """Whether the agent, which lives, offers a choice of models."""
        assert self._life is not None, "asked of an agent that lives"
        can_switch = self._life.connection.capabilities.model_switch
        self._left_out = None if can_switch else model
        return can_switch

    async def note_what_was_left_out(self) -> None:
        """Say in the turn's history that the agent uses its own model, not the thread's: once per life and model."""
        model, self._left_out = self._left_out, None
        if self._life is not None and model is not None and model not in self._noted:
            self._noted.add(model)
            notice = f"The agent offers no choice of models: it uses its own, not {model}"
            await self._life.report(SessionNotice(kind="session.notice", summary=notice, detail={"model": model}))

    async def interrupt(self, intent: PersistedEvent) -> None:
        """Ask the agent to end its turn. What ends the turn, the deadline included, is the first such intent's outcome.

        Raises:
            ProviderError: the agent was not asked; the deadline stands.
        """
        assert self._life is not None, "a running turn has an agent"
        if not self._clocks.is_interrupting:
            self._life.expect_end(intent)
            self._clocks.interrupted(anyio.current_time())
        await self._life.connection.interrupt()

    async def tend(self) -> None:
        """Do what the agent's state and the clocks ask for: end of turn, heartbeat, escalation, silence, death."""
        self._clocks.served(anyio.current_time())
        life = self._life
        if life is None:
            return
        if life.is_over:
            await self.end()
            return
        if life.running_turn_id is None:
            if self._turn is not None:
                self._restart.succeeded()
            await self._settle_turn()
        due = self._clocks.due(_Watched(life), anyio.current_time())
        if "heartbeat" in due or _worth_saving(life) != self._saved:
            await self._send_heartbeat(life)
        if "escalation" in due:
            seconds = self._limits.interrupt_deadline
            message = (
                f"the agent did not end its turn within {seconds:g} seconds of the interrupt: its process is ended"
            )
            await life.report(RuntimeErrorReported(message=message, reason="unresponsive"))
            await self.end()
        elif "silence" in due:
            seconds = self._limits.inactivity_deadline
            message = f"the agent said nothing for {seconds:g} seconds"
            await self.fail(message, "unresponsive")

    async def fail(self, message: str, reason: FailureReason) -> None:
        """Fail the running turn and end the agent, which does not do its part. Raises as `end` does."""
        if self._life is not None:
            await self._life.report(RuntimeErrorReported(message=message, fatal=True, reason=reason))
        await self.end()

    async def retire_if_due(self, *, unless: Callable[[], bool]) -> None:
        """End an agent that has been without a turn for long; its conversation is resumed at the next one.

        One whose commands still run is left alone, as is one for which `unless` says that there is something to do.
        """
        life = self._life
        if life is None or "retirement" not in self._clocks.due(_Watched(life), anyio.current_time()):
            return
        process = own_process(life.connection)
        commands = [] if process is None else await in_thread(commands_of, process)
        if commands:
            life.put_off_retirement()
        elif not unless():
            await self.end()

    async def end(self, *, keeps_conversation: bool = True) -> None:
        """End the agent, if one lives, and record that it ended.

        Where the agent cannot resume its conversation and the thread was not asked to forget it, its history says so.

        Raises:
            StoreError: the end of its turn or session is not reported yet: call again.
            MailboxClosed: the runtime is stopping.
            RuntimeFailed: the runtime has failed.
        """
        life = self._life
        if life is None:
            return
        if keeps_conversation and self._has_had_a_turn and not life.connection.capabilities.resume:
            self._has_had_a_turn = False
            await life.report(conversation_lost("the agent is ended and cannot resume it"))
        await life.end()
        self._life, self._ended_with = None, life.state.last_error or self._ended_with
        if life.state.fatal_error is not None:
            self._restart.failed(anyio.current_time())
        await self._settle_turn()
        try:
            await self._starter.record_life(life, "stopped" if life.state.fatal_error is None else "error")
        except StoreError as error:
            _logger.warning(
                "the end of session %s was not recorded: %s",
                life.state.provider_session_id,
                error,
                extra=life.ids(),
            )

    def health(self, thread_id: ThreadId, last_error: str | None) -> SessionHealth:
        life = self._life
        process = None if life is None or life.is_over else own_process(life.connection)
        return SessionHealth(
            thread_id=thread_id,
            provider_name=None if life is None else life.state.provider_name,
            provider_session_id=None if life is None else life.state.provider_session_id,
            pid=None if process is None else process.pid,
            running_turn_id=self.running_turn_id,
            silent_seconds=0.0 if life is None else anyio.current_time() - _heard_at(life),
            open_approvals=0 if life is None else life.open_approvals,
            last_error=last_error or (None if life is None else life.state.last_error) or self._ended_with,
        )

    async def _capture_turn_of_agent(self, life: AgentLife, turn_id: TurnId) -> None:
        """Capture the workspace as a turn finds it that the agent began by itself: as early as it is known."""
        await self._settle_turn()
        context = await self._read_context()
        turns = () if context is None else context.thread.turns
        opened = next((turn for turn in turns if turn.turn_id == turn_id), None)
        if opened is None or life.workspace is None:
            return
        turn = TurnWorkspace(
            thread_id=life.state.thread_id, turn_id=turn_id, turn_count=opened.turn_count, path=life.workspace
        )
        self.works_on(turn)
        await self._checkpointer.capture_baseline(turn)

    async def _send_heartbeat(self, life: AgentLife) -> None:
        """Record that the session lives; durably only where its conversation has moved, which no log could replay."""
        self._clocks.heartbeat_sent(anyio.current_time())
        worth_saving = _worth_saving(life)
        try:
            if worth_saving == self._saved:
                await self._starter.record_heartbeat(life)
            else:
                await self._starter.record_life(life, "running")
        except StoreError as error:
            _logger.warning(
                "the heartbeat of session %s was not recorded: %s",
                life.state.provider_session_id,
                error,
                extra=life.ids(),
            )
        else:
            self._saved = worth_saving

    async def _settle_turn(self) -> None:
        self._clocks.turn_ended()
        turn, self._turn = self._turn, None
        if turn is not None:
            self._report_turn_ended()
            crash_point("turn.ended")
            await self._checkpointer.capture_end(turn)


@attrs.frozen
class _Watched:
    """A life as its clocks see it."""

    life: AgentLife

    @property
    def running_turn_id(self) -> TurnId | None:
        return self.life.running_turn_id

    @property
    def waits_for_others(self) -> bool:
        return self.life.waits_for_others

    @property
    def heard_at(self) -> float:
        return _heard_at(self.life)

    @property
    def idle_since(self) -> float:
        return self.life.idle_since

    @property
    def may_retire(self) -> bool:
        """Whether its conversation outlives its end."""
        return self.life.connection.capabilities.resume


def _heard_at(life: AgentLife) -> float:
    """When the agent was last heard: messages count that lead to no event, where its adapter knows of them."""
    connection = life.connection
    return max(life.heard_at, connection.heard_at) if isinstance(connection, SignsOfLife) else life.heard_at


def _worth_saving(life: AgentLife) -> tuple[object, object]:
    """What of a life is lost unless it is recorded durably."""
    return life.connection.resume_cursor, life.connection.provider_thread_id
