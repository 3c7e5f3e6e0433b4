"""A shadow repository is packed automatically: it grows with what changed, not with every state of every file."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import baseline_ref, read_shadow_stats, shadow_home
from tests.support.git import Repository
from tests.support.workspaces import THREAD, opened

pytestmark = pytest.mark.anyio


def taken(repository: Path) -> int:
    return sum(path.stat().st_size for path in repository.rglob("*") if path.is_file())


@pytest.mark.lesson("L73")
async def test_a_shadow_repository_that_has_grown_is_packed(tmp_path: Path) -> None:
    top, database = tmp_path / "plain", tmp_path / "state.db"
    top.mkdir()
    text = "".join(random.Random(1).choices("abcdefghij \n", k=300_000))
    workspace = await opened(top, database=database)
    captures = []
    for number in range(6):
        (top / "big.txt").write_text(text + f"change {number}\n")
        captures.append(await workspace.capture(baseline_ref(THREAD, number), f"state {number}"))
    (shadow,) = shadow_home(database).glob("*.git")
    before = taken(shadow)
    assert not await workspace.tidy(most_loose=1000)
    assert await workspace.tidy(most_loose=10)
    assert taken(shadow) * 3 < before
    assert "change 5" in (await workspace.diff(captures[0], captures[5])).text
    assert await workspace.existing(baseline_ref(THREAD, 0)) == captures[0]
    (top / "big.txt").write_text(text)
    assert (await workspace.capture(baseline_ref(THREAD, 9), "after")).tree != captures[5].tree


async def test_a_users_repository_is_left_to_the_users_git(tmp_path: Path) -> None:
    repository = Repository.init(tmp_path / "workspace")
    workspace = await opened(repository.top, database=tmp_path / "state.db")
    await workspace.capture(baseline_ref(THREAD, 1), "start")
    assert not await workspace.tidy(most_loose=0, most_loose_kib=0)


@pytest.mark.lesson("L87")
async def test_each_of_many_shadow_repositories_is_packed_and_measured(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    assert read_shadow_stats(database) == ()
    text = "".join(random.Random(2).choices("abcdefghij \n", k=50_000))
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).mkdir()
        workspace = await opened(tmp_path / name, database=database)
        for number in range(6):
            (tmp_path / name / "big.txt").write_text(text + f"change {number} of {name}\n")
            await workspace.capture(baseline_ref(THREAD, number), f"state {number}")
    before = read_shadow_stats(database)
    assert [one.bytes for one in before] == sorted((one.bytes for one in before), reverse=True)
    assert {one.name: one.bytes for one in before} == {
        place.name: taken(place) for place in shadow_home(database).iterdir()
    }
    for name in ("one", "two", "three", "four"):
        assert await (await opened(tmp_path / name, database=database)).tidy(most_loose=10)
    after = read_shadow_stats(database)
    assert sum(one.bytes for one in after) * 2 < sum(one.bytes for one in before)
    (tmp_path / "two").rename(tmp_path / "away")
    assert {(Path(one.workspace).name, one.workspace_exists) for one in read_shadow_stats(database)} == {
        ("one", True),
        ("two", False),
        ("three", True),
        ("four", True),
    }


@pytest.mark.lesson("L87")
async def test_a_shadow_repository_left_unfinished_is_removed(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    leftovers = [shadow_home(database) / name for name in ("making-old", "making-new")]
    for leftover in leftovers:
        leftover.mkdir(parents=True)
    os.utime(leftovers[0], (0, 0))
    (tmp_path / "plain").mkdir()
    await opened(tmp_path / "plain", database=database)
    assert [leftover.exists() for leftover in leftovers] == [False, True]
