"""Factories of what a client makes: ids that no other has, in the order of time, and the present instant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from .ids import CommandId, MessageId, ProjectId, ThreadId
from .mint import Mint
from .system_mint import SystemMint
from .values import Instant

_mint: Final[ContextVar[Mint]] = ContextVar("orchestrion.new_values", default=SystemMint())  # noqa: B039 - one for all


@contextmanager
def minting_from(mint: Mint) -> Iterator[None]:
    """In the block, and in tasks that it starts, new values come from `mint`. For tests."""
    before = _mint.get()
    _mint.set(mint)
    try:
        yield
    finally:
        _mint.set(before)


def new_command_id() -> CommandId:
    return CommandId(_mint.get().new_id())


def new_message_id() -> MessageId:
    return MessageId(_mint.get().new_id())


def new_project_id() -> ProjectId:
    return ProjectId(_mint.get().new_id())


def new_thread_id() -> ThreadId:
    return ThreadId(_mint.get().new_id())


def now() -> Instant:
    """The present instant, in UTC."""
    return _mint.get().now()
