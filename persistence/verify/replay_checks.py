"""Payloads that do not decode, and rows against a fresh replay.

The log is decoded once and fed to all projections, each up to its stored position, into a scratch
database. What does not decode is skipped there as it is by a projector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import peewee

from ...contracts.events import LoggedEvent, UndecodableEvent
from ..apply_projection import handled_events
from ..bootstrap import PAGE_EVENTS, ProgressListener, ReplayProgress
from ..event_store import EventPage, read_events, read_head
from ..positions import read_positions
from ..projections import PROJECTIONS, Projection
from ..rebuild import outdated_projections
from .findings import Finding
from .row_comparison import compare_rows


@attrs.define(eq=False)
class _Replayed:
    projection: Projection
    until: int
    failure: Finding | None = None


def check_replay(
    database: peewee.SqliteDatabase, scratch: peewee.SqliteDatabase, progress: ProgressListener | None
) -> Iterator[Finding]:
    """Decode every event, replay it into `scratch`, and compare table by table.

    A projection whose position is missing or beyond the head is not compared: its position is a finding by itself. Nor
    is one whose rows another version wrote: a runtime rebuilds them before it uses them.
    """
    head = read_head(database).sequence
    outdated = outdated_projections(database, PROJECTIONS)
    positions = read_positions(database)
    replayed = [
        _Replayed(one, positions[one.name].last_applied_sequence)
        for one in PROJECTIONS
        if one not in outdated and one.name in positions and positions[one.name].last_applied_sequence <= head
    ]
    after = 0
    while page := read_events(database, EventPage(after=after, limit=PAGE_EVENTS, up_to=head)):
        yield from (_undecodable(event) for event in page if isinstance(event, UndecodableEvent))
        for one in replayed:
            _apply_page(scratch, one, page)
        after = page[-1].sequence
        if progress is not None:
            progress(ReplayProgress(after, head))
    for one in replayed:
        difference = compare_rows(database, scratch, one.projection)
        if one.failure is not None:
            yield one.failure
        elif difference is not None:
            yield attrs.evolve(difference, projector=one.projection.name)


def _undecodable(event: UndecodableEvent) -> Finding:
    return Finding(check="payloads", where=f"event {event.sequence} ({event.event_type})", fault=event.fault)


def _apply_page(scratch: peewee.SqliteDatabase, one: _Replayed, page: Sequence[LoggedEvent]) -> None:
    events = [event for event in handled_events(one.projection, page) if event.sequence <= one.until]
    if not events or one.failure is not None:
        return
    if _failure_of(lambda: one.projection.apply(scratch, events), scratch) is None:
        return
    for event in events:
        fault = _failure_of(lambda event=event: one.projection.apply(scratch, [event]), scratch)  # type: ignore[misc]  # binds this pass's event
        if fault is not None:
            table = one.projection.model._meta.table_name
            one.failure = Finding(
                check="rows", where=table, fault=f"event {event.sequence} cannot be applied: {fault!r}"
            )
            return


def _failure_of(apply: Callable[[], None], scratch: peewee.SqliteDatabase) -> Exception | None:
    """Apply in one transaction; what kept it from being applied, unless the storage itself failed."""
    try:
        with scratch.atomic():
            apply()
    except peewee.OperationalError:
        raise
    except Exception as error:  # a defect of a projection has no closed set of errors
        return error
    return None
