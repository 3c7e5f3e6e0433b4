"""A host's turns by handles: what they show, how requests are answered, what is read again after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from orchestrion import (
    Approval,
    ApprovalAnswer,
    Ended,
    InProcessTurn,
    InvalidRequest,
    NotFound,
    ProviderRuntimeEvent,
    Resolved,
    Text,
    Thought,
    ThreadDelete,
    ToolCall,
    TurnDiffNotFound,
    TurnItem,
    TurnResult,
    Usage,
    UsageUpdated,
    in_process_provider,
    open_runtime,
)
from tests.support.stage import rehearsal

pytestmark = pytest.mark.anyio


def workspace(directory: Path, name: str = "notes") -> Path:
    path = directory / name
    path.mkdir()
    return path


async def accept(approval: Approval) -> ApprovalAnswer:
    return "accept"


async def test_turn_shows_its_items_and_its_diff(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes, title="Greeting")
        script = "think about it\nsay hello\nwrite a.txt hi"
        async with thread.turn(script, on_approval=accept) as turn:
            items = [item async for item in turn]
            diff = await turn.diff()

    assert items[0] == Thought(text="about it")
    assert isinstance(items[-1], Ended)
    assert items[-1].outcome == "completed"
    assert "".join(item.text for item in items if isinstance(item, Text)) == "hello\nwrote a.txt"
    assert [item.status for item in items if isinstance(item, ToolCall)] == ["started", "completed"]
    assert "+hi" in diff


async def test_result_and_diff_are_there_after_the_block(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("say hello\ntouch a.txt\nsay there") as turn:
            assert isinstance(await anext(turn), Text)
        with pytest.raises(RuntimeError, match="within its block"):
            await anext(turn)
        assert (await turn.result()).text == "hello\nthere"
        assert "a.txt" in await turn.diff()
        assert await turn.result() == await turn.result()


async def test_request_after_the_block_is_left_to_other_clients(tmp_path: Path) -> None:
    notes = workspace(tmp_path)

    async def fail(approval: Approval) -> ApprovalAnswer:
        raise AssertionError("the block was left")

    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("wait-for go\nask something", on_approval=fail) as turn:
            pass
        async with anyio.create_task_group() as tasks, runtime.turn(turn.turn_id, on_approval=accept) as other:
            tasks.start_soon(other.result)
            (notes / "go").touch()
            assert (await turn.result()).ended.outcome == "completed"


async def test_diff_of_a_deleted_thread_is_not_waited_for(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("say begun\nwait-for never") as turn:
            await anext(turn)
            await runtime.dispatch(ThreadDelete(thread_id=thread.thread_id))
            assert (await turn.result()).ended.outcome == "interrupted"
            with pytest.raises(TurnDiffNotFound):
                await turn.diff()


async def test_threads_of_one_directory_share_a_project(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    (tmp_path / "link").symlink_to(notes)
    async with open_runtime(tmp_path / "state.db") as runtime:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: runtime.open_thread(workspace=notes))
            tasks.start_soon(lambda: runtime.open_thread(workspace=tmp_path / "link"))
        snapshot = await runtime.get_snapshot()
    assert [project.title for project in snapshot.projects] == [snapshot.projects[0].title]
    assert len(snapshot.threads) == 2


async def test_open_thread_continues_by_id(tmp_path: Path) -> None:
    notes, other = workspace(tmp_path), workspace(tmp_path, "other")
    async with open_runtime(tmp_path / "state.db") as runtime:
        made = await runtime.open_thread(workspace=notes, thread_id="t1", title="Mine")
        again = await runtime.open_thread(thread_id="t1")
        view = await again.read()

        assert made.thread_id == again.thread_id == "t1"
        assert view.title == "Mine"
        with pytest.raises(InvalidRequest, match="works in"):
            await runtime.open_thread(workspace=other, thread_id="t1")
        with pytest.raises(NotFound):
            await runtime.open_thread(thread_id="unknown")
        with pytest.raises(InvalidRequest, match="needs the directory"):
            await runtime.open_thread()
        with pytest.raises(InvalidRequest, match="not a directory"):
            await runtime.open_thread(workspace=tmp_path / "none")


async def test_option_of_the_agent_answers_its_request(tmp_path: Path) -> None:
    notes = workspace(tmp_path)

    async def reject(approval: Approval) -> ApprovalAnswer:
        return next(option for option in approval.options if option.kind == "reject_once")

    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("ask delete everything", on_approval=reject) as turn:
            items = [item async for item in turn]
    assert [item.decision for item in items if isinstance(item, Resolved)] == ["decline"]


async def test_error_of_on_approval_leaves_the_block_as_it_is(tmp_path: Path) -> None:
    notes = workspace(tmp_path)

    async def fail(approval: Approval) -> ApprovalAnswer:
        raise LookupError("no user is here")

    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        with pytest.raises(LookupError, match="no user"):
            async with thread.turn("ask something", on_approval=fail) as turn:
                await turn.result()
        with pytest.raises(KeyError, match="mine"):
            async with thread.turn("say later", on_approval=accept):
                raise KeyError("mine")


async def test_on_approval_is_cancelled_when_another_client_answers(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    asked, cancelled = anyio.Event(), anyio.Event()
    requests: list[Approval] = []

    async def wait(approval: Approval) -> ApprovalAnswer:
        requests.append(approval)
        asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        raise AssertionError("unreachable")

    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with anyio.create_task_group() as tasks, thread.turn("ask something", on_approval=wait) as turn:

            async def answer() -> None:
                await asked.wait()
                async with runtime.turn(turn.turn_id) as other:
                    await other.respond(requests[0].request_id, "accept")

            tasks.start_soon(answer)
            await turn.result()
            await cancelled.wait()


async def test_interrupt_ends_the_turn(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("say begun\nwait-for never") as turn:
            async for item in turn:
                if isinstance(item, Text):
                    await turn.interrupt()
            result = await turn.result()
            await turn.interrupt()
    assert result.ended.outcome == "interrupted"


async def test_message_that_cannot_steer_becomes_the_next_turn(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("say begun\nwait-for go") as turn:
            await anext(turn)
            await turn.steer("say steered")
            (notes / "go").touch()
            await turn.result()
        async with thread.turn("say last") as last:
            await last.result()
        view = await thread.read()
    assert [one.text for one in view.messages if one.role == "assistant"] == ["begun", "steered", "last"]


async def test_queued_turn_that_is_interrupted_ends_without_a_diff(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("wait-for go") as first, thread.turn("say never") as second:
            await second.interrupt()
            assert (await second.result()).ended.outcome == "interrupted"
            assert await second.diff() == ""
            (notes / "go").touch()
            assert (await first.result()).ended.outcome == "completed"


async def test_turn_that_cannot_start_ends_with_its_reason(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        notes.rmdir()
        async with thread.turn("say never") as turn:
            ended = (await turn.result()).ended
            assert (ended.outcome, ended.reason) == ("error", "workspace")
            assert await turn.diff() == ""


async def _read_two(runtime_path: Path, notes: Path, agent_home: Path) -> tuple[str, int, list[TurnItem]]:
    """A turn of which two items are read before the host leaves it, while the turn runs to its end."""
    async with open_runtime(runtime_path, providers=[rehearsal(agent_home)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("think first\nrun make\nsay the end") as turn:
            items = [await anext(turn), await anext(turn)]
            position = turn.position
            await turn.diff()
            return turn.turn_id, position, items


async def test_turn_is_followed_again_after_a_restart(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    turn_id, position, first = await _read_two(tmp_path / "state.db", notes, tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        async with runtime.turn(turn_id, after=position) as turn:
            rest = [item async for item in turn]
        async with runtime.turn(turn_id) as turn:
            whole = [item async for item in turn]
            result = await turn.result()
        with pytest.raises(NotFound, match="turn 'unknown'"):
            async with runtime.turn("unknown"):
                pass
    assert whole == [*first, *rest]
    assert result == TurnResult(ended=Ended(outcome="completed"), text="the end")


async def test_settled_requests_are_not_asked_again(tmp_path: Path) -> None:
    notes = workspace(tmp_path)
    async with open_runtime(tmp_path / "state.db", providers=[rehearsal(tmp_path)]) as runtime:
        thread = await runtime.open_thread(workspace=notes)
        async with thread.turn("ask something", on_approval=accept) as turn:
            await turn.result()

        async def fail(approval: Approval) -> ApprovalAnswer:
            raise AssertionError("this request was settled")

        async with runtime.turn(turn.turn_id, on_approval=fail) as again:
            items = [item async for item in again]
    assert [type(item) for item in items].count(Approval) == 1


async def test_usage_of_a_turn_is_an_item(tmp_path: Path) -> None:
    async def run(turn: InProcessTurn) -> AsyncIterator[ProviderRuntimeEvent | str]:
        yield "done"
        yield UsageUpdated(input_tokens=12, output_tokens=3, model="small")

    provider = in_process_provider("counting", run)
    async with open_runtime(tmp_path / "state.db", providers=[provider]) as runtime:
        thread = await runtime.open_thread(workspace=workspace(tmp_path), provider="counting")
        async with thread.turn("count") as turn:
            items = [item async for item in turn]
        view = await thread.read()
    assert Usage(input_tokens=12, output_tokens=3, model="small") in items
    assert view.provider == "counting"
