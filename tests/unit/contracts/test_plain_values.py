"""Python callers write plain values in commands; on the wire nothing may be left out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from orchestrion import InvalidCommand, ProjectCreate, ThreadCreate, ThreadTurnStart, command_json, parse_command
from orchestrion.contracts.admission import admit
from orchestrion.contracts.client_checks import client_faults

IDENTITY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_plain_values_become_the_types_of_the_contract() -> None:
    project = ProjectCreate(project_id=IDENTITY, title="Notes", workspace_root=Path("/srv/notes"), created_at=NOON)
    assert project.project_id == str(IDENTITY)
    assert project.workspace_root == "/srv/notes"
    assert project.created_at == "2026-03-01T12:00:00.000Z"
    assert list(client_faults(project)) == []
    assert admit(project, "client").command == project


def test_text_becomes_a_message_with_an_id_of_its_own() -> None:
    one, other = (ThreadTurnStart(thread_id="t1", message="Say hello.") for _ in range(2))
    assert one.message.text == "Say hello."
    assert one.message.message_id != other.message.message_id
    assert one.command_id != other.command_id


def test_what_was_left_out_is_sent_on_the_wire() -> None:
    thread = ThreadCreate(thread_id="t1", project_id="p1", title="Hours")
    sent = command_json(thread)
    assert {"commandId", "createdAt", "branch", "worktreePath"} <= set(sent)
    assert parse_command(sent) == thread


@pytest.mark.parametrize("name", ["commandId", "createdAt", "branch", "worktreePath"])
def test_wire_requires_what_python_may_leave_out(name: str) -> None:
    sent = command_json(ThreadCreate(thread_id="t1", project_id="p1", title="Hours"))
    del sent[name]
    with pytest.raises(InvalidCommand, match=f"{name}: required field is missing"):
        parse_command(sent)


def test_value_of_another_type_is_refused_under_its_field() -> None:
    thread = ThreadCreate(thread_id=7, project_id="p1", title="Hours")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InvalidCommand, match="threadId"):
        admit(thread, "client")


def test_datetime_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="add Z or"):
        ThreadTurnStart(thread_id="t1", message="hi", created_at=datetime(2026, 3, 1))
