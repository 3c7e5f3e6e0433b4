"""The transitions of a session: each row as given, when, then; and every illegal pair."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Final, get_args

import attrs
import pytest

from orchestrion.domain.session import effects as do
from orchestrion.domain.session import inputs as on
from orchestrion.domain.session.abandonment import abandon
from orchestrion.domain.session.states import (
    Agent,
    Awaiting,
    Clock,
    Ending,
    Finished,
    Idle,
    Reverting,
    Running,
    State,
    clocks_of,
    is_at_rest,
)
from orchestrion.domain.session.transitions import IllegalTransition, step
from tests.support.session_rows import (
    AGENT,
    ANSWER,
    BUSY,
    CAPTURING,
    CLAIMING,
    ENDED_BUSY,
    ENDING,
    FAILURE,
    FORGET,
    GONE,
    HANDING_OVER,
    I1,
    I2,
    INTERRUPTING,
    OWN,
    OWN_BUSY,
    REVERT,
    REVERTING,
    RUNNING,
    STARTING,
    STOP,
    T1,
    T2,
    UNATTENDED,
    USED,
    Row,
    held,
    turn,
)
from tests.support.session_table import INPUTS, PAGES, ROWS, text_between_markers
from tests.support.steering_rows import STEER

CALM: Final = (Idle(), Idle(agent=AGENT), RUNNING, INTERRUPTING)
AWAITING: Final = (STARTING, CAPTURING, CLAIMING, HANDING_OVER, ENDING, REVERTING, UNATTENDED)
STATES: Final[tuple[State, ...]] = (*CALM, *AWAITING, Reverting(revert=REVERT), Finished())

GIVEN: Final[tuple[on.Input, ...]] = (
    T1,
    REVERT,
    I1,
    ANSWER,
    STOP,
    STEER,
    on.QueueOrdered((T2.turn_id,)),
    on.SteerRefused(STEER),
    on.CaughtUp(),
    on.ThreadWasDeleted(),
    on.RuntimeStops(),
    on.AgentStarted(resumes=True),
    on.StartFailed(FAILURE),
    on.BaselineCaptured(),
    on.WorkspaceMoved(),
    on.TurnImpossible(FAILURE),
    on.ThreadMissing(),
    on.RevertDone(),
    on.Withdrawn(),
    on.Attached(),
    on.AttachRefused(),
    on.Claimed(),
    on.ClaimVoid(),
    on.AgentBusy(),
    on.AgentLost(FAILURE),
    on.HandedOver(),
    on.HandOverFailed(failure=FAILURE, is_lost=True),
    on.InterruptFailed(intent=I1, failure=FAILURE),
    on.AnswerFailed(intent=ANSWER, failure=FAILURE, is_open=True),
    on.AgentUnanswerable(FAILURE),
    on.AgentEnded(has_failed=False),
    on.OwnTurnBegan(OWN),
    on.TurnEnded(T1.turn_id),
    on.AgentOver(),
    on.BackoffOver(),
    on.EscalationDue(FAILURE),
    on.SilenceDue(FAILURE),
    on.RetirementDue(commands_run=False),
)
"""One of each input."""

EVERYWHERE: Final = (
    on.Intent,
    on.QueueOrdered,
    on.SteerRefused,
    on.CaughtUp,
    on.ThreadWasDeleted,
    on.RuntimeStops,
)
"""Legal in every state but the last."""

UNDELIVERED: Final = (on.InterruptFailed, on.AnswerFailed)
"""These may come late, when the intent is not in progress any more."""

REPLIES: Final[dict[type[State], tuple[type[on.Input], ...]]] = {
    Idle: (on.AgentUnanswerable,),
    type(RUNNING): (on.TurnEnded, on.AgentOver, on.SilenceDue, on.AgentUnanswerable),
    type(INTERRUPTING): (on.TurnEnded, on.AgentOver, on.SilenceDue, on.EscalationDue, on.AgentUnanswerable),
    type(STARTING): (on.AgentStarted, on.StartFailed, on.TurnImpossible, on.ThreadMissing),
    type(CAPTURING): (on.BaselineCaptured, on.WorkspaceMoved, on.TurnImpossible, on.ThreadMissing),
    type(CLAIMING): (on.Claimed, on.ClaimVoid, on.AgentBusy, on.AgentLost),
    type(HANDING_OVER): (on.HandedOver, on.HandOverFailed),
    type(ENDING): (on.AgentEnded, on.AgentUnanswerable),
    type(REVERTING): (on.RevertDone,),
    type(UNATTENDED): (on.Attached, on.AttachRefused),
}
"""Legal in one kind of state and illegal in others."""


def _is_legal(state: State, given: on.Input) -> bool:
    if isinstance(state, Finished):
        return False
    if isinstance(given, (*EVERYWHERE, *UNDELIVERED, *REPLIES[type(state)])):
        return True
    agent = state.agent
    match given:
        case on.OwnTurnBegan():
            return agent is not None and agent.turn is None
        case on.TurnEnded(turn_id=turn_id):
            return agent is not None and agent.turn == turn_id
        case on.AgentOver():
            return agent is not None
        case on.AgentEnded():
            return isinstance(state, Reverting) and agent is not None
        case on.RetirementDue():
            return isinstance(state, Idle) and agent is not None
        case _:
            return False


def _named(value: object) -> str:
    return type(value).__name__


@pytest.mark.lesson("L96")
@pytest.mark.lesson("L98")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{_named(row.given)}-{_named(row.when)}-{row.of}")
def test_row_of_the_table(row: Row) -> None:
    assert step(row.given, row.when) == (row.then, row.effects)


def test_pair_without_a_row_is_illegal() -> None:
    assert {_named(given) for given in GIVEN} == INPUTS
    assert {type(state) for state in STATES} == set(get_args(State))
    for state, given in product(STATES, GIVEN):
        if _is_legal(state, given):
            step(state, given)
        else:
            with pytest.raises(IllegalTransition, match=f"{_named(given)} cannot come"):
                step(state, given)


@pytest.mark.parametrize("state", [STARTING, CAPTURING, CLAIMING, HANDING_OVER, ENDING, REVERTING], ids=_named)
def test_withdrawal_is_confirmed_only_where_one_was_asked_for(state: State) -> None:
    with pytest.raises(IllegalTransition):
        step(state, on.Withdrawn())


@pytest.mark.parametrize("state", STATES[:-1], ids=_named)
def test_queue_keeps_the_order_of_the_log(state: State) -> None:
    for one in (turn(7), REVERT, T2):
        state, effects = step(state, one)
        assert effects == ()
    assert state.queue == (T2, REVERT, turn(7))


@pytest.mark.parametrize("state", [*STATES[:-1], *(attrs.evolve(one, steers=(STEER,)) for one in AWAITING)], ids=_named)
def test_input_that_changes_nothing_returns_the_same_state(state: State) -> None:
    assert step(state, on.CaughtUp())[0] is state


def test_revert_waits_for_each_turn_that_is_older_than_it() -> None:
    state: State = Idle(queue=(T1, T2, REVERT, turn(7), turn(8)))
    ordered, _ = step(state, on.QueueOrdered((turn(8).turn_id, T2.turn_id, T1.turn_id, turn(7).turn_id)))
    assert [one.event_id for one in ordered.queue] == [
        "turn-start-8",
        "turn-start-2",
        "turn-start-1",
        "revert",
        "turn-start-7",
    ]


@pytest.mark.parametrize("state", AWAITING, ids=_named)
@pytest.mark.parametrize("given", [I1, STOP, FORGET, on.RuntimeStops()], ids=_named)
def test_overtaking_inputs_wait_for_one_reply(state: Awaiting, given: on.Overtaking) -> None:
    after, effects = step(state, given)
    assert after == attrs.evolve(state, waiting=(given,), is_withdrawn=effects != ())
    assert effects in ((), (do.Withdraw(),))


@pytest.mark.parametrize("state", STATES[:-1], ids=_named)
def test_interrupt_of_a_queued_turn_is_settled_at_once(state: State) -> None:
    queued = attrs.evolve(state, queue=(T2,))
    assert step(queued, I2) == (
        state,
        (do.Settle(T2, do.TurnCancelled()), do.Settle(I2, do.TurnTakenBack())),
    )


def test_turn_that_was_prepared_goes_back_to_its_old_place() -> None:
    waiting = attrs.evolve(STARTING, queue=(T2,), waiting=(ANSWER,), is_withdrawn=True)
    after, _ = step(waiting, on.Withdrawn())
    assert after.queue == (T1, T2)


@pytest.mark.parametrize(
    ("state", "clocks"),
    [
        (Idle(), set()),
        (Idle(is_backing_off=True), {"backoff"}),
        (Idle(agent=AGENT), {"heartbeat", "retirement"}),
        (Idle(agent=Agent(resumes=False)), {"heartbeat"}),
        (STARTING, set()),
        (CAPTURING, {"heartbeat"}),
        (RUNNING, {"heartbeat", "silence"}),
        (INTERRUPTING, {"heartbeat", "silence", "escalation"}),
        (Reverting(revert=REVERT), set()),
        (Finished(), set()),
    ],
    ids=_named,
)
def test_clocks_of_a_state(state: State, clocks: set[Clock]) -> None:
    assert clocks_of(state) == clocks


@pytest.mark.lesson("L125")
def test_worker_may_leave_only_where_nothing_is_left() -> None:
    assert is_at_rest(Idle(failures=2))
    assert not is_at_rest(Idle(failures=2, is_backing_off=True))
    assert not is_at_rest(Idle(queue=(T1,)))
    assert not is_at_rest(Idle(steers=(STEER,)))
    assert not any(is_at_rest(state) for state in STATES[1:])


@pytest.mark.parametrize(
    ("state", "unread", "then", "effects"),
    [
        (STARTING, (), Idle(), ()),
        (STARTING, (on.AgentStarted(resumes=True), on.OwnTurnBegan(OWN)), Running(agent=OWN_BUSY), ()),
        (CAPTURING, (on.BaselineCaptured(),), Idle(agent=AGENT), (do.ForgetBaseline(T1),)),
        (attrs.evolve(CLAIMING, agent=OWN_BUSY), (), Running(agent=OWN_BUSY), ()),
        (INTERRUPTING, (on.CaughtUp(),), Running(agent=held(BUSY, I1)), ()),
        (RUNNING, (on.TurnEnded(T1.turn_id),), Idle(agent=USED), (do.CaptureEnd(T1.turn_id),)),
        (Ending(agent=ENDED_BUSY), (on.AgentEnded(has_failed=False),), Idle(), (do.CaptureEnd(T1.turn_id),)),
        (Ending(agent=GONE), (), Ending(agent=GONE), (do.EndAgent(),)),
    ],
    ids=_named,
)
def test_failed_worker_continues_from_the_recorded_state(
    state: State, unread: tuple[on.Input, ...], then: State, effects: tuple[do.Effect, ...]
) -> None:
    assert abandon(attrs.evolve(state, queue=(T2,)), unread) == (then, effects)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_has_the_rows_that_are_tested(page: Path) -> None:
    assert text_between_markers(page.read_text(encoding="utf-8")) == PAGES[page]()
