"""What a conversation makes of Codex's notifications, requests and replies. No process, no pipe."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import pytest

from orchestrion.actors.providers.codex.protocol import CodexConversation
from orchestrion.actors.providers.conversation_state import dump_state
from orchestrion.actors.providers.jsonrpc.protocol import Refusal, Result
from orchestrion.actors.providers.jsonrpc.steps import RpcAnswer, RpcCall, RpcStep
from orchestrion.contracts.errors import AnswerRefused, ProviderProtocolError
from orchestrion.contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    ProviderItemId,
    ProviderThreadId,
    ProviderTurnId,
)
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    QuestionRequested,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
    TurnStarted,
)
from orchestrion.contracts.values import ApprovalDecision, JsonObject
from tests.support.conversations import through_json

FIRST = ApprovalRequestId("approval-1")
COMMAND = {"type": "commandExecution", "id": "c", "command": "make", "status": "inProgress"}
PATCH = {
    "type": "fileChange",
    "id": "p",
    "changes": [{"path": "/w/a.txt", "kind": {"type": "add"}, "diff": "hi\n"}],
    "status": "inProgress",
}
INTERRUPT = RpcCall(method="turn/interrupt", params={"threadId": "t", "turnId": "turn-a"})


class Talk:
    """A conversation in a turn that receives Codex's messages; `events` are those that it reported."""

    def __init__(self, *, started: bool = True) -> None:
        self.conversation = CodexConversation(thread_id=ProviderThreadId("t"))
        self.events: list[ProviderRuntimeEvent] = []
        self.answers: list[RpcAnswer] = []
        self.calls: list[RpcCall] = []
        self.begin("turn-a", started=started)

    def begin(self, turn: str, *, started: bool = True) -> None:
        self.take(self.conversation.begin_turn())
        self.take(self.conversation.take_turn_reply(Result(id=0, value={"turn": {"id": turn}})))
        if started:
            self.notify("turn/started", turn={"id": turn})
            self.events.clear()

    def take(self, transition: tuple[CodexConversation, RpcStep | None]) -> RpcStep:
        conversation, step = transition
        self.conversation = through_json(conversation)
        assert step is not None
        self.events += step.events
        self.answers += step.answers
        self.calls += step.calls
        return step

    def notify(self, method: str, **params: Any) -> None:
        self.take(self.conversation.take_notification(method, {"threadId": "t", **params}))

    def say(self, text: str, *, item: str = "m", turn: str = "turn-a") -> None:
        self.notify("item/agentMessage/delta", turnId=turn, itemId=item, delta=text)

    def item(self, fields: dict[str, Any], *, over: bool = True) -> None:
        self.notify("item/completed" if over else "item/started", turnId="turn-a", item=fields)

    def ask(self, what: str = "commandExecution", *, number: int = 0, **params: Any) -> None:
        given = {"threadId": "t", "turnId": "turn-a", **params}
        self.take(self.conversation.take_request(number, f"item/{what}/requestApproval", given))

    def end(self, status: str = "completed", **turn: Any) -> None:
        self.notify("turn/completed", turn={"id": "turn-a", "status": status, **turn})

    def last(self) -> ProviderRuntimeEvent:
        return self.events[-1]


@pytest.mark.lesson("L41")
def test_long_ids_are_bounded_and_stay_distinct() -> None:
    talk, long = Talk(), "x" * 500_000
    for number in range(10):
        talk.say("text", item=f"{long}{number}")
        talk.item({"type": "commandExecution", "id": f"{long}{number}", "command": "make"}, over=False)
    assert len(dump_state(talk.conversation)) < 1_000_000
    talk.events.clear()
    talk.item({"type": "agentMessage", "id": f"{long}7", "text": "text"})
    talk.item({"type": "commandExecution", "id": f"{long}7", "command": "make", "status": "completed"})
    assert [event.item for event in talk.events if isinstance(event, MessageCompleted | ToolCompleted)] == [
        "message-8",
        "tool-8",
    ]


