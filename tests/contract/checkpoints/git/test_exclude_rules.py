"""A revert does not remove files that were ignored at capture time, whatever is ignored now."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import Capture, Restored, safety_ref
from orchestrion.actors.checkpoints.git.exclude_rules import ExcludeRules
from orchestrion.actors.checkpoints.git.regular_files import read_regular_file
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened

pytestmark = [pytest.mark.anyio, pytest.mark.lesson("L86")]

RULES = "# notes\n\n*.log\n!kept.log\n/data/\n"


async def restore(top: Path, target: Capture) -> Restored:
    _, done = await (await opened(top)).restore(target, lambda n: safety_ref(THREAD, "intent", n), "before")
    return done


def fill(repository: Repository) -> None:
    repository.write("a", "one\n")
    repository.write("noise.log", "precious\n")
    repository.write("data/deep/file", "precious\n")


@pytest.mark.parametrize("rules", ["info/exclude", "core.excludesFile", "the default file", "a home of its own"])
@pytest.mark.parametrize("then", ["gone", "turned round"])
async def test_files_ignored_by_a_former_rule_stay(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: str, then: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    place = {
        "info/exclude": repository.top / ".git" / "info" / "exclude",
        "core.excludesFile": tmp_path / "my rules",
        "the default file": tmp_path / ".config" / "git" / "ignore",
        "a home of its own": tmp_path / "xdg" / "git" / "ignore",
    }[rules]
    if rules == "core.excludesFile":
        repository.git("config", "core.excludesFile", "~/my rules")
    if rules == "a home of its own":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(RULES)
    fill(repository)
    target = await captured(repository.top)
    assert set(repository.contents(target.tree)) == {b"a"}
    assert await (await opened(repository.top)).existing(target.ref) == target

    place.write_text("!*.log\n" if then == "turned round" else "")
    for path in ("a", "new", "kept.log", "sub/data/new"):
        repository.write(path, "of the turn\n")
    done = await restore(repository.top, target)
    assert {path.name for path in repository.top.iterdir()} == {".git", "a", "data", "noise.log"}
    assert (repository.top / "a").read_text() == "one\n"
    assert (repository.top / "data" / "deep" / "file").read_text() == "precious\n"
    assert set(done.left_alone) == {"noise.log", "data/deep/file"}


async def test_rules_above_the_workspace_are_those_of_then(repository: Repository) -> None:
    repository.write(".gitignore", "*.log\n")
    repository.write("sub/.gitignore", "/sub/workspace/*.tmp\nworkspace/*.tmp\n")
    repository.write("sub/workspace/a", "one\n")
    for name in ("noise.log", "noise.tmp"):
        repository.write(f"sub/workspace/{name}", "precious\n")
    target = await captured(repository.top / "sub" / "workspace")
    assert set(repository.contents(target.tree)) == {b"sub/workspace/a"}
    for path in (".gitignore", "sub/.gitignore"):
        (repository.top / path).unlink()
    repository.write("sub/workspace/new", "of the turn\n")
    await restore(repository.top / "sub" / "workspace", target)
    assert set(os.listdir(repository.top / "sub" / "workspace")) == {"a", "noise.log", "noise.tmp"}


async def test_a_rule_that_came_later_hides_nothing_from_a_revert(repository: Repository) -> None:
    fill(repository)
    target = await captured(repository.top, 1)
    repository.write("noise.log", "of the turn\n")
    repository.write("new.log", "of the turn\n")
    await captured(repository.top, 2)
    repository.write(".git/info/exclude", "*.log\n")
    kept, done = await (await opened(repository.top)).restore(target, lambda n: safety_ref(THREAD, "i", n), "before")
    assert (repository.top / "noise.log").read_text() == "precious\n"
    assert repository.contents(kept.tree)[b"noise.log"] == b"of the turn\n"
    assert (repository.top / "new.log").read_text() == "of the turn\n"
    assert done.removed == 0


async def test_files_of_a_nested_repository_that_was_undone_stay(repository: Repository) -> None:
    repository.write("a", "one\n")
    inner = Repository.init(repository.top / "inner")
    inner.write("file", "precious\n")
    inner.commit_all()
    target = await captured(repository.top)
    shutil.rmtree(inner.top / ".git")
    repository.write("a", "two\n")
    done = await restore(repository.top, target)
    assert (inner.top / "file").read_text() == "precious\n"
    assert "inner/file" in done.left_alone


@pytest.mark.lesson("L77")
async def test_rules_in_a_pipe_hold_no_capture(repository: Repository, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    repository.git("config", "core.excludesFile", str(tmp_path / "pipe"))
    fill(repository)
    target = await captured(repository.top)
    assert set(repository.contents(target.tree)) == {b"a", b"data/deep/file", b"noise.log"}


@pytest.mark.lesson("L77")
def test_only_a_regular_file_within_the_bound_is_read(tmp_path: Path) -> None:
    place, link, pipe = tmp_path / "file", tmp_path / "link", tmp_path / "pipe"
    place.write_bytes(b"four")
    link.symlink_to(place)
    os.mkfifo(pipe)
    assert read_regular_file(link, at_most=4) == b"four"
    for refused, at_most in ((place, 3), (pipe, 4), (tmp_path, 4), (tmp_path / "none", 4)):
        with pytest.raises(OSError, match=refused.name):
            read_regular_file(refused, at_most=at_most)


def test_rules_are_kept_without_comments_and_within_a_bound() -> None:
    rules = ExcludeRules(info=RULES.encode() + b"\\#odd \xff\r\n", user=b"one", above={b"": b"two\n", b"sub dir": b""})
    kept = rules.to_keep()
    assert kept is not None
    assert kept.info == b"*.log\n!kept.log\n/data/\n\\#odd \xff\r\n"
    assert ExcludeRules.read(kept.lines().splitlines()) == kept
    assert ExcludeRules(info=b"x" * 300_000).to_keep() is None
    assert ExcludeRules.read(["skipped too-large a"]) is None
