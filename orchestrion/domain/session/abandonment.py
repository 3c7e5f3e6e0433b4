"""The state from which a session continues after its worker failed."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .effects import Effect
from .inputs import AgentEnded, AgentOver, AgentStarted, Claimed, Input, OwnTurnBegan, TurnEnded
from .shared import Step, apply_report, calm_state, close_turn, release_baseline
from .states import Agent, Capturing, Claiming, Idle, State


def abandon(state: State, unread: Sequence[Input]) -> Step:
    """The calm state that fits what is known, and its effects.

    No reply comes any more, and the log is read again from its first open intent. Of the unread inputs only those about
    the agent count: it may have started, begun or ended a turn, or ended.
    """
    agent, failures = state.agent, state.failures
    effects: tuple[Effect, ...] = ()
    if isinstance(state, Claiming) and Claimed() in unread:
        agent = attrs.evolve(state.agent, turn=state.turn.turn_id, has_had_turn=True)
    elif isinstance(state, Capturing | Claiming):
        effects = release_baseline(state.turn, agent)
    for given in unread:
        match given, agent:
            case AgentStarted(resumes=resumes, steers=steers), None:
                agent = Agent(resumes=resumes, steers=steers)
            case AgentEnded(has_failed=has_failed), Agent():
                effects, agent, failures = (*effects, *close_turn(agent)), None, failures + has_failed
            case OwnTurnBegan() | TurnEnded() | AgentOver(), Agent():
                agent, more, failures = apply_report(state, agent, given)
                effects = (*effects, *more)
            case _:
                pass
    calm, more = calm_state(Idle(failures=failures), agent)
    return calm, (*effects, *more)
