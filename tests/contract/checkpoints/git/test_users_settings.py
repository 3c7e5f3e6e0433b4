"""The user's git configuration changes neither what a capture holds nor what a revert writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import checkpoint_ref, safety_ref
from orchestrion.actors.checkpoints.git.file_system import ignores_case
from tests.support.git import Repository
from tests.support.workspaces import THREAD, captured, opened

pytestmark = pytest.mark.anyio

COPIED_FROM_ELSEWHERE = {
    "core.fileMode": "false",
    "core.ignoreCase": "true",
    "core.precomposeUnicode": "true",
    "core.symlinks": "false",
}
UNUSUAL = {
    "core.autocrlf": "true",
    "core.checkStat": "minimal",
    "core.eol": "crlf",
    "core.ignoreStat": "true",
    "core.safecrlf": "true",
    "core.sparseCheckout": "true",
    "core.sparseCheckoutCone": "true",
    "core.splitIndex": "true",
    "core.trustctime": "false",
    "core.untrackedCache": "true",
    "checkout.workers": "4",
    "checkout.thresholdForParallelism": "0",
    "feature.manyFiles": "true",
    "filter.shout.clean": "tr a-z A-Z",
    "filter.shout.required": "true",
    "filter.shout.smudge": "tr A-Z a-z",
    "index.sparse": "true",
    "protocol.allow": "never",
}


def fill(repository: Repository) -> None:
    repository.write("Read Me", "upper\n")
    repository.write("read me", "lower\n")
    repository.write("Dir/a", "one\n")
    repository.write("dir/a", "two\n")
    repository.write("run", "run\n").chmod(0o755)
    repository.write("plain", "a\r\nb\n").chmod(0o644)
    (repository.top / "link").symlink_to("run")
    repository.write(".gitattributes", "* text=auto eol=crlf filter=shout ident\nplain working-tree-encoding=UTF-16\n")


def standing(top: Path) -> dict[str, tuple[int, bytes]]:
    """Mode, and bytes or target, of every file."""
    found = {}
    for path in top.rglob("*"):
        if ".git" not in path.relative_to(top).parts and (path.is_symlink() or path.is_file()):
            content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(top))] = (path.lstat().st_mode, content)
    return found


@pytest.mark.lesson("L84")
@pytest.mark.parametrize("scope", ["the repository's", "the user's"])
@pytest.mark.parametrize("settings", [COPIED_FROM_ELSEWHERE, UNUSUAL], ids=["copied", "unusual"])
async def test_bytes_names_modes_and_links_survive_any_settings(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str, settings: dict[str, str]
) -> None:
    if scope == "the user's":
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    place = ".git/config" if scope == "the repository's" else str(tmp_path / "gitconfig")
    for key, value in settings.items():
        repository.git("config", "--file", place, key, value)
    fill(repository)
    before = standing(repository.top)
    target = await captured(repository.top, 1)
    listing = repository.listing(target.tree)
    assert {path.decode(): content for path, (_, _, content) in listing.items()} == {
        path: content for path, (_, content) in before.items()
    }
    assert {listing[path][0] for path in (b"run", b"plain", b"link")} == {"100755", "100644", "120000"}

    for path in (*before, "new"):
        place_of = repository.top / path
        if place_of.is_symlink():
            place_of.unlink()
        place_of.write_bytes(b"changed")
    (repository.top / "run").chmod(0o644)
    (repository.top / "plain").chmod(0o755)
    (repository.top / "read me").unlink()
    changed = await captured(repository.top, 2)
    assert {mode for mode, _, _ in repository.listing(changed.tree).values()} == {"100755", "100644"}
    assert set(repository.contents(changed.tree).values()) == {b"changed"}
    _, done = await (await opened(repository.top)).restore(target, lambda n: safety_ref(THREAD, "i", n), "before")
    assert (standing(repository.top), done.left_alone) == (before, ())


@pytest.mark.lesson("L84")
async def test_an_ignored_submodule_is_no_blind_spot(repository: Repository) -> None:
    inner = Repository.init(repository.top / "inner")
    inner.commit_all()
    repository.write(".gitmodules", '[submodule "inner"]\n\tpath = inner\n\turl = ./inner\n\tignore = all\n')
    repository.git("add", "-A")
    repository.commit_all()
    first = await captured(repository.top, 1)
    inner.write("more", "more\n")
    inner.commit_all()
    second = await captured(repository.top, 2)
    workspace = await opened(repository.top)
    assert (await workspace.differences(first.tree, second.tree)).paths == {b"inner"}
    forecast = await workspace.forecast(first)
    assert (forecast.written, forecast.removed, forecast.left_alone) == ((), (), ("inner",))


@pytest.mark.lesson("L84")
async def test_nothing_that_a_nested_repository_configures_is_run(repository: Repository) -> None:
    inner = Repository.init(repository.top / "inner")
    inner.write(".gitattributes", "* filter=ours\n")
    inner.write("file", "one\n")
    inner.commit_all()
    program = repository.write(".git/program", f"#!/bin/sh\ntouch '{repository.top}/ran'\nexec cat\n")
    program.chmod(0o755)
    inner.git("config", "core.fsmonitor", str(program))
    inner.git("config", "filter.ours.clean", str(program))
    await captured(repository.top, 1)
    inner.write("file", "two\n")
    await captured(repository.top, 2)
    assert not (repository.top / "ran").exists()


@pytest.mark.lesson("L84")
async def test_captures_move_where_the_user_forbids_fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, database = tmp_path / "plain", tmp_path / "state.db"
    top.mkdir()
    (top / "a").write_text("one\n")
    await (await opened(top, database=database)).capture(checkpoint_ref(THREAD, 1), "turn 1")
    repository = Repository.init(top)
    (tmp_path / "gitconfig").write_text("[protocol]\n\tallow = never\n[transfer]\n\tfsckObjects = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    repository.git("config", "protocol.file.allow", "never")
    await captured(top, 2)
    found = await (await opened(top, database=database)).existing(checkpoint_ref(THREAD, 1))
    assert found is not None
    assert repository.contents(found.tree) == {b"a": b"one\n"}


@pytest.mark.lesson("L84")
def test_names_have_no_case_where_another_spelling_is_the_same_file(tmp_path: Path) -> None:
    directory = os.fsencode(tmp_path / "names")
    os.mkdir(directory)
    assert not ignores_case(directory)
    (tmp_path / "names" / "Alpha").write_text("one\n")
    assert not ignores_case(directory)

    def without_case(place: bytes) -> os.stat_result:
        return os.lstat(place if os.path.lexists(place) else os.path.join(directory, b"Alpha"))

    assert ignores_case(directory, facts_of=without_case)
    os.link(tmp_path / "names" / "Alpha", tmp_path / "names" / "aLPHA")
    assert not ignores_case(directory)
