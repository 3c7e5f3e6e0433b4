"""What a session's worker performs, as data. Each names the replies that follow it as inputs."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ...contracts.ids import EventId, TurnId
from .inputs import Failure, Intent, InterruptAsked, ResponseGiven, RevertAsked, StopAsked, TurnStartAsked

# Operations: one at a time, each in a cancel scope of its own.


@attrs.frozen
class StartAgent:
    """`AgentStarted`, `StartFailed`, `TurnImpossible`, `ThreadMissing` or `Withdrawn`."""

    turn: TurnStartAsked


@attrs.frozen
class CaptureBaseline:
    """`BaselineCaptured`, `WorkspaceMoved`, `TurnImpossible`, `ThreadMissing` or `Withdrawn`."""

    turn: TurnStartAsked


@attrs.frozen
class RevertFiles:
    """`RevertDone` or `Withdrawn`; before it `AgentEnded`, where the revert ended the agent."""

    revert: RevertAsked
    loses_conversation: bool = False
    """As for `EndAgent`."""


@attrs.frozen
class Attach:
    """Reserved for turns that outlive their host. `Attached` or `AttachRefused`."""

    turn_id: TurnId


@attrs.frozen
class Withdraw:
    """Cancel the operation under way. What it replies then may still be its success."""


# Awaited in line, each within a bound.


@attrs.frozen
class Claim:
    """Open the turn by a commit. `Claimed`, `ClaimVoid`, `AgentBusy` or `AgentLost`."""

    turn: TurnStartAsked


@attrs.frozen
class HandOver:
    """`HandedOver` or `HandOverFailed`."""

    turn: TurnStartAsked


@attrs.frozen(kw_only=True)
class InterruptAgent:
    """Ask the agent to end its turn. `InterruptFailed`, or nothing: also where the turn is over by then."""

    intent: InterruptAsked
    is_first: bool
    """Whether the end of the turn is this intent's outcome."""


@attrs.frozen
class Answer:
    """Deliver a decision. `AnswerFailed`, or nothing: the agent's report is the intent's outcome."""

    intent: ResponseGiven


@attrs.frozen
class CloseRequest:
    """Leave no request open whose answer was not delivered. `AgentUnanswerable`, or nothing."""

    intent: ResponseGiven


@attrs.frozen(kw_only=True)
class EndAgent:
    """End the agent and record it. `AgentEnded`."""

    settles: StopAsked | None = None
    """The intent whose outcome the end is."""
    loses_conversation: bool = False
    """Whether the history says that the conversation is lost."""


# Without a reply.


@attrs.frozen
class ForgetBaseline:
    """The turn does not run after all: it is not at work in its workspace."""

    turn: TurnStartAsked


@attrs.frozen
class CaptureEnd:
    """Ask for the workspace to be captured as the turn left it."""

    turn_id: TurnId


@attrs.frozen(kw_only=True)
class Report:
    """Record a failure in the agent's name: that of its turn, that of the agent, or one that ends neither by itself."""

    of: Literal["turn", "agent", "interrupt"]
    failure: Failure


@attrs.frozen
class ReadAgain:
    """These intents were given to the agent. Those that it did not settle are given again, after what is newer."""

    intents: tuple[EventId, ...]


@attrs.frozen
class PutOffRetirement:
    """The agent is not idle while a command that it started runs."""


# How an intent is settled when no report of the agent settles it.


@attrs.frozen
class TurnCancelled:
    pass


@attrs.frozen
class TurnNotStarted:
    failure: Failure


@attrs.frozen
class TurnTakenBack:
    """The interrupted turn was queued."""


@attrs.frozen
class TurnWasOver:
    """The interrupted turn is over, or was never this thread's."""


@attrs.frozen
class InterruptRefused:
    failure: Failure


@attrs.frozen
class ResponseUndelivered:
    failure: Failure


@attrs.frozen
class SessionStopped:
    forgets: bool


Outcome: TypeAlias = (
    TurnCancelled
    | TurnNotStarted
    | TurnTakenBack
    | TurnWasOver
    | InterruptRefused
    | ResponseUndelivered
    | SessionStopped
)


@attrs.frozen
class Settle:
    """Record an intent's outcome."""

    intent: Intent
    outcome: Outcome


Operation: TypeAlias = StartAgent | CaptureBaseline | RevertFiles | Attach

Effect: TypeAlias = (
    Operation
    | Withdraw
    | Claim
    | HandOver
    | InterruptAgent
    | Answer
    | CloseRequest
    | EndAgent
    | ForgetBaseline
    | CaptureEnd
    | Report
    | ReadAgain
    | PutOffRetirement
    | Settle
)
