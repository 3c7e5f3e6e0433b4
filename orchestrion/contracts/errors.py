"""Every error that a host can meet, under one root. Each names the fault and a remedy, in typed fields too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from .ids import CommandId, ThreadId
from .text_repair import bounded_text
from .values import MAX_ERROR_BYTES, Digest, FailureReason

__all__ = [
    "AnswerRefused",
    "AttachmentUnreadable",
    "CommandIdReused",
    "CommandRejected",
    "ConcurrencyConflict",
    "DatabaseCorrupt",
    "DatabaseInUse",
    "DatabaseTooNew",
    "EventDecodeError",
    "ForeignDatabase",
    "InvalidCatalogue",
    "InvalidCommand",
    "InvalidRequest",
    "NotFound",
    "OrchestrionError",
    "Overloaded",
    "ProjectionStalled",
    "ProviderError",
    "ProviderProtocolError",
    "ProviderUnavailable",
    "ResumeRefused",
    "RuntimeFailed",
    "RuntimeStopped",
    "SequenceAheadOfLog",
    "SessionLost",
    "StoreError",
    "StoreFull",
    "TurnDiffNotFound",
    "WorkspaceUnusable",
]

NamedKind: TypeAlias = Literal["thread", "turn", "checkpoint", "attachment"]
"""The kinds of things that `NotFound` may name."""


class OrchestrionError(Exception):
    """The root of all errors that Orchestrion raises on purpose."""


class CommandRejected(OrchestrionError):
    """The command breaches an invariant of its project or thread. The rejection is receipted: it stays."""

    def __init__(self, command_id: CommandId, reason: str, *, duplicate: bool = False) -> None:
        super().__init__(f"command {command_id!r} was rejected: {reason}")
        self.command_id = command_id
        self.reason = reason
        self.duplicate = duplicate


class CommandIdReused(OrchestrionError):
    """The id belongs to an accepted command with other content. Send the new content under a new id."""

    def __init__(self, command_id: CommandId) -> None:
        super().__init__(
            f"command id {command_id!r} belongs to an accepted command with other content: "
            "send this content under an id of its own"
        )
        self.command_id = command_id


class InvalidCatalogue(OrchestrionError):
    """A catalogue of agents cannot be read. `source` names it, `faults` are sentences with the place of each fault."""

    def __init__(self, source: str, faults: tuple[str, ...]) -> None:
        super().__init__(f"{source}: {'; '.join(faults)}")
        self.source = source
        self.faults = faults


class InvalidCommand(OrchestrionError):
    """The command is not well formed; nothing was written. `field` is the JSON path of the first fault."""

    def __init__(self, field: str, fault: str, *, command_id: str | None = None) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field
        self.fault = fault
        self.command_id = command_id


class InvalidRequest(OrchestrionError):
    """An argument of a call is not valid. `field` names it as the RPC's params do, with their JSON path."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field
        self.fault = fault


class NotFound(OrchestrionError):
    """What a call names does not exist, or cannot be used any more."""

    def __init__(self, kind: NamedKind, id: str, fault: str = "does not exist") -> None:
        super().__init__(f"{kind} {id!r} {fault}")
        self.kind = kind
        self.id = id
        self.fault = fault


class ConcurrencyConflict(OrchestrionError):
    """The stream is not at the version the caller expected. Read it again and decide anew."""

    def __init__(self, stream_id: str, expected: int, found: int) -> None:
        super().__init__(f"stream {stream_id!r} is at version {found}, the command expected {expected}: read it again")
        self.stream_id = stream_id
        self.expected = expected
        self.found = found


class StoreError(OrchestrionError):
    """The database refused an operation. The driver's exception is its cause; `path` is the file that is at fault."""

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class DatabaseInUse(StoreError):
    """Another runtime owns the database. Stop it, or read with the read-only commands."""

    def __init__(self, path: str, pid: int | None, host: str | None, since: str | None) -> None:
        owner = "another process" if pid is None else f"process {pid} on {host} since {since}"
        super().__init__(f"{path} is in use by {owner}: stop it, or use the read-only commands", path=path)
        self.pid = pid
        self.host = host
        self.since = since


class DatabaseTooNew(StoreError):
    """A newer version of Orchestrion migrated the database. Update this installation."""


class ForeignDatabase(StoreError):
    """The file is not an Orchestrion database. Nothing was written to it."""


class DatabaseCorrupt(StoreError):
    """The database breaks a rule that Orchestrion keeps. Run `orchestrion verify`, or restore a backup."""


