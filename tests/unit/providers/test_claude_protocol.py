"""Claude Code's messages become provider events: given messages, then the reported events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import pytest

from orchestrion.actors.providers.claude.protocol import ClaudeConversation
from orchestrion.actors.providers.claude.requests import request_event
from orchestrion.actors.providers.claude.session import ClaudeSession
from orchestrion.actors.providers.claude.steps import ClaudeStep as Step
from orchestrion.actors.providers.claude.tools import tool_title
from orchestrion.actors.providers.conversation_state import dump_state, load_state
from orchestrion.contracts.errors import ProviderProtocolError
from orchestrion.contracts.ids import ApprovalRequestId, ProviderItemId, ProviderThreadId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionNotice,
    SubagentMessage,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
)
from orchestrion.contracts.values import ApprovalDecision

PROMPT = "prompt-1"
INIT: dict[str, Any] = {"type": "system", "subtype": "init"}


def streamed(kind: str, parent: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"type": "stream_event", "parent_tool_use_id": parent, "event": {"type": kind, **fields}}


def message_start(message_id: str) -> dict[str, Any]:
    return streamed("message_start", message={"id": message_id})


def delta(index: int, text: str, parent: str | None = None) -> dict[str, Any]:
    return streamed("content_block_delta", parent, index=index, delta={"type": "text_delta", "text": text})


def stop(index: int) -> dict[str, Any]:
    return streamed("content_block_stop", index=index)


def assistant(message_id: str, *blocks: dict[str, Any], parent: str | None = None, **fields: Any) -> dict[str, Any]:
    message = {"id": message_id, "content": list(blocks)}
    return {"type": "assistant", "uuid": "frame-1", "message": message, "parent_tool_use_id": parent, **fields}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool_use(identity: str, name: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def tool_result(identity: str, content: Any, **fields: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": identity, "content": content, **fields}
    return {"type": "user", "message": {"role": "user", "content": [block]}, "parent_tool_use_id": None}


def result(subtype: str = "success", **fields: Any) -> dict[str, Any]:
    is_error = fields.pop("is_error", subtype != "success")
    prompts = fields.pop("prompts", [PROMPT])
    return {"type": "result", "subtype": subtype, "is_error": is_error, "user_message_uuids": prompts, **fields}


T = TypeVar("T")


class Conversation:
    """The value and a copy that is written and read back before each transition: both do the same."""

    def __init__(self) -> None:
        self.value = ClaudeConversation(session=ClaudeSession(session_id=ProviderThreadId("session-1")))

    @property
    def running(self) -> bool:
        return self.value.running

    def begin_turn(self, prompt: str) -> None:
        self._go(lambda value: (value.begin_turn(prompt), None))

    def take_message(self, message: dict[str, Any]) -> Step:
        return self._go(lambda value: value.take_message(message))

    def take_permission_request(self, tool: str, given: Any, **more: Any) -> tuple[ApprovalRequestId | None, Step]:
        def ask(value: ClaudeConversation) -> tuple[ClaudeConversation, tuple[ApprovalRequestId | None, Step]]:
            after, request, step = value.take_permission_request(tool, given, **more)
            return after, (request, step)

        return self._go(ask)

    def answer_permission(self, request: ApprovalRequestId, decision: ApprovalDecision) -> Step:
        return self._go(lambda value: value.answer_permission(request, decision))

    def withdraw_permission(self, request: ApprovalRequestId) -> Step:
        return self._go(lambda value: value.withdraw_permission(request))

    def interrupt_turn(self) -> Step:
        return self._go(lambda value: value.interrupt_turn())

    def _go(self, transition: Callable[[ClaudeConversation], tuple[ClaudeConversation, T]]) -> T:
        written = dump_state(self.value)
        after, outcome = transition(self.value)
        assert dump_state(self.value) == written
        assert transition(load_state(written, ClaudeConversation)) == (after, outcome)
        self.value = after
        return outcome


@pytest.fixture
def conversation() -> Conversation:
    """A conversation whose turn was taken up."""
    conversation = Conversation()
    conversation.begin_turn(PROMPT)
    conversation.take_message(INIT)
    return conversation


def events_of(conversation: Conversation, *messages: dict[str, Any]) -> list[ProviderRuntimeEvent]:
    return [event for message in messages for event in conversation.take_message(message).events]


def asked(conversation: Conversation, tool: str = "Bash", tool_use_id: str | None = "use-1") -> ApprovalRequestId:
    request, _ = conversation.take_permission_request(tool, {"command": "make"}, tool_use_id=tool_use_id)
    assert request is not None
    return request


@pytest.mark.lesson("L41")
def test_long_ids_and_many_blocks_are_kept_in_bounds(conversation: Conversation) -> None:
    long = "x" * 100_000
    for number in range(100):
        events_of(conversation, message_start(f"{number}{long}"), delta(number, "text"))
        events_of(
            conversation, assistant("said", tool_use(f"{number}{long}", "Bash")), tool_result(f"{number}{long}", "done")
        )
        events_of(conversation, assistant("said", tool_use(f"{number}{long}", "TaskCreate")))
    assert len(dump_state(conversation.value)) < 500_000
    for number in range(100):
        events_of(conversation, delta(number, "text"))
    assert len(conversation.value.text.blocks) <= 64


@pytest.mark.lesson("L41")
def test_items_with_long_ids_are_reported_once(conversation: Conversation) -> None:
    long = "x" * 100_000
    events = events_of(conversation, message_start(long), delta(0, "text"), stop(0), assistant(long, text("text")))
    assert [type(event) for event in events] == [MessageDelta, MessageCompleted]
    events = events_of(
        conversation, assistant("said", tool_use(long, "Bash")), tool_result(long, "done"), tool_result(long, "done")
    )
    assert [type(event) for event in events] == [ToolStarted, ToolCompleted]


class TestText:
    def test_streamed_text_is_reported_by_message_and_block(self, conversation: Conversation) -> None:
        assert events_of(conversation, message_start("msg-1"), delta(1, "Hel"), delta(1, "lo"), stop(1)) == [
            MessageDelta(item=ProviderItemId("msg-1/1"), text="Hel"),
            MessageDelta(item=ProviderItemId("msg-1/1"), text="lo"),
            MessageCompleted(item=ProviderItemId("msg-1/1")),
        ]

    def test_whole_message_is_not_reported_again(self, conversation: Conversation) -> None:
        events_of(conversation, message_start("msg-1"), delta(0, "Hello"))
        assert events_of(conversation, assistant("msg-1", text("Hello"))) == []

    def test_message_that_was_not_streamed_is_reported_whole(self, conversation: Conversation) -> None:
        events = events_of(conversation, message_start("msg-1"), delta(0, "half"), assistant("msg-2", text("whole")))
        assert events[1:] == [
            MessageDelta(item=ProviderItemId("frame-1/0"), text="whole"),
            MessageCompleted(item=ProviderItemId("frame-1/0")),
        ]

    def test_a_new_message_ends_the_blocks_of_the_broken_one(self, conversation: Conversation) -> None:
        events_of(conversation, message_start("msg-1"), delta(0, "half"))
        assert events_of(conversation, message_start("msg-2")) == [MessageCompleted(item=ProviderItemId("msg-1/0"))]

    def test_an_error_of_the_model_is_no_message(self, conversation: Conversation) -> None:
        assert events_of(conversation, assistant("synthetic", text("API Error: 429"), error="rate_limit")) == []

    def test_text_of_a_subagent_is_no_message_of_the_turn(self, conversation: Conversation) -> None:
        said = (delta(0, "psst", parent="use-1"), assistant("msg-9", text("psst"), parent="use-1"))
        assert events_of(conversation, *said) == [SubagentMessage(item=ProviderItemId("use-1"), text="psst")]

    def test_thought_is_reported_once_and_a_blank_one_never(self, conversation: Conversation) -> None:
        thoughts = [{"type": "thinking", "thinking": thought, "signature": ""} for thought in ("let me see", " ")]
        events_of(conversation, message_start("msg-1"))
        assert events_of(conversation, assistant("msg-1", *thoughts)) == [ReasoningCompleted(text="let me see")]


class TestTools:
    def test_tool_is_reported_from_its_call_to_its_result(self, conversation: Conversation) -> None:
        detail = {"toolName": "Bash", "input": {"command": "make"}}
        call = assistant("msg-1", tool_use("use-1", "Bash", command="make"))
        assert events_of(conversation, call, tool_result("use-1", "made", is_error=False)) == [
            ToolStarted(item=ProviderItemId("use-1"), title="Bash: make", detail=detail),
            ToolCompleted(item=ProviderItemId("use-1"), title="Bash: make", detail={**detail, "output": "made"}),
        ]

    def test_failed_tool_is_reported_as_failed(self, conversation: Conversation) -> None:
        content = [text("no such"), {"type": "image"}, text("file")]
        call = assistant("msg-1", tool_use("use-1", "Read", file_path="a"))
        (_, ended) = events_of(conversation, call, tool_result("use-1", content, is_error=True))
        assert isinstance(ended, ToolCompleted)
        assert (ended.failed, ended.detail["output"]) == (True, "no such\nfile")

    def test_a_tool_of_a_subagent_names_its_parent(self, conversation: Conversation) -> None:
        (started,) = events_of(conversation, assistant("msg-9", tool_use("use-2", "Grep", pattern="x"), parent="use-1"))
        assert isinstance(started, ToolStarted)
        assert started.detail["parentItemId"] == "use-1"

    def test_a_tool_without_a_result_ends_with_its_turn(self, conversation: Conversation) -> None:
        (_, ended, _) = events_of(
            conversation, assistant("msg-1", tool_use("use-1", "Bash", command="x")), result("error")
        )
        assert isinstance(ended, ToolCompleted)
        assert (ended.failed, ended.detail["status"]) == (True, "unfinished")

    def test_result_is_reported_once_and_an_unknown_one_never(self, conversation: Conversation) -> None:
        call = assistant("msg-1", tool_use("use-1", "Bash", command="x"))
        events = events_of(
            conversation, call, tool_result("use-1", ""), tool_result("use-1", ""), tool_result("use-7", "")
        )
        assert [type(event) for event in events] == [ToolStarted, ToolCompleted]

    def test_the_models_own_tools_bring_their_results_themselves(self, conversation: Conversation) -> None:
        call = {"type": "server_tool_use", "id": "use-1", "name": "web_search", "input": {"query": "weather"}}
        found = {"type": "web_search_tool_result", "tool_use_id": "use-1", "content": []}
        events = events_of(conversation, assistant("msg-1", call), assistant("msg-1", found))
        assert [type(event) for event in events] == [ToolStarted, ToolCompleted]

    def test_a_list_of_things_to_do_is_a_plan(self, conversation: Conversation) -> None:
        todos = [{"content": "look", "status": "completed"}, {"content": "leap", "status": "pending"}]
        call = assistant("msg-1", tool_use("use-1", "TodoWrite", todos=todos))
        assert events_of(conversation, call, tool_result("use-1", "ok")) == [
            PlanUpdated(summary="look; leap", detail={"entries": todos})
        ]

    @pytest.mark.parametrize(
        ("name", "given", "title"),
        [
            ("Bash", {"command": "make", "description": "Build"}, "Bash: make"),
            ("Edit", {"file_path": "/a/b.py"}, "Edit: /a/b.py"),
            ("Task", {}, "Task"),
            ("", {"command": 7}, "tool"),
        ],
    )
    def test_a_title_names_the_tool_and_its_subject(self, name: str, given: dict[str, Any], title: str) -> None:
        assert tool_title(name, given) == title

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("Bash", "command"),
            ("Edit", "fileChange"),
            ("Write", "fileChange"),
            ("MultiEdit", "fileChange"),
            ("NotebookEdit", "fileChange"),
            ("WebFetch", "permission"),
        ],
    )
    def test_an_approval_is_of_its_tools_kind(self, name: str, kind: str) -> None:
        request = ApprovalRequestId("permission-1")
        asked = request_event(request, name, {}, tool_use_id=None, reason=None, options=(), form=None)
        assert isinstance(asked, ApprovalRequested)
        assert asked.kind == kind


class TestPermissions:
    def test_a_request_follows_its_tool(self, conversation: Conversation) -> None:
        _, step = conversation.take_permission_request("Bash", {"command": "make"}, tool_use_id="use-1", reason="risky")
        (started, request) = step.events
        assert isinstance(started, ToolStarted)
        assert isinstance(request, ApprovalRequested)
        assert (request.kind, request.item, request.summary) == ("command", started.item, "Bash: make")
        assert request.detail["reason"] == "risky"
        assert events_of(conversation, assistant("msg-1", tool_use("use-1", "Bash", command="make"))) == []

    def test_requests_have_keys_of_their_own(self, conversation: Conversation) -> None:
        assert asked(conversation, tool_use_id=None) != asked(conversation, tool_use_id=None)

    @pytest.mark.parametrize("decision", ["accept", "acceptForSession", "decline", "cancel"])
    def test_decision_is_reported_and_applies_once(
        self, conversation: Conversation, decision: ApprovalDecision
    ) -> None:
        request = asked(conversation)
        step = conversation.answer_permission(request, decision)
        assert step.events == (ApprovalResolved(request=request, decision=decision),)
        with pytest.raises(ProviderProtocolError, match="not open"):
            conversation.answer_permission(request, decision)

    def test_a_request_that_the_agent_withdraws_is_cancelled_once(self, conversation: Conversation) -> None:
        request = asked(conversation)
        assert conversation.withdraw_permission(request).events == (
            ApprovalResolved(request=request, decision="cancel"),
        )
        assert conversation.withdraw_permission(request) == Step()

    def test_no_permission_is_requested_between_turns_or_after_interrupt(self, conversation: Conversation) -> None:
        conversation.interrupt_turn()
        assert conversation.take_permission_request("Bash", {}, tool_use_id="use-1") == (None, Step())
        events_of(conversation, result())
        assert conversation.take_permission_request("Bash", {}, tool_use_id="use-1") == (None, Step())

    def test_end_of_a_turn_cancels_open_requests(self, conversation: Conversation) -> None:
        request = asked(conversation, tool_use_id=None)
        assert events_of(conversation, result()) == [
            ApprovalResolved(request=request, decision="cancel"),
            TurnCompleted(outcome="completed"),
        ]


class TestTurns:
    def test_a_second_turn_at_once_is_refused(self, conversation: Conversation) -> None:
        with pytest.raises(ProviderProtocolError, match="one turn at a time"):
            conversation.begin_turn("prompt-2")

    def test_an_open_message_ends_with_its_turn(self, conversation: Conversation) -> None:
        events_of(conversation, message_start("msg-1"), delta(0, "half"))
        assert events_of(conversation, result()) == [
            MessageCompleted(item=ProviderItemId("msg-1/0")),
            TurnCompleted(outcome="completed"),
        ]

    @pytest.mark.parametrize(
        ("message", "error"),
        [
            (result("error_max_turns"), "limit of model requests"),
            (result("error_during_execution", errors=["one", "two"]), "one; two"),
            (result("success", is_error=True, result="API Error: 429 out of quota"), "out of quota"),
            (result("error_of_tomorrow"), "error_of_tomorrow"),
        ],
    )
    def test_failure_reports_the_reason(self, conversation: Conversation, message: dict[str, Any], error: str) -> None:
        (ended,) = events_of(conversation, message)
        assert isinstance(ended, TurnCompleted)
        assert ended.outcome == "failed"
        assert error in (ended.error or "")

    def test_an_interrupted_turn_is_no_failure(self, conversation: Conversation) -> None:
        request = asked(conversation, tool_use_id=None)
        step = conversation.interrupt_turn()
        assert step == Step(events=(ApprovalResolved(request=request, decision="cancel"),), interrupt=True)
        assert events_of(conversation, result("error_during_execution")) == [TurnCompleted(outcome="interrupted")]

    def test_a_turn_that_ended_well_in_spite_of_an_interrupt_is_completed(self, conversation: Conversation) -> None:
        conversation.interrupt_turn()
        assert events_of(conversation, result()) == [TurnCompleted(outcome="completed")]

    def test_an_interrupt_waits_for_the_agent_to_take_the_turn_up(self) -> None:
        conversation = Conversation()
        assert conversation.interrupt_turn() == Step()
        conversation.begin_turn(PROMPT)
        assert conversation.interrupt_turn() == Step()
        assert conversation.take_message(INIT) == Step(interrupt=True)
        assert conversation.take_message(INIT) == Step()

    def test_a_cancelled_request_cancels_the_turn(self, conversation: Conversation) -> None:
        conversation.answer_permission(asked(conversation, tool_use_id=None), "cancel")
        assert events_of(conversation, result("error_during_execution")) == [TurnCompleted(outcome="cancelled")]

    def test_unrequested_abort_is_a_cancellation(self, conversation: Conversation) -> None:
        message = result("error_during_execution", terminal_reason="aborted_tools")
        assert events_of(conversation, message) == [TurnCompleted(outcome="cancelled")]

    @pytest.mark.parametrize(
        "foreign", [result(prompts=["another"]), result(prompts=[], origin={"kind": "task-notification"})]
    )
    def test_a_result_of_the_agents_own_turn_ends_no_turn_of_ours(
        self, conversation: Conversation, foreign: dict[str, Any]
    ) -> None:
        assert events_of(conversation, foreign) == []
        assert conversation.running

    def test_a_result_that_names_no_prompt_ends_the_turn(self, conversation: Conversation) -> None:
        assert events_of(conversation, result(prompts=[])) == [TurnCompleted(outcome="completed")]

    def test_retry_is_reported_with_its_numbers(self, conversation: Conversation) -> None:
        message = {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10, "error": "overloaded"}
        (report,) = events_of(conversation, message)
        assert isinstance(report, RuntimeErrorReported)
        assert (report.fatal, report.message) == (False, "the model did not answer (overloaded): retry 1 of 10")

    @pytest.mark.parametrize(
        "message",
        [
            {},
            {"type": "assistant"},
            {"type": "assistant", "message": {"content": "text"}},
            {"type": "user", "message": {"content": [None, 7, {"type": "tool_result"}]}},
            {"type": "stream_event", "event": {"type": "content_block_delta", "index": "x"}},
            {"type": "stream_event", "event": None},
            {"type": "stream_event", "event": {"type": "content_block_stop", "index": []}},
            {"type": "assistant", "message": {"id": [], "content": []}},
            {"type": "system"},
        ],
    )
    def test_a_message_of_another_shape_is_ignored(self, conversation: Conversation, message: dict[str, Any]) -> None:
        assert conversation.take_message(message) == Step()


@pytest.mark.lesson("L63")
class TestBetweenTurns:
    FOREIGN: ClassVar[dict[str, Any]] = {"prompts": [], "origin": {"kind": "task-notification"}}

    def test_l63_unrequested_turn_is_the_agents(self, conversation: Conversation) -> None:
        events_of(conversation, result())
        events = events_of(conversation, INIT, message_start("msg-1"), delta(0, "by myself"), result(**self.FOREIGN))
        assert events == [
            TurnStarted(origin="agent"),
            MessageDelta(item=ProviderItemId("msg-1/0"), text="by myself"),
            MessageCompleted(item=ProviderItemId("msg-1/0")),
            TurnCompleted(outcome="completed"),
        ]
        assert not conversation.running

    def test_l63_late_messages_are_reported_and_begin_no_turn(self, conversation: Conversation) -> None:
        events_of(conversation, message_start("msg-1"), result())
        assert [type(event) for event in events_of(conversation, delta(0, "late"), stop(0))] == [
            MessageDelta,
            MessageCompleted,
        ]
        call = (assistant("msg-1", tool_use("use-9", "Bash")), tool_result("use-9", "made"))
        assert [type(event) for event in events_of(conversation, *call)] == [ToolStarted, ToolCompleted]
        assert not conversation.running

    @pytest.mark.parametrize("is_joined", [True, False])
    def test_l63_a_turn_that_meets_the_agents_own_ends_after_it(
        self, conversation: Conversation, is_joined: bool
    ) -> None:
        events_of(conversation, result())
        events = events_of(conversation, INIT)
        conversation.begin_turn("prompt-2")
        if is_joined:
            events += events_of(conversation, result(prompts=["prompt-2"], origin={"kind": "task-notification"}))
            assert [type(event) for event in events] == [TurnStarted, TurnCompleted, TurnStarted, TurnCompleted]
        else:
            events += events_of(conversation, result(**self.FOREIGN), INIT, result(prompts=["prompt-2"]))
            assert [type(event) for event in events] == [TurnStarted, TurnCompleted, TurnCompleted]
        assert not conversation.running

    def test_l63_the_agents_own_turn_asks_and_is_interrupted(self, conversation: Conversation) -> None:
        events_of(conversation, result(), INIT)
        assert asked(conversation) == "permission-1"
        assert conversation.interrupt_turn().interrupt
        assert events_of(conversation, result("error_during_execution"))[-1] == TurnCompleted(outcome="interrupted")

    def test_l63_text_that_goes_on_after_a_tool_is_another_message(self, conversation: Conversation) -> None:
        events = events_of(
            conversation,
            message_start("msg-1"),
            delta(0, "before"),
            assistant("msg-9", tool_use("use-2", "Grep"), parent="use-1"),
            delta(0, "after"),
        )
        assert [event.item for event in events if isinstance(event, MessageDelta)] == ["msg-1/0", "msg-1/0.2"]

    def test_l63_tasks_are_a_plan(self, conversation: Conversation) -> None:
        events = events_of(
            conversation,
            assistant("msg-1", tool_use("a", "TaskCreate", subject="one"), tool_use("b", "TaskCreate", subject="two")),
            tool_result("a", "Task #7 created"),
            assistant("msg-2", tool_use("c", "TaskUpdate", taskId="7", status="completed")),
            assistant("msg-3", tool_use("d", "TaskUpdate", taskId="2", status="deleted")),
        )
        assert {type(event) for event in events} == {PlanUpdated}
        assert events[-1] == PlanUpdated(summary="one", detail={"entries": [{"content": "one", "status": "completed"}]})

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            (result("error_max_turns"), "max_turns"),
            (result("success", is_error=True, result="x", api_error_status=401), "unauthenticated"),
            (result("success", is_error=True, result="API Error: 429 slow down"), "rate_limited"),
            (result("success", is_error=True, result="Prompt is too long"), "context_full"),
            (result("error_during_execution", errors=["hiccup"]), None),
        ],
    )
    def test_l63_a_failure_has_a_reason(
        self, conversation: Conversation, message: dict[str, Any], reason: str | None
    ) -> None:
        (ended,) = events_of(conversation, message)
        assert isinstance(ended, TurnCompleted)
        assert ended.reason == reason
        assert ("claude auth login" in (ended.error or "")) == (reason == "unauthenticated")

    def test_l63_limit_reports_when_it_is_lifted(self, conversation: Conversation) -> None:
        limit = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": 1_800_000_000}}
        (ended,) = events_of(conversation, limit, result("success", is_error=True, result="x", api_error_status=429))
        assert isinstance(ended, TurnCompleted)
        assert (ended.reason, ended.retry_at) == ("rate_limited", "2027-01-15T08:00:00.000Z")

    def test_l63_unknown_messages_are_counted_and_compaction_is_a_notice(self, conversation: Conversation) -> None:
        (ignored, compacted) = events_of(
            conversation,
            {"type": "of tomorrow"},
            {"type": "keep_alive"},
            {"type": "system", "subtype": "compact_boundary", "compact_metadata": {"trigger": "auto"}},
        )
        assert isinstance(ignored, SessionNotice)
        assert (ignored.kind, ignored.detail["kinds"]) == ("frames.ignored", {"of tomorrow": 1})
        assert isinstance(compacted, SessionNotice)
        assert compacted.detail == {"trigger": "auto"}
