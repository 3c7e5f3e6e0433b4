"""Codex's app-server protocol as plain values: what the agent says becomes provider events.

A `Conversation` holds what one thread in one app-server needs: the turn that runs and its id, the messages and tools
it opened, the requests that wait for a decision. It does no I/O: its methods take what arrived or what the runtime
asks, and return `Step`s, the events to report, the answers and the calls to send, in order.

Only what belongs to the running turn is told: late items of an earlier turn, and those of threads that subagents
have, are dropped. A turn is begun before its id is known and can be interrupted only when the agent calls it started,
so an interrupt waits for that. The agent ends a turn by `turn/completed` alone: an `error` is no end. Keys of
messages, tools and requests are counted by the conversation, since the model's own ids may come again.
Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from typing import Any, Final

from ...runtime.contracts.errors import ProviderProtocolError
from ...runtime.contracts.ids import (
    ApprovalRequestId,
    ProviderItemId,
    ProviderThreadId,
    ProviderTurnId,
    identifier_fault,
)
from ...runtime.contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    RuntimeErrorReported,
    TurnCompleted,
    TurnOutcome,
    TurnStarted,
)
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_tools import list_of, object_of, text_of
from .codex_approvals import KINDS, OpenRequest, summary_of, unanswerable
from .codex_items import TOOL_TYPES, Tool, reasoning_text
from .jsonrpc_protocol import Refusal, Reply, RequestId
from .steps import Answer, Call, Step

__all__ = ["Conversation"]

_MAX_THOUGHT: Final = 64 * 1024
_MAX_SUMMARY: Final = 500


class Conversation:
    def __init__(self, thread_id: ProviderThreadId) -> None:
        self._thread_id = thread_id
        self._running = False
        self._turn_id: str | None = None
        self._started = False
        self._had_turn = False
        self._interrupt_asked = False
        self._cancelled = False
        self._messages: dict[str, ProviderItemId] = {}
        self._tools: dict[str, Tool] = {}
        self._requests: dict[ApprovalRequestId, OpenRequest] = {}
        self._counts = {"message": 0, "tool": 0, "approval": 0}

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended."""
        return self._running

    @property
    def had_turn(self) -> bool:
        """Whether the agent started a turn in this process."""
        return self._had_turn

    def begin_turn(self) -> None:
        """Raises: ProviderProtocolError: a turn runs, and another would only steer it."""
        if self._running:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        self._running = True
        self._turn_id = None
        self._started = self._interrupt_asked = self._cancelled = False

    def replied(self, reply: Reply) -> Step:
        """Take the reply to `turn/start`: the turn's id, or its end where the agent does not take it."""
        if not self._running:
            return Step()
        if isinstance(reply, Refusal):
            return self._ended("failed", f"the agent did not take the turn: {reply.message}")
        if self._turn_id is None:
            self._turn_id = text_of(object_of(object_of(reply.value).get("turn")).get("id")) or None
        return Step()

    def notified(self, method: str, params: Any) -> Step:
        """Take a notification. One that is not known, or not about the running turn, is ignored."""
        message = object_of(params)
        if not self._running or message.get("threadId") != self._thread_id:
            return Step()
        if method == "serverRequest/resolved":
            return self._resolved_by_agent(message.get("requestId"))
        turn = object_of(message.get("turn"))
        turn_id = text_of(turn.get("id")) or text_of(message.get("turnId"))
        if method == "turn/started" and self._turn_id in (None, turn_id):
            return self._turn_started(turn_id)
        if turn_id != self._turn_id:
            return Step()
        match method:
            case "turn/completed":
                return self._completed(turn)
            case "item/started":
                return Step(events=self._item_started(object_of(message.get("item"))))
            case "item/completed":
                return Step(events=self._item_completed(object_of(message.get("item"))))
            case "item/agentMessage/delta":
                return Step(events=self._said(text_of(message.get("itemId")), text_of(message.get("delta"))))
            case "turn/plan/updated":
                return Step(events=(_plan(message),))
            case "error" if message.get("willRetry") is True:
                words = _words(object_of(message.get("error")))
                return Step(events=(RuntimeErrorReported(message=f"the agent tries again: {words}"),))
        return Step()

    def asked(self, request_id: RequestId, method: str, params: Any) -> Step | None:
        """Take a request of the agent; None when the method is not known."""
        kind = KINDS.get(method)
        if kind is None:
            value = unanswerable(method)
            return None if value is None else Step(answers=(Answer(id=request_id, value=value),))
        message = object_of(params)
        own = message.get("threadId") == self._thread_id
        request = OpenRequest(
            key=ApprovalRequestId(self._key("approval")),
            id=request_id,
            kind=kind,
            permissions=object_of(message.get("permissions")),
        )
        if not self._running or self._interrupt_asked or (own and message.get("turnId") != self._turn_id):
            return Step(answers=(Answer(id=request_id, value=request.answer("cancel")),))
        tool = self._tools.get(text_of(message.get("itemId"))) if own else None
        self._requests[request.key] = request
        asked = ApprovalRequested(
            request=request.key,
            kind=kind,
            summary=summary_of(message, tool.title if tool is not None else ""),
            item=None if tool is None else tool.item,
            detail={**(tool.detail() if tool is not None else {}), **_told(message)},
        )
        return Step(events=(asked,))

    def decided(self, key: ApprovalRequestId, decision: ApprovalDecision) -> Step:
        """Answer an open request.

        Raises:
            ProviderProtocolError: the request is not open.
        """
        request = self._requests.pop(key, None)
        if request is None:
            raise ProviderProtocolError(f"the approval request {key!r} is not open any more")
        calls: tuple[Call, ...] = ()
        if decision == "cancel":
            self._cancelled = True
            calls = self._interrupt() if request.kind == "permission" else ()
        return Step(
            events=(ApprovalResolved(request=key, decision=decision),),
            answers=(Answer(id=request.id, value=request.answer(decision)),),
            calls=calls,
        )

    def interrupted(self) -> Step:
        """The runtime asked for the turn's end: open requests are cancelled, which the agent does by itself."""
        if not self._running:
            return Step()
        self._interrupt_asked = True
        return Step(events=self._drop_requests(), calls=self._interrupt() if self._started else ())

    def interrupt_replied(self, reply: Reply) -> Step:
        """Take the reply to `turn/interrupt`. A refusal counts only while the turn still runs."""
        if not isinstance(reply, Refusal) or not self._running:
            return Step()
        return Step(
            events=(RuntimeErrorReported(message=f"the agent did not take the interrupt: {reply.message}"),),
        )

    def cut_off(self) -> Step:
        """The turn was not handed over, or its agent is gone: the rest is left to the runtime."""
        self._running = False
        return Step()

    def _turn_started(self, turn_id: str) -> Step:
        if self._started:
            return Step()
        self._turn_id = turn_id
        self._started = self._had_turn = True
        named = None if identifier_fault(turn_id) else ProviderTurnId(turn_id)
        return Step(
            events=(TurnStarted(provider_turn_id=named),),
            calls=self._interrupt() if self._interrupt_asked else (),
        )

    def _completed(self, turn: JsonObject) -> Step:
        match turn.get("status"):
            case "completed":
                return self._ended("completed", None)
            case "interrupted":
                by_decision = self._cancelled and not self._interrupt_asked
                return self._ended("cancelled" if by_decision else "interrupted", None)
            case _:
                return self._ended("failed", _words(object_of(turn.get("error"))))

    def _ended(self, outcome: TurnOutcome, error: str | None) -> Step:
        self._running = False
        events: list[ProviderRuntimeEvent] = [MessageCompleted(item=item) for item in self._messages.values()]
        events += [tool.abandoned(failed=outcome != "completed") for tool in self._tools.values()]
        events += self._drop_requests()
        self._messages.clear()
        self._tools.clear()
        return Step(events=(*events, TurnCompleted(outcome=outcome, error=error)))

    def _item_started(self, item: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        if item.get("type") not in TOOL_TYPES or text_of(item.get("id")) in self._tools:
            return ()
        return (self._open_tool(item).started(),)

    def _item_completed(self, item: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        item_id = text_of(item.get("id"))
        match item.get("type"):
            case "agentMessage":
                events = () if item_id in self._messages else self._said(item_id, text_of(item.get("text")))
                message = self._messages.pop(item_id, None)
                return events if message is None else (*events, MessageCompleted(item=message))
            case "reasoning":
                thought = reasoning_text(item)[:_MAX_THOUGHT]
                return (ReasoningCompleted(text=thought),) if thought.strip() else ()
            case "plan":
                return (PlanUpdated(summary=text_of(item.get("text"))[:_MAX_SUMMARY], detail={}),)
            case kind if kind in TOOL_TYPES:
                started = self._item_started(item)
                return (*started, self._tools.pop(item_id).completed(item))
        return ()

    def _said(self, item_id: str, text: str) -> tuple[ProviderRuntimeEvent, ...]:
        if not text:
            return ()
        if item_id not in self._messages:
            self._messages[item_id] = ProviderItemId(self._key("message"))
        return (MessageDelta(item=self._messages[item_id], text=text),)

    def _open_tool(self, item: JsonObject) -> Tool:
        tool = self._tools[text_of(item.get("id"))] = Tool(ProviderItemId(self._key("tool")), item)
        return tool

    def _resolved_by_agent(self, request_id: object) -> Step:
        """A request that is still open here was taken back."""
        taken = [key for key, request in self._requests.items() if request.id == request_id]
        for key in taken:
            del self._requests[key]
        return Step(events=tuple(ApprovalResolved(request=key, decision="cancel") for key in taken))

    def _interrupt(self) -> tuple[Call, ...]:
        return (Call(method="turn/interrupt", params={"threadId": self._thread_id, "turnId": self._turn_id}),)

    def _drop_requests(self) -> tuple[ProviderRuntimeEvent, ...]:
        keys = tuple(self._requests)
        self._requests.clear()
        return tuple(ApprovalResolved(request=key, decision="cancel") for key in keys)

    def _key(self, noun: str) -> str:
        self._counts[noun] += 1
        return f"{noun}-{self._counts[noun]}"


def _plan(message: JsonObject) -> PlanUpdated:
    steps = [object_of(step) for step in list_of(message.get("plan"))]
    summary = "; ".join(text_of(step.get("step")) for step in steps)
    return PlanUpdated(
        summary=summary[:_MAX_SUMMARY], detail={"entries": steps, "explanation": message.get("explanation")}
    )


def _words(error: JsonObject) -> str:
    parts = (text_of(error.get("message")), text_of(error.get("additionalDetails")))
    return ": ".join(part for part in parts if part) or "the agent gave no reason"


def _told(message: JsonObject) -> JsonObject:
    """What a request itself says, without its addresses."""
    addresses = ("threadId", "turnId", "itemId", "startedAtMs", "environmentId")
    return {key: value for key, value in message.items() if key not in addresses and value is not None}
