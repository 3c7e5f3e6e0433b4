"""The open tool calls and permission requests of one agent, within bounds.

- At most `MAX_OPEN_TOOLS` calls and `MAX_OPEN_APPROVALS` requests are open. One more closes the oldest as lost: its
  call is reported as failed, its request as cancelled, and `take_lost` names it so that the agent can be answered.
- An update of a call that is not open is dropped: the call's end was the last report.
- The first message or tool call of a sub-agent is preceded by its start, and followed by its end with the tool call
  that runs it, or with the turn.
- A request that was answered no longer waits for its user, even if its agent does not confirm the answer.

Belongs to the task that reads the agent. How often the updates of a call are passed on is `domain/coalesce.py`'s.
"""

from __future__ import annotations

from collections import deque
from typing import Final, TypeAlias

import attrs
import orjson

from ...contracts.ids import ApprovalRequestId, ProviderItemId
from ...contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    ProviderRuntimeEvent,
    QuestionRequested,
    SessionExited,
    SubagentCompleted,
    SubagentMessage,
    SubagentStarted,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnCompleted,
)

MAX_OPEN_TOOLS: Final = 256
MAX_OPEN_APPROVALS: Final = 64
_MAX_KEPT_DETAIL_BYTES: Final = 16 * 1024
"""Of an open request, which may have to be asked again; a longer detail is not kept."""
_REMEMBERED_LOST: Final = 256


AgentRequest: TypeAlias = ApprovalRequested | QuestionRequested
"""What an agent waits for its user to answer."""


class OpenCalls:
    """Takes an agent's events in order and returns those to pass on in their place."""

    def __init__(self) -> None:
        self._tools: dict[ProviderItemId, str] = {}
        """The title of each open call."""
        self._subagents: set[ProviderItemId] = set()
        """The keys of tool calls whose sub-agents work."""
        self._approvals: dict[ApprovalRequestId, AgentRequest] = {}
        self._answered: set[ApprovalRequestId] = set()
        self._lost: list[ApprovalRequestId] = []
        self._forgotten: deque[ApprovalRequestId] = deque(maxlen=_REMEMBERED_LOST)

    def __bool__(self) -> bool:
        return bool(self._tools) or len(self._approvals) > len(self._answered)

    @property
    def approvals(self) -> tuple[ApprovalRequestId, ...]:
        return tuple(self._approvals)

    def request(self, own: ApprovalRequestId) -> AgentRequest | None:
        """An open request as the agent made it, but for a long detail."""
        return self._approvals.get(own)

    def answered(self, own: ApprovalRequestId) -> None:
        """The answer to a request was delivered. It stays open until the agent's adapter resolves it."""
        if own in self._approvals:
            self._answered.add(own)

    def take(self, event: ProviderRuntimeEvent) -> tuple[ProviderRuntimeEvent, ...]:
        """The events to pass on for `event`, in order."""
        match event:
            case ToolStarted():
                lost = self._make_room_for_tool() if event.item not in self._tools else ()
                started = self._start_subagent(event.detail.get("parentItemId"))
                self._tools[event.item] = event.title
                return (*lost, *started, event)
            case ToolUpdated() if event.item not in self._tools:
                return ()
            case ToolUpdated():
                self._tools[event.item] = event.title
                return (event,)
            case ToolCompleted():
                self._tools.pop(event.item, None)
                return (event, *self._end_subagent(event.item, failed=event.failed))
            case SubagentMessage():
                return (*self._start_subagent(event.item), event)
            case SubagentStarted():
                return self._start_subagent(event.item, event.title)
            case SubagentCompleted():
                return self._end_subagent(event.item, failed=event.failed)
            case ApprovalRequested() | QuestionRequested():
                lost = self._make_room_for_approval() if event.request not in self._approvals else ()
                self._approvals[event.request] = _kept(event)
                self._answered.discard(event.request)
                return (*lost, event)
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
                self._tools.clear()
                self._approvals.clear()
                self._answered.clear()
                failed = isinstance(event, SessionExited) or event.outcome != "completed"
                return (*self._end_subagents(failed=failed), event)
            case _:
                return (event,)

    def _start_subagent(self, item: object, title: str = "sub-agent") -> tuple[ProviderRuntimeEvent, ...]:
        """The start of the sub-agent that this tool call runs, if it is new."""
        if not isinstance(item, str) or not item or item in self._subagents or len(self._subagents) >= MAX_OPEN_TOOLS:
            return ()
        key = ProviderItemId(item)
        self._subagents.add(key)
        return (SubagentStarted(item=key, title=self._tools.get(key, title)),)

    def _end_subagent(self, item: ProviderItemId, *, failed: bool) -> tuple[ProviderRuntimeEvent, ...]:
        if item not in self._subagents:
            return ()
        self._subagents.remove(item)
        return (SubagentCompleted(item=item, failed=failed),)

    def _end_subagents(self, *, failed: bool) -> tuple[ProviderRuntimeEvent, ...]:
        return tuple(event for item in sorted(self._subagents) for event in self._end_subagent(item, failed=failed))

    def take_lost(self) -> tuple[ApprovalRequestId, ...]:
        """The requests that were closed as lost since the last call, for the agent to be answered."""
        lost, self._lost = tuple(self._lost), []
        return lost

    def _close(self, request: ApprovalRequestId) -> None:
        self._approvals.pop(request, None)
        self._answered.discard(request)

    def _make_room_for_tool(self) -> tuple[ProviderRuntimeEvent, ...]:
        if len(self._tools) < MAX_OPEN_TOOLS:
            return ()
        item = next(iter(self._tools))
        return (ToolCompleted(item=item, title=self._tools.pop(item), failed=True, detail={"status": "lost"}),)

    def _make_room_for_approval(self) -> tuple[ProviderRuntimeEvent, ...]:
        if len(self._approvals) < MAX_OPEN_APPROVALS:
            return ()
        request = next(iter(self._approvals))
        self._close(request)
        self._lost.append(request)
        self._forgotten.append(request)
        return (ApprovalResolved(request=request, decision="cancel", lost=True),)


def _kept(event: AgentRequest) -> AgentRequest:
    size = len(orjson.dumps(event.detail, default=str))
    return event if size <= _MAX_KEPT_DETAIL_BYTES else attrs.evolve(event, detail={})
