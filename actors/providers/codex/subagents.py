"""The sub-agents of a Codex thread: each has a thread of its own, which a tool item of this thread started. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import (
    ProviderRuntimeEvent,
    SubagentCompleted,
    SubagentMessage,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
)
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of
from .items import TOOL_TYPES
from .open_tools import OpenTools

__all__ = ["CodexSubagents"]

_MAX_THREADS: Final = 256


@attrs.frozen(kw_only=True)
class CodexSubagents:
    """`threads` has the key of the tool call that started each thread, by Codex's id of the thread; at most 256."""

    threads: Mapping[str, ProviderItemId] = attrs.field(factory=dict[str, ProviderItemId])

    def take_notification(
        self, method: str, message: JsonObject, tools: OpenTools
    ) -> tuple[OpenTools, tuple[ProviderRuntimeEvent, ...]]:
        """Take a notification of another thread: messages and tools of a sub-agent's, nothing of any other."""
        parent = self.threads.get(text_of(message.get("threadId")))
        item = object_of(message.get("item"))
        if parent is None:
            return tools, ()
        match method, text_of(item.get("type")):
            case "item/completed", "agentMessage" if text_of(item.get("text")).strip():
                return tools, (SubagentMessage(item=parent, text=text_of(item.get("text"))),)
            case "item/started", kind if kind in TOOL_TYPES:
                return tools.start({**item, "parentItemId": parent})
            case "item/completed", kind if kind in TOOL_TYPES:
                return tools.complete({**item, "parentItemId": parent})
            case "turn/completed", _:
                failed = object_of(message.get("turn")).get("status") != "completed"
                return tools, (SubagentCompleted(item=parent, failed=failed),)
        return tools, ()

    def take_events(self, events: Iterable[ProviderRuntimeEvent]) -> CodexSubagents:
        """Take the tool calls among these events that name the threads of sub-agents."""
        found = dict(self.threads)
        for event in events:
            if not isinstance(event, ToolStarted | ToolUpdated | ToolCompleted):
                continue
            if event.detail.get("type") != "collabAgentToolCall":
                continue
            for thread in list_of(event.detail.get("receiverThreadIds")):
                if isinstance(thread, str) and len(found) < _MAX_THREADS:
                    found.setdefault(thread, event.item)
        return self if len(found) == len(self.threads) else CodexSubagents(threads=found)
