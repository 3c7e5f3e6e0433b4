"""What the runtime asks of a provider, whatever protocol its agent speaks.

A `Provider` starts agents; an `AgentConnection` is one living agent process with one conversation. An adapter
turns its agent's raw messages into `ProviderRuntimeEvent`s and the calls below into its agent's requests. Its
protocol logic is plain data in, data out; the process and the pipes around it are small.

What the runtime promises an adapter: one turn at a time; `respond` only for a request the connection reported;
`close` exactly once, after which `events` is read to its end. What an adapter promises: events in the agent's order;
history that an agent replays on resume is dropped; `SessionExited` is the last event, whatever happened.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

import attrs
from anyio.abc import ObjectReceiveStream

from ...contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
    TurnId,
)
from ...contracts.provider_events import ProviderRuntimeEvent
from ...contracts.values import ApprovalDecision, Attachment, JsonObject


@attrs.frozen(kw_only=True)
class Capabilities:
    """What an agent can do beyond taking turns. A living agent's are in `SessionHealth.capabilities`.

    `resume`: a later process can continue the conversation; without it each process starts a new one. `approvals`: the
    agent asks before it does what its mode does not allow; without it a user interface need not wait for requests.
    `model_switch`: a turn can have another model than the one before; without it only a model that the turn itself
    names is handed over.
    """

    resume: bool
    approvals: bool = True
    model_switch: bool = False


@attrs.frozen(kw_only=True)
class ProcessIdentity:
    """The process of an agent. Its start time distinguishes it from a later process with the same pid.

    It is the agent's guardian: it lives as long as anything of the agent does, and SIGTERM to it ends all of that.
    `started_at` is in clock ticks since boot as `/proc/PID/stat` gives it, None where the platform has no such
    figure.
    """

    pid: int
    started_at: int | None


@attrs.frozen(kw_only=True)
class SessionRequest:
    """The parameters of an agent's start. `resume_cursor` comes from an earlier connection of the thread.

    `python` is the interpreter that runs the agent's guardian, None to search for one. `model` is for hosts
    that drive an adapter themselves: the runtime leaves it None and names the model of each turn in its `TurnRequest`.
    """

    thread_id: ThreadId
    provider_session_id: ProviderSessionId
    workspace: Path
    resume_cursor: JsonObject | None
    model: str | None = None
    python: str | None = None


@attrs.frozen(kw_only=True)
class TurnRequest:
    """A turn to hand over. `turn_id` is the name by which its agent is asked to forget it later (`RollsBack`)."""

    text: str
    turn_id: TurnId | None = None
    attachments: tuple[Attachment, ...] = ()
    model: str | None = None
    effort: str | None = None


class AgentConnection(Protocol):
    """One living agent, with a process of its own or without. Any task of its session may call its methods."""

    @property
    def process(self) -> ProcessIdentity | None:
        """The agent's process; None for an agent without one: no process is recorded, and recovery ends none."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def provider_thread_id(self) -> ProviderThreadId | None: ...

    @property
    def resume_cursor(self) -> JsonObject | None:
        """What `SessionRequest.resume_cursor` needs to go on with this conversation in another process."""

    @property
    def events(self) -> ObjectReceiveStream[ProviderRuntimeEvent]:
        """The agent's events in its order. The stream is bounded: a reader that stops makes the agent wait."""

    async def start_turn(self, turn: TurnRequest) -> None:
        """Hand a turn over. Returns when the request is written; its end arrives as `TurnCompleted`.

        Raises:
            SessionLost: the agent process is gone.
            ProviderProtocolError: the agent cannot take this turn (a model it cannot switch to, an image).
        """

    async def interrupt(self) -> None:
        """Ask the agent to end the running turn. Its end arrives as `TurnCompleted`, or not at all.

        Raises:
            SessionLost: the agent process is gone.
        """

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None:
        """Answer an approval request, by one of its options where the user named one.

        Without `option` the agent is answered by the first option of the kind that fits the decision and has the
        least reach: once before session before permanent; never by one that changes its mode.

        Raises:
            SessionLost: the agent process is gone.
            AnswerRefused: no option of the request fits; nothing was sent, and the request stays open. The user is
                asked again, at most three times, then the request is declined.
            ProviderProtocolError: the request is not open any more.
        """

    async def close(self) -> None:
        """End the agent: end of input, then terminate, then kill, each after a grace of seconds.

        Shielded from cancellation by its caller's scope; returns when no process of the agent is left.
        """


def own_process(connection: AgentConnection) -> ProcessIdentity | None:
    """The agent's process, where it has one of its own. The host's own process is never taken for an agent's."""
    process = connection.process
    return None if process is None or process.pid == os.getpid() else process


@runtime_checkable
class SignsOfLife(Protocol):
    """A connection that knows when it last heard from its agent, messages included that lead to no event."""

    @property
    def heard_at(self) -> float:
        """The event loop's time at which the agent's last bytes arrived."""


@runtime_checkable
class RollsBack(Protocol):
    """A provider whose agents can forget the end of a conversation, turn by turn, as `TurnRequest.turn_id` names them.

    Both methods are asked while no connection of the conversation is open, about the one of `request.resume_cursor`.
    Turns are told apart by their names alone, never by their number: some never reached the agent, and some of the
    agent's are not ours.
    """

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        """Whether the agent would forget these turns and keep what came before the first of them.

        Changes nothing. Raises what `Provider.connect` raises.
        """

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        """Forget the first of these turns that the conversation has, and all that came after it.

        Answers with the cursor of what is left, None where nothing is. Asked again, with the cursor of before or the
        one it answered with, it does nothing more.

        Raises what `Provider.connect` raises, and
            ProviderProtocolError: the agent did not; its conversation is what it was.
        """


class Provider(Protocol):
    """A way to start agents of one kind. What a host passes to `open_runtime(providers=[...])`.

    Every call into a provider has a deadline (`SessionLimits.start_deadline`, `call_deadline`) and is then cancelled.
    At a stop of the runtime the deadline is the stop's. What a method raises that is no `ProviderError` ends what was
    asked for, with a reason that the thread shows. A provider with an attribute `keeps_deadlines = True` bounds all its
    calls by itself, and is cut off by a stop alone. No method may block the event loop.
    """

    @property
    def name(self) -> str:
        """The provider's name as users see it, unique among a runtime's providers."""

    @property
    def adapter_key(self) -> str:
        """The protocol it speaks: `acp`, `codex`, `claude`."""

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """Start an agent process and open a conversation: a new one, or the one of `resume_cursor`.

        Entering returns when the agent is ready for a turn; leaving closes the connection as `close` does.

        Raises:
            ProviderUnavailable: the program is missing or did not come up within its deadline.
            ResumeRefused: the agent does not know the conversation of `resume_cursor`.
            ProviderProtocolError: the agent answered what its protocol does not allow.
        """
