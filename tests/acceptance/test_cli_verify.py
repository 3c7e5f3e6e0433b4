"""`orchestrion verify` finds and names each kind of damage, and reports nothing on a sound database."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import dispatch_script, done, orchestrion


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("template") / "state.db"
    dispatch_script(database)
    return database


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "state.db"))


def edit(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        with connection:
            for statement in statements:
                connection.execute(statement)


def report_of(database: Path) -> Any:
    """The report on a damaged database; asserts that there is a finding."""
    ended = orchestrion("verify", database, "--json")
    assert (ended.returncode, ended.stderr) == (1, "")
    return json.loads(ended.stdout)


def test_sound_database_has_no_findings(database: Path) -> None:
    assert "Nothing found: 37 events" in done("verify", database)
    report = json.loads(done("verify", database, "--json"))
    assert (report["head"], report["findings"], report["leftOut"]) == (37, [], [])


def test_projectors_that_lag_are_no_finding(database: Path) -> None:
    edit(
        database,
        "DELETE FROM projection_thread_messages",
        "UPDATE projection_state SET last_applied_sequence = 3, updated_at ="
        " (SELECT occurred_at FROM orchestration_events WHERE sequence = 3)"
        " WHERE projector = 'projection.thread-messages'",
    )
    assert "Nothing found" in done("verify", database)


@pytest.mark.parametrize(
    ("statement", "check", "where", "fault"),
    [
        (
            "DELETE FROM orchestration_command_receipts WHERE command_id = 'readme-33'",
            "receipts",
            "event 37",
            "'readme-33' has no receipt",
        ),
        (
            "UPDATE orchestration_command_receipts SET result_sequence = 4 WHERE command_id = 'readme-04'",
            "receipts",
            "receipt of 'readme-04'",
            "sequence 4, but the command's last event is 5",
        ),
        (
            "UPDATE orchestration_command_receipts SET status = 'rejected' WHERE command_id = 'readme-33'",
            "receipts",
            "receipt of 'readme-33'",
            "is rejected, but the command has event 37",
        ),
        (
            "UPDATE orchestration_command_receipts SET aggregate_id = 'bakery' WHERE command_id = 'readme-33'",
            "receipts",
            "receipt of 'readme-33'",
            "names project 'bakery'",
        ),
        (
            "INSERT INTO orchestration_command_receipts"
            " VALUES ('ghost', 'project', 'p', '2026-03-01T09:00:00.000Z', 12, 'accepted', NULL)",
            "receipts",
            "receipt of 'ghost'",
            "no event",
        ),
        (
            "UPDATE orchestration_events SET sequence = 40 WHERE sequence = 37",
            "sequences",
            "event 40",
            "follows 36, expected 37",
        ),
        (
            "UPDATE orchestration_events SET stream_version = 12 WHERE sequence = 37",
            "streams",
            "event 37",
            "project 'garden' goes from version 0 to 12, expected 1",
        ),
        (
            "UPDATE orchestration_events SET payload_json = '{\"bogus\": true}' WHERE sequence = 37",
            "payloads",
            "event 37 (project.created)",
            "required field is missing",
        ),
        (
            "UPDATE orchestration_events SET event_type = 'project.painted' WHERE sequence = 37",
            "payloads",
            "event 37 (project.painted)",
            "does not know the event type",
        ),
        (
            "DELETE FROM projection_state WHERE projector = 'projection.threads'",
            "positions",
            "projection.threads",
            "its position is missing",
        ),
        (
            "UPDATE projection_state SET last_applied_sequence = 99 WHERE projector = 'projection.threads'",
            "positions",
            "projection.threads",
            "is at 99, beyond the log's head 37",
        ),
        (
            "UPDATE projection_state SET updated_at = '2027-01-01T00:00:00.000Z'"
            " WHERE projector = 'projection.threads'",
            "positions",
            "projection.threads",
            "is dated 2027-01-01T00:00:00.000Z",
        ),
        (
            "INSERT INTO projection_state VALUES ('reactor.sessions', 99, '2026-03-01T09:00:00.000Z')",
            "positions",
            "reactor.sessions",
            "beyond the log's head 37",
        ),
        (
            "UPDATE projection_threads SET title = 'Changed' WHERE thread_id = 'opening-hours'",
            "rows",
            "projection_threads thread_id='opening-hours'",
            "title is 'Changed', a replay gives 'Opening hours'",
        ),
        (
            "DELETE FROM projection_checkpoints",
            "rows",
            "projection_checkpoints thread_id='opening-hours', checkpoint_turn_count=1",
            "the row is missing",
        ),
        (
            "INSERT INTO projection_pending_approvals"
            " VALUES ('request-9', 'price-list', NULL, 'pending', NULL, '2026-03-01T09:00:29.000Z', NULL)",
            "rows",
            "projection_pending_approvals request_id='request-9'",
            "no event leads to this row",
        ),
        (
            "UPDATE projection_thread_messages SET rowid = 100 WHERE message_id = 'ask-1'",
            "rows",
            "projection_thread_messages row 1",
            "a replay gives ('ask-1',) there",
        ),
        (
            "DROP INDEX projection_thread_messages_streaming",
            "schema",
            "projection_thread_messages_streaming",
            "missing",
        ),
        (
            "UPDATE orchestration_events SET causation_event_id = 'nowhere' WHERE sequence = 6",
            "orphans",
            "event 6",
            "its cause 'nowhere' is no event before it",
        ),
        (
            "UPDATE orchestration_events SET causation_event_id ="
            " (SELECT event_id FROM orchestration_events WHERE sequence = 7) WHERE sequence = 6",
            "orphans",
            "event 6",
            "is no event before it",
        ),
        (
            "UPDATE orchestration_events SET correlation_id = 'nobody' WHERE sequence = 37",
            "orphans",
            "event 37",
            "it goes back to command 'nobody', which has no event",
        ),
        (
            "INSERT INTO provider_session_runtime"
            " (provider_session_id, thread_id, provider_name, adapter_key, status, last_seen_at)"
            " VALUES ('s', 'nobody', 'acp', 'acp', 'stopped', '2026-03-01T09:00:00.000Z')",
            "orphans",
            "provider_session_runtime",
            "thread 'nobody' was never created",
        ),
        ("CREATE TABLE theirs (x)", "schema", "table theirs", "does not belong to the schema"),
        ("UPDATE projection_thread_turns SET status = 'odd'", "integrity", "file", "CHECK constraint failed"),
    ],
)
def test_damage_is_found_and_named(database: Path, statement: str, check: str, where: str, fault: str) -> None:
    edit(database, statement)
    before = database.read_bytes()
    named = [
        finding
        for finding in report_of(database)["findings"]
        if finding["check"] == check and where in finding["where"] and fault in finding["fault"]
    ]
    assert len(named) == 1
    assert database.read_bytes() == before


def test_findings_are_listed_for_people(database: Path) -> None:
    edit(database, "UPDATE projection_threads SET title = 'Changed'")
    ended = orchestrion("verify", database)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "Findings (1)" in ended.stdout
    assert "2 rows of the table differ" in ended.stdout


def test_damage_that_makes_other_checks_pointless_names_them(database: Path) -> None:
    edit(database, "DROP TABLE checkpoint_diff_blobs")
    report = report_of(database)
    assert "table checkpoint_diff_blobs" in [finding["where"] for finding in report["findings"]]
    content = ["sequences", "streams", "receipts", "orphans", "positions", "attachments", "payloads", "rows"]
    assert report["leftOut"] == content


def test_many_findings_of_one_check_are_cut_with_a_word(database: Path) -> None:
    edit(database, "DELETE FROM orchestration_command_receipts")
    receipts = [finding for finding in report_of(database)["findings"] if finding["check"] == "receipts"]
    assert len(receipts) == 21
    assert receipts[-1]["fault"].endswith("further ones are not listed")


def test_foreign_file_is_refused_not_verified(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database " * 100, encoding="utf-8")
    ended = orchestrion("verify", path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert len(ended.stderr.splitlines()) == 1
