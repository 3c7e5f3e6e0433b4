"""The health of a provider session at one moment."""

from __future__ import annotations

import attrs

from ...contracts.ids import ProviderSessionId, ThreadId, TurnId
from ..providers.adapter import Capabilities


@attrs.frozen(kw_only=True)
class SessionHealth:
    """A thread's session. `silent_seconds` is the time since the agent last sent anything. Only a running agent
    has `capabilities`."""

    thread_id: ThreadId
    provider_name: str | None
    provider_session_id: ProviderSessionId | None
    capabilities: Capabilities | None
    pid: int | None
    running_turn_id: TurnId | None
    silent_seconds: float
    open_approvals: int
    last_error: str | None
