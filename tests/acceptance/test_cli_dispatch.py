"""`orchestrion dispatch` answers every line with one line, in order."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import (
    LiveCommand,
    answers_of,
    done,
    lines_of,
    orchestrion,
    project_create,
    snapshot_of,
)

THREAD_CREATE = {
    "type": "thread.create",
    "commandId": "thread",
    "threadId": "thread-1",
    "projectId": "project-1",
    "title": "Thread",
    "model": "small",
    "branch": None,
    "worktreePath": None,
    "createdAt": "2026-03-01T12:00:00.000Z",
}
DELTA = {
    "type": "thread.message.assistant.delta",
    "commandId": "delta",
    "threadId": "thread-1",
    "messageId": "answer",
    "delta": "hello",
    "createdAt": "2026-03-01T12:00:01.000Z",
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def with_script(command_id: str, script: str) -> dict[str, Any]:
    """A command as large as a project's script may be."""
    one = {"id": "s", "name": "s", "command": script, "icon": "test", "runOnWorktreeCreate": False}
    return {"type": "project.meta.update", "commandId": command_id, "projectId": "project-1", "scripts": [one]}


def event_count(database: Path) -> int:
    return len(answers_of(done("events", database)))


def test_accepted_rejected_reused_and_invalid_differ(database: Path) -> None:
    ended = orchestrion(
        "dispatch",
        database,
        input=lines_of(
            [
                project_create(1),
                project_create(1),
                project_create(1, commandId="again"),
                project_create(1, commandId="again"),
                project_create(1, title="Other"),
                project_create(2, title=""),
            ]
        ),
    )
    assert ended.returncode == 1
    accepted, duplicate, rejected, repeated, reused, invalid = answers_of(ended.stdout)
    assert accepted == {"commandId": "create-1", "status": "accepted", "sequence": 1, "duplicate": False}
    assert duplicate == {**accepted, "duplicate": True}
    reason = "project 'project-1' exists or existed already"
    assert rejected == {"commandId": "again", "status": "rejected", "error": reason, "duplicate": False}
    assert repeated == {**rejected, "duplicate": True}
    assert reused.keys() == {"commandId", "status", "error"}
    assert (reused["commandId"], reused["status"]) == ("create-1", "reused")
    assert invalid == {"commandId": "create-2", "status": "invalid", "error": "title: the text is empty"}
    assert event_count(database) == 1


def test_rejection_is_no_error(database: Path) -> None:
    answers = answers_of(done("dispatch", database, input=lines_of([{**THREAD_CREATE, "projectId": "nowhere"}])))
    assert [answer["status"] for answer in answers] == ["rejected"]


@pytest.mark.parametrize(
    ("line", "command_id", "named"),
    [
        (b"{", None, "JSON"),
        (b'"text"', None, "expected an object"),
        (b"[]", None, "expected an object"),
        (b'{"commandId": "x", "type": "project.create\xff"}', None, "JSON"),
        (b'{"commandId": "x", "type": "project.crate"}', "x", "type"),
        (b'{"commandId": 7, "type": "project.delete", "projectId": "p"}', None, "commandId"),
        (b'{"type": "project.delete", "projectId": "p"}', None, "commandId"),
        (b'{"commandId": "x", "type": "project.delete", "projectId": "p", "extra": 1}', "x", "extra"),
        (b'{"commandId": "x", "type": "project.delete", "projectId": 5}', "x", "projectId"),
        (json.dumps({**THREAD_CREATE, "branch": 5}).encode(), "thread", "branch"),
        (
            b'{"commandId": "x", "type": "thread.approval.respond", "threadId": "t", "requestId": "r",'
            b' "decision": "maybe", "createdAt": "2026-03-01T12:00:00Z"}',
            "x",
            "decision",
        ),
        (
            b'{"commandId": "x", "type": "thread.session.stop", "threadId": "t", "createdAt": "2026-03-01T12:00:00"}',
            "x",
            "createdAt",
        ),
    ],
)
def test_bad_line_is_answered_with_its_field_and_does_not_end_the_run(
    database: Path, line: bytes, command_id: str | None, named: str
) -> None:
    ended = orchestrion("dispatch", database, input=line + b"\n" + lines_of([project_create(1)]).encode())
    assert ended.returncode == 1
    bad, good = answers_of(ended.stdout)
    assert bad.keys() == {"commandId", "status", "error"}
    assert (bad["commandId"], bad["status"]) == (command_id, "invalid")
    assert named in bad["error"]
    assert good["sequence"] == 1


