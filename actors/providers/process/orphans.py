"""Agents that a dead host left: which processes of the runtime rows may be ended.

A row's pids are used only if the row names the host process that wrote it. They mean nothing after a restart of the
machine or on another host, and a host that is still running ends its agents itself.
"""

from __future__ import annotations

import logging
import os

import orjson

from ....persistence.host_process import HostProcess
from ....persistence.provider_runtime import ProviderRuntimeRow
from ....persistence.threads import in_thread
from ..adapter import ProcessIdentity
from .agent_process import end_process_group

ORPHAN_GRACE_SECONDS = 2.0
"""How long a dead host's agent may take to end when asked, before it is killed."""

_logger = logging.getLogger(__name__)


async def end_orphan(row: ProviderRuntimeRow) -> None:
    """End the agent process of a live row, if its host is dead or is this process."""
    payload = orjson.loads(row.runtime_payload_json or "{}")
    pid, started_at = payload.get("pid"), payload.get("startedAt")
    if isinstance(pid, int):
        identity = ProcessIdentity(pid=pid, started_at=started_at)
        await in_thread(_end, row, identity, HostProcess.of_payload(payload))


def _end(row: ProviderRuntimeRow, agent: ProcessIdentity, host: HostProcess | None) -> None:
    if host is not None and not host.is_from_this_boot():
        return
    if host is not None and host.pid != os.getpid() and host.is_running():
        _logger.warning(
            "the agent %s of thread %s is left alone: its host %s is alive",
            agent.pid,
            row.thread_id,
            host.pid,
            extra={"thread_id": row.thread_id},
        )
        return
    end_process_group(agent, grace_seconds=ORPHAN_GRACE_SECONDS)
