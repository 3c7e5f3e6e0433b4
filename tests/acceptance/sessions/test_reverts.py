"""Reverts take files and conversation back together and lose nothing; an impossible revert touches nothing."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrion.actors.checkpoints.git import GitWorkspace, find_git
from orchestrion.actors.providers.adapter import AgentConnection, Provider, SessionRequest
from orchestrion.contracts.errors import CommandRejected, ProviderProtocolError, SessionLost, TurnDiffNotFound
from orchestrion.contracts.events import PersistedEvent, ThreadActivityAppended, ThreadReverted
from orchestrion.contracts.ids import ThreadId, TurnId
from orchestrion.contracts.values import JsonObject, Unset
from orchestrion.runtime.options import RuntimeOptions
from tests.support.builders import checkpoint_revert, thread_meta_update
from tests.support.git import Repository
from tests.support.stage import Stage, activity, error_of, rehearsal, stage
from tests.support.workspaces import names_of

pytestmark = pytest.mark.anyio

T1 = ThreadId("t1")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.init(tmp_path / "workspace")
    made.write("users.txt", "the user's\n")
    made.write(".gitignore", "*.log\n")
    made.commit_all()
    return made


async def turn(it: Stage, script: str) -> None:
    """Run a whole turn, including its checkpoint."""
    asked = await it.ask(script)
    await it.until(activity("checkpoint.captured"), after=asked.sequence)


async def asked_to_revert(it: Stage, turn_count: int) -> PersistedEvent:
    """Request a revert that may undo others' work; return its outcome."""
    requested = await it.send(checkpoint_revert(turn_count=turn_count, revert_others=True))
    return await it.outcome(requested.event_id)


def names(repository: Repository) -> set[str]:
    return {path.name for path in repository.top.iterdir() if path.name != ".git"}


async def noted(it: Stage) -> dict[str, Any]:
    event = await it.until(activity("checkpoint.reverted"))
    assert isinstance(event.payload, ThreadActivityAppended)
    return {**event.payload.activity.payload, "summary": event.payload.activity.summary}


@pytest.mark.lesson("L19")
async def test_l19_files_and_history_go_back_together_and_nothing_is_lost(
    repository: Repository, tmp_path: Path
) -> None:
    async with stage(tmp_path) as it:
        for number in (1, 2, 3):
            await turn(it, f"touch made-{number}")
        repository.write("between.txt", "the user's, after turn 3\n")
        repository.write("noise.log", "ignored\n")
        head = repository.git("rev-parse", "HEAD")
        outcome = await asked_to_revert(it, 1)
        assert isinstance(outcome.payload, ThreadReverted)
        assert names(repository) == {"users.txt", ".gitignore", "made-1", "noise.log"}
        assert repository.git("rev-parse", "HEAD") == head
        thread = await it.thread()
        assert [one.turn_count for one in thread.turns] == [1]
        assert not isinstance(thread.checkpoints, Unset)
        assert [one.checkpoint_turn_count for one in thread.checkpoints] == [1]
        for start, end in ((1, 2), (2, 3), (0, 2), (0, 3)):
            with pytest.raises(TurnDiffNotFound):
                await it.runtime.get_turn_diff(T1, start, end)
        assert "made-1" in (await it.runtime.get_turn_diff(T1, 0, 1)).diff
        assert outcome.causation_event_id is not None
        workspace = await GitWorkspace.open(repository.top)
        assert workspace is not None
        refs = await anyio.to_thread.run_sync(names_of, it.database)
        kept = await workspace.existing(refs.safety(T1, outcome.causation_event_id))
        assert kept is not None
        assert {b"made-3", b"between.txt"} <= set(repository.contents(kept.tree))
        assert (await noted(it))["safetyRef"] == kept.ref


