"""What a conversation makes of an agent's updates, requests and replies. No process, no pipe."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.jsonrpc.protocol import Notification, Refusal, Result
from orchestrion.actors.providers.jsonrpc.steps import RpcAnswer, RpcStep
from orchestrion.contracts.errors import ProviderProtocolError
from orchestrion.contracts.ids import ApprovalRequestId, ProviderItemId, ProviderThreadId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    QuestionRequested,
    ReasoningCompleted,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
)
from orchestrion.contracts.values import ApprovalDecision, JsonObject
from tests.support.conversations import through_json

CANCEL = Notification(method="session/cancel", params={"sessionId": "s"})
CANCELLED = {"outcome": {"outcome": "cancelled"}}
EVERY_OPTION = ("allow_once", "allow_always", "reject_once", "reject_always")
FIRST = ApprovalRequestId("permission-1")


class Talk:
    """A conversation in a turn that receives the agent's messages; `events` are those that it reported."""

    def __init__(self, *, running: bool = True) -> None:
        self.conversation = AcpConversation(session_id=ProviderThreadId("s"))
        self.events: list[ProviderRuntimeEvent] = []
        self.answers: list[RpcAnswer] = []
        if running:
            self.take(self.conversation.begin_turn())

    def take(self, transition: tuple[AcpConversation, RpcStep]) -> RpcStep:
        conversation, step = transition
        self.conversation = through_json(conversation)
        self.events += step.events
        self.answers += step.answers
        return step

    def update(self, kind: str, /, **fields: Any) -> RpcStep:
        return self.take(self.conversation.take_update({"sessionId": "s", "update": {"sessionUpdate": kind, **fields}}))

    def say(self, text: str, **fields: Any) -> RpcStep:
        return self.update("agent_message_chunk", content={"type": "text", "text": text}, **fields)

    def think(self, text: str) -> RpcStep:
        return self.update("agent_thought_chunk", content={"type": "text", "text": text})

    def ask(self, *options: str, **call: Any) -> RpcStep:
        offered = [{"optionId": f"id-{kind}", "name": kind, "kind": kind} for kind in options or EVERY_OPTION]
        params = {"sessionId": "s", "toolCall": {"toolCallId": "t", **call}, "options": offered}
        return self.take(self.conversation.take_permission_request(7, params))

    def end(self, reason: str = "end_turn") -> RpcStep:
        return self.take(self.conversation.take_prompt_reply(Result(id=0, value={"stopReason": reason})))

    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]

    def texts(self) -> list[tuple[str, str]]:
        return [(event.item, event.text) for event in self.events if isinstance(event, MessageDelta)]


class TestText:
    def test_chunks_continue_one_message_until_the_turn_ends(self) -> None:
        talk = Talk()
        talk.say("Hello ")
        talk.say("world")
        talk.end()
        assert talk.texts() == [("message-1", "Hello "), ("message-1", "world")]
        assert talk.events[2:] == [
            MessageCompleted(item=ProviderItemId("message-1")),
            TurnCompleted(outcome="completed"),
        ]

    def test_a_tool_call_ends_the_message(self) -> None:
        talk = Talk()
        talk.say("before")
        talk.update("tool_call", toolCallId="t", title="ls")
        talk.say("after")
        assert talk.kinds() == [MessageDelta, MessageCompleted, ToolStarted, MessageDelta]
        assert talk.texts() == [("message-1", "before"), ("message-2", "after")]

    def test_progress_of_a_tool_call_does_not_end_the_message(self) -> None:
        talk = Talk()
        talk.update("tool_call", toolCallId="t", title="ls")
        talk.say("one ")
        talk.update("tool_call_update", toolCallId="t", status="in_progress")
        talk.say("message")
        assert talk.texts() == [("message-1", "one "), ("message-1", "message")]

    def test_thought_ends_the_message_and_is_reported_whole(self) -> None:
        talk = Talk()
        talk.say("before")
        talk.think("let me ")
        talk.think("see")
        talk.say("after")
        assert talk.kinds() == [MessageDelta, MessageCompleted, ReasoningCompleted, MessageDelta]
        assert ReasoningCompleted(text="let me see") in talk.events

    def test_another_message_id_begins_another_message(self) -> None:
        talk = Talk()
        talk.say("a", messageId="1")
        talk.say("b", messageId="1")
        talk.say("c", messageId="2")
        assert talk.texts() == [("message-1", "a"), ("message-1", "b"), ("message-2", "c")]

    def test_keys_are_not_used_again_in_a_later_turn(self) -> None:
        talk = Talk()
        talk.say("a")
        talk.end()
        talk.take(talk.conversation.begin_turn())
        talk.say("b")
        assert talk.texts() == [("message-1", "a"), ("message-2", "b")]

    def test_an_endless_thought_is_bounded(self) -> None:
        talk = Talk()
        for _ in range(20):
            talk.think("x" * 10_000)
        talk.end()
        (thought,) = [event.text for event in talk.events if isinstance(event, ReasoningCompleted)]
        assert len(thought) == 64 * 1024

    def test_thought_is_reported_when_the_agent_dies_before_its_end(self) -> None:
        talk = Talk()
        talk.say("half a sen")
        talk.think("hm")
        talk.events.clear()
        talk.take(talk.conversation.abandon_turn())
        assert talk.events == [ReasoningCompleted(text="hm")]


