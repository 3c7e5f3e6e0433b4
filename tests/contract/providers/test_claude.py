"""Real Claude Code through `ClaudeProvider`: what the conformance suite does not require of every agent."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrion.actors.providers.adapter import SessionRequest, TurnRequest
from orchestrion.actors.providers.claude.provider import ClaudeProvider
from orchestrion.contracts.attachments import attachment_of
from orchestrion.contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from orchestrion.contracts.ids import ApprovalOptionId, ProviderSessionId, ThreadId
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageDelta,
    QuestionRequested,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionInfoUpdated,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
)
from orchestrion.contracts.values import (
    Attachment,
    AttachmentName,
    AttachmentSize,
    DataUrl,
    MediaType,
)
from orchestrion.testing.conformance.reading import ReadSession, all_have_ended, session
from tests.support.claude_case import ClaudeCase, bundled_claude, claude_case

pytestmark = pytest.mark.anyio


@pytest.fixture
def claude(tmp_path: Path, workspace: Path) -> Iterator[ClaudeCase]:
    with claude_case(tmp_path, workspace) as case:
        yield case


def requests_for(case: ClaudeCase, prompt: str) -> list[dict[str, Any]]:
    """The bodies of the model requests whose conversation has the prompt; side requests have no tools."""
    bodies = [request["body"] for request in case.model.script.requests()]
    return [body for body in bodies if prompt in str(body.get("messages")) and body.get("tools")]


async def asked_for(read: ReadSession, prompt: str) -> ApprovalRequested:
    await read.connection.start_turn(TurnRequest(text=prompt))
    return await read.until(ApprovalRequested)


async def test_command_is_requested_as_a_command_and_its_output_reported(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use("Bash", command="echo made > made.txt && cat made.txt"))
        assert asked.kind == "command"
        assert asked.summary == "Bash: echo made > made.txt && cat made.txt"
        assert asked.item == read.of(ToolStarted)[0].item
        await read.connection.respond(asked.request, "accept")
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="completed")
        (ended,) = read.of(ToolCompleted)
        assert (ended.failed, ended.detail["output"]) == (False, "made")


@pytest.mark.spec("E123")
async def test_a_changed_input_is_what_the_tool_runs_with(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use("Bash", command="touch a.txt"))
        assert asked.editable
        changed = {"updatedInput": {"command": "touch b.txt"}}
        await read.connection.respond(asked.request, "accept", answers=changed)
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="completed")
    assert await anyio.Path(workspace / "b.txt").exists()
    assert not await anyio.Path(workspace / "a.txt").exists()


@pytest.mark.lesson("L140")
async def test_questions_are_asked_in_any_mode_and_for_each_turn(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        for answers, said in (({"q1": ["red", "blue"]}, "red, blue"), ({"q1": ["something else"]}, "something else")):
            offered = [{"label": label, "description": label} for label in ("red", "blue")]
            question = {"question": "Which colours?", "header": "Colours", "options": offered, "multiSelect": True}
            await read.connection.start_turn(TurnRequest(text=claude.use("AskUserQuestion", questions=[question])))
            asked = await read.until(QuestionRequested)
            assert [(one.multiple, one.free_text) for one in asked.questions] == [(True, True)]
            await read.connection.respond(asked.request, "acceptForSession", answers=answers)
            assert await read.until(TurnCompleted) == TurnCompleted(outcome="completed")
            assert claude.was_answered(said, read.text())


@pytest.mark.lesson("L91")
async def test_a_large_file_is_written_whole_once_it_is_accepted(claude: ClaudeCase, workspace: Path) -> None:
    content = "x" * 2 * 1024 * 1024
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use("Write", file_path=str(workspace / "a.txt"), content=content))
        await read.connection.respond(asked.request, "accept")
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="completed")
    assert await anyio.Path(workspace / "a.txt").read_text() == content


@pytest.mark.parametrize("tool", ["Bash", "Write"])
async def test_permission_for_the_session_is_not_requested_again(
    claude: ClaudeCase, workspace: Path, tool: str
) -> None:
    given = {"Bash": {"command": "touch a.txt"}, "Write": {"file_path": str(workspace / "a.txt"), "content": "a"}}
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use(tool, **given[tool]))
        await read.connection.respond(asked.request, "acceptForSession")
        await read.until(TurnCompleted)
        await anyio.Path(workspace / "a.txt").unlink()
        assert (await read.turn(claude.use(tool, **given[tool]))).outcome == "completed"
        assert await anyio.Path(workspace / "a.txt").exists()
        assert len(read.of(ApprovalRequested)) == 1
    assert not await anyio.Path(workspace / ".claude").exists()


@pytest.mark.lesson("L63")
async def test_l63_for_the_session_changes_no_mode_and_no_other_tool(claude: ClaudeCase, workspace: Path) -> None:
    """To write a file the agent suggests a mode in which edits need no permission: that is a separate option."""
    written, notes = workspace / "a.txt", workspace / "notes.txt"
    await anyio.Path(notes).write_text("one two")
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use("Write", file_path=str(written), content="a"))
        assert [option.kind for option in asked.options if "acceptEdits" in option.name] == ["other"]
        await read.connection.respond(asked.request, "acceptForSession")
        await read.until(TurnCompleted)
        await asked_for(read, claude.use("Bash", command="touch b.txt"))
        await read.connection.interrupt()
        await read.until(TurnCompleted)


@pytest.mark.lesson("L63")
async def test_l63_a_suggestion_is_taken_where_it_is_named(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use("Write", file_path=str(workspace / "a.txt"), content="a"))
        with pytest.raises(ProviderProtocolError, match="no option"):
            await read.connection.respond(asked.request, "accept", option=ApprovalOptionId("forged"))
        mode = next(option for option in asked.options if "acceptEdits" in option.name)
        await read.connection.respond(asked.request, "acceptForSession", option=mode.id)
        await read.until(TurnCompleted)
        await read.turn(claude.use("Write", file_path=str(workspace / "b.txt"), content="b"))
        assert await anyio.Path(workspace / "b.txt").exists()


@pytest.mark.lesson("L63")
async def test_l63_background_task_that_wakes_the_agent_is_a_separate_turn(claude: ClaudeCase, workspace: Path) -> None:
    claude.model.script.prepend({"last_user_contains": "task-notification"}, [{"text": "it is done"}])
    async with session(claude.provider, workspace) as read:
        os.mkfifo(workspace / "go")
        command = "cat go; touch done"  # it waits until the pipe is opened for writing
        asked = await asked_for(read, claude.use("Bash", command=command, run_in_background=True))
        await read.connection.respond(asked.request, "accept")
        await read.until(TurnCompleted)
        await anyio.Path(workspace / "go").write_text("now")
        assert (await read.until(TurnStarted)).origin == "agent"
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="completed")
        assert read.texts()[-1] == "it is done"
        assert (await read.turn(claude.say("fine"))).outcome == "completed"
        assert read.of(SessionNotice) == []


async def test_an_edit_is_a_file_change(claude: ClaudeCase, workspace: Path) -> None:
    notes = workspace / "notes.txt"
    await anyio.Path(notes).write_text("one two")
    async with session(claude.provider, workspace) as read:
        await read.turn(claude.use("Read", file_path=str(notes)))
        edit = claude.use("Edit", file_path=str(notes), old_string="two", new_string="three")
        asked = await asked_for(read, edit)
        assert asked.kind == "fileChange"
        assert asked.detail["input"]["new_string"] == "three"
        await read.connection.respond(asked.request, "accept")
        await read.until(TurnCompleted)
        assert await anyio.Path(notes).read_text() == "one three"


async def test_a_declined_tool_failed_and_the_model_learns_of_it(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        prompt = claude.use("Bash", command="touch a.txt")
        asked = await asked_for(read, prompt)
        await read.connection.respond(asked.request, "decline")
        assert (await read.until(TurnCompleted)).outcome == "completed"
        assert [ended.failed for ended in read.of(ToolCompleted)] == [True]
        assert "The user declined this" in str(requests_for(claude, prompt)[-1]["messages"][-1])


async def test_a_cancelled_request_leaves_nothing_open(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        asked = await asked_for(read, claude.use("Bash", command="touch a.txt"))
        await read.connection.respond(asked.request, "cancel")
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="cancelled")
        assert {started.item for started in read.of(ToolStarted)} == {ended.item for ended in read.of(ToolCompleted)}
        assert (await read.turn(claude.say("again"))).outcome == "completed"
        assert len(read.of(ApprovalResolved)) == 1


async def test_thought_is_reported_whole(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        await read.turn(claude.prompt("think", {"reasoning": "let me see"}, {"text": "so"}))
        assert read.of(ReasoningCompleted) == [ReasoningCompleted(text="let me see")]
        assert read.texts() == ["so"]


async def test_a_model_and_an_effort_hold_for_their_turn(claude: ClaudeCase, workspace: Path) -> None:
    prompts = [claude.say(word) for word in ("first", "second", "third")]
    asked: list[tuple[str, str]] = []
    async with session(claude.provider, workspace) as read:
        for prompt, model, effort in zip(prompts, (None, "claude-sonnet-5", None), (None, "low", None), strict=True):
            await read.connection.start_turn(TurnRequest(text=prompt, model=model, effort=effort))
            await read.until(TurnCompleted)
            body = requests_for(claude, prompt)[-1]
            asked.append((body["model"], body["output_config"]["effort"]))
    assert asked[1] == ("claude-sonnet-5", "low")
    assert asked[0] == asked[2] != asked[1]


async def test_session_starts_with_its_model(claude: ClaudeCase, workspace: Path) -> None:
    prompt = claude.say("hello")
    provider = ClaudeProvider(env=claude.environment, model="claude-opus-5", end_grace_seconds=0.5)
    request = SessionRequest(
        thread_id=ThreadId("thread"),
        provider_session_id=ProviderSessionId("session"),
        workspace=workspace,
        resume_cursor=None,
        model="claude-sonnet-5",
    )
    async with provider.connect(request) as connection:
        await ReadSession(connection).turn(prompt)
    assert {body["model"] for body in requests_for(claude, prompt)} == {"claude-sonnet-5"}


async def test_an_image_reaches_the_model(claude: ClaudeCase, workspace: Path) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image = Attachment(
        type="image",
        name=AttachmentName("a.png"),
        mime_type=MediaType("image/png"),
        size_bytes=AttachmentSize(70),
        data_url=DataUrl(f"data:image/png;base64,{pixel}"),
    )
    async with session(claude.provider, workspace) as read:
        prompt = claude.say("nice")
        await read.connection.start_turn(TurnRequest(text=prompt, attachments=(image,)))
        assert (await read.until(TurnCompleted)).outcome == "completed"
        (body,) = requests_for(claude, prompt)
        assert pixel in str([message for message in body["messages"] if message["role"] == "user"])


async def test_files_reach_the_model(claude: ClaudeCase, workspace: Path) -> None:
    files = (attachment_of(b"a heron", name="notes.txt"), attachment_of(b"%PDF-1.7 a paper", name="paper.pdf"))
    async with session(claude.provider, workspace) as read:
        prompt = claude.say("nice")
        await read.connection.start_turn(TurnRequest(text=prompt, attachments=files))
        assert (await read.until(TurnCompleted)).outcome == "completed"
        (body,) = requests_for(claude, prompt)
        sent = str([message for message in body["messages"] if message["role"] == "user"])
        assert '<file name="notes.txt">' in sent
        assert base64.b64encode(b"%PDF-1.7 a paper").decode() in sent


async def test_the_model_is_given_the_history_after_a_resume(claude: ClaudeCase, workspace: Path) -> None:
    earlier, later = claude.say("pelican"), claude.say("heron")
    async with session(claude.provider, workspace) as first:
        await first.turn(earlier)
        cursor = first.connection.resume_cursor
    async with session(claude.provider, workspace, cursor=cursor) as second:
        await second.turn(later)
    (body,) = requests_for(claude, later)
    assert {"user", "assistant"} <= {message["role"] for message in body["messages"] if "pelican" in str(message)}


async def test_a_cursor_that_is_no_uuid_is_refused(claude: ClaudeCase, workspace: Path) -> None:
    with pytest.raises(ResumeRefused, match="names no session"):
        async with session(claude.provider, workspace, cursor={"sessionId": "--dangerously-skip-permissions"}):
            pytest.fail("the session was opened")


async def test_an_interrupt_before_the_agent_took_the_turn_up_is_not_lost(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=claude.talk_forever()))
        await read.connection.interrupt()
        assert await read.until(TurnCompleted) == TurnCompleted(outcome="interrupted")
        assert (await read.turn(claude.say("again"))).outcome == "completed"


async def test_command_in_another_process_session_ends_before_the_agent(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        command = "setsid sleep 3600 >/dev/null 2>&1 & sleep 3600 >/dev/null 2>&1 & echo up"
        asked = await asked_for(read, claude.use("Bash", command=command))
        await read.connection.respond(asked.request, "accept")
        await read.until(TurnCompleted)
        assert read.of(ToolCompleted)[0].detail["output"] == "up"
        await read.closed()
        assert await all_have_ended(read.process)


async def test_retry_is_reported(claude: ClaudeCase, workspace: Path) -> None:
    provider = ClaudeProvider(env={**claude.environment, "CLAUDE_CODE_MAX_RETRIES": "1"}, end_grace_seconds=0.5)
    async with session(provider, workspace) as read:
        failed = await read.turn(claude.fail("out of quota"))
        assert failed.outcome == "failed"
        (report,) = read.of(RuntimeErrorReported)
        assert not report.fatal
        assert report.detail["error_status"] == 429


async def test_a_dropped_connection_is_tried_again_without_streaming(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        prompt = claude.say("whole")
        claude.model.script.prepend_once({"last_user_contains": prompt}, [{"text": "half"}, {"drop": True}])
        assert (await read.turn(prompt)).outcome == "completed"
        assert read.texts() == ["half", "whole"]


async def test_a_missing_package_is_named_with_its_install_command(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "claude_agent_sdk", None)
    with pytest.raises(ProviderUnavailable, match=r"pip install 'orchestrion\[claude\]'"):
        async with session(ClaudeProvider(), workspace):
            pytest.fail("the session was opened")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("echo no licence >&2; exit 3", "exited with code 3 before it was ready: no licence"),
        ("exec sleep 3600", "did not start"),
    ],
)
async def test_a_program_that_does_not_come_up_is_unavailable(
    claude: ClaudeCase, tmp_path: Path, workspace: Path, program: str, words: str
) -> None:
    path = tmp_path / "claude"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    provider = ClaudeProvider(cli_path=path, start_deadline_seconds=0.5, end_grace_seconds=0.05)
    with pytest.raises(ProviderUnavailable, match=words):
        async with session(provider, workspace):
            pytest.fail("the session was opened")


async def test_a_line_that_is_no_message_is_reported_and_the_turn_goes_on(
    claude: ClaudeCase, tmp_path: Path, workspace: Path
) -> None:
    path = tmp_path / "claude"
    path.write_text(f'#!/bin/sh\necho "[debug] not json"\nexec "{bundled_claude()}" "$@"\n')
    path.chmod(0o755)
    provider = ClaudeProvider(cli_path=path, env=claude.environment, end_grace_seconds=0.5)
    async with session(provider, workspace) as read:
        assert (await read.turn(claude.say("fine"))).outcome == "completed"
        (report,) = read.of(RuntimeErrorReported)
        assert report.detail == {"excerpt": "[debug] not json"}


async def test_unread_agent_is_ended(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        words = [{"text": "word " * 2_000} for _ in range(300)]  # more than the queue of events can hold
        await read.connection.start_turn(TurnRequest(text=claude.prompt("flood", *words)))
        await read.until(MessageDelta)
        assert (await read.closed()).asked
        assert read.of(TurnCompleted) == []


@pytest.mark.spec("E110")
async def test_usage_of_each_turn_is_reported(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        await read.turn(claude.say("one"))
        await read.turn(claude.say("two"))
        first, second = read.of(UsageUpdated)
        assert (first.input_tokens, first.output_tokens) == (second.input_tokens, second.output_tokens) == (10, 5)
        assert first.cost_usd == second.cost_usd
        assert first.context_used == 15
        assert first.model is not None


@pytest.mark.spec("E111")
async def test_modes_and_models_of_the_session_are_reported(claude: ClaudeCase, workspace: Path) -> None:
    async with session(claude.provider, workspace) as read:
        await read.turn(claude.say("one"))
        info = read.of(SessionInfoUpdated)[-1]
        while not info.models:
            info = await read.until(SessionInfoUpdated)
        assert info.current_mode in [mode.id for mode in info.modes]
        assert info.current_model is not None
