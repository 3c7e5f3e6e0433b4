"""Codex's thread items as plain values: which of them are tools, what they are called, how they ended.

Source: `codex app-server generate-json-schema`, `ThreadItem`.
"""

from __future__ import annotations

from typing import Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ToolCompleted, ToolStarted, ToolUpdated
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of
from ..tool_fields import bounded_fields, with_output

__all__ = ["SILENT_TYPES", "TOOL_TYPES", "Tool", "reasoning_text"]

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

SILENT_TYPES: Final = frozenset(
    {
        "userMessage",
        "hookPrompt",
        "functionCallOutput",
        "subAgentActivity",
        "sleep",
        "enteredReviewMode",
        "exitedReviewMode",
        "contextCompaction",
    }
)
"""What is known and told in another way, or not for a history."""

_MAX_TITLE: Final = 500
_FAILED: Final = ("failed", "declined")


@attrs.frozen(kw_only=True)
class Tool:
    """One tool item of a turn, as its latest notification shows it. `output` is the end of what it wrote since."""

    item: ProviderItemId
    fields: JsonObject
    output: str = ""

    @classmethod
    def new(cls, item: ProviderItemId, fields: JsonObject) -> Tool:
        return cls(item=item, fields=bounded_fields(fields))

    @property
    def title(self) -> str:
        fields = self.fields
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
        return [text_of(object_of(change).get("path")) for change in list_of(self.fields.get("changes"))]

    def detail(self) -> JsonObject:
        known = {key: value for key, value in self.fields.items() if key != "id" and value is not None}
        return {**known, "aggregatedOutput": self.output} if self.output else known

    def started(self) -> ToolStarted:
        return ToolStarted(item=self.item, title=self.title, detail=self.detail())

    def updated(self, method: str, message: JsonObject) -> Tool:
        """The tool after a notification of its progress: itself where that says nothing new."""
        match method:
            case "item/fileChange/patchUpdated" if isinstance(message.get("changes"), list):
                return attrs.evolve(self, fields=bounded_fields({**self.fields, "changes": message["changes"]}))
            case "item/mcpToolCall/progress" if text_of(message.get("message")):
                progress = text_of(message["message"])
                return attrs.evolve(self, fields=bounded_fields({**self.fields, "progress": progress}))
            case "item/commandExecution/outputDelta" | "item/fileChange/outputDelta" if text_of(message.get("delta")):
                return attrs.evolve(self, output=with_output(self.output, text_of(message["delta"])))
            case _:
                return self

    def progress(self) -> ToolUpdated:
        return ToolUpdated(item=self.item, title=self.title, detail=self.detail())

    def completed(self, fields: JsonObject) -> ToolCompleted:
        """Its end, as the agent tells it."""
        output = "" if text_of(fields.get("aggregatedOutput")) else self.output
        ended = attrs.evolve(self, fields=fields, output=output)
        failed = fields.get("status") in _FAILED or fields.get("success") is False
        return ToolCompleted(item=ended.item, title=ended.title, failed=failed, detail=ended.detail())

    def abandoned(self, *, failed: bool) -> ToolCompleted:
        """Its end, where the turn ended without telling it."""
        detail = {**self.detail(), "status": "unfinished"}
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)


def reasoning_text(fields: JsonObject) -> str:
    """What a reasoning item says: its summary, or its content where it has none."""
    parts = list_of(fields.get("summary")) or list_of(fields.get("content"))
    return "\n\n".join(text_of(part) or text_of(object_of(part).get("text")) for part in parts)
