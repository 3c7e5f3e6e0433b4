"""Values to JSON and back: strict in, lenient from the log, instants normalised."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrion.contracts.admission import command_json, parse_command
from orchestrion.contracts.codec import camel_case, dump_json, read_leniently, read_strictly, to_json
from orchestrion.contracts.commands import Command
from orchestrion.contracts.errors import InvalidCommand
from orchestrion.contracts.events import (
    EventMetadata,
    EventPayload,
    ProjectDeleted,
    ThreadSessionSetEvent,
)
from orchestrion.contracts.ids import ProviderSessionId, identifier_fault
from orchestrion.contracts.values import UNSET, Activity, Session, instant, normalised_instant
from tests.support.builders import activity, at, project_meta_update, session, session_set
from tests.support.strategies import commands, identifiers, payloads


@pytest.mark.parametrize(
    ("snake", "camel"), [("title", "title"), ("workspace_root", "workspaceRoot"), ("last_error", "lastError")]
)
def test_names_are_camel_case_on_the_wire(snake: str, camel: str) -> None:
    assert camel_case(snake) == camel


@given(commands())
def test_every_command_comes_back_from_its_wire_form(command: Command) -> None:
    text = orjson.dumps(command_json(command))
    assert parse_command(orjson.loads(text)) == command


@given(payloads())
def test_every_payload_comes_back_from_its_json(payload: EventPayload) -> None:
    stored = orjson.loads(dump_json(payload))
    assert read_strictly(stored, type(payload)) == payload
    assert read_leniently(stored, type(payload)) == payload


@given(payloads())
def test_every_payload_comes_back_from_a_newer_versions_json(payload: EventPayload) -> None:
    assert read_leniently(_with_unknown_fields(to_json(payload)), type(payload)) == payload


_FREE = ("payload", "answers")


def _with_unknown_fields(data: dict[str, Any]) -> dict[str, Any]:
    """Objects of a known schema with a field from the future; free-form ones stay as they are."""
    grown = {
        name: _with_unknown_fields(value) if isinstance(value, dict) and name not in _FREE else value
        for name, value in data.items()
    }
    return {**grown, "addedLater": {"any": [1, "thing"]}}


def test_absent_fields_are_left_out_and_null_ones_are_not() -> None:
    assert set(to_json(project_meta_update("p1"))) == {"commandId", "projectId"}
    cleared = to_json(project_meta_update("p1", default_model=None))
    assert cleared["defaultModel"] is None
    assert "title" not in cleared


def test_a_nullable_field_is_written_as_null() -> None:
    assert to_json(session("ready", last_error=None))["lastError"] is None


@pytest.mark.spec("E11")
def test_metadata_leaves_out_unknown_fields() -> None:
    assert to_json(EventMetadata()) == {}
    assert to_json(EventMetadata(provider_session_id=ProviderSessionId("s1"))) == {"providerSessionId": "s1"}


def test_lists_are_tuples_in_values() -> None:
    update = read_strictly({"commandId": "c", "projectId": "p", "scripts": []}, type(project_meta_update()))
    assert update.scripts == ()
    assert update.title is UNSET


def test_strict_read_refuses_fields_that_a_lenient_one_drops() -> None:
    stored = {"projectId": "p1", "deletedAt": at(1), "addedLater": 1}
    assert read_leniently(stored, ProjectDeleted) == ProjectDeleted(
        project_id=read_strictly({"projectId": "p1", "deletedAt": at(1)}, ProjectDeleted).project_id, deleted_at=at(1)
    )
    with pytest.raises(InvalidCommand, match="addedLater"):
        read_strictly(stored, ProjectDeleted)


def test_a_lenient_read_names_the_fault_and_no_unknown_fields() -> None:
    stored = to_json(session_set("ready"))
    del stored["commandId"]
    stored["session"]["addedLater"] = 1
    stored["createdAt"] = "yesterday"
    with pytest.raises(ValueError, match="createdAt") as caught:
        read_leniently(stored, ThreadSessionSetEvent)
    assert "addedLater" not in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "text", 5, True])
def test_a_class_is_read_from_an_object(data: object) -> None:
    with pytest.raises(InvalidCommand, match="expected an object"):
        read_strictly(data, Session)
    with pytest.raises(ValueError, match="expected an object"):
        read_leniently(data, Session)


def _nested(levels: int) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for _ in range(levels):
        payload = {"in": payload}
    return payload


@pytest.mark.parametrize(
    "payload",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 2**63},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": {1, 2}},
        {"a": b"bytes"},
        {1: "a"},
        _nested(65),
        [],
        None,
    ],
    ids=[
        "nan",
        "infinity",
        "65 bits",
        "surrogate",
        "surrogate key",
        "set",
        "bytes",
        "number key",
        "deep",
        "[]",
        "null",
    ],
)
def test_values_without_a_json_form_are_refused(payload: object) -> None:
    with pytest.raises(InvalidCommand, match="payload"):
        read_strictly({**to_json(activity()), "payload": payload}, Activity)


@pytest.mark.parametrize("payload", [{}, {"a": None, "b": [1, 2.5, "…", {}]}, {"a": 2**63 - 1}, _nested(64)])
def test_json_values_are_kept(payload: dict[str, Any]) -> None:
    assert read_strictly({**to_json(activity()), "payload": payload}, Activity).payload == payload


@pytest.mark.spec("E17")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000Z"),
        ("2025-12-31T19:30:00.5-04:30", "2026-01-01T00:00:00.500Z"),
        ("2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00.123Z"),
        ("2026-01-01T00:00:00.9999999+00:00", "2026-01-01T00:00:00.999Z"),
        ("2026-01-01 00:00Z", "2026-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
    ],
)
def test_instants_are_normalised_to_utc_milliseconds(text: str, expected: str) -> None:
    assert normalised_instant(text) == expected


@pytest.mark.spec("E17")
@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00",
        "2026-01-01",
        "2026-01-01T00:00:00.000",
        "2026-02-30T00:00:00.000Z",
        "2026-01-01T25:00:00.000Z",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:00:00-05:00",
        "yesterday",
        "",
    ],
)
def test_text_that_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        normalised_instant(text)


@pytest.mark.spec("E17")
def test_midnight_at_a_days_end_never_stays_as_hour_24() -> None:
    try:
        normalised = normalised_instant("2026-01-01T24:00:00.000Z")
    except ValueError:  # Python before 3.14 does not read it
        return
    assert normalised == "2026-01-02T00:00:00.000Z"


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),
    st.integers(-23 * 60, 23 * 60),
)
def test_every_instant_sorts_as_text_and_is_stable(moment: datetime, offset: int) -> None:
    local = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset)))
    text = normalised_instant(local.isoformat())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert text == instant(moment.replace(tzinfo=UTC))
    assert normalised_instant(text) == text


def test_a_naive_datetime_is_no_instant() -> None:
    with pytest.raises(ValueError, match="offset"):
        instant(datetime(2026, 1, 1))


@given(identifiers)
def test_text_without_control_characters_is_an_identifier(text: str) -> None:
    assert identifier_fault(text) is None


@pytest.mark.spec("E21")
@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "\x00", "a\x7f", "a\x85", "\x1f"])
def test_an_identifier_is_bounded_and_has_no_control_characters(text: str) -> None:
    assert identifier_fault(text) is not None


@pytest.mark.spec("E21")
@pytest.mark.parametrize("text", ["x", "x" * 200, "ключ", "a b", "a\u200bb", "\U0001f3b5" * 200])
def test_an_identifier_may_be_any_other_text(text: str) -> None:
    assert identifier_fault(text) is None
