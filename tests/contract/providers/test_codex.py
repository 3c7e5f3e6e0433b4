"""Real Codex through `CodexProvider`: what the conformance suite does not require of every agent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from orchestrion.actors.providers.adapter import TurnRequest
from orchestrion.actors.providers.codex.provider import CodexProvider
from orchestrion.actors.providers.process import first_start
from orchestrion.contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    ReasoningCompleted,
    SessionInfoUpdated,
    ToolCompleted,
    ToolStarted,
    TurnCompleted,
    TurnStarted,
    UsageUpdated,
)
from orchestrion.contracts.values import (
    ApprovalDecision,
    Attachment,
    AttachmentName,
    AttachmentSize,
    DataUrl,
    MediaType,
)
from orchestrion.testing.conformance.reading import session
from tests.support.codex_case import CodexCase, codex_case
from tests.support.fakes.model_core import last_user_text
from tests.support.git import Repository

pytestmark = pytest.mark.anyio

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def codex(tmp_path: Path, workspace: Path) -> Iterator[CodexCase]:
    with codex_case(tmp_path, workspace) as case:
        yield case


async def test_thoughts_and_the_turns_id_are_reported(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.turn(codex.prompt("think", {"reasoning": "let me see"}, {"text": "well"}))
        assert read.of(ReasoningCompleted) == [ReasoningCompleted(text="let me see")]
        (started,) = read.of(TurnStarted)
        assert started.provider_turn_id is not None


@pytest.mark.parametrize(
    ("decision", "outcome", "ran"),
    [("accept", "completed", True), ("decline", "completed", False), ("cancel", "cancelled", False)],
)
async def test_a_command_is_run_as_decided(
    codex: CodexCase, workspace: Path, decision: ApprovalDecision, outcome: str, ran: bool
) -> None:
    provider = codex.provided(approval_policy="untrusted", sandbox="workspace-write")
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=codex.run("touch mark")))
        asked = await read.until(ApprovalRequested)
        assert asked.kind == "command"
        assert "touch mark" in asked.summary
        assert asked.detail["cwd"] == str(workspace)
        await read.connection.respond(asked.request, decision)
        assert (await read.until(TurnCompleted)).outcome == outcome
        assert await anyio.Path(workspace / "mark").exists() == ran
        (started,), (ended,) = read.of(ToolStarted), read.of(ToolCompleted)
        assert started.item == ended.item == asked.item
        assert ended.failed != ran


async def test_a_file_change_shows_its_diff_when_it_is_asked(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=codex.write("notes.txt", "hello")))
        asked = await read.until(ApprovalRequested)
        (change,) = asked.detail["changes"]
        assert change["path"] == str(workspace / "notes.txt")
        assert change["diff"] == "hello\n"
        await read.connection.respond(asked.request, "decline")
        await read.until(TurnCompleted)
        assert [tool.failed for tool in read.of(ToolCompleted)] == [True]


async def test_requests_of_two_processes_are_distinguished(codex: CodexCase, workspace: Path) -> None:
    """Both requests have the id 0; each has its own answer."""
    async with session(codex.provider, workspace) as one, session(codex.provider, workspace) as two:
        for read, name in ((one, "one.txt"), (two, "two.txt")):
            await read.connection.start_turn(TurnRequest(text=codex.write(name, "hello")))
        asked = [await read.until(ApprovalRequested) for read in (one, two)]
        await two.connection.respond(asked[1].request, "accept")
        await one.connection.respond(asked[0].request, "decline")
        for read in (one, two):
            await read.until(TurnCompleted)
        assert not await anyio.Path(workspace / "one.txt").exists()
        assert await anyio.Path(workspace / "two.txt").exists()


async def test_command_in_another_process_session_ends_with_the_agent(codex: CodexCase, workspace: Path) -> None:
    """Every `session` asserts that nothing is left."""
    provider = codex.provided(approval_policy="never", sandbox="danger-full-access")
    async with session(provider, workspace) as read:
        await read.turn(codex.run("setsid sh -c 'trap \"\" TERM HUP; sleep 3600' </dev/null >/dev/null 2>&1 & echo up"))
        (ran,) = read.of(ToolCompleted)
        assert "up" in ran.detail["aggregatedOutput"]


async def test_a_turns_model_and_effort_hold_for_that_turn(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        assert read.connection.capabilities.model_switch
        for model, effort in ((None, None), ("gpt-5.6-sol", "high"), (None, None)):
            await read.connection.start_turn(TurnRequest(text=codex.say("hi"), model=model, effort=effort))
            await read.until(TurnCompleted)
    first, other, last = _asked(codex)
    assert other == ("gpt-5.6-sol", "high")
    assert first == last == ("gpt-5.5", "medium")


async def test_a_resumed_thread_does_not_keep_its_last_turns_model(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as first:
        await first.connection.start_turn(TurnRequest(text=codex.say("hi"), model="gpt-5.6-sol", effort="high"))
        await first.until(TurnCompleted)
        cursor = first.connection.resume_cursor
    async with session(codex.provider, workspace, cursor=cursor) as second:
        await second.turn(codex.say("hi"))
    assert _asked(codex)[-1] == ("gpt-5.5", "medium")


async def test_the_sandbox_is_the_same_after_a_resume(codex: CodexCase, workspace: Path) -> None:
    """Codex does not remember it, and its own configuration opens the sandbox."""
    await to_thread.run_sync(Repository.init, workspace)
    provider = codex.provided(sandbox="workspace-write", approval_policy="never")
    async with session(provider, workspace) as first:
        await first.turn(codex.say("hi"))
        cursor = first.connection.resume_cursor
    async with session(provider, workspace, cursor=cursor) as second:
        await second.turn(codex.run("touch .git/mark"))
        assert not await anyio.Path(workspace / ".git" / "mark").exists()
    assert "Read-only file system" in str(codex.model.script.requests()[-1]["body"]["input"][-1])


async def test_a_thread_without_a_turn_is_replaced_by_a_new_one(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as first:
        cursor = first.connection.resume_cursor
    assert cursor is not None
    async with session(codex.provider, workspace, cursor=cursor) as second:
        assert second.connection.provider_thread_id != first.connection.provider_thread_id
        await second.turn(codex.say("hi"))
        assert second.connection.resume_cursor != cursor
    used = {"threadId": cursor["threadId"]}
    with pytest.raises(ResumeRefused, match="no rollout found"):
        async with session(codex.provider, workspace, cursor=used):
            pytest.fail("the session was opened")


async def test_a_thread_that_another_process_has_open_is_refused(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.turn(codex.say("hi"))
        with pytest.raises(ResumeRefused, match="active writer"):
            async with session(codex.provider, workspace, cursor=read.connection.resume_cursor):
                pytest.fail("the session was opened")


async def test_an_image_reaches_the_model(codex: CodexCase, workspace: Path) -> None:
    image = Attachment(
        type="image",
        name=AttachmentName("a.png"),
        mime_type=MediaType("image/png"),
        size_bytes=AttachmentSize(70),
        data_url=DataUrl(PIXEL),
    )
    async with session(codex.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=codex.say("nice"), attachments=(image,)))
        assert (await read.until(TurnCompleted)).outcome == "completed"
    assert "data:image/png;base64," in str(codex.model.script.requests()[-1]["body"]["input"])


async def test_a_second_turn_at_once_is_refused(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=codex.talk_forever()))
        with pytest.raises(ProviderProtocolError, match="one turn at a time"):
            await read.connection.start_turn(TurnRequest(text=codex.say("me too")))
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"


async def test_an_interrupt_before_the_turn_is_up_ends_it(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=codex.talk_forever()))
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"


async def test_ten_sessions_that_start_at_once_in_a_new_home_are_served(codex: CodexCase, workspace: Path) -> None:
    async def serve(word: str) -> None:
        async with session(codex.provider, workspace) as read:
            await read.turn(codex.say(word))
            assert read.text() == word

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(serve, f"word-{number}")


@pytest.mark.lesson("L5")
async def test_l05_a_first_start_that_hangs_does_not_keep_the_others_waiting(
    codex: CodexCase, tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_start, "SET_UP_SECONDS", 0.1)
    program = tmp_path / "codex-program"
    os.mkfifo(tmp_path / "hangs")
    hangs = f"mkdir {tmp_path}/first 2>/dev/null && echo yes > {tmp_path}/hangs && exec sleep 3600"
    program.write_text(f'#!/bin/sh\n{hangs}\nexec {codex.program} "$@"\n')
    program.chmod(0o755)
    provider = codex.provided(program=str(program), start_deadline_seconds=3600)

    async def hang() -> None:
        async with session(provider, workspace):
            pytest.fail("the session was opened")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hang)
        assert await to_thread.run_sync((tmp_path / "hangs").read_text) == "yes\n"
        async with session(provider, workspace) as read:
            assert (await read.turn(codex.say("hi"))).outcome == "completed"
        tasks.cancel_scope.cancel()


@pytest.mark.lesson("L63")
async def test_l63_a_turn_whose_end_is_never_reported_is_settled(
    codex: CodexCase, tmp_path: Path, workspace: Path
) -> None:
    program = tmp_path / "codex-program"
    program.write_text(f'#!/bin/sh\n{codex.program} "$@" | grep --line-buffered -v \'"turn/completed"\'\n')
    program.chmod(0o755)
    async with session(codex.provided(program=str(program)), workspace) as read:
        for word in ("one", "two"):
            assert await read.turn(codex.say(word)) == TurnCompleted(outcome="completed")
        ended = await read.turn(codex.fail("no such key"))
        assert ended.outcome == "failed"
        assert "no such key" in (ended.error or "")


@pytest.mark.lesson("L63")
async def test_l63_an_option_is_taken_where_it_is_named(codex: CodexCase, workspace: Path) -> None:
    provider = codex.provided(approval_policy="untrusted", sandbox="workspace-write")
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=codex.run("touch mark")))
        asked = await read.until(ApprovalRequested)
        no = next(option for option in asked.options if option.kind == "reject_once")
        await read.connection.respond(asked.request, "decline", option=no.id)
        await read.until(TurnCompleted)
        assert not await anyio.Path(workspace / "mark").exists()


async def test_agent_that_exits_at_once_is_unavailable_with_its_stderr(workspace: Path) -> None:
    provider = CodexProvider(command=[sys.executable, "-c", "import sys; sys.exit('no licence')"])
    with pytest.raises(ProviderUnavailable, match="exited with code 1 before it was ready: no licence"):
        async with session(provider, workspace):
            pytest.fail("the session was opened")


async def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    monkeypatch.setitem(sys.modules, "codex_cli_bin", None)
    with pytest.raises(ProviderUnavailable, match=r"pip install 'orchestrion\[codex\]'"):
        async with session(CodexProvider(), workspace):
            pytest.fail("the session was opened")


def test_an_empty_command_is_refused() -> None:
    with pytest.raises(ValueError, match="names at least its program"):
        CodexProvider(command=[])


def _asked(codex: CodexCase) -> list[tuple[str, str]]:
    """The model and effort of each request to the model."""
    return [
        (body["model"], body["reasoning"]["effort"])
        for body in (request["body"] for request in codex.model.script.requests())
        if last_user_text(body).startswith("@@")
    ]


@pytest.mark.spec("E110")
async def test_usage_of_each_turn_is_reported(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.turn(codex.prompt("one", {"text": "first"}))
        first = read.of(UsageUpdated)[-1]
        await read.turn(codex.prompt("two", {"text": "second"}))
        second = read.of(UsageUpdated)[-1]
        assert first.output_tokens == second.output_tokens
        assert first.context_window is not None
        assert (first.context_used or 0) > 0


@pytest.mark.spec("E111")
async def test_modes_and_models_of_the_session_are_reported(codex: CodexCase, workspace: Path) -> None:
    async with session(codex.provider, workspace) as read:
        await read.turn(codex.prompt("one", {"text": "first"}))
        info = read.of(SessionInfoUpdated)[-1]
        while not info.models:
            info = await read.until(SessionInfoUpdated)
        assert info.current_mode in [mode.id for mode in info.modes]
        assert info.current_model is not None
