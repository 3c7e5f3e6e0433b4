"""What a provider session says of itself at one moment."""

from __future__ import annotations

import attrs

from ...contracts.ids import ProviderSessionId, ThreadId, TurnId
from ..providers.adapter import Capabilities


@attrs.frozen(kw_only=True)
class SessionHealth:
    """A thread's session. `silent_seconds` counts since the agent last said anything; `capabilities` are a living
    agent's."""

    thread_id: ThreadId
    provider_name: str | None
    provider_session_id: ProviderSessionId | None
    capabilities: Capabilities | None
    pid: int | None
    running_turn_id: TurnId | None
    silent_seconds: float
    open_approvals: int
    last_error: str | None
