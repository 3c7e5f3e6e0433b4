"""Builders of commands and values for tests: every field has a default, ids are plain text.

One long module: one builder for each of the commands.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

from orchestrion.contracts.blobs import digest_of
from orchestrion.contracts.commands import (
    ProjectCreate,
    ProjectDelete,
    ProjectMetaUpdate,
    ThreadActivityAppend,
    ThreadApprovalRespond,
    ThreadCheckpointRevert,
    ThreadCreate,
    ThreadDelete,
    ThreadMessageAssistantComplete,
    ThreadMessageAssistantDelta,
    ThreadMessageImport,
    ThreadMetaUpdate,
    ThreadQueueUpdate,
    ThreadRevertComplete,
    ThreadSessionSet,
    ThreadSessionStop,
    ThreadTurnDiffComplete,
    ThreadTurnInterrupt,
    ThreadTurnStart,
    ThreadTurnSteer,
    ThreadTurnSteerQueue,
)
from orchestrion.contracts.ids import (
    ActivityId,
    ApprovalOptionId,
    ApprovalRequestId,
    CheckpointRef,
    CommandId,
    MessageId,
    ProjectId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
    TurnId,
)
from orchestrion.contracts.values import (
    UNSET,
    Activity,
    Answers,
    ApprovalDecision,
    Attachment,
    AttachmentName,
    AttachmentSize,
    ChangedFile,
    CheckpointStatus,
    Count,
    DataUrl,
    Instant,
    JsonObject,
    Label,
    MediaType,
    MessageRole,
    MessageText,
    ProjectScript,
    Session,
    SessionStatus,
    StoredAttachment,
    Tone,
    TurnOrigin,
    Unset,
    UserMessage,
)
from orchestrion.testing import counting_mint

at: Final = counting_mint.at
"""The instant so many seconds after the first instant of the tests."""


class CommandIds:
    """Command ids in order: `<prefix>-1`, `<prefix>-2`, …"""

    def __init__(self, prefix: str = "command") -> None:
        self._prefix = prefix
        self._numbers = count(1)

    def __call__(self) -> CommandId:
        return CommandId(f"{self._prefix}-{next(self._numbers)}")


next_command_id: Final = CommandIds()


def _id(command_id: str | None) -> CommandId:
    return next_command_id() if command_id is None else CommandId(command_id)


def script(name: str = "test") -> ProjectScript:
    return ProjectScript(
        id=Label(f"script-{name}"), name=Label(name), command=f"make {name}", icon="test", run_on_worktree_create=False
    )


PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
"""A PNG of one pixel, in base64: 70 bytes."""


def image(name: str = "shot.png", *, size_bytes: int = 70) -> Attachment:
    return Attachment(
        type="image",
        name=AttachmentName(name),
        mime_type=MediaType("image/png"),
        size_bytes=AttachmentSize(size_bytes),
        data_url=DataUrl(f"data:image/png;base64,{PIXEL}"),
    )


def stored_image(name: str = "shot.png") -> StoredAttachment:
    """`image` as an event has it."""
    sent = image(name)
    return StoredAttachment(
        type=sent.type,
        name=sent.name,
        mime_type=sent.mime_type,
        size_bytes=sent.size_bytes,
        digest=digest_of(b64decode(PIXEL)),
    )


def changed_file(path: str = "a.txt", *, additions: int = 1, deletions: int = 0) -> ChangedFile:
    return ChangedFile(path=Label(path), kind="modified", additions=Count(additions), deletions=Count(deletions))


def session(
    status: SessionStatus = "ready",
    *,
    thread_id: str = "t1",
    active_turn_id: str | None = None,
    provider_session_id: str | None = "s1",
    provider_thread_id: str | None = None,
    provider_name: str | None = "scripted",
    last_error: str | None = None,
    updated_at: Instant | None = None,
) -> Session:
    return Session(
        thread_id=ThreadId(thread_id),
        status=status,
        provider_name=None if provider_name is None else Label(provider_name),
        provider_session_id=None if provider_session_id is None else ProviderSessionId(provider_session_id),
        provider_thread_id=None if provider_thread_id is None else ProviderThreadId(provider_thread_id),
        active_turn_id=None if active_turn_id is None else TurnId(active_turn_id),
        last_error=last_error,
        updated_at=at(0) if updated_at is None else updated_at,
    )


def activity(
    activity_id: str = "a1",
    *,
    kind: str = "tool.started",
    tone: Tone = "tool",
    summary: str = "something happened",
    payload: JsonObject | None = None,
    turn_id: str | None = None,
    created_at: Instant | None = None,
) -> Activity:
    return Activity(
        id=ActivityId(activity_id),
        tone=tone,
        kind=Label(kind),
        summary=summary,
        payload={} if payload is None else payload,
        turn_id=None if turn_id is None else TurnId(turn_id),
        created_at=at(0) if created_at is None else created_at,
    )


def project_create(
    project_id: str = "p1",
    *,
    title: str = "A project",
    workspace_root: str = "/workspace",
    default_model: str | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ProjectCreate:
    return ProjectCreate(
        command_id=_id(command_id),
        project_id=ProjectId(project_id),
        title=Label(title),
        workspace_root=Label(workspace_root),
        default_model=UNSET if default_model is UNSET else Label(default_model),
        created_at=created_at or at(0),
    )


def project_meta_update(project_id: str = "p1", *, command_id: str | None = None, **changes: Any) -> ProjectMetaUpdate:
    """`changes`: title, workspace_root, default_model, scripts."""
    return ProjectMetaUpdate(command_id=_id(command_id), project_id=ProjectId(project_id), **changes)


def project_delete(project_id: str = "p1", *, command_id: str | None = None) -> ProjectDelete:
    return ProjectDelete(command_id=_id(command_id), project_id=ProjectId(project_id))


def thread_create(
    thread_id: str = "t1",
    *,
    project_id: str = "p1",
    title: str = "A thread",
    model: str | Unset = "model-1",
    provider: str | Unset = UNSET,
    branch: str | None = None,
    worktree_path: str | None = None,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadCreate:
    return ThreadCreate(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        project_id=ProjectId(project_id),
        title=Label(title),
        model=model if isinstance(model, Unset) else Label(model),
        provider=provider if isinstance(provider, Unset) else Label(provider),
        branch=None if branch is None else Label(branch),
        worktree_path=None if worktree_path is None else Label(worktree_path),
        created_at=created_at or at(0),
    )


def thread_meta_update(thread_id: str = "t1", *, command_id: str | None = None, **changes: Any) -> ThreadMetaUpdate:
    """`changes`: title, model, branch, worktree_path."""
    return ThreadMetaUpdate(command_id=_id(command_id), thread_id=ThreadId(thread_id), **changes)


def thread_delete(thread_id: str = "t1", *, command_id: str | None = None) -> ThreadDelete:
    return ThreadDelete(command_id=_id(command_id), thread_id=ThreadId(thread_id))


def turn_start(
    thread_id: str = "t1",
    message_id: str = "m1",
    *,
    text: str = "please",
    attachments: tuple[Attachment, ...] = (),
    model: str | Unset = UNSET,
    effort: str | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadTurnStart:
    return ThreadTurnStart(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        message=UserMessage(message_id=MessageId(message_id), text=MessageText(text), attachments=attachments),
        model=UNSET if model is UNSET else Label(model),
        effort=UNSET if effort is UNSET else Label(effort),
        created_at=created_at or at(0),
    )


def turn_steer(
    thread_id: str = "t1",
    message_id: str = "m1",
    *,
    text: str = "not like this",
    attachments: tuple[Attachment, ...] = (),
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadTurnSteer:
    return ThreadTurnSteer(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        message=UserMessage(message_id=MessageId(message_id), text=MessageText(text), attachments=attachments),
        created_at=created_at or at(0),
    )


def steer_queue(
    thread_id: str = "t1",
    *,
    cancel_reason: str | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadTurnSteerQueue:
    return ThreadTurnSteerQueue(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        cancel_reason=UNSET if cancel_reason is UNSET else Label(cancel_reason),
        created_at=created_at or at(0),
    )


def queue_update(
    thread_id: str = "t1",
    turn_ids: Iterable[str] = (),
    *,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadQueueUpdate:
    return ThreadQueueUpdate(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        turn_ids=tuple(TurnId(turn_id) for turn_id in turn_ids),
        created_at=created_at or at(0),
    )


def turn_interrupt(
    thread_id: str = "t1",
    turn_id: str | Unset = UNSET,
    *,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadTurnInterrupt:
    return ThreadTurnInterrupt(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        turn_id=UNSET if turn_id is UNSET else TurnId(turn_id),
        created_at=created_at or at(0),
    )


def approval_respond(
    thread_id: str = "t1",
    request_id: str = "r1",
    decision: ApprovalDecision = "accept",
    *,
    option_id: str | Unset = UNSET,
    answers: JsonObject | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadApprovalRespond:
    return ThreadApprovalRespond(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        request_id=ApprovalRequestId(request_id),
        decision=decision,
        option_id=UNSET if option_id is UNSET else ApprovalOptionId(option_id),
        answers=UNSET if answers is UNSET else Answers(answers),
        created_at=created_at or at(0),
    )


def checkpoint_revert(
    thread_id: str = "t1",
    turn_count: int = 0,
    *,
    revert_others: bool | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadCheckpointRevert:
    return ThreadCheckpointRevert(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        turn_count=Count(turn_count),
        revert_others=revert_others,
        created_at=created_at or at(0),
    )


def session_stop(
    thread_id: str = "t1",
    *,
    forget_conversation: bool | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadSessionStop:
    return ThreadSessionStop(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        forget_conversation=forget_conversation,
        created_at=created_at or at(0),
    )


def session_set(
    status: SessionStatus = "ready",
    *,
    thread_id: str = "t1",
    active_turn_id: str | None = None,
    provider_session_id: str | None = "s1",
    provider_thread_id: str | None = None,
    provider_name: str | None = "scripted",
    last_error: str | None = None,
    turn_origin: TurnOrigin | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadSessionSet:
    moment = created_at or at(0)
    return ThreadSessionSet(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        session=session(
            status,
            thread_id=thread_id,
            active_turn_id=active_turn_id,
            provider_session_id=provider_session_id,
            provider_thread_id=provider_thread_id,
            provider_name=provider_name,
            last_error=last_error,
            updated_at=moment,
        ),
        turn_origin=turn_origin,
        created_at=moment,
    )


def assistant_delta(
    message_id: str = "m2",
    delta: str = "text",
    *,
    thread_id: str = "t1",
    turn_id: str | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadMessageAssistantDelta:
    return ThreadMessageAssistantDelta(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        message_id=MessageId(message_id),
        delta=delta,
        turn_id=UNSET if turn_id is UNSET else TurnId(turn_id),
        created_at=created_at or at(0),
    )


def assistant_complete(
    message_id: str = "m2",
    *,
    thread_id: str = "t1",
    turn_id: str | Unset = UNSET,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadMessageAssistantComplete:
    return ThreadMessageAssistantComplete(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        message_id=MessageId(message_id),
        turn_id=UNSET if turn_id is UNSET else TurnId(turn_id),
        created_at=created_at or at(0),
    )


def message_import(
    message_id: str = "m2",
    *,
    thread_id: str = "t1",
    role: MessageRole = "user",
    text: str = "Said before",
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadMessageImport:
    return ThreadMessageImport(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        message_id=MessageId(message_id),
        role=role,
        text=text,
        created_at=created_at or at(0),
    )


def diff_complete(
    turn_id: str = "turn-1",
    checkpoint_turn_count: int = 1,
    *,
    thread_id: str = "t1",
    checkpoint_ref: str = "checkpoint/1",
    status: CheckpointStatus = "ready",
    files: tuple[ChangedFile, ...] = (),
    assistant_message_id: str | Unset = UNSET,
    completed_at: Instant | None = None,
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadTurnDiffComplete:
    return ThreadTurnDiffComplete(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        turn_id=TurnId(turn_id),
        completed_at=completed_at or at(0),
        checkpoint_ref=CheckpointRef(checkpoint_ref),
        status=status,
        files=files,
        assistant_message_id=UNSET if assistant_message_id is UNSET else MessageId(assistant_message_id),
        checkpoint_turn_count=Count(checkpoint_turn_count),
        created_at=created_at or at(0),
    )


def activity_append(
    value: Activity | None = None,
    *,
    thread_id: str = "t1",
    created_at: Instant | None = None,
    command_id: str | None = None,
) -> ThreadActivityAppend:
    return ThreadActivityAppend(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        activity=value or activity(),
        created_at=created_at or at(0),
    )


def approval_requested(
    request_id: str = "r1",
    *,
    thread_id: str = "t1",
    turn_id: str | None = None,
    options: Sequence[JsonObject] = (),
    command_id: str | None = None,
    **payload: Any,
) -> ThreadActivityAppend:
    """The activity that opens an approval."""
    return activity_append(
        activity(
            f"asked-{request_id}",
            kind="approval.requested",
            tone="approval",
            payload={"requestId": request_id, "requestKind": "command"}
            | ({"options": options} if options else {})
            | payload,
            turn_id=turn_id,
        ),
        thread_id=thread_id,
        command_id=command_id,
    )


def question_requested(
    *questions: JsonObject,
    request_id: str = "r1",
    thread_id: str = "t1",
    turn_id: str | None = None,
    command_id: str | None = None,
) -> ThreadActivityAppend:
    """The activity that opens a form."""
    return activity_append(
        activity(
            f"asked-{request_id}",
            kind="question.requested",
            tone="approval",
            payload={"requestId": request_id, "requestKind": "question", "questions": list(questions)},
            turn_id=turn_id,
        ),
        thread_id=thread_id,
        command_id=command_id,
    )


def question(id: str = "q1", **fields: Any) -> JsonObject:
    """A question in wire form, by default one with the options red and blue."""
    return {
        "id": id,
        "header": "Colour",
        "text": "Which colour?",
        "options": [{"label": "red", "description": ""}, {"label": "blue", "description": ""}],
        "multiple": False,
        "freeText": False,
        "required": True,
        "secret": False,
        **fields,
    }


def approval_resolved(
    request_id: str = "r1",
    decision: ApprovalDecision = "accept",
    *,
    thread_id: str = "t1",
    turn_id: str | None = None,
    command_id: str | None = None,
) -> ThreadActivityAppend:
    """The activity that resolves an approval."""
    return activity_append(
        activity(
            f"answered-{request_id}",
            kind="approval.resolved",
            tone="approval",
            payload={"requestId": request_id, "decision": decision},
            turn_id=turn_id,
        ),
        thread_id=thread_id,
        command_id=command_id,
    )


def revert_complete(
    thread_id: str = "t1", turn_count: int = 0, *, created_at: Instant | None = None, command_id: str | None = None
) -> ThreadRevertComplete:
    return ThreadRevertComplete(
        command_id=_id(command_id),
        thread_id=ThreadId(thread_id),
        turn_count=Count(turn_count),
        created_at=created_at or at(0),
    )
