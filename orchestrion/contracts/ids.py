"""Identifiers: one `NewType` over `str` for each kind of thing, so that a type checker tells them apart.

An identifier is 1 to 200 characters without control characters. Who creates an entity mints its id: a client its
projects, threads, messages and commands; the runtime turns, events and sessions. `ThreadId` and `TurnId` are the
host's; `ProviderThreadId` and `ProviderTurnId` are the agent's own, and neither is ever assigned to the other.

Where the runtime and its clients name things of one kind (commands, messages, activities, approval requests), the
runtime's names begin with `~` and theirs may not, so that neither can take a name that the other is going to use.
"""

from __future__ import annotations

from typing import Final, NewType

ProjectId = NewType("ProjectId", str)
ThreadId = NewType("ThreadId", str)
CommandId = NewType("CommandId", str)
EventId = NewType("EventId", str)
MessageId = NewType("MessageId", str)
TurnId = NewType("TurnId", str)
ProviderSessionId = NewType("ProviderSessionId", str)
"""One life of an agent process. Clients never send it."""
ProviderThreadId = NewType("ProviderThreadId", str)
ProviderTurnId = NewType("ProviderTurnId", str)
ProviderItemId = NewType("ProviderItemId", str)
ApprovalRequestId = NewType("ApprovalRequestId", str)
ApprovalOptionId = NewType("ApprovalOptionId", str)
"""One of the answers that an agent offers to an approval request; unique within the request."""
QuestionId = NewType("QuestionId", str)
"""One of the questions of a request; unique within the request."""
CheckpointRef = NewType("CheckpointRef", str)
ActivityId = NewType("ActivityId", str)

IDENTIFIERS: Final = (
    ProjectId,
    ThreadId,
    CommandId,
    EventId,
    MessageId,
    TurnId,
    ProviderSessionId,
    ProviderThreadId,
    ProviderTurnId,
    ProviderItemId,
    ApprovalRequestId,
    ApprovalOptionId,
    QuestionId,
    CheckpointRef,
    ActivityId,
)

MAX_IDENTIFIER_LENGTH: Final = 200
"""Characters."""

RUNTIME_MARK: Final = "~"
"""What the ids begin with that the runtime gives to commands, messages, activities and approval requests."""

_FIRST_PRINTABLE: Final = 0x20
_DELETE: Final = 0x7F
_LAST_C1_CONTROL: Final = 0x9F


def runtime_id(*parts: str) -> str:
    """An id that the runtime derives from these parts: the same parts give the same id."""
    return RUNTIME_MARK + "/".join(parts)


def is_runtime_id(text: str) -> bool:
    """Whether `text` is a name that only the runtime may give."""
    return text.startswith(RUNTIME_MARK)


def identifier_fault(text: str) -> str | None:
    """What keeps `text` from being an identifier, or None when nothing does."""
    if not 1 <= len(text) <= MAX_IDENTIFIER_LENGTH:
        return f"an identifier has 1 to {MAX_IDENTIFIER_LENGTH} characters, this one has {len(text)}"
    if not text.isprintable() and any(_is_control(character) for character in text):
        return "an identifier has no control characters"
    return None


def _is_control(character: str) -> bool:
    code = ord(character)
    return code < _FIRST_PRINTABLE or _DELETE <= code <= _LAST_C1_CONTROL