async def test_the_next_turn_takes_the_count_of_one_that_is_gone(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        await asked_to_revert(it, 1)
        await turn(it, "touch other")
        assert names(repository) == {"users.txt", ".gitignore", "one", "other"}
        assert [one.turn_count for one in (await it.thread()).turns] == [1, 2]
        own = (await it.runtime.get_turn_diff(T1, 1, 2)).diff
        assert ("other" in own, "two" in own) == (True, False)
        await asked_to_revert(it, 2)
        assert names(repository) == {"users.txt", ".gitignore", "one", "other"}


async def test_agent_that_cannot_roll_back_starts_anew_and_reports_it(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "say first-words")
        await turn(it, "say second-words")
        await asked_to_revert(it, 1)
        note = await noted(it)
        assert note["contextLost"] is True
        assert "does not remember" in note["summary"]
        asked = await it.ask("recall")
        await it.ended(asked)
        assert "first-words" not in await it.text_of(asked)


async def test_before_the_first_turn_there_is_nothing_to_remember(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        repository.write("draft.txt", "before turn 1\n")
        await turn(it, "touch made")
        outcome = await asked_to_revert(it, 0)
        assert isinstance(outcome.payload, ThreadReverted)
        assert names(repository) == {"users.txt", ".gitignore", "draft.txt"}
        assert (await noted(it))["contextLost"] is False
        assert (await it.thread()).turns == ()


async def test_a_thread_that_never_ran_goes_back_to_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        assert isinstance((await asked_to_revert(it, 0)).payload, ThreadReverted)
        assert list(it.workspace.iterdir()) == []


async def test_a_plain_directory_goes_back_as_well(tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        await asked_to_revert(it, 1)
        assert [path.name for path in it.workspace.iterdir()] == ["one"]


class TestRefused:
    """Assert that nothing was touched, the thread continues, and its history has the reason."""

    async def test_while_a_turn_runs(self, repository: Repository, tmp_path: Path) -> None:
        async with stage(tmp_path) as it:
            await turn(it, "touch one")
            running = await it.ask("touch two\nrun make\nwait-for go")
            await it.until(activity("tool.completed"), after=running.sequence)
            with pytest.raises(CommandRejected, match="runs on thread"):
                await it.send(checkpoint_revert(turn_count=0))
            assert "two" in names(repository)
            await it.let_go("go")
            await it.ended(running)

    async def test_while_another_thread_works_in_the_workspace(self, repository: Repository, tmp_path: Path) -> None:
        async with stage(tmp_path) as it:
            await it.open_thread("t2")
            await turn(it, "touch one")
            running = await it.ask("touch two\nrun make\nwait-for go", thread_id="t2")
            await it.until(activity("tool.completed"), after=running.sequence)
            outcome = await asked_to_revert(it, 0)
            assert activity("checkpoint.revert.refused")(outcome)
            assert "'t2'" in error_of(outcome)
            assert {"one", "two"} <= names(repository)
            await it.let_go("go")
            await it.ended(running)
            await it.until(
                lambda event: event.stream_id == "t2" and activity("checkpoint.captured")(event), after=running.sequence
            )
            assert isinstance((await asked_to_revert(it, 0)).payload, ThreadReverted)

    async def test_where_the_target_was_not_captured(self, repository: Repository, tmp_path: Path) -> None:
        async with stage(tmp_path) as it:
            await turn(it, "touch one")
            await turn(it, "touch two")
            refs = await anyio.to_thread.run_sync(names_of, it.database)
            repository.git("update-ref", "-d", refs.turn(T1, 1))
            outcome = await asked_to_revert(it, 1)
            assert activity("checkpoint.revert.refused")(outcome)
            assert "the end of turn 1 was not captured" in error_of(outcome)
            assert {"one", "two"} <= names(repository)
            assert [one.turn_count for one in (await it.thread()).turns] == [1, 2]

    async def test_where_the_thread_worked_elsewhere_then(self, repository: Repository, tmp_path: Path) -> None:
        repository.git("worktree", "add", "-q", str(tmp_path / "tree"))
        async with stage(tmp_path) as it:
            await turn(it, "touch one")
            await it.runtime.dispatch(thread_meta_update(worktree_path=str(tmp_path / "tree")))
            await turn(it, "touch two")
            outcome = await asked_to_revert(it, 1)
            assert activity("checkpoint.revert.refused")(outcome)
            assert "captured at another place" in error_of(outcome)
            assert {path.name for path in (tmp_path / "tree").iterdir()} == {".git", ".gitignore", "users.txt", "two"}
            with pytest.raises(TurnDiffNotFound):
                await it.runtime.get_turn_diff(T1, 0, 2)
            assert "two" in (await it.runtime.get_turn_diff(T1, 1, 2)).diff

    async def test_where_there_is_no_git_program_any_more(
        self, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with stage(tmp_path) as it:
            await turn(it, "touch one")
            await turn(it, "touch two")
            monkeypatch.setenv("PATH", str(tmp_path))
            outcome = await asked_to_revert(it, 1)
            assert activity("checkpoint.revert.refused")(outcome)
            assert "install git" in error_of(outcome)
            assert {"one", "two"} <= names(repository)

    async def test_where_the_host_does_not_let_agents_start_afresh(
        self, repository: Repository, tmp_path: Path
    ) -> None:
        async with stage(tmp_path, options=RuntimeOptions(revert_policy="refuse")) as it:
            await turn(it, "touch one\nsay words")
            await turn(it, "touch two")
            outcome = await asked_to_revert(it, 1)
            assert activity("checkpoint.revert.refused")(outcome)
            assert "cannot roll its conversation back" in error_of(outcome)
            assert {"one", "two"} <= names(repository)
            asked = await it.ask("recall")
            await it.ended(asked)
            assert "words" in await it.text_of(asked)

    async def test_where_files_would_be_lost(self, repository: Repository, tmp_path: Path) -> None:
        async with stage(tmp_path) as it:
            repository.write("place/file", "then\n")
            await turn(it, "touch one")
            (repository.top / "place" / "file").unlink()
            await turn(it, "touch two")
            nested = Repository.init(repository.top / "place")
            nested.write("file", "of another repository\n")
            nested.commit_all()
            outcome = await asked_to_revert(it, 1)
            assert activity("checkpoint.revert.refused")(outcome)
            assert "git repository at 'place'" in error_of(outcome)
            assert {"one", "two"} <= names(repository)


class _Rolling:
    """A provider whose agents roll back, or claim to and fail; `asked` lists the turns they were to forget."""

    def __init__(self, inner: Provider, *, fails: bool = False, can: bool = True) -> None:
        self._inner = inner
        self.fails = fails
        self.can = can
        self.asked: list[list[TurnId]] = []

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def adapter_key(self) -> str:
        return self._inner.adapter_key

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        return self._inner.connect(request)

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        assert request.resume_cursor is not None
        return self.can

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        self.asked.append(list(turns))
        if self.fails:
            raise ProviderProtocolError("it will not forget")
        return request.resume_cursor


@pytest.mark.parametrize("restarts", [False, True])
async def test_an_agent_that_can_rolls_back_also_after_a_restart(
    repository: Repository, tmp_path: Path, restarts: bool
) -> None:
    provider = _Rolling(rehearsal(tmp_path))
    async with stage(tmp_path, providers=[provider]) as it:
        await turn(it, "touch one\nsay words")
        await turn(it, "touch two")
        await turn(it, "touch three")
        removed = [one.turn_id for one in (await it.thread()).turns if one.turn_count > 1]
        if not restarts:
            await asked_to_revert(it, 1)
    async with stage(tmp_path, providers=[provider]) as it:
        if restarts:
            await asked_to_revert(it, 1)
        note = await noted(it)
        assert (note["contextLost"], note["summary"]) == (False, "The workspace stands as at the end of turn 1")
        asked = await it.ask("recall")
        await it.ended(asked)
        assert "words" in await it.text_of(asked)
    assert provider.asked == [removed]
    assert names(repository) == {"users.txt", ".gitignore", "one"}


async def test_agent_that_cannot_find_the_removed_turns_starts_anew(repository: Repository, tmp_path: Path) -> None:
    provider = _Rolling(rehearsal(tmp_path), can=False)
    async with stage(tmp_path, providers=[provider]) as it:
        await turn(it, "say words")
        await turn(it, "touch two")
        assert isinstance((await asked_to_revert(it, 1)).payload, ThreadReverted)
        assert (await noted(it))["contextLost"] is True
        asked = await it.ask("recall")
        await it.ended(asked)
        assert "words" not in await it.text_of(asked)
    assert provider.asked == []


async def test_a_revert_that_removes_no_turn_leaves_the_agent_its_conversation(
    repository: Repository, tmp_path: Path
) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "say words")
        repository.write("users.txt", "edited since\n")
        assert isinstance((await asked_to_revert(it, 1)).payload, ThreadReverted)
        assert (repository.top / "users.txt").read_text() == "the user's\n"
        assert (await noted(it))["contextLost"] is False
        asked = await it.ask("recall")
        await it.ended(asked)
        assert "words" in await it.text_of(asked)


async def test_files_are_put_back_where_the_agent_does_not_follow(repository: Repository, tmp_path: Path) -> None:
    provider = _Rolling(rehearsal(tmp_path), fails=True)
    async with stage(tmp_path, providers=[provider]) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        repository.write("users.txt", "edited\n")
        outcome = await asked_to_revert(it, 1)
        assert activity("checkpoint.revert.refused")(outcome)
        assert "it will not forget" in error_of(outcome)
        assert names(repository) == {"users.txt", ".gitignore", "one", "two"}
        assert (repository.top / "users.txt").read_text() == "edited\n"
        assert [one.turn_count for one in (await it.thread()).turns] == [1, 2]


async def test_a_rollback_whose_answer_is_lost_is_requested_again(repository: Repository, tmp_path: Path) -> None:
    class Lost(_Rolling):
        async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
            cursor = await super().forget(request, turns)
            if len(self.asked) == 1:
                raise SessionLost("it is gone")
            return cursor

    provider = Lost(rehearsal(tmp_path))
    async with stage(tmp_path, providers=[provider]) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        assert isinstance((await asked_to_revert(it, 1)).payload, ThreadReverted)
    assert len(provider.asked) == 2
    assert names(repository) == {"users.txt", ".gitignore", "one"}


@pytest.mark.parametrize("asked", ["can_forget", "forget"])
async def test_a_defect_of_an_adapter_ends_the_revert_and_not_the_thread(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    async def broken(request: SessionRequest, turns: Collection[TurnId]) -> bool:
        raise KeyError("a defect")

    provider = _Rolling(rehearsal(tmp_path))
    monkeypatch.setattr(provider, asked, broken)
    async with stage(tmp_path, providers=[provider]) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        outcome = await asked_to_revert(it, 1)
        assert activity("checkpoint.revert.refused")(outcome)
        assert "failed: KeyError: 'a defect'" in error_of(outcome)
        assert names(repository) == {"users.txt", ".gitignore", "one", "two"}
        await turn(it, "touch three")


async def test_files_are_put_back_where_restoring_fails_half_way(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
        case " $* " in
            *" checkout-index -f "*)
                test -e '{tmp_path}/failing' && rm '{tmp_path}/failing' && echo 'no space left' >&2 && exit 1;;
        esac
        exec '{await find_git()}' "$@"
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two\ntouch three")
        (repository.top / "users.txt").unlink()
        (tmp_path / "failing").touch()
        outcome = await asked_to_revert(it, 1)
        assert activity("checkpoint.revert.refused")(outcome)
        assert "no space left" in error_of(outcome)
        assert not (tmp_path / "failing").exists()
        assert names(repository) == {".gitignore", "one", "two", "three"}
        assert [one.turn_count for one in (await it.thread()).turns] == [1, 2]
        assert isinstance((await asked_to_revert(it, 1)).payload, ThreadReverted)
        assert names(repository) == {".gitignore", "one", "users.txt"}


async def test_a_stop_of_the_runtime_lets_a_revert_come_to_its_end(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
        requested = await it.send(checkpoint_revert(turn_count=1, revert_others=True))
    async with stage(tmp_path) as it:
        assert isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)
        assert names(repository) == {"users.txt", ".gitignore", "one"}
        assert [one.turn_count for one in (await it.thread()).turns] == [1]
