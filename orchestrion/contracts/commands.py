"""The twenty-one commands: thirteen that clients dispatch, eight that only the runtime's own actors may.

A command is an imperative: it may be rejected. `type` is its name on the wire. `command_id` makes it idempotent:
the same command sent again is decided once and answered the same.

Python callers of client commands write plain values (`plain_values.py`) and may leave `command_id`, `created_at`,
`branch` and `worktree_path` out. On the wire these are required.
"""

from __future__ import annotations

from typing import ClassVar, Final, TypeAlias

import attrs

from .ids import ApprovalOptionId, ApprovalRequestId, CheckpointRef, CommandId, MessageId, ProjectId, ThreadId, TurnId
from .new_values import new_command_id, now
from .plain_values import (
    to_answers,
    to_command_id,
    to_count,
    to_directory,
    to_directory_or_none,
    to_directory_or_unset,
    to_directory_to_change,
    to_instant,
    to_label,
    to_label_or_none,
    to_label_or_unset,
    to_label_to_change,
    to_message,
    to_option_id,
    to_project_id,
    to_request_id,
    to_thread_id,
    to_turn_id,
    to_turn_ids,
)
from .values import (
    UNSET,
    Activity,
    Answers,
    ApprovalDecision,
    ChangedFile,
    CheckpointStatus,
    Count,
    Instant,
    Label,
    MessageRole,
    ProjectScript,
    Session,
    TurnOrigin,
    Unset,
    UserMessage,
)


@attrs.frozen(kw_only=True)
class ProjectCreate:
    type: ClassVar[str] = "project.create"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    project_id: ProjectId = attrs.field(converter=to_project_id)
    title: Label = attrs.field(converter=to_label)
    workspace_root: Label = attrs.field(converter=to_directory)
    default_model: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ProjectMetaUpdate:
    type: ClassVar[str] = "project.meta.update"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    project_id: ProjectId = attrs.field(converter=to_project_id)
    title: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    workspace_root: Label | Unset = attrs.field(converter=to_directory_or_unset, default=UNSET)
    default_model: Label | Unset | None = attrs.field(converter=to_label_to_change, default=UNSET)
    scripts: tuple[ProjectScript, ...] | Unset = UNSET


@attrs.frozen(kw_only=True)
class ProjectDelete:
    type: ClassVar[str] = "project.delete"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    project_id: ProjectId = attrs.field(converter=to_project_id)


@attrs.frozen(kw_only=True)
class ThreadCreate:
    """Without `model` the project's is used. `provider` names the one that serves the thread."""

    type: ClassVar[str] = "thread.create"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    project_id: ProjectId = attrs.field(converter=to_project_id)
    title: Label = attrs.field(converter=to_label)
    model: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    provider: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    branch: Label | None = attrs.field(converter=to_label_or_none, default=None)
    worktree_path: Label | None = attrs.field(converter=to_directory_or_none, default=None)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadMetaUpdate:
    type: ClassVar[str] = "thread.meta.update"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    title: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    model: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    branch: Label | Unset | None = attrs.field(converter=to_label_to_change, default=UNSET)
    worktree_path: Label | Unset | None = attrs.field(converter=to_directory_to_change, default=UNSET)


@attrs.frozen(kw_only=True)
class ThreadDelete:
    type: ClassVar[str] = "thread.delete"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)


@attrs.frozen(kw_only=True)
class ThreadTurnStart:
    """Asks for a turn. It is queued behind the thread's running turn and the turns asked for before it."""

    type: ClassVar[str] = "thread.turn.start"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    message: UserMessage = attrs.field(converter=to_message)
    model: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    effort: Label | Unset = attrs.field(converter=to_label_or_unset, default=UNSET)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadTurnSteer:
    """Sends a message into the running turn if its agent can take it; else it starts the next turn."""

    type: ClassVar[str] = "thread.turn.steer"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    message: UserMessage = attrs.field(converter=to_message)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadQueueUpdate:
    """Orders the waiting turns: those named first, then the others in the order that they have."""

    type: ClassVar[str] = "thread.queue.update"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    turn_ids: tuple[TurnId, ...] = attrs.field(converter=to_turn_ids)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadTurnInterrupt:
    """Asks to end a running or queued turn: the one named, else the running one, else the oldest queued one."""

    type: ClassVar[str] = "thread.turn.interrupt"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    turn_id: TurnId | Unset = attrs.field(converter=to_turn_id, default=UNSET)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadApprovalRespond:
    """Answers a pending request. `option_id` names one of the options that the agent offered with it.

    `answers` goes with an acceptance: the answers to its questions by their ids, or, for a request that is `editable`,
    `updatedInput`, the changed input of its tool. The answers to secret questions reach the agent and are not stored.
    """

    type: ClassVar[str] = "thread.approval.respond"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    request_id: ApprovalRequestId = attrs.field(converter=to_request_id)
    decision: ApprovalDecision
    option_id: ApprovalOptionId | Unset = attrs.field(converter=to_option_id, default=UNSET)
    answers: Answers | Unset = attrs.field(converter=to_answers, default=UNSET, repr=False)
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadCheckpointRevert:
    """Asks to take workspace and conversation back to the end of turn `turn_count` (0: before the first).

    Refused where it would undo changes that are not of this thread's turns, unless `revert_others` is true.
    """

    type: ClassVar[str] = "thread.checkpoint.revert"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    turn_count: Count = attrs.field(converter=to_count)
    revert_others: bool | Unset = UNSET
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


@attrs.frozen(kw_only=True)
class ThreadSessionStop:
    """Ends the thread's agent. With `forget_conversation` the next turn starts a fresh conversation."""

    type: ClassVar[str] = "thread.session.stop"
    command_id: CommandId = attrs.field(converter=to_command_id, factory=new_command_id)
    thread_id: ThreadId = attrs.field(converter=to_thread_id)
    forget_conversation: bool | Unset = UNSET
    created_at: Instant = attrs.field(converter=to_instant, factory=now)


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
class ThreadMessageImport:
    """Adds a whole message of a conversation that an agent kept, of no turn."""

    type: ClassVar[str] = "thread.message.import"
    command_id: CommandId
    thread_id: ThreadId
    message_id: MessageId
    role: MessageRole
    text: str
    created_at: Instant


@attrs.frozen(kw_only=True)
class ThreadTurnSteerQueue:
    """Make the message of an open steering request the next turn. With `cancel_reason` that turn is cancelled."""

    type: ClassVar[str] = "thread.turn.steer.queue"
    command_id: CommandId
    thread_id: ThreadId
    cancel_reason: Label | Unset = UNSET
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
    | ThreadTurnSteer
    | ThreadQueueUpdate
    | ThreadTurnInterrupt
    | ThreadApprovalRespond
    | ThreadCheckpointRevert
    | ThreadSessionStop
)

InternalCommand: TypeAlias = (
    ThreadSessionSet
    | ThreadMessageAssistantDelta
    | ThreadMessageAssistantComplete
    | ThreadMessageImport
    | ThreadTurnSteerQueue
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
    ThreadTurnSteer,
    ThreadQueueUpdate,
    ThreadTurnInterrupt,
    ThreadApprovalRespond,
    ThreadCheckpointRevert,
    ThreadSessionStop,
)

INTERNAL_COMMANDS: Final[tuple[type[InternalCommand], ...]] = (
    ThreadSessionSet,
    ThreadMessageAssistantDelta,
    ThreadMessageAssistantComplete,
    ThreadMessageImport,
    ThreadTurnSteerQueue,
    ThreadTurnDiffComplete,
    ThreadActivityAppend,
    ThreadRevertComplete,
)
