"""Files that are removed or replaced while a runtime has them open, and paths that cannot name a database."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from orchestrion.actors.log import file_watch
from orchestrion.contracts.errors import RuntimeFailed, StoreError
from orchestrion.contracts.values import Instant
from orchestrion.persistence.database import database_path, prepare
from orchestrion.persistence.failures import translated
from orchestrion.persistence.open_files import OpenFiles
from orchestrion.persistence.ownership import DatabaseLock, read_owner
from orchestrion.runtime.host import open_runtime
from tests.support.builders import project_create
from tests.support.command_line import orchestrion
from tests.support.stage import SAFETY_NET_SECONDS

NOW = Instant("2026-01-02T03:04:05.678Z")


def removed(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


@pytest.mark.lesson("L76")
@pytest.mark.parametrize("suffix", ["", ".lock", "-wal"])
@pytest.mark.parametrize("happen", [removed, replaced])
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    tmp_path: Path, suffix: str, happen: Callable[[Path], None], anyio_backend: str
) -> None:
    path = tmp_path / "state.db"
    async with open_runtime(path) as runtime:
        await runtime.dispatch(project_create("p1"))
        happen(Path(f"{path}{suffix}"))
        with pytest.raises(RuntimeFailed, match=rf"state\.db{suffix} was (removed|replaced)"):
            await runtime.dispatch(project_create("p2"))
        with pytest.raises(RuntimeFailed):
            await runtime.dispatch(project_create("p3"))
        assert "state.db" in str(runtime.health().failure)


@pytest.mark.lesson("L95")
@pytest.mark.parametrize("suffix", ["", ".lock", "-wal"])
@pytest.mark.parametrize("happen", [removed, replaced])
async def test_file_that_is_gone_is_noticed_without_a_command(
    tmp_path: Path,
    suffix: str,
    happen: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
    anyio_backend: str,
) -> None:
    monkeypatch.setattr(file_watch, "WATCH_SECONDS", 0.001)
    path = tmp_path / "state.db"
    with anyio.fail_after(SAFETY_NET_SECONDS):
        async with open_runtime(path) as runtime:
            await runtime.dispatch(project_create("p1"))
            assert runtime.health().status == "running"
            happen(Path(f"{path}{suffix}"))
            while runtime.health().status == "running":
                await anyio.lowlevel.checkpoint()
            assert f"state.db{suffix} was" in str(runtime.health().failure)
            with pytest.raises(RuntimeFailed):
                await runtime.dispatch(project_create("p2"))


@pytest.mark.lesson("L95")
def test_file_that_cannot_be_examined_does_not_count_as_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    path.touch()
    files, connection, looked_at = OpenFiles(path), object(), list[Path]()

    def refuse(place: Path) -> os.stat_result:
        looked_at.append(place)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as faults:
        faults.setattr("orchestrion.persistence.open_files.os.stat", refuse)
        files.check(connection)
    assert path in looked_at
    path.unlink()
    with pytest.raises(StoreError, match="was removed"):
        files.check(connection)


@pytest.mark.lesson("L76")
def test_owner_of_a_file_whose_lock_was_removed_is_not_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    first, second = DatabaseLock(path, since=NOW), DatabaseLock(path, since=Instant("2026-01-02T04:00:00.000Z"))
    first.acquire()
    Path(f"{path}.lock").unlink()
    second.acquire()
    first.release()
    owner = read_owner(path)
    assert owner is not None
    assert owner.since == "2026-01-02T04:00:00.000Z"
    second.release()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def directory(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/null")


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.lesson("L77")
@pytest.mark.parametrize("make", [fifo, unix_socket, directory, device, loop])
def test_non_regular_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "state.db"
    make(path)
    for command in ("dispatch", "verify"):
        ended = orchestrion(command, path)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
        assert "state.db" in ended.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["state.db"]


@pytest.mark.lesson("L77")
@pytest.mark.parametrize("name", [":memory:", "file:state.db?mode=memory", "nul\0byte", "x" * 300])
async def test_name_that_cannot_be_a_database_is_refused(name: str, anyio_backend: str) -> None:
    with pytest.raises(StoreError):
        async with open_runtime(name):
            pass


@pytest.mark.lesson("L77")
def test_path_that_is_no_utf8_works(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.db")
    for command in ("dispatch", "stats", "rebuild", "verify", "snapshot"):
        ended = orchestrion(command, path)
        assert ended.returncode == 0, ended.stderr


@pytest.mark.lesson("L77")
@pytest.mark.parametrize("number", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_file_system_without_locks_gives_a_remedy(tmp_path: Path, number: str) -> None:
    error = translated(OSError(getattr(errno, number), "no locks"), tmp_path / "state.db")
    assert "put it on a local disk" in str(error)


def test_path_is_absolute_and_one_for_each_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path / "state.db", NOW).close()
    (tmp_path / "link.db").symlink_to("state.db")
    named = {database_path(name) for name in ("state.db", "./state.db", "link.db", tmp_path / "state.db")}
    assert named == {tmp_path / "state.db"}
