"""What Python callers may write in a client's command: text, paths, UUIDs, datetimes; and what becomes of them.

A converter changes the type alone. Whether the value is allowed is checked when the command is admitted, where the
error names the field; so a value of any other type is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from os import PathLike, fspath
from typing import Any
from uuid import UUID

from .ids import ApprovalOptionId, ApprovalRequestId, CommandId, ProjectId, ThreadId, TurnId
from .new_values import new_message_id
from .values import Answers, Count, Instant, Label, MessageText, Unset, UserMessage, instant


def to_command_id(value: str | UUID) -> CommandId:
    return CommandId(_text(value))


def to_project_id(value: str | UUID) -> ProjectId:
    return ProjectId(_text(value))


def to_thread_id(value: str | UUID) -> ThreadId:
    return ThreadId(_text(value))


def to_request_id(value: str | UUID) -> ApprovalRequestId:
    return ApprovalRequestId(_text(value))


def to_turn_id(value: str | UUID | Unset) -> TurnId | Unset:
    return TurnId(_text(value))


def to_turn_ids(value: Iterable[str | UUID]) -> tuple[TurnId, ...]:
    return tuple(TurnId(_text(one)) for one in value)


def to_option_id(value: str | Unset) -> ApprovalOptionId | Unset:
    return ApprovalOptionId(_text(value))


def to_answers(value: Mapping[str, Any] | Unset) -> Answers | Unset:
    return Answers(dict(value)) if isinstance(value, Mapping) else value


def to_label(value: str) -> Label:
    return Label(value)


def to_label_or_unset(value: str | Unset) -> Label | Unset:
    return Label(_text(value))


def to_label_or_none(value: str | None) -> Label | None:
    return Label(_text(value))


def to_label_to_change(value: str | Unset | None) -> Label | Unset | None:
    return Label(_text(value))


def to_directory(value: str | PathLike[str]) -> Label:
    return Label(_path(value))


def to_directory_or_unset(value: str | PathLike[str] | Unset) -> Label | Unset:
    return Label(_path(value))


def to_directory_or_none(value: str | PathLike[str] | None) -> Label | None:
    return Label(_path(value))


def to_directory_to_change(value: str | PathLike[str] | Unset | None) -> Label | Unset | None:
    return Label(_path(value))


def to_count(value: int) -> Count:
    return Count(value)


def to_instant(value: str | datetime) -> Instant:
    """Raises ValueError for a datetime without an offset."""
    return instant(value) if isinstance(value, datetime) else Instant(value)


def to_message(value: str | UserMessage) -> UserMessage:
    """Text becomes a message with a new id and no attachments."""
    if isinstance(value, str):
        return UserMessage(message_id=new_message_id(), text=MessageText(value))
    return value


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _path(value: Any) -> Any:
    return fspath(value) if isinstance(value, PathLike) else value
