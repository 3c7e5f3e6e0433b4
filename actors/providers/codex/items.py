"""Codex's thread items as plain values: which of them are tools, their titles and their results.

Source: `codex app-server generate-json-schema`, `ThreadItem`.
"""

from __future__ import annotations

from typing import Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import (
    AttachmentProduced,
    PlanUpdated,
    ReasoningCompleted,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
)
from ....contracts.values import JsonObject
from ..images import image_of, images_in, without_image
from ..loose_json import list_of, object_of, text_of
from ..tool_fields import append_output, bounded_fields

__all__ = ["SILENT_TYPES", "TOOL_TYPES", "Tool", "plan_of", "reasoning_text", "take_images_out", "thought_or_plan"]

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
        "functionCallOutput",
        "sleep",
        "enteredReviewMode",
        "exitedReviewMode",
    }
)

SILENT_TYPES: Final = frozenset(
    {
        "userMessage",
        "hookPrompt",
        "subAgentActivity",
        "contextCompaction",
    }
)
"""Known types of items that are reported in another way, or not at all."""

_GENERATED_TYPE: Final = "image/png"
"""The type of a generated image whose bytes do not show another one."""
_MAX_TITLE: Final = 500
_MAX_SUMMARY: Final = 500
_MAX_THOUGHT: Final = 64 * 1024
_FAILED: Final = ("failed", "declined")


@attrs.frozen(kw_only=True)
class Tool:
    """One tool item of a turn after its latest notification. `output` is the end of its output since it began."""

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
            case "functionCallOutput":
                title = text_of(fields.get("name"))
            case "enteredReviewMode":
                title = f"Review: {text_of(fields.get('review'))}"
            case "exitedReviewMode":
                title = "Result of the review"
            case _:
                title = text_of(fields.get("tool"))
        return (title or kind)[:_MAX_TITLE]

    def paths(self) -> list[str]:
        """The files that a file change touches."""
        return [text_of(object_of(change).get("path")) for change in list_of(self.fields.get("changes"))]

    def detail(self) -> JsonObject:
        known = {key: value for key, value in self.fields.items() if key != "id" and value is not None}
        return {**known, "aggregatedOutput": self.output} if self.output else known

    def started_event(self) -> ToolStarted:
        return ToolStarted(item=self.item, title=self.title, detail=self.detail())

    def update(self, method: str, message: JsonObject) -> Tool:
        """The tool after a notification of its progress; the same object where nothing has changed."""
        match method:
            case "item/fileChange/patchUpdated" if isinstance(message.get("changes"), list):
                return attrs.evolve(self, fields=bounded_fields({**self.fields, "changes": message["changes"]}))
            case "item/mcpToolCall/progress" if text_of(message.get("message")):
                progress = text_of(message["message"])
                return attrs.evolve(self, fields=bounded_fields({**self.fields, "progress": progress}))
            case "item/commandExecution/outputDelta" | "item/fileChange/outputDelta" if text_of(message.get("delta")):
                return attrs.evolve(self, output=append_output(self.output, text_of(message["delta"])))
            case _:
                return self

    def updated_event(self) -> ToolUpdated:
        return ToolUpdated(item=self.item, title=self.title, detail=self.detail())

    def completed_event(self, fields: JsonObject) -> ToolCompleted:
        """The end of the tool, from its completed item."""
        output = "" if text_of(fields.get("aggregatedOutput")) else self.output
        ended = attrs.evolve(self, fields=fields, output=output)
        failed = fields.get("status") in _FAILED or fields.get("success") is False
        return ToolCompleted(item=ended.item, title=ended.title, failed=failed, detail=ended.detail())

    def abandoned_event(self, *, failed: bool) -> ToolCompleted:
        """The end of a tool that its turn left open."""
        detail = {**self.detail(), "status": "unfinished"}
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)


def take_images_out(
    item: ProviderItemId, fields: JsonObject
) -> tuple[JsonObject, tuple[AttachmentProduced | SessionNotice, ...]]:
    """The fields of a tool item without the bytes of images, and the images."""
    match fields:
        case {"type": "imageGeneration", "result": str(data)} if data:
            name = text_of(fields.get("savedPath")).replace("\\", "/").rpartition("/")[2]
            rest = {key: value for key, value in fields.items() if key != "result"}
            return rest, (image_of(data, _GENERATED_TYPE, item=item, name=name),)
        case {"type": "mcpToolCall", "result": {"content": [*blocks]} as result}:
            told = {**fields, "result": {**result, "content": [without_image(block) for block in blocks]}}
        case {"type": "dynamicToolCall", "contentItems": [*blocks]}:
            told = {**fields, "contentItems": [without_image(block) for block in blocks]}
        case _:
            return fields, ()
    return told, tuple(image for block in blocks for image in images_in(block, item=item))


def thought_or_plan(item: JsonObject) -> tuple[ReasoningCompleted | PlanUpdated, ...]:
    """The event of a reasoning or plan item; empty for a blank thought."""
    if item.get("type") == "plan":
        return (PlanUpdated(summary=text_of(item.get("text"))[:_MAX_SUMMARY], detail={}),)
    thought = reasoning_text(item)[:_MAX_THOUGHT]
    return (ReasoningCompleted(text=thought),) if thought.strip() else ()


def reasoning_text(fields: JsonObject) -> str:
    """The text of a reasoning item: its summary, or its content where it has no summary."""
    parts = list_of(fields.get("summary")) or list_of(fields.get("content"))
    return "\n\n".join(text_of(part) or text_of(object_of(part).get("text")) for part in parts)


def plan_of(message: JsonObject) -> PlanUpdated:
    """The plan in a `turn/plan/updated`."""
    steps = [object_of(step) for step in list_of(message.get("plan"))]
    summary = "; ".join(text_of(step.get("step")) for step in steps)
    return PlanUpdated(
        summary=summary[:_MAX_SUMMARY], detail={"entries": steps, "explanation": message.get("explanation")}
    )
