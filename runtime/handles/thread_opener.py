"""Opening a thread: the one that is named, or a new one in the project of its directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio

from ...contracts.commands import ProjectCreate, ThreadCreate
from ...contracts.errors import InvalidRequest, NotFound
from ...contracts.ids import ProjectId, ThreadId
from ...contracts.new_values import new_command_id, new_project_id, new_thread_id, now
from ...contracts.read_model import ProjectView, ThreadView
from ...contracts.values import UNSET, Label
from ...persistence.threads import in_thread
from .runtime_calls import RuntimeCalls
from .thread_handle import ThreadHandle


class ThreadOpener:
    """Finds and makes threads, one at a time, so that one directory gets one project."""

    def __init__(self, calls: RuntimeCalls) -> None:
        self._calls = calls
        self._lock = anyio.Lock()

    async def open(
        self,
        workspace: str | Path | None,
        thread_id: ThreadId | None,
        *,
        title: str | None,
        model: str | None,
        provider: str | None,
    ) -> ThreadHandle:
        """As `Runtime.open_thread`."""
        async with self._lock:
            async with self._calls.stream_snapshot() as snapshot:
                projects = snapshot.projects
            known = None if thread_id is None else await self._find(thread_id)
            if known is not None:
                await in_thread(_check, known, workspace, projects)
                return ThreadHandle(self._calls, known.id)
            if workspace is None:
                if thread_id is not None:
                    raise NotFound("thread", thread_id)
                raise InvalidRequest("workspace", "a new thread needs the directory that its agent works in")
            directory, project = await in_thread(_find_project, workspace, projects)
            project_id = await self._make_project(directory) if project is None else project.id
            create = ThreadCreate(
                command_id=new_command_id(),
                thread_id=thread_id or new_thread_id(),
                project_id=project_id,
                title=Label(title or _name(directory)),
                model=UNSET if model is None else Label(model),
                provider=UNSET if provider is None else Label(provider),
                branch=None,
                worktree_path=None,
                created_at=now(),
            )
            await self._calls.dispatch(create)
            return ThreadHandle(self._calls, create.thread_id)

    async def _find(self, thread_id: ThreadId) -> ThreadView | None:
        try:
            snapshot = await self._calls.get_snapshot(thread_id=thread_id, detail="summary")
        except NotFound:
            return None
        return snapshot.threads[0]

    async def _make_project(self, directory: Path) -> ProjectId:
        create = ProjectCreate(
            command_id=new_command_id(),
            project_id=new_project_id(),
            title=Label(_name(directory)),
            workspace_root=Label(str(directory)),
            created_at=now(),
        )
        await self._calls.dispatch(create)
        return create.project_id


def _check(thread: ThreadView, workspace: str | Path | None, projects: Sequence[ProjectView]) -> None:
    if thread.deleted_at is not None:
        raise NotFound("thread", thread.id, "was deleted: open another one")
    if workspace is None:
        return
    own = thread.worktree_path or next(one.workspace_root for one in projects if one.id == thread.project_id)
    if not _are_one_directory(Path(workspace), Path(own)):
        raise InvalidRequest(
            "workspace",
            f"thread {thread.id!r} works in {own}, not in {workspace}: leave the workspace out, or open a new thread",
        )


def _find_project(workspace: str | Path, projects: Sequence[ProjectView]) -> tuple[Path, ProjectView | None]:
    """The absolute path of the workspace, and the project that has it, by any name of the directory."""
    directory = Path(workspace).absolute()
    if not directory.is_dir():
        raise InvalidRequest("workspace", f"{directory} is not a directory")
    living = [one for one in projects if one.deleted_at is None]
    return directory, next((one for one in living if _are_one_directory(directory, Path(one.workspace_root))), None)


def _name(directory: Path) -> str:
    return directory.name or str(directory)


def _are_one_directory(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
