"""Values that commands, events and the read model share.

JSON on the wire is camelCase, attributes are snake_case; the codec translates. A field that may be absent has the
default `UNSET`, which is not None: absent leaves a value as it is, null (where a field allows it) clears it.
"""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, NewType, TypeAlias

import attrs

from .ids import (
    ActivityId,
    MessageId,
    ProviderSessionId,
    ProviderThreadId,
    ThreadId,
    TurnId,
)

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object: string keys; null, booleans, 64-bit integers, finite numbers, text, lists and objects below."""

Instant = NewType("Instant", str)
"""ISO-8601 in UTC with milliseconds and `Z`, so that instants sort as text."""

EPOCH: Final = Instant("1970-01-01T00:00:00.000Z")

Label = NewType("Label", str)
"""Text that is not empty: titles, models, workspace roots."""

MessageText = NewType("MessageText", str)
"""What a user wrote: at most 120,000 characters."""

AttachmentName = NewType("AttachmentName", str)
"""A file name of 1 to 255 characters."""

MediaType = NewType("MediaType", str)
"""A type and a subtype with a slash between: `image/png`."""

DataUrl = NewType("DataUrl", str)
"""A `data:` URL with the attachment's bytes."""

Digest = NewType("Digest", str)
"""`sha256:` and 64 hexadecimal digits: names stored bytes by their content."""

AttachmentSize = NewType("AttachmentSize", int)
"""Bytes, at most 10 MiB."""

Count = NewType("Count", int)
"""A whole number that is not negative."""

Answers = NewType("Answers", dict[str, Any])
"""What a user answers to the questions of a request, by their ids: a JSON object of at most 64 KiB."""

MAX_MESSAGE_TEXT: Final = 120_000
MAX_ATTACHMENTS: Final = 8
MAX_ATTACHMENT_BYTES: Final = 10 * 1024 * 1024
MAX_ATTACHMENT_NAME: Final = 255
MAX_COMMAND_BYTES: Final = 20 * 1024 * 1024
MAX_ACTIVITY_PAYLOAD_BYTES: Final = 64 * 1024
MAX_ANSWERS_BYTES: Final = 64 * 1024
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The bound on one message of an agent, in UTF-8."""
MAX_ERROR_BYTES: Final = 8 * 1024
"""Of the text of an agent's error, in UTF-8."""


class Unset(enum.Enum):
    """The type of `UNSET`, the value of a field that is absent."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset.UNSET

AggregateKind: TypeAlias = Literal["project", "thread"]
ActorKind: TypeAlias = Literal["client", "server", "provider"]
ReceiptStatus: TypeAlias = Literal["accepted", "rejected"]
SessionRuntimeStatus: TypeAlias = Literal["starting", "running", "stopped", "error"]
MessageRole: TypeAlias = Literal["user", "assistant", "system"]
Tone: TypeAlias = Literal["info", "tool", "approval", "error"]
SessionStatus: TypeAlias = Literal["idle", "starting", "running", "ready", "interrupted", "stopped", "error"]
TurnStatus: TypeAlias = Literal["running", "completed", "interrupted", "error"]
CheckpointStatus: TypeAlias = Literal["ready", "missing", "error"]
ApprovalStatus: TypeAlias = Literal["pending", "resolved"]
ApprovalDecision: TypeAlias = Literal["accept", "acceptForSession", "decline", "cancel"]
TurnOrigin: TypeAlias = Literal["user", "agent"]
AttachmentType: TypeAlias = Literal["image", "file"]
ScriptIcon: TypeAlias = Literal["play", "test", "lint", "configure", "build", "debug"]
ApprovalOptionKind: TypeAlias = Literal["allow_once", "allow_always", "reject_once", "reject_always", "other"]
FailureReason: TypeAlias = Literal[
    "rate_limited",
    "unauthenticated",
    "model_unavailable",
    "context_full",
    "refused",
    "max_turns",
    "agent_crashed",
    "unresponsive",
    "workspace",
    "protocol",
    "storage",
    "unknown",
]
"""Why a turn failed, as a value that programs compare; the sentence beside it is for people."""
FileChangeKind: TypeAlias = Literal["added", "modified", "deleted", "renamed"]


@attrs.frozen(kw_only=True)
class ProjectScript:
    """A command that a host offers in a project."""

    id: Label = attrs.field(converter=Label)
    name: Label = attrs.field(converter=Label)
    command: str
    icon: ScriptIcon
    run_on_worktree_create: bool


@attrs.frozen(kw_only=True)
class Attachment:
    """An image or another file that goes with a message, with its bytes."""

    type: AttachmentType
    name: AttachmentName
    mime_type: MediaType
    size_bytes: AttachmentSize
    data_url: DataUrl


@attrs.frozen(kw_only=True)
class StoredAttachment:
    """An attachment of a message as events have it: its bytes are stored beside the database."""

    type: AttachmentType
    name: AttachmentName
    mime_type: MediaType
    size_bytes: AttachmentSize
    digest: Digest


MessageAttachment: TypeAlias = Attachment | StoredAttachment
"""As commands bring it, and older logs have it; or as events have it."""


@attrs.frozen(kw_only=True)
class UserMessage:
    """The user's message at the start of a turn. A client sends every attachment with its bytes."""

    message_id: MessageId = attrs.field(converter=MessageId)
    role: Literal["user"] = "user"
    text: MessageText = attrs.field(converter=MessageText)
    attachments: tuple[MessageAttachment, ...] = ()


@attrs.frozen(kw_only=True)
class Session:
    """What a thread's provider session is doing, as its users see it."""

    thread_id: ThreadId
    status: SessionStatus
    provider_name: Label | None
    provider_session_id: ProviderSessionId | None
    provider_thread_id: ProviderThreadId | None
    active_turn_id: TurnId | None
    last_error: str | None
    updated_at: Instant


@attrs.frozen(kw_only=True)
class Activity:
    """One line of a thread's history that is not a message: a tool, a plan, an approval, an error."""

    id: ActivityId
    tone: Tone
    kind: Label
    summary: str
    payload: JsonObject
    turn_id: TurnId | None
    created_at: Instant


@attrs.frozen(kw_only=True)
class ChangedFile:
    """One file of a turn's diff. `additions` and `deletions` count lines."""

    path: Label
    kind: FileChangeKind
    additions: Count
    deletions: Count


@attrs.frozen(kw_only=True)
class OpenedTurn:
    """What a `session-set` that opens a turn records of it.

    `origin` is present where the agent began the turn by itself: then no user message belongs to it.
    """

    turn_count: Count
    user_message_id: MessageId | None
    started_at: Instant
    origin: TurnOrigin | Unset = UNSET


_CANONICAL_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def instant(moment: datetime) -> Instant:
    """The `Instant` of an aware `datetime`, cut to milliseconds.

    Raises:
        ValueError: `moment` has no offset, so it names no instant.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without an offset names no instant: add Z or +00:00")
    return Instant(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].zfill(23) + "Z")


@lru_cache(maxsize=256)
def normalised_instant(text: str) -> Instant:
    """`text` as an `Instant`: any ISO-8601 offset and precision is taken to UTC milliseconds.

    Raises:
        ValueError: `text` is not an ISO-8601 date and time, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(text)
        if _CANONICAL_INSTANT.fullmatch(text):
            return Instant(text)
        return instant(moment)
    except OverflowError:
        raise ValueError(f"{text!r} is outside the years 1 to 9999") from None
