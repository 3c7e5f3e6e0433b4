"""The tool calls of an ACP session, as a value: which call an update is about, and the events it leads to. Pure.

- An agent's ids may repeat. If an id of a call that is over is announced again, it is another call.
- A call that a turn left open is completed with the turn, as unfinished. It may continue in the background: later
  updates, its real end included, are reported under its key.
- At most `MAX_OPEN` calls are open; the oldest is ended as lost before another begins.
- The kept fields of all calls take at most `MAX_KEPT_BYTES` of memory. Beyond it, the oldest calls keep only the
  beginning of each field.
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
from .tool_call import AcpToolCall

__all__ = ["MAX_KEPT_BYTES", "MAX_OPEN", "ToolCalls"]

MAX_OPEN: Final = 256
MAX_KEPT_BYTES: Final = 2 * 1024 * 1024
_MAX_KNOWN: Final = 1024
_OVER: Final = ("completed", "failed")

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class ToolCalls:
    """`calls` by the agent's ids; `count` is the number of calls so far. An update replaces one call.

    `kept_bytes` is an upper bound of the memory of the kept fields; it is counted again before any call is shortened.
    """

    calls: Mapping[str, AcpToolCall] = attrs.field(factory=dict[str, AcpToolCall])
    count: int = 0
    kept_bytes: int = 0

    def begin_turn(self) -> ToolCalls:
        """Forget the calls that are over, but not those that continue in the background."""
        known = {key: call for key, call in self.calls.items() if not call.over or call.left_open}
        return attrs.evolve(self, calls=known)

    def take_update(self, update: JsonObject) -> tuple[ToolCalls, Events]:
        """Take an announcement or an update of a call."""
        after, call = self._find_or_make(update, announced=update.get("sessionUpdate") == "tool_call")
        if call.over and not call.left_open:
            return self, ()
        after, call, latest = after._merge(call, update)
        is_over = text_of(update.get("status")) in _OVER
        events: Events = ()
        if not call.started:
            after, lost = after._make_room()
            call, started = call.start()
            events = (*lost, started)
        elif not is_over:
            call, progressed = call.progress()
            events = () if progressed is None else (progressed,)
        call, images = call.show(update)
        events = (*events, *images)
        if is_over:
            call, completed = call.complete(latest)
            events = (*events, completed)
        return after._put(call), events

    def take_request(self, update: JsonObject) -> tuple[ToolCalls, AcpToolCall]:
        """Take the tool call of a permission request; it may not have been announced yet."""
        after, call = self._find_or_make(update, announced=False)
        if call.over and not call.left_open:
            after, call = self._make(call.tool_call_id, update)
        after, call, _ = after._merge(call, update)
        call = attrs.evolve(call, asked=True)
        return after._put(call), call

    def parent_item(self, update: JsonObject) -> ProviderItemId | None:
        """The key of the known call that runs the sub-agent which an update comes from; None for the main agent."""
        call = self.calls.get(bounded_id(parent_of(update)))
        return None if call is None else call.item

    def was_asked(self, item: ProviderItemId) -> bool:
        """Whether permission was asked for this call."""
        return any(call.asked for call in self.calls.values() if call.item == item)

    def end_turn(self, outcome: TurnOutcome) -> tuple[ToolCalls, Events]:
        """Complete what is open, as unfinished."""
        ended = [call.end_as_unfinished(outcome) for call in self.calls.values() if call.open]
        return self._put(*(call for call, _ in ended)), tuple(event for _, event in ended)

    def _put(self, *calls: AcpToolCall) -> ToolCalls:
        if not calls:
            return self
        known = dict(self.calls)
        known.update((call.tool_call_id, call) for call in calls)
        return attrs.evolve(self, calls=known)

    def _merge(self, call: AcpToolCall, update: JsonObject) -> tuple[ToolCalls, AcpToolCall, JsonObject]:
        """Merge an update into a call: the calls with room for it, the call (not yet among them), its new fields."""
        merged, latest = call.merge(update)
        after = attrs.evolve(self, kept_bytes=self.kept_bytes + max(0, merged.kept_bytes - call.kept_bytes))
        if after.kept_bytes > MAX_KEPT_BYTES:
            after = after._shed(but=merged)
        return after, merged, latest

    def _shed(self, *, but: AcpToolCall) -> ToolCalls:
        """Shorten the oldest calls until half of the bound is free, so that this is not needed at every update."""
        others = [call for call in self.calls.values() if call.tool_call_id != but.tool_call_id]
        kept_bytes = but.kept_bytes + sum(call.kept_bytes for call in others)
        shortened: list[AcpToolCall] = []
        if kept_bytes > MAX_KEPT_BYTES:
            for call in others:
                if kept_bytes <= MAX_KEPT_BYTES // 2:
                    break
                shortened.append(call.shed())
                kept_bytes += shortened[-1].kept_bytes - call.kept_bytes
        return attrs.evolve(self._put(*shortened), kept_bytes=kept_bytes)

    def _find_or_make(self, update: JsonObject, *, announced: bool) -> tuple[ToolCalls, AcpToolCall]:
        """The call that an update is about, and the calls; a new call is not yet among them."""
        identity = bounded_id(text_of(update.get("toolCallId")))
        known = self.calls.get(identity)
        if known is None:
            return self._make(identity, update)
        if not known.over or not announced:
            return self, known
        repeats = text_of(update.get("status")) in _OVER and text_of(update.get("title")) in ("", known.title)
        return (self, known) if repeats and not known.left_open else self._make(identity, update)

    def _make(self, identity: str, update: JsonObject) -> tuple[ToolCalls, AcpToolCall]:
        after = self._forget(identity)
        item = ProviderItemId(f"tool-{self.count + 1}")
        call = AcpToolCall.new(item, identity, parent=after._parent(update, identity))
        return attrs.evolve(after, count=self.count + 1), call

    def _forget(self, identity: str) -> ToolCalls:
        """Remove the call that had this id, and make room for another; calls that are over are removed first."""
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
        """End the oldest open calls as lost where one more would be too many."""
        open_calls = [call for call in self.calls.values() if call.open]
        lost = [call.end_as_lost() for call in open_calls[: max(0, len(open_calls) - MAX_OPEN + 1)]]
        return self._put(*(call for call, _ in lost)), tuple(event for _, event in lost)
