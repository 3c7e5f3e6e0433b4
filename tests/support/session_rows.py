"""The rows of a session's transition table, as examples: given a state, when an input comes, then the effects.

`tests/unit/domain/test_session.py` runs them, and `session_table` prints them into the documents.

One long table, because a table of transitions is best read in one piece.
"""

from __future__ import annotations

from typing import Final

import attrs

from orchestrion.contracts.ids import EventId, TurnId
from orchestrion.domain.session import effects as do
from orchestrion.domain.session import inputs as on
from orchestrion.domain.session.states import (
    Agent,
    Awaiting,
    Capturing,
    Claiming,
    Ending,
    Finished,
    HandingOver,
    Idle,
    Interrupting,
    Reverting,
    Running,
    Starting,
    State,
    Unattended,
)
from orchestrion.domain.session.transitions import NOT_WAITING


@attrs.frozen(kw_only=True)
class Row:
    """`of` narrows the state or the input in words, where their names do not distinguish the row from others."""

    given: State
    when: on.Input
    then: State
    effects: tuple[do.Effect, ...] = ()
    of: str = ""


def turn(number: int) -> on.TurnStartAsked:
    return on.TurnStartAsked(
        event_id=EventId(f"turn-start-{number}"), sequence=number, turn_id=TurnId(f"turn-{number}")
    )


def interrupt(number: int) -> on.InterruptAsked:
    """An interrupt of the turn of that number."""
    return on.InterruptAsked(event_id=EventId(f"interrupt-{number}"), sequence=90, turn_id=TurnId(f"turn-{number}"))


def held(agent: Agent, *intents: on.Intent) -> Agent:
    return attrs.evolve(agent, in_hand=tuple(one.event_id for one in intents))


T1: Final = turn(1)
T2: Final = turn(2)
REVERT: Final = on.RevertAsked(event_id=EventId("revert"), sequence=3)
I1: Final = interrupt(1)
I2: Final = interrupt(2)
ANSWER: Final = on.ResponseGiven(event_id=EventId("answer"), sequence=91)
STOP: Final = on.StopAsked(event_id=EventId("stop"), sequence=92)
FORGET: Final = on.StopAsked(event_id=EventId("forget"), sequence=93, forgets=True)
FAILURE: Final = on.Failure(message="it failed", reason="agent_crashed")
OWN: Final = TurnId("own-turn")

AGENT: Final = Agent(resumes=True)
USED: Final = Agent(resumes=True, has_had_turn=True)
FORGETFUL: Final = Agent(resumes=False, has_had_turn=True)
BUSY: Final = Agent(resumes=True, has_had_turn=True, turn=T1.turn_id)
OWN_BUSY: Final = Agent(resumes=True, has_had_turn=True, turn=OWN)
GONE: Final = attrs.evolve(AGENT, is_over=True)
ENDED: Final = Agent(resumes=True)
"""A used agent while it is ended: the loss of its conversation is reported once."""
ENDED_BUSY: Final = attrs.evolve(BUSY, has_had_turn=False)

STARTING: Final = Starting(turn=T1)
CAPTURING: Final = Capturing(agent=AGENT, turn=T1)
CLAIMING: Final = Claiming(agent=AGENT, turn=T1)
HANDING_OVER: Final = HandingOver(agent=BUSY, turn=T1)
RUNNING: Final = Running(agent=BUSY)
INTERRUPTING: Final = Interrupting(agent=held(BUSY, I1))
ENDING: Final = Ending(agent=ENDED)
REVERTING: Final = Reverting(revert=REVERT, agent=AGENT)
UNATTENDED: Final = Unattended(agent=BUSY)


def withdrawn(state: Awaiting, *waiting: on.Overtaking) -> State:
    return attrs.evolve(state, waiting=waiting, is_withdrawn=True)


def cancelled(one: on.Intent) -> do.Settle:
    return do.Settle(one, do.TurnCancelled())


def not_started(one: on.Intent) -> do.Settle:
    return do.Settle(one, do.TurnNotStarted(FAILURE))


UNDELIVERED: Final = do.Settle(ANSWER, do.ResponseUndelivered(NOT_WAITING))