class TestText:
    def test_deltas_become_one_message(self) -> None:
        talk = Talk()
        talk.say("Hel")
        talk.say("lo")
        talk.item({"type": "agentMessage", "id": "m", "text": "Hello"})
        item = ProviderItemId("message-1")
        assert talk.events == [
            MessageDelta(item=item, text="Hel"),
            MessageDelta(item=item, text="lo"),
            MessageCompleted(item=item),
        ]

    def test_message_that_was_not_streamed_is_reported_whole(self) -> None:
        talk = Talk()
        talk.item({"type": "agentMessage", "id": "m", "text": "Hello"})
        assert [type(event) for event in talk.events] == [MessageDelta, MessageCompleted]

    def test_an_empty_message_is_none(self) -> None:
        talk = Talk()
        talk.item({"type": "agentMessage", "id": "m", "text": ""})
        assert talk.events == []

    def test_an_id_that_comes_again_is_another_message(self) -> None:
        talk = Talk()
        for _ in range(2):
            talk.item({"type": "agentMessage", "id": "m", "text": "Hello"})
        assert [event.item for event in talk.events if isinstance(event, MessageCompleted)] == [
            "message-1",
            "message-2",
        ]

    def test_a_thought_is_its_summary_or_else_its_content(self) -> None:
        talk = Talk()
        talk.item({"type": "reasoning", "id": "r", "summary": ["one", "two"], "content": ["x"]})
        talk.item({"type": "reasoning", "id": "s", "summary": [], "content": ["three"]})
        talk.item({"type": "reasoning", "id": "u", "summary": [], "content": []})
        assert talk.events == [ReasoningCompleted(text="one\n\ntwo"), ReasoningCompleted(text="three")]

    def test_plan_is_reported(self) -> None:
        talk = Talk()
        steps = [{"step": "look", "status": "completed"}, {"step": "leap", "status": "pending"}]
        talk.notify("turn/plan/updated", turnId="turn-a", plan=steps)
        assert talk.events == [PlanUpdated(summary="look; leap", detail={"entries": steps, "explanation": None})]


class TestTools:
    @pytest.mark.parametrize(
        ("fields", "title"),
        [
            (COMMAND, "make"),
            (PATCH, "/w/a.txt"),
            ({"type": "mcpToolCall", "id": "x", "server": "docs", "tool": "find"}, "docs.find"),
            ({"type": "webSearch", "id": "x", "query": "herons"}, "herons"),
            ({"type": "imageGeneration", "id": "x"}, "imageGeneration"),
        ],
    )
    def test_a_tool_has_a_title(self, fields: dict[str, Any], title: str) -> None:
        talk = Talk()
        talk.item(fields, over=False)
        (started,) = talk.events
        assert isinstance(started, ToolStarted)
        assert started.title == title

    @pytest.mark.parametrize(("status", "failed"), [("completed", False), ("failed", True), ("declined", True)])
    def test_a_tool_ends_once_with_its_status(self, status: str, failed: bool) -> None:
        talk = Talk()
        talk.item(COMMAND, over=False)
        talk.item({**COMMAND, "status": status, "aggregatedOutput": "ok"})
        talk.end()
        (ended,) = [event for event in talk.events if isinstance(event, ToolCompleted)]
        assert (ended.item, ended.failed, ended.detail["aggregatedOutput"]) == ("tool-1", failed, "ok")

    def test_tool_without_a_start_is_reported_with_one(self) -> None:
        talk = Talk()
        talk.item({**COMMAND, "status": "completed"})
        assert [type(event) for event in talk.events] == [ToolStarted, ToolCompleted]

    def test_open_items_of_a_turn_end_with_it(self) -> None:
        talk = Talk()
        talk.say("Hel")
        talk.item(COMMAND, over=False)
        talk.end("interrupted")
        assert [type(event) for event in talk.events[2:]] == [MessageCompleted, ToolCompleted, TurnCompleted]
        (_, ended, _) = talk.events[2:]
        assert isinstance(ended, ToolCompleted)
        assert ended.failed
        assert ended.detail["status"] == "unfinished"

    def test_other_items_are_not_reported(self) -> None:
        talk = Talk()
        for kind in ("userMessage", "hookPrompt", "subAgentActivity"):
            talk.item({"type": kind, "id": kind}, over=False)
            talk.item({"type": kind, "id": kind})
        assert talk.events == []


