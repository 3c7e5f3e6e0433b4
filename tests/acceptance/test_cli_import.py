"""`orchestrion import`: conversations that an agent keeps become threads. The transcripts are written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.command_line import done, orchestrion, snapshot_of

SESSIONS: Final = ("bd36e3a3-75cc-4555-835b-74be2fd97c83", "00000000-0000-4000-8000-000000000001")


def transcript(session: str, workspace: Path, *words: str) -> bytes:
    lines = [
        {
            "parentUuid": str(number - 1) if number else None,
            "type": "assistant" if number % 2 else "user",
            "uuid": str(number),
            "cwd": str(workspace),
            "sessionId": session,
            "timestamp": f"2026-03-01T09:00:0{number}.000Z",
            "message": {"content": [{"type": "text", "text": text}]},
        }
        for number, text in enumerate(words)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "bakery"
    directory.mkdir()
    return directory


@pytest.fixture
def transcripts(tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of two conversations of Claude Code."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    directory = tmp_path / "claude" / "projects" / "-bakery"
    directory.mkdir(parents=True)
    for session, word in zip(SESSIONS, ("bread", "cake"), strict=True):
        file = directory / f"{session}.jsonl"
        file.write_bytes(transcript(session, workspace, f"Bake {word}", f"There is {word}."))
    return directory


def imports(database: Path, *options: str | Path) -> dict[str, tuple[str, int]]:
    done_ones: list[dict[str, Any]] = json.loads(done("import", database, "claude", *options, "--json"))["imports"]
    return {one["conversation"]["sessionId"]: (one["outcome"], one["added"]) for one in done_ones}


@pytest.mark.spec("E64")
def test_conversations_are_listed_and_imported(transcripts: Path, tmp_path: Path, workspace: Path) -> None:
    database = tmp_path / "state.db"
    listed = json.loads(done("import", database, "claude", "--list", "--json"))["conversations"]
    assert {one["sessionId"]: one["threadId"] for one in listed} == dict.fromkeys(SESSIONS)
    assert not database.exists()

    assert imports(database, "--session", SESSIONS[0]) == {SESSIONS[0]: ("imported", 2)}
    assert "Bake bread" in done("import", database, "claude", "--list")
    assert imports(database, "--all", "--project", workspace) == {
        SESSIONS[0]: ("unchanged", 0),
        SESSIONS[1]: ("imported", 2),
    }
    snapshot = snapshot_of(database)
    assert [project["workspaceRoot"] for project in snapshot["projects"]] == [str(workspace)]
    assert sorted(thread["title"] for thread in snapshot["threads"]) == ["Bake bread", "Bake cake"]
    assert {message["text"] for message in snapshot["threads"][0]["messages"]} < {
        *("Bake bread", "There is bread.", "Bake cake", "There is cake."),
    }
    done("verify", database)


@pytest.mark.spec("E67")
def test_damaged_record_is_reported_and_the_rest_is_imported(transcripts: Path, tmp_path: Path) -> None:
    broken = transcripts / f"{SESSIONS[0]}.jsonl"
    broken.write_bytes(broken.read_bytes() + b"{half\n")
    database = tmp_path / "state.db"
    output = done("import", database, "claude", "--all")
    assert output.count("imported") == 2
    assert f"{SESSIONS[0]}: left out: line 3: not JSON" in output


@pytest.mark.spec("E67")
def test_conversation_that_reads_differently_is_refused_alone(
    transcripts: Path, tmp_path: Path, workspace: Path
) -> None:
    database = tmp_path / "state.db"
    imports(database, "--all")
    changed = transcripts / f"{SESSIONS[0]}.jsonl"
    changed.write_bytes(transcript(SESSIONS[0], workspace, "Bake rolls", "There are rolls."))
    grown = transcripts / f"{SESSIONS[1]}.jsonl"
    grown.write_bytes(transcript(SESSIONS[1], workspace, "Bake cake", "There is cake.", "And icing"))
    ended = orchestrion("import", database, "claude", "--all", "--json")
    outcomes = {one["conversation"]["sessionId"]: one for one in json.loads(ended.stdout)["imports"]}
    assert ended.returncode == 1
    assert outcomes[SESSIONS[0]]["outcome"] == "refused"
    assert "reads differently" in outcomes[SESSIONS[0]]["reason"]
    assert (outcomes[SESSIONS[1]]["outcome"], outcomes[SESSIONS[1]]["added"]) == ("extended", 1)


@pytest.mark.parametrize("options", [[], ["--list", "--all"], ["--all", "--session", SESSIONS[0]]])
def test_exactly_one_choice_is_given(tmp_path: Path, options: list[str]) -> None:
    ended = orchestrion("import", tmp_path / "state.db", "claude", *options)
    assert ended.returncode == 2
    assert "give one of --list, --all and --session ID" in ended.stderr


def test_agent_without_a_list_is_a_finding(tmp_path: Path) -> None:
    ended = orchestrion("import", tmp_path / "state.db", "rehearsal", "--list")
    assert ended.returncode == 1
    assert "lacks `session/list`" in ended.stderr