_IDLE: Final = (
    Row(given=Idle(), when=T1, then=Idle(queue=(T1,)), of="any state: it queues"),
    Row(given=Idle(queue=(T2,)), when=REVERT, then=Idle(queue=(T2, REVERT)), of="any state: it queues"),
    Row(given=Idle(), when=on.CaughtUp(), then=Idle(), of="nothing queued"),
    Row(
        given=Idle(queue=(T1, T2)),
        when=on.CaughtUp(),
        then=Starting(queue=(T2,), turn=T1),
        effects=(do.StartAgent(T1),),
        of="a turn queued, no agent",
    ),
    Row(
        given=Idle(queue=(T1,), is_backing_off=True),
        when=on.CaughtUp(),
        then=Idle(queue=(T1,), is_backing_off=True),
        of="a turn queued, the last agent failed: the start waits",
    ),
    Row(
        given=Idle(queue=(T1,), agent=AGENT),
        when=on.CaughtUp(),
        then=Capturing(agent=AGENT, turn=T1),
        effects=(do.CaptureBaseline(T1),),
        of="a turn queued, an agent lives",
    ),
    Row(
        given=Idle(queue=(REVERT, T1), agent=AGENT),
        when=on.CaughtUp(),
        then=Reverting(queue=(T1,), revert=REVERT, agent=AGENT),
        effects=(do.RevertFiles(REVERT),),
        of="a revert queued",
    ),
    Row(
        given=Idle(queue=(REVERT,), agent=FORGETFUL),
        when=on.CaughtUp(),
        then=Reverting(revert=REVERT, agent=FORGETFUL),
        effects=(do.RevertFiles(REVERT, loses_conversation=True),),
        of="a revert queued, an agent lives that cannot resume",
    ),
    Row(given=Idle(is_backing_off=True), when=on.BackoffOver(), then=Idle()),
    Row(
        given=Idle(queue=(T1, T2)),
        when=I1,
        then=Idle(queue=(T2,)),
        effects=(cancelled(T1), do.Settle(I1, do.TurnTakenBack())),
        of="of a queued turn",
    ),
    Row(given=Idle(), when=I1, then=Idle(), effects=(do.Settle(I1, do.TurnWasOver()),), of="of any other turn"),
    Row(given=Idle(), when=ANSWER, then=Idle(), effects=(UNDELIVERED,), of="no agent"),
    Row(
        given=Idle(agent=AGENT),
        when=ANSWER,
        then=Idle(agent=held(AGENT, ANSWER)),
        effects=(do.Answer(ANSWER),),
        of="an agent lives",
    ),
    Row(
        given=Idle(queue=(T1, REVERT, turn(95))),
        when=STOP,
        then=Idle(queue=(REVERT, turn(95))),
        effects=(cancelled(T1), do.Settle(STOP, do.SessionStopped(False))),
        of="no agent; older turns are cancelled",
    ),
    Row(
        given=Idle(queue=(T1,), agent=USED),
        when=STOP,
        then=Ending(agent=held(ENDED, STOP)),
        effects=(cancelled(T1), do.EndAgent(settles=STOP)),
        of="an agent lives; older turns are cancelled",
    ),
    Row(
        given=Idle(agent=FORGETFUL),
        when=FORGET,
        then=Ending(agent=held(Agent(resumes=False), FORGET)),
        effects=(do.EndAgent(),),
        of="that forgets: settled without the agent",
    ),
    Row(given=Idle(queue=(T1,)), when=on.ThreadWasDeleted(), then=Finished(queue=(T1,)), of="no agent"),
    Row(
        given=Idle(agent=AGENT),
        when=on.ThreadWasDeleted(),
        then=Ending(agent=ENDED, waiting=(on.ThreadWasDeleted(),)),
        effects=(do.EndAgent(),),
        of="an agent lives",
    ),
    Row(given=Idle(queue=(T1,)), when=on.RuntimeStops(), then=Finished(queue=(T1,)), of="no agent"),
    Row(
        given=Idle(agent=FORGETFUL),
        when=on.RuntimeStops(),
        then=Ending(agent=Agent(resumes=False), waiting=(on.RuntimeStops(),)),
        effects=(do.EndAgent(loses_conversation=True),),
        of="an agent lives that cannot resume",
    ),
    Row(given=Idle(agent=AGENT), when=on.OwnTurnBegan(OWN), then=Running(agent=OWN_BUSY)),
    Row(given=Idle(agent=USED), when=on.AgentOver(), then=Ending(agent=GONE), effects=(do.EndAgent(),)),
    Row(
        given=Idle(agent=AGENT),
        when=on.RetirementDue(commands_run=True),
        then=Idle(agent=AGENT),
        effects=(do.PutOffRetirement(),),
        of="a command of the agent runs",
    ),
    Row(
        given=Idle(agent=AGENT, queue=(T1,)),
        when=on.RetirementDue(commands_run=False),
        then=Idle(agent=AGENT, queue=(T1,)),
        of="something is queued",
    ),
    Row(
        given=Idle(agent=USED),
        when=on.RetirementDue(commands_run=False),
        then=Ending(agent=ENDED),
        effects=(do.EndAgent(),),
    ),
    Row(
        given=Idle(agent=held(AGENT, ANSWER)),
        when=on.AnswerFailed(intent=ANSWER, failure=FAILURE, is_open=True),
        then=Idle(agent=AGENT),
        effects=(do.Settle(ANSWER, do.ResponseUndelivered(FAILURE)), do.CloseRequest(ANSWER)),
        of="the agent still waits",
    ),
    Row(
        given=Idle(agent=held(AGENT, ANSWER)),
        when=on.AnswerFailed(intent=ANSWER, failure=FAILURE, is_open=False),
        then=Idle(agent=AGENT),
        effects=(do.Settle(ANSWER, do.ResponseUndelivered(FAILURE)),),
        of="the agent waits no longer",
    ),
    Row(
        given=Idle(agent=AGENT),
        when=on.InterruptFailed(intent=I1, failure=FAILURE),
        then=Idle(agent=AGENT),
        of="not held by the agent any more",
    ),
    Row(
        given=Idle(agent=USED),
        when=on.AgentUnanswerable(FAILURE),
        then=Ending(agent=ENDED),
        effects=(do.Report(of="agent", failure=FAILURE), do.EndAgent()),
        of="an agent lives",
    ),
    Row(given=Idle(), when=on.AgentUnanswerable(FAILURE), then=Idle(), of="no agent"),
)

