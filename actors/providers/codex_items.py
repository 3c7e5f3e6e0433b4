"""Codex's thread items as plain values: which of them are tools, what they are called, how they ended.

Source: `codex app-server generate-json-schema`, `ThreadItem`.
"""

from __future__ import annotations

from typing import Final

from ...runtime.contracts.ids import ProviderItemId
from ...runtime.contracts.provider_events import ToolCompleted, ToolStarted
from ...runtime.contracts.values import JsonObject
from .acp_tools import list_of, object_of, text_of

__all__ = ["TOOL_TYPES", "Tool", "reasoning_text"]

TOOL_TYPES: Final = frozenset(
    {
        "commandExecution",
        "fileChange",
        "mcpToolCall",
        "dynamicToolCall",
        "collabAgentToolCall",
        "webSearch",
        "imageView",
        "imageGeneration",
    }
)

_MAX_TITLE: Final = 500
_FAILED: Final = ("failed", "declined")


class Tool:
    """One tool item of a turn, as its latest notification shows it."""

    def __init__(self, item: ProviderItemId, fields: JsonObject) -> None:
        self.item = item
        self._fields = fields

    @property
    def title(self) -> str:
        fields = self._fields
        kind = text_of(fields.get("type"))
        match kind:
            case "commandExecution":
                title = text_of(fields.get("command"))
            case "fileChange":
                title = ", ".join(self.paths())
            case "mcpToolCall":
                title = f"{text_of(fields.get('server'))}.{text_of(fields.get('tool'))}"
            case "webSearch":
                title = text_of(fields.get("query"))
            case "imageView":
                title = text_of(fields.get("path"))
            case _:
                title = text_of(fields.get("tool"))
        return (title or kind)[:_MAX_TITLE]

    def paths(self) -> list[str]:
        """The files that a file change touches."""
        return [text_of(object_of(change).get("path")) for change in list_of(self._fields.get("changes"))]

    def detail(self) -> JsonObject:
        return {key: value for key, value in self._fields.items() if key != "id" and value is not None}

    def started(self) -> ToolStarted:
        return ToolStarted(item=self.item, title=self.title, detail=self.detail())

    def completed(self, fields: JsonObject) -> ToolCompleted:
        """Its end, as the agent tells it."""
        self._fields = fields
        failed = fields.get("status") in _FAILED or fields.get("success") is False
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=self.detail())

    def abandoned(self, *, failed: bool) -> ToolCompleted:
        """Its end, where the turn ended without telling it."""
        detail = {**self.detail(), "status": "unfinished"}
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)


def reasoning_text(fields: JsonObject) -> str:
    """What a reasoning item says: its summary, or its content where it has none."""
    parts = list_of(fields.get("summary")) or list_of(fields.get("content"))
    return "\n\n".join(text_of(part) or text_of(object_of(part).get("text")) for part in parts)
