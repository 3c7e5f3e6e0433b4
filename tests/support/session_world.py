"""A model of a session's surroundings: the log, an agent, one operation at a time. It replies to effects.

A list of numbers decides what happens next, so that Hypothesis can draw and shrink it; when the list is used up,
everything succeeds. Each effect is checked against the model.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from orchestrion.contracts.ids import EventId, TurnId
from orchestrion.domain.session import effects as do
from orchestrion.domain.session import inputs as on
from orchestrion.domain.session.abandonment import abandon
from orchestrion.domain.session.states import (
    Finished,
    Idle,
    Interrupting,
    Running,
    State,
    clocks_of,
)
from orchestrion.domain.session.transitions import step

FAILURE: Final = on.Failure(message="it failed")
MAX_STEPS: Final = 2000

_Asked: TypeAlias = on.Queued | on.SteerAsked | on.InterruptAsked | on.ResponseGiven | on.StopAsked


class StoreRefused(Exception):
    """The end of an agent could not be recorded."""


class Choices:
    """Drawn numbers, then zeros. 0 always means success."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = deque(numbers)

    @property
    def are_used_up(self) -> bool:
        return not self._numbers

    def below(self, bound: int) -> int:
        return self._numbers.popleft() % bound if self._numbers else 0

    def happens(self) -> bool:
        """Whether something unusual happens."""
        return self.below(4) == 3


@attrs.define(eq=False)
class ModelAgent:
    """The state of the agent's run. The next end is the outcome of `ending`."""

    turn: TurnId | None = None
    is_dead: bool = False
    is_closed: bool = False
    """Whether it has ended, but the store refused to record that."""
    ending: on.Intent | None = None
    own_turns: int = 0
    answers: dict[EventId, on.Intent] = attrs.field(factory=dict)