class TestTurn:
    def test_start_of_a_turn_is_reported_with_its_id(self) -> None:
        talk = Talk(started=False)
        talk.notify("turn/started", turn={"id": "turn-a"})
        assert talk.events == [TurnStarted(provider_turn_id=ProviderTurnId("turn-a"))]
        assert talk.conversation.had_turn

    def test_a_start_may_come_before_the_reply(self) -> None:
        talk = Talk()
        talk.end()
        talk.take(talk.conversation.begin_turn())
        talk.notify("turn/started", turn={"id": "turn-b"})
        talk.take(talk.conversation.take_turn_reply(Result(id=1, value={"turn": {"id": "turn-b"}})))
        talk.say("hi", turn="turn-b")
        assert isinstance(talk.last(), MessageDelta)

    def test_failure_reports_the_reason(self) -> None:
        talk = Talk()
        talk.end("failed", error={"message": "no quota", "additionalDetails": "until noon"})
        assert talk.last() == TurnCompleted(outcome="failed", error="no quota: until noon", reason="rate_limited")

    def test_an_error_is_no_end(self) -> None:
        talk = Talk()
        talk.notify("error", turnId="turn-a", error={"message": "hiccup"}, willRetry=True)
        talk.notify("error", turnId="turn-a", error={"message": "broken"}, willRetry=False)
        assert talk.events == [RuntimeErrorReported(message="the agent tries again: hiccup")]
        assert talk.conversation.running

    def test_a_turn_that_is_not_taken_has_failed(self) -> None:
        talk = Talk()
        talk.end()
        talk.take(talk.conversation.begin_turn())
        talk.take(talk.conversation.take_turn_reply(Refusal(id=1, code=-32600, message="no such thread")))
        assert talk.last() == TurnCompleted(outcome="failed", error="the agent refused the turn: no such thread")
        assert not talk.conversation.running

    def test_a_second_turn_at_once_is_refused(self) -> None:
        with pytest.raises(ProviderProtocolError, match="one turn at a time"):
            Talk().conversation.begin_turn()

    def test_messages_of_another_turn_or_thread_are_dropped(self) -> None:
        talk = Talk()
        talk.say("late", turn="an earlier one")
        talk.take(
            talk.conversation.take_notification(
                "item/agentMessage/delta", {"threadId": "a subagent's", "turnId": "turn-a"}
            )
        )
        assert talk.events == []

    @pytest.mark.parametrize("params", [None, [], "text", {"threadId": 7}, {"threadId": "t", "turn": "x"}])
    def test_a_message_of_another_shape_is_dropped(self, params: Any) -> None:
        talk = Talk()
        talk.take(talk.conversation.take_notification("turn/completed", params))
        assert talk.events == []


