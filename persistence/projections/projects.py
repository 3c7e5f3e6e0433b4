"""`projection.projects`: one row per project, kept after its deletion with `deleted_at` set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar, Final

import attrs
import peewee

from ...contracts.codec import dump_json
from ...contracts.events import PersistedEvent, ProjectCreated, ProjectDeleted, ProjectMetaUpdated
from ...contracts.values import Unset
from ..models import ProjectionProject
from .base import compiled, insert_unless_present, parameter

INSERT: Final = insert_unless_present(ProjectionProject)


@cache
def update_statement(columns: frozenset[str]) -> str:
    """Set `columns` of one project."""
    changes = {getattr(ProjectionProject, column): parameter(column) for column in sorted(columns)}
    return compiled(ProjectionProject.update(changes).where(ProjectionProject.project_id == parameter("project_id")))


@attrs.frozen
class ProjectsProjection:
    name: ClassVar[str] = "projection.projects"
    version: ClassVar[int] = 1
    model: ClassVar[type[peewee.Model]] = ProjectionProject
    handles: ClassVar[frozenset[str]] = frozenset(
        payload.event_type for payload in (ProjectCreated, ProjectMetaUpdated, ProjectDeleted)
    )

    def apply(self, database: peewee.SqliteDatabase, events: Sequence[PersistedEvent]) -> None:
        for event in events:
            match event.payload:
                case ProjectCreated() as created:
                    row = {
                        "project_id": event.stream_id,
                        "title": created.title,
                        "workspace_root": created.workspace_root,
                        "default_model": created.default_model,
                        "scripts_json": dump_json(created.scripts),
                        "created_at": created.created_at,
                        "updated_at": created.updated_at,
                        "deleted_at": None,
                    }
                    database.execute_sql(INSERT, row)
                case ProjectMetaUpdated() as updated:
                    _update(database, event.stream_id, _present_fields(updated))
                case ProjectDeleted(deleted_at=deleted_at):
                    _update(database, event.stream_id, {"deleted_at": deleted_at, "updated_at": deleted_at})


def _update(database: peewee.SqliteDatabase, project_id: str, changes: dict[str, object]) -> None:
    database.execute_sql(update_statement(frozenset(changes)), {**changes, "project_id": project_id})


def _present_fields(updated: ProjectMetaUpdated) -> dict[str, object]:
    fields: dict[str, object] = {
        "title": updated.title,
        "workspace_root": updated.workspace_root,
        "default_model": updated.default_model,
        "updated_at": updated.updated_at,
    }
    if not isinstance(updated.scripts, Unset):
        fields["scripts_json"] = dump_json(updated.scripts)
    return {column: value for column, value in fields.items() if not isinstance(value, Unset)}
