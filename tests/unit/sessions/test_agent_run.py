"""A run of an agent: its events in order, its end always reported, nothing written once it is replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import cast

import anyio
import pytest

from orchestrion.actors.log.secret_answers import SecretAnswers
from orchestrion.actors.providers.hand_over import HandOverFailure
from orchestrion.actors.sessions.agent_run import AgentRun
from orchestrion.actors.sessions.approval_answers import ApprovalAnswers
from orchestrion.actors.sessions.open_calls import MAX_OPEN_APPROVALS
from orchestrion.contracts.errors import ProviderProtocolError, SessionLost, StoreError, StoreFull
from orchestrion.contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadMessageSent,
    ThreadTurnStartRequested,
)
from orchestrion.contracts.ids import (
    ApprovalRequestId,
    EventId,
    ProviderItemId,
    QuestionId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    QuestionRequested,
    RuntimeErrorReported,
    SessionStarted,
    TurnCompleted,
    TurnStarted,
)
from orchestrion.contracts.questions import Question
from orchestrion.contracts.values import EPOCH, Answers
from orchestrion.domain.session.inputs import AgentOver, AgentReport, OwnTurnBegan, TurnEnded
from orchestrion.domain.session_commands import asked_id
from orchestrion.testing.given import given
from tests.support.builders import project_create, thread_create, turn_start
from tests.support.scripted_agent import ModelDispatcher, ScriptedAgent, run_of, start

pytestmark = pytest.mark.anyio


def delta(text: str, item: str = "m") -> MessageDelta:
    return MessageDelta(item=ProviderItemId(item), text=text)


@pytest.fixture
def dispatcher() -> ModelDispatcher:
    return ModelDispatcher(given(project_create(), thread_create(), turn_start(message_id="m1")).host)


def _intent(dispatcher: ModelDispatcher) -> PersistedEvent:
    return next(event for event in dispatcher.host.log if isinstance(event.payload, ThreadTurnStartRequested))


@asynccontextmanager
async def running(dispatcher: ModelDispatcher, agent: ScriptedAgent, session_id: str = "s1") -> AsyncIterator[AgentRun]:
    """A run with a turn that was claimed."""
    run = run_of(dispatcher, session_id)
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            await start(run, agent, tasks)
            intent = _intent(dispatcher)
            assert isinstance(intent.payload, ThreadTurnStartRequested)
            assert await run.claim(intent.payload.turn_id, intent, own_turns=0) == "claimed"
            yield run


def _text(dispatcher: ModelDispatcher) -> str:
    sent = [event.payload for event in dispatcher.host.log if isinstance(event.payload, ThreadMessageSent)]
    return "".join(message.text for message in sent if message.role == "assistant")


def _status(dispatcher: ModelDispatcher) -> tuple[str, str | None, bool]:
    """Status and error of the thread's session, and whether a turn runs."""
    thread = dispatcher.host.threads[ThreadId("t1")]
    session = thread.session
    assert session is not None
    return session.status, session.last_error, thread.running_turn_id is not None


