"""Tool calls, messages and plans of an ACP conversation: which events they lead to, and how much is kept."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest

from orchestrion.actors.providers.acp.protocol import AcpConversation
from orchestrion.actors.providers.acp.tool_call import clip
from orchestrion.actors.providers.acp.tool_calls import MAX_KEPT_BYTES, MAX_OPEN
from orchestrion.actors.providers.jsonrpc.protocol import Result
from orchestrion.actors.providers.jsonrpc.steps import RpcStep
from orchestrion.contracts.ids import ProviderThreadId
from orchestrion.contracts.provider_events import (
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
)
from tests.support.conversations import through_json

pytestmark = pytest.mark.lesson("L56")

MEGABYTES = "x" * 10_000_000


class Talk:
    """A turn that receives the agent's messages; `events` are those that the conversation reported."""

    def __init__(self, *, is_restored: bool = True) -> None:
        self.is_restored = is_restored
        self.conversation = AcpConversation(session_id=ProviderThreadId("s"))
        self.events: list[ProviderRuntimeEvent] = []
        self.take(self.conversation.begin_turn())

    def take(self, transition: tuple[AcpConversation, RpcStep]) -> RpcStep:
        conversation, step = transition
        self.conversation = through_json(conversation) if self.is_restored else conversation
        self.events += step.events
        return step

    def update(self, kind: str, /, **fields: Any) -> None:
        self.take(self.conversation.take_update({"sessionId": "s", "update": {"sessionUpdate": kind, **fields}}))

    def call(self, **fields: Any) -> None:
        self.update("tool_call", **{"toolCallId": "t", **fields})

    def progress(self, **fields: Any) -> None:
        self.update("tool_call_update", **{"toolCallId": "t", **fields})

    def say(self, text: str, **fields: Any) -> None:
        self.update("agent_message_chunk", content={"type": "text", "text": text}, **fields)

    def end(self) -> None:
        self.take(self.conversation.take_prompt_reply(Result(id=0, value={"stopReason": "end_turn"})))

    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]

    def completed(self) -> ToolCompleted:
        (event,) = [one for one in self.events if isinstance(one, ToolCompleted)]
        return event


def text(written: str) -> list[dict[str, Any]]:
    return [{"type": "content", "content": {"type": "text", "text": written}}]


class TestBoundaries:
    def test_end_of_a_tool_ends_the_message(self) -> None:
        talk = Talk()
        talk.call(title="agent")
        talk.say("The sub-agent is done.")
        talk.progress(status="completed")
        talk.say("Now the main agent.")
        assert talk.kinds() == [ToolStarted, MessageDelta, MessageCompleted, ToolCompleted, MessageDelta]

    @pytest.mark.parametrize(
        "meta",
        [{"claudeCode": {"parentToolUseId": "t"}}, {"parent_tool_use_id": "t"}, {"x": {"agentId": "helper"}}],
    )
    def test_another_speaker_ends_the_message(self, meta: Any) -> None:
        talk = Talk()
        talk.say("main")
        talk.say("helper", _meta=meta)
        talk.say(" still", _meta=meta)
        talk.update("agent_thought_chunk", content={"type": "text", "text": "hm"}, _meta=meta)
        talk.update("agent_thought_chunk", content={"type": "text", "text": "main thinks"})
        talk.say("main again")
        items = [event.item for event in talk.events if isinstance(event, MessageDelta)]
        assert items == ["message-1", "message-2", "message-2", "message-3"]
        thoughts = [event.text for event in talk.events if isinstance(event, ReasoningCompleted)]
        assert thoughts == ["hm", "main thinks"]

    def test_call_of_a_sub_agent_names_its_parent(self) -> None:
        talk = Talk()
        talk.call(title="agent")
        talk.call(toolCallId="inner", title="ls", _meta={"claudeCode": {"parentToolUseId": "t"}})
        started = talk.events[-1]
        assert isinstance(started, ToolStarted)
        assert started.detail["parentItemId"] == "tool-1"


