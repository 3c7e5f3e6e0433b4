"""Conversations of adapters in tests: each passes through JSON before it continues, as when another host takes over."""

from __future__ import annotations

from typing import TypeVar

from orchestrion.actors.providers.conversation_state import dump_state, load_state

__all__ = ["through_json"]

T = TypeVar("T")


def through_json(conversation: T) -> T:
    """The conversation as another host reads it, which must be the same value."""
    restored = load_state(dump_state(conversation), type(conversation))
    assert restored == conversation
    return restored
