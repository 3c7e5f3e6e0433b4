"""Start-up: positions are checked, and projections brought to the log's head before the first command.

The log is decoded once and fed to every projection that lags. An event with a value that SQLite cannot hold is skipped.
A projection that cannot go on stops alone; whether that keeps the runtime from opening is its caller's rule.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import attrs
import peewee

from ..contracts.errors import ProjectionStalled
from ..contracts.events import LoggedEvent
from .apply_projection import handled_events
from .crash_points import crash_point
from .database import write_transaction
from .event_store import EventPage, read_events, read_head
from .failures import CommitOutcomeUnknown, is_transient, is_value_error
from .positions import PositionRow, read_position, write_position
from .projections import Projection

PAGE_EVENTS: Final = 2000

_logger = logging.getLogger(__name__)


class ReplayProgress(NamedTuple):
    """How far a replay has come: `applied` of `head`."""

    applied: int
    head: int


ProgressListener = Callable[[ReplayProgress], object]


@attrs.frozen(kw_only=True)
class ReplayRequest:
    """Bring these projections to the head of the log in `source`; rows and positions are written to the target."""

    projections: Sequence[Projection]
    progress: ProgressListener | None = None
    up_to: int | None = None
    """The sequence to stop at, where that is before the head."""


@attrs.define(eq=False)
class _Replaying:
    projection: Projection
    position: int
    stalled: ProjectionStalled | None = None


def check_positions(database: peewee.SqliteDatabase, projections: Sequence[Projection]) -> None:
    """Check that every projector has a position, and none is beyond the log's head.

    Raises:
        ProjectionStalled: names the projector and the command that repairs it.
    """
    head = read_head(database).sequence
    for projection in projections:
        position = read_position(database, projection.name).last_applied_sequence
        if position > head:
            raise ProjectionStalled(projection.name, position, f"its position is beyond the log's head {head}")


def replay_to_head(
    target: peewee.SqliteDatabase, request: ReplayRequest, *, source: peewee.SqliteDatabase | None = None
) -> list[ProjectionStalled]:
    """Apply what each projection lacks, page by page, each page and projection in one transaction with its position.

    Returns what kept projections from the head; the others are at it.

    Raises:
        ProjectionStalled: a position is missing.
        peewee.OperationalError, CommitOutcomeUnknown: the storage failed; every projection stands where its position
            says.
    """
    log = target if source is None else source
    head = read_head(log).sequence
    if request.up_to is not None:
        head = min(head, request.up_to)
    replaying = [
        _Replaying(projection, read_position(target, projection.name).last_applied_sequence)
        for projection in request.projections
    ]
    while lagging := [one for one in replaying if one.position < head and one.stalled is None]:
        after = min(one.position for one in lagging)
        page = read_events(log, EventPage(after=after, limit=PAGE_EVENTS, up_to=head))
        if not page:
            break
        for one in lagging:
            _apply_page(target, one, page)
        if request.progress is not None:
            request.progress(ReplayProgress(page[-1].sequence, head))
    return [one.stalled for one in replaying if one.stalled is not None]


def _apply_page(target: peewee.SqliteDatabase, one: _Replaying, page: Sequence[LoggedEvent]) -> None:
    """Apply the part of a page after the projection's position, halving it to find an event that fails."""
    fresh = [event for event in page if event.sequence > one.position]
    if not fresh or one.stalled is not None:
        return
    handled = handled_events(one.projection, fresh)
    last = fresh[-1]
    try:
        with write_transaction(target, durability="normal"):
            if handled:
                one.projection.apply(target, handled)
            crash_point("replay.rows-written")
            write_position(target, PositionRow(one.projection.name, last.sequence, last.occurred_at))
        crash_point("replay.page-applied")
        one.position = last.sequence
    except (CommitOutcomeUnknown, ProjectionStalled):
        raise
    except Exception as error:
        if is_transient(error):
            raise
        if len(fresh) == 1 and handled and is_value_error(error):
            ids = {"actor": one.projection.name, "event_sequence": last.sequence}
            _logger.error("%s skips event %d: %r", one.projection.name, last.sequence, error, extra=ids)
            with write_transaction(target, durability="normal"):
                write_position(target, PositionRow(one.projection.name, last.sequence, last.occurred_at))
            one.position = last.sequence
            return
        if len(fresh) == 1:
            one.stalled = ProjectionStalled(one.projection.name, one.position, f"event {last.sequence}: {error!r}")
            return
        middle = len(fresh) // 2
        _apply_page(target, one, fresh[:middle])
        _apply_page(target, one, fresh[middle:])
