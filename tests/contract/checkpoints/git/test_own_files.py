"""A runtime's own files are never captured, restored or removed, by whatever path they are reached."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import CaptureFailed, GitWorkspace, safety_ref, shadow_home
from orchestrion.migrations import APPLICATION_ID
from orchestrion.persistence.own_names import own_names
from tests.support.git import Repository
from tests.support.workspaces import THREAD, opened

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L66")]


def lay_out(directory: Path, name: str, content: str) -> dict[Path, str]:
    """A database and all files that a runtime may keep next to it."""
    directory.mkdir(exist_ok=True)
    made = {}
    for one in own_names(name):
        place = directory / one
        if one.endswith((".checkpoints", ".blobs", ".frames")):
            place.mkdir(exist_ok=True)
            place = place / "inner"
        place.write_text(f"{content} of {one}")
        made[place] = place.read_text()
    return made


@pytest.mark.parametrize("kind", ["git", "plain"])
@pytest.mark.parametrize("below", ["..data", "...", "data", ".", "-x", "a b*"])
async def test_own_files_are_left_alone_in_any_directory(tmp_path: Path, kind: str, below: str) -> None:
    top = tmp_path / "work"
    top.mkdir()
    if kind == "git":
        Repository.init(top)
    database = top / below / "state.db"
    database.parent.mkdir(exist_ok=True)
    (database.parent / "state.db.bak").write_text("the user's\n")
    workspace = await opened(top, database=database)
    target = await workspace.capture(safety_ref(THREAD, "before"), "before")
    made = lay_out(database.parent, "state.db", "present")
    (database.parent / "state.db.bak").write_text("changed\n")
    kept, _ = await workspace.restore(target, lambda n: safety_ref(THREAD, "one", n), "one")
    assert {place: place.read_text() for place in made} == made
    assert (database.parent / "state.db.bak").read_text() == "the user's\n"
    assert kept.skipped.unknown == frozenset()
    for place in made:
        place.unlink()
    await workspace.restore(kept, lambda n: safety_ref(THREAD, "two", n), "two")
    assert not [place for place in made if place.exists()]
    assert (database.parent / "state.db.bak").read_text() == "changed\n"


async def test_own_files_captured_once_are_not_put_back(repository: Repository) -> None:
    old = await opened(repository.top)
    lay_out(repository.top / "data", "state.db", "old")
    repository.write("a", "one\n")
    target = await old.capture(safety_ref(THREAD, "old"), "before the workspace had this database")
    for place in (repository.top / "data").rglob("*"):
        if place.is_file():
            place.unlink()
    made = lay_out(repository.top / "data", "state.db", "new")
    repository.write("a", "two\n")
    workspace = await opened(repository.top, database=repository.top / "data" / "state.db")
    kept, _ = await workspace.restore(target, lambda n: safety_ref(THREAD, "one", n), "one")
    assert {place: place.read_text() for place in made} == made
    assert (repository.top / "a").read_text() == "one\n"
    assert set(repository.contents(kept.tree)) == {b"a"}


async def test_own_files_are_known_by_links_and_other_paths(repository: Repository, tmp_path: Path) -> None:
    made = lay_out(tmp_path / "data", "state.db", "present")
    (repository.top / "linked").symlink_to(tmp_path / "data")
    os.link(tmp_path / "data" / "state.db-wal", repository.top / "hard link")
    repository.write("a", "one\n")
    by_link = await opened(repository.top, database=repository.top / "linked" / "state.db")
    target = await by_link.capture(safety_ref(THREAD, "one"), "one")
    assert set(repository.contents(target.tree)) == {b"a", b"linked"}
    (repository.top / "hard link").unlink()
    repository.write("hard link", "the user's\n")
    second = await by_link.capture(safety_ref(THREAD, "two"), "two")
    (repository.top / "hard link").unlink()
    os.link(tmp_path / "data" / "state.db-wal", repository.top / "hard link")
    await by_link.restore(second, lambda n: safety_ref(THREAD, "back", n), "back")
    assert {place: place.read_text() for place in made} == made
    assert (repository.top / "hard link").samefile(tmp_path / "data" / "state.db-wal")


async def test_the_database_of_another_runtime_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    repository.write("a", "one\n")
    repository.write("model.bin", "x" * 512)
    repository.write("model.bin.lock", "")
    workspace = await opened(repository.top, database=tmp_path / "state.db")
    first = await workspace.capture(safety_ref(THREAD, "first"), "first")
    assert set(repository.contents(first.tree)) == {b"a", b"model.bin", b"model.bin.lock"}
    header = b"SQLite format 3\0".ljust(68, b"\0") + APPLICATION_ID.to_bytes(4, "big")
    repository.write("other.db", header.ljust(4096, b"\0"))
    (repository.top / "other.db.lock").touch()
    (repository.top / "other.db-wal").write_text("log\n")
    (repository.top / "other.db-blobs").mkdir()
    (repository.top / "other.db-blobs" / "inner").write_text("blob\n")
    repository.write("a", "two\n")
    kept, done = await workspace.restore(first, lambda n: safety_ref(THREAD, "back", n), "back")
    assert set(repository.contents(kept.tree)) == {b"a", b"model.bin", b"model.bin.lock"}
    foreign = ("other.db", "other.db-blobs", "other.db-wal", "other.db.lock")
    assert kept.skipped.reasons == {os.fsencode(name): "foreign" for name in foreign}
    assert done.left_alone == foreign
    assert all((repository.top / name).exists() for name in (*foreign, "other.db-blobs/inner"))
    again = await workspace.capture(safety_ref(THREAD, "again"), "again")
    assert (await workspace.diff(first, again)).files == ()


@pytest.fixture(params=["open here", "not open here"])
def young_database(request: pytest.FixtureRequest, repository: Repository, tmp_path: Path) -> Iterator[None]:
    """The database `new.db` in the work tree, with everything still in its WAL."""
    is_here = request.param == "open here"
    made = (repository.top if is_here else tmp_path) / "new.db"
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE t (c)")
        if not is_here:
            for ending in ("", "-wal", "-shm"):
                shutil.copyfile(f"{made}{ending}", repository.top / f"new.db{ending}")
        (repository.top / "new.db.lock").touch()
        yield


@pytest.mark.usefixtures("young_database")
async def test_a_database_with_its_id_in_the_log_alone_is_foreign(repository: Repository, tmp_path: Path) -> None:
    repository.write("a", "one\n")
    workspace = await opened(repository.top, database=tmp_path / "state.db")
    capture = await workspace.capture(safety_ref(THREAD, "one"), "one")
    assert set(repository.contents(capture.tree)) == {b"a"}
    names = (b"new.db", b"new.db-shm", b"new.db-wal", b"new.db.lock")
    assert capture.skipped.reasons == dict.fromkeys(names, "foreign")


async def test_an_empty_database_is_foreign_only_while_open_here(repository: Repository, tmp_path: Path) -> None:
    workspace = await opened(repository.top, database=tmp_path / "state.db")
    repository.write("new.db", "")
    repository.write("new.db.lock", "")
    repository.write("new.db.owner", "")
    with (repository.top / "new.db").open("r+b"):
        while_open = await workspace.capture(safety_ref(THREAD, "open"), "open")
    closed = await workspace.capture(safety_ref(THREAD, "closed"), "closed")
    names = (b"new.db", b"new.db.lock", b"new.db.owner")
    assert while_open.skipped.reasons == dict.fromkeys(names, "foreign")
    assert set(repository.contents(closed.tree)) == set(names)
    assert not closed.skipped


@pytest.mark.parametrize(
    ("base", "path"), [("main.py", "main.py"), ("src", "src/main.py"), ("app", "app.frames.py"), ("d", "d.blobs/x")]
)
async def test_names_of_a_runtimes_files_hide_nothing(
    repository: Repository, tmp_path: Path, base: str, path: str
) -> None:
    workspace = await opened(repository.top, database=tmp_path / "state.db")
    repository.write(path, "good\n")
    before = await workspace.capture(safety_ref(THREAD, "before"), "before")
    repository.write(path, "changed\n")
    repository.write(f"{base}.lock", "")
    repository.write(f"{base}.owner", "")
    after = await workspace.capture(safety_ref(THREAD, "after"), "after")
    kinds = {file.path: file.kind for file in (await workspace.diff(before, after)).files}
    assert kinds == {path: "modified", f"{base}.lock": "added", f"{base}.owner": "added"}
    assert not after.skipped
    await workspace.restore(before, lambda n: safety_ref(THREAD, "back", n), "back")
    assert (repository.top / path).read_text() == "good\n"
    assert not (repository.top / f"{base}.owner").exists()


async def test_a_captured_file_that_becomes_foreign_is_named(repository: Repository, tmp_path: Path) -> None:
    workspace = await opened(repository.top, database=tmp_path / "state.db")
    repository.write("main.py", "good\n")
    before = await workspace.capture(safety_ref(THREAD, "before"), "before")
    header = b"SQLite format 3\0".ljust(68, b"\0") + APPLICATION_ID.to_bytes(4, "big")
    repository.write("main.py", header)
    repository.write("main.py.lock", "")
    after = await workspace.capture(safety_ref(THREAD, "after"), "after")
    assert (await workspace.diff(before, after)).files == ()
    assert after.skipped.reasons == dict.fromkeys((b"main.py", b"main.py.lock"), "foreign")
    _, done = await workspace.restore(before, lambda n: safety_ref(THREAD, "back", n), "back")
    assert (repository.top / "main.py").read_bytes() == header
    assert done.left_alone == ("main.py", "main.py.lock")


async def test_own_files_are_no_workspace(tmp_path: Path) -> None:
    inner = shadow_home(tmp_path / "state.db") / "inner"
    inner.mkdir(parents=True)
    with pytest.raises(CaptureFailed, match="lies in the runtime's own files"):
        await GitWorkspace.open(inner, database=tmp_path / "state.db")
