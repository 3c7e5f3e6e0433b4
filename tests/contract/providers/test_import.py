"""Conversations that agents keep become threads: with real Codex, real Claude Code, and an agent on the ACP SDK.

Each agent is first driven without a runtime, as if a person had used it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from orchestrion.actors.providers.adapter import KeepsConversations
from orchestrion.contracts.conversations import ImportedConversation, PastActivity, PastMessage
from orchestrion.contracts.errors import InvalidRequest, ProviderUnavailable
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.provider_events import ToolCompleted
from orchestrion.contracts.read_model import ThreadView
from orchestrion.contracts.values import UNSET
from orchestrion.runtime.host import open_runtime
from orchestrion.testing.conformance import ProviderCase
from orchestrion.testing.conformance.reading import session
from orchestrion.testing.conformance.rehearsal import RehearsalCase
from tests.support.builders import thread_delete
from tests.support.claude_case import claude_case
from tests.support.codex_case import codex_case
from tests.support.sdk_case import sdk_case
from tests.support.stage import stage

pytestmark = pytest.mark.anyio

AGENTS: Final[dict[str, Callable[[Path, Path], AbstractContextManager[ProviderCase]]]] = {
    "claude": claude_case,
    "codex": codex_case,
    "sdk": sdk_case,
}
BACKENDS: Final = {"claude": "asyncio", "codex": "trio", "sdk": "asyncio"}


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def anyio_backend(agent: str) -> str:
    """Real agents start slowly: each has one event loop."""
    return BACKENDS[agent]


@pytest.fixture
def past(agent: str, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    with AGENTS[agent](tmp_path, workspace) as opened:
        yield opened


async def play(case: ProviderCase, workspace: Path, *prompts: str) -> str:
    """The agent's id of a conversation with these turns."""
    async with session(case.provider, workspace) as read:
        for prompt in prompts:
            assert (await read.turn(prompt)).outcome == "completed"
        assert read.connection.provider_thread_id is not None
        return read.connection.provider_thread_id


async def import_all(case: ProviderCase, place: Path, **options: Any) -> tuple[ImportedConversation, ...]:
    async with open_runtime(place / "state.db") as runtime:
        return await runtime.import_conversations(case.provider, **options)


async def thread_of(directory: Path, thread_id: ThreadId) -> ThreadView:
    async with open_runtime(directory / "state.db") as runtime:
        return (await runtime.get_snapshot(thread_id=thread_id)).threads[0]


def messages_of(thread: ThreadView) -> list[tuple[str, str]]:
    assert thread.messages is not UNSET
    return [(message.role, message.text) for message in thread.messages]


@pytest.mark.spec("E64")
async def test_conversation_is_listed_and_read_whole(past: ProviderCase, agent: str, workspace: Path) -> None:
    hello, tool = past.say("pelican", "and", "more"), past.run_tool()
    session_id = await play(past, workspace, hello, tool)
    assert isinstance(past.provider, KeepsConversations)
    async with past.provider.open_conversations(workspace) as kept:
        (listed,) = await kept.list(workspace)
        history = await kept.read(listed)
    assert (listed.session_id, listed.directory) == (session_id, str(workspace))
    said = [(item.role, item.text) for item in history.items if isinstance(item, PastMessage)]
    assert said[0] == ("user", hello)
    assert history.faults == ()
    if agent != "sdk":  # which replays its prompts alone
        assert said[1:3] == [("assistant", "pelican and more"), ("user", tool)]
        tools = [item.event for item in history.items if isinstance(item, PastActivity)]
        assert [type(event) for event in tools] == [ToolCompleted]


@pytest.mark.spec("E65")
async def test_next_turn_continues_the_agents_conversation(past: ProviderCase, tmp_path: Path, workspace: Path) -> None:
    session_id = await play(past, workspace, past.say("pelican"))
    (imported,) = await import_all(past, tmp_path)
    assert imported.outcome == "imported"
    async with stage(tmp_path, providers=[past.provider], database=tmp_path / "state.db") as it:
        turn = await it.ask(past.recall(), thread_id=imported.thread_id)
        await it.ended(turn)
        thread = await it.thread(imported.thread_id)
        assert [one.status for one in thread.turns] == ["completed"]
        assert thread.session is not None
        assert thread.session.provider_thread_id == session_id
        assert "pelican" in await it.text_of(turn)
    (again,) = await import_all(past, tmp_path)
    assert (again.outcome, again.added) == ("continued", 0)


@pytest.mark.spec("E66")
async def test_import_is_repeated_without_effect_and_adds_what_is_new(
    past: ProviderCase, tmp_path: Path, workspace: Path
) -> None:
    first = past.say("pelican")
    await play(past, workspace, first)
    (imported,) = await import_all(past, tmp_path)
    before = messages_of(await thread_of(tmp_path, imported.thread_id))
    assert [(one.outcome, one.added) for one in await import_all(past, tmp_path)] == [("unchanged", 0)]

    second = past.say("heron")
    cursor = {"threadId" if past.provider.adapter_key == "codex" else "sessionId": imported.conversation.session_id}
    async with session(past.provider, workspace, cursor=cursor) as read:
        await read.turn(second)
    (extended,) = await import_all(past, tmp_path)
    assert (extended.outcome, extended.thread_id) == ("extended", imported.thread_id)
    after = messages_of(await thread_of(tmp_path, imported.thread_id))
    assert after[: len(before)] == before
    assert ("user", second) in after[len(before) :]
    assert [text for role, text in after if role == "user"] == [first, second]


@pytest.mark.spec("E66")
async def test_deleted_thread_stays_deleted(past: ProviderCase, tmp_path: Path, workspace: Path) -> None:
    await play(past, workspace, past.say("pelican"))
    (imported,) = await import_all(past, tmp_path)
    async with open_runtime(tmp_path / "state.db") as runtime:
        await runtime.dispatch(thread_delete(imported.thread_id))
    (again,) = await import_all(past, tmp_path)
    assert (again.outcome, again.reason) == ("refused", f"thread {imported.thread_id!r} was deleted")


async def test_chosen_conversations_of_a_directory_are_imported(
    past: ProviderCase, tmp_path: Path, workspace: Path
) -> None:
    other = tmp_path / "other"
    await anyio.Path(other).mkdir()
    here = [await play(past, workspace, past.say(word)) for word in ("one", "two")]
    await play(past, other, past.say("three"))
    chosen = await import_all(past, tmp_path, directory=workspace, sessions=[here[1]])
    assert [one.conversation.session_id for one in chosen] == [here[1]]
    assert {one.conversation.session_id for one in await import_all(past, tmp_path, directory=workspace)} == set(here)
    assert len(await import_all(past, tmp_path)) == 3
    async with open_runtime(tmp_path / "state.db") as runtime:
        snapshot = await runtime.get_snapshot(detail="summary")
    assert {project.workspace_root for project in snapshot.projects} == {str(workspace), str(other)}
    with pytest.raises(InvalidRequest, match="lists no conversation 'nobody'"):
        await import_all(past, tmp_path, sessions=["nobody"])


@pytest.mark.parametrize("agent", ["sdk"], indirect=True)
async def test_agent_that_lists_no_sessions_is_refused(agent: str, tmp_path: Path, workspace: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="lacks `session/list`"):
        await import_all(RehearsalCase(tmp_path), tmp_path, directory=workspace)
