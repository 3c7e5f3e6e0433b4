"""Running git: which program, in which environment, and that no process of it is left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from orchestrion.actors.checkpoints.git import GitTooOld, GitUnavailable, GitWorkspace, find_git
from orchestrion.actors.checkpoints.git.git import Git
from orchestrion.actors.checkpoints.git.git_environment import git_environment

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("steps", range(10))
async def test_git_cancelled_at_any_step_of_its_start_is_waited_for(tmp_path: Path, steps: int) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\nexec sleep 3600\n")
    program.chmod(0o755)
    before = children()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Git(program=str(program), directory=tmp_path).run, "write-tree")
        for _ in range(steps):
            await checkpoint()
        tasks.cancel_scope.cancel()
    assert children() == before


def children() -> set[int]:
    """The child processes of this process that are not reaped; Linux only."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for one in lists for pid in one.read_text(encoding="ascii").split()}


def program(directory: Path, version: str) -> Path:
    """A git that reports this version and otherwise runs the real one; each version query adds a line to `asked`."""
    directory.mkdir()
    place = directory / "git"
    place.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] || exec {shutil.which("git")} "$@"\n'
        f"echo asked >> {directory}/asked\necho '{version}'\n"
    )
    place.chmod(0o755)
    return place


@pytest.mark.lesson("L64")
async def test_git_before_2_31_is_refused_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = program(tmp_path / "old", "git version 2.30.2")
    with pytest.raises(GitTooOld, match=r"is git 2\.30\.2: checkpoints need git 2\.31 or later") as raised:
        await find_git(str(old.parent))
    assert (raised.value.program, raised.value.version) == (str(old), "2.30.2")
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(GitTooOld):
        await GitWorkspace.open(tmp_path)
    assert (old.parent / "asked").read_text() == "asked\n"
    for n, version in enumerate(("git version 2.31.0", "git version 2.39.5 (Apple Git-154)", "git version 3.0.rc1")):
        new = program(tmp_path / str(n), version)
        assert await find_git(str(new.parent)) == str(new)
    with pytest.raises(GitUnavailable, match="does not say its version"):
        await find_git(str(program(tmp_path / "strange", "hello").parent))


@pytest.mark.lesson("L64")
def test_configuration_of_the_hosts_environment_reaches_git() -> None:
    host = {
        "HOME": "/home/user",
        "GIT_DIR": "/elsewhere",
        "GIT_INDEX_FILE": "/elsewhere/index",
        "GIT_CONFIG_GLOBAL": "/config",
        "GIT_CONFIG_COUNT": "4",
        "GIT_CONFIG_KEY_0": "core.worktree",
        "GIT_CONFIG_VALUE_0": "/elsewhere",
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
        "GIT_CONFIG_KEY_2": "Core.Bare",
        "GIT_CONFIG_VALUE_2": "true",
        "GIT_CONFIG_KEY_3": "safe.directory",
    }
    given = git_environment(host)
    assert {name for name in given if name.startswith("GIT_CONFIG")} == {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_KEY_0",
        "GIT_CONFIG_VALUE_0",
    }
    assert (given["GIT_CONFIG_COUNT"], given["GIT_CONFIG_KEY_0"], given["GIT_CONFIG_VALUE_0"]) == (
        "1",
        "safe.directory",
        "*",
    )
    assert "GIT_DIR" not in given
    assert "GIT_INDEX_FILE" not in given
    assert given["HOME"] == "/home/user"
    for count in ("", "many", "-1", "٣"):
        assert "GIT_CONFIG_COUNT" not in git_environment({**host, "GIT_CONFIG_COUNT": count})
