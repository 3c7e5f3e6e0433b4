"""The tool calls of a Claude turn, with the title, the kind of approval and the result of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import (
    ApprovalKind,
    AttachmentProduced,
    SessionNotice,
    SubagentMessage,
    ToolCompleted,
    ToolStarted,
    TurnOutcome,
)
from ....contracts.values import JsonObject
from ..agent_ids import bounded_id
from ..images import images_in
from ..loose_json import list_of, object_of, text_of
from ..tool_fields import MAX_OPEN_TOOLS, bounded_fields

__all__ = ["MAX_REMEMBERED", "ToolUse", "ToolUses", "approval_kind", "result_text", "subagent_message", "tool_title"]

MAX_REMEMBERED: Final = 4096
"""How many ids of finished calls and messages of a turn are kept."""

_MAX_TITLE: Final = 500
_SUBJECTS: Final = ("command", "file_path", "notebook_path", "path", "pattern", "url", "query", "description")
_COMMAND_TOOLS: Final = frozenset({"Bash"})
_FILE_TOOLS: Final = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})


@attrs.frozen(kw_only=True)
class ToolUse:
    """One call of a tool, from its start to its result. Its key is the model's own `tool_use_id`."""

    item: ProviderItemId
    title: str
    detail: JsonObject

    @classmethod
    def of(cls, tool_use_id: str, name: str, given: JsonObject, *, parent: str | None = None) -> ToolUse:
        detail = bounded_fields({"toolName": name, "input": given})
        if parent is not None:
            detail = {**detail, "parentItemId": bounded_id(parent)}
        return cls(item=ProviderItemId(bounded_id(tool_use_id)), title=tool_title(name, given), detail=detail)

    def started_event(self) -> ToolStarted:
        return ToolStarted(item=self.item, title=self.title, detail=dict(self.detail))

    def completed_event(self, output: str, *, failed: bool) -> ToolCompleted:
        detail = {**self.detail, "output": output}
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)

    def unfinished_event(self, outcome: TurnOutcome) -> ToolCompleted:
        """The end of a call that its turn, which had this outcome, left without a result."""
        detail = {**self.detail, "status": "unfinished"}
        return ToolCompleted(item=self.item, title=self.title, failed=outcome != "completed", detail=detail)


@attrs.frozen(kw_only=True)
class ToolUses:
    """The calls of a turn: the open ones, oldest first, and the ids of those that have ended.

    At most `MAX_OPEN_TOOLS` are open; beyond that the oldest is forgotten.
    """

    open: Mapping[str, ToolUse] = attrs.field(factory=dict[str, ToolUse])
    ended: frozenset[str] = frozenset()

    def start(self, tool: ToolUse) -> tuple[ToolUses, tuple[ToolStarted, ...]]:
        """Open a call. A call that was started before is not started again."""
        if tool.item in self.open or tool.item in self.ended:
            return self, ()
        kept = list(self.open.items())[-(MAX_OPEN_TOOLS - 1) :]
        return attrs.evolve(self, open={**dict(kept), tool.item: tool}), (tool.started_event(),)

    def end(
        self, tool_use_id: str, block: JsonObject
    ) -> tuple[ToolUses, tuple[AttachmentProduced | SessionNotice | ToolCompleted, ...]]:
        """Close a call with the content block that has its result. A call that is not open leads to no event."""
        tool_use_id = bounded_id(tool_use_id)
        tool = self.open.get(tool_use_id)
        if tool is None:
            return self, ()
        left = {key: one for key, one in self.open.items() if key != tool_use_id}
        ended = self.ended if len(self.ended) < MAX_REMEMBERED else frozenset[str]()
        completed = tool.completed_event(result_text(block.get("content")), failed=block.get("is_error") is True)
        images = (image for one in list_of(block.get("content")) for image in images_in(one, item=tool.item))
        return ToolUses(open=left, ended=ended | {tool_use_id}), (*images, completed)

    def end_turn(self, outcome: TurnOutcome) -> tuple[ToolUses, tuple[ToolCompleted, ...]]:
        """Close the open calls when the turn ends."""
        return attrs.evolve(self, open={}), tuple(tool.unfinished_event(outcome) for tool in self.open.values())


def tool_title(name: str, given: JsonObject) -> str:
    """The tool's name and its subject: a command, a file, a pattern."""
    subject = next((given[key] for key in _SUBJECTS if isinstance(given.get(key), str) and given[key]), None)
    name = name or "tool"
    return (name if subject is None else f"{name}: {subject}")[:_MAX_TITLE]


def approval_kind(tool_name: str) -> ApprovalKind:
    if tool_name in _COMMAND_TOOLS:
        return "command"
    return "fileChange" if tool_name in _FILE_TOOLS else "permission"


def subagent_message(parent: Any, text: str) -> tuple[SubagentMessage, ...]:
    """The message of the sub-agent that this tool call runs; empty where the call has no proper id."""
    if not isinstance(parent, str) or not parent:
        return ()
    return (SubagentMessage(item=ProviderItemId(bounded_id(parent)), text=text),)


def result_text(content: Any) -> str:
    """The text of a tool's result, which is a text or a list of blocks; blocks without text are left out."""
    if isinstance(content, str):
        return content
    return "\n".join(text for block in list_of(content) if (text := text_of(object_of(block).get("text"))))