_PREPARING: Final = (
    Row(
        given=attrs.evolve(STARTING, queue=(T2,)),
        when=on.AgentStarted(resumes=True),
        then=Capturing(queue=(T2,), agent=AGENT, turn=T1),
        effects=(do.CaptureBaseline(T1),),
    ),
    Row(
        given=withdrawn(STARTING, I1),
        when=on.AgentStarted(resumes=True),
        then=Idle(agent=AGENT),
        effects=(cancelled(T1), do.Settle(I1, do.TurnTakenBack())),
        of="it started although it was withdrawn",
    ),
    Row(
        given=STARTING,
        when=on.StartFailed(FAILURE),
        then=Idle(failures=1, is_backing_off=True),
        effects=(not_started(T1),),
    ),
    Row(given=STARTING, when=on.TurnImpossible(FAILURE), then=Idle(), effects=(not_started(T1),)),
    Row(given=STARTING, when=on.ThreadMissing(), then=Idle()),
    Row(
        given=withdrawn(STARTING, STOP),
        when=on.Withdrawn(),
        then=Idle(),
        effects=(cancelled(T1), do.Settle(STOP, do.SessionStopped(False))),
        of="what waited is performed",
    ),
    Row(given=STARTING, when=ANSWER, then=STARTING, effects=(UNDELIVERED,)),
    Row(
        given=STARTING,
        when=I1,
        then=withdrawn(STARTING, I1),
        effects=(do.Withdraw(),),
        of="of the turn at hand",
    ),
    Row(
        given=attrs.evolve(STARTING, queue=(T2,)),
        when=I2,
        then=STARTING,
        effects=(cancelled(T2), do.Settle(I2, do.TurnTakenBack())),
        of="of a queued turn: the start goes on",
    ),
    Row(given=STARTING, when=STOP, then=withdrawn(STARTING, STOP), effects=(do.Withdraw(),)),
    Row(
        given=STARTING,
        when=on.ThreadWasDeleted(),
        then=withdrawn(STARTING, on.ThreadWasDeleted()),
        effects=(do.Withdraw(),),
    ),
    Row(
        given=withdrawn(STARTING, STOP),
        when=on.RuntimeStops(),
        then=withdrawn(STARTING, STOP, on.RuntimeStops()),
        of="withdrawn already",
    ),
    Row(given=STARTING, when=on.CaughtUp(), then=STARTING),
    Row(
        given=STARTING,
        when=on.AnswerFailed(intent=ANSWER, failure=FAILURE, is_open=False),
        then=STARTING,
        of="no longer in an agent's hands",
    ),
    Row(given=CAPTURING, when=on.BaselineCaptured(), then=CLAIMING, effects=(do.Claim(T1),)),
    Row(
        given=withdrawn(CAPTURING, I1),
        when=on.BaselineCaptured(),
        then=Idle(agent=AGENT),
        effects=(do.ForgetBaseline(T1), cancelled(T1), do.Settle(I1, do.TurnTakenBack())),
        of="it was captured although it was withdrawn",
    ),
    Row(
        given=attrs.evolve(CAPTURING, agent=OWN_BUSY, is_stale=True),
        when=on.BaselineCaptured(),
        then=Running(agent=OWN_BUSY, queue=(T1,)),
        of="the agent began a turn by itself",
    ),
    Row(
        given=CAPTURING,
        when=on.WorkspaceMoved(),
        then=Ending(agent=ENDED, queue=(T1,)),
        effects=(do.EndAgent(),),
    ),
    Row(
        given=attrs.evolve(CAPTURING, agent=OWN_BUSY),
        when=on.WorkspaceMoved(),
        then=Running(agent=OWN_BUSY, queue=(T1,)),
        of="the agent began a turn by itself",
    ),
    Row(given=CAPTURING, when=on.TurnImpossible(FAILURE), then=Idle(agent=AGENT), effects=(not_started(T1),)),
    Row(given=CAPTURING, when=on.ThreadMissing(), then=Idle(agent=AGENT)),
    Row(
        given=withdrawn(CAPTURING, ANSWER),
        when=on.Withdrawn(),
        then=Idle(agent=held(AGENT, ANSWER), queue=(T1,)),
        effects=(do.Answer(ANSWER),),
        of="what waited is performed",
    ),
    Row(given=CAPTURING, when=on.OwnTurnBegan(OWN), then=attrs.evolve(CAPTURING, agent=OWN_BUSY, is_stale=True)),
    Row(
        given=attrs.evolve(CAPTURING, agent=OWN_BUSY),
        when=on.TurnEnded(OWN),
        then=attrs.evolve(CAPTURING, agent=USED),
        effects=(do.CaptureEnd(OWN),),
        of="of the agent's own turn",
    ),
    Row(given=CAPTURING, when=on.AgentOver(), then=attrs.evolve(CAPTURING, agent=GONE)),
    Row(given=CAPTURING, when=ANSWER, then=withdrawn(CAPTURING, ANSWER), effects=(do.Withdraw(),)),
    Row(given=CAPTURING, when=STOP, then=withdrawn(CAPTURING, STOP), effects=(do.Withdraw(),)),
    Row(given=CLAIMING, when=on.Claimed(), then=HANDING_OVER, effects=(do.HandOver(T1),)),
    Row(given=CLAIMING, when=on.ClaimVoid(), then=Idle(agent=AGENT), effects=(do.ForgetBaseline(T1),)),
    Row(
        given=attrs.evolve(CLAIMING, agent=OWN_BUSY),
        when=on.AgentBusy(),
        then=Running(agent=OWN_BUSY, queue=(T1,)),
        of="with its own turn, which runs",
    ),
    Row(
        given=CLAIMING,
        when=on.AgentBusy(),
        then=Idle(agent=AGENT, queue=(T1,)),
        effects=(do.ForgetBaseline(T1),),
        of="with its own turn, which is over",
    ),
    Row(
        given=CLAIMING,
        when=on.AgentLost(FAILURE),
        then=Ending(agent=GONE),
        effects=(not_started(T1), do.ForgetBaseline(T1), do.EndAgent()),
    ),
    Row(given=CLAIMING, when=I1, then=attrs.evolve(CLAIMING, waiting=(I1,)), of="of the turn at hand"),
    Row(given=CLAIMING, when=STOP, then=attrs.evolve(CLAIMING, waiting=(STOP,))),
)

