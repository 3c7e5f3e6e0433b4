"""A tool call of the Agent Client Protocol as its updates tell it bit by bit, and careful access to loose JSON."""

from __future__ import annotations

from typing import Any, Final

from ...runtime.contracts.ids import ProviderItemId
from ...runtime.contracts.provider_events import ToolCompleted, TurnOutcome
from ...runtime.contracts.values import JsonObject

__all__ = ["ToolCall", "content_text", "list_of", "object_of", "text_of"]

_REPLACED: Final = ("kind", "status", "locations", "rawInput", "rawOutput")


class ToolCall:
    """One tool call of a turn. Each update replaces the fields it has; the others stay."""

    def __init__(self, item: ProviderItemId, tool_call_id: str) -> None:
        self.item = item
        self.tool_call_id = tool_call_id
        self.started = False
        self.over = False
        self._title = ""
        self._fields: JsonObject = {"toolCallId": tool_call_id}

    @property
    def open(self) -> bool:
        return self.started and not self.over

    @property
    def title(self) -> str:
        return self._title or self.kind or "tool"

    @property
    def kind(self) -> str:
        return text_of(self._fields.get("kind"))

    @property
    def status(self) -> str:
        return text_of(self._fields.get("status"))

    def merge(self, update: JsonObject) -> None:
        self._title = text_of(update.get("title")) or self._title
        self._fields |= {key: update[key] for key in _REPLACED if update.get(key) is not None}
        content = update.get("content")
        if content is not None:
            parts = [object_of(part) for part in list_of(content)]
            self._fields["text"] = "".join(content_text(part.get("content")) for part in parts)
            self._fields["diffs"] = [
                {key: part.get(key) for key in ("path", "oldText", "newText")}
                for part in parts
                if part.get("type") == "diff"
            ]

    def detail(self) -> JsonObject:
        return dict(self._fields)

    def completed(self, *, unfinished: TurnOutcome | None = None) -> ToolCompleted:
        """Its end, told once; its fields are let go. `unfinished` is the outcome of a turn that left it open."""
        self.over = True
        title, detail = self.title, self.detail()
        failed = self.status == "failed"
        if unfinished is not None:
            failed = unfinished != "completed"
            detail["status"] = "unfinished"
        self._fields = {}
        return ToolCompleted(item=self.item, title=title, failed=failed, detail=detail)


def content_text(content: Any) -> str:
    """The text of a content block: its own, or that of a resource embedded in it. Other blocks have none."""
    block = object_of(content)
    if block.get("type") == "resource":
        return text_of(object_of(block.get("resource")).get("text"))
    return text_of(block.get("text"))


def object_of(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
