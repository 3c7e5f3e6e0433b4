"""A revert puts files back with the permissions that they were captured with."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from orchestrion.actors.checkpoints.git import Capture, checkpoint_ref, safety_ref
from orchestrion.actors.checkpoints.git.details import CaptureDetails
from orchestrion.actors.checkpoints.git.file_modes import FileModes
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L85")]


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


async def restore(top: Path, target: Capture) -> None:
    await (await opened(top)).restore(target, lambda n: safety_ref(THREAD, "intent", n), "before")


def mode(top: Path, path: str) -> int:
    return stat.S_IMODE((top / path).stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
async def test_files_and_directories_come_back_as_private_as_they_were(repository: Repository, umask: int) -> None:
    top = repository.top
    wanted = {"plain": 0o644, "key": 0o600, "shared": 0o664, "run": 0o755, "own run": 0o700, "closed/inner/deep": 0o640}
    for path, one in wanted.items():
        repository.write(path, "one\n").chmod(one)
    wanted |= {"closed": 0o700, "closed/inner": 0o750}
    for path in ("closed/inner", "closed"):
        (top / path).chmod(wanted[path])
    target = await captured(top)
    assert await (await opened(top)).existing(target.ref) == target
    for path in ("plain", "run"):
        (top / path).write_text("two\n")
    for path in ("key", "shared", "own run", "closed/inner/deep"):
        (top / path).unlink()
    (top / "closed" / "inner").rmdir()
    (top / "closed").rmdir()
    repository.write("key", "an agent's key\n").chmod(0o644)
    os.umask(umask)
    await restore(top, target)
    assert {path: mode(top, path) for path in wanted} == wanted
    assert {(top / path).read_text() for path in wanted if (top / path).is_file()} == {"one\n"}


async def test_a_private_file_is_private_while_it_is_written(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write("key", "secret\n").chmod(0o600)
    repository.write("plain", "plain\n").chmod(0o644)
    target = await captured(repository.top)
    for path in ("key", "plain"):
        repository.write(path, "changed\n").chmod(0o644)
    monkeypatch.setattr("orchestrion.actors.checkpoints.git.writing._set_modes", lambda *_: None)
    await restore(repository.top, target)
    assert (mode(repository.top, "key"), mode(repository.top, "plain")) == (0o600, 0o644)


async def test_a_capture_without_permissions_leaves_those_that_stand(repository: Repository) -> None:
    modes = {"key": 0o600, "run": 0o700, "no longer run": 0o750, "plain": 0o644}
    for path, one in modes.items():
        repository.write(path, "one\n").chmod(one)
    (repository.top / "run").chmod(0o600)
    target = attrs.evolve(await captured(repository.top), details=CaptureDetails())
    for path, one in modes.items():
        repository.write(path, "two\n").chmod(one)
    (repository.top / "no longer run").chmod(0o640)
    await restore(repository.top, target)
    restored = {path: mode(repository.top, path) for path in modes}
    assert restored == {"key": 0o600, "run": 0o600, "no longer run": 0o750, "plain": 0o644}


async def test_bits_that_set_a_user_are_not_restored(repository: Repository) -> None:
    repository.write("run", "one\n").chmod(0o4755)
    (repository.top / "dir").mkdir()
    repository.write("dir/file", "one\n")
    (repository.top / "dir").chmod(0o1777)
    target = await captured(repository.top)
    repository.write("run", "two\n")
    (repository.top / "dir" / "file").unlink()
    (repository.top / "dir").rmdir()
    await restore(repository.top, target)
    assert (mode(repository.top, "run"), mode(repository.top, "dir")) == (0o755, 0o777)


async def test_changed_mode_makes_a_new_capture(repository: Repository) -> None:
    repository.write("key", "one\n").chmod(0o600)
    repository.write("plain", "one\n").chmod(0o644)
    workspace = await opened(repository.top)
    first = await workspace.capture(checkpoint_ref(THREAD, 1), "turn 1")
    (repository.top / "plain").chmod(0o600)
    again = await workspace.capture(checkpoint_ref(THREAD, 1), "turn 1", anew=True)
    assert again.details.modes.of_file(b"plain", is_executable=False) == 0o600
    assert (again.tree, again.commit == first.commit) == (first.tree, False)


def test_of_too_many_modes_the_private_ones_are_named(tmp_path: Path) -> None:
    names = [b"%d" % number for number in range(5000)]
    for number, name in enumerate(names):
        place = os.path.join(os.fsencode(tmp_path), name)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))
        os.chmod(place, 0o644 if number < 2600 else 0o664 if number % 1000 else 0o600)
    found = FileModes.look(os.fsencode(tmp_path), names)
    assert FileModes.read(found.lines().splitlines()) == found
    assert len(found.others) == 2000
    assert [found.of_file(name, is_executable=False) for name in (b"3000", b"4000", b"7")] == [0o600, 0o600, 0o644]
    assert {found.of_file(name, is_executable=False) for name in names} == {0o600, 0o644, 0o664}
    odd = FileModes(usual={"file": 0o644}, others={b" \n\xff:%/": 0o700})
    assert FileModes.read(odd.lines().splitlines()) == odd
