"""The states of a session, each with its data.

Calm states (`Idle`, `Running`, `Interrupting`) perform overtaking inputs at once. The others await the reply of an
effect: overtaking inputs wait for it, in order, and are performed before the next queued intent.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ...contracts.ids import EventId, TurnId
from .inputs import Overtaking, Queued, RevertAsked, SteerAsked, TurnStartAsked

Clock: TypeAlias = Literal["heartbeat", "backoff", "escalation", "silence", "retirement"]


@attrs.frozen(kw_only=True)
class Agent:
    """The thread's agent, from its start until its end is recorded."""

    resumes: bool
    """Whether another process can resume its conversation."""
    steers: bool = False
    """Whether it can take a message into its running turn."""
    has_had_turn: bool = False
    turn: TurnId | None = None
    """Its running turn: one that was claimed, or one that it began by itself."""
    is_over: bool = False
    """Whether it has ended, but its end is not recorded yet."""
    in_hand: tuple[EventId, ...] = ()
    """The intents that were delivered to it and whose outcome it has to report."""


@attrs.frozen(kw_only=True)
class SessionState:
    """The data of every state."""

    queue: tuple[Queued, ...] = ()
    """Turn starts and reverts, in the order in which they begin."""
    steers: tuple[SteerAsked, ...] = ()
    """Steering messages that wait until it is known whether their turn runs."""
    failures: int = 0
    """How many times in a row an agent has failed since a turn ended."""
    agent: Agent | None = None


@attrs.frozen(kw_only=True)
class Idle(SessionState):
    """No turn runs, and no reply is awaited. With an agent or without."""

    is_backing_off: bool = False
    """Whether the next start waits, because the last agent failed."""


@attrs.frozen(kw_only=True)
class Running(SessionState):
    """The agent runs a turn."""

    agent: Agent


@attrs.frozen(kw_only=True)
class Interrupting(SessionState):
    """The agent was asked to end its turn."""

    agent: Agent


@attrs.frozen(kw_only=True)
class AwaitingReply(SessionState):
    """The reply of an effect is awaited."""

    waiting: tuple[Overtaking, ...] = ()
    is_withdrawn: bool = False
    """Whether the operation was cancelled. It may still reply with its success."""


@attrs.frozen(kw_only=True)
class Starting(AwaitingReply):
    """An agent is started for the turn at hand."""

    turn: TurnStartAsked


@attrs.frozen(kw_only=True)
class Capturing(AwaitingReply):
    """The workspace is captured as the turn at hand finds it."""

    agent: Agent
    turn: TurnStartAsked
    is_stale: bool = False
    """Whether the agent began a turn by itself meanwhile, so that the capture has to be done again."""


@attrs.frozen(kw_only=True)
class Claiming(AwaitingReply):
    """The commit that opens the turn at hand is under way."""

    agent: Agent
    turn: TurnStartAsked


@attrs.frozen(kw_only=True)
class HandingOver(AwaitingReply):
    """The turn at hand runs, and its agent is given it."""

    agent: Agent
    turn: TurnStartAsked


@attrs.frozen(kw_only=True)
class Ending(AwaitingReply):
    """The agent is ended, and the end recorded."""

    agent: Agent


@attrs.frozen(kw_only=True)
class Reverting(AwaitingReply):
    """A revert is performed. It may end the agent."""

    revert: RevertAsked


@attrs.frozen(kw_only=True)
class Unattended(AwaitingReply):
    """Reserved: a turn that outlived its host is being attached. Nothing leads here yet."""

    agent: Agent


@attrs.frozen(kw_only=True)
class Finished(SessionState):
    """The worker has ended. No input follows."""


Calm: TypeAlias = Idle | Running | Interrupting

Awaiting: TypeAlias = Starting | Capturing | Claiming | HandingOver | Ending | Reverting | Unattended

State: TypeAlias = Calm | Awaiting | Finished


def is_at_rest(state: State) -> bool:
    """Whether the worker may end: nothing is left to do, no agent runs, and no backoff has to be waited for."""
    return isinstance(state, Idle) and state.agent is None and not (state.queue or state.steers or state.is_backing_off)


def clocks_of(state: State) -> frozenset[Clock]:
    """The clocks that run in a state. Operations have deadlines of their own."""
    match state:
        case Idle(agent=None, is_backing_off=True):
            return frozenset({"backoff"})
        case Idle(agent=Agent(resumes=True)):
            return frozenset({"heartbeat", "retirement"})
        case Running():
            return frozenset({"heartbeat", "silence"})
        case Interrupting():
            return frozenset({"heartbeat", "silence", "escalation"})
        case Starting() | Finished() | SessionState(agent=None):
            return frozenset()
        case _:
            return frozenset({"heartbeat"})
