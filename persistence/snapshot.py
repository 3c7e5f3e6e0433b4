"""The snapshot: read inside the read transaction of its caller, from the projection tables and, for the waiting turns,
from the open turn starts of the log.

`snapshotSequence` is the least position of the eight projectors. The caller makes the cut consistent: a barrier in a
runtime, a replayed copy in an inspection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import attrs
import orjson
import peewee

from ..contracts.codec import read_leniently
from ..contracts.errors import NotFound
from ..contracts.ids import ThreadId
from ..contracts.read_model import (
    CheckpointView,
    MessageView,
    PendingApprovalView,
    ProjectView,
    Snapshot,
    SnapshotRequest,
    ThreadView,
    TurnFailure,
    TurnView,
)
from ..contracts.values import UNSET, Activity, ChangedFile, Instant, ProjectScript, Session, Unset
from ..domain.attachments import attachments_by_message
from ..domain.failures import TURN_FAILED, failure_of
from .approval_details import read_approval_details
from .positions import PositionRow, read_position
from .projections import PROJECTIONS
from .queued_turns import read_queued_turns
from .thread_providers import read_thread_providers
from .thread_usage import read_usage

T = TypeVar("T")

_SCRIPTS: Final = tuple[ProjectScript, ...]
_FILES: Final = tuple[ChangedFile, ...]


def read_cut(database: peewee.SqliteDatabase) -> PositionRow:
    """The least position of the eight projectors.

    Raises:
        ProjectionStalled: a position is missing.
    """
    return min((read_position(database, one.name) for one in PROJECTIONS), key=lambda row: row.last_applied_sequence)


def read_snapshot(database: peewee.SqliteDatabase, request: SnapshotRequest) -> Snapshot:
    """The read model: everything, or one thread with its project.

    Raises:
        NotFound: the thread that was asked for never existed.
        ProjectionStalled: a position is missing.
    """
    cut = read_cut(database)
    threads = _read_threads(database, request, cut)
    if isinstance(request.thread_id, str) and not threads:
        raise NotFound("thread", request.thread_id)
    only_project = threads[0].project_id if isinstance(request.thread_id, str) else None
    return Snapshot(
        snapshot_sequence=cut.last_applied_sequence,
        projects=_read_projects(database, only_project),
        threads=threads,
        updated_at=Instant(cut.updated_at),
    )


@attrs.frozen(kw_only=True)
class SnapshotOutline:
    """What comes before the threads of a snapshot, and the order in which these come."""

    cut: PositionRow
    projects: tuple[ProjectView, ...]
    thread_ids: tuple[ThreadId, ...]


def read_outline(database: peewee.SqliteDatabase) -> SnapshotOutline:
    """A snapshot without its threads, which `read_thread` reads one by one in the same read transaction.

    Raises:
        ProjectionStalled: a position is missing.
    """
    cursor = database.execute_sql("SELECT thread_id FROM projection_threads ORDER BY created_at, thread_id")
    return SnapshotOutline(
        cut=read_cut(database),
        projects=_read_projects(database, None),
        thread_ids=tuple(ThreadId(row[0]) for row in cursor.fetchall()),
    )


def read_thread(database: peewee.SqliteDatabase, thread_id: ThreadId, cut: PositionRow) -> ThreadView:
    """One thread in full, which exists, at the cut of its snapshot."""
    (thread,) = _read_threads(database, SnapshotRequest(thread_id=thread_id, detail="full"), cut)
    return thread


def _read_projects(database: peewee.SqliteDatabase, project_id: str | None) -> tuple[ProjectView, ...]:
    where, parameters = ("", ()) if project_id is None else (" WHERE project_id = ?", (project_id,))
    cursor = database.execute_sql(
        "SELECT project_id, title, workspace_root, default_model, scripts_json, created_at, updated_at, deleted_at"
        f" FROM projection_projects{where} ORDER BY created_at, project_id",
        parameters,
    )
    return tuple(
        ProjectView(
            id=row[0],
            title=row[1],
            workspace_root=row[2],
            default_model=row[3],
            scripts=read_leniently(orjson.loads(row[4]), _SCRIPTS),
            created_at=row[5],
            updated_at=row[6],
            deleted_at=row[7],
        )
        for row in cursor.fetchall()
    )


def _read_threads(
    database: peewee.SqliteDatabase, request: SnapshotRequest, cut: PositionRow
) -> tuple[ThreadView, ...]:
    only = None if isinstance(request.thread_id, Unset) else request.thread_id
    reader = _ThreadReader(database, only)
    where, parameters = reader.where()
    cursor = database.execute_sql(
        "SELECT thread_id, project_id, title, model, branch, worktree_path, latest_turn_id, created_at, updated_at,"
        f" deleted_at FROM projection_threads{where} ORDER BY created_at, thread_id",
        parameters,
    )
    rows = cursor.fetchall()
    if not rows:
        return ()
    sessions = {thread_id: session for thread_id, (session,) in reader.sessions().items()}
    providers = read_thread_providers(database, only) | {
        thread_id: session.provider_name for thread_id, session in sessions.items() if session.provider_name is not None
    }
    turns = reader.turns()
    queues = read_queued_turns(database, only, up_to=cut.last_applied_sequence)
    approvals = reader.pending_approvals()
    failures = reader.last_failures()
    usage = read_usage(database, only)
    full = request.detail == "full"
    messages = reader.messages() if full else None
    activities = reader.activities() if full else None
    checkpoints = reader.checkpoints() if full else None
    return tuple(
        ThreadView(
            id=row[0],
            project_id=row[1],
            title=row[2],
            model=row[3] or None,
            provider=providers.get(row[0]),
            branch=row[4],
            worktree_path=row[5],
            latest_turn_id=row[6],
            created_at=row[7],
            updated_at=row[8],
            deleted_at=row[9],
            session=sessions.get(row[0]),
            turns=tuple(turns[row[0]]),
            queue=queues.get(row[0], ()) if row[9] is None else (),
            pending_approvals=tuple(approvals[row[0]]),
            last_failure=failures.get(row[0]),
            usage=usage.get(row[0]),
            messages=UNSET
            if messages is None or activities is None
            else with_attachments(messages[row[0]], activities[row[0]]),
            activities=UNSET if activities is None else tuple(activities[row[0]]),
            checkpoints=UNSET if checkpoints is None else tuple(checkpoints[row[0]]),
        )
        for row in rows
    )


def with_attachments(messages: Sequence[MessageView], activities: Sequence[Activity]) -> tuple[MessageView, ...]:
    """The messages with the stored attachments that the activities name."""
    named = attachments_by_message(activities)
    if not named:
        return tuple(messages)
    return tuple(attrs.evolve(one, attachments=named[one.id]) if one.id in named else one for one in messages)


class _ThreadReader:
    """Reads what belongs to threads, each table once, for one thread or for all."""

    def __init__(self, database: peewee.SqliteDatabase, thread_id: ThreadId | None) -> None:
        self._database = database
        self._thread_id = thread_id

    def where(self, condition: str | None = None) -> tuple[str, tuple[str, ...]]:
        conditions = [] if self._thread_id is None else ["thread_id = ?"]
        if condition is not None:
            conditions.append(condition)
        parameters = () if self._thread_id is None else (self._thread_id,)
        return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), parameters

    def sessions(self) -> dict[str, list[Session]]:
        return self._grouped(
            "thread_id, status, provider_name, provider_session_id, provider_thread_id, active_turn_id, last_error,"
            " updated_at FROM projection_thread_sessions",
            "rowid",
            lambda row: Session(
                thread_id=row[0],
                status=row[1],
                provider_name=row[2],
                provider_session_id=row[3],
                provider_thread_id=row[4],
                active_turn_id=row[5],
                last_error=row[6],
                updated_at=row[7],
            ),
        )

    def turns(self) -> dict[str, list[TurnView]]:
        return self._grouped(
            "thread_id, turn_id, turn_count, status, user_message_id, assistant_message_id, started_at, completed_at"
            " FROM projection_thread_turns",
            "turn_count",
            lambda row: TurnView(
                turn_id=row[1],
                turn_count=row[2],
                status=row[3],
                user_message_id=row[4],
                assistant_message_id=row[5],
                started_at=row[6],
                completed_at=row[7],
            ),
        )

    def pending_approvals(self) -> dict[str, list[PendingApprovalView]]:
        return self._grouped(
            "thread_id, request_id, turn_id, created_at FROM projection_pending_approvals",
            "rowid",
            self._pending_approval,
            condition="status = 'pending'",
        )

    def _pending_approval(self, row: Any) -> PendingApprovalView:
        asked = read_approval_details(self._database, ThreadId(row[0]), row[1], asked_at=row[3])
        view = PendingApprovalView(request_id=row[1], turn_id=row[2], created_at=row[3])
        if asked is None:
            return view
        return attrs.evolve(
            view,
            kind=asked.kind,
            summary=asked.summary,
            options=asked.options,
            questions=asked.questions,
            editable=asked.editable,
        )

    def last_failures(self) -> dict[str, TurnFailure]:
        """Each thread's newest failure: one look into a partial index for each thread."""
        where, parameters = self.where()
        rows: Iterable[Any] = self._database.execute_sql(
            "SELECT activity.thread_id, activity.payload_json, activity.created_at"
            f" FROM (SELECT thread_id AS failing FROM projection_threads{where})"
            " CROSS JOIN projection_thread_activities AS activity ON activity.rowid ="
            " (SELECT MAX(rowid) FROM projection_thread_activities"
            f" WHERE kind = '{TURN_FAILED}' AND thread_id = failing)",
            parameters,
        )
        return {thread_id: failure_of(orjson.loads(payload), at) for thread_id, payload, at in rows}

    def messages(self) -> dict[str, list[MessageView]]:
        return self._grouped(
            "thread_id, message_id, role, text, turn_id, is_streaming, created_at, updated_at"
            " FROM projection_thread_messages",
            "rowid",
            lambda row: MessageView(
                id=row[1],
                role=row[2],
                text=row[3],
                turn_id=row[4],
                streaming=bool(row[5]),
                created_at=row[6],
                updated_at=row[7],
            ),
        )

    def activities(self) -> dict[str, list[Activity]]:
        return self._grouped(
            "thread_id, activity_id, tone, kind, summary, payload_json, turn_id, created_at"
            " FROM projection_thread_activities",
            "rowid",
            lambda row: Activity(
                id=row[1],
                tone=row[2],
                kind=row[3],
                summary=row[4],
                payload=orjson.loads(row[5]),
                turn_id=row[6],
                created_at=row[7],
            ),
        )

    def checkpoints(self) -> dict[str, list[CheckpointView]]:
        return self._grouped(
            "thread_id, turn_id, checkpoint_turn_count, checkpoint_ref, status, files_json, assistant_message_id,"
            " completed_at FROM projection_checkpoints",
            "checkpoint_turn_count",
            lambda row: CheckpointView(
                turn_id=row[1],
                checkpoint_turn_count=row[2],
                checkpoint_ref=row[3],
                status=row[4],
                files=read_leniently(orjson.loads(row[5]), _FILES),
                assistant_message_id=row[6],
                completed_at=row[7],
            ),
        )

    def _grouped(
        self, select: str, order: str, build: Callable[[Any], T], condition: str | None = None
    ) -> dict[str, list[T]]:
        where, parameters = self.where(condition)
        rows: Iterable[Any] = self._database.execute_sql(f"SELECT {select}{where} ORDER BY {order}", parameters)
        grouped: dict[str, list[T]] = defaultdict(list)
        for row in rows:
            grouped[row[0]].append(build(row))
        return grouped
