"""The tools that Codex runs, as a value: which item a notification is about, and the events it leads to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ProviderRuntimeEvent
from ....contracts.values import JsonObject
from ..agent_ids import bounded_id
from ..loose_json import text_of
from ..tool_fields import MAX_OPEN_TOOLS
from .items import TOOL_TYPES, Tool, take_images_out

__all__ = ["OpenTools"]

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class OpenTools:
    """`tools` by Codex's ids of their items; `count` is the number of tools so far, from which keys are made.

    If too many are open, the oldest is forgotten, as the runtime does.
    """

    tools: Mapping[str, Tool] = attrs.field(factory=dict[str, Tool])
    count: int = 0

    @property
    def _next_key(self) -> ProviderItemId:
        return ProviderItemId(f"tool-{self.count + 1}")

    def start(self, item: JsonObject) -> tuple[OpenTools, Events]:
        """Take an item that has begun. An item that is not a tool, or is open already, is not reported."""
        item_id = bounded_id(text_of(item.get("id")))
        if text_of(item.get("type")) not in TOOL_TYPES or item_id in self.tools:
            return self, ()
        tool = Tool.new(self._next_key, item)
        tools = dict(self.tools)
        if len(tools) >= MAX_OPEN_TOOLS:
            del tools[next(iter(tools))]
        tools[item_id] = tool
        return OpenTools(tools=tools, count=self.count + 1), (tool.started_event(),)

    def update(self, method: str, message: JsonObject) -> tuple[OpenTools, Events]:
        """Take a notification of a tool's progress."""
        item_id = bounded_id(text_of(message.get("itemId")))
        tool = self.tools.get(item_id)
        after = None if tool is None else tool.update(method, message)
        if after is None or after is tool:
            return self, ()
        return attrs.evolve(self, tools={**self.tools, item_id: after}), (after.updated_event(),)

    def complete(self, item: JsonObject) -> tuple[OpenTools, Events]:
        """Take a tool that is over; it is also started if it was not."""
        item_id = bounded_id(text_of(item.get("id")))
        known = self.tools.get(item_id)
        bare, images = take_images_out(self._next_key if known is None else known.item, item)
        after, started = self.start(bare)
        tools = dict(after.tools)
        tool = tools.pop(item_id)
        return attrs.evolve(after, tools=tools), (*started, *images, tool.completed_event(bare))

    def end_turn(self, *, failed: bool) -> tuple[OpenTools, Events]:
        """End every tool that its turn left open."""
        return attrs.evolve(self, tools={}), tuple(tool.abandoned_event(failed=failed) for tool in self.tools.values())
