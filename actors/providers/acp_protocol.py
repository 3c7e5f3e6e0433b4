"""The Agent Client Protocol, version 1, as plain values: what an agent says becomes provider events.

A `Conversation` holds what one session of one agent process needs: whether a turn runs, the message and the thought
that are being streamed, the turn's tool calls, the open permission requests. It does no I/O: its methods take what
arrived or what the runtime asks, and return `Step`s, the events to report and the answers to send, in order.

Only what belongs to a running turn is told. History that an agent replays while it loads a session, and anything it
says between turns, is dropped; a permission it asks for then is answered `cancelled`.

A permission that is answered `cancelled` does not end the turn by itself: agents take it for a refusal and go on. So a
decision to cancel also cancels the turn.

The protocol has no items for text: a message lasts until a tool call, a thought, another `messageId` or the turn's
end. Keys of messages, tool calls and requests are counted by the conversation, since an agent's own ids may come
again. Source: https://agentclientprotocol.com/protocol/schema
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ...runtime.contracts.errors import ProviderProtocolError
from ...runtime.contracts.ids import ApprovalRequestId, ProviderItemId, ProviderThreadId
from ...runtime.contracts.provider_events import (
    ApprovalKind,
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    ToolStarted,
    TurnCompleted,
    TurnOutcome,
)
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_tools import ToolCall, content_text, list_of, object_of, text_of
from .jsonrpc_protocol import Notification, Refusal, Reply, RequestId, Result
from .steps import Answer, Step

__all__ = ["Conversation"]

_CANCELLED: Final[JsonObject] = {"outcome": {"outcome": "cancelled"}}
_MAX_THOUGHT: Final = 64 * 1024
_MAX_SUMMARY: Final = 500
_OVER: Final = ("completed", "failed")

_KINDS: Final[dict[str, ApprovalKind]] = {
    "execute": "command",
    "edit": "fileChange",
    "delete": "fileChange",
    "move": "fileChange",
}

_OPTION_KINDS: Final[dict[ApprovalDecision, tuple[str, ...]]] = {
    "accept": ("allow_once", "allow_always"),
    "acceptForSession": ("allow_always", "allow_once"),
    "decline": ("reject_once", "reject_always"),
}

_STOPPED: Final = {
    "refusal": "the agent refused to go on",
    "max_tokens": "the agent reached its limit of tokens",
    "max_turn_requests": "the agent reached its limit of model requests in a turn",
}


@attrs.frozen(kw_only=True)
class _Permission:
    id: RequestId
    options: dict[str, str]
    """Option ids by kind."""


class Conversation:
    def __init__(self, session_id: ProviderThreadId) -> None:
        self._session_id = session_id
        self._running = False
        self._interrupting = self._cancelling = False
        self._message: ProviderItemId | None = None
        self._message_id: object = None
        self._thought = ""
        self._tools: dict[str, ToolCall] = {}
        self._permissions: dict[ApprovalRequestId, _Permission] = {}
        self._counts = {"message": 0, "tool": 0, "permission": 0}

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended."""
        return self._running

    def begin_turn(self) -> None:
        """Raises: ProviderProtocolError: a turn runs, and the protocol takes one at a time."""
        if self._running:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        self._running = True
        self._interrupting = self._cancelling = False
        self._tools.clear()

    def updated(self, params: Any) -> Step:
        """Take a `session/update` notification. An update of a kind that is not known is ignored."""
        message = object_of(params)
        update = object_of(message.get("update"))
        if not self._running or message.get("sessionId") != self._session_id:
            return Step()
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                return Step(events=self._said(content_text(update.get("content")), update.get("messageId")))
            case "agent_thought_chunk":
                return Step(events=self._thought_on(content_text(update.get("content"))))
            case "tool_call" | "tool_call_update":
                return Step(events=self._tool(update))
            case "plan":
                return Step(events=(_plan(update),))
        return Step()

    def permission_asked(self, request_id: RequestId, params: Any) -> Step:
        """Take a `session/request_permission` request."""
        message = object_of(params)
        if not self._running or self._is_ending or message.get("sessionId") != self._session_id:
            return Step(answers=(Answer(id=request_id, value=_CANCELLED),))
        call = object_of(message.get("toolCall"))
        tool = self._tool_of(call)
        tool.merge(call)
        options = [object_of(option) for option in list_of(message.get("options"))]
        request = ApprovalRequestId(self._key("permission"))
        self._permissions[request] = _Permission(
            id=request_id,
            options={text_of(option.get("kind")): text_of(option.get("optionId")) for option in options},
        )
        named = [{"name": option.get("name"), "kind": option.get("kind")} for option in options]
        asked = ApprovalRequested(
            request=request,
            kind=_KINDS.get(tool.kind, "permission"),
            summary=tool.title,
            item=tool.item,
            detail={**tool.detail(), "options": named},
        )
        return Step(events=(*self._boundary(), asked))

    def decided(self, request: ApprovalRequestId, decision: ApprovalDecision) -> Step:
        """Answer an open request by the option whose kind fits the decision best.

        Raises:
            ProviderProtocolError: the request is not open, or the agent offers nothing that accepts it.
        """
        permission = self._permissions.get(request)
        if permission is None:
            raise ProviderProtocolError(f"the approval request {request!r} is not open any more")
        if decision == "cancel":
            self._cancelling = True
            return self._cancel()
        fitting = [kind for kind in _OPTION_KINDS[decision] if kind in permission.options]
        if not fitting and decision in ("accept", "acceptForSession"):
            raise ProviderProtocolError(
                f"the agent offers no way to accept {request!r}, only {sorted(permission.options)}: decline it"
            )
        value = _CANCELLED
        if fitting:
            value = {"outcome": {"outcome": "selected", "optionId": permission.options[fitting[0]]}}
        del self._permissions[request]
        return Step(
            events=(ApprovalResolved(request=request, decision=decision),),
            answers=(Answer(id=permission.id, value=value),),
        )

    def interrupted(self) -> Step:
        """The runtime asked for the turn's end: what is open, and what is asked from now on, is cancelled."""
        if not self._running:
            return Step()
        self._interrupting = True
        return self._cancel()

    def replied(self, reply: Reply) -> Step:
        """Take the reply to `session/prompt`: the turn's end."""
        self._running = False
        outcome, error = self._outcome(reply)
        unfinished = [tool.completed(unfinished=outcome) for tool in self._tools.values() if tool.open]
        events = (*self._boundary(), *unfinished, *self._drop_permissions())
        return Step(events=(*events, TurnCompleted(outcome=outcome, error=error)))

    def cut_off(self) -> Step:
        """The turn was not handed over, or its agent is gone. A thought is told; the rest is left to the runtime."""
        self._running = False
        return Step(events=self._end_thought())

    @property
    def _is_ending(self) -> bool:
        return self._interrupting or self._cancelling

    def _cancel(self) -> Step:
        """The end of the turn, with every permission that is open answered as the protocol asks for then."""
        answers = tuple(Answer(id=open_.id, value=_CANCELLED) for open_ in self._permissions.values())
        cancel = Notification(method="session/cancel", params={"sessionId": self._session_id})
        return Step(events=self._drop_permissions(), notifications=(cancel,), answers=answers)

    def _outcome(self, reply: Reply) -> tuple[TurnOutcome, str | None]:
        ended: TurnOutcome = "interrupted" if self._interrupting else "cancelled"
        match reply:
            case Refusal():
                return (ended if self._is_ending else "failed"), reply.message
            case Result():
                reason = text_of(object_of(reply.value).get("stopReason"))
        if reason == "end_turn":
            return "completed", None
        if reason == "cancelled":
            return ended, None
        sentence = _STOPPED.get(reason, "the agent stopped for a reason that the protocol does not know")
        return "failed", f"{sentence} ({reason or 'none given'})"

    def _said(self, text: str, message_id: object) -> tuple[ProviderRuntimeEvent, ...]:
        if not text:
            return ()
        events = self._end_thought()
        if self._message is not None and message_id != self._message_id:
            events += self._end_message()
        if self._message is None:
            self._message = ProviderItemId(self._key("message"))
            self._message_id = message_id
        return (*events, MessageDelta(item=self._message, text=text))

    def _thought_on(self, text: str) -> tuple[ProviderRuntimeEvent, ...]:
        self._thought += text[: _MAX_THOUGHT - len(self._thought)]
        return self._end_message()

    def _tool(self, update: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        tool = self._tool_of(update)
        if tool.over:
            if update["sessionUpdate"] != "tool_call" or update.get("status") in _OVER:
                return ()
            tool = self._new_tool(tool.tool_call_id)
        tool.merge(update)
        events: tuple[ProviderRuntimeEvent, ...] = ()
        if not tool.started:
            tool.started = True
            started = ToolStarted(item=tool.item, title=tool.title, detail=tool.detail())
            events = (*self._boundary(), started)
        if tool.status in _OVER:
            events += (tool.completed(),)
        return events

    def _tool_of(self, call: JsonObject) -> ToolCall:
        identity = text_of(call.get("toolCallId"))
        return self._tools.get(identity) or self._new_tool(identity)

    def _new_tool(self, tool_call_id: str) -> ToolCall:
        tool = self._tools[tool_call_id] = ToolCall(ProviderItemId(self._key("tool")), tool_call_id)
        return tool

    def _boundary(self) -> tuple[ProviderRuntimeEvent, ...]:
        return (*self._end_message(), *self._end_thought())

    def _end_message(self) -> tuple[ProviderRuntimeEvent, ...]:
        message, self._message = self._message, None
        return () if message is None else (MessageCompleted(item=message),)

    def _end_thought(self) -> tuple[ProviderRuntimeEvent, ...]:
        thought, self._thought = self._thought, ""
        return (ReasoningCompleted(text=thought),) if thought.strip() else ()

    def _drop_permissions(self) -> tuple[ProviderRuntimeEvent, ...]:
        requests = tuple(self._permissions)
        self._permissions.clear()
        return tuple(ApprovalResolved(request=request, decision="cancel") for request in requests)

    def _key(self, noun: str) -> str:
        self._counts[noun] += 1
        return f"{noun}-{self._counts[noun]}"


def _plan(update: JsonObject) -> PlanUpdated:
    entries = [object_of(entry) for entry in list_of(update.get("entries"))]
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})
