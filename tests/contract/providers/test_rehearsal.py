"""The rehearsal agent through `AcpProvider`: behaviour that only it can show on request, and the adapter's reaction."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import TurnRequest
from orchestrion.actors.providers.rehearsal import rehearsal_command
from orchestrion.contracts.errors import (
    ProviderProtocolError,
    ProviderUnavailable,
    ResumeRefused,
)
from orchestrion.contracts.provider_events import (
    ApprovalRequested,
    MessageDelta,
    PlanUpdated,
    ReasoningCompleted,
    RuntimeErrorReported,
    SessionExited,
    ToolCompleted,
    TurnCompleted,
)
from orchestrion.testing.conformance.reading import all_have_ended, session
from orchestrion.testing.conformance.rehearsal import RehearsalCase

pytestmark = pytest.mark.anyio


@pytest.fixture
def provider(tmp_path: Path) -> AcpProvider:
    return RehearsalCase(tmp_path).provider


async def test_plain_text_is_echoed(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.turn("Good morning, agent.")
        assert read.text() == "Good morning, agent."


async def test_script_reports_thoughts_plans_and_text_in_order(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.turn("think let me see\nplan look; leap\nsay one\nthink hm\nsay two")
        assert read.of(ReasoningCompleted) == [
            ReasoningCompleted(text="let me see"),
            ReasoningCompleted(text="hm"),
        ]
        assert [plan.summary for plan in read.of(PlanUpdated)] == ["look; leap"]
        assert read.texts() == ["one", "\ntwo"]


async def test_permission_given_for_the_session_is_not_requested_again(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="write a.txt 1\nwrite b.txt 2"))
        asked = await read.until(ApprovalRequested)
        await read.connection.respond(asked.request, "acceptForSession")
        await read.until(TurnCompleted)
        assert len(read.of(ApprovalRequested)) == 1
        assert await anyio.Path(workspace / "b.txt").read_text() == "2"


@pytest.mark.parametrize("directive", ["write ../outside.txt x", "touch ../outside.txt", "wait-for ../outside.txt"])
async def test_files_outside_the_workspace_are_not_touched(
    provider: AcpProvider, workspace: Path, directive: str
) -> None:
    async with session(provider, workspace) as read:
        failed = await read.turn(directive)
        assert failed.outcome == "failed"
        assert "../outside.txt is outside the workspace" in (failed.error or "")
        assert not await anyio.Path(workspace.parent / "outside.txt").exists()


async def test_a_turn_waits_for_a_file(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="say before\nwait-for go\nsay after"))
        await read.until(MessageDelta)
        await anyio.Path(workspace / "go").touch()
        await read.until(TurnCompleted)
        assert read.text() == "before\nafter"


@pytest.mark.parametrize("reason", ["refusal", "max_tokens", "max_turn_requests"])
async def test_a_stop_reason_fails_the_turn(provider: AcpProvider, workspace: Path, reason: str) -> None:
    async with session(provider, workspace) as read:
        completed = await read.turn(f"stop {reason}")
        assert completed.outcome == "failed"
        assert reason in (completed.error or "")


async def test_crash_in_a_turn_is_reported_with_exit_code_and_stderr(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="say half a\nstderr out of luck\nexit 7"))
        (*_, exited) = await read.rest()
        assert exited == SessionExited(asked=False, exit_code=7, stderr_tail="out of luck\n")
        assert read.text() == "half a"
        assert read.of(TurnCompleted) == []


async def test_only_the_end_of_standard_error_is_kept(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=f"stderr {'x' * 300_000}end\nexit 1"))
        (*_, exited) = await read.rest()
        assert isinstance(exited, SessionExited)
        assert exited.stderr_tail == "x" * (8 * 1024 - 4) + "end\n"


async def test_a_malformed_line_is_reported_and_the_turn_goes_on(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        assert (await read.turn("garbage\nsay fine")).outcome == "completed"
        (report,) = read.of(RuntimeErrorReported)
        assert not report.fatal
        assert report.detail == {"excerpt": "this is no message"}
        assert read.text() == "fine"


async def test_endless_garbage_ends_the_session(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="garbage\n" * 150 + "hang"))
        (*_, fatal, exited) = await read.rest()
        assert isinstance(fatal, RuntimeErrorReported)
        assert fatal.fatal
        assert isinstance(exited, SessionExited)
        assert not exited.asked
        assert await all_have_ended(read.process)


async def test_a_big_tool_output_arrives_cut_with_a_marker(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.turn("flood 500000")
        (completed,) = read.of(ToolCompleted)
        text = completed.detail["text"]
        kept = text.count("x")
        assert text.endswith(f"… [cut: {500_000 - kept} characters]")
        assert 50_000 < kept < 64 * 1024


async def test_a_hung_turn_is_ended_by_closing(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="say hm\nhang"))
        await read.until(MessageDelta)
        await read.connection.interrupt()
        assert (await read.closed()).asked
        assert read.of(TurnCompleted) == []


async def test_an_agent_that_ignores_the_end_of_input_is_terminated(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.turn("ignore-eof")
        exited = await read.closed()
        assert (exited.asked, exited.exit_code) == (True, -15)
        assert await all_have_ended(read.process)


async def test_an_agent_that_ignores_termination_is_killed(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.turn("ignore-eof\nignore-term")
        exited = await read.closed()
        assert (exited.asked, exited.exit_code) == (True, -9)
        assert await all_have_ended(read.process)


@pytest.mark.parametrize("script", ["spawn", "ignore-term\nspawn"])
async def test_the_children_of_an_agent_end_with_it(provider: AcpProvider, workspace: Path, script: str) -> None:
    async with session(provider, workspace) as read:
        await read.turn(script)
        exited = await read.closed()
        assert (exited.asked, exited.exit_code) == (True, 0)
        assert await all_have_ended(read.process)


async def test_a_child_that_holds_the_pipes_does_not_hide_the_death_of_its_agent(
    provider: AcpProvider, workspace: Path
) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="spawn\nstderr gone\nexit 3"))
        (*_, exited) = await read.rest()
        assert exited == SessionExited(asked=False, exit_code=3, stderr_tail="gone\n")
        assert await all_have_ended(read.process)


async def test_unread_agent_waits(provider: AcpProvider, workspace: Path) -> None:
    floods = "\n".join(["flood 70000"] * 100)
    async with session(provider, workspace) as unread, session(provider, workspace) as read:
        await unread.connection.start_turn(TurnRequest(text=f"{floods}\ntouch unread"))
        await read.turn(f"{floods}\ntouch read")
        assert await anyio.Path(workspace / "read").exists()
        assert not await anyio.Path(workspace / "unread").exists()
        await unread.until(TurnCompleted)
        assert await anyio.Path(workspace / "unread").exists()
        assert len(unread.of(ToolCompleted)) == len(read.of(ToolCompleted)) == 100


async def test_unread_agent_is_ended_and_its_events_end(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text=f"say {'word ' * 50_000}"))
        await read.until(MessageDelta)
        exited = await read.closed()
        assert exited.asked
        assert read.of(TurnCompleted) == []


async def test_the_earlier_turns_are_remembered(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as first:
        await first.turn("say one")
        await first.turn("say two\nsay three")
        cursor = first.connection.resume_cursor
    async with session(provider, workspace, cursor=cursor) as second:
        await second.turn("recall")
        assert second.text() == "I remember 2 turns: say one | say two / say three"


async def test_a_session_is_resumed_without_replay_where_the_agent_can(tmp_path: Path, workspace: Path) -> None:
    provider = RehearsalCase(tmp_path, resume="resume").provider
    async with session(provider, workspace) as first:
        await first.turn("say one")
        assert first.connection.capabilities.resume
        cursor = first.connection.resume_cursor
    async with session(provider, workspace, cursor=cursor) as second:
        await second.turn("recall")
        assert second.text() == "I remember 1 turns: say one"


async def test_agent_that_cannot_resume_reports_it(tmp_path: Path, workspace: Path) -> None:
    provider = RehearsalCase(tmp_path, resume="none").provider
    async with session(provider, workspace) as first:
        await first.turn("say one")
        assert not first.connection.capabilities.resume
        cursor = first.connection.resume_cursor
    with pytest.raises(ResumeRefused, match="no way to resume"):
        async with session(provider, workspace, cursor=cursor):
            pytest.fail("the session was opened")


async def test_input_that_the_agent_cannot_take_is_refused_beforehand(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        with pytest.raises(ProviderProtocolError, match="cannot switch to model 'other'"):
            await read.connection.start_turn(TurnRequest(text="hello", model="other"))
        with pytest.raises(ProviderProtocolError, match="cannot switch to effort 'high'"):
            await read.connection.start_turn(TurnRequest(text="hello", effort="high"))
        assert (await read.turn("say fine")).outcome == "completed"


async def test_a_second_turn_at_once_is_refused(provider: AcpProvider, workspace: Path) -> None:
    async with session(provider, workspace) as read:
        await read.connection.start_turn(TurnRequest(text="wait-for go"))
        with pytest.raises(ProviderProtocolError, match="one turn at a time"):
            await read.connection.start_turn(TurnRequest(text="say me too"))
        await read.connection.interrupt()
        assert (await read.until(TurnCompleted)).outcome == "interrupted"


async def test_a_missing_program_is_named(workspace: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="no-such-agent"):
        async with session(AcpProvider(["no-such-agent", "--acp"]), workspace):
            pytest.fail("the session was opened")


async def test_a_missing_workspace_is_named(provider: AcpProvider, tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="nowhere"):
        async with session(provider, tmp_path / "nowhere"):
            pytest.fail("the session was opened")


async def test_a_file_that_is_no_program_is_unavailable(tmp_path: Path, workspace: Path) -> None:
    program = tmp_path / "agent"
    program.write_bytes(b"\x00 neither ELF nor script")
    program.chmod(0o755)
    with pytest.raises(ProviderUnavailable, match="could not be started"):
        async with session(AcpProvider([str(program)]), workspace):
            pytest.fail("the session was opened")


async def test_agent_that_exits_at_once_is_unavailable_with_its_stderr(workspace: Path) -> None:
    words = "import sys; sys.exit('no licence')"
    with pytest.raises(ProviderUnavailable, match="exited with code 1 before it was ready: no licence"):
        async with session(AcpProvider([sys.executable, "-c", words]), workspace):
            pytest.fail("the session was opened")


async def test_an_agent_that_does_not_answer_is_unavailable(workspace: Path) -> None:
    silent = AcpProvider(["sleep", "3600"], start_deadline_seconds=0.05, end_grace_seconds=0.05)
    with pytest.raises(ProviderUnavailable, match="initialize had no answer"):
        async with session(silent, workspace):
            pytest.fail("the session was opened")


async def test_the_environment_is_laid_over_the_hosts(tmp_path: Path, workspace: Path) -> None:
    provider = AcpProvider(rehearsal_command(), env={"XDG_STATE_HOME": str(tmp_path / "elsewhere")})
    async with session(provider, workspace) as read:
        await read.turn("say hello")
        files = [file.name async for file in anyio.Path(tmp_path / "elsewhere" / "orchestrion-rehearsal").iterdir()]
        assert files == [f"{read.connection.provider_thread_id}.jsonl"]