_WITH_TURN: Final = (
    Row(given=HANDING_OVER, when=on.HandedOver(), then=RUNNING),
    Row(
        given=attrs.evolve(HANDING_OVER, waiting=(I1,)),
        when=on.HandedOver(),
        then=INTERRUPTING,
        effects=(do.InterruptAgent(intent=I1, is_first=True),),
        of="an interrupt waits",
    ),
    Row(
        given=attrs.evolve(HANDING_OVER, agent=USED),
        when=on.HandedOver(),
        then=Idle(agent=USED),
        of="the turn is over already",
    ),
    Row(
        given=HANDING_OVER,
        when=on.HandOverFailed(failure=FAILURE, is_lost=False),
        then=RUNNING,
        effects=(do.Report(of="turn", failure=FAILURE),),
        of="the agent lives",
    ),
    Row(
        given=HANDING_OVER,
        when=on.HandOverFailed(failure=FAILURE, is_lost=True),
        then=Ending(agent=attrs.evolve(ENDED_BUSY, is_over=True)),
        effects=(do.Report(of="turn", failure=FAILURE), do.EndAgent()),
        of="the agent is lost",
    ),
    Row(
        given=attrs.evolve(HANDING_OVER, agent=OWN_BUSY),
        when=on.HandOverFailed(failure=FAILURE, is_lost=False),
        then=Running(agent=OWN_BUSY),
        of="the turn is over, one of the agent's own runs",
    ),
    Row(
        given=HANDING_OVER,
        when=on.TurnEnded(T1.turn_id),
        then=attrs.evolve(HANDING_OVER, agent=USED),
        effects=(do.CaptureEnd(T1.turn_id),),
    ),
    Row(given=HANDING_OVER, when=I1, then=attrs.evolve(HANDING_OVER, waiting=(I1,)), of="of the turn at hand"),
    Row(given=RUNNING, when=on.CaughtUp(), then=RUNNING),
    Row(
        given=RUNNING,
        when=I1,
        then=INTERRUPTING,
        effects=(do.InterruptAgent(intent=I1, is_first=True),),
        of="of the running turn",
    ),
    Row(
        given=attrs.evolve(RUNNING, queue=(T2,)),
        when=I2,
        then=RUNNING,
        effects=(cancelled(T2), do.Settle(I2, do.TurnTakenBack())),
        of="of a queued turn",
    ),
    Row(given=RUNNING, when=ANSWER, then=Running(agent=held(BUSY, ANSWER)), effects=(do.Answer(ANSWER),)),
    Row(
        given=attrs.evolve(RUNNING, queue=(T2,)),
        when=STOP,
        then=Ending(agent=held(ENDED_BUSY, STOP)),
        effects=(cancelled(T2), do.EndAgent(settles=STOP)),
    ),
    Row(
        given=RUNNING,
        when=on.ThreadWasDeleted(),
        then=Ending(agent=ENDED_BUSY, waiting=(on.ThreadWasDeleted(),)),
        effects=(do.EndAgent(),),
    ),
    Row(
        given=RUNNING,
        when=on.RuntimeStops(),
        then=Ending(agent=ENDED_BUSY, waiting=(on.RuntimeStops(),)),
        effects=(do.EndAgent(),),
    ),
    Row(
        given=attrs.evolve(RUNNING, failures=2),
        when=on.TurnEnded(T1.turn_id),
        then=Idle(agent=USED),
        effects=(do.CaptureEnd(T1.turn_id),),
    ),
    Row(
        given=RUNNING,
        when=on.AgentOver(),
        then=Ending(agent=attrs.evolve(ENDED_BUSY, is_over=True)),
        effects=(do.EndAgent(),),
    ),
    Row(
        given=RUNNING,
        when=on.SilenceDue(FAILURE),
        then=Ending(agent=ENDED_BUSY),
        effects=(do.Report(of="agent", failure=FAILURE), do.EndAgent()),
    ),
    Row(
        given=Running(agent=held(BUSY, ANSWER)),
        when=on.AnswerFailed(intent=ANSWER, failure=FAILURE, is_open=True),
        then=RUNNING,
        effects=(do.Settle(ANSWER, do.ResponseUndelivered(FAILURE)), do.CloseRequest(ANSWER)),
        of="the agent still waits",
    ),
    Row(
        given=RUNNING,
        when=on.AgentUnanswerable(FAILURE),
        then=Ending(agent=ENDED_BUSY),
        effects=(do.Report(of="agent", failure=FAILURE), do.EndAgent()),
    ),
    Row(
        given=RUNNING,
        when=on.InterruptFailed(intent=I2, failure=FAILURE),
        then=RUNNING,
        of="not held by the agent any more",
    ),
    Row(given=INTERRUPTING, when=on.CaughtUp(), then=INTERRUPTING),
    Row(
        given=INTERRUPTING,
        when=attrs.evolve(I1, event_id=EventId("again")),
        then=Interrupting(agent=held(BUSY, I1, attrs.evolve(I1, event_id=EventId("again")))),
        effects=(do.InterruptAgent(intent=attrs.evolve(I1, event_id=EventId("again")), is_first=False),),
        of="of the running turn: asked once more",
    ),
    Row(
        given=INTERRUPTING,
        when=on.InterruptFailed(intent=I1, failure=FAILURE),
        then=Interrupting(agent=BUSY),
        effects=(do.Settle(I1, do.InterruptRefused(FAILURE)),),
        of="the deadline goes on",
    ),
    Row(
        given=INTERRUPTING,
        when=on.EscalationDue(FAILURE),
        then=Ending(agent=held(ENDED_BUSY, I1)),
        effects=(do.Report(of="interrupt", failure=FAILURE), do.EndAgent()),
    ),
    Row(
        given=INTERRUPTING,
        when=on.TurnEnded(T1.turn_id),
        then=Idle(agent=USED),
        effects=(do.CaptureEnd(T1.turn_id), do.ReadAgain((I1.event_id,))),
    ),
    Row(given=INTERRUPTING, when=ANSWER, then=Interrupting(agent=held(BUSY, I1, ANSWER)), effects=(do.Answer(ANSWER),)),
    Row(
        given=INTERRUPTING,
        when=STOP,
        then=Ending(agent=held(ENDED_BUSY, I1, STOP)),
        effects=(do.EndAgent(settles=STOP),),
    ),
)

