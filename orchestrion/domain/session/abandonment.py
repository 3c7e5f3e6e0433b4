"""What a session goes on from when its worker failed, in the middle of whatever it did."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .effects import Effect
from .inputs import AgentEnded, AgentOver, AgentStarted, Claimed, Input, OwnTurnBegan, TurnEnded
from .shared import Step, after_report_of, calm_state, left_by, unclaimed
from .states import Agent, Capturing, Claiming, Idle, State


def abandoned(state: State, unread: Sequence[Input]) -> Step:
    """The calm state that fits what is known, and what is to be done for it.

    No reply comes any more, and the log is read again from its first open intent. Of the inputs that were not given,
    those count that tell of the agent: it may have come up, begun or ended a turn, or ended.
    """
    agent, failures = state.agent, state.failures
    effects: tuple[Effect, ...] = ()
    if isinstance(state, Claiming) and Claimed() in unread:
        agent = attrs.evolve(state.agent, turn=state.turn.turn_id, has_had_turn=True)
    elif isinstance(state, Capturing | Claiming):
        effects = unclaimed(state.turn, agent)
    for given in unread:
        match given, agent:
            case AgentStarted(resumes=resumes), None:
                agent = Agent(resumes=resumes)
            case AgentEnded(has_failed=has_failed), Agent():
                effects, agent, failures = (*effects, *left_by(agent)), None, failures + has_failed
            case OwnTurnBegan() | TurnEnded() | AgentOver(), Agent():
                agent, more, failures = after_report_of(state, agent, given)
                effects = (*effects, *more)
            case _:
                pass
    calm, more = calm_state(Idle(failures=failures), agent)
    return calm, (*effects, *more)
