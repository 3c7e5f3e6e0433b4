"""The persisted form of events: payload and metadata as JSON text, the payload's schema chosen by `event_type`."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import orjson

from .codec import read_leniently, read_strictly, to_json
from .errors import InvalidCommand
from .events import (
    EVENT_PAYLOADS,
    NO_METADATA,
    EventMetadata,
    EventPayload,
    LoggedEvent,
    PersistedEvent,
    UndecodableEvent,
)
from .ids import CommandId, EventId
from .values import ActorKind, AggregateKind, Instant

_PAYLOADS: Final[dict[str, type[EventPayload]]] = {payload.event_type: payload for payload in EVENT_PAYLOADS}


class EventRow(NamedTuple):
    """A row of `orchestration_events`, columns in the table's order."""

    sequence: int
    event_id: str
    aggregate_kind: str
    stream_id: str
    stream_version: int
    event_type: str
    occurred_at: str
    command_id: str | None
    causation_event_id: str | None
    correlation_id: str | None
    actor_kind: str
    payload_json: str
    metadata_json: str


def encode_event(event: PersistedEvent) -> EventRow:
    """The row of an event.

    Raises:
        ValueError: the payload is another type's, or payload or metadata does not fit its schema.
    """
    if event.payload.event_type != event.event_type:
        raise ValueError(f"event {event.sequence} is {event.event_type}, its payload {event.payload.event_type}")
    return EventRow(
        event.sequence,
        event.event_id,
        event.aggregate_kind,
        event.stream_id,
        event.stream_version,
        event.event_type,
        event.occurred_at,
        event.command_id,
        event.causation_event_id,
        event.correlation_id,
        event.actor_kind,
        _strict_json(event, event.payload),
        "{}" if event.metadata == NO_METADATA else _strict_json(event, event.metadata),
    )


def decode_event(row: EventRow) -> LoggedEvent:
    """The event of a row; an `UndecodableEvent` where its type is unknown or its payload is at fault."""
    payload_class = _PAYLOADS.get(row.event_type)
    if payload_class is None:
        return _undecodable(row, known=False, fault="this version does not know the event type")
    try:
        payload = read_leniently(orjson.loads(row.payload_json), payload_class)
        metadata = (
            NO_METADATA if row.metadata_json == "{}" else read_leniently(orjson.loads(row.metadata_json), EventMetadata)
        )
    except ValueError as error:
        return _undecodable(row, known=True, fault=str(error))
    return PersistedEvent(
        sequence=row.sequence,
        event_id=EventId(row.event_id),
        aggregate_kind=cast("AggregateKind", row.aggregate_kind),
        stream_id=row.stream_id,
        stream_version=row.stream_version,
        event_type=row.event_type,
        occurred_at=Instant(row.occurred_at),
        command_id=None if row.command_id is None else CommandId(row.command_id),
        causation_event_id=None if row.causation_event_id is None else EventId(row.causation_event_id),
        correlation_id=None if row.correlation_id is None else CommandId(row.correlation_id),
        actor_kind=cast("ActorKind", row.actor_kind),
        payload=payload,
        metadata=metadata,
    )


def event_json(event: LoggedEvent) -> dict[str, Any]:
    """The persisted envelope in wire form; an undecodable event keeps its raw payload and names its fault."""
    envelope: dict[str, Any] = to_json(event)
    return envelope


def _strict_json(event: PersistedEvent, part: EventPayload | EventMetadata) -> str:
    content = to_json(part)
    try:
        read_strictly(content, type(part))
    except InvalidCommand as error:
        raise ValueError(f"event {event.sequence} ({event.event_type}) is not fit to be written: {error}") from None
    return orjson.dumps(content).decode()


def _undecodable(row: EventRow, *, known: bool, fault: str) -> UndecodableEvent:
    return UndecodableEvent(**row._asdict(), known=known, fault=fault)
