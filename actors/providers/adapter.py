"""The interface between the runtime and a provider, independent of its agent's protocol.

A `Provider` starts agents; an `AgentConnection` is one running agent process with one conversation. An adapter
turns its agent's raw messages into `ProviderRuntimeEvent`s and the calls below into requests to its agent.

The runtime guarantees: one turn at a time; `respond` only for a request that the connection reported; `close` exactly
once, after which `events` is read to its end. An adapter guarantees: events in the agent's order; history that an
agent replays on resume is dropped; `SessionExited` is the last event, whatever happened.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

import attrs
from anyio.abc import ObjectReceiveStream

from ...contracts.conversations import ConversationHistory, ListedConversation
from ...contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    MessageId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
    TurnId,
)
from ...contracts.provider_events import ProviderRuntimeEvent
from ...contracts.read_model import MessageView
from ...contracts.values import ApprovalDecision, Attachment, JsonObject
from .session_config import NO_CONFIG, SessionConfig


@attrs.frozen(kw_only=True)
class Capabilities:
    """What an agent can do beyond taking turns. Those of a running agent are in `SessionHealth.capabilities`.

    `resume`: a later process can continue the conversation; without it each process starts a new one. `approvals`: the
    agent asks for permission where its mode requires that; without it a user interface need not wait for requests.
    `model_switch`: a turn can have another model than the one before; without it only a model that the turn itself
    names is handed over. `steer`: it can take a message into its running turn (`Steers`).
    """

    resume: bool
    approvals: bool = True
    model_switch: bool = False
    steer: bool = False


@attrs.frozen(kw_only=True)
class ProcessIdentity:
    """The process of an agent. Its start time distinguishes it from a later process with the same pid.

    It is the agent's guardian, which runs as long as any process of the agent does; SIGTERM to it ends all of them.
    `started_at` is in clock ticks since boot as in `/proc/PID/stat`, None where the platform does not provide it.
    """

    pid: int
    started_at: int | None


class ThreadHistory(Protocol):
    """The messages of a thread's turns, from the read model: a memory for agents that keep none.

    Each call reads what was recorded before it. Both methods raise StoreError where the database cannot be read, and
    RuntimeStopped when the runtime stops.
    """

    async def last_turn(self) -> TurnId | None:
        """The thread's last turn; None before the first."""

    async def messages(
        self, *, before: TurnId, after: TurnId | None = None, turns: int | None = None
    ) -> tuple[MessageView, ...]:
        """The messages of the turns between two turns, both exclusive, oldest first; of the last `turns` of them only.

        A turn that a revert has removed has no messages; an `after` that it has removed leaves nothing out.
        """


@attrs.frozen(kw_only=True)
class SessionRequest:
    """The parameters of an agent's start. `resume_cursor` comes from an earlier connection of the thread.

    `history` reads the thread's earlier messages; None for hosts that use an adapter directly.

    `python` is the interpreter that runs the agent's guardian, None to search for one. `model` is for hosts that use an
    adapter directly: the runtime leaves it None and names the model of each turn in its `TurnRequest`.

    `config` is what the host gives the thread's sessions, with texts that are still to be read. Only a provider whose
    attribute `takes_session_config` is True gets one: for another a config is an error.
    """

    thread_id: ThreadId
    provider_session_id: ProviderSessionId
    workspace: Path
    resume_cursor: JsonObject | None
    model: str | None = None
    python: str | None = None
    history: ThreadHistory | None = attrs.field(default=None, eq=False, repr=False)
    config: SessionConfig = NO_CONFIG


@attrs.frozen(kw_only=True)
class TurnRequest:
    """A turn to hand over. `turn_id` identifies it when its agent is asked to forget it later (`RollsBack`)."""

    text: str
    turn_id: TurnId | None = None
    attachments: tuple[Attachment, ...] = ()
    model: str | None = None
    effort: str | None = None


@attrs.frozen(kw_only=True)
class SteerRequest:
    """A message for the running turn."""

    text: str
    message_id: MessageId
    attachments: tuple[Attachment, ...] = ()


