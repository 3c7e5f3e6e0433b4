"""Several databases and one repository: each has its own refs and agents, whatever ids their clients choose."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from orchestrion.actors.checkpoints.git import RefNames, parse_ref
from orchestrion.contracts.events import ThreadReverted
from orchestrion.contracts.ids import ThreadId
from tests.support.builders import checkpoint_revert
from tests.support.command_line import done
from tests.support.git import Repository
from tests.support.stage import Stage, activity, stage
from tests.support.workspaces import names_of

pytestmark = pytest.mark.anyio

T1 = ThreadId("t1")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.init(tmp_path / "workspace")
    made.write("users.txt", "the user's\n")
    made.commit_all()
    return made


@asynccontextmanager
async def second_host(directory: Path, *, copied: bool = False) -> AsyncIterator[Stage]:
    """Another database that serves the workspace of `directory` with the same ids, reached by another path."""
    other = directory / "other"
    other.mkdir(exist_ok=True)
    if not (other / "workspace").exists():
        (other / "workspace").symlink_to(directory / "workspace")
    if copied:
        await anyio.to_thread.run_sync(shutil.copy, directory / "state.db", other / "state.db")
    async with stage(other) as it:
        yield it


async def turn(it: Stage, script: str) -> None:
    asked = await it.ask(script)
    await it.until(activity("checkpoint.captured"), after=asked.sequence)


async def reverts(it: Stage, turn_count: int) -> bool:
    requested = await it.send(checkpoint_revert(turn_count=turn_count, revert_others=True))
    return isinstance((await it.outcome(requested.event_id)).payload, ThreadReverted)


@pytest.mark.lesson("L69")
async def test_databases_of_one_repository_keep_the_same_threads_apart(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
    async with second_host(tmp_path) as it:
        await turn(it, "touch other")
    pruned = done("checkpoints", "prune", tmp_path / "other" / "state.db", "--safety-days", "0")
    assert "0 refs deleted" in pruned
    assert done("checkpoints", tmp_path / "state.db").count("current") == 4
    async with stage(tmp_path) as it:
        for count in (2, 1, 0):
            assert await reverts(it, count)
    assert not (repository.top / "one").exists()


@pytest.mark.lesson("L69")
async def test_a_copy_reads_the_captures_it_has_and_writes_its_own(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
    original = names_of(tmp_path / "state.db")
    kept = repository.git("rev-parse", original.turn(T1, 1), original.turn(T1, 2))
    async with second_host(tmp_path, copied=True) as it:
        assert await reverts(it, 1)
        await turn(it, "touch instead")
        assert await reverts(it, 0)
    copy = names_of(tmp_path / "other" / "state.db")
    assert copy != original
    assert repository.git("rev-parse", original.turn(T1, 1), original.turn(T1, 2)) == kept
    assert repository.git("rev-parse", copy.turn(T1, 1)) + repository.git("rev-parse", original.turn(T1, 2)) == kept
    done("checkpoints", "prune", tmp_path / "other" / "state.db", "--safety-days", "0")
    async with stage(tmp_path) as it:
        assert await reverts(it, 2)
        assert await reverts(it, 1)
    assert (repository.top / "one").exists()
    assert names_of(tmp_path / "state.db") == original


async def test_a_database_that_was_moved_keeps_its_identity(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
    before = names_of(tmp_path / "state.db")
    (tmp_path / "state.db").rename(tmp_path / "moved.db")
    async with stage(tmp_path, database=tmp_path / "moved.db") as it:
        assert await reverts(it, 0)
    assert names_of(tmp_path / "moved.db") == before
    assert not (repository.top / "one").exists()


@pytest.mark.lesson("L69")
async def test_refs_of_the_first_edition_are_found_and_moved(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as it:
        await turn(it, "touch one")
        await turn(it, "touch two")
    first_edition = as_the_first_edition_left_it(repository, tmp_path / "state.db")
    async with stage(tmp_path) as it:
        assert await reverts(it, 1)
        assert not (repository.top / "two").exists()
        await turn(it, "touch instead")
    own = names_of(tmp_path / "state.db")
    found = repository.git("for-each-ref", "--format=%(refname)", "refs/orchestrion").decode().split()
    assert own.turn(T1, 1) in found
    assert first_edition.turn(T1, 1) not in found
    assert done("checkpoints", tmp_path / "state.db").count("current") == 4


def as_the_first_edition_left_it(repository: Repository, database: Path) -> RefNames:
    names = RefNames()
    for ref in repository.git("for-each-ref", "--format=%(refname)", "refs/orchestrion").decode().split():
        name = parse_ref(ref)
        assert name is not None
        repository.git("update-ref", names.own(name), ref)
        repository.git("update-ref", "-d", ref)
    with closing(sqlite3.connect(database)) as connection, connection:
        deleted = connection.execute(
            "DELETE FROM orchestrion_projector_versions WHERE projector LIKE 'database.identity %'"
        )
        assert deleted.rowcount == 1
    return names


@pytest.mark.lesson("L70")
@pytest.mark.parametrize("how", ["backup", "copy"])
async def test_a_copy_that_is_opened_leaves_the_agents_of_its_original(
    how: str, repository: Repository, tmp_path: Path
) -> None:
    async with stage(tmp_path) as live:
        asked = await live.ask("say begun\nwait-for go")
        await live.claimed(asked)
        other = tmp_path / "other"
        other.mkdir()
        if how == "backup":
            await anyio.to_thread.run_sync(done, "backup", live.database, other / "state.db")
        else:
            for suffix in ("", "-wal"):
                source = Path(f"{live.database}{suffix}")
                await anyio.to_thread.run_sync(shutil.copy, source, other / source.name)
        async with second_host(tmp_path) as copy:
            assert await copy.turn_statuses() == ["interrupted"]
            assert [row.status for row in await copy.runtime_rows()] == ["stopped"]
            session = (await copy.thread()).session
            assert session is not None
            assert session.status == "stopped"
        await live.let_go("go")
        await live.ended(asked)
        assert await live.turn_statuses() == ["completed"]
    assert repository.git("for-each-ref", "--format=%(refname)", "refs/orchestrion").count(b"/db.") == 2


@pytest.mark.lesson("L70")
async def test_a_backup_holds_no_live_agents_and_no_identity(repository: Repository, tmp_path: Path) -> None:
    async with stage(tmp_path) as live:
        await turn(live, "touch one")
        await anyio.to_thread.run_sync(done, "backup", live.database, tmp_path / "backup.db")
    with closing(sqlite3.connect(tmp_path / "backup.db")) as connection:
        assert connection.execute("SELECT status FROM provider_session_runtime").fetchall() == [("stopped",)]
    assert [path for path in os.listdir(tmp_path) if path.startswith("backup.db")] == ["backup.db"]
    async with stage(tmp_path, database=tmp_path / "backup.db") as restored:
        session = (await restored.thread()).session
        assert session is not None
        assert session.status == "stopped"
        assert await reverts(restored, 0)
    assert not (repository.top / "one").exists()
    assert names_of(tmp_path / "backup.db") != names_of(tmp_path / "state.db")