class TestApprovals:
    @pytest.mark.parametrize("decision", ["accept", "acceptForSession", "decline", "cancel"])
    def test_a_decision_is_passed_on(self, decision: ApprovalDecision) -> None:
        talk = Talk()
        talk.ask(number=3)
        talk.take(talk.conversation.answer_request(FIRST, decision))
        assert talk.answers == [RpcAnswer(id=3, value={"decision": decision})]
        assert talk.last() == ApprovalResolved(request=FIRST, decision=decision)
        assert talk.calls == []

    def test_a_command_is_shown_with_its_reason(self) -> None:
        talk = Talk()
        talk.item(COMMAND, over=False)
        talk.ask(itemId="c", command="make install", reason="needs the network", cwd="/w")
        asked = talk.last()
        assert isinstance(asked, ApprovalRequested)
        assert (asked.kind, asked.summary, asked.item) == ("command", "make install: needs the network", "tool-1")
        assert asked.detail["cwd"] == "/w"

    def test_a_file_change_takes_its_diff_from_its_item(self) -> None:
        talk = Talk()
        talk.item(PATCH, over=False)
        talk.ask("fileChange", itemId="p")
        asked = talk.last()
        assert isinstance(asked, ApprovalRequested)
        assert (asked.kind, asked.summary) == ("fileChange", "/w/a.txt")
        assert asked.detail["changes"] == PATCH["changes"]

    @pytest.mark.parametrize(
        ("decision", "granted", "scope", "interrupts"),
        [
            ("accept", True, "turn", False),
            ("acceptForSession", True, "session", False),
            ("decline", False, "turn", False),
            ("cancel", False, "turn", True),
        ],
    )
    def test_permissions_are_granted_as_they_were_asked(
        self, decision: ApprovalDecision, granted: bool, scope: str, interrupts: bool
    ) -> None:
        talk = Talk()
        wanted = {"network": {"enabled": True}}
        talk.ask("permissions", permissions=wanted)
        talk.take(talk.conversation.answer_request(FIRST, decision))
        assert talk.answers[0].value == {"permissions": wanted if granted else {}, "scope": scope}
        assert talk.calls == ([INTERRUPT] if interrupts else [])

    def test_reused_ids_are_distinguished(self) -> None:
        talk = Talk()
        for _ in range(2):
            talk.ask(number=0)
            asked = talk.last()
            assert isinstance(asked, ApprovalRequested)
            talk.take(talk.conversation.answer_request(asked.request, "accept"))
        assert [event.request for event in talk.events if isinstance(event, ApprovalRequested)] == [
            "approval-1",
            "approval-2",
        ]

    def test_a_request_that_is_not_open_is_refused(self) -> None:
        talk = Talk()
        talk.ask()
        talk.take(talk.conversation.answer_request(FIRST, "accept"))
        with pytest.raises(ProviderProtocolError, match="not open"):
            talk.conversation.answer_request(FIRST, "accept")

    def test_a_request_that_the_agent_takes_back_is_cancelled(self) -> None:
        talk = Talk()
        talk.ask(number=3)
        talk.notify("serverRequest/resolved", requestId=4)
        assert isinstance(talk.last(), ApprovalRequested)
        talk.notify("serverRequest/resolved", requestId=3)
        assert talk.last() == ApprovalResolved(request=FIRST, decision="cancel")

    def test_resolution_of_an_answered_request_changes_nothing(self) -> None:
        talk = Talk()
        talk.ask(number=3)
        talk.take(talk.conversation.answer_request(FIRST, "accept"))
        talk.events.clear()
        talk.notify("serverRequest/resolved", requestId=3)
        assert talk.events == []

    @pytest.mark.parametrize("turn", ["an earlier one", None])
    def test_a_request_of_no_running_turn_is_cancelled(self, turn: str | None) -> None:
        talk = Talk()
        if turn is None:
            talk.end()
        talk.events.clear()
        talk.ask(number=9, turnId=turn or "turn-a")
        assert talk.answers == [RpcAnswer(id=9, value={"decision": "cancel"})]
        assert talk.events == []

    def test_requests_of_a_subagent_are_reported(self) -> None:
        talk = Talk()
        talk.ask(threadId="a subagent's", turnId="its own", command="make")
        assert isinstance(talk.last(), ApprovalRequested)

    def test_a_request_of_an_unknown_method_is_refused(self) -> None:
        assert Talk().conversation.take_request(1, "account/chatgptAuthTokens/refresh", {})[1] is None


USER_INPUT = "item/tool/requestUserInput"
ELICITATION = "mcpServer/elicitation/request"
HERE = {"threadId": "t", "turnId": "turn-a"}
FORM = ApprovalRequestId("form-1")


