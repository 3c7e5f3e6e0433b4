"""`projection.pending-approvals`: one row per approval request of an agent, with its resolution.

A request opens once and resolves once. What ends the agent's interest in an answer (its session, its turn, its
thread) resolves the request as `cancel`, so that nothing pends that nobody can answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import attrs
import peewee

from ...contracts.codec import dump_json
from ...contracts.events import (
    PersistedEvent,
    ThreadActivityAppended,
    ThreadApprovalResponseRequested,
    ThreadDeleted,
    ThreadReverted,
    ThreadSessionSetEvent,
)
from ...contracts.values import Activity, ApprovalDecision
from ...domain.approvals import REQUESTED, RESOLVED, decision_of, request_id_of
from ..models import ProjectionPendingApproval as Approval
from .base import compiled, insert_unless_present, listed, literal, parameter

INSERT: Final = insert_unless_present(Approval)


def _resolve_where(*conditions: Any) -> str:
    resolution = {
        Approval.status: literal("resolved"),
        Approval.decision: parameter("decision"),
        Approval.resolved_at: parameter("resolved_at"),
    }
    mine = Approval.thread_id == parameter("thread_id")
    return compiled(Approval.update(resolution).where(mine, Approval.status == literal("pending"), *conditions))


RESOLVE: Final = _resolve_where(Approval.request_id == parameter("request_id"))
RESOLVE_OF_TURNS: Final = _resolve_where(listed(Approval.turn_id, "turn_ids"))
RESOLVE_ALL: Final = _resolve_where()


@attrs.frozen
class PendingApprovalsProjection:
    name: ClassVar[str] = "projection.pending-approvals"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = Approval
    handles: ClassVar[frozenset[str]] = frozenset(
        payload.event_type
        for payload in (
            ThreadActivityAppended,
            ThreadApprovalResponseRequested,
            ThreadSessionSetEvent,
            ThreadDeleted,
            ThreadReverted,
        )
    )

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        for event in events:
            match event.payload:
                case ThreadActivityAppended(activity=activity):
                    if activity.kind in (*REQUESTED, RESOLVED):
                        _apply_activity(database, event, activity)
                case ThreadApprovalResponseRequested(request_id=request_id, decision=decision):
                    _resolve(database, RESOLVE, event, decision, request_id=request_id)
                case ThreadSessionSetEvent(session=session):
                    if session.active_turn_id is None and session.status != "starting":
                        _resolve(database, RESOLVE_ALL, event, "cancel")
                case ThreadDeleted():
                    _resolve(database, RESOLVE_ALL, event, "cancel")
                case ThreadReverted(removed_turn_ids=removed) if removed:
                    _resolve(database, RESOLVE_OF_TURNS, event, "cancel", turn_ids=dump_json(removed))


def _apply_activity(database: peewee.SqliteDatabase, event: PersistedEvent, activity: Activity) -> None:
    request_id = request_id_of(activity, event.metadata)
    if request_id is None:
        return
    if activity.kind == RESOLVED:
        _resolve(database, RESOLVE, event, decision_of(activity), request_id=request_id)
        return
    row = {
        "request_id": request_id,
        "thread_id": event.stream_id,
        "turn_id": activity.turn_id,
        "status": "pending",
        "decision": None,
        "created_at": activity.created_at,
        "resolved_at": None,
    }
    database.execute_sql(INSERT, row)


def _resolve(
    database: peewee.SqliteDatabase,
    statement: str,
    event: PersistedEvent,
    decision: ApprovalDecision,
    **which: str,
) -> None:
    resolution = {"thread_id": event.stream_id, "decision": decision, "resolved_at": event.occurred_at}
    database.execute_sql(statement, {**resolution, **which})
