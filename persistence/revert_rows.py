"""What the database knows of a revert: the thread's turns, and turns of other threads in its workspace since."""

from __future__ import annotations

from pathlib import Path

import attrs
import orjson
import peewee

from ..contracts.errors import NotFound
from ..contracts.ids import ThreadId, TurnId
from .directory_place import DirectoryPlace


@attrs.frozen(kw_only=True)
class OthersTurn:
    """A turn of another thread that ended after the state to go back to, and the files that it changed.

    `paths` go from the top of the work tree around `workspace`.
    """

    thread_id: ThreadId
    is_deleted: bool
    turn_count: int
    turn_id: TurnId
    workspace: Path
    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RevertFacts:
    """A thread that is to go back to the end of `turn_count`: where it works, its turns' ids by their counts."""

    thread_id: ThreadId
    turn_count: int
    workspace: Path
    turns: dict[int, TurnId]
    others: tuple[OthersTurn, ...]


def read_revert_facts(database: peewee.SqliteDatabase, thread_id: ThreadId, turn_count: int) -> RevertFacts:
    """Read the thread and those that work in its workspace, in a directory above it or below it. Looks at directories.

    Raises:
        NotFound: the thread does not exist.
    """
    row = database.execute_sql(f"{_THREADS} WHERE thread.thread_id = ?", (thread_id,)).fetchone()
    if row is None:
        raise NotFound("thread", thread_id)
    workspace = Path(row[1])
    turns = dict(
        database.execute_sql(
            "SELECT turn_count, turn_id FROM projection_thread_turns WHERE thread_id = ? ORDER BY turn_count",
            (thread_id,),
        ).fetchall()
    )
    since = _captured_at(database, thread_id, turn_count)
    return RevertFacts(
        thread_id=thread_id,
        turn_count=turn_count,
        workspace=workspace,
        turns=turns,
        others=() if since is None else tuple(_others(database, thread_id, workspace, since)),
    )


_THREADS = (
    "SELECT thread.thread_id, COALESCE(thread.worktree_path, project.workspace_root), thread.deleted_at IS NOT NULL"
    " FROM projection_threads AS thread"
    " JOIN projection_projects AS project ON project.project_id = thread.project_id"
)


def _captured_at(database: peewee.SqliteDatabase, thread_id: ThreadId, turn_count: int) -> str | None:
    """When the state to go back to was captured: the first turn's start, or a turn's end."""
    query = (
        "SELECT started_at FROM projection_thread_turns WHERE thread_id = ? AND turn_count = 1"
        if turn_count == 0
        else "SELECT completed_at FROM projection_checkpoints WHERE thread_id = ? AND checkpoint_turn_count = ?"
    )
    row = database.execute_sql(query, (thread_id,) if turn_count == 0 else (thread_id, turn_count)).fetchone()
    return None if row is None else row[0]


def _others(database: peewee.SqliteDatabase, thread_id: ThreadId, workspace: Path, since: str) -> list[OthersTurn]:
    place = DirectoryPlace.of(workspace)
    near: dict[str, bool] = {}
    found = []
    for other_id, other_workspace, is_deleted in database.execute_sql(_THREADS).fetchall():
        if other_workspace not in near:
            near[other_workspace] = DirectoryPlace.of(Path(other_workspace)).overlaps(place)
        if other_id == thread_id or not near[other_workspace]:
            continue
        for turn_count, turn_id, files in database.execute_sql(
            "SELECT checkpoint_turn_count, turn_id, files_json FROM projection_checkpoints"
            " WHERE thread_id = ? AND completed_at >= ? ORDER BY checkpoint_turn_count",
            (other_id, since),
        ).fetchall():
            found.append(
                OthersTurn(
                    thread_id=other_id,
                    is_deleted=bool(is_deleted),
                    turn_count=turn_count,
                    turn_id=turn_id,
                    workspace=Path(other_workspace),
                    paths=tuple(file["path"] for file in orjson.loads(files)),
                )
            )
    return found