async def test_numbers_follow_the_order_of_sending(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        await agent.report(SessionStarted(), delta("a"), MessageCompleted(item=ProviderItemId("m")))
        await agent.report(TurnCompleted(outcome="completed"))
        await run.end()
    ids = [envelope.command.command_id for envelope in dispatcher.envelopes]
    assert ids == [f"~s1/{number}" for number in range(1, len(ids) + 1)]
    assert _status(dispatcher) == ("stopped", None, False)


async def test_a_late_update_from_a_session_that_was_replaced_writes_nothing(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        await run_of(dispatcher, "s2").bind()
        head = dispatcher.host.head
        await agent.report(delta("late"), RuntimeErrorReported(message="late"), TurnCompleted(outcome="completed"))
        await run.end()
    assert dispatcher.host.head == head
    session = dispatcher.host.threads[ThreadId("t1")].session
    assert session is not None
    assert session.provider_session_id == "s2"


async def test_events_that_the_store_refused_are_kept_and_sent_later(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        dispatcher.fault = StoreFull("the disk is full")
        await agent.report(delta("kept"), MessageCompleted(item=ProviderItemId("m")))
        await run.ended.wait()
        for _ in range(2):
            with pytest.raises(StoreError):
                await run.end()
        assert _status(dispatcher)[2]
        dispatcher.fault = None
        await run.end()
        await run.end()
    assert _text(dispatcher) == "kept"
    assert _status(dispatcher) == ("error", "the disk is full", False)
    assert run.running_turn_id is None


@pytest.mark.lesson("L120")
async def test_l120_events_next_to_a_refused_one_are_kept(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        dispatcher.fault = StoreFull("the disk is full")
        await agent.report(delta("kept"), PlanUpdated(summary="look", detail={}))
        await run.ended.wait()
        dispatcher.fault = None
        await run.end()
    recorded = [event.payload for event in dispatcher.host.log]
    kinds = [payload.activity.kind for payload in recorded if isinstance(payload, ThreadActivityAppended)]
    assert _text(dispatcher) == "kept"
    assert kinds[0] == "plan.updated"


async def test_an_adapter_that_fails_ends_the_turn_with_its_error(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        await agent.report(delta("so far"), cast("ProviderRuntimeEvent", object()))
        await run.ended.wait()
        await run.end()
    status, error, runs = _status(dispatcher)
    assert (status, runs) == ("error", False)
    assert error
    assert _text(dispatcher) == "so far"


async def test_an_agent_that_is_gone_without_a_word_is_an_error(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        await agent.report(delta("so far"))
        await agent.dies()
        await run.ended.wait()
        await run.end()
    assert _status(dispatcher) == ("error", "the agent process ended", False)
    assert _text(dispatcher) == "so far"


async def test_text_that_is_due_is_sent_without_waiting_for_more(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        await agent.report(delta("one "), delta("flush"))
        while _text(dispatcher) != "one flush":
            await anyio.lowlevel.checkpoint()
        await run.end()
    assert [type(one.command).__name__ for one in dispatcher.envelopes].count("ThreadMessageAssistantDelta") == 1


async def test_an_agent_that_is_gone_claims_nothing(dispatcher: ModelDispatcher) -> None:
    agent, run, intent = ScriptedAgent(), run_of(dispatcher), _intent(dispatcher)
    assert isinstance(intent.payload, ThreadTurnStartRequested)
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            await start(run, agent, tasks)
            await agent.dies()
            await run.ended.wait()
            with pytest.raises(SessionLost, match="the agent process ended"):
                await run.claim(intent.payload.turn_id, intent, own_turns=0)
    assert _status(dispatcher) == ("error", "the agent process ended", False)
    assert [one.event_id for one in dispatcher.host.threads[ThreadId("t1")].queued_starts] == [intent.event_id]


@pytest.mark.lesson("L96")
async def test_end_of_a_turn_is_reported_once_recorded(dispatcher: ModelDispatcher) -> None:
    agent, reports = ScriptedAgent(), list[tuple[AgentReport, str]]()
    async with running(dispatcher, agent) as run:
        run.listen(lambda report: reports.append((report, _status(dispatcher)[0])))
        turn_id = run.running_turn_id
        assert turn_id is not None
        await agent.report(TurnCompleted(outcome="completed"))
        await run.end()
    assert reports == [(TurnEnded(turn_id), "ready"), (AgentOver(), "stopped")]


@pytest.mark.lesson("L96")
async def test_end_of_a_turn_that_the_store_refuses_is_not_reported(dispatcher: ModelDispatcher) -> None:
    agent, reports = ScriptedAgent(), list[AgentReport]()
    async with running(dispatcher, agent) as run:
        run.listen(reports.append)
        dispatcher.fault = StoreFull("the disk is full")
        await agent.report(TurnCompleted(outcome="completed"))
        await run.ended.wait()
        assert reports == [AgentOver()]
        dispatcher.fault = None
        await run.end()


async def test_reports_wait_for_a_listener_in_their_order(dispatcher: ModelDispatcher) -> None:
    agent, run, reports = ScriptedAgent(), run_of(dispatcher), list[AgentReport]()
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            await start(run, agent, tasks)
            await agent.report(TurnStarted(origin="agent"), TurnCompleted(outcome="completed"))
            await agent.dies()
            await run.ended.wait()
            run.listen(reports.append)
    assert [type(report) for report in reports] == [OwnTurnBegan, TurnEnded, AgentOver]
    assert run.own_turns == 1


async def test_claim_is_refused_after_a_turn_that_the_capture_did_not_see(dispatcher: ModelDispatcher) -> None:
    agent, run, intent = ScriptedAgent(), run_of(dispatcher), _intent(dispatcher)
    assert isinstance(intent.payload, ThreadTurnStartRequested)
    turn_id, over = intent.payload.turn_id, anyio.Event()
    run.listen(lambda report: over.set() if isinstance(report, TurnEnded) else None)
    with anyio.fail_after(180):
        async with anyio.create_task_group() as tasks:
            await start(run, agent, tasks)
            await agent.report(TurnStarted(origin="agent"), TurnCompleted(outcome="completed"))
            await over.wait()
            assert await run.claim(turn_id, intent, own_turns=0) == "busy"
            assert await run.claim(turn_id, intent, own_turns=1) == "claimed"
            await run.end()


@pytest.mark.lesson("L96")
@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
async def test_refused_interrupt_fails_unless_its_turn_ended_meanwhile(dispatcher: ModelDispatcher, ends: bool) -> None:
    agent, reports = ScriptedAgent(), anyio.Event()
    async with running(dispatcher, agent) as run:
        run.listen(lambda report: reports.set() if isinstance(report, TurnEnded) else None)

        async def refuse() -> None:
            if ends:
                await agent.report(TurnCompleted(outcome="interrupted"))
                await reports.wait()
            raise ProviderProtocolError("not now")

        agent.interrupt = refuse  # type: ignore[method-assign]  # the agent's behaviour in this test
        expected = nullcontext() if ends else pytest.raises(ProviderProtocolError)
        with expected:
            assert run.running_turn_id is not None
            await run.interrupt(_intent(dispatcher), run.running_turn_id, ends_turn=True)
        await run.end()


@pytest.mark.lesson("L98")
@pytest.mark.parametrize("is_recorded", [False, True], ids=["is being recorded", "is recorded"])
async def test_interrupt_of_a_turn_whose_end_is_known_settles_no_other_end(
    dispatcher: ModelDispatcher, is_recorded: bool
) -> None:
    agent, reports = ScriptedAgent(), anyio.Event()
    async with running(dispatcher, agent) as run:
        run.listen(lambda report: reports.set() if isinstance(report, TurnEnded) else None)
        turn_id, intent = run.running_turn_id, _intent(dispatcher)
        assert turn_id is not None
        dispatcher.held = None if is_recorded else anyio.Event()
        await agent.report(TurnCompleted(outcome="completed"))
        while run.running_turn_id is not None:
            await anyio.lowlevel.checkpoint()
        if is_recorded:
            await reports.wait()
        await run.interrupt(intent, turn_id, ends_turn=True)
        if dispatcher.held is not None:
            assert not reports.is_set()
            dispatcher.held.set()
        await run.end()
    assert not agent.interrupted.is_set()
    assert [envelope.caused_by for envelope in dispatcher.envelopes].count(intent.event_id) == 1


async def test_answer_that_the_agent_has_is_not_given_twice(dispatcher: ModelDispatcher) -> None:
    agent, own, answers = ScriptedAgent(), ApprovalRequestId("r"), ApprovalAnswers(SecretAnswers())
    async with running(dispatcher, agent) as run:
        await agent.report(ApprovalRequested(request=own, kind="command", summary="may I"))
        while not run.is_open(own):
            await anyio.lowlevel.checkpoint()
        response = ThreadApprovalResponseRequested(
            thread_id=ThreadId("t1"), request_id=asked_id(run.state, own), decision="accept", created_at=EPOCH
        )
        for _ in range(2):
            assert await answers.deliver(run, _intent(dispatcher), response) is None
        await agent.report(ApprovalResolved(request=own, decision="accept"))
        while run.is_open(own):
            await anyio.lowlevel.checkpoint()
        assert await answers.deliver(run, _intent(dispatcher), response) is None
        await run.end()
    assert agent.answers == [(own, "accept")]


SECRET = "correct horse battery staple"
FORM = (
    Question(id=QuestionId("q1"), header="Colour", text="Which?"),
    Question(id=QuestionId("pin"), header="Pin", text="Your pin?", secret=True),
)


def _response(run: AgentRun, own: ApprovalRequestId, **answers: str) -> ThreadApprovalResponseRequested:
    return ThreadApprovalResponseRequested(
        thread_id=ThreadId("t1"),
        request_id=asked_id(run.state, own),
        decision="accept",
        answers=Answers(answers),
        created_at=EPOCH,
    )


async def _ask_form(run: AgentRun, agent: ScriptedAgent, own: ApprovalRequestId) -> None:
    await agent.report(QuestionRequested(request=own, summary="Which?", questions=FORM))
    while not run.is_open(own):
        await anyio.lowlevel.checkpoint()


@pytest.mark.spec("E122")
async def test_secret_answers_reach_the_agent_from_memory(dispatcher: ModelDispatcher) -> None:
    agent, own, secrets = ScriptedAgent(), ApprovalRequestId("f"), SecretAnswers()
    async with running(dispatcher, agent) as run:
        await _ask_form(run, agent, own)
        intent = _intent(dispatcher)
        secrets.keep({intent.event_id: {"pin": SECRET}})
        response = _response(run, own, q1="red", pin="[secret]")
        assert await ApprovalAnswers(secrets).deliver(run, intent, response) is None
        await run.end()
    assert agent.forms == [{"q1": "red", "pin": SECRET}]
    assert secrets.take(intent.event_id) == {}


@pytest.mark.spec("E122")
async def test_a_form_whose_secret_answers_were_lost_is_asked_again(dispatcher: ModelDispatcher) -> None:
    agent, own = ScriptedAgent(), ApprovalRequestId("f")
    answers = ApprovalAnswers(SecretAnswers())
    async with running(dispatcher, agent) as run:
        await _ask_form(run, agent, own)
        before, intent = asked_id(run.state, own), _intent(dispatcher)
        error = await answers.deliver(run, intent, _response(run, own, q1="red", pin="[secret]"))
        assert error is not None
        assert str(error) == "secret answers are not stored, and these were lost: pin"
        assert answers.leaves_open(intent)
        assert await answers.close(run, intent.event_id) is None
        assert asked_id(run.state, own) != before
        await run.end()
    assert agent.answers == []
    asked = [
        event.payload.activity
        for event in dispatcher.host.log
        if isinstance(event.payload, ThreadActivityAppended) and event.payload.activity.kind == "question.requested"
    ]
    assert [one.payload["questions"][1]["id"] for one in asked] == ["pin", "pin"]


@pytest.mark.spec("E122")
async def test_an_error_beside_secret_answers_does_not_repeat_them(dispatcher: ModelDispatcher) -> None:
    agent, own, secrets = ScriptedAgent(), ApprovalRequestId("f"), SecretAnswers()
    agent.refusal = ProviderProtocolError(f"what is {SECRET}?")
    async with running(dispatcher, agent) as run:
        await _ask_form(run, agent, own)
        intent = _intent(dispatcher)
        secrets.keep({intent.event_id: {"pin": SECRET}})
        error = await ApprovalAnswers(secrets).deliver(run, intent, _response(run, own, q1="red", pin="[secret]"))
        await run.end()
    assert isinstance(error, ProviderProtocolError)
    assert SECRET not in repr(error) + str(error)


def test_only_so_many_secret_answers_are_kept() -> None:
    secrets = SecretAnswers(limit=2)
    for number in range(3):
        secrets.keep({EventId(f"e{number}"): {"pin": str(number)}})
    assert [secrets.take(EventId(f"e{number}")) for number in range(3)] == [{}, {"pin": "1"}, {"pin": "2"}]


@pytest.mark.lesson("L41")
async def test_a_request_that_is_closed_as_lost_is_declined_for_its_agent(dispatcher: ModelDispatcher) -> None:
    agent = ScriptedAgent()
    async with running(dispatcher, agent) as run:
        for number in range(MAX_OPEN_APPROVALS + 3):
            await agent.report(
                ApprovalRequested(request=ApprovalRequestId(f"r-{number}"), kind="command", summary="may I")
            )
        await agent.report(TurnCompleted(outcome="completed"))
        await run.end()
    assert agent.answers == [(f"r-{number}", "decline") for number in range(3)]
    thread = dispatcher.host.threads[ThreadId("t1")]
    assert not any(fact.pending for fact in thread.approvals.values())


def _late_failure(turn_id: TurnId | None, *, loses_session: bool) -> HandOverFailure:
    return HandOverFailure(outcome="failed", error="too slow", turn_id=turn_id, loses_session=loses_session)


@pytest.mark.lesson("L121")
@pytest.mark.parametrize("loses_session", [False, True])
async def test_late_hand_over_failure_spares_the_agents_own_turn(
    dispatcher: ModelDispatcher, loses_session: bool
) -> None:
    agent, told = ScriptedAgent(), list[AgentReport]()
    async with running(dispatcher, agent) as run:
        run.listen(told.append)
        failure = _late_failure(run.running_turn_id, loses_session=loses_session)
        await agent.report(TurnCompleted(outcome="completed"), TurnStarted(origin="agent"), failure, delta("on"))
        await agent.report(TurnCompleted(outcome="completed"))
        while len(told) < 3:
            await anyio.lowlevel.checkpoint()
        assert not run.is_over
        assert _status(dispatcher)[:2] == ("ready", None)
        await run.end()
    assert [type(report) for report in told] == [TurnEnded, OwnTurnBegan, TurnEnded, AgentOver]


@pytest.mark.lesson("L121")
@pytest.mark.parametrize("loses_session", [False, True])
async def test_late_hand_over_failure_ends_its_turn(dispatcher: ModelDispatcher, loses_session: bool) -> None:
    agent, told = ScriptedAgent(), list[AgentReport]()
    async with running(dispatcher, agent) as run:
        run.listen(told.append)
        await agent.report(_late_failure(run.running_turn_id, loses_session=loses_session))
        while not told:
            await anyio.lowlevel.checkpoint()
        assert _status(dispatcher) == ("error", "too slow", False)
        if loses_session:
            await run.ended.wait()
        assert run.is_over is loses_session
        await run.end()
