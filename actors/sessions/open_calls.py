"""The tool calls and permission requests that one agent has open, in bounds, and what is known of running calls.

- At most `MAX_OPEN_TOOLS` calls and `MAX_OPEN_APPROVALS` requests are open. One more closes the oldest as lost: its
  call is reported as failed, its request as cancelled, and `take_lost` names it so that the agent can be answered.
- Of a call's updates the newest counts. The first is passed on at once, the next at most once per second; what is
  held is passed on before the call ends and before the agent asks for permission or ends its turn.
- A request that was answered waits for its user no longer, even where its agent does not confirm the answer.
- What is held stays below `MAX_HELD_BYTES`: the oldest is passed on early.

Belongs to the task that reads the agent. Times are the event loop's.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import attrs
import orjson

from ...contracts.ids import ApprovalRequestId, ProviderItemId
from ...contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    ProviderRuntimeEvent,
    SessionExited,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
)

MAX_OPEN_TOOLS: Final = 256
MAX_OPEN_APPROVALS: Final = 64
MAX_HELD_BYTES: Final = 1024 * 1024
UPDATE_SECONDS: Final = 1.0
_MAX_KEPT_DETAIL_BYTES: Final = 16 * 1024
"""Of an open request, which may have to be asked again; a longer detail is not kept."""
_REMEMBERED_LOST: Final = 256


@attrs.define
class _Tool:
    title: str
    told_at: float = -math.inf
    held: ToolUpdated | None = None
    held_bytes: int = 0


class OpenCalls:
    """Takes an agent's events in their order and answers with what is to be passed on in their place."""

    def __init__(self) -> None:
        self._tools: dict[ProviderItemId, _Tool] = {}
        self._approvals: dict[ApprovalRequestId, ApprovalRequested] = {}
        self._answered: set[ApprovalRequestId] = set()
        self._lost: list[ApprovalRequestId] = []
        self._forgotten: deque[ApprovalRequestId] = deque(maxlen=_REMEMBERED_LOST)
        self._held_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._tools) or len(self._approvals) > len(self._answered)

    @property
    def approvals(self) -> tuple[ApprovalRequestId, ...]:
        return tuple(self._approvals)

    def request(self, own: ApprovalRequestId) -> ApprovalRequested | None:
        """An open request as the agent made it, but for a long detail."""
        return self._approvals.get(own)

    def answered(self, own: ApprovalRequestId) -> None:
        """The answer to a request was delivered. It stays open until the agent's adapter resolves it."""
        if own in self._approvals:
            self._answered.add(own)

    @property
    def due_at(self) -> float | None:
        """When the next held update is to be passed on; None while none is held."""
        if not self._held_bytes:
            return None
        return min(tool.told_at + UPDATE_SECONDS for tool in self._tools.values() if tool.held is not None)

    def take(self, event: ProviderRuntimeEvent, now: float) -> tuple[ProviderRuntimeEvent, ...]:
        """What to pass on for `event`, in order."""
        match event:
            case ToolStarted():
                lost = self._make_room_for_tool() if event.item not in self._tools else ()
                self._tools[event.item] = _Tool(event.title)
                return (*lost, event)
            case ToolUpdated():
                return self._update(event, now)
            case ToolCompleted():
                tool = self._tools.pop(event.item, None)
                return (*self._release(tool, now), event)
            case ApprovalRequested():
                lost = self._make_room_for_approval() if event.request not in self._approvals else ()
                self._approvals[event.request] = _kept(event)
                self._answered.discard(event.request)
                return (*self.release(now), *lost, event)
            case ApprovalResolved() if event.request in self._forgotten:
                return ()
            case ApprovalResolved(lost=True) if event.request not in self._approvals:
                return ()
            case ApprovalResolved():
                self._close(event.request)
                if event.lost:
                    self._forgotten.append(event.request)
                return (event,)
            case TurnCompleted() | SessionExited():
                held = self.release(now)
                self._tools.clear()
                self._approvals.clear()
                self._answered.clear()
                return (*held, event)
            case _:
                return (event,)

    def release(self, now: float, *, due: bool = False) -> tuple[ToolUpdated, ...]:
        """The updates that are held; those that are due only, if asked for."""
        return tuple(
            update
            for tool in (self._tools.values() if self._held_bytes else ())
            if not due or tool.told_at + UPDATE_SECONDS <= now
            for update in self._release(tool, now)
        )

    def take_lost(self) -> tuple[ApprovalRequestId, ...]:
        """The requests that were closed as lost since the last call, for the agent to be answered."""
        lost, self._lost = tuple(self._lost), []
        return lost

    def _update(self, event: ToolUpdated, now: float) -> tuple[ProviderRuntimeEvent, ...]:
        """An update of a call that is not open is dropped: its end has said everything."""
        tool = self._tools.get(event.item)
        if tool is None:
            return ()
        tool.title = event.title
        if tool.told_at + UPDATE_SECONDS <= now:
            self._release(tool, now)  # the older one, which this one replaces
            tool.told_at = now
            return (event,)
        self._held_bytes -= tool.held_bytes
        tool.held, tool.held_bytes = event, _size(event)
        self._held_bytes += tool.held_bytes
        early: list[ProviderRuntimeEvent] = []
        for other in self._tools.values():
            if self._held_bytes <= MAX_HELD_BYTES:
                break
            early += self._release(other, now)
        return tuple(early)

    def _release(self, tool: _Tool | None, now: float) -> tuple[ToolUpdated, ...]:
        if tool is None or tool.held is None:
            return ()
        held, tool.held = tool.held, None
        self._held_bytes -= tool.held_bytes
        tool.held_bytes, tool.told_at = 0, now
        return (held,)

    def _close(self, request: ApprovalRequestId) -> None:
        self._approvals.pop(request, None)
        self._answered.discard(request)

    def _make_room_for_tool(self) -> tuple[ProviderRuntimeEvent, ...]:
        if len(self._tools) < MAX_OPEN_TOOLS:
            return ()
        item = next(iter(self._tools))
        tool = self._tools.pop(item)
        self._held_bytes -= tool.held_bytes
        return (ToolCompleted(item=item, title=tool.title, failed=True, detail={"status": "lost"}),)

    def _make_room_for_approval(self) -> tuple[ProviderRuntimeEvent, ...]:
        if len(self._approvals) < MAX_OPEN_APPROVALS:
            return ()
        request = next(iter(self._approvals))
        self._close(request)
        self._lost.append(request)
        self._forgotten.append(request)
        return (ApprovalResolved(request=request, decision="cancel", lost=True),)


def _kept(event: ApprovalRequested) -> ApprovalRequested:
    size = len(orjson.dumps(event.detail, default=str))
    return event if size <= _MAX_KEPT_DETAIL_BYTES else attrs.evolve(event, detail={})


def _size(update: ToolUpdated) -> int:
    return len(update.title) + len(orjson.dumps(update.detail, default=str)) + 1
