"""The MCP servers that Codex starts with a thread.

Codex opens a thread before its servers are ready. A turn that began earlier would not have their tools.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import anyio

from ...served_time import served_scope
from ..jsonrpc.protocol import Notification, Request
from ..loose_json import object_of, text_of

__all__ = ["StartingServers"]

_STATUS: Final = "mcpServer/startupStatus/updated"
_SETTLED: Final = frozenset({"ready", "failed", "cancelled"})


class StartingServers:
    """Servers by their names, until Codex reports how each of them started."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._settled = anyio.Event()
        self._check()

    def take(self, message: Request | Notification) -> None:
        """Take a message of the agent; only reports of starts count."""
        if isinstance(message, Notification) and message.method == _STATUS:
            report = object_of(message.params)
            if text_of(report.get("status")) in _SETTLED:
                self._names.discard(text_of(report.get("name")))
                self._check()

    def lose(self) -> None:
        """The agent is gone."""
        self._names.clear()
        self._check()

    async def wait(self, deadline_seconds: float) -> None:
        """Wait until every server has started or failed, but not beyond the deadline."""
        with served_scope(deadline_seconds):
            await self._settled.wait()

    def _check(self) -> None:
        if not self._names:
            self._settled.set()
