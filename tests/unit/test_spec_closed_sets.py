"""SPEC lists every closed set of the contracts with exactly its values, and every type of command and event."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Final, Literal, get_args, get_origin

import pytest

from orchestrion.actors.checkpoints.database_refs import Standing
from orchestrion.actors.checkpoints.git.skipped import SkipReason
from orchestrion.contracts import provider_events, read_model, values
from orchestrion.contracts.commands import CLIENT_COMMANDS, INTERNAL_COMMANDS
from orchestrion.contracts.events import EVENT_PAYLOADS
from tests.support.marks import ROOT

SPEC: Final = (ROOT / "SPEC.md").read_text(encoding="utf-8")

NAMED: Final[dict[str, Any]] = {
    "aggregate kind": values.AggregateKind,
    "actor kind": values.ActorKind,
    "receipt status": values.ReceiptStatus,
    "runtime status": values.SessionRuntimeStatus,
    "role": values.MessageRole,
    "tone": values.Tone,
    "session status": values.SessionStatus,
    "turn status": values.TurnStatus,
    "checkpoint status": values.CheckpointStatus,
    "approval status": values.ApprovalStatus,
    "decision": values.ApprovalDecision,
    "script icon": values.ScriptIcon,
    "file change": values.FileChangeKind,
    "attachment type": values.AttachmentType,
    "turn origin": values.TurnOrigin,
    "option kind": values.ApprovalOptionKind,
    "failure reason": values.FailureReason,
    "approval kind": provider_events.ApprovalKind,
    "request kind": provider_events.RequestKind,
    "turn outcome": provider_events.TurnOutcome,
    "notice kind": provider_events.NoticeKind,
    "snapshot detail": read_model.SnapshotDetail,
    "skip reason": SkipReason,
    "capture standing": Standing,
}


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    text = SPEC.partition(f"\n### {title}\n")[2]
    assert text, f"SPEC has no section {title}"
    return text.partition("\n### ")[0].partition("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """The text in code style in the first cell of each row."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def listed_enums() -> dict[str, list[str]]:
    table = section("6.1 Scalars").partition("| enum | values |\n|---|---|\n")[2].partition("\n\n")[0]
    rows = (line.strip("|").split("|") for line in table.splitlines())
    return {name.strip(): re.findall(r"`([^`]+)`", cell) for name, cell in rows}


def closed_sets_of(modules: Iterable[ModuleType]) -> list[Any]:
    return [
        value
        for module in modules
        for value in vars(module).values()
        if get_origin(value) is Literal and len(get_args(value)) > 1
    ]


@pytest.mark.lesson("L94")
def test_spec_lists_the_values_of_every_enum_in_order() -> None:
    assert listed_enums() == {name: list(get_args(kind)) for name, kind in NAMED.items()}


@pytest.mark.lesson("L94")
def test_every_closed_set_of_the_contracts_has_a_name_in_spec() -> None:
    found = closed_sets_of([values, provider_events, read_model])
    assert found
    assert [one for one in found if one not in NAMED.values()] == []


def test_spec_lists_the_types_of_commands_and_events() -> None:
    assert first_cells(section("2.1 Client commands")) == [one.type for one in CLIENT_COMMANDS]
    assert first_cells(section("2.2 Internal commands")) == [one.type for one in INTERNAL_COMMANDS]
    assert first_cells(section("6.4 Event payloads")) == [one.event_type for one in EVENT_PAYLOADS]
