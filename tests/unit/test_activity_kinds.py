"""SPEC's table of activities has every kind that the code writes, with the fields that ingestion gives each payload."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, get_args

import pytest

from orchestrion.contracts import provider_events as events
from orchestrion.contracts.commands import ThreadActivityAppend
from orchestrion.contracts.ids import (
    ApprovalRequestId,
    CheckpointRef,
    ProviderItemId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.provider_events import ProviderRuntimeEvent
from orchestrion.contracts.values import Count, Label
from orchestrion.domain.ingest import ingest
from orchestrion.domain.session_commands import IngestState
from tests.support.builders import at
from tests.support.marks import ROOT

pytestmark = pytest.mark.spec("E114")

FOLDERS: Final = ("orchestrion/domain", "actors/log", "actors/sessions", "actors/checkpoints")
"""Where activities are written."""

_KIND: Final = re.compile(r"[a-z]+(\.[a-z]+)+")
_ROW: Final = re.compile(r"^\| `([a-z.]+)` \| (.*) \| (.*) \|$", re.MULTILINE)
_FIELD: Final = re.compile(r"`(\w+)(?:\[\])?`(\?)?")
_WRITERS: Final = re.compile(r"note|activity|line", re.IGNORECASE)
ITEM: Final = ProviderItemId("item-1")
REQUEST: Final = ApprovalRequestId("request-1")
RUNNING: Final = IngestState(
    thread_id=ThreadId("t1"),
    provider_session_id=ProviderSessionId("s1"),
    provider_name=Label("agent"),
    adapter_key=Label("acp"),
    turn_id=TurnId("turn-1"),
)


def table() -> dict[str, tuple[str, str]]:
    """The payload and the writer of each kind, as SPEC has them."""
    text = (ROOT / "SPEC.md").read_text(encoding="utf-8")
    rows = _ROW.findall(text.partition("<!-- activities by kind -->")[2].partition("\n\n")[0])
    return {kind: (payload, writer) for kind, payload, writer in rows}


def kinds_in(tree: ast.AST) -> Iterator[object]:
    """The kinds that a module writes: its constants, and what it passes as a kind."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(annotation=ast.Name(id="Final"), value=ast.Constant(value=str(text))):
                yield text
            case ast.keyword(arg="kind", value=ast.Constant(value=str(text))):
                yield text
            case ast.Assign(targets=[target], value=value) if "kind" in ast.unparse(target):
                yield from (one.value for one in ast.walk(value) if isinstance(one, ast.Constant))
            case ast.Call(func=func, args=arguments) if _WRITERS.search(ast.unparse(func)):
                yield from (one.value for one in arguments if isinstance(one, ast.Constant))


def written_kinds() -> set[str]:
    modules = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    found = {
        kind for path in modules for kind in kinds_in(ast.parse(path.read_text(encoding="utf-8"))) if kind is not None
    }
    return {kind for kind in found if isinstance(kind, str) and _KIND.fullmatch(kind)}


def test_table_has_each_kind_that_is_written_and_no_other() -> None:
    assert sorted(table()) == sorted(set(table()))
    assert written_kinds() | {"frames.ignored"} == set(table())


EXAMPLES: Final[tuple[ProviderRuntimeEvent, ...]] = (
    events.SessionStarted(),
    events.ThreadStarted(provider_thread_id=ProviderThreadId("theirs")),
    events.TurnStarted(),
    events.MessageDelta(item=ITEM, text="x"),
    events.MessageCompleted(item=ITEM),
    events.ToolStarted(item=ITEM, title="ls", detail={"command": "ls"}),
    events.ToolUpdated(item=ITEM, title="ls"),
    events.ToolCompleted(item=ITEM, title="ls"),
    events.AttachmentProduced(item=ITEM, media_type="image/png", content=b"x"),
    events.SubagentStarted(item=ITEM, title="Explore"),
    events.SubagentMessage(item=ITEM, text="x"),
    events.SubagentCompleted(item=ITEM),
    events.PlanUpdated(summary="plan", detail={"entries": []}),
    events.ReasoningCompleted(text="hm"),
    events.ApprovalRequested(request=REQUEST, kind="command", summary="ls"),
    events.QuestionRequested(request=REQUEST, summary="which?", questions=()),
    events.ApprovalResolved(request=REQUEST, decision="accept"),
    events.TurnCompleted(outcome="failed", error="no"),
    events.CheckpointCaptured(
        turn_id=TurnId("turn-1"),
        turn_count=Count(1),
        ref=CheckpointRef("ref"),
        status="ready",
        files=(),
        summary="captured",
    ),
    events.RuntimeErrorReported(message="no"),
    events.SessionNotice(kind="session.notice", summary="notice"),
    events.SessionNotice(kind="frames.ignored", summary="ignored", detail={"kinds": {}, "known": {}}),
    events.SessionInfoUpdated(title="Fix"),
    events.UsageUpdated(input_tokens=1),
    events.SessionExited(asked=False),
)


def test_every_provider_event_has_an_example() -> None:
    assert {type(event) for event in EXAMPLES} == set(get_args(ProviderRuntimeEvent))


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_ingested_payloads_have_the_fields_of_the_table(event: ProviderRuntimeEvent) -> None:
    _, commands = ingest(RUNNING, event, at(7))
    rows = table()
    for command in (one.command for one in commands if isinstance(one.command, ThreadActivityAppend)):
        payload, writer = rows[command.activity.kind]
        assert "ingestion" in writer or command.activity.kind == "checkpoint.captured"
        fields = _FIELD.findall(re.sub(r"\{[^}]*\}", "", payload.partition(";")[0]))
        assert {name for name, optional in fields if not optional} <= set(command.activity.payload)
        if "the agent's detail" not in payload:
            assert set(command.activity.payload) <= {name for name, _ in fields}
