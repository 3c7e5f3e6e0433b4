"""`health` shows the state of a database; `repair` mends what a replay can mend, and changes nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import (
    LiveCommand,
    dispatch_script,
    done,
    expected_snapshot,
    orchestrion,
    snapshot_of,
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    dispatch_script(path)
    return path


def edit(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_health_shows_positions_intents_and_no_owner(database: Path) -> None:
    health = json.loads(done("health", database, "--json"))
    assert health["owner"] is None
    assert health["head"] == expected_snapshot()["snapshotSequence"]
    assert {one["lag"] for one in health["positions"]} == {0}
    assert health["quarantine"] == []
    assert all(one["eventType"].endswith("-requested") for one in health["openIntents"])


def test_health_names_the_owner_while_one_runs(database: Path) -> None:
    with LiveCommand("dispatch", database) as owner:
        owner.ask({"type": "project.delete", "commandId": "unknown-project", "projectId": "none"})
        assert json.loads(done("health", database, "--json"))["owner"]["pid"] > 0


def test_health_lists_events_that_do_not_decode_and_exits_with_1(database: Path) -> None:
    edit(database, "UPDATE orchestration_events SET payload_json = '{}' WHERE sequence = 2")
    finished = orchestrion("health", database, "--json")
    assert finished.returncode == 1
    [event] = json.loads(finished.stdout)["quarantine"]
    assert (event["sequence"], event["eventType"]) == (2, "thread.created")


def test_repair_brings_back_positions_and_rows(database: Path) -> None:
    edit(
        database,
        "DELETE FROM projection_state WHERE projector = 'projection.threads'",
        "UPDATE projection_state SET last_applied_sequence = 99999 WHERE projector = 'projection.checkpoints'",
        "UPDATE projection_thread_messages SET text = 'edited'",
    )
    assert orchestrion("verify", database).returncode == 1
    repaired = done("repair", database)
    for projector in ("projection.threads", "projection.checkpoints", "projection.thread-messages"):
        assert projector in repaired
    assert snapshot_of(database) == expected_snapshot()
    done("verify", database)


def test_repair_changes_nothing_where_all_is_well(database: Path) -> None:
    assert "Nothing to repair by a replay" in done("repair", database)
    assert snapshot_of(database) == expected_snapshot()


def test_repair_keeps_log_and_receipts_and_reports_their_faults(database: Path) -> None:
    edit(database, "DELETE FROM orchestration_command_receipts WHERE command_id = 'readme-01'")
    finished = orchestrion("repair", database)
    assert finished.returncode == 1
    assert "restore a backup" in finished.stdout
    assert "has no receipt" in finished.stdout


def test_repair_is_refused_while_a_runtime_owns_the_database(database: Path) -> None:
    edit(database, "UPDATE projection_thread_messages SET text = 'edited'")
    with LiveCommand("dispatch", database) as owner:
        owner.ask({"type": "project.delete", "commandId": "unknown-project", "projectId": "none"})
        finished = orchestrion("repair", database)
    assert finished.returncode == 1
    assert "is in use by process" in finished.stderr


def test_orphaned_rows_are_found(database: Path) -> None:
    edit(
        database,
        "INSERT INTO checkpoint_diff_blobs VALUES ('nobody', 0, 1, '', '2026-03-01T09:00:00.000Z')",
    )
    finished = orchestrion("verify", database, "--json")
    assert finished.returncode == 1
    [finding] = json.loads(finished.stdout)["findings"]
    assert (finding["check"], finding["projector"]) == ("orphans", None)