class StoreFull(StoreError):
    """The disk is full. Make room and send the command again under the same id."""


class AttachmentUnreadable(StoreError):
    """The stored bytes of an attachment are missing or damaged. Restore the file from a backup, or send it again."""

    def __init__(self, digest: Digest, fault: str, *, path: str) -> None:
        super().__init__(
            f"the attachment {digest} cannot be read: {path} {fault}: restore it from a backup, or send it again",
            path=path,
        )
        self.digest = digest
        self.fault = fault


class EventDecodeError(StoreError):
    """An event of the log does not decode: its payload is faulty, or its type is unknown."""

    def __init__(self, sequence: int, event_type: str, fault: str) -> None:
        super().__init__(f"event {sequence} ({event_type}) does not decode: {fault}")
        self.sequence = sequence
        self.event_type = event_type
        self.fault = fault


class ProjectionStalled(StoreError):
    """A projector cannot continue. Its rows are at `position`; `orchestrion rebuild` rebuilds them."""

    def __init__(self, projector: str, position: int | None, fault: str) -> None:
        where = projector if position is None else f"{projector} is at {position}"
        super().__init__(f"{where}: {fault}; run: orchestrion rebuild DB --projector {projector}")
        self.projector = projector
        self.position = position
        self.fault = fault


class SequenceAheadOfLog(OrchestrionError):
    """The position lies beyond the log's head, as after a restored backup. Take a new snapshot."""

    def __init__(self, sequence: int, head: int) -> None:
        super().__init__(f"sequence {sequence} is beyond the log's head {head}: take a new snapshot")
        self.sequence = sequence
        self.head = head


class TurnDiffNotFound(OrchestrionError):
    """No diff is stored for this range of turns."""

    def __init__(self, thread_id: ThreadId, from_turn_count: int, to_turn_count: int) -> None:
        super().__init__(f"thread {thread_id!r} has no diff from turn {from_turn_count} to {to_turn_count}")
        self.thread_id = thread_id
        self.from_turn_count = from_turn_count
        self.to_turn_count = to_turn_count


class ProviderError(OrchestrionError):
    """An agent, or what starts it, failed. `reason` is the cause, where it is known.

    The message may quote the agent: it is cut to 8 KiB.
    """

    reason: FailureReason | None = None

    def __init__(self, message: str, *, reason: FailureReason | None = None) -> None:
        super().__init__(bounded_text(message, MAX_ERROR_BYTES))
        self.reason = type(self).reason if reason is None else reason


class ProviderUnavailable(ProviderError):
    """The agent could not be started. The message names what to install or configure.

    `login` are the commands that log in, one of which is enough, where the reason is `unauthenticated`.
    """

    def __init__(self, message: str, *, reason: FailureReason | None = None, login: Iterable[str] = ()) -> None:
        super().__init__(message, reason=reason)
        self.login = tuple(login)


class ProviderProtocolError(ProviderError):
    """The agent broke its protocol, or refused a request."""

    reason: FailureReason | None = "protocol"


class AnswerRefused(ProviderProtocolError):
    """No option of an approval request fits the answer. Nothing was sent: the request waits for another answer."""


class ResumeRefused(ProviderError):
    """The agent does not know the session it was asked to resume."""

    reason: FailureReason | None = "refused"


class SessionLost(ProviderError):
    """The agent process ended while it was needed."""

    reason: FailureReason | None = "agent_crashed"


class WorkspaceUnusable(ProviderError):
    """The directory that a turn is to work in is missing, or is no directory. Put it back, or move the thread."""

    reason: FailureReason | None = "workspace"


class RuntimeStopped(OrchestrionError):
    """The runtime is stopping or has stopped. The request was not begun, or was cut off: open it again."""


class Overloaded(OrchestrionError):
    """The mailbox has no room, and the caller asked not to wait. Send the command again.

    `items` of `size` bytes are in it, and `waiting` senders wait for room.
    """

    def __init__(self, *, items: int, size: int, waiting: int, command_id: CommandId | None = None) -> None:
        what = "the item" if command_id is None else f"command {command_id!r}"
        super().__init__(
            f"{what} was not taken: {items} items of {size} bytes and {waiting} senders wait; send it again"
        )
        self.items = items
        self.size = size
        self.waiting = waiting
        self.command_id = command_id


class RuntimeFailed(OrchestrionError):
    """The runtime stopped taking commands; `health()` has the reason. Open it again."""
