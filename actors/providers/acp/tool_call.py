"""A tool call of the Agent Client Protocol, merged from its updates. Pure.

Each field that is kept of an open call has a bound; the fields of its last update are reported whole.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any, Final

import attrs

from ....contracts.blobs import digest_of
from ....contracts.cut_markers import cut_text, entries_of
from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import (
    AttachmentProduced,
    SessionNotice,
    ToolCompleted,
    ToolStarted,
    ToolUpdated,
    TurnOutcome,
)
from ....contracts.values import JsonObject
from ..images import images_in
from ..json_lines import loose_json
from ..loose_json import list_of, object_of, text_of
from .meta import command_output

__all__ = ["AcpToolCall", "clip", "content_text"]

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
"""How many bytes of each field are kept while the call is open."""
_INPUT: Final = ("kind", "locations", "rawInput")
_OUTPUT: Final = ("rawOutput", "text", "diffs", "output")
_MAX_TITLE: Final = 2 * _KIB
_WHOLE: Final = 64 * _KIB * _KIB
"""More than a line of an agent can hold: values are cut only where they are nested too deep."""
_MAX_UPDATES: Final = 32
"""After this many reports of an open call, only growth to twice its size is reported."""
_MAX_DEPTH: Final = 48
_MAX_IMAGES: Final = 64
"""How many images one call may show."""
_LEAST: Final = 256
"""How many bytes of each field are kept when the calls of a session take too much memory."""


@attrs.frozen(kw_only=True)
class ReportedInput:
    """A digest and the length of a call's input when it was last reported."""

    digest: str = ""
    length: int = 0


