"""Transcripts of Claude Code as files: which conversation they hold, what is damaged, what is hostile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrion.actors.providers.claude.transcripts import list_transcripts, read_transcript, transcripts_directory
from orchestrion.contracts.conversations import ConversationHistory, ListedConversation, PastActivity, PastMessage
from orchestrion.contracts.provider_events import SessionNotice, ToolCompleted

SESSION: Final = "bd36e3a3-75cc-4555-835b-74be2fd97c83"


def entry(uuid: str, parent: str | None, kind: str, content: Any = "", **fields: Any) -> dict[str, Any]:
    return {
        "parentUuid": parent,
        "isSidechain": False,
        "cwd": "/bakery",
        "sessionId": SESSION,
        "type": kind,
        "message": {"role": kind, "content": content},
        "uuid": uuid,
        "timestamp": "2026-03-01T09:00:00.000Z",
        **fields,
    }


def use(tool: str, command: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": tool, "name": "Bash", "input": {"command": command}}


def result(tool: str, output: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": tool, "content": output}


def write(root: Path, *lines: dict[str, Any] | bytes, session: str = SESSION) -> Path:
    directory = root / "-bakery"
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{session}.jsonl"
    file.write_bytes(b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines))
    return file


def read(root: Path) -> ConversationHistory:
    (listed,) = list_transcripts(root, None)
    history = read_transcript(root, listed)
    assert history is not None
    return history


def said(root: Path) -> list[tuple[str, str]]:
    return [(item.role, item.text) for item in read(root).items if isinstance(item, PastMessage)]


CONVERSATION: Final = (
    {"type": "summary", "summary": "Bread", "leafUuid": "b"},
    entry("a", None, "user", "Bake bread"),
    entry("b", "a", "assistant", [{"type": "text", "text": "I look."}, use("t1", "ls")]),
    entry("c", "b", "user", [result("t1", "flour")]),
    entry("d", "c", "assistant", [{"type": "text", "text": "There is flour."}]),
)


def test_messages_and_tools_are_read_in_order_with_their_instants(tmp_path: Path) -> None:
    write(tmp_path, *CONVERSATION)
    user, answer, tool, last = read(tmp_path).items
    assert user == PastMessage(role="user", text="Bake bread", at="2026-03-01T09:00:00.000Z")  # type: ignore[arg-type]  # an instant
    assert isinstance(tool, PastActivity)
    assert isinstance(tool.event, ToolCompleted)
    assert (tool.event.title, tool.event.detail["output"]) == ("Bash: ls", "flour")
    assert [one.text for one in (answer, last) if isinstance(one, PastMessage)] == ["I look.", "There is flour."]
    assert read(tmp_path).cursor == {"sessionId": SESSION}


def test_list_has_directory_title_and_instants(tmp_path: Path) -> None:
    write(tmp_path, *CONVERSATION)
    (listed,) = list_transcripts(tmp_path, Path("/bakery"))
    assert (listed.session_id, listed.directory, listed.title) == (SESSION, "/bakery", "Bake bread")
    assert listed.created_at == "2026-03-01T09:00:00.000Z"
    assert list_transcripts(tmp_path, Path("/elsewhere")) == ()
    assert list_transcripts(tmp_path / "none", None) == ()


def test_branch_that_was_left_is_not_part_of_the_conversation(tmp_path: Path) -> None:
    retaken = entry("e", "a", "assistant", [{"type": "text", "text": "No flour needed."}])
    write(tmp_path, *CONVERSATION, retaken)
    assert said(tmp_path) == [("user", "Bake bread"), ("assistant", "No flour needed.")]


def test_results_of_parallel_tools_are_all_there(tmp_path: Path) -> None:
    write(
        tmp_path,
        entry("a", None, "user", "Look twice"),
        entry("b", "a", "assistant", [use("t1", "ls")], message={"id": "msg", "content": [use("t1", "ls")]}),
        entry("c", "b", "assistant", message={"id": "msg", "content": [use("t2", "pwd")]}),
        entry("d", "b", "user", [result("t1", "flour")]),
        entry("e", "c", "user", [result("t2", "/bakery")]),
        entry("f", "e", "assistant", [{"type": "text", "text": "Seen."}]),
    )
    tools = [item.event for item in read(tmp_path).items if isinstance(item, PastActivity)]
    assert [one.detail["output"] for one in tools if isinstance(one, ToolCompleted)] == ["flour", "/bakery"]


def test_compacted_conversation_is_whole_and_the_summary_is_no_message(tmp_path: Path) -> None:
    write(
        tmp_path,
        *CONVERSATION,
        entry("e", None, "system", subtype="compact_boundary", logicalParentUuid="d"),
        entry("f", "e", "user", "This session is continued from …", isCompactSummary=True),
        entry("g", "f", "user", "And now?"),
    )
    assert said(tmp_path)[0] == ("user", "Bake bread")
    assert said(tmp_path)[-1] == ("user", "And now?")
    assert len(said(tmp_path)) == 4
    notices = [item.event for item in read(tmp_path).items if isinstance(item, PastActivity)]
    assert any(isinstance(one, SessionNotice) and "compacted" in one.summary for one in notices)


@pytest.mark.parametrize(
    "line",
    [
        entry("x", "d", "user", "Caveat: the rest is the shell's", isMeta=True),
        entry("x", "d", "user", "<command-name>/clear</command-name>"),
        entry("x", "d", "user", "<local-command-stdout>ok</local-command-stdout>"),
        entry("x", "d", "user", [{"type": "text", "text": "[Request interrupted by user]"}]),
        entry("x", "d", "assistant", [{"type": "text", "text": "of a subagent"}], isSidechain=True),
        entry("x", "d", "attachment"),
    ],
)
def test_what_is_not_said_by_user_or_agent_is_no_message(tmp_path: Path, line: dict[str, Any]) -> None:
    write(tmp_path, *CONVERSATION, line)
    assert len(said(tmp_path)) == 3


@pytest.mark.spec("E67")
def test_line_that_cannot_be_read_is_reported_and_left_out(tmp_path: Path) -> None:
    broken = (b"{half", b"[1, 2]", b"\xff\xfe\x00", b"null", b'"text"', b"{" * 2000)
    write(tmp_path, *CONVERSATION[:3], *broken, *CONVERSATION[3:])
    history = read(tmp_path)
    assert [fault.partition(":")[0] for fault in history.faults] == [f"line {number}" for number in range(4, 10)]
    assert len(said(tmp_path)) == 3


@pytest.mark.spec("E67")
def test_line_without_its_end_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, *CONVERSATION)
    file.write_bytes(file.read_bytes().removesuffix(b"\n"))
    assert said(tmp_path)[-1] == ("assistant", "There is flour.")
    file.write_bytes(file.read_bytes()[:-9])
    assert said(tmp_path)[-1] == ("assistant", "I look.")
    assert len(read(tmp_path).faults) == 1


@pytest.mark.spec("E67")
def test_hostile_entries_break_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        *CONVERSATION,
        entry("e", "e", "user", "its own parent"),
        entry("f", "g", "user", {"not": "a list"}, timestamp={"no": "instant"}),
        entry("g", "f", "assistant", [None, 5, "text", {"type": "tool_use", "id": 7, "name": None, "input": []}]),
        {**entry("h", "g", "user"), "message": 7},
        entry("i", "d", "assistant", [{"type": "text", "text": "Done."}], timestamp="9999-99-99"),
    )
    assert said(tmp_path)[-1] == ("assistant", "Done.")


@pytest.mark.spec("E67")
def test_many_damaged_lines_are_counted(tmp_path: Path) -> None:
    write(tmp_path, *CONVERSATION, *[b"{half"] * 500)
    history = read(tmp_path)
    assert history.faults[-1] == "480 more"
    assert len(history.faults) == 21


def test_files_that_are_no_conversations_are_not_listed(tmp_path: Path) -> None:
    write(tmp_path, *CONVERSATION, session="not-a-session")
    write(tmp_path, {"type": "summary", "summary": "nothing"}, session="00000000-0000-4000-8000-000000000001")
    write(tmp_path, entry("a", None, "user", "hi", cwd="relative"), session="00000000-0000-4000-8000-000000000002")
    (tmp_path / "-bakery" / "00000000-0000-4000-8000-000000000003.jsonl").mkdir()
    assert list_transcripts(tmp_path, None) == ()


def test_transcript_that_is_gone_is_none(tmp_path: Path) -> None:
    listed = ListedConversation(session_id=SESSION, directory="/bakery")  # type: ignore[arg-type]  # the agent's id
    assert read_transcript(tmp_path, listed) is None


def test_directory_is_that_of_the_agents_environment() -> None:
    assert transcripts_directory({"CLAUDE_CONFIG_DIR": "/c", "HOME": "/h"}) == Path("/c/projects")
    assert transcripts_directory({"HOME": "/h"}) == Path("/h/.claude/projects")
