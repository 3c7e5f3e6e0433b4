"""Turns run one at a time, in order, each with its agent, its prompt and its workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.adapter import Capabilities
from orchestrion.contracts.events import ThreadMessageSent, ThreadSessionSetEvent
from orchestrion.contracts.ids import ThreadId
from orchestrion.contracts.values import Unset
from tests.support.builders import thread_delete, thread_meta_update
from tests.support.stage import Stage, activity, payload, rehearsal, session, session_of, stage

pytestmark = pytest.mark.anyio


async def _statuses(it: Stage) -> list[str]:
    return [session_of(event).status for event in await it.log() if isinstance(event.payload, ThreadSessionSetEvent)]


async def test_a_turn_starts_its_agent_streams_its_words_and_ends(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn = await it.ask("say hello there")
        ended = await it.ended(turn)
        thread = await it.thread()

        assert await _statuses(it) == ["starting", "ready", "running", "ready"]
        assert session_of(ended).last_error is None
        assert [(one.turn_id, one.turn_count, one.status) for one in thread.turns] == [(turn.turn_id, 1, "completed")]
        assert not isinstance(thread.messages, Unset)
        asked, answered = thread.messages
        assert (asked.role, asked.text) == ("user", "say hello there")
        assert (answered.role, answered.text, answered.streaming) == ("assistant", "hello there", False)
        assert thread.turns[0].user_message_id == asked.id
        assert thread.turns[0].assistant_message_id == answered.id


async def test_everything_of_a_turn_goes_back_to_its_clients_command(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn = await it.ask("think a while\nsay words\nrun make\nplan one; two\nsay more")
        await it.ended(turn)
        of_the_turn = [event for event in await it.log() if event.sequence >= turn.sequence - 1]

        assert {event.correlation_id for event in of_the_turn} == {turn.command_id}
        assert {event.actor_kind for event in of_the_turn[2:]} == {"provider"}
        kinds = [event.event_type for event in of_the_turn]
        assert kinds.count("thread.activity-appended") >= 4


async def test_only_the_binding_session_set_names_no_session_in_its_metadata(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("say hello")
        sets = [event for event in await it.log() if isinstance(event.payload, ThreadSessionSetEvent)]
        (current,) = {session_of(event).provider_session_id for event in sets}

        named = [event.metadata.provider_session_id for event in sets]
        assert named == [None, current, current, current]
        assert {event.metadata.adapter_key for event in sets} == {"acp"}
        assert session_of(sets[-1]).provider_thread_id is not None


async def test_turns_run_one_at_a_time_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        first = await it.ask("wait-for go\nsay one")
        await it.claimed(first)
        second, third = await it.ask("say two"), await it.ask("say three")
        await it.let_go("go")
        ends = [await it.ended(turn) for turn in (first, second, third)]
        claims = [await it.claimed(turn) for turn in (first, second, third)]

        order = [claims[0], ends[0], claims[1], ends[1], claims[2], ends[2]]
        assert [event.sequence for event in order] == sorted(event.sequence for event in order)
        assert [await it.text_of(turn) for turn in (first, second, third)] == ["one", "two", "three"]
        assert [turn.turn_count for turn in (await it.thread()).turns] == [1, 2, 3]
        assert (await _statuses(it)).count("starting") == 1


@pytest.mark.lesson("L5")
async def test_l05_a_hung_agent_is_seen_and_delays_its_own_thread_alone(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.open_thread("t2")
        hung = await it.ask("say busy\nhang")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(hung)).sequence)
        for _ in range(3):
            assert session_of(await it.perform("say fine", thread_id="t2")).status == "ready"

        assert await it.turn_statuses("t2") == ["completed"] * 3
        assert await it.turn_statuses("t1") == ["running"]
        seen = {one.thread_id: one for one in it.runtime.health().sessions}
        assert seen[ThreadId("t1")].running_turn_id == hung.turn_id
        assert seen[ThreadId("t1")].silent_seconds > seen[ThreadId("t2")].silent_seconds


async def test_deleting_a_thread_ends_its_agent(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        turn = await it.ask("say working\nhang")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(turn)).sequence)
        (health,) = it.runtime.health().sessions
        assert health.running_turn_id == turn.turn_id
        assert health.capabilities == Capabilities(resume=True, approvals=True, model_switch=False)
        await it.ask("say never")
        deleted = await it.send(thread_delete("t1"))
        stopped = await it.until(session("stopped"), after=deleted.sequence)

        assert await it.turn_statuses() == ["interrupted"]
        assert session_of(stopped).provider_session_id == health.provider_session_id
    (row,) = await it.runtime_rows()
    assert row.status == "stopped"


async def test_deleting_a_thread_ends_an_agent_that_is_still_starting(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["sleep", "3600"], end_grace_seconds=0.1)]) as it:
        await it.ask("say never")
        await it.until(session("starting"))
        deleted = await it.send(thread_delete("t1"))
        await it.until(session("stopped"), after=deleted.sequence)


async def test_a_model_the_agent_cannot_switch_to_fails_only_the_turn(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        failed = session_of(await it.ended(await it.ask("say hi", model="another")))
        assert failed.status == "error"
        assert failed.last_error is not None
        assert "another" in failed.last_error

        assert session_of(await it.perform("say hi")).status == "ready"
        assert await it.turn_statuses() == ["error", "completed"]
        assert (await _statuses(it)).count("starting") == 1


async def test_an_agents_error_ends_the_turn_with_its_words(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        failed = session_of(await it.perform("say so far\nfail no more tokens"))
        assert (failed.status, failed.last_error) == ("error", "no more tokens")
        assert await it.turn_statuses() == ["error"]


async def test_the_agent_works_in_the_worktree_before_the_projects_root(tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    async with stage(tmp_path) as it:
        await it.open_thread("t2", worktree_path=str(worktree))
        await it.perform("touch here", thread_id="t2")
        await it.perform("touch there", thread_id="t1")

    assert [path.name for path in worktree.iterdir()] == ["here"]
    assert [path.name for path in it.workspace.iterdir()] == ["there"]


async def test_a_moved_thread_keeps_its_conversation_in_the_new_worktree(tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    async with stage(tmp_path) as it:
        await it.perform("touch before")
        await it.send(thread_meta_update("t1", worktree_path=str(worktree)))
        turn = await it.ask("touch after\nrecall")
        await it.ended(turn)

        assert "I remember 1 turns: touch before" in await it.text_of(turn)
    assert [path.name for path in worktree.iterdir()] == ["after"]


@pytest.mark.lesson("L28")
async def test_l28_huge_output_of_a_tool_is_cut_and_the_turn_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await it.perform("flood 9000000\nsay after")
        completed = await it.until(activity("tool.completed"))

        assert "[cut: " in str(completed.payload)
        assert await it.turn_statuses() == ["completed"]


async def test_a_clean_stop_settles_the_running_turn_and_leaves_the_queued_one(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        running = await it.ask("say working\nhang")
        await it.until(payload(ThreadMessageSent), after=(await it.claimed(running)).sequence)
        queued = await it.ask("recall")
        (health,) = it.runtime.health().sessions
        agent = health.pid
    assert agent is not None
    (row,) = await it.runtime_rows()
    assert row.status == "stopped"
    assert row.resume_cursor_json is not None

    async with stage(tmp_path) as again:
        await again.ended(queued)
        assert await again.turn_statuses() == ["interrupted", "completed"]
        assert "I remember 1 turns: say working / hang" in await again.text_of(queued)
        thread = await again.thread()
        assert not isinstance(thread.messages, Unset)
        assert not any(message.streaming for message in thread.messages)


async def test_a_stop_of_the_runtime_waits_for_no_agent_that_is_starting(tmp_path: Path) -> None:
    async with stage(tmp_path, providers=[AcpProvider(["sleep", "3600"], end_grace_seconds=0.1)]) as it:
        queued = await it.ask("say at last")
        await it.until(session("starting"))
    (row,) = await it.runtime_rows()
    assert row.status == "stopped"

    async with stage(tmp_path, providers=[rehearsal(tmp_path, name="acp")]) as again:
        assert session_of(await again.ended(queued)).status == "ready"
