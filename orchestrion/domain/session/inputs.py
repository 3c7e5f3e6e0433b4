"""The inputs of a session: intents from the log, replies to effects, reports of the agent, expired clocks."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ...contracts.ids import EventId, TurnId
from ...contracts.values import FailureReason


@attrs.frozen(kw_only=True)
class Failure:
    """Why something failed, as the thread's history shows it."""

    message: str
    reason: FailureReason = "unknown"
    is_refused_resume: bool = False
    login: tuple[str, ...] = ()
    """The commands that log in, where a login is missing."""


# Intents, one by one as they are read from the log.


@attrs.frozen(kw_only=True)
class Intent:
    """An event that asks for a side effect. It is open until an event names it as its cause."""

    event_id: EventId
    sequence: int


@attrs.frozen(kw_only=True)
class TurnStartAsked(Intent):
    turn_id: TurnId
    place: int = attrs.Factory(lambda self: self.sequence, takes_self=True)
    """Its place among the waiting turns."""


@attrs.frozen(kw_only=True)
class RevertAsked(Intent):
    pass


@attrs.frozen(kw_only=True)
class SteerAsked(Intent):
    """A message for the turn that ran when it was sent; None if none did."""

    turn_id: TurnId | None


@attrs.frozen
class QueueOrdered:
    """The order of the waiting turns. Those that it does not name come later."""

    turn_ids: tuple[TurnId, ...]


@attrs.frozen(kw_only=True)
class InterruptAsked(Intent):
    turn_id: TurnId


@attrs.frozen(kw_only=True)
class ResponseGiven(Intent):
    """A user's decision on an approval request."""


@attrs.frozen(kw_only=True)
class StopAsked(Intent):
    forgets: bool = False
    """Whether the thread is to continue without its conversation."""


@attrs.frozen
class CaughtUp:
    """Every intent up to the head of the log was passed: the next queued one may begin."""


@attrs.frozen
class ThreadWasDeleted:
    pass


@attrs.frozen
class RuntimeStops:
    pass


# Replies to the effects that take long: `StartAgent`, `CaptureBaseline`, `RevertFiles`, `Attach`.


@attrs.frozen(kw_only=True)
class AgentStarted:
    resumes: bool
    """Whether another process can resume its conversation."""
    steers: bool = False
    """Whether it can take a message into its running turn."""


@attrs.frozen
class StartFailed:
    """The agent did not start."""

    failure: Failure


@attrs.frozen
class BaselineCaptured:
    pass


@attrs.frozen
class WorkspaceMoved:
    """The agent works in a directory that is no longer the thread's."""


@attrs.frozen
class TurnImpossible:
    """The turn cannot run with any agent: its workspace is missing, or its message cannot be read."""

    failure: Failure


@attrs.frozen
class ThreadMissing:
    """The thread is deleted."""


@attrs.frozen
class RevertDone:
    """The request to revert is settled: performed or refused."""


@attrs.frozen
class Withdrawn:
    """The operation was cancelled before it took effect."""


@attrs.frozen
class Attached:
    pass


@attrs.frozen
class AttachRefused:
    """The agent has ended or cannot be attached: its turn was settled as interrupted."""


# Replies to the effects that are awaited in line.


@attrs.frozen
class Claimed:
    pass


@attrs.frozen
class ClaimVoid:
    """The commit was rejected: the thread is deleted."""


@attrs.frozen
class AgentBusy:
    """The agent has begun a turn by itself since the baseline was captured."""


@attrs.frozen
class AgentLost:
    """Nothing was claimed: the agent has ended, or another session is the thread's current one."""

    failure: Failure


@attrs.frozen
class HandedOver:
    pass


@attrs.frozen(kw_only=True)
class HandOverFailed:
    failure: Failure
    is_lost: bool
    """Whether the agent has ended, or it is unknown whether it has the turn."""


@attrs.frozen
class SteerRefused:
    """The agent did not take the message into its turn: the turn has ended, or the agent refused."""

    intent: SteerAsked


@attrs.frozen(kw_only=True)
class InterruptFailed:
    intent: InterruptAsked
    failure: Failure


@attrs.frozen(kw_only=True)
class AnswerFailed:
    intent: ResponseGiven
    failure: Failure
    is_open: bool
    """Whether the agent still waits for an answer to the request."""


@attrs.frozen
class AgentUnanswerable:
    """It is unknown whether the agent has an answer, or a request cannot be closed: the agent is not usable."""

    failure: Failure


@attrs.frozen(kw_only=True)
class AgentEnded:
    """The agent has ended, and its end is recorded."""

    has_failed: bool


# Reports of the agent.


@attrs.frozen
class OwnTurnBegan:
    """The agent began a turn by itself, which was opened."""

    turn_id: TurnId


@attrs.frozen
class TurnEnded:
    """The end of the running turn is recorded."""

    turn_id: TurnId


@attrs.frozen
class AgentOver:
    """The agent has ended. Its end is not recorded yet."""


# Clocks.


@attrs.frozen
class BackoffOver:
    pass


@attrs.frozen
class EscalationDue:
    """The agent did not end its turn in time after it was interrupted."""

    failure: Failure


@attrs.frozen
class SilenceDue:
    """The agent sent nothing for too long during a turn."""

    failure: Failure


@attrs.frozen(kw_only=True)
class RetirementDue:
    """The agent had no turn for a long time."""

    commands_run: bool
    """Whether a command that the agent started still runs."""


Queued: TypeAlias = TurnStartAsked | RevertAsked
"""Performed one at a time, in the order of the log."""

Leave: TypeAlias = ThreadWasDeleted | RuntimeStops

Overtaking: TypeAlias = InterruptAsked | ResponseGiven | StopAsked | Leave
"""Performed before queued intents that are older."""

AgentReport: TypeAlias = OwnTurnBegan | TurnEnded | AgentOver

Reply: TypeAlias = (
    AgentStarted
    | StartFailed
    | BaselineCaptured
    | WorkspaceMoved
    | TurnImpossible
    | ThreadMissing
    | RevertDone
    | Withdrawn
    | Attached
    | AttachRefused
    | Claimed
    | ClaimVoid
    | AgentBusy
    | AgentLost
    | HandedOver
    | HandOverFailed
    | SteerRefused
    | InterruptFailed
    | AnswerFailed
    | AgentUnanswerable
    | AgentEnded
)

ClockInput: TypeAlias = BackoffOver | EscalationDue | SilenceDue | RetirementDue

Input: TypeAlias = Queued | SteerAsked | QueueOrdered | Overtaking | CaughtUp | Reply | AgentReport | ClockInput
