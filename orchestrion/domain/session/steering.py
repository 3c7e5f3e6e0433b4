"""Where steering messages go: into the running turn, or to the front of the queue."""

from __future__ import annotations

import attrs

from .effects import Effect, Settle, Steer, SteerQueued
from .inputs import SteerAsked, StopAsked, TurnStartAsked
from .shared import Step
from .states import Capturing, Claiming, HandingOver, Idle, Interrupting, Running, Starting, State


def place_steers(state: State) -> Step:
    """Send each steering message into the turn that runs, or queue it; keep those whose turn is about to run."""
    match state:
        case Running(steers=(_, *_)):
            effects = tuple(_steer(one, state) for one in state.steers)
            return attrs.evolve(state, steers=()), effects
        case Interrupting():
            return queue_steers(state, state.steers)
        case Starting() | Capturing() | Claiming() | HandingOver():
            late = tuple(one for one in state.steers if one.turn_id not in (None, state.turn.turn_id))
            return queue_steers(state, late)
        case _:
            return state, ()


def _steer(one: SteerAsked, state: Running) -> Effect:
    running = state.agent.turn
    if running is None or not state.agent.steers or one.turn_id not in (None, running):
        return Settle(one, SteerQueued())
    return Steer(one, running)


def queue_steers(state: State, which: tuple[SteerAsked, ...]) -> Step:
    """Make these steering messages the next turns, in their order."""
    if not which:
        return state, ()  # the same state: a worker continues as long as its state changes
    kept = tuple(one for one in state.steers if one not in which)
    return attrs.evolve(state, steers=kept), tuple(Settle(one, SteerQueued()) for one in which)


def steers_before_turn(state: Idle) -> tuple[SteerAsked, ...]:
    """The steering messages that become turns before the queue goes on.

    One that was sent while the first queued turn was about to run waits for that turn.
    """
    first = state.queue[0] if state.queue else None
    if not isinstance(first, TurnStartAsked) or (state.agent is None and state.is_backing_off):
        return state.steers
    return tuple(one for one in state.steers if one.turn_id is not None or one.sequence < first.sequence)


def cancel_steers(state: State, stop: StopAsked) -> tuple[Effect, ...]:
    """Cancel the steering messages that are older than a stop, as queued turns are."""
    older = (one for one in state.steers if one.sequence < stop.sequence)
    return tuple(Settle(one, SteerQueued(is_cancelled=True)) for one in older)
