"""A tool call of the Agent Client Protocol as its updates tell it bit by bit, as a value. Pure.

What is kept of an open call is bounded field by field; what its last update brings is reported whole.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Final

import attrs

from ....contracts.cut_markers import cut_text, entries_of
from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ToolCompleted, ToolStarted, ToolUpdated, TurnOutcome
from ....contracts.values import JsonObject
from ..json_lines import loose_json
from ..loose_json import list_of, object_of, text_of
from .meta import command_output

__all__ = ["ToolCall", "clipped", "content_text"]

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


@attrs.frozen(kw_only=True)
class ToldInput:
    """What tells one input of a call from another: a digest of it, and how long it is."""

    digest: str = ""
    length: int = 0


@attrs.frozen(kw_only=True)
class ToolCall:
    """One tool call. Each update replaces the fields it has, the others stay. Output told in parts is joined.

    `kept` is what is kept of its fields, `kept_bytes` about how much memory that takes. `told_input` and `told_size`
    are the input and the size of the output when it was last reported, `updates` how many updates were.
    """

    item: ProviderItemId
    tool_call_id: str
    own_title: str = ""
    kept: JsonObject
    kept_bytes: int = 0
    started: bool = False
    over: bool = False
    asked: bool = False
    left_open: bool = False
    told_input: ToldInput = ToldInput()
    told_size: int = 0
    updates: int = 0

    @classmethod
    def new(cls, item: ProviderItemId, tool_call_id: str, *, parent: JsonObject) -> ToolCall:
        return cls(item=item, tool_call_id=tool_call_id, kept={"toolCallId": tool_call_id, **parent})

    @property
    def open(self) -> bool:
        return self.started and not self.over

    @property
    def title(self) -> str:
        return self.own_title or self.kind or "tool"

    @property
    def kind(self) -> str:
        return text_of(self.kept.get("kind"))

    @property
    def status(self) -> str:
        return text_of(self.kept.get("status"))

    def merged(self, update: JsonObject) -> tuple[ToolCall, JsonObject]:
        """The call after an update, and what the update brought, whole."""
        changed = _changed(update)
        output = _output(update, text_of(self.kept.get("output")))
        kept = {**self.kept, **{key: clipped(value, _KEPT[key]) for key, value in changed.items()}, **output}
        merged = attrs.evolve(
            self,
            own_title=text_of(update.get("title"))[:_MAX_TITLE] or self.own_title,
            kept=kept,
            kept_bytes=_memory(kept),
        )
        return merged, {key: clipped(value, _WHOLE) for key, value in changed.items()}

    def keep_less(self) -> ToolCall:
        """Keep the beginning of each field alone. That the call has less of it now is no progress to report."""
        kept = {key: clipped(value, _LEAST) for key, value in self.kept.items()}
        less = attrs.evolve(self, kept=kept, kept_bytes=_memory(kept))
        return less._told() if self.started else less

    def detail(self) -> JsonObject:
        return dict(self.kept)

    def begun(self) -> tuple[ToolCall, ToolStarted]:
        started = ToolStarted(item=self.item, title=self.title, detail=self.detail())
        return self._told(started=True), started

    def progressed(self) -> tuple[ToolCall, ToolUpdated | None]:
        """The call as it stands, where that is worth a report: another input, or twice as much output as before.

        A long output that grows bit by bit is so reported a few times, not with every line.
        """
        told, size, before = self._input(), self._output_size(), self.told_input
        grew = size > 0 and size >= 2 * self.told_size
        if not grew and not (told != before and (self.updates < _MAX_UPDATES or told.length >= 2 * before.length)):
            return self, None
        updated = ToolUpdated(item=self.item, title=self.title, detail=self.detail())
        return attrs.evolve(self, told_input=told, told_size=size, updates=self.updates + 1), updated

    def completed(self, latest: JsonObject) -> tuple[ToolCall, ToolCompleted]:
        """Its end, reported with what its last update brought. No more than its id is kept of it."""
        detail = {**self.kept, **latest}
        failed = self.status == "failed" or detail.get("exitCode", 0) != 0 or "signal" in detail
        ended = ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)
        kept = {"toolCallId": self.tool_call_id}
        return attrs.evolve(self, over=True, left_open=False, kept=kept, kept_bytes=0), ended

    def lost(self) -> tuple[ToolCall, ToolCompleted]:
        """The end of a call that is given up."""
        return attrs.evolve(self, over=True, left_open=False), self._ended("lost", failed=True)

    def unfinished(self, outcome: TurnOutcome) -> tuple[ToolCall, ToolCompleted]:
        """Its end with a turn that left it open and had this outcome."""
        ended = self._ended("unfinished", failed=outcome != "completed")
        return attrs.evolve(self, over=True, left_open=True), ended

    def _ended(self, status: str, *, failed: bool) -> ToolCompleted:
        detail = {**self.kept, "status": status}
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)

    def _told(self, *, started: bool | None = None) -> ToolCall:
        """The call after a report of it as it stands."""
        return attrs.evolve(
            self,
            started=self.started if started is None else started,
            told_input=self._input(),
            told_size=self._output_size(),
        )

    def _input(self) -> ToldInput:
        told = loose_json([self.own_title, *(self.kept.get(key) for key in _INPUT)])
        return ToldInput(digest=hashlib.blake2b(told, digest_size=16).hexdigest(), length=len(told))

    def _output_size(self) -> int:
        kept = [self.kept[key] for key in _OUTPUT if self.kept.get(key)]
        return len(loose_json(kept)) if kept else 0


def _changed(update: JsonObject) -> JsonObject:
    """The fields that an update replaces."""
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
    return changed


def _output(update: JsonObject, before: str) -> JsonObject:
    """What a command wrote, in parts or whole, and how it exited. The end of long output is kept."""
    wrote = command_output(update)
    told: JsonObject = {}
    if wrote.added or wrote.whole:
        room = _KEPT["output"]
        output = wrote.whole or before + wrote.added
        told["output"] = output if len(output) <= room else f"[cut] …{output[-room:]}"
    if wrote.exit_code is not None:
        told["exitCode"] = wrote.exit_code
    if wrote.signal:
        told["signal"] = wrote.signal
    return told


def _memory(value: Any) -> int:
    """About how many bytes of memory a value of JSON takes: a number that depends on nothing but the value."""
    match value:
        case str():
            return 56 + len(value) * (1 if value.isascii() else 4)
        case dict():
            return 64 + sum(48 + _memory(key) + _memory(inner) for key, inner in value.items())
        case list():
            return 56 + sum(8 + _memory(inner) for inner in value)
        case _:
            return sys.getsizeof(value)


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
