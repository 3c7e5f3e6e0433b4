"""What a session's worker performs, as data. Each names the replies that follow it as inputs."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from ...contracts.ids import EventId, TurnId
from .inputs import Failure, Intent, InterruptAsked, ResponseGiven, RevertAsked, SteerAsked, StopAsked, TurnStartAsked

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
    """Cancel the current operation. It may still reply with its success."""


# Awaited in line, each within a deadline.


@attrs.frozen
class Claim:
    """Open the turn by a commit. `Claimed`, `ClaimVoid`, `AgentBusy` or `AgentLost`."""

    turn: TurnStartAsked


@attrs.frozen
class HandOver:
    """`HandedOver` or `HandOverFailed`."""

    turn: TurnStartAsked


@attrs.frozen
class Steer:
    """Send the message into the running turn. `SteerRefused`, or no reply: the message is recorded as taken."""

    intent: SteerAsked
    turn_id: TurnId


@attrs.frozen(kw_only=True)
class InterruptAgent:
    """Ask the agent to end its turn. `InterruptFailed`, or no reply, also if the turn has ended."""

    intent: InterruptAsked
    is_first: bool
    """Whether the end of the turn is this intent's outcome."""


@attrs.frozen
class Answer:
    """Deliver a decision. `AnswerFailed`, or no reply: the agent's report is the intent's outcome."""

    intent: ResponseGiven


@attrs.frozen
class CloseRequest:
    """Close a request whose answer was not delivered. `AgentUnanswerable`, or no reply."""

    intent: ResponseGiven


@attrs.frozen(kw_only=True)
class EndAgent:
    """End the agent and record it. `AgentEnded`."""

    settles: StopAsked | None = None
    """The intent whose outcome the end is."""
    loses_conversation: bool = False
    """Whether the loss of the conversation is recorded in the history."""


# Without a reply.


@attrs.frozen
class ForgetBaseline:
    """Release the workspace of a turn that does not run after all."""

    turn: TurnStartAsked


@attrs.frozen
class CaptureEnd:
    """Ask for the workspace to be captured as the turn left it."""

    turn_id: TurnId


@attrs.frozen(kw_only=True)
class Report:
    """Record a failure of the agent's turn, of the agent, or of an interrupt, which ends neither by itself."""

    of: Literal["turn", "agent", "interrupt"]
    failure: Failure


@attrs.frozen
class ReadAgain:
    """Read these intents from the log again. Those that the agent settled are not open any more."""

    intents: tuple[EventId, ...]


@attrs.frozen
class PutOffRetirement:
    """Count the agent as busy while a command that it started runs."""


# The outcomes that the worker records, where no report of the agent is the outcome.


@attrs.frozen
class TurnCancelled:
    pass


@attrs.frozen
class TurnNotStarted:
    failure: Failure


@attrs.frozen
class SteerQueued:
    """The message becomes the next turn."""

    is_cancelled: bool = False
    """Whether a stop cancels that turn."""


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
    | SteerQueued
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
    | Steer
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
