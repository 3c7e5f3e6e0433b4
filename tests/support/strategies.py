"""Hypothesis strategies for the contract's values, built from their attrs classes: any value that may be written."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from orchestrion.contracts.commands import CLIENT_COMMANDS, INTERNAL_COMMANDS, Command
from orchestrion.contracts.events import EVENT_PAYLOADS, EventMetadata, EventPayload, PersistedEvent
from orchestrion.contracts.ids import IDENTIFIERS, MAX_IDENTIFIER_LENGTH, CommandId, EventId
from orchestrion.contracts.values import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENT_NAME,
    UNSET,
    Answers,
    AttachmentName,
    AttachmentSize,
    Count,
    DataUrl,
    Digest,
    Instant,
    JsonObject,
    Label,
    MediaType,
    MessageText,
    Unset,
    instant,
)

T = TypeVar("T")

_MAX_JSON_INTEGER: Final = 2**63 - 1

_characters: Final = st.characters(codec="utf-8")
texts: Final = st.text(_characters, max_size=30)
labels: Final = st.text(_characters, min_size=1, max_size=30)
identifiers: Final = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=MAX_IDENTIFIER_LENGTH)
instants: Final[st.SearchStrategy[Instant]] = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
).map(instant)
json_values: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-_MAX_JSON_INTEGER, _MAX_JSON_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects: Final = st.dictionaries(texts, json_values, max_size=3)

_SCALARS: Final[dict[Any, st.SearchStrategy[Any]]] = {
    str: texts,
    int: st.integers(0, 10_000),
    bool: st.booleans(),
    NoneType: st.none(),
    Unset: st.just(UNSET),
    Instant: instants,
    Label: labels,
    MessageText: texts,
    AttachmentName: labels.map(lambda text: text[:MAX_ATTACHMENT_NAME]),
    MediaType: st.sampled_from(["image/png", "image/jpeg", "image/svg+xml", "text/plain"]),
    DataUrl: texts.map(lambda text: f"data:image/png;base64,{text}"),
    AttachmentSize: st.integers(0, MAX_ATTACHMENT_BYTES),
    Digest: st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256:{digest.hex()}"),
    Count: st.integers(0, _MAX_JSON_INTEGER),
    Answers: json_objects,
    **dict.fromkeys(IDENTIFIERS, identifiers),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type: a scalar of the contract, a literal, a union, a tuple, or an attrs class."""
    if kind == JsonObject:
        return json_objects
    origin = get_origin(kind)
    if origin is Literal:
        return st.sampled_from(get_args(kind))
    if origin in (Union, UnionType):
        return st.one_of([values_of(member) for member in get_args(kind)])
    if origin is tuple:
        return st.lists(values_of(get_args(kind)[0]), max_size=3).map(tuple)
    if attrs.has(kind):
        return instances(kind)
    return _SCALARS[kind]


def instances(cls: type[T]) -> st.SearchStrategy[T]:
    """Instances of an attrs class of the contract, every field drawn from its type."""
    hints = get_type_hints(cls)
    fields = {field.name: values_of(hints[field.name]) for field in attrs.fields(cast("Any", cls))}
    return st.builds(cls, **fields)


@cache
def commands() -> st.SearchStrategy[Command]:
    """Any well-formed command, whether or not a thread would accept it."""
    return st.one_of([_consistent(command) for command in (*CLIENT_COMMANDS, *INTERNAL_COMMANDS)])


def _consistent(cls: type[Command]) -> st.SearchStrategy[Any]:
    """Commands of a class; a session belongs to the thread of its command."""
    built: st.SearchStrategy[Any] = instances(cls)
    if "session" not in {field.name for field in attrs.fields(cls)}:
        return built
    return built.map(
        lambda command: attrs.evolve(command, session=attrs.evolve(command.session, thread_id=command.thread_id))
    )


@cache
def payloads() -> st.SearchStrategy[EventPayload]:
    """Any payload of any of the sixteen event types."""
    return st.one_of([instances(payload) for payload in EVENT_PAYLOADS])


@st.composite
def persisted_events(draw: st.DrawFn) -> PersistedEvent:
    """Any event as the log may hold it."""
    payload = draw(payloads())
    optional_ids = st.none() | identifiers
    cause, command, correlation = draw(optional_ids), draw(optional_ids), draw(optional_ids)
    return PersistedEvent(
        sequence=draw(st.integers(1, _MAX_JSON_INTEGER)),
        event_id=EventId(draw(identifiers)),
        aggregate_kind="project" if payload.event_type.startswith("project.") else "thread",
        stream_id=draw(identifiers),
        stream_version=draw(st.integers(1, _MAX_JSON_INTEGER)),
        event_type=payload.event_type,
        occurred_at=draw(instants),
        command_id=None if command is None else CommandId(command),
        causation_event_id=None if cause is None else EventId(cause),
        correlation_id=None if correlation is None else CommandId(correlation),
        actor_kind=draw(st.sampled_from(("client", "server", "provider"))),
        payload=payload,
        metadata=draw(instances(EventMetadata)),
    )