def test_an_answer_repeats_200_characters_of_an_id_or_a_field(database: Path) -> None:
    long_id = {**project_create(1), "commandId": "i" * 1_000_000}
    long_field = {**project_create(2), "f" * 1_000_000: 1}
    ended = orchestrion("dispatch", database, input=lines_of([long_id, long_field]))
    by_id, by_field = answers_of(ended.stdout)
    assert (by_id["commandId"], by_id["status"]) == ("i" * 200, "invalid")
    assert (by_field["commandId"], by_field["status"]) == ("create-2", "invalid")
    assert "f" * 150 in by_field["error"]
    assert len(ended.stdout) < 2500


def test_a_command_is_measured_by_its_content_however_it_is_spelled(database: Path) -> None:
    short = with_script("short", "\N{CYRILLIC SMALL LETTER YA}" * (4 * 1024 * 1024))
    long = with_script("long", "x" * (20 * 1024 * 1024))
    lines = lines_of([project_create(1), short, long])
    assert len(lines.splitlines()[1]) > len(lines.splitlines()[2])
    ended = orchestrion("dispatch", database, input=lines)
    answers = answers_of(ended.stdout)
    assert [answer["status"] for answer in answers] == ["accepted", "accepted", "invalid"]
    assert [answer["commandId"] for answer in answers] == ["create-1", "short", "long"]
    assert "at most 20971520" in answers[2]["error"]
    assert ended.returncode == 1


def test_blank_lines_are_skipped_and_the_last_line_needs_no_end(database: Path) -> None:
    content = "\n  \n" + lines_of([project_create(1)]) + "\r\n\n" + lines_of([project_create(2)]).rstrip("\n")
    answers = answers_of(done("dispatch", database, input=content))
    assert [answer["commandId"] for answer in answers] == ["create-1", "create-2"]


def test_key_given_twice_counts_as_its_last_value(database: Path) -> None:
    line = lines_of([project_create(1)]).replace('{"type"', '{"title": "First", "type"')
    done("dispatch", database, input=line)
    assert snapshot_of(database)["projects"][0]["title"] == "Project 1"


def test_empty_input_makes_an_empty_database(database: Path) -> None:
    assert done("dispatch", database) == ""
    assert snapshot_of(database) == {
        "snapshotSequence": 0,
        "projects": [],
        "threads": [],
        "updatedAt": "1970-01-01T00:00:00.000Z",
    }


