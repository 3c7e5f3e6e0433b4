"""The effects of an input to a conversation with Claude Code, as plain values."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ....contracts.provider_events import ProviderRuntimeEvent

__all__ = ["ClaudeStep", "Events"]

Events: TypeAlias = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class ClaudeStep:
    """The effects of an input: events for the runtime, and whether to interrupt the agent now."""

    events: Events = ()
    interrupt: bool = False
