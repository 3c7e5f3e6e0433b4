"""`orchestrion stats` shows what takes the space, as tables and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrion.actors.checkpoints.git import shadow_home
from tests.support.command_line import dispatch_script, done, orchestrion


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stats") / "state.db"
    dispatch_script(path)
    return path


def test_every_byte_of_the_file_is_accounted_for(database: Path) -> None:
    found = json.loads(done("stats", database, "--json"))
    assert found["fileBytes"] == database.stat().st_size
    taken = sum(table["tableBytes"] + table["indexBytes"] for table in found["tables"])
    assert 0 <= found["fileBytes"] - found["freeBytes"] - taken <= 2 * 4096  # the map of pages has no name
    sizes = [table["tableBytes"] + table["indexBytes"] for table in found["tables"]]
    assert sizes == sorted(sizes, reverse=True)


def test_threads_show_the_size_of_events_and_texts(database: Path) -> None:
    (thread, *_) = json.loads(done("stats", database, "--json"))["threads"]
    parts = ("logBytes", "messageBytes", "activityBytes", "diffBytes")
    assert thread["events"] > 0
    assert thread["logBytes"] > thread["messageBytes"] > 0
    assert thread["contentBytes"] == sum(thread[part] for part in parts)


def test_threads_that_are_left_out_are_counted(database: Path) -> None:
    every = json.loads(done("stats", database, "--json"))["threads"]
    found = json.loads(done("stats", database, "--json", "--threads", "0"))
    assert (found["threads"], found["threadsLeftOut"]) == ([], len(every))
    assert "smaller threads are not shown" in done("stats", database, "--threads", "0")


def test_the_table_names_the_log_first(database: Path) -> None:
    shown = done("stats", database)
    assert shown.index("orchestration_events") < shown.index("projection_threads")
    assert "KiB" in shown


def test_a_database_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    ended = orchestrion("stats", tmp_path / "none.db")
    assert ended.returncode == 1
    assert "does not exist" in ended.stderr


@pytest.mark.lesson("L87")
def test_shadow_repositories_are_listed_with_their_bytes(database: Path) -> None:
    assert json.loads(done("stats", database, "--json"))["shadowRepositories"] == []
    assert "Captures of workspaces without a repository: none" in done("stats", database)
    place = shadow_home(database) / "0123.git"
    (place / "objects").mkdir(parents=True)
    (place / "workspace").write_bytes(b"/no/such")
    (place / "objects" / "pack").write_bytes(b"x" * 2000)
    (shown,) = json.loads(done("stats", database, "--json"))["shadowRepositories"]
    assert shown == {"name": "0123.git", "workspace": "/no/such", "workspaceExists": False, "bytes": 2008}
    assert "/no/such (gone)" in done("stats", database)
