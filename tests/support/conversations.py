"""Conversations in tests: each goes through JSON before it goes on, as it does when another host takes it up."""

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