_ENDS: Final = (
    Row(
        given=Ending(agent=held(ENDED_BUSY, STOP)),
        when=on.AgentEnded(has_failed=False),
        then=Idle(),
        effects=(do.CaptureEnd(T1.turn_id), do.ReadAgain((STOP.event_id,))),
        of="a turn ran",
    ),
    Row(
        given=attrs.evolve(ENDING, failures=1),
        when=on.AgentEnded(has_failed=True),
        then=Idle(failures=2, is_backing_off=True),
        of="the agent failed",
    ),
    Row(
        given=attrs.evolve(ENDING, waiting=(STOP, on.RuntimeStops())),
        when=on.AgentEnded(has_failed=False),
        then=Finished(),
        of="the thread or the runtime ends: what else waits stays open",
    ),
    Row(
        given=Ending(agent=ENDED_BUSY),
        when=on.TurnEnded(T1.turn_id),
        then=Ending(agent=ENDED),
        effects=(do.CaptureEnd(T1.turn_id),),
    ),
    Row(given=ENDING, when=on.OwnTurnBegan(OWN), then=Ending(agent=OWN_BUSY)),
    Row(given=ENDING, when=on.AgentOver(), then=Ending(agent=GONE)),
    Row(given=ENDING, when=on.AgentUnanswerable(FAILURE), then=ENDING),
    Row(
        given=Ending(agent=held(ENDED_BUSY, ANSWER)),
        when=on.AnswerFailed(intent=ANSWER, failure=FAILURE, is_open=True),
        then=Ending(agent=ENDED_BUSY),
        effects=(do.Settle(ANSWER, do.ResponseUndelivered(FAILURE)),),
    ),
    Row(given=ENDING, when=STOP, then=attrs.evolve(ENDING, waiting=(STOP,))),
    Row(given=attrs.evolve(REVERTING, queue=(T2,)), when=on.RevertDone(), then=Idle(queue=(T2,), agent=AGENT)),
    Row(
        given=withdrawn(REVERTING, STOP),
        when=on.Withdrawn(),
        then=Ending(agent=held(ENDED, STOP)),
        effects=(do.ReadAgain((REVERT.event_id,)), do.EndAgent(settles=STOP)),
        of="a stop waited; the revert is done after it",
    ),
    Row(
        given=attrs.evolve(REVERTING, agent=held(USED, ANSWER)),
        when=on.AgentEnded(has_failed=False),
        then=Reverting(revert=REVERT),
        effects=(do.ReadAgain((ANSWER.event_id,)),),
    ),
    Row(given=REVERTING, when=STOP, then=withdrawn(REVERTING, STOP), effects=(do.Withdraw(),)),
    Row(
        given=attrs.evolve(REVERTING, queue=(T2,)),
        when=I2,
        then=REVERTING,
        effects=(cancelled(T2), do.Settle(I2, do.TurnTakenBack())),
        of="of a queued turn: the revert goes on",
    ),
    Row(given=UNATTENDED, when=on.Attached(), then=RUNNING, of="reserved"),
    Row(
        given=UNATTENDED,
        when=on.AttachRefused(),
        then=Idle(),
        effects=(do.CaptureEnd(T1.turn_id),),
        of="reserved",
    ),
    Row(given=UNATTENDED, when=STOP, then=attrs.evolve(UNATTENDED, waiting=(STOP,)), of="reserved"),
)

TURN_ROWS: Final = (*_IDLE, *_PREPARING, *_WITH_TURN, *_ENDS)
