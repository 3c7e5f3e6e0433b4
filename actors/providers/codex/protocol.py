"""Codex's app-server protocol as plain values: what the agent says becomes provider events.

A `Conversation` holds what one thread in one app-server needs: the turn that runs and its id, the messages and tools
it opened, the requests that wait for a decision. It does no I/O: its methods take what arrived or what the runtime
asks, and return `RpcStep`s, the events to report, the answers and the calls to send, in order.

A turn is begun before its id is known and can be interrupted only when the agent calls it started, so an interrupt
waits for that. The agent ends a turn by `turn/completed`: an `error` is no end. Where that end is missing, the
connection asks for the thread's state and settles the turn (`settled`).

A turn that the agent starts while none runs is its own. One that is handed over then becomes part of it: both end
together, the agent's first. Items between turns are told as they come; those of an earlier turn while another runs, and
those of threads that subagents have, are not. Keys of messages, tools and requests are counted by the conversation,
since the model's own ids may come again. Notifications that are not known are counted and reported.

The file is long because all of this is one state: what a notification means depends on the turn that runs.
Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    ProviderItemId,
    ProviderThreadId,
    ProviderTurnId,
    identifier_fault,
)
from ....contracts.provider_events import (
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
from ....contracts.values import ApprovalDecision, FailureReason, Instant, JsonObject
from ..ignored_frames import IgnoredFrames
from ..jsonrpc.protocol import Refusal, Reply, RequestId
from ..jsonrpc.steps import RpcAnswer, RpcCall, RpcStep
from ..loose_json import list_of, object_of, text_of
from ..redaction import plain
from ..tool_fields import MAX_OPEN_TOOLS
from .approvals import KINDS, OpenRequest, open_request, summary_of, unanswerable
from .failures import codex_failure
from .items import SILENT_TYPES, TOOL_TYPES, Tool, reasoning_text
from .notices import KNOWN, notice_of

__all__ = ["Conversation"]

_MAX_THOUGHT: Final = 64 * 1024
_MAX_SUMMARY: Final = 500
_MAX_OPEN_MESSAGES: Final = 64


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
        self._is_agents = False
        self._joined = False
        self._told: dict[str, int] = {}
        self._cut_off_messages: dict[str, int] = {}
        self._limits: JsonObject = {}
        self._ignored = IgnoredFrames()

    @property
    def thread_id(self) -> ProviderThreadId:
        return self._thread_id

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended."""
        return self._running

    @property
    def had_turn(self) -> bool:
        """Whether the agent started a turn in this process."""
        return self._had_turn

    def begin_turn(self) -> None:
        """A turn is about to be handed over. One that the agent runs by itself takes it in.

        Raises:
            ProviderProtocolError: a turn that was handed over runs, and another would only steer it.
        """
        if self._running and (not self._is_agents or self._joined):
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        if self._running:
            self._joined = True
            return
        self._begin(None)

    def replied(self, reply: Reply) -> RpcStep:
        """Take the reply to `turn/start`: the turn's id, or its end where the agent does not take it."""
        if not self._running:
            return RpcStep()
        if isinstance(reply, Refusal):
            failure = reply.failure
            return self._refused(f"the agent did not take the turn: {plain(failure.text)}", failure.reason)
        turn_id = text_of(object_of(object_of(reply.value).get("turn")).get("id")) or None
        if self._joined and turn_id != self._turn_id:  # it waits behind the agent's own turn, or has begun already
            return self._separated(turn_id)
        if self._turn_id is None:
            self._turn_id = turn_id
        return RpcStep()

    def notified(self, method: str, params: Any) -> RpcStep:
        """Take a notification. One that is not known is counted, one that is about another thread is ignored."""
        message = object_of(params)
        if method == "account/rateLimits/updated":
            self._limits = object_of(message.get("rateLimits"))
            return RpcStep()
        notice = notice_of(method, message)
        if notice is not None and message.get("threadId") in (None, self._thread_id):
            return RpcStep(events=(notice,))
        if method not in KNOWN:
            return RpcStep(events=self._ignore(method))
        if message.get("threadId") != self._thread_id:
            return RpcStep()
        if method == "serverRequest/resolved":
            return self._resolved_by_agent(message.get("requestId"))
        turn = object_of(message.get("turn"))
        turn_id = text_of(turn.get("id")) or text_of(message.get("turnId"))
        if method == "turn/started":
            return self._turn_started(turn_id)
        if self._running and turn_id != self._turn_id:
            return RpcStep()
        if method == "turn/completed":
            return self._completed(turn) if self._running else RpcStep()
        return RpcStep(events=self._told_of(method, message))

    def _told_of(self, method: str, message: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        match method:
            case "item/started":
                return self._item_started(object_of(message.get("item")))
            case "item/completed":
                return self._item_completed(object_of(message.get("item")))
            case "item/agentMessage/delta":
                return self._said(text_of(message.get("itemId")), text_of(message.get("delta")))
            case "turn/plan/updated":
                return (_plan(message),)
            case "error" if message.get("willRetry") is True:
                failure = codex_failure(object_of(message.get("error")), self._limits)
                return (RuntimeErrorReported(message=f"the agent tries again: {failure.text}", reason=failure.reason),)
        tool = self._tools.get(text_of(message.get("itemId")))
        updated = None if tool is None else tool.updated(method, message)
        return () if updated is None else (updated,)

    def asked(self, request_id: RequestId, method: str, params: Any) -> RpcStep | None:
        """Take a request of the agent; None when the method is not known."""
        kind = KINDS.get(method)
        if kind is None:
            value = unanswerable(method)
            return None if value is None else RpcStep(answers=(RpcAnswer(id=request_id, value=value),))
        message = object_of(params)
        own = message.get("threadId") == self._thread_id
        request = open_request(ApprovalRequestId(self._key("approval")), request_id, kind, message)
        if not self._running or self._interrupt_asked or (own and message.get("turnId") != self._turn_id):
            return RpcStep(answers=(RpcAnswer(id=request_id, value=request.answer("cancel")),))
        tool = self._tools.get(text_of(message.get("itemId"))) if own else None
        self._requests[request.key] = request
        asked = ApprovalRequested(
            request=request.key,
            kind=kind,
            summary=summary_of(message, tool.title if tool is not None else ""),
            item=None if tool is None else tool.item,
            options=request.options,
            detail={**(tool.detail() if tool is not None else {}), **_asked_detail(message)},
        )
        return RpcStep(events=(asked,))

    def decided(
        self, key: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None = None
    ) -> RpcStep:
        """Answer an open request.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: it has no such option, or the option contradicts the decision; it stays open.
        """
        request = self._requests.get(key)
        if request is None:
            raise ProviderProtocolError(f"the approval request {key!r} is not open any more")
        answer = request.answer(decision, option)
        del self._requests[key]
        calls: tuple[RpcCall, ...] = ()
        if decision == "cancel":
            self._cancelled = True
            calls = self._interrupt() if request.kind == "permission" else ()
        return RpcStep(
            events=(ApprovalResolved(request=key, decision=decision),),
            answers=(RpcAnswer(id=request.id, value=answer),),
            calls=calls,
        )

    def interrupted(self) -> RpcStep:
        """The runtime asked for the turn's end: open requests are cancelled, which the agent does by itself."""
        if not self._running:
            return RpcStep()
        self._interrupt_asked = True
        return RpcStep(events=self._drop_requests(), calls=self._interrupt() if self._started else ())

    def interrupt_replied(self, reply: Reply) -> RpcStep:
        """Take the reply to `turn/interrupt`. A refusal counts only while the turn still runs."""
        if not isinstance(reply, Refusal) or not self._running:
            return RpcStep()
        words = plain(reply.failure.text)
        return RpcStep(events=(RuntimeErrorReported(message=f"the agent did not take the interrupt: {words}"),))

    @property
    def running_turn(self) -> str | None:
        """The agent's id of the turn that runs and was started; None while there is none."""
        return self._turn_id if self._running and self._started else None

    def settled(self, turn_id: str, turn: JsonObject) -> RpcStep:
        """The thread runs no turn any more, and this one's end was never reported: `turn` is what is kept of it."""
        if self.running_turn != turn_id:
            return RpcStep()
        if turn.get("status") not in ("completed", "interrupted", "failed"):
            return self._ended("failed", "the agent ended the turn without reporting how", reason="protocol")
        return self._completed(turn)

    def cut_off(self) -> RpcStep:
        """The turn was not handed over, or its agent is gone: the rest is left to the runtime.

        A turn that the agent runs by itself goes on.
        """
        self._running, self._joined = self._joined, False
        return RpcStep()

    def _turn_started(self, turn_id: str) -> RpcStep:
        named = None if identifier_fault(turn_id) else ProviderTurnId(turn_id)
        if not self._running:
            self._running = self._started = self._had_turn = self._is_agents = True
            self._joined = self._interrupt_asked = self._cancelled = False
            self._turn_id = turn_id
            return RpcStep(events=(TurnStarted(provider_turn_id=named, origin="agent"),))
        if self._started or self._turn_id not in (None, turn_id):
            return RpcStep()
        self._turn_id = turn_id
        self._started = self._had_turn = True
        return RpcStep(
            events=(TurnStarted(provider_turn_id=named),),
            calls=self._interrupt() if self._interrupt_asked else (),
        )

    def _separated(self, turn_id: str | None) -> RpcStep:
        """The turn that was handed over is not the agent's own, which must have ended to make room for it."""
        ended = self._ended("completed", None, joined=False)
        self._begin(turn_id)
        return ended

    def _refused(self, error: str, reason: FailureReason | None) -> RpcStep:
        """The agent does not take what was handed over. A turn of its own goes on, and what it reports is late."""
        if not self._joined:
            return self._ended("failed", error, reason=reason)
        own = self._ended("completed", None, joined=False)
        return attrs.evolve(own, events=(*own.events, TurnCompleted(outcome="failed", error=error, reason=reason)))

    def _completed(self, turn: JsonObject) -> RpcStep:
        match turn.get("status"):
            case "completed":
                return self._ended("completed", None)
            case "interrupted":
                by_decision = self._cancelled and not self._interrupt_asked
                return self._ended("cancelled" if by_decision else "interrupted", None)
            case _:
                failure = codex_failure(object_of(turn.get("error")), self._limits)
                outcome: TurnOutcome = "interrupted" if self._interrupt_asked else "failed"
                if outcome == "interrupted":
                    return self._ended(outcome, None)
                return self._ended(outcome, failure.text, reason=failure.reason, retry_at=failure.retry_at)

    def _ended(
        self,
        outcome: TurnOutcome,
        error: str | None,
        *,
        reason: FailureReason | None = None,
        retry_at: Instant | None = None,
        joined: bool = True,
    ) -> RpcStep:
        self._running = False
        events: list[ProviderRuntimeEvent] = [MessageCompleted(item=item) for item in self._messages.values()]
        events += [tool.abandoned(failed=outcome != "completed") for tool in self._tools.values()]
        events += self._drop_requests()
        self._cut_off_messages = {item: self._told[item] for item in self._messages}
        self._messages.clear()
        self._told.clear()
        self._tools.clear()
        end = TurnCompleted(outcome=outcome, error=error, reason=reason, retry_at=retry_at)
        events.append(end)
        if self._joined and joined:
            events += [TurnStarted(), end]
        return RpcStep(events=tuple(events))

    def _begin(self, turn_id: str | None) -> None:
        self._running = True
        self._turn_id = turn_id
        self._started = self._interrupt_asked = self._cancelled = self._is_agents = self._joined = False
        self._messages.clear()
        self._told.clear()

    def _item_started(self, item: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        if item.get("type") not in TOOL_TYPES or text_of(item.get("id")) in self._tools:
            return ()
        return (self._open_tool(item).started(),)

    def _item_completed(self, item: JsonObject) -> tuple[ProviderRuntimeEvent, ...]:
        item_id = text_of(item.get("id"))
        match item.get("type"):
            case "agentMessage":
                text = text_of(item.get("text"))[self._cut_off_messages.pop(item_id, 0) :]
                events = () if item_id in self._messages else self._said(item_id, text)
                message = self._messages.pop(item_id, None)
                self._told.pop(item_id, None)
                return events if message is None else (*events, MessageCompleted(item=message))
            case "reasoning":
                thought = reasoning_text(item)[:_MAX_THOUGHT]
                return (ReasoningCompleted(text=thought),) if thought.strip() else ()
            case "plan":
                return (PlanUpdated(summary=text_of(item.get("text"))[:_MAX_SUMMARY], detail={}),)
            case kind if kind in TOOL_TYPES:
                started = self._item_started(item)
                return (*started, self._tools.pop(item_id).completed(item))
            case kind if kind not in SILENT_TYPES:
                return self._ignore(f"item/{text_of(kind)}")
        return ()

    def _said(self, item_id: str, text: str) -> tuple[ProviderRuntimeEvent, ...]:
        if not text:
            return ()
        events: tuple[ProviderRuntimeEvent, ...] = ()
        if item_id not in self._messages:
            if len(self._messages) >= _MAX_OPEN_MESSAGES:
                oldest = next(iter(self._messages))
                events = (MessageCompleted(item=self._messages.pop(oldest)),)
                self._told.pop(oldest, None)
            self._messages[item_id] = ProviderItemId(self._key("message"))
            self._cut_off_messages.pop(item_id, None)
        self._told[item_id] = self._told.get(item_id, 0) + len(text)
        return (*events, MessageDelta(item=self._messages[item_id], text=text))

    def _open_tool(self, item: JsonObject) -> Tool:
        if len(self._tools) >= MAX_OPEN_TOOLS:
            del self._tools[next(iter(self._tools))]
        tool = self._tools[text_of(item.get("id"))] = Tool(ProviderItemId(self._key("tool")), item)
        return tool

    def _resolved_by_agent(self, request_id: object) -> RpcStep:
        """A request that is still open here was taken back."""
        taken = [key for key, request in self._requests.items() if request.id == request_id]
        for key in taken:
            del self._requests[key]
        return RpcStep(events=tuple(ApprovalResolved(request=key, decision="cancel") for key in taken))

    def _interrupt(self) -> tuple[RpcCall, ...]:
        return (RpcCall(method="turn/interrupt", params={"threadId": self._thread_id, "turnId": self._turn_id}),)

    def _drop_requests(self) -> tuple[ProviderRuntimeEvent, ...]:
        keys = tuple(self._requests)
        self._requests.clear()
        return tuple(ApprovalResolved(request=key, decision="cancel") for key in keys)

    def _key(self, noun: str) -> str:
        self._counts[noun] += 1
        return f"{noun}-{self._counts[noun]}"

    def _ignore(self, kind: str) -> tuple[ProviderRuntimeEvent, ...]:
        self._ignored, notices = self._ignored.add(kind)
        return notices


def _plan(message: JsonObject) -> PlanUpdated:
    steps = [object_of(step) for step in list_of(message.get("plan"))]
    summary = "; ".join(text_of(step.get("step")) for step in steps)
    return PlanUpdated(
        summary=summary[:_MAX_SUMMARY], detail={"entries": steps, "explanation": message.get("explanation")}
    )


def _asked_detail(message: JsonObject) -> JsonObject:
    """What a request itself says, without its addresses."""
    addresses = ("threadId", "turnId", "itemId", "startedAtMs", "environmentId")
    return {key: value for key, value in message.items() if key not in addresses and value is not None}
