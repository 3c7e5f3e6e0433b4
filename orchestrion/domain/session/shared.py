"""Steps that several transitions share."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import attrs

from .effects import (
    CaptureEnd,
    CloseRequest,
    Effect,
    EndAgent,
    ForgetBaseline,
    InterruptRefused,
    ReadAgain,
    ResponseUndelivered,
    SessionStopped,
    Settle,
    TurnCancelled,
    TurnTakenBack,
    TurnWasOver,
)
from .inputs import (
    AgentOver,
    AgentReport,
    AnswerFailed,
    Failure,
    Input,
    Intent,
    InterruptAsked,
    InterruptFailed,
    OwnTurnBegan,
    StopAsked,
    TurnEnded,
    TurnStartAsked,
)
from .line import find_turn
from .states import Agent, Awaiting, Calm, Capturing, Ending, Idle, Running, SessionState, State

Step: TypeAlias = tuple[State, tuple[Effect, ...]]

NOT_WAITING: Final = Failure(message="the agent no longer waits for it")


class IllegalTransition(Exception):
    """The input cannot come in this state: its sender has a defect."""

    def __init__(self, state: State, given: Input) -> None:
        super().__init__(f"{type(given).__name__} cannot come while the session is {type(state).__name__}")
        self.state = state
        self.given = given


def kept(state: SessionState) -> dict[str, Any]:
    """What each state takes over from the one before."""
    return {"queue": state.queue, "steers": state.steers, "failures": state.failures}


def calm_state(idle: Idle, agent: Agent | None) -> Step:
    """The state of a session with this agent in which no reply is awaited."""
    if agent is None:
        return idle, ()
    if agent.is_over:
        return end_agent(idle, agent)
    if agent.turn is None:
        return attrs.evolve(idle, agent=agent), ()
    return Running(**kept(idle), agent=agent), ()


def end_agent(
    state: Calm | Capturing, agent: Agent, *before: Effect, stop: StopAsked | None = None
) -> tuple[Ending, tuple[Effect, ...]]:
    """End the agent. A loss of its conversation is recorded unless the stop asked for it."""
    forgets = stop is not None and stop.forgets
    end = EndAgent(settles=None if forgets else stop, loses_conversation=loses_conversation_with(agent) and not forgets)
    in_hand = agent.in_hand if stop is None else (*agent.in_hand, stop.event_id)
    ended = attrs.evolve(agent, has_had_turn=False, in_hand=in_hand)
    return Ending(**kept(state), agent=ended), (*before, end)


def loses_conversation_with(agent: Agent | None) -> bool:
    """Whether the conversation is lost with the agent."""
    return agent is not None and agent.has_had_turn and not agent.resumes


def stop_session(state: Calm, stop: StopAsked) -> Step:
    """Cancel the queued turns that are older than the stop, then end the agent, or settle the stop if there is none."""
    closed = tuple(one for one in state.queue if isinstance(one, TurnStartAsked) and one.sequence < stop.sequence)
    rest = attrs.evolve(state, queue=tuple(one for one in state.queue if one not in closed))
    cancelled = tuple(Settle(one, TurnCancelled()) for one in closed)
    if state.agent is None:
        return rest, (*cancelled, Settle(stop, SessionStopped(stop.forgets)))
    return end_agent(rest, state.agent, *cancelled, stop=stop)


def cancel_queued_turn(state: Calm | Awaiting, interrupt: InterruptAsked) -> Step:
    """Settle an interrupt of a turn that does not run. A queued turn is cancelled."""
    queued = find_turn(state.queue, interrupt.turn_id)
    if queued is None:
        return state, (Settle(interrupt, TurnWasOver()),)
    rest = tuple(one for one in state.queue if one != queued)
    return attrs.evolve(state, queue=rest), (Settle(queued, TurnCancelled()), Settle(interrupt, TurnTakenBack()))


def settle_undelivered(state: Calm | Awaiting, given: InterruptFailed | AnswerFailed) -> Step:
    """Settle an intent that was not delivered. One that the agent no longer holds is read from the log again."""
    agent, event_id = state.agent, given.intent.event_id
    if agent is None or event_id not in agent.in_hand:
        return state, ()
    without = attrs.evolve(agent, in_hand=tuple(one for one in agent.in_hand if one != event_id))
    after = attrs.evolve(state, agent=without)
    match given:
        case InterruptFailed(intent=interrupt, failure=failure):
            return after, (Settle(interrupt, InterruptRefused(failure)),)
        case AnswerFailed(intent=response, failure=failure, is_open=is_open):
            closing = (CloseRequest(response),) if is_open and not isinstance(state, Ending) else ()
            return after, (Settle(response, ResponseUndelivered(failure)), *closing)


def apply_report(state: State, agent: Agent, report: AgentReport) -> tuple[Agent, tuple[Effect, ...], int]:
    """The agent after its report, the effects, and the number of failures in a row."""
    match report:
        case AgentOver():
            return attrs.evolve(agent, is_over=True), (), state.failures
        case OwnTurnBegan(turn_id=turn_id) if agent.turn is None:
            return attrs.evolve(agent, turn=turn_id, has_had_turn=True), (), state.failures
        case TurnEnded(turn_id=turn_id) if agent.turn == turn_id:
            failures = state.failures if isinstance(state, Ending) else 0
            return attrs.evolve(agent, turn=None, in_hand=()), close_turn(agent), failures
        case _:
            raise IllegalTransition(state, report)


def close_turn(agent: Agent) -> tuple[Effect, ...]:
    """At the end of the agent's turn or run: capture the turn's end, and read the intents that it held again."""
    captured = () if agent.turn is None else (CaptureEnd(agent.turn),)
    return (*captured, *((ReadAgain(agent.in_hand),) if agent.in_hand else ()))


def add_to_hand(agent: Agent, intent: Intent) -> Agent:
    return attrs.evolve(agent, in_hand=(*agent.in_hand, intent.event_id))


def release_baseline(turn: TurnStartAsked, agent: Agent | None) -> tuple[ForgetBaseline, ...]:
    """Release the workspace of a turn that is not claimed, unless the agent's own turn works there by now."""
    return (ForgetBaseline(turn),) if agent is None or agent.turn is None else ()