class AgentConnection(Protocol):
    """One running agent, with or without a process of its own. Any task of its session may call its methods."""

    @property
    def process(self) -> ProcessIdentity | None:
        """The agent's process; None for an agent without one: no process is recorded, and recovery ends none."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def provider_thread_id(self) -> ProviderThreadId | None: ...

    @property
    def resume_cursor(self) -> JsonObject | None:
        """The `SessionRequest.resume_cursor` that continues this conversation in another process."""

    @property
    def events(self) -> ObjectReceiveStream[ProviderRuntimeEvent]:
        """The agent's events in its order. The stream is bounded: a reader that stops makes the agent wait."""

    async def start_turn(self, turn: TurnRequest) -> None:
        """Hand a turn over. Returns when the request is written; the turn's end arrives as `TurnCompleted`.

        Raises:
            SessionLost: the agent process is gone.
            ProviderProtocolError: the agent cannot run this turn (a model it cannot switch to, an image).
        """

    async def interrupt(self) -> None:
        """Ask the agent to end the running turn. Its end arrives as `TurnCompleted`, or not at all.

        Raises:
            SessionLost: the agent process is gone.
        """

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        """Answer an approval request, by one of its options where the user named one, or questions.

        `answers` comes with an acceptance: what the user answers to each question, by its id and as the question asks
        for it, or `updatedInput` for a request that is `editable`. It may hold secrets: keep it out of errors and logs.
        It is not passed to a connection that never asks questions.

        Without `option`, the first option whose kind fits the decision and that has the least reach is taken: once
        before session before permanent, and never one that changes the agent's mode.

        Raises:
            SessionLost: the agent process is gone.
            AnswerRefused: no option of the request fits, or an answer does not; nothing was sent, and the request stays
                open. The user is asked again, at most three times, then the request is declined.
            ProviderProtocolError: the request is no longer open.
        """

    async def close(self) -> None:
        """End the agent: end of input, then terminate, then kill, each after a grace of seconds.

        Shielded from cancellation by its caller's scope; returns when every process of the agent has ended.
        """


def own_process(connection: AgentConnection) -> ProcessIdentity | None:
    """The agent's process, where it has one of its own; None also where it names the host's process."""
    process = connection.process
    return None if process is None or process.pid == os.getpid() else process


@runtime_checkable
class SignsOfLife(Protocol):
    """A connection that records when its agent last sent anything, messages without events included."""

    @property
    def heard_at(self) -> float:
        """The event loop's time at which the agent's last bytes arrived."""


@runtime_checkable
class Steers(Protocol):
    """A connection whose `Capabilities.steer` may be True: its agent can take a message into the running turn."""

    async def steer(self, request: SteerRequest) -> None:
        """Add a message to the running turn. Returns when the agent has taken it, before the turn's end is reported.

        Raises:
            ProviderProtocolError: the agent did not take it, as after the end of the turn: it becomes the next turn.
            SessionLost: the agent process is gone; it is unknown whether the agent took it.
        """


@runtime_checkable
class RollsBack(Protocol):
    """A provider whose agents can forget the end of a conversation, turn by turn, by `TurnRequest.turn_id`.

    Both methods are called while no connection of the conversation of `request.resume_cursor` is open. Turns are
    identified by their ids, never by their number: some never reached the agent, and the agent may have turns of its
    own.
    """

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        """Whether the agent can forget these turns and keep everything before the first of them.

        Changes nothing. Raises what `Provider.connect` raises.
        """

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        """Forget the first of these turns that the conversation has, and everything after it.

        Returns the cursor of the rest, None where nothing is left. Called again, with the earlier cursor or the
        returned one, it changes nothing.

        Raises what `Provider.connect` raises, and
            ProviderProtocolError: the agent refused; its conversation is unchanged.
        """


class KeptConversations(Protocol):
    """The conversations that an agent keeps, of every origin. Reading changes none of them."""

    async def list(self, directory: Path | None = None) -> tuple[ListedConversation, ...]:
        """Those of a directory, or all that the agent lists.

        Raises:
            ProviderUnavailable: the agent does not list its conversations.
            ProviderProtocolError: it refused.
            SessionLost: its process is gone.
        """

    async def read(self, conversation: ListedConversation) -> ConversationHistory:
        """A conversation from its beginning; records that cannot be read are left out and reported.

        Raises:
            ProviderUnavailable: the agent does not tell what is in its conversations, or does not have this one.
            ProviderProtocolError: it refused.
            SessionLost: its process is gone.
        """


@runtime_checkable
class KeepsConversations(Protocol):
    """A provider whose agent can be asked for the conversations that it keeps."""

    def open_conversations(
        self, directory: Path, *, python: str | None = None
    ) -> AbstractAsyncContextManager[KeptConversations]:
        """Ask the agent, in a process that works in `directory` where it needs one. Raises as `Provider.connect`."""


class Provider(Protocol):
    """A way to start agents of one kind. What a host passes to `open_runtime(providers=[...])`.

    Every call into a provider has a deadline (`SessionLimits.start_deadline`, `call_deadline`) and is then cancelled.
    When the runtime stops, the deadline is that of the stop. If a method raises anything but a `ProviderError`, the
    request fails with a reason that the thread shows. A provider with an attribute `keeps_deadlines = True` bounds its
    calls itself, and is only cancelled by a stop. No method may block the event loop.
    """

    @property
    def name(self) -> str:
        """The provider's name as users see it, unique among a runtime's providers."""

    @property
    def adapter_key(self) -> str:
        """The agent's protocol: `acp`, `codex`, `claude`, `in-process`."""

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """Start an agent process and open a conversation: a new one, or the one of `resume_cursor`.

        Entering returns when the agent is ready for a turn; leaving closes the connection as `close` does.

        Raises:
            ProviderUnavailable: the program is missing or did not start within its deadline.
            ResumeRefused: the agent does not have the conversation of `resume_cursor`.
            ProviderProtocolError: the agent's answer violates its protocol.
        """
