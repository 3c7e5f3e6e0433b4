"""When the end of a Codex turn may be missing, and how its state is read then.

Codex reports a turn's end only by `turn/completed`, and sometimes never sends it. So the thread's state is read when
Codex reports the thread as idle and no end follows, and a bounded number of times when nothing arrives for a while.
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

__all__ = ["IDLE_SECONDS", "SILENT_SECONDS", "TurnWatch", "read_ended_turn"]

IDLE_SECONDS: Final = 0.5
"""How long after a thread was reported as idle the end of its turn may still come."""

SILENT_SECONDS: Final = (10.0, 60.0)
"""After how much silence a thread's state is read: a bounded number of times, since each reply is a sign of life."""

_IDLE: Final = frozenset({"idle", "systemError", "notLoaded"})


class TurnWatch:
    """Decides when to read the thread's state. One task awaits `wait_until_due`."""

    def __init__(self) -> None:
        self._heard_at = anyio.current_time()
        self._asked = 0
        self._changed = anyio.Event()
        self._idle_at: float | None = None

    def note_message(self, message: Request | Notification) -> None:
        now = anyio.current_time()
        self._heard_at, self._asked = now, 0
        params = object_of(message.params)
        if message.method == "thread/status/changed":
            is_idle = text_of(object_of(params.get("status")).get("type")) in _IDLE
            self._idle_at = now if is_idle else None
            self._changed.set()
        elif message.method in ("turn/completed", "turn/started"):
            self._idle_at = None

    async def wait_until_due(self) -> None:
        """Wait until the thread's state should be read."""
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


async def read_ended_turn(
    peer: JsonRpcPeer, thread_id: ProviderThreadId, turn_id: str, *, deadline_seconds: float
) -> JsonObject | None:
    """The agent's record of a turn that has ended, empty where it has none; None while the turn runs.

    Raises:
        ProviderProtocolError: the agent refused the request.
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
