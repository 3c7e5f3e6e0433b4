"""Claude's tools as people read them: a title for a call, the kind of approval it needs, the text of its result."""

from __future__ import annotations

from typing import Any, Final

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ApprovalKind, ToolCompleted, ToolStarted, TurnOutcome
from ....contracts.values import JsonObject
from ..loose_json import list_of, object_of, text_of
from ..tool_fields import bounded_fields

__all__ = ["ToolUse", "approval_kind", "result_text", "tool_title"]

_MAX_TITLE: Final = 500
_SUBJECTS: Final = ("command", "file_path", "notebook_path", "path", "pattern", "url", "query", "description")
_COMMAND_TOOLS: Final = frozenset({"Bash"})
_FILE_TOOLS: Final = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})


class ToolUse:
    """One call of a tool, from its start to its result. Its key is the model's own `tool_use_id`."""

    def __init__(self, tool_use_id: str, name: str, given: JsonObject, *, parent: str | None = None) -> None:
        self.item = ProviderItemId(tool_use_id)
        self._title = tool_title(name, given)
        self._detail: JsonObject = bounded_fields({"toolName": name, "input": given})
        if parent is not None:
            self._detail["parentToolUseId"] = parent

    def started(self) -> ToolStarted:
        return ToolStarted(item=self.item, title=self._title, detail=dict(self._detail))

    def completed(self, output: str, *, failed: bool) -> ToolCompleted:
        detail = {**self._detail, "output": output}
        return ToolCompleted(item=self.item, title=self._title, failed=failed, detail=detail)

    def unfinished(self, outcome: TurnOutcome) -> ToolCompleted:
        """Its end where the turn ended with `outcome` and told no result of it."""
        detail = {**self._detail, "status": "unfinished"}
        return ToolCompleted(item=self.item, title=self._title, failed=outcome != "completed", detail=detail)


def tool_title(name: str, given: JsonObject) -> str:
    """The tool's name and what it is about: its command, its file, its pattern."""
    subject = next((given[key] for key in _SUBJECTS if isinstance(given.get(key), str) and given[key]), None)
    name = name or "tool"
    return (name if subject is None else f"{name}: {subject}")[:_MAX_TITLE]


def approval_kind(tool_name: str) -> ApprovalKind:
    if tool_name in _COMMAND_TOOLS:
        return "command"
    return "fileChange" if tool_name in _FILE_TOOLS else "permission"


def result_text(content: Any) -> str:
    """The text of a tool's result, which is text itself or a list of blocks; blocks without text are left out."""
    if isinstance(content, str):
        return content
    return "\n".join(text for block in list_of(content) if (text := text_of(object_of(block).get("text"))))