class TestTools:
    def test_a_tool_call_is_started_and_completed_once(self) -> None:
        talk = Talk()
        talk.update("tool_call", toolCallId="t", title="ls", kind="execute", rawInput={"command": "ls"})
        talk.update("tool_call_update", toolCallId="t", status="in_progress")
        content = [{"type": "content", "content": {"type": "text", "text": "a.txt"}}]
        talk.update("tool_call_update", toolCallId="t", status="completed", content=content)
        talk.update("tool_call_update", toolCallId="t", status="completed")
        talk.update("tool_call", toolCallId="t", status="completed")
        started, completed = talk.events
        assert isinstance(started, ToolStarted)
        assert isinstance(completed, ToolCompleted)
        assert started.item == completed.item == "tool-1"
        assert started.detail == {"toolCallId": "t", "kind": "execute", "rawInput": {"command": "ls"}}
        assert completed.detail["text"] == "a.txt"
        assert completed.detail["rawInput"] == {"command": "ls"}
        assert (completed.title, completed.failed) == ("ls", False)

    def test_failed_tool_call_is_reported_as_failed(self) -> None:
        talk = Talk()
        talk.update("tool_call", toolCallId="t", title="ls", status="failed")
        assert talk.kinds() == [ToolStarted, ToolCompleted]
        assert isinstance(talk.events[1], ToolCompleted)
        assert talk.events[1].failed

    def test_an_update_of_a_call_that_was_never_announced_starts_it(self) -> None:
        talk = Talk()
        talk.update("tool_call_update", toolCallId="t", title="ls", status="completed")
        assert talk.kinds() == [ToolStarted, ToolCompleted]

    def test_an_id_that_comes_again_is_another_call(self) -> None:
        talk = Talk()
        for _ in range(2):
            talk.update("tool_call", toolCallId="t", title="ls", status="pending")
            talk.update("tool_call_update", toolCallId="t", status="completed")
        assert [event.item for event in talk.events if isinstance(event, ToolStarted)] == ["tool-1", "tool-2"]

    def test_a_diff_is_in_the_detail(self) -> None:
        talk = Talk()
        diff = {"type": "diff", "path": "/w/a", "oldText": None, "newText": "x"}
        talk.update("tool_call", toolCallId="t", title="edit", kind="edit", content=[diff])
        assert isinstance(talk.events[0], ToolStarted)
        assert talk.events[0].detail["diffs"] == [{"path": "/w/a", "oldText": None, "newText": "x"}]

    @pytest.mark.parametrize(("reason", "failed"), [("end_turn", False), ("cancelled", True)])
    def test_a_call_that_the_turn_left_open_is_completed_with_it(self, reason: str, failed: bool) -> None:
        talk = Talk()
        talk.update("tool_call", toolCallId="t", title="ls", status="in_progress")
        talk.end(reason)
        assert talk.kinds() == [ToolStarted, ToolCompleted, TurnCompleted]
        assert isinstance(talk.events[1], ToolCompleted)
        assert (talk.events[1].failed, talk.events[1].detail["status"]) == (failed, "unfinished")

    def test_plan_is_reported_with_its_entries(self) -> None:
        talk = Talk()
        entries = [{"content": "look", "status": "completed"}, {"content": "leap", "status": "pending"}]
        talk.update("plan", entries=entries)
        assert talk.events == [PlanUpdated(summary="look; leap", detail={"entries": entries})]