def test_input_may_be_a_regular_file_of_many_chunks(database: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    count = 1000
    script.write_text(lines_of([project_create(number) for number in range(count)]), encoding="utf-8")
    with script.open("rb") as file:
        ended = subprocess.run(
            [sys.executable, "-m", "orchestrion", "dispatch", database, "--concurrency", "64"],
            stdin=file,
            capture_output=True,
            timeout=120,
            check=True,
        )
    answers = answers_of(ended.stdout.decode())
    assert [answer["sequence"] for answer in answers] == list(range(1, count + 1))
    assert [answer["commandId"] for answer in answers] == [f"create-{number}" for number in range(count)]


def test_internal_command_is_refused_from_a_client(database: Path) -> None:
    ended = orchestrion("dispatch", database, input=lines_of([project_create(1), THREAD_CREATE, DELTA]))
    refused = answers_of(ended.stdout)[-1]
    assert (refused["commandId"], refused["status"]) == ("delta", "invalid")
    assert "type" in refused["error"]
    assert ended.returncode == 1
    assert event_count(database) == 2


def test_internal_option_derives_the_actor_from_the_command(database: Path) -> None:
    done("dispatch", database, "--internal", input=lines_of([project_create(1), THREAD_CREATE, DELTA]))
    events = answers_of(done("events", database))
    assert [event["actorKind"] for event in events] == ["client", "client", "provider"]


def test_answer_comes_before_the_next_line_is_written(database: Path) -> None:
    with LiveCommand("dispatch", database) as live:
        for number in range(1, 4):
            assert live.ask(project_create(number))["sequence"] == number
        assert live.end() == (0, b"", "")


def test_lines_sent_together_are_answered_in_their_order(database: Path) -> None:
    with LiveCommand("dispatch", database, "--concurrency", "8") as live:
        for number in range(1, 5):
            live.send(project_create(number))
        assert [live.next_line()["commandId"] for _ in range(4)] == [f"create-{number}" for number in range(1, 5)]
        assert live.end() == (0, b"", "")


def test_sigterm_ends_the_run_as_the_end_of_the_input_does(database: Path) -> None:
    with LiveCommand("dispatch", database) as live:
        live.ask(project_create(1))
        assert live.signal(signal.SIGTERM) == (0, b"", "")
    assert done("dispatch", database, input=lines_of([project_create(2)]))


def test_interrupt_is_quiet_and_releases_the_database(database: Path) -> None:
    with LiveCommand("dispatch", database) as live:
        live.ask(project_create(1))
        assert live.signal(signal.SIGINT) == (130, b"", "")
    assert done("dispatch", database, input=lines_of([project_create(2)]))


def test_killed_run_answers_the_same_when_it_is_repeated(database: Path) -> None:
    with LiveCommand("dispatch", database) as live:
        first = live.ask(project_create(1))
        live.process.kill()
        live.process.wait()
    (again,) = answers_of(done("dispatch", database, input=lines_of([project_create(1)])))
    assert again == {**first, "duplicate": True}


def test_second_runtime_is_refused_with_the_owner(database: Path) -> None:
    with LiveCommand("dispatch", database) as live:
        live.ask(project_create(1))
        refused = orchestrion("dispatch", database, input=lines_of([project_create(2)]))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"process {live.process.pid} " in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def limited_file_size(limit: int) -> Callable[[], None]:
    """A `preexec_fn` after which none of the child's files can grow beyond `limit` bytes."""

    def limit_child() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limit_child


def test_storage_failure_is_that_lines_answer_and_leaves_nothing_behind(database: Path) -> None:
    large = with_script("large", "x" * 3_000_000)
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrion", "dispatch", str(database)],
        input=lines_of([project_create(1), large, project_create(3)]).encode(),
        capture_output=True,
        timeout=120,
        check=False,
        preexec_fn=limited_file_size(2_000_000),
    )
    first, failed, last = answers_of(ended.stdout.decode())
    assert (first["status"], last["status"]) == ("accepted", "accepted")
    assert failed.keys() == {"commandId", "status", "error"}
    assert (failed["commandId"], failed["status"]) == ("large", "failed")
    assert ended.returncode == 1
    (again,) = answers_of(done("dispatch", database, input=lines_of([large])))
    assert again == {"commandId": "large", "status": "accepted", "sequence": 3, "duplicate": False}


@pytest.mark.parametrize("kind", ["directory", "text", "foreign"])
def test_foreign_database_is_refused_unchanged(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "thing"
    match kind:
        case "directory":
            target.mkdir()
        case "text":
            target.write_text("not a database, and long enough to have a header " * 10, encoding="utf-8")
        case _:
            connection = sqlite3.connect(target)
            connection.execute("CREATE TABLE theirs (x)")
            connection.close()
    before = None if kind == "directory" else target.read_bytes()
    ended = orchestrion("dispatch", target, input=lines_of([project_create(1)]))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("orchestrion: ")
    assert len(ended.stderr.splitlines()) == 1
    assert before == (None if kind == "directory" else target.read_bytes())
