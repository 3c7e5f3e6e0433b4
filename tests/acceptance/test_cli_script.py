"""README's script gives the documented read model, however it is fed to the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import answers_of, dispatch_script, done, expected_snapshot, snapshot_of


def test_script_gives_the_documented_read_model_also_after_a_rebuild(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    answers = dispatch_script(database)
    assert [answer["status"] for answer in answers] == ["accepted"] * len(answers)
    assert not any(answer["duplicate"] for answer in answers)
    assert answers[-1]["sequence"] == expected_snapshot()["snapshotSequence"]
    assert snapshot_of(database) == expected_snapshot()
    assert "Rebuilt from 37 events" in done("rebuild", database)
    assert snapshot_of(database) == expected_snapshot()


@pytest.mark.parametrize("concurrency", ["1", "32"])
def test_script_fed_twice_is_answered_as_duplicates_and_changes_nothing(tmp_path: Path, concurrency: str) -> None:
    database = tmp_path / "state.db"
    first = dispatch_script(database, "--concurrency", concurrency)
    second = dispatch_script(database, "--concurrency", concurrency)
    assert second == [{**answer, "duplicate": True} for answer in first]
    assert snapshot_of(database) == expected_snapshot()
    assert len(answers_of(done("events", database))) == 37