class TestProgress:
    def test_call_that_is_announced_empty_is_reported_when_it_is_filled(self) -> None:
        talk = Talk()
        talk.call(title="Terminal", kind="execute", status="pending", rawInput={})
        talk.progress(title="rm -rf build", rawInput={"command": "rm -rf build"}, status="in_progress")
        talk.progress(status="in_progress")
        talk.progress(content=text("line 1"))
        talk.progress(status="completed")
        assert talk.kinds() == [ToolStarted, ToolUpdated, ToolUpdated, ToolCompleted]
        filled, wrote = (event for event in talk.events if isinstance(event, ToolUpdated))
        assert (filled.title, filled.detail["rawInput"]) == ("rm -rf build", {"command": "rm -rf build"})
        assert wrote.detail["text"] == "line 1"
        assert wrote.item == filled.item == talk.completed().item

    def test_output_that_grows_line_by_line_is_reported_a_few_times(self) -> None:
        talk = Talk()
        talk.call(title="make")
        for lines in range(1, 1001):
            talk.progress(content=text("line\n" * lines))
        talk.progress(status="completed")
        assert 2 <= talk.kinds().count(ToolUpdated) <= 14
        assert talk.completed().detail["text"] == "line\n" * 1000

    def test_input_that_never_settles_is_reported_a_few_times(self) -> None:
        talk = Talk()
        talk.call(title="write")
        for letters in range(1000):
            talk.progress(rawInput={"content": "x" * (letters % 7), "n": letters})
        assert talk.kinds().count(ToolUpdated) <= 40

    def test_output_and_exit_code_in_meta_are_recorded(self) -> None:
        talk = Talk()
        talk.call(title="make", kind="execute")
        talk.progress(_meta={"terminal_output": {"terminal_id": "t", "data": "one\n"}})
        talk.progress(_meta={"terminal_output": {"terminal_id": "t", "data": "two\n"}})
        talk.progress(status="completed", _meta={"terminal_exit": {"terminal_id": "t", "exit_code": 2}})
        completed = talk.completed()
        assert (completed.detail["output"], completed.detail["exitCode"], completed.failed) == ("one\ntwo\n", 2, True)

    @pytest.mark.parametrize(
        "response",
        ["out\nerr", {"stdout": "out\n", "stderr": "err"}, [{"type": "text", "text": "out\nerr"}]],
    )
    def test_result_in_meta_is_recorded(self, response: Any) -> None:
        talk = Talk()
        talk.call(title="make", kind="execute")
        talk.progress(status="completed", _meta={"claudeCode": {"toolName": "Bash", "toolResponse": response}})
        assert talk.completed().detail["output"] == "out\nerr"
        assert not talk.completed().failed

    def test_call_without_a_title_ends_under_its_kind(self) -> None:
        talk = Talk()
        talk.call(kind="edit")
        talk.progress(status="completed")
        assert talk.completed().title == "edit"


class TestIds:
    def test_call_announced_twice_is_one_call(self) -> None:
        talk = Talk()
        talk.call(title="Terminal", rawInput={})
        talk.call(title="ls", rawInput={"command": "ls"})
        talk.progress(status="completed")
        assert talk.kinds() == [ToolStarted, ToolUpdated, ToolCompleted]

    def test_id_of_a_finished_call_names_a_new_one_when_announced_again(self) -> None:
        talk = Talk()
        talk.call(title="ls", status="completed")
        talk.call(title="ls", status="completed")
        talk.call(title="cat", status="completed")
        assert [event.item for event in talk.events if isinstance(event, ToolStarted)] == ["tool-1", "tool-2"]

    def test_long_ids_stay_distinct_and_are_not_kept(self) -> None:
        talk = Talk()
        for end in "ab":
            talk.call(toolCallId=MEGABYTES + end, title=end)
        started = [event for event in talk.events if isinstance(event, ToolStarted)]
        assert [event.item for event in started] == ["tool-1", "tool-2"]
        assert max(len(event.detail["toolCallId"]) for event in started) < 256


