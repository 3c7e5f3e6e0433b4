"""The clocks of provider sessions, as data."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class SessionLimits:
    """How long things may take. All durations are seconds."""

    interrupt_deadline: float = 10.0
    """How long an interrupted agent may be silent before its process is ended. If it still sends messages, it is ended
    after three times as long."""
    inactivity_deadline: float = 15 * 60.0
    """How long a running turn may be silent; paused while an approval or a tool is open. Any message of the agent is a
    sign of life, and time in which the host could not read is not counted."""
    idle_timeout: float = 30 * 60.0
    """How long an agent may have no turn and no output before it is ended; the next turn resumes its conversation. An
    agent that cannot resume is not ended."""
    restart_backoff: float = 0.2
    """How long a thread's next turn waits before it starts an agent that failed; each failure in a row doubles it."""
    longest_restart_backoff: float = 10.0
    heartbeat_interval: float = 10.0
    """How often a live session updates its row in `provider_session_runtime`; a loss of power may undo the commit."""
    start_deadline: float = 60.0
    """How long a host's own provider may take to start an agent; the adapters have their own deadlines."""
    call_deadline: float = 30.0
    """How long any other call into a provider may take: to hand a turn over, interrupt, answer, close."""
    storage_deadline: float = 30.0
    """How long a session retries what the store refuses (a full disk) before it ends its agent."""
