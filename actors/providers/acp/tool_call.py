"""A tool call of the Agent Client Protocol as its updates tell it bit by bit, and careful access to loose JSON.

What is kept of an open call is bounded field by field; what its last update brings is reported whole.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Final

from ....contracts.cut_markers import cut_text, entries_of
from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ToolCompleted, ToolStarted, ToolUpdated, TurnOutcome
from ....contracts.values import JsonObject
from ..json_lines import loose_json
from ..loose_json import list_of, object_of, text_of

__all__ = ["ToolCall", "clipped", "content_text", "list_of", "object_of", "text_of"]

_KIB: Final = 1024
_KEPT: Final[dict[str, int]] = {
    "kind": _KIB,
    "status": _KIB,
    "locations": 8 * _KIB,
    "rawInput": 64 * _KIB,
    "rawOutput": 16 * _KIB,
    "text": 16 * _KIB,
    "diffs": 32 * _KIB,
    "output": 32 * _KIB,
}
"""How much of each field is kept while the call is open, in bytes."""
_INPUT: Final = ("kind", "locations", "rawInput")
_OUTPUT: Final = ("rawOutput", "text", "diffs", "output")
_MAX_TITLE: Final = 2 * _KIB
_WHOLE: Final = 64 * _KIB * _KIB
"""More than a line of an agent can hold: only what is nested too deep is cut."""
_MAX_UPDATES: Final = 32
"""After so many reports of an open call only growth to twice its size is reported."""
_MAX_DEPTH: Final = 48
_LEAST: Final = 256
"""What is kept of each field of an open call when its session keeps too much, in bytes."""


class ToolCall:
    """One tool call. Each update replaces the fields it has, the others stay. Output told in parts is joined."""

    def __init__(self, item: ProviderItemId, tool_call_id: str, *, parent: JsonObject | None = None) -> None:
        self.item = item
        self.tool_call_id = tool_call_id
        self.started = False
        self.over = False
        self.asked = False
        self.left_open = False
        self._title = ""
        self._kept: JsonObject = {"toolCallId": tool_call_id, **(parent or {})}
        self._latest: JsonObject = {}
        self._told_input: tuple[bytes, int] = (b"", 0)
        self.kept_bytes = 0
        self._told_size = 0
        self._updates = 0

    @property
    def open(self) -> bool:
        return self.started and not self.over

    @property
    def title(self) -> str:
        return self._title or self.kind or "tool"

    @property
    def kind(self) -> str:
        return text_of(self._kept.get("kind"))

    @property
    def status(self) -> str:
        return text_of(self._kept.get("status"))

    def merge(self, update: JsonObject) -> None:
        self._title = text_of(update.get("title"))[:_MAX_TITLE] or self._title
        changed: JsonObject = {key: update[key] for key in _KEPT if update.get(key) is not None and key not in _OUTPUT}
        if update.get("rawOutput") is not None:
            changed["rawOutput"] = update["rawOutput"]
        content = update.get("content")
        if content is not None:
            parts = [object_of(part) for part in list_of(content)]
            changed["text"] = "".join(content_text(part.get("content")) for part in parts)
            changed["diffs"] = [
                {key: part.get(key) for key in ("path", "oldText", "newText")}
                for part in parts
                if part.get("type") == "diff"
            ]
        self._latest = {key: clipped(value, _WHOLE) for key, value in changed.items()}
        self._kept |= {key: clipped(value, _KEPT[key]) for key, value in changed.items()}
        self.kept_bytes = _memory(self._kept)

    def wrote(self, *, added: str = "", whole: str = "", exit_code: int | None = None, signal: str = "") -> None:
        """Take what a command wrote, in parts or whole, and how it exited. The end of long output is kept."""
        if added or whole:
            room = _KEPT["output"]
            output = whole or text_of(self._kept.get("output")) + added
            self._kept["output"] = output if len(output) <= room else f"[cut] …{output[-room:]}"
            self.kept_bytes = _memory(self._kept)
        if exit_code is not None:
            self._kept["exitCode"] = exit_code
        if signal:
            self._kept["signal"] = signal

    def settle(self) -> None:
        """The last update is reported: keep no more of it than is kept of an open call."""
        self._latest = {}

    def keep_less(self) -> None:
        """Keep the beginning of each field alone. That the call has less of it now is no progress to report."""
        self._kept = {key: clipped(value, _LEAST) for key, value in self._kept.items()}
        self.kept_bytes = _memory(self._kept)
        if self.started:
            self._note_told()

    def detail(self) -> JsonObject:
        return dict(self._kept)

    def begun(self) -> ToolStarted:
        self.started = True
        self._note_told()
        return ToolStarted(item=self.item, title=self.title, detail=self.detail())

    def progressed(self) -> ToolUpdated | None:
        """The call as it stands, where that is worth a report: another input, or twice as much output as before.

        A long output that grows bit by bit is so reported a few times, not with every line.
        """
        input_, size = self._input(), self._output_size()
        grew = size > 0 and size >= 2 * self._told_size
        changed = input_ != self._told_input
        if not grew and not (changed and (self._updates < _MAX_UPDATES or input_[1] >= 2 * self._told_input[1])):
            return None
        self._updates += 1
        self._note_told()
        return ToolUpdated(item=self.item, title=self.title, detail=self.detail())

    def completed(self, *, unfinished: TurnOutcome | None = None, lost: bool = False) -> ToolCompleted:
        """Its end. `unfinished` is the outcome of a turn that left it open; a `lost` call is given up."""
        self.over = True
        self.left_open = unfinished is not None
        detail = {**self._kept, **self._latest}
        failed = self.status == "failed" or detail.get("exitCode", 0) != 0 or "signal" in detail
        if unfinished is not None:
            failed = unfinished != "completed"
            detail["status"] = "unfinished"
        elif lost:
            failed = True
            detail["status"] = "lost"
        else:
            self._kept = {"toolCallId": self.tool_call_id}
            self.kept_bytes = 0
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)

    def _note_told(self) -> None:
        self._told_input, self._told_size = self._input(), self._output_size()

    def _input(self) -> tuple[bytes, int]:
        """What tells one input from another, and how long it is."""
        told = loose_json([self._title, *(self._kept.get(key) for key in _INPUT)])
        return hashlib.blake2b(told, digest_size=16).digest(), len(told)

    def _output_size(self) -> int:
        kept = [self._kept[key] for key in _OUTPUT if self._kept.get(key)]
        return len(loose_json(kept)) if kept else 0


def _memory(value: Any) -> int:
    """About how many bytes of memory a value of JSON takes."""
    size = sys.getsizeof(value)
    if isinstance(value, dict):
        return size + sum(_memory(key) + _memory(inner) for key, inner in value.items())
    return size + sum(map(_memory, value)) if isinstance(value, list) else size


def clipped(value: Any, room: int) -> Any:
    """`value` as far as about `room` bytes of JSON carry it, with markers where something is left out."""
    return _clip(value, room, 0)[0]


def _clip(value: Any, room: int, depth: int) -> tuple[Any, int]:
    if isinstance(value, str):
        size = len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
        if size <= room:
            return value, room - size - 3
        return cut_text(value, max(0, room if value.isascii() else room // 4)), 0
    if depth >= _MAX_DEPTH and isinstance(value, dict | list):
        return "… [cut: nested too deep]", room
    if isinstance(value, dict):
        fields: JsonObject = {}
        for key, inner in value.items():
            if room <= 0:
                fields["…"] = f"[cut: {entries_of(value) - len(fields)} fields]"
                break
            fields[key[:room]], room = _clip(inner, room - len(key) - 4, depth + 1)
        return fields, room
    if isinstance(value, list):
        items: list[Any] = []
        for inner in value:
            if room <= 0:
                items.append(f"… [cut: {entries_of(value) - len(items)} items]")
                break
            one, room = _clip(inner, room - 1, depth + 1)
            items.append(one)
        return items, room
    return value, room - 8


def content_text(content: Any) -> str:
    """The text of a content block: its own, or that of a resource embedded in it. Other blocks have none."""
    block = object_of(content)
    if block.get("type") == "resource":
        return text_of(object_of(block.get("resource")).get("text"))
    return text_of(block.get("text"))