@pytest.mark.lesson("L140")
class TestQuestions:
    ASKED: Final = (
        {"id": "colour", "header": "Colour", "question": "Which?", "isOther": True, "options": [{"label": "red"}]},
        {"id": "pin", "header": "Pin", "question": "Your pin?", "isSecret": True, "options": None},
    )

    def ask(self, talk: Talk, method: str = USER_INPUT, **params: Any) -> RpcStep:
        asked = {"questions": list(self.ASKED)} if method == USER_INPUT else {}
        return talk.take(talk.conversation.take_request(3, method, {**HERE, **asked, **params}))

    def test_questions_of_codex_are_reported_and_answered(self) -> None:
        talk = Talk()
        self.ask(talk)
        asked = talk.last()
        assert isinstance(asked, QuestionRequested)
        assert (asked.request, asked.summary) == (FORM, "Which?")
        colour, pin = asked.questions
        assert (colour.free_text, colour.secret, colour.required) == (True, False, False)
        assert [option.label for option in colour.options] == ["red"]
        assert (pin.options, pin.secret) == ((), True)
        talk.take(talk.conversation.answer_request(FORM, "accept", answers={"colour": "red", "pin": "1234"}))
        answers = {"colour": {"answers": ["red"]}, "pin": {"answers": ["1234"]}}
        assert talk.answers == [RpcAnswer(id=3, value={"answers": answers})]
        assert talk.last() == ApprovalResolved(request=FORM, decision="accept")

    @pytest.mark.parametrize(("decision", "interrupts"), [("decline", False), ("cancel", True)])
    def test_questions_without_answers_let_codex_go_on(self, decision: ApprovalDecision, interrupts: bool) -> None:
        talk = Talk()
        self.ask(talk)
        talk.take(talk.conversation.answer_request(FORM, decision))
        assert talk.answers == [RpcAnswer(id=3, value={"answers": {}})]
        assert talk.calls == ([INTERRUPT] if interrupts else [])

    @pytest.mark.parametrize("turn", ["turn-a", None])
    def test_forms_of_an_mcp_server_are_reported_and_answered(self, turn: str | None) -> None:
        talk = Talk()
        schema = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}
        form = {"mode": "form", "message": "How many?", "requestedSchema": schema, "serverName": "shop"}
        self.ask(talk, ELICITATION, **(form | {"turnId": turn}))
        asked = talk.last()
        assert isinstance(asked, QuestionRequested)
        assert (asked.summary, asked.detail) == ("How many?", {"serverName": "shop", "message": "How many?"})
        talk.take(talk.conversation.answer_request(FORM, "accept", answers={"size": 3}))
        assert talk.answers == [RpcAnswer(id=3, value={"action": "accept", "content": {"size": 3}})]

    def test_a_confirmation_is_remembered_where_codex_offers_it(self) -> None:
        for persist, remembered in ((["session", "always"], {"_meta": {"persist": "session"}}), (None, {})):
            talk = Talk()
            form = {"mode": "form", "message": "Run it?", "requestedSchema": {"type": "object", "properties": {}}}
            self.ask(talk, ELICITATION, **form, _meta={"persist": persist})
            talk.take(talk.conversation.answer_request(FORM, "acceptForSession"))
            assert talk.answers[0].value == {"action": "accept", "content": {}, **remembered}

    @pytest.mark.parametrize(
        "params",
        [
            {"mode": "url", "url": "https://user:pass@example.org/login", "message": "Log in"},
            {"mode": "form", "requestedSchema": {"properties": {"x": {"type": "odd"}}, "required": ["x"]}},
        ],
    )
    def test_what_is_no_form_to_show_is_declined_with_a_notice(self, params: JsonObject) -> None:
        talk = Talk()
        self.ask(talk, ELICITATION, **params)
        assert talk.answers == [RpcAnswer(id=3, value={"action": "decline", "content": None})]
        notice = talk.last()
        assert isinstance(notice, SessionNotice)
        assert "user:pass" not in str(notice)

    def test_a_late_question_gets_an_empty_answer(self) -> None:
        talk = Talk()
        self.ask(talk, turnId="another")
        talk.end("completed")
        self.ask(talk)
        assert [answer.value for answer in talk.answers] == [{"answers": {}}] * 2

    def test_an_answer_to_no_question_is_refused(self) -> None:
        talk = Talk()
        self.ask(talk)
        with pytest.raises(AnswerRefused):
            talk.conversation.answer_request(FORM, "accept", answers={"size": "1"})

    def test_an_interrupt_resolves_an_open_question(self) -> None:
        talk = Talk()
        self.ask(talk)
        talk.take(talk.conversation.interrupt_turn())
        assert talk.last() == ApprovalResolved(request=FORM, decision="cancel")


