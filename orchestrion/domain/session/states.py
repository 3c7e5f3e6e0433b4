"""The states of a session, each with what it needs to know.

Calm states (`Idle`, `Running`, `Interrupting`) perform what overtakes at once. In the others something is under way
whose reply is awaited: what overtakes waits for it, in order, and is performed before the next queued intent.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ...contracts.ids import EventId, TurnId
from .inputs import Overtaking, Queued, RevertAsked, TurnStartAsked

Clock: TypeAlias = Literal["heartbeat", "backoff", "escalation", "silence", "retirement"]


@attrs.frozen(kw_only=True)
class Agent:
    """The thread's agent, from its start until its end is recorded."""

    resumes: bool
    """Whether another process can go on with its conversation."""
    has_had_turn: bool = False
    turn: TurnId | None = None
    """The turn that it runs: one that was claimed, or one that it began by itself."""
    is_over: bool = False
    """Whether it is gone, but its end is not recorded yet."""
    in_hand: tuple[EventId, ...] = ()
    """The intents that it was given and whose outcome it has to report."""


@attrs.frozen(kw_only=True)
class SessionState:
    """What every state knows."""

    queue: tuple[Queued, ...] = ()
    """Turn starts and reverts, in the order of the log."""
    failures: int = 0
    """How often in a row an agent failed, since a turn of one ended."""
    agent: Agent | None = None


@attrs.frozen(kw_only=True)
class Idle(SessionState):
    """Nothing is under way. With an agent or without."""

    is_left_alone: bool = False
    """Whether no agent is started yet, because the last one failed."""


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
    """Something is under way."""

    waiting: tuple[Overtaking, ...] = ()
    is_withdrawn: bool = False
    """Whether the operation was cancelled, so that its reply only tells how far it came."""


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
    """The thread goes back to an earlier turn. The agent may be ended by that."""

    revert: RevertAsked


@attrs.frozen(kw_only=True)
class Unattended(AwaitingReply):
    """Reserved: a turn that outlived its host is being attached. Nothing leads here yet."""

    agent: Agent


@attrs.frozen(kw_only=True)
class Ended(SessionState):
    """The worker is done. Nothing follows."""


Calm: TypeAlias = Idle | Running | Interrupting

Awaiting: TypeAlias = Starting | Capturing | Claiming | HandingOver | Ending | Reverting | Unattended

State: TypeAlias = Calm | Awaiting | Ended


def is_at_rest(state: State) -> bool:
    """Whether nothing is left to do, and no agent lives: the worker may be let go."""
    return isinstance(state, Idle) and state.agent is None and not state.queue


def clocks_of(state: State) -> frozenset[Clock]:
    """The clocks that run in a state. What is under way has deadlines of its own."""
    match state:
        case Idle(agent=None, is_left_alone=True):
            return frozenset({"backoff"})
        case Idle(agent=Agent(resumes=True)):
            return frozenset({"heartbeat", "retirement"})
        case Running():
            return frozenset({"heartbeat", "silence"})
        case Interrupting():
            return frozenset({"heartbeat", "silence", "escalation"})
        case Starting() | Ended() | SessionState(agent=None):
            return frozenset()
        case _:
            return frozenset({"heartbeat"})