class TestPermissions:
    @pytest.mark.parametrize(
        ("tool", "kind"),
        [
            ("execute", "command"),
            ("edit", "fileChange"),
            ("delete", "fileChange"),
            ("move", "fileChange"),
            ("fetch", "permission"),
            (None, "permission"),
        ],
    )
    def test_the_kind_follows_the_tool(self, tool: str | None, kind: str) -> None:
        talk = Talk()
        talk.ask(kind=tool, title="do it")
        (asked,) = talk.events
        assert isinstance(asked, ApprovalRequested)
        assert (asked.request, asked.kind, asked.summary) == ("permission-1", kind, "do it")

    @pytest.mark.parametrize(
        ("decision", "offered", "chosen"),
        [
            ("accept", EVERY_OPTION, "allow_once"),
            ("accept", ("allow_always", "reject_once"), "allow_always"),
            ("acceptForSession", EVERY_OPTION, "allow_once"),
            ("acceptForSession", ("allow_always", "reject_once"), "allow_always"),
            ("acceptForSession", ("allow_once", "reject_once"), "allow_once"),
            ("decline", EVERY_OPTION, "reject_once"),
            ("decline", ("allow_once", "reject_always"), "reject_always"),
        ],
    )
    def test_a_decision_chooses_an_option_by_kind(
        self, decision: ApprovalDecision, offered: tuple[str, ...], chosen: str
    ) -> None:
        talk = Talk()
        talk.ask(*offered)
        talk.take(talk.conversation.answer_request(FIRST, decision))
        assert talk.events[1:] == [ApprovalResolved(request=FIRST, decision=decision)]
        outcome = {"outcome": "selected", "optionId": f"id-{chosen}"}
        assert talk.answers == [RpcAnswer(id=7, value={"outcome": outcome})]

    def test_request_without_a_fitting_option_is_answered_cancelled(self) -> None:
        talk = Talk()
        talk.ask("allow_once", "allow_always")
        step = talk.take(talk.conversation.answer_request(FIRST, "decline"))
        assert (step.answers, step.notifications) == ((RpcAnswer(id=7, value=CANCELLED),), ())

    def test_cancel_decision_cancels_the_turn_and_its_other_requests(self) -> None:
        talk = Talk()
        talk.ask()
        talk.ask()
        step = talk.take(talk.conversation.answer_request(FIRST, "cancel"))
        assert step.notifications == (CANCEL,)
        assert [answer.value for answer in step.answers] == [CANCELLED, CANCELLED]
        second = ApprovalRequestId("permission-2")
        assert step.events == tuple(ApprovalResolved(request=one, decision="cancel") for one in (FIRST, second))
        talk.ask()
        assert talk.answers[-1].value == CANCELLED
        talk.end("cancelled")
        assert talk.events[-1] == TurnCompleted(outcome="cancelled")

    def test_approval_without_an_accepting_option_stays_open(self) -> None:
        talk = Talk()
        talk.ask("reject_once")
        with pytest.raises(ProviderProtocolError, match="no option of the request is a plain 'accept'"):
            talk.conversation.answer_request(FIRST, "accept")
        talk.take(talk.conversation.answer_request(FIRST, "decline"))
        assert len(talk.answers) == 1

    def test_a_request_is_answered_once(self) -> None:
        talk = Talk()
        talk.ask()
        talk.take(talk.conversation.answer_request(FIRST, "accept"))
        with pytest.raises(ProviderProtocolError, match="not open any more"):
            talk.conversation.answer_request(FIRST, "accept")

    def test_the_permission_names_the_call_that_comes_after_it(self) -> None:
        talk = Talk()
        talk.ask(title="Write a", kind="edit")
        talk.update("tool_call_update", toolCallId="t", status="completed")
        asked, started, completed = talk.events
        assert isinstance(asked, ApprovalRequested)
        assert isinstance(started, ToolStarted)
        assert isinstance(completed, ToolCompleted)
        assert asked.item == started.item == completed.item
        assert started.title == "Write a"

    def test_an_interrupt_cancels_what_is_open_and_what_is_asked_later(self) -> None:
        talk = Talk()
        talk.ask()
        talk.take(talk.conversation.interrupt_turn())
        talk.ask()
        assert talk.events[1:] == [ApprovalResolved(request=FIRST, decision="cancel")]
        assert [answer.value for answer in talk.answers] == [CANCELLED, CANCELLED]

    def test_a_request_that_outlives_its_turn_is_resolved_with_it(self) -> None:
        talk = Talk()
        talk.ask()
        talk.end()
        assert talk.events[1:] == [
            ApprovalResolved(request=FIRST, decision="cancel"),
            TurnCompleted(outcome="completed"),
        ]
        with pytest.raises(ProviderProtocolError, match="not open"):
            talk.conversation.answer_request(FIRST, "accept")