class TestInterrupt:
    def test_a_turn_that_is_up_is_interrupted_at_once(self) -> None:
        talk = Talk()
        talk.take(talk.conversation.interrupt_turn())
        assert talk.calls == [INTERRUPT]
        talk.end("interrupted")
        assert talk.last() == TurnCompleted(outcome="interrupted")

    def test_a_turn_that_is_not_up_yet_is_interrupted_when_it_is(self) -> None:
        talk = Talk(started=False)
        talk.take(talk.conversation.interrupt_turn())
        assert talk.calls == []
        talk.notify("turn/started", turn={"id": "turn-a"})
        assert talk.calls == [INTERRUPT]

    def test_open_requests_are_cancelled_and_later_ones_not_asked(self) -> None:
        talk = Talk()
        talk.ask(number=1)
        talk.take(talk.conversation.interrupt_turn())
        assert talk.last() == ApprovalResolved(request=FIRST, decision="cancel")
        talk.ask(number=2)
        assert talk.answers == [RpcAnswer(id=2, value={"decision": "cancel"})]

    def test_a_cancelled_request_cancels_the_turn(self) -> None:
        talk = Talk()
        talk.ask()
        talk.take(talk.conversation.answer_request(FIRST, "cancel"))
        talk.end("interrupted")
        assert talk.last() == TurnCompleted(outcome="cancelled")

    def test_refusal_is_reported_while_the_turn_runs(self) -> None:
        talk = Talk()
        refusal = Refusal(id=1, code=-32600, message="busy")
        talk.take(talk.conversation.take_interrupt_reply(refusal))
        assert talk.events == [RuntimeErrorReported(message="the agent refused the interrupt: busy")]
        talk.end()
        talk.events.clear()
        talk.take(talk.conversation.take_interrupt_reply(refusal))
        assert talk.events == []

    def test_without_a_turn_there_is_nothing_to_interrupt(self) -> None:
        talk = Talk()
        talk.end()
        assert talk.take(talk.conversation.interrupt_turn()) == RpcStep()


@pytest.mark.lesson("L63")
class TestBetweenTurns:
    def test_l63_messages_after_a_turn_are_reported(self) -> None:
        talk = Talk()
        talk.end()
        talk.events.clear()
        talk.say("later")
        talk.item({**COMMAND, "status": "completed"})
        talk.end()
        assert [type(event) for event in talk.events] == [MessageDelta, ToolStarted, ToolCompleted]

    def test_l63_the_end_of_a_cut_off_message_is_not_said_twice(self) -> None:
        talk = Talk()
        talk.say("Hel")
        talk.end()
        talk.events.clear()
        talk.item({"type": "agentMessage", "id": "m", "text": "Hello"})
        assert [event.text for event in talk.events if isinstance(event, MessageDelta)] == ["lo"]

    def test_l63_unrequested_turn_is_the_agents(self) -> None:
        talk = Talk()
        talk.end()
        talk.events.clear()
        talk.notify("turn/started", turn={"id": "turn-b"})
        talk.say("by myself", turn="turn-b")
        talk.take(talk.conversation.interrupt_turn())
        assert talk.calls == [RpcCall(method="turn/interrupt", params={"threadId": "t", "turnId": "turn-b"})]
        talk.notify("turn/completed", turn={"id": "turn-b", "status": "interrupted"})
        assert talk.events[0] == TurnStarted(provider_turn_id=ProviderTurnId("turn-b"), origin="agent")
        assert talk.last() == TurnCompleted(outcome="interrupted")

    @pytest.mark.parametrize("is_joined", [True, False])
    def test_l63_a_turn_that_meets_the_agents_own_ends_after_it(self, is_joined: bool) -> None:
        talk = Talk()
        talk.end()
        talk.events.clear()
        talk.notify("turn/started", turn={"id": "turn-b"})
        talk.take(talk.conversation.begin_turn())
        ours = "turn-b" if is_joined else "turn-c"
        talk.take(talk.conversation.take_turn_reply(Result(id=1, value={"turn": {"id": ours}})))
        talk.notify("turn/started", turn={"id": ours})
        talk.notify("turn/completed", turn={"id": ours, "status": "completed"})
        assert [type(event) for event in talk.events] == [TurnStarted, TurnCompleted, TurnStarted, TurnCompleted]
        assert [event.origin for event in talk.events if isinstance(event, TurnStarted)] == ["agent", "user"]
        assert not talk.conversation.running

    def test_l63_a_turn_whose_end_never_came_is_settled(self) -> None:
        for kept, outcome in (({"status": "completed"}, "completed"), ({}, "failed")):
            talk = Talk()
            talk.take(talk.conversation.settle_turn("another", {"status": "completed"}))
            assert talk.events == []
            talk.take(talk.conversation.settle_turn("turn-a", kept))
            ended = talk.last()
            assert isinstance(ended, TurnCompleted)
            assert ended.outcome == outcome

    def test_l63_output_is_shown_while_a_command_runs(self) -> None:
        talk = Talk()
        talk.item(COMMAND, over=False)
        for delta in ("one\n", "two\n"):
            talk.notify("item/commandExecution/outputDelta", turnId="turn-a", itemId="c", delta=delta)
        updated = talk.last()
        assert isinstance(updated, ToolUpdated)
        assert (updated.item, updated.detail["aggregatedOutput"]) == ("tool-1", "one\ntwo\n")

    def test_l63_unknown_messages_are_counted_session_ones_noticed(self) -> None:
        talk = Talk()
        talk.notify("thread/tokenUsage/updated", turnId="turn-a")
        talk.notify("of/tomorrow")
        talk.item({"type": "somethingNew", "id": "n"})
        talk.notify("thread/compacted", turnId="turn-a")
        (ignored, compacted) = [event for event in talk.events if isinstance(event, SessionNotice)]
        assert (ignored.kind, ignored.detail["kinds"]) == ("frames.ignored", {"of/tomorrow": 1})
        assert (compacted.kind, compacted.summary) == ("session.notice", "The agent compacted its conversation")

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            ({"message": "m", "codexErrorInfo": "contextWindowExceeded"}, "context_full"),
            (
                {"message": "m", "codexErrorInfo": {"responseStreamDisconnected": {"httpStatusCode": 429}}},
                "rate_limited",
            ),
            ({"message": "m", "codexErrorInfo": "cyberPolicy"}, "refused"),
            ({"message": "unexpected status 401 Unauthorized"}, "unauthenticated"),
            ({"message": "The model `x` does not exist"}, "model_unavailable"),
            ({"message": "hiccup", "codexErrorInfo": "other"}, None),
        ],
    )
    def test_l63_a_failure_has_a_reason(self, error: dict[str, Any], reason: str | None) -> None:
        talk = Talk()
        talk.end("failed", error=error)
        ended = talk.last()
        assert isinstance(ended, TurnCompleted)
        assert ended.reason == reason
        assert ("codex login" in (ended.error or "")) == (reason == "unauthenticated")

    def test_l63_limit_reports_when_it_is_lifted(self) -> None:
        talk = Talk()
        limits = {"primary": {"usedPercent": 100, "resetsAt": 1_800_000_000}, "secondary": {"usedPercent": 4}}
        talk.take(talk.conversation.take_notification("account/rateLimits/updated", {"rateLimits": limits}))
        talk.end("failed", error={"message": "limit", "codexErrorInfo": "usageLimitExceeded"})
        ended = talk.last()
        assert isinstance(ended, TurnCompleted)
        assert (ended.reason, ended.retry_at) == ("rate_limited", "2027-01-15T08:00:00.000Z")


