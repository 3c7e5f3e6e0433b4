"""When a Codex turn's end may have been missed, and what the agent then says of the turn.

Codex reports a turn's end by `turn/completed` alone, and there are ways in which it never does. So its thread is asked
for when Codex calls it idle without an end having come, and once or twice when nothing came for a while.
Source: `codex app-server generate-json-schema`, `thread/read` and `thread/turns/list`
"""

from __future__ import annotations

from typing import Final

import anyio

from ....contracts.ids import ProviderThreadId
from ....contracts.values import JsonObject
from ..jsonrpc.peer import JsonRpcPeer, RequestRefused
from ..jsonrpc.protocol import Notification, Request
from ..loose_json import list_of, object_of, text_of

__all__ = ["IDLE_SECONDS", "SILENT_SECONDS", "TurnWatch", "ended_turn"]

IDLE_SECONDS: Final = 0.5
"""How long after a thread was called idle the end of its turn may still come."""

SILENT_SECONDS: Final = (10.0, 60.0)
"""After how much silence a thread is asked for: a bounded number of times, since each answer is a sign of life."""

_IDLE: Final = frozenset({"idle", "systemError", "notLoaded"})


class TurnWatch:
    """Says when to ask. `heard` is called for each message, `due` awaited by one task."""

    def __init__(self) -> None:
        self._heard_at = anyio.current_time()
        self._asked = 0
        self._changed = anyio.Event()
        self._idle_at: float | None = None

    def heard(self, message: Request | Notification) -> None:
        now = anyio.current_time()
        self._heard_at, self._asked = now, 0
        params = object_of(message.params)
        if message.method == "thread/status/changed":
            is_idle = text_of(object_of(params.get("status")).get("type")) in _IDLE
            self._idle_at = now if is_idle else None
            self._changed.set()
        elif message.method in ("turn/completed", "turn/started"):
            self._idle_at = None

    async def due(self) -> None:
        """Wait until the thread is to be asked for."""
        while True:
            now = anyio.current_time()
            at = self._due_at()
            if at is not None and at <= now:
                if self._idle_at is not None:
                    self._idle_at = None
                else:
                    self._asked += 1
                return
            self._changed = anyio.Event()
            with anyio.move_on_after(SILENT_SECONDS[0] if at is None else at - now):
                await self._changed.wait()

    def _due_at(self) -> float | None:
        if self._idle_at is not None:
            return self._idle_at + IDLE_SECONDS
        if self._asked < len(SILENT_SECONDS):
            return self._heard_at + SILENT_SECONDS[self._asked]
        return None


async def ended_turn(
    peer: JsonRpcPeer, thread_id: ProviderThreadId, turn_id: str, *, deadline_seconds: float
) -> JsonObject | None:
    """What the agent keeps of a turn that has ended, an empty object where it keeps nothing; None while it runs.

    Raises:
        ProviderProtocolError: the agent does not say.
        SessionLost: it is gone.
    """
    read = object_of(await peer.request("thread/read", {"threadId": thread_id}, deadline_seconds=deadline_seconds))
    status = text_of(object_of(object_of(read.get("thread")).get("status")).get("type"))
    if status not in _IDLE:
        return None
    params = {"threadId": thread_id, "limit": 1, "sortDirection": "desc", "itemsView": "summary"}
    try:
        page = object_of(await peer.request("thread/turns/list", params, deadline_seconds=deadline_seconds))
    except RequestRefused:
        return {}
    last = next((object_of(turn) for turn in list_of(page.get("data"))), {})
    return last if last.get("id") == turn_id else {}
