"""What a user interface reads: the snapshot, a turn's diff, and the typed requests for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import attrs

from .events import LoggedEvent, PersistedEvent, ThreadTurnStartRequested
from .ids import ApprovalRequestId, CheckpointRef, EventId, MessageId, ProjectId, ThreadId, TurnId
from .provider_events import ApprovalOption
from .questions import Question
from .values import (
    UNSET,
    Activity,
    ChangedFile,
    CheckpointStatus,
    Count,
    Digest,
    FailureReason,
    Instant,
    MessageRole,
    ProjectScript,
    Session,
    TurnStatus,
    Unset,
)

SnapshotDetail: TypeAlias = Literal["full", "summary"]


@attrs.frozen(kw_only=True)
class ProjectView:
    id: ProjectId
    title: str
    workspace_root: str
    default_model: str | None
    scripts: tuple[ProjectScript, ...]
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None


@attrs.frozen(kw_only=True)
class TurnView:
    turn_id: TurnId
    turn_count: int
    status: TurnStatus
    user_message_id: MessageId | None
    assistant_message_id: MessageId | None
    started_at: Instant
    completed_at: Instant | None


@attrs.frozen(kw_only=True)
class QueuedTurnView:
    """A turn that waits.

    `event_id` is that of its `thread.turn-start-requested`. The next event with it as `causation_event_id` takes the
    turn out of the queue: the turn begins, fails to begin, or is cancelled.
    """

    turn_id: TurnId
    message_id: MessageId
    requested_at: Instant
    event_id: EventId


@attrs.frozen(kw_only=True)
class TurnFailure:
    """Why a turn failed. `turn_id` may be that of a turn that never opened, because its agent could not start.

    `login` are the commands that log in, one of which is enough; present where the agent could not start without.
    """

    turn_id: TurnId
    reason: FailureReason
    message: str
    at: Instant
    login: tuple[str, ...] | Unset = UNSET


@attrs.frozen(kw_only=True)
class ThreadUsage:
    """What the turns of a thread used: sums over the turns whose agents report it, None where none does.

    `context_window`, `context_used` and `model` are those of the latest turn with a report.
    """

    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    context_window: int | None
    context_used: int | None
    model: str | None


@attrs.frozen(kw_only=True)
class PendingApprovalView:
    """A request that waits for a decision.

    The other fields are those of the `approval.requested` or `question.requested` activity that opened it, null, empty
    or false where that activity has none. `options` are the agent's own, in its order; `thread.approval.respond` may
    name one of them. `questions` are to be answered with an acceptance. `editable`: an acceptance may bring a changed
    input of the tool.
    """

    request_id: ApprovalRequestId
    turn_id: TurnId | None
    created_at: Instant
    kind: str | None = None
    summary: str | None = None
    options: tuple[ApprovalOption, ...] = ()
    questions: tuple[Question, ...] = ()
    editable: bool = False


@attrs.frozen(kw_only=True)
class AttachmentView:
    """A stored attachment: `size` in bytes. `digest` is what `Runtime.get_attachment` takes."""

    name: str
    media_type: str
    size: int
    digest: Digest


@attrs.frozen(kw_only=True)
class AttachmentContent:
    """The bytes of a stored attachment, with the name and type under which it was stored."""

    digest: Digest
    name: str
    media_type: str
    content: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class MessageView:
    """A message. `attachments` are those whose bytes are stored; messages of older logs name none."""

    id: MessageId
    role: MessageRole
    text: str
    turn_id: TurnId | None
    streaming: bool
    created_at: Instant
    updated_at: Instant
    attachments: tuple[AttachmentView, ...] = ()


@attrs.frozen(kw_only=True)
class CheckpointView:
    turn_id: TurnId
    checkpoint_turn_count: int
    checkpoint_ref: CheckpointRef
    status: CheckpointStatus
    files: tuple[ChangedFile, ...]
    assistant_message_id: MessageId | None
    completed_at: Instant


@attrs.frozen(kw_only=True)
class ThreadView:
    """A thread. `messages`, `activities` and `checkpoints` are absent in a summary.

    `model` is None where the project's is used. `provider` is that of its session, else the one that it was created
    for; None where neither says. `queue` are the waiting turns in the order in which they will run.
    `last_failure` is the thread's newest `turn.failed` activity; turns that end well later leave it as it is. `usage`
    is None while no turn's usage was reported.
    """

    id: ThreadId
    project_id: ProjectId
    title: str
    model: str | None
    provider: str | None = None
    branch: str | None
    worktree_path: str | None
    latest_turn_id: TurnId | None
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None
    session: Session | None
    turns: tuple[TurnView, ...]
    queue: tuple[QueuedTurnView, ...] = ()
    pending_approvals: tuple[PendingApprovalView, ...]
    last_failure: TurnFailure | None = None
    usage: ThreadUsage | None = None
    messages: tuple[MessageView, ...] | Unset = UNSET
    activities: tuple[Activity, ...] | Unset = UNSET
    checkpoints: tuple[CheckpointView, ...] | Unset = UNSET


@attrs.frozen(kw_only=True)
class Snapshot:
    """The read model at `snapshot_sequence`: every later event applies to it exactly once."""

    snapshot_sequence: int
    projects: tuple[ProjectView, ...]
    threads: tuple[ThreadView, ...]
    updated_at: Instant


if TYPE_CHECKING:

    @attrs.frozen(kw_only=True)
    class FullThreadView(ThreadView):
        """A thread of a full snapshot, for type checkers: nothing of it is absent."""

        messages: tuple[MessageView, ...]
        activities: tuple[Activity, ...]
        checkpoints: tuple[CheckpointView, ...]

    @attrs.frozen(kw_only=True)
    class FullSnapshot(Snapshot):
        """A snapshot that was asked for in full, for type checkers."""

        threads: tuple[FullThreadView, ...]

else:
    FullThreadView, FullSnapshot = ThreadView, Snapshot


@attrs.frozen(kw_only=True)
class SnapshotRequest:
    thread_id: ThreadId | Unset = UNSET
    detail: SnapshotDetail = "full"


@attrs.frozen(kw_only=True)
class TurnDiffRequest:
    thread_id: ThreadId
    from_turn_count: int
    to_turn_count: int


@attrs.frozen(kw_only=True)
class TurnDiff:
    """The unified diff of the workspace from the end of one turn to the end of another; "" where they are one."""

    thread_id: ThreadId
    from_turn_count: Count
    to_turn_count: Count
    diff: str


MAX_REPLAYED_EVENTS: Final = 10_000
"""The most events that one page of the log may ask for; a page that asks for no number has at most 1,000."""


@attrs.frozen(kw_only=True)
class ReplayPage:
    """Events of the log in order. `has_more`: the log has more of what was asked for, after the last of these."""

    events: tuple[LoggedEvent, ...]
    has_more: bool


@attrs.frozen(kw_only=True)
class DispatchResult:
    """The answer to an accepted command: its events in order, and the sequence of the last one.

    `duplicate`: the command was accepted before; the events are those of then.
    """

    sequence: int
    duplicate: bool
    events: tuple[LoggedEvent, ...] = attrs.field(default=(), eq=False, repr=False)

    @property
    def turn_id(self) -> TurnId | None:
        """The turn that a `thread.turn.start` asked for; None for other commands."""
        payloads = (event.payload for event in self.events if isinstance(event, PersistedEvent))
        return next((one.turn_id for one in payloads if isinstance(one, ThreadTurnStartRequested)), None)
