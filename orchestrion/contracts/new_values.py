"""Factories of what a client makes: ids that no other has, in the order of time, and the present instant."""

from __future__ import annotations

from typing import Final

from .ids import CommandId, MessageId, ProjectId, ThreadId
from .system_mint import SystemMint
from .values import Instant

_MINT: Final = SystemMint()


def new_command_id() -> CommandId:
    return CommandId(_MINT.new_id())


def new_message_id() -> MessageId:
    return MessageId(_MINT.new_id())


def new_project_id() -> ProjectId:
    return ProjectId(_MINT.new_id())


def new_thread_id() -> ThreadId:
    return ThreadId(_MINT.new_id())


def now() -> Instant:
    """The machine's time, in UTC."""
    return _MINT.now()