class TestTurns:
    @pytest.mark.parametrize("reason", ["refusal", "max_tokens", "max_turn_requests", "bored", ""])
    def test_an_end_without_success_fails_with_its_reason(self, reason: str) -> None:
        talk = Talk()
        talk.end(reason)
        (completed,) = talk.events
        assert isinstance(completed, TurnCompleted)
        assert completed.outcome == "failed"
        assert (reason or "none given") in (completed.error or "")

    def test_an_error_fails_the_turn_with_its_message(self) -> None:
        talk = Talk()
        talk.take(talk.conversation.take_prompt_reply(Refusal(id=0, code=-32603, message="out of quota")))
        assert talk.events == [TurnCompleted(outcome="failed", error="out of quota", reason="rate_limited")]

    def test_an_error_after_an_interrupt_is_an_interruption(self) -> None:
        talk = Talk()
        step = talk.take(talk.conversation.interrupt_turn())
        assert step.notifications == (CANCEL,)
        talk.take(talk.conversation.take_prompt_reply(Refusal(id=0, code=-32603, message="aborted")))
        assert talk.events == [TurnCompleted(outcome="interrupted", error="aborted")]

    def test_an_error_after_a_decision_to_cancel_is_a_cancellation(self) -> None:
        talk = Talk()
        talk.ask()
        talk.take(talk.conversation.answer_request(FIRST, "cancel"))
        talk.take(talk.conversation.take_prompt_reply(Refusal(id=0, code=-32603, message="aborted")))
        assert talk.events[-1] == TurnCompleted(outcome="cancelled", error="aborted")

    def test_an_interrupt_between_turns_asks_for_nothing(self) -> None:
        talk = Talk(running=False)
        assert talk.take(talk.conversation.interrupt_turn()) == RpcStep()

    @pytest.mark.lesson("L52")
    @pytest.mark.parametrize("reason", ["end_turn", "refusal", "max_tokens", "bored"])
    def test_interrupted_turn_is_interrupted_whatever_the_agent_reports(self, reason: str) -> None:
        talk = Talk()
        talk.take(talk.conversation.interrupt_turn())
        talk.end(reason)
        assert talk.events == [TurnCompleted(outcome="interrupted")]

    @pytest.mark.lesson("L52")
    @pytest.mark.parametrize(
        ("stopped", "reason"),
        [("refusal", "refused"), ("max_tokens", "context_full"), ("max_turn_requests", "max_turns"), ("bored", None)],
    )
    def test_why_a_turn_stopped_is_a_stable_reason(self, stopped: str, reason: str | None) -> None:
        talk = Talk()
        talk.end(stopped)
        (completed,) = talk.events
        assert isinstance(completed, TurnCompleted)
        assert completed.reason == reason

    @pytest.mark.lesson("L52")
    def test_error_of_a_prompt_has_data_reason_and_login_remedy(self) -> None:
        talk = Talk()
        talk.conversation = AcpConversation(session_id=ProviderThreadId("s"), login="run `x login`")
        talk.take(talk.conversation.begin_turn())
        refusal = Refusal(id=0, code=-32000, message="Internal error", detail={"details": "token expired"})
        talk.take(talk.conversation.take_prompt_reply(refusal))
        assert talk.events == [
            TurnCompleted(
                outcome="failed", error="Internal error: token expired; run `x login`", reason="unauthenticated"
            )
        ]

    @pytest.mark.parametrize(("asked", "outcome"), [(True, "interrupted"), (False, "cancelled")])
    def test_a_cancelled_turn_was_interrupted_if_the_runtime_asked(self, asked: bool, outcome: str) -> None:
        talk = Talk()
        if asked:
            talk.take(talk.conversation.interrupt_turn())
        talk.end("cancelled")
        assert [event.outcome for event in talk.events if isinstance(event, TurnCompleted)] == [outcome]

    def test_an_interrupt_of_one_turn_does_not_colour_the_next(self) -> None:
        talk = Talk()
        talk.take(talk.conversation.interrupt_turn())
        talk.end("cancelled")
        talk.take(talk.conversation.begin_turn())
        talk.end("cancelled")
        assert [event.outcome for event in talk.events if isinstance(event, TurnCompleted)] == [
            "interrupted",
            "cancelled",
        ]

    def test_a_second_turn_at_once_is_refused(self) -> None:
        talk = Talk()
        with pytest.raises(ProviderProtocolError, match="one turn at a time"):
            talk.take(talk.conversation.begin_turn())


