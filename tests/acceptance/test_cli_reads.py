"""Commands that only read work next to an owner and with lagging projections, and leave no trace."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import (
    README_SCRIPT,
    LiveCommand,
    answers_of,
    dispatch_script,
    done,
    expected_snapshot,
    lines_of,
    orchestrion,
    project_create,
    snapshot_of,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("template") / "state.db"
    dispatch_script(database)
    return database


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template, tmp_path / "state.db"))


def edit(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def make_lag(database: Path) -> None:
    """Put three projections back to position 0."""
    edit(
        database,
        "DELETE FROM projection_threads",
        "DELETE FROM projection_thread_messages",
        "DELETE FROM projection_pending_approvals",
        "UPDATE projection_state SET last_applied_sequence = 0, updated_at = '1970-01-01T00:00:00.000Z'"
        " WHERE projector IN ('projection.threads', 'projection.thread-messages', 'projection.pending-approvals')",
    )


@pytest.fixture
def owner(database: Path) -> Iterator[LiveCommand]:
    """Another process that owns the database and has written to it."""
    with LiveCommand("dispatch", database) as live:
        assert live.ask(project_create(1))["sequence"] == 38
        yield live


def test_snapshot_of_one_thread_has_that_thread_and_its_project(database: Path) -> None:
    whole = expected_snapshot()
    part = snapshot_of(database, "--thread", "price-list")
    assert part == {**whole, "projects": whole["projects"][:1], "threads": whole["threads"][1:]}


def test_summary_leaves_messages_activities_and_checkpoints_out(database: Path) -> None:
    expected = expected_snapshot()
    for thread in expected["threads"]:
        for part in ("messages", "activities", "checkpoints"):
            del thread[part]
    assert snapshot_of(database, "--summary") == expected


def test_snapshot_for_people_names_what_there_is_without_colours(database: Path) -> None:
    shown = done("snapshot", database)
    assert "\x1b" not in shown
    for part in ("sequence 37", "bakery", "Opening hours", "I change the sign.", "request-2", "tool.completed"):
        assert part in shown
    _, waiting = shown.split("Waiting turns of thread price-list")
    assert "ask-4" in waiting.partition("Pending approvals")[0]


def test_tables_show_no_control_characters_and_no_markup_of_others(database: Path) -> None:
    title = "[red]plain[/red] \x1b[31mred\x07"
    done("dispatch", database, input=lines_of([project_create(1, title=title)]))
    shown = done("snapshot", database)
    assert "[red]plain[/red]" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_empty_database_is_shown_as_empty(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    done("dispatch", database)
    assert "Threads: none" in done("snapshot", database)
    assert "Sessions: none" in done("sessions", database)
    assert done("events", database) == ""


def test_snapshot_of_lagging_projections_is_at_the_head_without_writes(database: Path) -> None:
    make_lag(database)
    before = database.read_bytes()
    files = sorted(path.name for path in database.parent.iterdir())
    assert snapshot_of(database) == expected_snapshot()
    assert database.read_bytes() == before
    assert sorted(path.name for path in database.parent.iterdir()) == files
    done("rebuild", database)
    assert snapshot_of(database) == expected_snapshot()


def test_snapshot_reads_the_wal_of_a_killed_process(tmp_path: Path) -> None:
    database = tmp_path / "state.db"
    with LiveCommand("dispatch", database, "--internal") as live:
        for line in README_SCRIPT.read_text(encoding="utf-8").splitlines():
            live.ask(json.loads(line))
        live.process.kill()
        live.process.wait()
    log = Path(f"{database}-wal")
    left = log.read_bytes()
    assert left
    assert snapshot_of(database) == expected_snapshot()
    assert log.read_bytes() == left


@pytest.mark.parametrize("command", ["snapshot", "events", "sessions", "verify"])
def test_reading_leaves_the_database_files_unchanged(database: Path, command: str) -> None:
    before = database.read_bytes()
    done(command, database)
    assert database.read_bytes() == before
    assert [path.name for path in database.parent.iterdir()] == [database.name]


def test_everything_can_be_read_while_another_process_owns_the_database(owner: LiveCommand, database: Path) -> None:
    snapshot = snapshot_of(database)
    assert snapshot["snapshotSequence"] == 38
    assert [project["id"] for project in snapshot["projects"]] == ["bakery", "garden", "project-1"]
    assert len(answers_of(done("events", database))) == 38
    assert "Nothing found" in done("verify", database)
    assert f"process {owner.process.pid} " in done("sessions", database)
    assert done("turn-diff", database, "opening-hours", "1", "1") == ""
    assert owner.ask(project_create(2))["sequence"] == 39


def test_events_are_persisted_envelopes_in_order(database: Path) -> None:
    events = answers_of(done("events", database))
    assert [event["sequence"] for event in events] == list(range(1, 38))
    assert events[0].keys() == {
        "sequence",
        "eventId",
        "aggregateKind",
        "streamId",
        "streamVersion",
        "eventType",
        "occurredAt",
        "commandId",
        "causationEventId",
        "correlationId",
        "actorKind",
        "payload",
        "metadata",
    }
    assert answers_of(done("events", database, "--after", "35")) == events[35:]
    of_thread = [event for event in events if event["streamId"] == "price-list"]
    assert answers_of(done("events", database, "--thread", "price-list")) == of_thread
    assert [event["streamVersion"] for event in of_thread] == list(range(1, 10))


def test_undecodable_event_is_printed_with_its_raw_payload(database: Path) -> None:
    edit(
        database, "UPDATE orchestration_events SET event_type = 'thread.sung', payload_json = '[1]' WHERE sequence = 5"
    )
    event = answers_of(done("events", database))[4]
    assert (event["sequence"], event["eventType"], event["known"]) == (5, "thread.sung", False)
    assert event["payloadJson"] == "[1]"


def test_events_beyond_the_head_or_of_no_thread_are_refused(database: Path) -> None:
    ahead = orchestrion("events", database, "--after", "38")
    assert (ahead.returncode, ahead.stdout) == (1, "")
    assert "beyond the log's head 37" in ahead.stderr
    for options in ((), ("--follow",)):
        assert orchestrion("events", database, "--thread", "nowhere", *options).returncode == 1
    unknown = orchestrion("events", database, "--thread", "nowhere")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "'nowhere' does not exist" in unknown.stderr


def test_followed_events_arrive_from_another_process_until_the_interrupt(database: Path) -> None:
    with LiveCommand("events", database, "--after", "37", "--follow") as following:
        with LiveCommand("dispatch", database) as live:
            live.ask(project_create(1))
            assert following.next_line()["streamId"] == "project-1"
            live.ask(project_create(2))
            assert following.next_line()["streamId"] == "project-2"
            assert live.end()[0] == 0
        done("dispatch", database, input=lines_of([project_create(3)]))
        assert following.next_line()["sequence"] == 40
        assert following.signal(signal.SIGINT) == (130, b"", "")


def test_turn_diff_is_printed_as_it_is_stored(database: Path) -> None:
    diff = "--- a/hours.txt\n+++ b/hours.txt\n@@ -1 +1 @@\n-closed\n+öffnet\n"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO checkpoint_diff_blobs VALUES ('opening-hours', 0, 1, ?, '2026-03-01T09:00:15.000Z')", (diff,)
        )
    assert done("turn-diff", database, "opening-hours", "0", "1") == diff
    assert json.loads(done("turn-diff", database, "opening-hours", "0", "1", "--json")) == {
        "threadId": "opening-hours",
        "fromTurnCount": 0,
        "toTurnCount": 1,
        "diff": diff,
    }
    missing = orchestrion("turn-diff", database, "opening-hours", "0", "2")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "no diff from turn 0 to 2" in missing.stderr


def test_sessions_tell_lives_of_agents_and_which_one_counts(database: Path) -> None:
    for session_id, cursor in (("session-0", "NULL"), ("session-1", "'{}'")):
        edit(
            database,
            "INSERT INTO provider_session_runtime VALUES"
            f" ('{session_id}', 'opening-hours', 'rehearsal', 'acp', NULL, 'stopped', '2026-03-01T09:00:21.000Z',"
            f" {cursor}, NULL)",
        )
    listed = json.loads(done("sessions", database, "--json"))
    assert listed["owner"] is None
    assert [(one["providerSessionId"], one["hasResumeCursor"], one["isCurrent"]) for one in listed["sessions"]] == [
        ("session-0", False, False),
        ("session-1", True, True),
    ]
    assert "session-0" in done("sessions", database)


@pytest.mark.parametrize("command", ["snapshot", "events", "sessions", "verify", "rebuild"])
def test_missing_database_is_named_and_not_created(tmp_path: Path, command: str) -> None:
    ended = orchestrion(command, tmp_path / "nothing.db")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nothing.db does not exist" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_snapshot_of_a_thread_that_never_existed_is_refused(database: Path) -> None:
    ended = orchestrion("snapshot", database, "--thread", "nowhere")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "'nowhere' does not exist" in ended.stderr


def test_missing_position_is_refused_with_the_repair_that_works(database: Path) -> None:
    edit(database, "DELETE FROM projection_state WHERE projector = 'projection.threads'")
    ended = orchestrion("snapshot", database)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "rebuild DB --projector projection.threads" in ended.stderr
    done("rebuild", database, "--projector", "projection.threads")
    assert snapshot_of(database) == expected_snapshot()
