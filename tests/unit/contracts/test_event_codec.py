"""The persisted form: strict on write, lenient on read; an event that does not decode is returned undecoded."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given

from orchestrion.contracts.event_codec import EventRow, decode_event, encode_event, event_json
from orchestrion.contracts.events import (
    EVENT_PAYLOADS,
    EventMetadata,
    PersistedEvent,
    ProjectDeleted,
    UndecodableEvent,
)
from orchestrion.contracts.ids import EventId, ProjectId, ProviderSessionId
from orchestrion.contracts.values import Instant, Label
from orchestrion.testing.given import given as given_steps
from tests.support.builders import at, project_create, session_set, thread_create, turn_start
from tests.support.strategies import persisted_events


def _event() -> PersistedEvent:
    thread = given_steps(project_create("p1"), thread_create("t1"), turn_start("t1"))
    return thread.when(session_set("running", active_turn_id="turn-1")).event


def _row(**changes: Any) -> EventRow:
    return encode_event(_event())._replace(**changes)


@pytest.mark.spec("E1")
@given(persisted_events())
def test_every_event_comes_back_from_its_row(event: PersistedEvent) -> None:
    assert decode_event(encode_event(event)) == event


@pytest.mark.spec("E4")
def test_the_eighteen_event_types() -> None:
    assert sorted(payload.event_type for payload in EVENT_PAYLOADS) == sorted(
        [
            "project.created",
            "project.meta-updated",
            "project.deleted",
            "thread.created",
            "thread.meta-updated",
            "thread.deleted",
            "thread.message-sent",
            "thread.turn-start-requested",
            "thread.turn-steer-requested",
            "thread.queue-updated",
            "thread.turn-interrupt-requested",
            "thread.approval-response-requested",
            "thread.checkpoint-revert-requested",
            "thread.reverted",
            "thread.session-stop-requested",
            "thread.session-set",
            "thread.turn-diff-completed",
            "thread.activity-appended",
        ]
    )


@pytest.mark.spec("E1", "E11")
def test_the_stored_json_is_camel_case() -> None:
    row = _row()
    payload = orjson.loads(row.payload_json)
    assert payload["turn"] == {"turnCount": 1, "userMessageId": "m1", "startedAt": at(0)}
    assert set(payload) == {"threadId", "session", "turn", "createdAt"}
    assert set(orjson.loads(row.metadata_json)) == {"commandFingerprint"}


@pytest.mark.spec("E11")
def test_empty_metadata_is_an_empty_object() -> None:
    row = encode_event(attrs.evolve(_event(), metadata=EventMetadata()))
    assert row.metadata_json == "{}"
    decoded = decode_event(row)
    assert isinstance(decoded, PersistedEvent)
    assert decoded.metadata == EventMetadata()


@pytest.mark.spec("E11")
def test_metadata_has_these_fields_and_no_others() -> None:
    fields: dict[str, Any] = {field.name: "x" for field in attrs.fields(EventMetadata)}
    full = EventMetadata(**{**fields, "ingested_at": at(1)})
    stored = orjson.loads(encode_event(attrs.evolve(_event(), metadata=full)).metadata_json)
    assert set(stored) == {
        "providerSessionId",
        "providerThreadId",
        "providerTurnId",
        "providerItemId",
        "adapterKey",
        "requestId",
        "ingestedAt",
        "commandFingerprint",
    }


DELETED = ProjectDeleted(project_id=ProjectId("p1"), deleted_at=at(1))


@pytest.mark.spec("E4")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"payload": DELETED}, "project.deleted"),
        ({"event_type": "project.deleted", "payload": attrs.evolve(DELETED, project_id=ProjectId(""))}, "projectId"),
        (
            {"event_type": "project.deleted", "payload": attrs.evolve(DELETED, deleted_at=Instant("soon"))},
            "deletedAt",
        ),
        ({"metadata": EventMetadata(provider_session_id=ProviderSessionId("a\nb"))}, "providerSessionId"),
        ({"metadata": EventMetadata(adapter_key=Label(""))}, "adapterKey"),
    ],
    ids=["another type's payload", "id", "instant", "metadata id", "metadata label"],
)
def test_payload_that_breaks_its_schema_is_not_written(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        encode_event(attrs.evolve(_event(), **changes))


@pytest.mark.spec("E5")
def test_unknown_fields_are_set_aside() -> None:
    row = _row()
    payload = orjson.loads(row.payload_json)
    payload["addedLater"] = 1
    payload["session"]["addedLater"] = {"x": 1}
    grown = row._replace(
        payload_json=orjson.dumps(payload).decode(),
        metadata_json=orjson.dumps({**orjson.loads(row.metadata_json), "addedLater": 1}).decode(),
    )
    assert grown != row
    assert decode_event(grown) == decode_event(row)
    assert isinstance(decode_event(row), PersistedEvent)


@pytest.mark.spec("E6")
def test_an_unknown_type_is_handed_out_undecoded() -> None:
    row = _row(event_type="thread.teleported", payload_json='{"to":"mars"}')
    event = decode_event(row)
    assert isinstance(event, UndecodableEvent)
    assert not event.known
    assert (event.sequence, event.event_type, event.payload_json) == (
        row.sequence,
        "thread.teleported",
        '{"to":"mars"}',
    )


@pytest.mark.spec("E7")
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"payload_json": "{"}, ""),
        ({"payload_json": "null"}, "object"),
        ({"payload_json": "[]"}, "object"),
        ({"payload_json": "{}"}, "threadId"),
        ({"payload_json": '{"threadId":"t1","session":{},"createdAt":"2026-01-01T00:00:00.000Z"}'}, "session"),
        ({"metadata_json": "null"}, "object"),
        ({"metadata_json": '{"ingestedAt":"soon"}'}, "ingestedAt"),
        ({"metadata_json": ""}, ""),
    ],
)
def test_a_known_type_that_does_not_decode_is_handed_out_with_its_fault(changes: dict[str, str], named: str) -> None:
    row = _row(**changes)
    event = decode_event(row)
    assert isinstance(event, UndecodableEvent)
    assert event.known
    assert event.fault
    assert named in event.fault
    assert EventRow(*(getattr(event, name) for name in EventRow._fields)) == row


@pytest.mark.spec("E7")
def test_a_decode_error_names_sequence_type_and_fault() -> None:
    event = decode_event(_row(payload_json="{}"))
    assert isinstance(event, UndecodableEvent)
    message = str(event.error)
    assert str(event.sequence) in message
    assert "thread.session-set" in message
    assert event.fault in message


@pytest.mark.spec("E1")
def test_the_wire_form_of_an_event_has_the_whole_envelope() -> None:
    wire = event_json(attrs.evolve(_event(), correlation_id=None, causation_event_id=EventId("event-4")))
    assert set(wire) == {
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
    assert (wire["correlationId"], wire["causationEventId"]) == (None, "event-4")
    assert wire["payload"]["session"]["activeTurnId"] == "turn-1"


def test_the_wire_form_of_an_undecodable_event_keeps_its_raw_row() -> None:
    wire = event_json(decode_event(_row(payload_json="{}")))
    assert (wire["payloadJson"], wire["known"], wire["sequence"]) == ("{}", True, 5)
    assert wire["fault"]