@pytest.mark.lesson("L63")
class TestReach:
    PROPOSED: ClassVar[dict[str, Any]] = {
        "proposedExecpolicyAmendment": ["make"],
        "proposedNetworkPolicyAmendments": [{"host": "example.org", "action": "allow"}],
    }

    def test_l63_a_decision_never_takes_a_permanent_rule(self) -> None:
        for decision in ("accept", "acceptForSession", "decline"):
            talk = Talk()
            talk.ask(**self.PROPOSED)
            talk.take(talk.conversation.answer_request(FIRST, decision))
            assert talk.answers[-1].value == {"decision": decision}

    def test_l63_an_option_is_taken_where_it_is_named(self) -> None:
        talk = Talk()
        talk.ask(**self.PROPOSED)
        asked = talk.last()
        assert isinstance(asked, ApprovalRequested)
        assert [one.id for one in asked.options] == [
            *("accept", "acceptForSession", "decline", "cancel", "rule", "network-1"),
        ]
        with pytest.raises(ProviderProtocolError, match="contradicts"):
            talk.conversation.answer_request(FIRST, "decline", ApprovalOptionId("rule"))
        with pytest.raises(ProviderProtocolError, match="no option"):
            talk.conversation.answer_request(FIRST, "accept", ApprovalOptionId("forged"))
        talk.take(talk.conversation.answer_request(FIRST, "acceptForSession", ApprovalOptionId("rule")))
        rule = {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["make"]}}
        assert talk.answers[-1].value == {"decision": rule}