class TestBounds:
    def test_open_calls_are_bounded_in_number(self) -> None:
        talk = Talk()
        for number in range(300):
            talk.call(toolCallId=str(number), title="t")
        lost = [event for event in talk.events if isinstance(event, ToolCompleted)]
        assert [event.item for event in lost] == [f"tool-{number}" for number in range(1, 45)]
        assert {(event.failed, event.detail["status"]) for event in lost} == {(True, "lost")}
        talk.end()
        assert talk.kinds().count(ToolCompleted) == 300

    def test_kept_data_of_an_open_call_is_bounded(self) -> None:
        talk = Talk()
        talk.call(title=MEGABYTES, rawInput={"a": MEGABYTES, "b": [MEGABYTES]}, locations=[{"path": MEGABYTES}])
        talk.progress(content=[*text(MEGABYTES), {"type": "diff", "path": "a", "newText": MEGABYTES}])
        talk.progress(rawOutput=MEGABYTES, _meta={"terminal_output": {"data": MEGABYTES}})
        talk.end()
        assert len(talk.events) <= 5
        for event in talk.events:
            assert len(orjson.dumps(getattr(event, "detail", None), default=str)) < 300_000

    def test_last_update_is_reported_whole(self) -> None:
        talk = Talk()
        talk.call(title="cat")
        talk.progress(status="completed", content=text(MEGABYTES))
        assert talk.completed().detail["text"] == MEGABYTES

    def test_result_nested_too_deep_for_an_event_is_cut(self) -> None:
        deep: Any = "end"
        for _ in range(200):
            deep = {"a": deep}
        talk = Talk()
        talk.call(title="t", status="completed", rawOutput=deep)
        for event in talk.events:
            assert isinstance(event, ToolStarted | ToolCompleted)
            assert orjson.dumps(event.detail).count(b"{") < 60

    def test_open_permissions_are_bounded_in_number(self) -> None:
        talk = Talk()
        request = {"sessionId": "s", "toolCall": {}, "options": []}
        steps = [talk.take(talk.conversation.take_permission_request(number, request)) for number in range(66)]
        assert [answer.id for step in steps for answer in step.answers] == [0, 1]
        resolved = [event for step in steps for event in step.events if isinstance(event, ApprovalResolved)]
        assert [(one.request, one.decision, one.lost) for one in resolved] == [
            ("permission-1", "cancel", True),
            ("permission-2", "cancel", True),
        ]

    def test_plan_is_bounded(self) -> None:
        talk = Talk()
        talk.update("plan", entries=[{"content": MEGABYTES, "status": "pending"}] * 3)
        talk.update("plan", entries=[{"content": "step", "status": "pending"}] * 100_000)
        for event in talk.events:
            assert isinstance(event, PlanUpdated)
            assert len(orjson.dumps(event.detail)) < 100_000

    def test_deep_and_wide_values_are_clipped(self) -> None:
        deep: Any = "end"
        for _ in range(500):
            deep = {"a": [deep]}
        for value in (deep, list(range(1_000_000)), {str(n): n for n in range(1_000_000)}, "é" * 1_000_000):
            assert len(orjson.dumps(clip(value, 1000))) < 3_000
        assert clip({"a": ["b", 1, None]}, 1000) == {"a": ["b", 1, None]}


@pytest.mark.lesson("L78")
def test_all_open_calls_keep_a_few_mib_and_still_end_with_what_they_were() -> None:
    talk = Talk(is_restored=False)
    tracemalloc.start()
    try:
        for number in range(MAX_OPEN):
            talk.call(
                toolCallId=f"t-{number}", title=f"call {number}", rawInput={"content": f"{number} " + "x" * 60_000}
            )
            talk.events.clear()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * MAX_KEPT_BYTES
    talk.progress(toolCallId="t-0")
    assert talk.events == []
    talk.progress(toolCallId="t-0", status="completed")
    (ended,) = talk.events
    assert isinstance(ended, ToolCompleted)
    assert (ended.title, ended.failed) == ("call 0", False)
    assert ended.detail["rawInput"]["content"].startswith("0 xxx")
    assert "cut" in ended.detail["rawInput"]["content"]
