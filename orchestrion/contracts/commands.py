"""The seventeen commands: eleven that clients dispatch, six that only the runtime's own actors may.

A command is an imperative: it may be rejected. `type` is its name on the wire. `command_id` makes it idempotent:
the same command sent again is decided once and answered the same.
"""

from __future__ import annotations

from typing import ClassVar, Final, TypeAlias

import attrs

from .ids import ApprovalOptionId, ApprovalRequestId, CheckpointRef, CommandId, MessageId, ProjectId, ThreadId, TurnId
from .values import (
    UNSET,
    Activity,
    ApprovalDecision,
    ChangedFile,
    CheckpointStatus,
    Count,
    Instant,
    Label,
    ProjectScript,
    Session,
    TurnOrigin,
    Unset,
    UserMessage,
)


@attrs.frozen(kw_only=True)
class ProjectCreate:
    type: ClassVar[str] = "project.create"
    command_id: CommandId
    project_id: ProjectId
    title: Label
    workspace_root: Label
    default_model: Label | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ProjectMetaUpdate:
    type: ClassVar[str] = "project.meta.update"
    command_id: CommandId
    project_id: ProjectId
    title: Label | Unset = UNSET
    workspace_root: Label | Unset = UNSET
    default_model: Label | Unset | None = UNSET
    scripts: tuple[ProjectScript, ...] | Unset = UNSET


@attrs.frozen(kw_only=True)
class ProjectDelete:
    type: ClassVar[str] = "project.delete"
    command_id: CommandId
    project_id: ProjectId


@attrs.frozen(kw_only=True)
class ThreadCreate:
    """Without `model` the project's is used. `provider` names the one that serves the thread."""

    type: ClassVar[str] = "thread.create"
    command_id: CommandId
    thread_id: ThreadId
    project_id: ProjectId
    title: Label
    model: Label | Unset = UNSET
    provider: Label | Unset = UNSET
    branch: Label | None
    worktree_path: Label | None
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadMetaUpdate:
    type: ClassVar[str] = "thread.meta.update"
    command_id: CommandId
    thread_id: ThreadId
    title: Label | Unset = UNSET
    model: Label | Unset = UNSET
    branch: Label | Unset | None = UNSET
    worktree_path: Label | Unset | None = UNSET


@attrs.frozen(kw_only=True)
class ThreadDelete:
    type: ClassVar[str] = "thread.delete"
    command_id: CommandId
    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class ThreadTurnStart:
    """Asks for a turn. It is queued behind the thread's running turn and the turns asked for before it."""

    type: ClassVar[str] = "thread.turn.start"
    command_id: CommandId
    thread_id: ThreadId
    message: UserMessage
    model: Label | Unset = UNSET
    effort: Label | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnInterrupt:
    """Asks to end a running or queued turn: the one named, else the running one, else the oldest queued one."""

    type: ClassVar[str] = "thread.turn.interrupt"
    command_id: CommandId
    thread_id: ThreadId
    turn_id: TurnId | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadApprovalRespond:
    """Answers a pending request. `option_id` names one of the options that the agent offered with it."""

    type: ClassVar[str] = "thread.approval.respond"
    command_id: CommandId
    thread_id: ThreadId
    request_id: ApprovalRequestId
    decision: ApprovalDecision
    option_id: ApprovalOptionId | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadCheckpointRevert:
    """Asks to take workspace and conversation back to the end of turn `turn_count` (0: before the first).

    Refused where it would undo changes that are not of this thread's turns, unless `revert_others` is true.
    """

    type: ClassVar[str] = "thread.checkpoint.revert"
    command_id: CommandId
    thread_id: ThreadId
    turn_count: Count
    revert_others: bool | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadSessionStop:
    """Ends the thread's agent. With `forget_conversation` the next turn starts a fresh conversation."""

    type: ClassVar[str] = "thread.session.stop"
    command_id: CommandId
    thread_id: ThreadId
    forget_conversation: bool | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadSessionSet:
    """Report the session's state. `turn_origin` goes with a turn that this opens: by default it is the user's."""

    type: ClassVar[str] = "thread.session.set"
    command_id: CommandId
    thread_id: ThreadId
    session: Session
    turn_origin: TurnOrigin | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadMessageAssistantDelta:
    type: ClassVar[str] = "thread.message.assistant.delta"
    command_id: CommandId
    thread_id: ThreadId
    message_id: MessageId
    delta: str
    turn_id: TurnId | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadMessageAssistantComplete:
    type: ClassVar[str] = "thread.message.assistant.complete"
    command_id: CommandId
    thread_id: ThreadId
    message_id: MessageId
    turn_id: TurnId | Unset = UNSET
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnDiffComplete:
    type: ClassVar[str] = "thread.turn.diff.complete"
    command_id: CommandId
    thread_id: ThreadId
    turn_id: TurnId
    completed_at: Instant
    checkpoint_ref: CheckpointRef
    status: CheckpointStatus
    files: tuple[ChangedFile, ...]
    assistant_message_id: MessageId | Unset = UNSET
    checkpoint_turn_count: Count
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadActivityAppend:
    type: ClassVar[str] = "thread.activity.append"
    command_id: CommandId
    thread_id: ThreadId
    activity: Activity
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadRevertComplete:
    type: ClassVar[str] = "thread.revert.complete"
    command_id: CommandId
    thread_id: ThreadId
    turn_count: Count
    created_at: Instant


ProjectCommand: TypeAlias = ProjectCreate | ProjectMetaUpdate | ProjectDelete

ClientCommand: TypeAlias = (
    ProjectCommand
    | ThreadCreate
    | ThreadMetaUpdate
    | ThreadDelete
    | ThreadTurnStart
    | ThreadTurnInterrupt
    | ThreadApprovalRespond
    | ThreadCheckpointRevert
    | ThreadSessionStop
)

InternalCommand: TypeAlias = (
    ThreadSessionSet
    | ThreadMessageAssistantDelta
    | ThreadMessageAssistantComplete
    | ThreadTurnDiffComplete
    | ThreadActivityAppend
    | ThreadRevertComplete
)

Command: TypeAlias = ClientCommand | InternalCommand

CLIENT_COMMANDS: Final[tuple[type[ClientCommand], ...]] = (
    ProjectCreate,
    ProjectMetaUpdate,
    ProjectDelete,
    ThreadCreate,
    ThreadMetaUpdate,
    ThreadDelete,
    ThreadTurnStart,
    ThreadTurnInterrupt,
    ThreadApprovalRespond,
    ThreadCheckpointRevert,
    ThreadSessionStop,
)

INTERNAL_COMMANDS: Final[tuple[type[InternalCommand], ...]] = (
    ThreadSessionSet,
    ThreadMessageAssistantDelta,
    ThreadMessageAssistantComplete,
    ThreadTurnDiffComplete,
    ThreadActivityAppend,
    ThreadRevertComplete,
)
