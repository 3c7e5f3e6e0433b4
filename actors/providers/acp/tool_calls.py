"""The tool calls of an ACP session, as a value: which call an update is about, and what is reported of it. Pure.

- An agent's ids may come again. An id of a call that is over names another call when it is announced anew.
- A call that a turn left open is completed with the turn, as unfinished. It may go on in the background: what comes of
  it later is reported under its key, its real end included.
- At most `MAX_OPEN` calls are open; the oldest is given up as lost before another begins.
- What is kept of all calls takes at most `MAX_KEPT_BYTES` of memory. Beyond it the oldest keep the beginning of each
  field alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from ....contracts.ids import ProviderItemId
from ....contracts.provider_events import ProviderRuntimeEvent, TurnOutcome
from ....contracts.values import JsonObject
from ..agent_ids import bounded_id
from ..loose_json import text_of
from .meta import parent_of
from .tool_call import ToolCall

__all__ = ["MAX_KEPT_BYTES", "MAX_OPEN", "ToolCalls"]

MAX_OPEN: Final = 256
MAX_KEPT_BYTES: Final = 2 * 1024 * 1024
_MAX_KNOWN: Final = 1024
_OVER: Final = ("completed", "failed")

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class ToolCalls:
    """`calls` by the agent's ids, `count` how many there were. An update replaces one call.

    `kept_bytes` is at least what the calls keep: it is counted anew before any keeps less.
    """

    calls: Mapping[str, ToolCall] = attrs.field(factory=dict[str, ToolCall])
    count: int = 0
    kept_bytes: int = 0

    def begin_turn(self) -> ToolCalls:
        """Forget the calls that are over; those that go on in the background are still known."""
        known = {key: call for key, call in self.calls.items() if not call.over or call.left_open}
        return attrs.evolve(self, calls=known)

    def updated(self, update: JsonObject) -> tuple[ToolCalls, Events]:
        """Take an announcement or an update of a call."""
        after, call = self._named(update, announced=update.get("sessionUpdate") == "tool_call")
        if call.over and not call.left_open:
            return self, ()
        after, call, latest = after._merged(call, update)
        is_over = text_of(update.get("status")) in _OVER
        events: Events = ()
        if not call.started:
            after, lost = after._make_room()
            call, started = call.begun()
            events = (*lost, started)
        elif not is_over:
            call, progressed = call.progressed()
            events = () if progressed is None else (progressed,)
        if is_over:
            call, completed = call.completed(latest)
            events = (*events, completed)
        return after._with(call), events

    def asked(self, update: JsonObject) -> tuple[ToolCalls, ToolCall]:
        """The call that a permission request is about; it may not be announced yet."""
        after, call = self._named(update, announced=False)
        if call.over and not call.left_open:
            after, call = self._new(call.tool_call_id, update)
        after, call, _ = after._merged(call, update)
        call = attrs.evolve(call, asked=True)
        return after._with(call), call

    def was_asked(self, item: ProviderItemId) -> bool:
        """Whether permission was asked for this call."""
        return any(call.asked for call in self.calls.values() if call.item == item)

    def end_turn(self, outcome: TurnOutcome) -> tuple[ToolCalls, Events]:
        """Complete what is open, as unfinished."""
        ended = [call.unfinished(outcome) for call in self.calls.values() if call.open]
        return self._with(*(call for call, _ in ended)), tuple(event for _, event in ended)

    def _with(self, *calls: ToolCall) -> ToolCalls:
        if not calls:
            return self
        known = dict(self.calls)
        known.update((call.tool_call_id, call) for call in calls)
        return attrs.evolve(self, calls=known)

    def _merged(self, call: ToolCall, update: JsonObject) -> tuple[ToolCalls, ToolCall, JsonObject]:
        """The calls with room for a call after an update, the call, which is still to be put there, and its news."""
        merged, latest = call.merged(update)
        after = attrs.evolve(self, kept_bytes=self.kept_bytes + max(0, merged.kept_bytes - call.kept_bytes))
        if after.kept_bytes > MAX_KEPT_BYTES:
            after = after._keep_less(but=merged)
        return after, merged, latest

    def _keep_less(self, *, but: ToolCall) -> ToolCalls:
        """Make room, half of the bound at once, so that it is not counted anew with each update."""
        others = [call for call in self.calls.values() if call.tool_call_id != but.tool_call_id]
        kept_bytes = but.kept_bytes + sum(call.kept_bytes for call in others)
        lessened: list[ToolCall] = []
        if kept_bytes > MAX_KEPT_BYTES:
            for call in others:
                if kept_bytes <= MAX_KEPT_BYTES // 2:
                    break
                lessened.append(call.keep_less())
                kept_bytes += lessened[-1].kept_bytes - call.kept_bytes
        return attrs.evolve(self._with(*lessened), kept_bytes=kept_bytes)

    def _named(self, update: JsonObject, *, announced: bool) -> tuple[ToolCalls, ToolCall]:
        """The call that an update is about. A new one is still to be put among the calls that come with it."""
        identity = bounded_id(text_of(update.get("toolCallId")))
        known = self.calls.get(identity)
        if known is None:
            return self._new(identity, update)
        if not known.over or not announced:
            return self, known
        repeats = text_of(update.get("status")) in _OVER and text_of(update.get("title")) in ("", known.title)
        return (self, known) if repeats and not known.left_open else self._new(identity, update)

    def _new(self, identity: str, update: JsonObject) -> tuple[ToolCalls, ToolCall]:
        after = self._forgetting(identity)
        item = ProviderItemId(f"tool-{self.count + 1}")
        call = ToolCall.new(item, identity, parent=after._parent(update, identity))
        return attrs.evolve(after, count=self.count + 1), call

    def _forgetting(self, identity: str) -> ToolCalls:
        """Without the call that had this id before; with room for another, those that are over go first."""
        if identity not in self.calls and len(self.calls) < _MAX_KNOWN:
            return self
        known = dict(self.calls)
        known.pop(identity, None)
        while len(known) >= _MAX_KNOWN:
            del known[next((key for key, call in known.items() if not call.open), next(iter(known)))]
        return attrs.evolve(self, calls=known)

    def _parent(self, update: JsonObject, identity: str) -> JsonObject:
        parent = bounded_id(parent_of(update))
        if not parent or parent == identity:
            return {}
        known = self.calls.get(parent)
        return {"parentToolCallId": parent} if known is None else {"parentItemId": known.item}

    def _make_room(self) -> tuple[ToolCalls, Events]:
        """Give up the oldest open calls as lost where one more would be too many."""
        open_calls = [call for call in self.calls.values() if call.open]
        lost = [call.lost() for call in open_calls[: max(0, len(open_calls) - MAX_OPEN + 1)]]
        return self._with(*(call for call, _ in lost)), tuple(event for _, event in lost)