class World:
    """One thread's session and its surroundings. Raises AssertionError if a rule is broken."""

    def __init__(self, choices: Choices) -> None:
        self.state: State = Idle()
        self._choices = choices
        self._log: list[_Asked] = []
        self._given: set[EventId] = set()
        self._settled: Counter[EventId] = Counter()
        self._inbox: deque[on.Input] = deque()
        self._agent: ModelAgent | None = None
        self._operation: do.Operation | None = None
        self._is_withdrawn = False
        self._refuses_ends = False
        self._own_turns_at_capture = 0
        self._is_at_work = False
        self._handed_over: set[TurnId] = set()
        self._begun: list[TurnId] = []
        self._captured: Counter[TurnId] = Counter()
        self._order: list[TurnId] = []
        self._given_order: list[TurnId] = []
        self._steered: set[TurnId] = set()
        self._is_deleted = False
        self._is_leaving = False

    def play(self) -> None:
        """Play the drawn numbers, then bring everything to its end."""
        for _ in range(MAX_STEPS):
            if isinstance(self.state, Finished):
                break
            if self._choices.are_used_up and self._is_quiet:
                self._give(on.RuntimeStops())
            self._play_step()
        else:
            raise AssertionError(f"the session does not come to rest: {self.state}")
        self._check_end()

    @property
    def _is_quiet(self) -> bool:
        is_free = isinstance(self.state, Idle) and not self.state.queue and not self.state.steers
        is_answering = self._agent is not None and not self._agent.is_dead and self._agent.answers
        return is_free and not is_answering and not self._inbox and not self._unread

    @property
    def _unread(self) -> list[_Asked]:
        return [one for one in self._log if one.event_id not in self._given and not self._settled[one.event_id]]

    @property
    def _waiting(self) -> list[TurnId]:
        """The turns that wait, in the order in which they are to run."""
        starts = {one.turn_id for one in self._log if isinstance(one, on.TurnStartAsked) and self._is_open(one)}
        return [turn_id for turn_id in self._order if turn_id in starts]

    def _is_open(self, intent: on.Intent) -> bool:
        return not self._settled[intent.event_id]

    def _play_step(self) -> None:
        actions: Sequence[Callable[[], None]] = (
            self._work,
            self._work,
            self._work,
            self._work,
            self._ask,
            self._ask,
            self._finish_operation,
            self._finish_operation,
            self._play_agent,
            self._expire_clock,
            self._play_rare_event,
        )
        if self._choices.are_used_up:
            self._finish_operation()
            self._work()
            self._play_agent()
            self._expire_clock()
        else:
            actions[self._choices.below(len(actions))]()

    def _work(self) -> None:
        """The worker's loop: first the inbox, then the log, then `CaughtUp`."""
        if self._inbox:
            self._give(self._inbox.popleft())
        elif self._unread:
            for one in sorted(self._unread, key=lambda intent: intent.sequence):
                self._given.add(one.event_id)
                self._give(one)
                if self._choices.below(2):
                    self._play_agent()
            if len(self._waiting) > 1 and self._given_order != self._waiting:
                self._given_order = self._waiting
                self._give(on.QueueOrdered(tuple(self._waiting)))
        else:
            self._give(on.CaughtUp())

    def _give(self, given: on.Input) -> None:
        if isinstance(self.state, Finished):
            return
        self._take(step(self.state, given))

    def _take(self, result: tuple[State, tuple[do.Effect, ...]]) -> None:
        self.state, effects = result
        if isinstance(self.state, Running | Interrupting):
            assert self.state.agent.turn is not None
            assert "silence" in clocks_of(self.state)
        if isinstance(self.state, Interrupting):
            assert "escalation" in clocks_of(self.state)
        for effect in effects:
            self._perform(effect)

    # Events around the worker.

    def _ask(self) -> None:
        sequence = len(self._log) + 1
        name = EventId(f"intent-{sequence}")
        turns = [one.turn_id for one in self._log if isinstance(one, on.TurnStartAsked)]
        named = TurnId(f"turn-{sequence}")
        match self._choices.below(14):
            case 10 | 11 | 12:
                running = None if self._agent is None else self._agent.turn
                intent: _Asked = on.SteerAsked(event_id=name, sequence=sequence, turn_id=running)
            case 13:
                self._order = [*reversed(self._waiting)]
                return
            case 1:
                intent = on.RevertAsked(event_id=name, sequence=sequence)
            case 2 | 6 | 7 | 8:
                running = None if self._agent is None else self._agent.turn
                chosen = [*turns, *self._begun] or [named]
                of = running if running and self._choices.below(4) else chosen[self._choices.below(len(chosen))]
                intent = on.InterruptAsked(event_id=name, sequence=sequence, turn_id=of)
            case 3:
                intent = on.ResponseGiven(event_id=name, sequence=sequence)
            case 4 | 5 as kind:
                intent = on.StopAsked(event_id=name, sequence=sequence, forgets=kind == 5)
            case _:
                intent = on.TurnStartAsked(event_id=name, sequence=sequence, turn_id=named)
                self._order.append(named)
        self._log.append(intent)

    def _play_rare_event(self) -> None:
        match self._choices.below(8):
            case 6:
                self._fail_worker()
            case 7:
                self._request_end()
            case _:
                pass

    def _request_end(self) -> None:
        self._is_leaving = True
        self._is_deleted = self._choices.happens()
        self._inbox.append(on.ThreadWasDeleted() if self._is_deleted else on.RuntimeStops())

    def _fail_worker(self) -> None:
        """Lose replies, cancel the operation, end the agent, then run the worker again."""
        if isinstance(self.state, Finished) or self._is_leaving:
            return
        if isinstance(self._operation, do.StartAgent) and self._choices.happens():
            self._finish_start()
        self._operation = None
        unread, self._inbox, self._given = tuple(self._inbox), deque(), set()
        self._given_order = []
        self._refuses_ends = self._choices.happens()
        try:
            self._take(abandon(self.state, unread))
            self._inbox.append(on.RuntimeStops())
            while self._inbox:
                self._give(self._inbox.popleft())
        except StoreRefused:
            self._inbox.clear()
            self._take(abandon(self.state, (on.AgentOver(),)))
        else:
            self._refuses_ends = False
            assert isinstance(self.state, Finished)
            self.state = Idle(failures=self.state.failures)

    def _play_agent(self) -> None:
        agent = self._agent
        if agent is None or agent.is_dead or agent.is_closed:
            return
        if self._choices.are_used_up:
            while agent.answers:
                self._settle(agent.answers.popitem()[1])
            if agent.turn is not None:
                self._end_turn(agent)
            return
        match self._choices.below(8):
            case 1 | 5 if agent.turn is None:
                agent.turn = TurnId(f"own-{len(self._begun)}")
                agent.own_turns += 1
                self._is_at_work = True
                self._begun.append(agent.turn)
                self._inbox.append(on.OwnTurnBegan(agent.turn))
            case 2:
                self._kill_agent(agent)
            case 3 if agent.answers:
                self._settle(agent.answers.popitem()[1])
            case 4 if agent.turn is not None:
                self._end_turn(agent)

    def _end_turn(self, agent: ModelAgent) -> None:
        if agent.ending is not None:
            self._settle(agent.ending)
            agent.ending = None
        if agent.turn is not None:
            self._inbox.append(on.TurnEnded(agent.turn))
        agent.turn = None
        agent.answers.clear()

    def _kill_agent(self, agent: ModelAgent) -> None:
        agent.is_dead = True
        if agent.turn is not None:
            self._end_turn(agent)
        self._inbox.append(on.AgentOver())

    def _expire_clock(self) -> None:
        """Clocks are checked when there are no other inputs."""
        due = sorted(clocks_of(self.state) - {"heartbeat"})
        if self._inbox or self._unread or not due:
            return
        clock = "backoff" if due == ["backoff"] else due[self._choices.below(len(due))]
        if clock == "backoff":
            self._give(on.BackoffOver())
        elif clock == "escalation":
            self._give(on.EscalationDue(FAILURE))
        elif clock == "silence":
            self._give(on.SilenceDue(FAILURE))
        else:
            self._give(on.RetirementDue(commands_run=self._choices.happens()))

    def _finish_operation(self) -> None:
        operation = self._operation
        if operation is None:
            return
        self._operation = None
        if self._is_withdrawn and self._choices.below(2) == 0:
            self._inbox.append(on.Withdrawn())
            return
        match operation:
            case do.StartAgent():
                self._finish_start()
            case do.CaptureBaseline():
                self._finish_capture()
            case do.RevertFiles(revert=revert):
                if self._agent is not None and self._choices.happens():
                    self._end_agent(self._agent)
                self._settle(revert)
                self._inbox.append(
                    on.Withdrawn() if self._is_withdrawn and self._choices.happens() else on.RevertDone()
                )

    def _finish_start(self) -> None:
        match self._choices.below(10):
            case 8:
                self._inbox.append(on.StartFailed(FAILURE))
            case 9:
                self._inbox.append(on.ThreadMissing() if self._is_deleted else on.TurnImpossible(FAILURE))
            case choice:
                self._agent = ModelAgent()
                self._inbox.append(on.AgentStarted(resumes=choice % 2 == 0, steers=choice % 3 > 0))

    def _finish_capture(self) -> None:
        match self._choices.below(10):
            case 8:
                self._inbox.append(on.WorkspaceMoved())
            case 9:
                self._inbox.append(on.ThreadMissing() if self._is_deleted else on.TurnImpossible(FAILURE))
            case _:
                self._is_at_work = True
                self._inbox.append(on.BaselineCaptured())

    # Effects.

    def _perform(self, effect: do.Effect) -> None:
        match effect:
            case do.StartAgent(turn=turn):
                assert self._agent is None, "an agent is started while one lives"
                self._begin(effect, turn)
            case do.CaptureBaseline(turn=turn):
                self._own_turns_at_capture = self._living.own_turns
                self._begin(effect, turn)
            case do.RevertFiles(revert=revert):
                self._begin(effect, revert)
            case do.Withdraw():
                assert self._operation is not None or self._inbox, "there is nothing to withdraw"
                assert not self._is_withdrawn, "an operation is withdrawn twice"
                self._is_withdrawn = True
            case do.Claim(turn=turn):
                self._claim(turn)
            case do.HandOver(turn=turn):
                self._hand_over(turn)
            case do.Steer(intent=intent, turn_id=turn_id):
                self._steer(self._living, intent, turn_id)
            case do.InterruptAgent():
                self._interrupt(self._living, effect)
            case do.Answer(intent=intent):
                self._answer(self._living, intent)
            case do.CloseRequest():
                if self._choices.happens():
                    self._inbox.append(on.AgentUnanswerable(FAILURE))
            case do.EndAgent(settles=stop):
                agent = self._living
                agent.ending = stop or agent.ending
                self._end_agent(agent)
            case do.ForgetBaseline():
                self._is_at_work = False
            case do.CaptureEnd(turn_id=turn_id):
                self._captured[turn_id] += 1
                self._is_at_work = False
            case do.Report(of="turn") if self._agent is not None and not self._agent.is_dead:
                self._end_turn(self._agent)
            case do.ReadAgain(intents=intents):
                self._given -= set(intents)
            case do.Settle(intent=intent, outcome=outcome):
                self._settle(intent)
                if isinstance(outcome, do.SteerQueued):
                    self._queue_steering(is_cancelled=outcome.is_cancelled)
            case do.Report() | do.PutOffRetirement():
                assert self._agent is not None
            case do.Attach():
                raise AssertionError("nothing attaches yet")

    @property
    def _living(self) -> ModelAgent:
        assert self._agent is not None, "there is no agent"
        return self._agent

    def _begin(self, operation: do.Operation, intent: on.Intent) -> None:
        assert self._operation is None, "two operations at once"
        assert not self._settled[intent.event_id], "an intent is performed that is settled"
        if isinstance(intent, on.TurnStartAsked) and self._given_order:
            first = next(turn_id for turn_id in (*self._given_order, intent.turn_id) if turn_id in self._waiting)
            assert intent.turn_id == first, "a turn is begun out of order"
        self._operation = operation
        self._is_withdrawn = False

    def _claim(self, turn: on.TurnStartAsked) -> None:
        agent = self._living
        if agent.is_dead:
            self._inbox.append(on.AgentLost(FAILURE))
        elif agent.turn is not None or agent.own_turns != self._own_turns_at_capture:
            self._inbox.append(on.AgentBusy())
        elif self._is_deleted:
            self._inbox.append(on.ClaimVoid())
        else:
            assert self._is_at_work, "a turn is claimed without a baseline"
            self._settle(turn)
            agent.turn = turn.turn_id
            self._begun.append(turn.turn_id)
            self._inbox.append(on.Claimed())

    def _hand_over(self, turn: on.TurnStartAsked) -> None:
        assert turn.turn_id in self._begun, "a turn is handed over that was not claimed"
        assert turn.turn_id not in self._handed_over, "a turn is handed over twice"
        self._handed_over.add(turn.turn_id)
        agent = self._living
        if self._choices.happens() or agent.is_dead:
            self._inbox.append(on.HandOverFailed(failure=FAILURE, is_lost=agent.is_dead or self._choices.happens()))
        else:
            self._inbox.append(on.HandedOver())

    def _steer(self, agent: ModelAgent, intent: on.SteerAsked, turn_id: TurnId) -> None:
        assert intent.turn_id in (None, turn_id), "a message is sent into a turn that it is not for"
        if agent.turn != turn_id or self._choices.happens():
            self._inbox.append(on.SteerRefused(intent))
        else:
            self._settle(intent)

    def _queue_steering(self, *, is_cancelled: bool) -> None:
        """The message is asked for as a turn, before the turns that wait, unless it is cancelled at once."""
        sequence = len(self._log) + 1
        start = on.TurnStartAsked(
            event_id=EventId(f"intent-{sequence}"), sequence=sequence, turn_id=TurnId(f"turn-{sequence}")
        )
        self._log.append(start)
        if is_cancelled:
            self._settle(start)
            return
        waiting = self._waiting
        place = next((n for n, turn_id in enumerate(waiting) if turn_id not in self._steered), len(waiting))
        self._order = [*waiting[:place], start.turn_id, *waiting[place:]]
        self._steered.add(start.turn_id)

    def _interrupt(self, agent: ModelAgent, effect: do.InterruptAgent) -> None:
        if agent.turn != effect.intent.turn_id:
            return  # its end is being reported
        if effect.is_first and not agent.is_dead:
            agent.ending = effect.intent
        if not agent.is_dead and self._choices.happens():
            self._end_turn(agent)  # during the call
        if self._choices.happens() or agent.is_dead:
            agent.ending = None if effect.is_first else agent.ending
            self._inbox.append(on.InterruptFailed(intent=effect.intent, failure=FAILURE))

    def _answer(self, agent: ModelAgent, intent: on.ResponseGiven) -> None:
        if intent.event_id in agent.answers or self._settled[intent.event_id]:
            return  # delivered before, or settled since the log was read
        if agent.is_dead or self._choices.happens():
            is_open = not agent.is_dead and self._choices.happens()
            self._inbox.append(on.AnswerFailed(intent=intent, failure=FAILURE, is_open=is_open))
        else:
            agent.answers[intent.event_id] = intent

    def _end_agent(self, agent: ModelAgent) -> None:
        if self._refuses_ends:
            self._refuses_ends = False
            agent.is_closed = True
            raise StoreRefused
        if not agent.is_dead:
            has_turn = agent.turn is not None
            self._end_turn(agent)
            if has_turn and self._choices.happens():
                self._inbox.pop()  # the run ends before its last report is read
        self._agent = None
        self._inbox.append(on.AgentEnded(has_failed=self._choices.happens()))

    def _settle(self, intent: on.Intent) -> None:
        assert not self._settled[intent.event_id], f"{intent} is settled twice"
        self._settled[intent.event_id] += 1

    def _check_end(self) -> None:
        assert self._agent is None, "an agent is left"
        assert self._operation is None, "an operation is left"
        assert self._captured == Counter(self._begun), "a turn's end is captured once"
        if self._is_leaving:
            return
        assert not self._is_at_work, "a workspace is still in use"
        assert [one for one in self._log if not self._settled[one.event_id]] == []
