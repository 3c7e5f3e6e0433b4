"""The rows of a session's transition table that are about steering messages and the order of waiting turns."""

from __future__ import annotations

from typing import Final

import attrs

from orchestrion.contracts.ids import EventId, TurnId
from orchestrion.domain.session import effects as do
from orchestrion.domain.session import inputs as on
from orchestrion.domain.session.states import Agent, Capturing, Ending, HandingOver, Idle, Interrupting, Running
from tests.support.session_rows import (
    AGENT,
    BUSY,
    CAPTURING,
    ENDED,
    HANDING_OVER,
    INTERRUPTING,
    RUNNING,
    STARTING,
    STOP,
    T1,
    T2,
    Row,
    turn,
)


def steer(number: int, turn_id: str | None = None) -> on.SteerAsked:
    """A steering message that was sent while this turn ran."""
    running = None if turn_id is None else TurnId(turn_id)
    return on.SteerAsked(event_id=EventId(f"steer-{number}"), sequence=number, turn_id=running)


def queued(one: on.SteerAsked, *, is_cancelled: bool = False) -> do.Settle:
    return do.Settle(one, do.SteerQueued(is_cancelled=is_cancelled))


STEER: Final = steer(80)
STEER_T1: Final = steer(81, "turn-1")
STEERED_BUSY: Final = attrs.evolve(BUSY, steers=True)
STEERED: Final = Running(agent=STEERED_BUSY)
T2_FIRST: Final = on.QueueOrdered((T2.turn_id, T1.turn_id))
LATE_T1: Final = attrs.evolve(T1, place=2)
EARLY_T2: Final = attrs.evolve(T2, place=1)

STEERING_ROWS: Final = (
    Row(given=Idle(), when=STEER, then=Idle(steers=(STEER,)), of="kept until the log is read to its head"),
    Row(
        given=Idle(steers=(STEER, STEER_T1)),
        when=on.CaughtUp(),
        then=Idle(),
        effects=(queued(STEER), queued(STEER_T1)),
        of="steering messages, no turn runs or is about to",
    ),
    Row(
        given=Idle(queue=(T1,), steers=(STEER, STEER_T1)),
        when=on.CaughtUp(),
        then=Idle(queue=(T1,), steers=(STEER,)),
        effects=(queued(STEER_T1),),
        of="a steering message for a turn that is over",
    ),
    Row(
        given=Idle(queue=(T1,), steers=(STEER,)),
        when=on.CaughtUp(),
        then=attrs.evolve(STARTING, steers=(STEER,)),
        effects=(do.StartAgent(T1),),
        of="a steering message that was sent while a turn was about to run",
    ),
    Row(
        given=Idle(queue=(T1,), steers=(STEER,), is_backing_off=True),
        when=on.CaughtUp(),
        then=Idle(queue=(T1,), is_backing_off=True),
        effects=(queued(STEER),),
        of="a steering message, and the last agent failed",
    ),
    Row(
        given=Idle(queue=(turn(95),), steers=(STEER,)),
        when=on.CaughtUp(),
        then=Idle(queue=(turn(95),)),
        effects=(queued(STEER),),
        of="a steering message that is older than the queue",
    ),
    Row(
        given=Idle(steers=(STEER, steer(99))),
        when=STOP,
        then=Idle(steers=(steer(99),)),
        effects=(queued(STEER, is_cancelled=True), do.Settle(STOP, do.SessionStopped(False))),
        of="older steering messages are cancelled",
    ),
    Row(given=STARTING, when=STEER, then=attrs.evolve(STARTING, steers=(STEER,)), of="waits for the turn at hand"),
    Row(
        given=CAPTURING,
        when=steer(81, "turn-0"),
        then=CAPTURING,
        effects=(queued(steer(81, "turn-0")),),
        of="for a turn that is over",
    ),
    Row(
        given=HandingOver(agent=STEERED_BUSY, turn=T1, steers=(STEER, STEER_T1)),
        when=on.HandedOver(),
        then=STEERED,
        effects=(do.Steer(STEER, T1.turn_id), do.Steer(STEER_T1, T1.turn_id)),
        of="steering messages waited",
    ),
    Row(given=STEERED, when=STEER_T1, then=STEERED, effects=(do.Steer(STEER_T1, T1.turn_id),)),
    Row(given=RUNNING, when=STEER_T1, then=RUNNING, effects=(queued(STEER_T1),), of="the agent cannot be steered"),
    Row(
        given=STEERED,
        when=steer(81, "turn-0"),
        then=STEERED,
        effects=(queued(steer(81, "turn-0")),),
        of="for a turn that is over",
    ),
    Row(given=RUNNING, when=on.SteerRefused(STEER_T1), then=RUNNING, effects=(queued(STEER_T1),)),
    Row(
        given=INTERRUPTING,
        when=STEER_T1,
        then=Interrupting(agent=INTERRUPTING.agent),
        effects=(queued(STEER_T1),),
        of="the turn is being ended",
    ),
    Row(
        given=attrs.evolve(HANDING_OVER, waiting=(STOP,), steers=(STEER,)),
        when=on.HandedOver(),
        then=Ending(agent=attrs.evolve(BUSY, has_had_turn=False, in_hand=(STOP.event_id,))),
        effects=(queued(STEER, is_cancelled=True), do.EndAgent(settles=STOP)),
        of="a stop waited; the older steering message is cancelled",
    ),
    Row(
        given=Ending(agent=ENDED),
        when=STEER,
        then=Ending(agent=ENDED, steers=(STEER,)),
        of="kept until the agent has ended",
    ),
    Row(given=Idle(queue=(T1, T2)), when=T2_FIRST, then=Idle(queue=(EARLY_T2, LATE_T1))),
    Row(
        given=attrs.evolve(STARTING, queue=(EARLY_T2,), turn=LATE_T1),
        when=on.AgentStarted(resumes=True),
        then=Idle(queue=(EARLY_T2, LATE_T1), agent=AGENT),
        of="another turn was put before it",
    ),
    Row(
        given=Capturing(queue=(EARLY_T2,), agent=AGENT, turn=LATE_T1),
        when=on.BaselineCaptured(),
        then=Idle(queue=(EARLY_T2, LATE_T1), agent=AGENT),
        effects=(do.ForgetBaseline(LATE_T1),),
        of="another turn was put before it",
    ),
    Row(
        given=STARTING,
        when=on.AgentStarted(resumes=True, steers=True),
        then=Capturing(agent=Agent(resumes=True, steers=True), turn=T1),
        effects=(do.CaptureBaseline(T1),),
        of="it can be steered",
    ),
)
