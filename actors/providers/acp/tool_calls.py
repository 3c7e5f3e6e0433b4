"""The tool calls of an ACP session: which call an update is about, and what is reported of it. Pure.

- An agent's ids may come again. An id of a call that is over names another call when it is announced anew.
- A call that a turn left open is completed with the turn, as unfinished. It may go on in the background: what comes of
  it later is reported under its key, its real end included.
- At most `MAX_OPEN` calls are open; the oldest is given up as lost before another begins.
- What is kept of all calls takes at most `MAX_KEPT_BYTES` of memory. Beyond it the oldest keep the beginning of each
  field alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ProviderRuntimeEvent, TurnOutcome
from ....contracts.values import JsonObject
from ..loose_json import text_of
from .meta import command_output, parent_of
from .tool_call import ToolCall

__all__ = ["MAX_KEPT_BYTES", "MAX_OPEN", "ToolCalls"]

MAX_OPEN: Final = 256
MAX_KEPT_BYTES: Final = 2 * 1024 * 1024
_MAX_KNOWN: Final = 1024
_MAX_ID: Final = 256
_OVER: Final = ("completed", "failed")

Events = tuple[ProviderRuntimeEvent, ...]


class ToolCalls:
    """`new_key` gives a call its key, which no other call of the session has."""

    def __init__(self, new_key: Callable[[], str]) -> None:
        self._new_key = new_key
        self._calls: dict[str, ToolCall] = {}
        self._kept_bytes = 0  # at least what the calls keep: it is counted anew before any keeps less

    def begin_turn(self) -> None:
        """Forget the calls that are over; those that go on in the background are still known."""
        self._calls = {key: call for key, call in self._calls.items() if not call.over or call.left_open}

    def updated(self, update: JsonObject) -> Events:
        """Take an announcement or an update of a call."""
        call = self._named(update, announced=update.get("sessionUpdate") == "tool_call")
        if call.over and not call.left_open:
            return ()
        self._merge(call, update)
        events: Events = ()
        if not call.started:
            events = (*self._make_room(), call.begun())
        elif text_of(update.get("status")) not in _OVER:
            progressed = call.progressed()
            events = () if progressed is None else (progressed,)
        if text_of(update.get("status")) in _OVER:
            events = (*events, call.completed())
        call.settle()
        return events

    def asked(self, update: JsonObject) -> ToolCall:
        """The call that a permission request is about; it may not be announced yet."""
        call = self._named(update, announced=False)
        if call.over and not call.left_open:
            call = self._new(call.tool_call_id, update)
        self._merge(call, update)
        call.settle()
        call.asked = True
        return call

    def was_asked(self, item: ProviderItemId) -> bool:
        """Whether permission was asked for this call."""
        return any(call.asked for call in self._calls.values() if call.item == item)

    def end_turn(self, outcome: TurnOutcome) -> Events:
        """Complete what is open, as unfinished."""
        return tuple(call.completed(unfinished=outcome) for call in self._calls.values() if call.open)

    def _merge(self, call: ToolCall, update: JsonObject) -> None:
        before = call.kept_bytes
        call.merge(update)
        wrote = command_output(update)
        call.wrote(added=wrote.added, whole=wrote.whole, exit_code=wrote.exit_code, signal=wrote.signal)
        self._kept_bytes += max(0, call.kept_bytes - before)
        if self._kept_bytes > MAX_KEPT_BYTES:
            self._keep_less(but=call)

    def _keep_less(self, *, but: ToolCall) -> None:
        """Make room, half of the bound at once, so that it is not counted anew with each update."""
        self._kept_bytes = sum(call.kept_bytes for call in self._calls.values())
        if self._kept_bytes <= MAX_KEPT_BYTES:
            return
        for call in self._calls.values():
            if self._kept_bytes <= MAX_KEPT_BYTES // 2:
                return
            if call is not but:
                self._kept_bytes -= call.kept_bytes
                call.keep_less()
                self._kept_bytes += call.kept_bytes

    def _named(self, update: JsonObject, *, announced: bool) -> ToolCall:
        identity = _bounded(text_of(update.get("toolCallId")))
        known = self._calls.get(identity)
        if known is None:
            return self._new(identity, update)
        if not known.over or not announced:
            return known
        repeats = text_of(update.get("status")) in _OVER and text_of(update.get("title")) in ("", known.title)
        return known if repeats and not known.left_open else self._new(identity, update)

    def _new(self, identity: str, update: JsonObject) -> ToolCall:
        self._calls.pop(identity, None)
        while len(self._calls) >= _MAX_KNOWN:
            forgotten = next((key for key, call in self._calls.items() if not call.open), next(iter(self._calls)))
            del self._calls[forgotten]
        call = self._calls[identity] = ToolCall(
            ProviderItemId(self._new_key()), identity, parent=self._parent(update, identity)
        )
        return call

    def _parent(self, update: JsonObject, identity: str) -> JsonObject:
        parent = _bounded(parent_of(update))
        if not parent or parent == identity:
            return {}
        known = self._calls.get(parent)
        return {"parentToolCallId": parent} if known is None else {"parentItemId": known.item}

    def _make_room(self) -> Events:
        open_calls = [call for call in self._calls.values() if call.open]
        return tuple(call.completed(lost=True) for call in open_calls[: max(0, len(open_calls) - MAX_OPEN + 1)])


def _bounded(identity: str) -> str:
    """An agent's id, or its beginning and a digest where it is long."""
    if len(identity) <= _MAX_ID:
        return identity
    return f"{identity[:64]}…{hashlib.blake2b(identity.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
