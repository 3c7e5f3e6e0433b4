"""The facts about a thread that a session needs to start an agent or hand a turn over."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
import orjson
import peewee

from ...contracts.errors import NotFound
from ...contracts.ids import ThreadId
from ...contracts.read_model import ProjectView, SnapshotRequest, ThreadView
from ...contracts.values import JsonObject
from ...domain.imports import is_imported
from ...persistence.projections.checkpoints import read_failed_checkpoints
from ...persistence.provider_runtime import FORGOTTEN, ProviderRuntimeRow, find_provider_runtime
from ...persistence.snapshot import read_snapshot

AGENTS_OWN_MODEL: Final = "default"
"""The name that means no model: the agent uses its own."""


@attrs.frozen(kw_only=True)
class ThreadContext:
    """A thread, its project, and the runtime row that its session names."""

    project: ProjectView
    thread: ThreadView
    runtime: ProviderRuntimeRow | None
    failed_checkpoints: frozenset[int] = frozenset()
    """The counts of the turns whose checkpoint is in error."""

    @property
    def workspace(self) -> Path:
        """Where the agent works: the thread's worktree, else the project's root."""
        return Path(self.thread.worktree_path or self.project.workspace_root)

    @property
    def model(self) -> str | None:
        """The model of a turn that names none: the thread's, else the project's; None for the agent's own."""
        model = self.thread.model or self.project.default_model
        return None if model == AGENTS_OWN_MODEL else model or None

    @property
    def highest_turn_count(self) -> int:
        return max((turn.turn_count for turn in self.thread.turns), default=0)

    @property
    def resume_cursor(self) -> JsonObject | None:
        """The cursor that resumes the thread's conversation; None if no turn was ever handed over.

        An imported thread has a conversation before its first turn.
        """
        if self.runtime is None or self.runtime.resume_cursor_json is None:
            return None
        if not self.thread.turns and not is_imported(self.thread.id):
            return None
        cursor: JsonObject = orjson.loads(self.runtime.resume_cursor_json)
        return cursor

    @property
    def resume_was_refused(self) -> bool:
        """Whether the thread's last agent refused to resume the conversation."""
        return self._runtime_payload.get("resumeRefused") is True

    @property
    def conversation_was_forgotten(self) -> bool:
        """Whether the user asked the thread to continue without its conversation, so that any provider may serve it."""
        return self._runtime_payload.get(FORGOTTEN) is True

    @property
    def _runtime_payload(self) -> JsonObject:
        if self.runtime is None or self.runtime.runtime_payload_json is None:
            return {}
        payload: JsonObject = orjson.loads(self.runtime.runtime_payload_json)
        return payload


def read_thread_context(database: peewee.SqliteDatabase, thread_id: ThreadId) -> ThreadContext | None:
    """The context of a thread as its projections have it; None for a thread that never existed."""
    try:
        snapshot = read_snapshot(database, SnapshotRequest(thread_id=thread_id, detail="summary"))
    except NotFound:
        return None
    thread = snapshot.threads[0]
    session = thread.session
    runtime = None
    if session is not None and session.provider_session_id is not None:
        runtime = find_provider_runtime(database, session.provider_session_id)
    failed = read_failed_checkpoints(database, thread_id)
    return ThreadContext(project=snapshot.projects[0], thread=thread, runtime=runtime, failed_checkpoints=failed)