class TestBetweenTurns:
    @pytest.mark.lesson("L51")
    def test_text_and_tools_after_the_reply_are_reported(self) -> None:
        talk = Talk()
        talk.say("The answer is ", messageId="m")
        talk.end()
        talk.events.clear()
        talk.say("42.", messageId="m")
        talk.update("tool_call", toolCallId="bg", title="build")
        talk.update("tool_call_update", toolCallId="bg", status="completed")
        talk.think("done")
        assert talk.kinds() == [MessageDelta, MessageCompleted, ToolStarted, ToolCompleted]
        assert talk.texts() == [("message-2", "42.")]
        talk.take(talk.conversation.begin_turn())
        assert talk.events[-1] == ReasoningCompleted(text="done")

    @pytest.mark.lesson("L51")
    def test_a_call_that_its_turn_left_open_ends_under_its_key(self) -> None:
        talk = Talk()
        talk.update("tool_call", toolCallId="bg", title="build", status="in_progress")
        talk.end()
        talk.events.clear()
        talk.take(talk.conversation.begin_turn())
        talk.update("tool_call_update", toolCallId="bg", status="failed")
        talk.update("tool_call_update", toolCallId="bg", status="failed")
        (completed,) = talk.events
        assert isinstance(completed, ToolCompleted)
        assert (completed.item, completed.title, completed.failed) == ("tool-1", "build", True)

    @pytest.mark.lesson("L51")
    def test_a_permission_between_turns_is_asked(self) -> None:
        talk = Talk(running=False)
        talk.ask()
        assert talk.kinds() == [ApprovalRequested]
        talk.take(talk.conversation.answer_request(FIRST, "cancel"))
        assert talk.events[1:] == [ApprovalResolved(request=FIRST, decision="cancel")]
        assert talk.answers == [RpcAnswer(id=7, value=CANCELLED)]

    def test_a_permission_after_an_interrupted_turn_is_answered_cancelled(self) -> None:
        talk = Talk()
        talk.take(talk.conversation.interrupt_turn())
        talk.end("cancelled")
        talk.events.clear()
        talk.ask()
        assert talk.events == []
        assert talk.answers == [RpcAnswer(id=7, value=CANCELLED)]

    @pytest.mark.lesson("L53")
    def test_history_that_is_replayed_is_dropped(self) -> None:
        talk = Talk(running=False)
        talk.conversation = AcpConversation(session_id=ProviderThreadId("s"), replaying=True)
        talk.update("user_message_chunk", content={"type": "text", "text": "old"})
        talk.say("old")
        talk.think("old")
        talk.update("tool_call", toolCallId="t", title="old")
        talk.ask()
        assert talk.answers == [RpcAnswer(id=7, value=CANCELLED)]
        talk.take(talk.conversation.end_replay())
        talk.take(talk.conversation.begin_turn())
        talk.say("new")
        assert talk.texts() == [("message-1", "new")]
        assert talk.kinds() == [MessageDelta]


