"""The transitions of a session. Read it as a table: one `case` is one row.

Rules for all rows:

- Turn starts and reverts queue in the order of the log, or as the user ordered the turns. The next one begins when the
  log has been read to its head. Steering messages go into the running turn, or become the next turns.
- An overtaking input is performed at once in a calm state. If a reply is awaited, the input waits for it, and cancels
  an operation that may take long.
- An intent that was delivered to the agent is settled by the agent's report. At the end of the agent's turn or run,
  those that are still open are read from the log again.
- A pair that has no row is illegal: `IllegalTransition`.
"""

from __future__ import annotations

import attrs

from . import effects as do
from . import inputs as on
from .line import find_turn, insert_in_order, is_next, order_queue
from .shared import (
    NOT_WAITING,
    IllegalTransition,
    Step,
    add_to_hand,
    apply_report,
    calm_state,
    cancel_queued_turn,
    close_turn,
    end_agent,
    kept,
    loses_conversation_with,
    release_baseline,
    settle_undelivered,
    stop_session,
)
from .states import (
    Agent,
    Awaiting,
    Calm,
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
from .steering import cancel_steers, place_steers, queue_steers, steers_before_turn

__all__ = ["NOT_WAITING", "IllegalTransition", "step"]


def step(state: State, given: on.Input) -> Step:
    """The next state, and the effects to perform, in order.

    Raises:
        IllegalTransition: the input cannot come in this state.
    """
    after, effects = _step(state, given)
    return _append_step(effects, place_steers(after))


def _step(state: State, given: on.Input) -> Step:
    match state, given:
        case Finished(), _:
            raise IllegalTransition(state, given)
        case _, on.TurnStartAsked() | on.RevertAsked():
            return attrs.evolve(state, queue=insert_in_order(state.queue, given)), ()
        case _, on.SteerAsked():
            return attrs.evolve(state, steers=(*state.steers, given)), ()
        case _, on.SteerRefused(intent=steer):
            return state, (do.Settle(steer, do.SteerQueued()),)
        case _, on.QueueOrdered():
            return order_queue(state, given), ()
        case Idle(), _:
            return _step_idle(state, given)
        case Running() | Interrupting(), _:
            return _step_with_turn(state, given)
        case Starting(), _:
            return _step_starting(state, given)
        case Capturing(), _:
            return _step_capturing(state, given)
        case Claiming(), _:
            return _step_claiming(state, given)
        case HandingOver(), _:
            return _step_handing_over(state, given)
        case Ending(), _:
            return _step_ending(state, given)
        case Reverting(), _:
            return _step_reverting(state, given)
        case Unattended(), _:
            return _step_unattended(state, given)


def _step_idle(state: Idle, given: on.Input) -> Step:
    match given, state.agent:
        case on.CaughtUp(), _:
            return _begin_next(state)
        case on.BackoffOver(), None if state.is_backing_off:
            return attrs.evolve(state, is_backing_off=False), ()
        case on.RetirementDue(commands_run=True), Agent():
            return state, (do.PutOffRetirement(),)
        case on.RetirementDue(), Agent() if state.queue:
            return state, ()
        case on.RetirementDue(), Agent() as agent:
            return end_agent(state, agent)
        case on.OwnTurnBegan() | on.AgentOver(), Agent() as agent:
            return _step_report(state, agent, given)
        case on.ResponseGiven(), None:
            return state, (do.Settle(given, do.ResponseUndelivered(NOT_WAITING)),)
        case on.AgentUnanswerable(), None:
            return state, ()
        case _:
            return _step_calm(state, given)


def _begin_next(state: Idle) -> Step:
    """Begin the first queued intent. After a failure, a start of an agent waits for the backoff."""
    if steers := steers_before_turn(state):
        return queue_steers(state, steers)
    if not state.queue or (
        isinstance(state.queue[0], on.TurnStartAsked) and state.agent is None and state.is_backing_off
    ):
        return state, ()
    first, agent = state.queue[0], state.agent
    after = attrs.evolve(state, queue=state.queue[1:])
    if isinstance(first, on.RevertAsked):
        reverting = Reverting(**kept(after), agent=agent, revert=first)
        return reverting, (do.RevertFiles(first, loses_conversation_with(agent)),)
    if agent is None:
        return Starting(**kept(after), turn=first), (do.StartAgent(first),)
    return Capturing(**kept(after), agent=agent, turn=first), (do.CaptureBaseline(first),)


def _step_with_turn(state: Running | Interrupting, given: on.Input) -> Step:
    agent = state.agent
    match given:
        case on.CaughtUp():
            return state, ()
        case on.InterruptAsked(turn_id=turn_id) if turn_id == agent.turn:
            interrupting = Interrupting(**kept(state), agent=add_to_hand(agent, given))
            return interrupting, (do.InterruptAgent(intent=given, is_first=isinstance(state, Running)),)
        case on.TurnEnded(turn_id=turn_id) if turn_id == agent.turn:
            return _step_report(state, agent, given)
        case on.AgentOver():
            return _step_report(state, agent, given)
        case on.SilenceDue(failure=failure):
            return end_agent(state, agent, do.Report(of="agent", failure=failure))
        case on.EscalationDue(failure=failure) if isinstance(state, Interrupting):
            return end_agent(state, agent, do.Report(of="interrupt", failure=failure))
        case _:
            return _step_calm(state, given)


def _step_calm(state: Calm, given: on.Input) -> Step:
    """The rows that calm states share."""
    agent = state.agent
    match given:
        case on.InterruptAsked():
            return cancel_queued_turn(state, given)
        case on.ResponseGiven() if agent is not None:
            return attrs.evolve(state, agent=add_to_hand(agent, given)), (do.Answer(given),)
        case on.StopAsked():
            cancelled = cancel_steers(state, given)
            rest = attrs.evolve(state, steers=tuple(one for one in state.steers if one.sequence > given.sequence))
            return _append_step(cancelled, stop_session(rest, given))
        case on.ThreadWasDeleted() | on.RuntimeStops() if agent is None:
            return Finished(**kept(state)), ()
        case on.ThreadWasDeleted() | on.RuntimeStops() if agent is not None:
            ending, effects = end_agent(state, agent)
            return attrs.evolve(ending, waiting=(given,)), effects
        case on.InterruptFailed() | on.AnswerFailed():
            return settle_undelivered(state, given)
        case on.AgentUnanswerable(failure=failure) if agent is not None:
            return end_agent(state, agent, do.Report(of="agent", failure=failure))
        case _:
            raise IllegalTransition(state, given)


def _step_starting(state: Starting, given: on.Input) -> Step:
    turn = state.turn
    match given:
        case on.AgentStarted(resumes=resumes, steers=steers) if state.is_withdrawn or not is_next(state):
            return _return_to_queue(state, Agent(resumes=resumes, steers=steers))
        case on.AgentStarted(resumes=resumes, steers=steers):
            agent = Agent(resumes=resumes, steers=steers)
            return Capturing(**kept(state), agent=agent, turn=turn), (do.CaptureBaseline(turn),)
        case on.StartFailed(failure=failure):
            failed = attrs.evolve(state, failures=state.failures + 1)
            return _proceed(failed, None, do.Settle(turn, do.TurnNotStarted(failure)), is_backing_off=True)
        case on.TurnImpossible(failure=failure):
            return _proceed(state, None, do.Settle(turn, do.TurnNotStarted(failure)))
        case on.ThreadMissing():
            return _proceed(state, None)
        case on.Withdrawn() if state.is_withdrawn:
            return _return_to_queue(state, None)
        case on.ResponseGiven():
            return state, (do.Settle(given, do.ResponseUndelivered(NOT_WAITING)),)
        case _:
            return _step_awaiting(state, given, do.Withdraw())


def _step_capturing(state: Capturing, given: on.Input) -> Step:
    turn, agent = state.turn, state.agent
    match given:
        case on.OwnTurnBegan():
            return _step_awaiting(attrs.evolve(state, is_stale=True), given)
        case on.BaselineCaptured() if state.is_withdrawn or state.is_stale or not is_next(state):
            return _return_to_queue(state, agent, *release_baseline(turn, agent))
        case on.BaselineCaptured():
            return Claiming(**kept(state), agent=agent, turn=turn), (do.Claim(turn),)
        case on.WorkspaceMoved() if agent.turn is not None:
            return _return_to_queue(state, agent)
        case on.WorkspaceMoved():
            queue = insert_in_order(state.queue, turn)
            ending, effects = end_agent(attrs.evolve(state, queue=queue), agent)
            return attrs.evolve(ending, waiting=state.waiting), effects
        case on.TurnImpossible(failure=failure):
            return _proceed(state, agent, do.Settle(turn, do.TurnNotStarted(failure)))
        case on.ThreadMissing():
            return _proceed(state, agent)
        case on.Withdrawn() if state.is_withdrawn:
            return _return_to_queue(state, agent)
        case _:
            return _step_awaiting(state, given, do.Withdraw())


def _step_claiming(state: Claiming, given: on.Input) -> Step:
    turn, agent = state.turn, state.agent
    match given:
        case on.Claimed():
            working = attrs.evolve(agent, turn=turn.turn_id, has_had_turn=True)
            handing_over = HandingOver(**kept(state), agent=working, turn=turn, waiting=state.waiting)
            return handing_over, (do.HandOver(turn),)
        case on.ClaimVoid():
            return _proceed(state, agent, do.ForgetBaseline(turn))
        case on.AgentBusy():
            return _return_to_queue(state, agent, *release_baseline(turn, agent))
        case on.AgentLost(failure=failure):
            gone = attrs.evolve(agent, is_over=True)
            return _proceed(state, gone, do.Settle(turn, do.TurnNotStarted(failure)), do.ForgetBaseline(turn))
        case _:
            return _step_awaiting(state, given)


def _step_handing_over(state: HandingOver, given: on.Input) -> Step:
    agent = state.agent
    match given:
        case on.HandedOver():
            return _proceed(state, agent)
        case on.HandOverFailed(failure=failure, is_lost=is_lost):
            is_running = agent.turn == state.turn.turn_id  # it may have ended, or the agent's own turn may run
            failed = (do.Report(of="turn", failure=failure),) if is_running else ()
            return _proceed(state, attrs.evolve(agent, is_over=agent.is_over or is_lost), *failed)
        case _:
            return _step_awaiting(state, given)


def _step_ending(state: Ending, given: on.Input) -> Step:
    match given:
        case on.AgentEnded(has_failed=has_failed):
            after = attrs.evolve(state, failures=state.failures + has_failed)
            return _proceed(after, None, *close_turn(state.agent), is_backing_off=has_failed)
        case on.AgentUnanswerable():
            return state, ()
        case _:
            return _step_awaiting(state, given)


def _step_reverting(state: Reverting, given: on.Input) -> Step:
    match given:
        case on.RevertDone():
            return _proceed(state, state.agent)
        case on.Withdrawn() if state.is_withdrawn:  # it may have completed before
            return _proceed(state, state.agent, do.ReadAgain((state.revert.event_id,)))
        case on.AgentEnded(has_failed=has_failed) if state.agent is not None:
            without = attrs.evolve(state, agent=None, failures=state.failures + has_failed)
            return without, close_turn(state.agent)
        case _:
            return _step_awaiting(state, given, do.Withdraw())


def _step_unattended(state: Unattended, given: on.Input) -> Step:
    match given:
        case on.Attached():
            return _proceed(state, state.agent)
        case on.AttachRefused():
            return _proceed(state, None, *close_turn(state.agent))
        case _:
            return _step_awaiting(state, given)


def _step_awaiting(state: Awaiting, given: on.Input, *withdraw: do.Withdraw) -> Step:
    """The rows that awaiting states share. `withdraw` cancels an operation that may take long."""
    match given, state.agent:
        case on.CaughtUp(), _:
            return state, ()
        case on.InterruptAsked(turn_id=turn_id), _ if find_turn(state.queue, turn_id) is not None:
            return cancel_queued_turn(state, given)
        case on.InterruptAsked() | on.ResponseGiven() | on.StopAsked() | on.ThreadWasDeleted() | on.RuntimeStops(), _:
            effects: tuple[do.Effect, ...] = () if state.is_withdrawn else withdraw
            is_withdrawn = state.is_withdrawn or bool(withdraw)
            return attrs.evolve(state, waiting=(*state.waiting, given), is_withdrawn=is_withdrawn), effects
        case on.OwnTurnBegan() | on.TurnEnded() | on.AgentOver(), Agent() as agent:
            after, effects, failures = apply_report(state, agent, given)
            return attrs.evolve(state, agent=after, failures=failures), effects
        case ((on.InterruptFailed() | on.AnswerFailed()), _):
            return settle_undelivered(state, given)
        case _:
            raise IllegalTransition(state, given)


# Steps that rows share.


def _proceed(state: Awaiting, agent: Agent | None, *effects: do.Effect, is_backing_off: bool = False) -> Step:
    """After a reply: the calm state, then the inputs that waited."""
    calm, more = calm_state(Idle(**kept(state), is_backing_off=is_backing_off), agent)
    leaving = [one for one in state.waiting if isinstance(one, on.Leave)]
    return _perform_waiting(calm, (*effects, *more), tuple(leaving[:1]) or state.waiting)


def _perform_waiting(state: State, effects: tuple[do.Effect, ...], waiting: tuple[on.Overtaking, ...]) -> Step:
    for one in waiting:
        if isinstance(state, Ending):
            state = attrs.evolve(state, waiting=(*state.waiting, one))
        else:
            state, effects = _append_step(effects, _step(state, one))
    return state, effects


def _append_step(effects: tuple[do.Effect, ...], result: Step) -> Step:
    return result[0], (*effects, *result[1])


def _return_to_queue(state: Starting | Capturing | Claiming, agent: Agent | None, *effects: do.Effect) -> Step:
    """The current turn goes back to its old place in the queue."""
    return _proceed(attrs.evolve(state, queue=insert_in_order(state.queue, state.turn)), agent, *effects)


def _step_report(state: Calm, agent: Agent, report: on.AgentReport) -> Step:
    after, effects, failures = apply_report(state, agent, report)
    idle = attrs.evolve(Idle(**kept(state)), failures=failures)
    return _append_step(effects, calm_state(idle, after))
