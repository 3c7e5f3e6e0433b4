"""The decider: state and command in, events or a rejection out. Pure: time and ids arrive as data.

A rejection is a sentence that names the ids it is about. What an event needs beyond its command's fields (the turn a
request will run as, the turn a session-set opens, what a revert removes) is resolved here, once, so that projectors
only record it.
"""

from __future__ import annotations

from ..contracts.commands import (
    Command,
    InternalCommand,
    ProjectCommand,
    ProjectCreate,
    ProjectDelete,
    ProjectMetaUpdate,
    ThreadCreate,
    ThreadSessionSet,
)
from ..contracts.events import ProjectCreated, ProjectDeleted, ProjectMetaUpdated, ThreadCreated
from ..contracts.values import UNSET, AggregateKind
from .decide_internal import decide_internal
from .decide_thread import ThreadClientCommand, decide_thread
from .decision import Decision, DecisionRequest, Rejection, one
from .state import DecisionState, ThreadState


def aggregate_of(command: Command) -> tuple[AggregateKind, str]:
    """The stream that a command's events belong to."""
    if isinstance(command, ProjectCommand):
        return "project", command.project_id
    return "thread", command.thread_id


def decide(state: DecisionState, request: DecisionRequest) -> Decision:
    """The events that `request` leads to in `state`, or why it is rejected."""
    command = request.command
    match command:
        case ProjectCreate() | ProjectMetaUpdate() | ProjectDelete():
            return _decide_project(state, command, request)
        case ThreadCreate():
            return _create_thread(state, command, request)
        case _:
            thread = state.thread(command.thread_id)
            if thread is None:
                return Rejection(reason=f"thread {command.thread_id!r} does not exist")
            if thread.deleted and not _is_final_session_set(command):
                return Rejection(reason=f"thread {command.thread_id!r} is deleted")
            return _decide_of_thread(state, thread, command, request)


def _decide_of_thread(
    state: DecisionState,
    thread: ThreadState,
    command: ThreadClientCommand | InternalCommand,
    request: DecisionRequest,
) -> Decision:
    if isinstance(command, InternalCommand):
        return decide_internal(state, thread, command, request)
    return decide_thread(state, thread, command, request)


def _decide_project(state: DecisionState, command: ProjectCommand, request: DecisionRequest) -> Decision:
    project = state.project(command.project_id)
    if isinstance(command, ProjectCreate):
        if project is not None:
            return Rejection(reason=f"project {command.project_id!r} exists or existed already")
        return one(
            ProjectCreated(
                project_id=command.project_id,
                title=command.title,
                workspace_root=command.workspace_root,
                default_model=None if command.default_model is UNSET else command.default_model,
                scripts=(),
                created_at=command.created_at,
                updated_at=command.created_at,
            ),
            command.created_at,
            request,
        )
    if project is None:
        return Rejection(reason=f"project {command.project_id!r} does not exist")
    if project.deleted:
        return Rejection(reason=f"project {command.project_id!r} is deleted")
    if isinstance(command, ProjectMetaUpdate):
        return one(
            ProjectMetaUpdated(
                project_id=command.project_id,
                title=command.title,
                workspace_root=command.workspace_root,
                default_model=command.default_model,
                scripts=command.scripts,
                updated_at=request.now,
            ),
            request.now,
            request,
        )
    if project.live_threads:
        return Rejection(
            reason=f"project {command.project_id!r} has {project.live_threads} live threads: delete them first"
        )
    return one(ProjectDeleted(project_id=command.project_id, deleted_at=request.now), request.now, request)


def _create_thread(state: DecisionState, command: ThreadCreate, request: DecisionRequest) -> Decision:
    if state.thread(command.thread_id) is not None:
        return Rejection(reason=f"thread {command.thread_id!r} exists or existed already")
    project = state.project(command.project_id)
    if project is None:
        return Rejection(reason=f"project {command.project_id!r} does not exist")
    if project.deleted:
        return Rejection(reason=f"project {command.project_id!r} is deleted")
    return one(
        ThreadCreated(
            thread_id=command.thread_id,
            project_id=command.project_id,
            title=command.title,
            model=command.model,
            provider=command.provider,
            branch=command.branch,
            worktree_path=command.worktree_path,
            created_at=command.created_at,
            updated_at=command.created_at,
        ),
        command.created_at,
        request,
    )


def _is_final_session_set(command: Command) -> bool:
    return isinstance(command, ThreadSessionSet) and command.session.status == "stopped"