class TestIgnored:
    def test_updates_of_another_session_are_counted(self) -> None:
        talk = Talk()
        chunk = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "x"}}
        talk.take(talk.conversation.take_update({"sessionId": "other", "update": chunk}))
        (notice,) = talk.events
        assert isinstance(notice, SessionNotice)
        assert notice.detail["kinds"] == {"updates of another session": 1}

    @pytest.mark.parametrize(
        "update",
        [
            {"sessionUpdate": "available_commands_update", "availableCommands": []},
            {"sessionUpdate": "current_mode_update", "currentModeId": "ask"},
            {"sessionUpdate": "agent_message_chunk", "content": []},
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "image"}},
        ],
    )
    def test_updates_that_lead_to_no_event_are_ignored(self, update: Any) -> None:
        talk = Talk()
        talk.take(talk.conversation.take_update({"sessionId": "s", "update": update}))
        assert talk.events == []

    @pytest.mark.lesson("L57")
    def test_updates_that_are_not_understood_are_counted_and_rarely_reported(self) -> None:
        talk = Talk()
        for update in ("?", {}, {"sessionUpdate": ["tool_call"]}, *[{"sessionUpdate": "dance"}] * 300):
            talk.take(talk.conversation.take_update({"sessionId": "s", "update": update}))
        params: Any
        for params in (None, []):
            talk.take(talk.conversation.take_update(params))
        talk.take(talk.conversation.count_unknown_method("_x/hello"))
        notices = [event for event in talk.events if isinstance(event, SessionNotice)]
        assert [sum(notice.detail["kinds"].values()) for notice in notices] == [1, 100]
        assert notices[-1].kind == "frames.ignored"
        assert notices[-1].detail["kinds"] == {"without a kind": 3, "dance": 97}

    def test_the_kinds_that_are_counted_are_bounded(self) -> None:
        talk = Talk()
        for number in range(1000):
            talk.update(f"{number}" + "x" * 1000)
        notice = talk.events[-1]
        assert isinstance(notice, SessionNotice)
        assert len(notice.detail["kinds"]) == 33
        assert max(map(len, notice.detail["kinds"])) == 100

    def test_a_request_of_the_wrong_shape_is_still_a_request(self) -> None:
        talk = Talk()
        step = talk.take(
            talk.conversation.take_permission_request(7, {"sessionId": "s", "toolCall": 3, "options": [None, "x", {}]})
        )
        (asked,) = step.events
        assert isinstance(asked, ApprovalRequested)
        assert asked.kind == "permission"


FORM = ApprovalRequestId("form-1")


@pytest.mark.lesson("L140")
class TestForms:
    def ask(self, talk: Talk, **params: Any) -> RpcStep:
        schema = {"type": "object", "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}}}
        asked = {"sessionId": "s", "mode": "form", "message": "Which?", "requestedSchema": schema}
        return talk.take(talk.conversation.take_form(9, asked | params))

    def test_a_form_is_reported_and_answered(self) -> None:
        talk = Talk()
        talk.say("Let me ask")
        self.ask(talk)
        assert talk.kinds() == [MessageDelta, MessageCompleted, QuestionRequested]
        asked = talk.events[-1]
        assert isinstance(asked, QuestionRequested)
        assert (asked.request, asked.summary) == (FORM, "Which?")
        talk.take(talk.conversation.answer_request(FORM, "accept", answers={"colour": "red"}))
        assert talk.answers == [RpcAnswer(id=9, value={"action": "accept", "content": {"colour": "red"}})]
        assert talk.events[-1] == ApprovalResolved(request=FORM, decision="accept")

    @pytest.mark.parametrize("decision", ["decline", "cancel"])
    def test_a_form_is_declined_or_ends_the_turn(self, decision: ApprovalDecision) -> None:
        talk = Talk()
        self.ask(talk)
        step = talk.take(talk.conversation.answer_request(FORM, decision))
        assert talk.answers == [RpcAnswer(id=9, value={"action": decision})]
        assert [one.method for one in step.notifications] == (["session/cancel"] if decision == "cancel" else [])

    @pytest.mark.parametrize("running", [True, False])
    def test_a_form_is_asked_between_turns_too(self, running: bool) -> None:
        talk = Talk(running=running)
        self.ask(talk)
        assert talk.kinds() == [QuestionRequested]
        talk.take(talk.conversation.answer_request(FORM, "cancel"))
        assert talk.answers == [RpcAnswer(id=9, value={"action": "cancel"})]

    @pytest.mark.parametrize("params", [{"sessionId": "another"}, {"sessionId": None, "requestId": 4}])
    def test_a_form_of_something_else_is_cancelled(self, params: JsonObject) -> None:
        talk = Talk()
        self.ask(talk, **params)
        assert (talk.events, talk.answers) == ([], [RpcAnswer(id=9, value={"action": "cancel"})])

    @pytest.mark.parametrize(
        "params", [{"mode": "url", "url": "https://example.org/"}, {"requestedSchema": 7, "mode": "x"}]
    )
    def test_a_link_is_declined_with_a_notice(self, params: JsonObject) -> None:
        talk = Talk()
        self.ask(talk, **params)
        assert talk.answers == [RpcAnswer(id=9, value={"action": "decline"})]
        assert talk.kinds() == [SessionNotice]

    def test_the_end_of_a_turn_cancels_what_it_asked(self) -> None:
        talk = Talk()
        self.ask(talk)
        talk.end()
        assert talk.answers == [RpcAnswer(id=9, value={"action": "cancel"})]
        assert ApprovalResolved(request=FORM, decision="cancel") in talk.events