@attrs.frozen(kw_only=True)
class AcpToolCall:
    """One tool call. An update replaces the fields that it has; output that comes in parts is joined.

    `kept` has its fields within their bounds, `kept_bytes` is about how much memory they take. `reported_input` and
    `reported_size` are its input and the size of its output at the last report, `updates` the number of reported
    updates, `images` the digests of the reported images. `left_open`: its turn ended before it did. `asked`: permission
    was requested for it.
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
    reported_input: ReportedInput = ReportedInput()
    reported_size: int = 0
    updates: int = 0
    images: tuple[str, ...] = ()

    @classmethod
    def new(cls, item: ProviderItemId, tool_call_id: str, *, parent: JsonObject) -> AcpToolCall:
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

    def merge(self, update: JsonObject) -> tuple[AcpToolCall, JsonObject]:
        """The call after an update, and the fields of that update, whole."""
        changed = _read_changes(update)
        output = _read_output(update, text_of(self.kept.get("output")))
        kept = {**self.kept, **{key: clip(value, _KEPT[key]) for key, value in changed.items()}, **output}
        merged = attrs.evolve(
            self,
            own_title=text_of(update.get("title"))[:_MAX_TITLE] or self.own_title,
            kept=kept,
            kept_bytes=_memory(kept),
        )
        return merged, {key: clip(value, _WHOLE) for key, value in changed.items()}

    def show(self, update: JsonObject) -> tuple[AcpToolCall, tuple[AttachmentProduced | SessionNotice, ...]]:
        """Report the images of an update. An update repeats those before it: each is reported once."""
        shown = list(self.images)
        found: list[AttachmentProduced | SessionNotice] = []
        for part in list_of(update.get("content")):
            for image in images_in(object_of(part).get("content"), item=self.item):
                key = digest_of(image.content) if isinstance(image, AttachmentProduced) else image.summary
                if key not in shown and len(shown) < _MAX_IMAGES:
                    shown.append(key)
                    found.append(image)
        return (attrs.evolve(self, images=tuple(shown)) if found else self), tuple(found)

    def shed(self) -> AcpToolCall:
        """Keep only the beginning of each field. This is not reported as progress of the call."""
        kept = {key: clip(value, _LEAST) for key, value in self.kept.items()}
        less = attrs.evolve(self, kept=kept, kept_bytes=_memory(kept))
        return less._as_reported() if self.started else less

    def detail(self) -> JsonObject:
        return dict(self.kept)

    def start(self) -> tuple[AcpToolCall, ToolStarted]:
        started = ToolStarted(item=self.item, title=self.title, detail=self.detail())
        return self._as_reported(started=True), started

    def progress(self) -> tuple[AcpToolCall, ToolUpdated | None]:
        """A report of the call where its input has changed or its output has doubled; else None.

        So a long output that grows line by line is reported a few times, not with every line.
        """
        now, size, before = self._input(), self._output_size(), self.reported_input
        grew = size > 0 and size >= 2 * self.reported_size
        if not grew and not (now != before and (self.updates < _MAX_UPDATES or now.length >= 2 * before.length)):
            return self, None
        updated = ToolUpdated(item=self.item, title=self.title, detail=self.detail())
        return attrs.evolve(self, reported_input=now, reported_size=size, updates=self.updates + 1), updated

    def complete(self, latest: JsonObject) -> tuple[AcpToolCall, ToolCompleted]:
        """End the call, and report it with the fields of its last update. Only its id is kept afterwards."""
        detail = {**self.kept, **latest}
        failed = self.status == "failed" or detail.get("exitCode", 0) != 0 or "signal" in detail
        ended = ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)
        kept = {"toolCallId": self.tool_call_id}
        return attrs.evolve(self, over=True, left_open=False, kept=kept, kept_bytes=0), ended

    def end_as_lost(self) -> tuple[AcpToolCall, ToolCompleted]:
        """End a call because too many are open."""
        return attrs.evolve(self, over=True, left_open=False), self._end_event("lost", failed=True)

    def end_as_unfinished(self, outcome: TurnOutcome) -> tuple[AcpToolCall, ToolCompleted]:
        """End the call with its turn, which left it open and had this outcome."""
        ended = self._end_event("unfinished", failed=outcome != "completed")
        return attrs.evolve(self, over=True, left_open=True), ended

    def _end_event(self, status: str, *, failed: bool) -> ToolCompleted:
        detail = {**self.kept, "status": status}
        return ToolCompleted(item=self.item, title=self.title, failed=failed, detail=detail)

    def _as_reported(self, *, started: bool | None = None) -> AcpToolCall:
        """The call after a report of its present state."""
        return attrs.evolve(
            self,
            started=self.started if started is None else started,
            reported_input=self._input(),
            reported_size=self._output_size(),
        )

    def _input(self) -> ReportedInput:
        fields = loose_json([self.own_title, *(self.kept.get(key) for key in _INPUT)])
        return ReportedInput(digest=hashlib.blake2b(fields, digest_size=16).hexdigest(), length=len(fields))

    def _output_size(self) -> int:
        kept = [self.kept[key] for key in _OUTPUT if self.kept.get(key)]
        return len(loose_json(kept)) if kept else 0


def _read_changes(update: JsonObject) -> JsonObject:
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


def _read_output(update: JsonObject, before: str) -> JsonObject:
    """A command's output after an update, and its exit. The end of long output is kept."""
    wrote = command_output(update)
    fields: JsonObject = {}
    if wrote.added or wrote.whole:
        room = _KEPT["output"]
        output = wrote.whole or before + wrote.added
        fields["output"] = output if len(output) <= room else f"[cut] …{output[-room:]}"
    if wrote.exit_code is not None:
        fields["exitCode"] = wrote.exit_code
    if wrote.signal:
        fields["signal"] = wrote.signal
    return fields


def _memory(value: Any) -> int:
    """About how many bytes of memory a JSON value takes. The same value always gives the same number."""
    match value:
        case str():
            return 56 + len(value) * (1 if value.isascii() else 4)
        case dict():
            return 64 + sum(48 + _memory(key) + _memory(inner) for key, inner in value.items())
        case list():
            return 56 + sum(8 + _memory(inner) for inner in value)
        case _:
            return sys.getsizeof(value)


def clip(value: Any, room: int) -> Any:
    """The beginning of `value`, about `room` bytes as JSON, with markers where something is left out."""
    return _clip_value(value, room, 0)[0]


def _clip_value(value: Any, room: int, depth: int) -> tuple[Any, int]:
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
            fields[key[:room]], room = _clip_value(inner, room - len(key) - 4, depth + 1)
        return fields, room
    if isinstance(value, list):
        items: list[Any] = []
        for inner in value:
            if room <= 0:
                items.append(f"… [cut: {entries_of(value) - len(items)} items]")
                break
            one, room = _clip_value(inner, room - 1, depth + 1)
            items.append(one)
        return items, room
    return value, room - 8


def content_text(content: Any) -> str:
    """The text of a content block: its own, or that of an embedded resource. Other blocks have none."""
    block = object_of(content)
    if block.get("type") == "resource":
        return text_of(object_of(block.get("resource")).get("text"))
    return text_of(block.get("text"))
