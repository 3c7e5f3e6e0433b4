"""The state of a database: positions and lag, sessions, open intents, events that do not decode."""

from __future__ import annotations

import attrs
import peewee

from ..contracts.events import UndecodableEvent
from .bootstrap import PAGE_EVENTS, ProgressListener, ReplayProgress
from .event_store import EventPage, read_events, read_head, read_open_intents
from .positions import read_positions
from .provider_runtime import read_live_runtimes


@attrs.frozen(kw_only=True)
class PositionDiagnosis:
    """A projector or reactor. `lag` counts events after its stored position."""

    name: str
    position: int
    lag: int


@attrs.frozen(kw_only=True)
class SessionDiagnosis:
    """A provider session whose row is live. `last_seen_at` is its last heartbeat."""

    thread_id: str
    provider_name: str
    provider_session_id: str
    status: str
    last_seen_at: str


@attrs.frozen(kw_only=True)
class IntentDiagnosis:
    """Something that was asked for and has no outcome yet."""

    sequence: int
    event_type: str
    thread_id: str
    occurred_at: str


@attrs.frozen(kw_only=True)
class QuarantineDiagnosis:
    """An event that does not decode: projectors skip it, readers get it raw."""

    sequence: int
    event_type: str
    fault: str


@attrs.frozen(kw_only=True)
class Diagnosis:
    head: int
    positions: tuple[PositionDiagnosis, ...]
    live_sessions: tuple[SessionDiagnosis, ...]
    open_intents: tuple[IntentDiagnosis, ...]
    quarantine: tuple[QuarantineDiagnosis, ...]


def diagnose(database: peewee.SqliteDatabase, *, progress: ProgressListener | None = None) -> Diagnosis:
    """Read a diagnosis in the caller's read transaction. Decodes the whole log; `progress` is called meanwhile."""
    head = read_head(database).sequence
    return Diagnosis(
        head=head,
        positions=tuple(
            PositionDiagnosis(
                name=row.projector, position=row.last_applied_sequence, lag=head - row.last_applied_sequence
            )
            for row in sorted(read_positions(database).values())
        ),
        live_sessions=tuple(
            SessionDiagnosis(
                thread_id=row.thread_id,
                provider_name=row.provider_name,
                provider_session_id=row.provider_session_id,
                status=row.status,
                last_seen_at=row.last_seen_at,
            )
            for row in read_live_runtimes(database)
        ),
        open_intents=tuple(
            IntentDiagnosis(
                sequence=event.sequence,
                event_type=event.event_type,
                thread_id=event.stream_id,
                occurred_at=event.occurred_at,
            )
            for event in read_open_intents(database, after=0)
        ),
        quarantine=_read_quarantine(database, head, progress),
    )


def _read_quarantine(
    database: peewee.SqliteDatabase, head: int, progress: ProgressListener | None
) -> tuple[QuarantineDiagnosis, ...]:
    found: list[QuarantineDiagnosis] = []
    after = 0
    while page := read_events(database, EventPage(after=after, limit=PAGE_EVENTS, up_to=head)):
        found += [
            QuarantineDiagnosis(sequence=event.sequence, event_type=event.event_type, fault=event.fault)
            for event in page
            if isinstance(event, UndecodableEvent)
        ]
        after = page[-1].sequence
        if progress is not None:
            progress(ReplayProgress(after, head))
    return tuple(found)
