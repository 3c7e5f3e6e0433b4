"""Errors: every one has typed fields, which a transport carries as data, and SPEC names them."""

from __future__ import annotations

import inspect
import json
import re
from typing import Final

import pytest

import orchestrion
from orchestrion.contracts import errors
from orchestrion.contracts.blobs import digest_of
from orchestrion.contracts.codec import camel_case
from orchestrion.contracts.errors import OrchestrionError
from orchestrion.contracts.ids import CommandId, ThreadId
from orchestrion.runtime.rpc import error_json
from tests.support.marks import ROOT

SAMPLES: Final[tuple[OrchestrionError, ...]] = (
    OrchestrionError("a fault"),
    errors.CommandRejected(CommandId("c1"), "a reason", duplicate=True),
    errors.CommandIdReused(CommandId("c1")),
    errors.InvalidCatalogue("agents.toml", ("agents.mine: title is missing",)),
    errors.InvalidCommand("message.text", "a fault", command_id="c1"),
    errors.InvalidRequest("limit", "a fault"),
    errors.NotFound("thread", "t1", "was deleted"),
    errors.ConcurrencyConflict("t1", 1, 2),
    errors.StoreError("a fault", path="/state.db"),
    errors.DatabaseInUse("/state.db", 1, "host", "2026-01-01T00:00:00.000Z"),
    errors.DatabaseTooNew("a fault", path="/state.db"),
    errors.ForeignDatabase("a fault", path="/state.db"),
    errors.DatabaseCorrupt("a fault", path="/state.db"),
    errors.StoreFull("a fault", path="/state.db"),
    errors.AttachmentUnreadable(digest_of(b""), "is missing", path="/state.db-blobs/e3/b0/e3b0"),
    errors.EventDecodeError(1, "thread.created", "a fault"),
    errors.ProjectionStalled("projection.threads", 1, "a fault"),
    errors.SequenceAheadOfLog(2, 1),
    errors.TurnDiffNotFound(ThreadId("t1"), 0, 1),
    errors.ProviderError("a fault", reason="rate_limited"),
    errors.ProviderUnavailable("a fault", reason="unauthenticated"),
    errors.ProviderProtocolError("a fault", reason="protocol"),
    errors.AnswerRefused("a fault", reason="protocol"),
    errors.ResumeRefused("a fault", reason="refused"),
    errors.SessionLost("a fault", reason="agent_crashed"),
    errors.WorkspaceUnusable("a fault", reason="workspace"),
    errors.RuntimeStopped("a fault"),
    errors.Overloaded(items=1, size=2, waiting=3, command_id=CommandId("c1")),
    errors.RuntimeFailed("a fault"),
)
NO_FIELDS: Final = {"self", "message", "args", "kwargs"}
"""Parameters that are no fields: the error's text is carried as `message`."""
ROW: Final = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| ([^|]*)\|$", re.MULTILINE)


def fields_in_spec() -> dict[str, set[str]]:
    """SPEC's table of errors: the fields by code."""
    table = (
        (ROOT / "SPEC.md").read_text(encoding="utf-8").partition("| code | at fault | `data` |")[2].partition("\n\n")[0]
    )
    return {
        code: set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", fields)))
        for codes, fields in ROW.findall(table)
        for code in re.findall(r"`(\w+)`", codes)
    }


def test_every_error_has_a_sample_and_is_public() -> None:
    defined = {
        value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert {type(sample) for sample in SAMPLES} == defined
    assert {one.__name__ for one in defined} == set(errors.__all__)
    assert set(errors.__all__) <= set(orchestrion.__all__)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_error_is_json_with_its_typed_fields(error: OrchestrionError) -> None:
    found = json.loads(json.dumps(error_json(error)))
    parameters = set(inspect.signature(type(error).__init__).parameters) - NO_FIELDS
    assert (found["code"], found["message"]) == (type(error).__name__, str(error))
    assert found["data"].keys() >= {camel_case(name) for name in parameters}
    assert None not in found["data"].values() or isinstance(error, errors.EventDecodeError | errors.ProjectionStalled)


def test_spec_names_the_fields_of_errors() -> None:
    data = {type(sample).__name__: set(error_json(sample)["data"]) for sample in SAMPLES}
    in_spec = fields_in_spec()
    assert in_spec.keys() >= {"InvalidCommand", "NotFound", "Overloaded", "RuntimeStopped", "StoreError"}
    assert {code: data[code] for code in in_spec} == in_spec
