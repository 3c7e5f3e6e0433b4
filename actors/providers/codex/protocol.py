"""Codex's app-server protocol as plain values: what the agent says becomes provider events.

A `CodexConversation` is what one thread in one app-server needs: the turn that runs and its id, the messages and tools
it opened, the requests that wait for a decision. It is a frozen value and does no I/O. Each method takes what arrived
or what the runtime asks, and returns the conversation after it and an `RpcStep`: the events to report, the answers and
the calls to send, in order. The same messages give the same steps.

A turn is begun before its id is known and can be interrupted only when the agent calls it started, so an interrupt
waits for that. The agent ends a turn by `turn/completed`: an `error` is no end. Where that end is missing, the
connection asks for the thread's state and settles the turn (`settled`).

A turn that the agent starts while none runs is its own. One that is handed over then becomes part of it: both end
together, the agent's first. Items between turns are told as they come; those of an earlier turn while another runs, and
those of threads that subagents have, are not. Keys of messages, tools and requests are counted by the conversation,
since the model's own ids may come again. Notifications that are not known are counted and reported.

Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import (
    ApprovalOptionId,
    ApprovalRequestId,
    ProviderThreadId,
    ProviderTurnId,
    identifier_fault,
)
from ....contracts.provider_events import (
    ApprovalRequested,
    ApprovalResolved,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    RuntimeErrorReported,
    TurnCompleted,
    TurnStarted,
)
from ....contracts.values import ApprovalDecision, FailureReason, Instant, JsonObject
from ..agent_ids import bounded_id
from ..ignored_frames import IgnoredFrames
from ..jsonrpc.protocol import Refusal, Reply, RequestId
from ..jsonrpc.steps import RpcAnswer, RpcCall, RpcStep
from ..loose_json import list_of, object_of, text_of
from ..redaction import plain
from .approvals import KINDS, summary_of, unanswerable
from .failures import codex_failure, resets_at
from .items import SILENT_TYPES, TOOL_TYPES, reasoning_text
from .notices import KNOWN, notice_of
from .open_requests import OpenRequests
from .open_tools import OpenTools
from .streamed_text import CodexText

__all__ = ["CodexConversation", "CodexTurn"]

_MAX_THOUGHT: Final = 64 * 1024
_MAX_SUMMARY: Final = 500

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class CodexTurn:
    """The turn that runs, or the last one. `id` is the agent's id of it, None until the agent names it.

    `started`: the agent called it started. `is_agents`: the agent began it by itself. `joined`: a turn that was handed
    over became part of it. `interrupting`: the runtime asked for its end. `cancelling`: a decision did.
    """

    running: bool = False
    id: str | None = None
    started: bool = False
    is_agents: bool = False
    joined: bool = False
    interrupting: bool = False
    cancelling: bool = False


@attrs.frozen(kw_only=True)
class CodexConversation:
    """`had_turn`: the agent started a turn in this process. `lifted_at`: when the limits it last told are lifted."""

    thread_id: ProviderThreadId
    turn: CodexTurn = CodexTurn()
    had_turn: bool = False
    text: CodexText = attrs.field(factory=CodexText)
    tools: OpenTools = attrs.field(factory=OpenTools)
    requests: OpenRequests = attrs.field(factory=OpenRequests)
    lifted_at: Instant | None = None
    ignored: IgnoredFrames = attrs.field(factory=IgnoredFrames)

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended."""
        return self.turn.running

    @property
    def running_turn(self) -> str | None:
        """The agent's id of the turn that runs and was started; None while there is none."""
        return self.turn.id if self.turn.running and self.turn.started else None

    def begin_turn(self) -> tuple[CodexConversation, RpcStep]:
        """A turn is about to be handed over. One that the agent runs by itself takes it in.

        Raises:
            ProviderProtocolError: a turn that was handed over runs, and another would only steer it.
        """
        if not self.turn.running:
            return self._begun(None), RpcStep()
        if not self.turn.is_agents or self.turn.joined:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        return self._with_turn(joined=True), RpcStep()

    def replied(self, reply: Reply) -> tuple[CodexConversation, RpcStep]:
        """Take the reply to `turn/start`: the turn's id, or its end where the agent does not take it."""
        if not self.turn.running:
            return self, RpcStep()
        if isinstance(reply, Refusal):
            failure = reply.failure
            return self._refused(f"the agent did not take the turn: {plain(failure.text)}", failure.reason)
        turn_id = text_of(object_of(object_of(reply.value).get("turn")).get("id")) or None
        if self.turn.joined and turn_id != self.turn.id:  # it waits behind the agent's own turn, or has begun already
            return self._separated(turn_id)
        return (self._with_turn(id=turn_id) if self.turn.id is None else self), RpcStep()

    def notified(self, method: str, params: Any) -> tuple[CodexConversation, RpcStep]:
        """Take a notification. One that is not known is counted, one that is about another thread is ignored."""
        message = object_of(params)
        if method == "account/rateLimits/updated":
            return attrs.evolve(self, lifted_at=resets_at(object_of(message.get("rateLimits")))), RpcStep()
        notice = notice_of(method, message)
        if notice is not None and message.get("threadId") in (None, self.thread_id):
            return self, RpcStep(events=(notice,))
        if method not in KNOWN:
            return self._ignore(method)
        if message.get("threadId") != self.thread_id:
            return self, RpcStep()
        if method == "serverRequest/resolved":
            requests, events = self.requests.taken_back(message.get("requestId"))
            return attrs.evolve(self, requests=requests), RpcStep(events=events)
        turn = object_of(message.get("turn"))
        turn_id = text_of(turn.get("id")) or text_of(message.get("turnId"))
        if method == "turn/started":
            return self._turn_started(turn_id)
        if self.turn.running and turn_id != self.turn.id:
            return self, RpcStep()
        if method == "turn/completed":
            return self._completed(turn) if self.turn.running else (self, RpcStep())
        return self._told_of(method, message)

    def asked(self, request_id: RequestId, method: str, params: Any) -> tuple[CodexConversation, RpcStep | None]:
        """Take a request of the agent; no step when the method is not known."""
        kind = KINDS.get(method)
        if kind is None:
            value = unanswerable(method)
            return self, None if value is None else RpcStep(answers=(RpcAnswer(id=request_id, value=value),))
        message = object_of(params)
        own = message.get("threadId") == self.thread_id
        requests, request = self.requests.new(request_id, kind, message)
        is_late = own and message.get("turnId") != self.turn.id
        if not self.turn.running or self.turn.interrupting or is_late:
            answer = RpcAnswer(id=request_id, value=request.answer("cancel"))
            return attrs.evolve(self, requests=requests), RpcStep(answers=(answer,))
        tool = self.tools.tools.get(bounded_id(text_of(message.get("itemId")))) if own else None
        asked = ApprovalRequested(
            request=request.key,
            kind=kind,
            summary=summary_of(message, tool.title if tool is not None else ""),
            item=None if tool is None else tool.item,
            options=request.options,
            detail={**(tool.detail() if tool is not None else {}), **_asked_detail(message)},
        )
        return attrs.evolve(self, requests=requests.opened(request)), RpcStep(events=(asked,))

    def decided(
        self, key: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None = None
    ) -> tuple[CodexConversation, RpcStep]:
        """Answer an open request.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: it has no such option, or the option contradicts the decision; it stays open.
        """
        request = self.requests.requests.get(key)
        if request is None:
            raise ProviderProtocolError(f"the approval request {key!r} is not open any more")
        answer = request.answer(decision, option)
        after = attrs.evolve(self, requests=self.requests.without(key))
        calls: tuple[RpcCall, ...] = ()
        if decision == "cancel":
            after = after._with_turn(cancelling=True)
            calls = after._interrupt() if request.kind == "permission" else ()
        return after, RpcStep(
            events=(ApprovalResolved(request=key, decision=decision),),
            answers=(RpcAnswer(id=request.id, value=answer),),
            calls=calls,
        )

    def interrupted(self) -> tuple[CodexConversation, RpcStep]:
        """The runtime asked for the turn's end: open requests are cancelled, which the agent does by itself."""
        if not self.turn.running:
            return self, RpcStep()
        requests, dropped = self.requests.drop_all()
        after = attrs.evolve(self._with_turn(interrupting=True), requests=requests)
        return after, RpcStep(events=dropped, calls=after._interrupt() if after.turn.started else ())

    def interrupt_replied(self, reply: Reply) -> tuple[CodexConversation, RpcStep]:
        """Take the reply to `turn/interrupt`. A refusal counts only while the turn still runs."""
        if not isinstance(reply, Refusal) or not self.turn.running:
            return self, RpcStep()
        words = plain(reply.failure.text)
        return self, RpcStep(events=(RuntimeErrorReported(message=f"the agent did not take the interrupt: {words}"),))

    def settled(self, turn_id: str, turn: JsonObject) -> tuple[CodexConversation, RpcStep]:
        """The thread runs no turn any more, and this one's end was never reported: `turn` is what is kept of it."""
        if self.running_turn != turn_id:
            return self, RpcStep()
        if turn.get("status") not in ("completed", "interrupted", "failed"):
            error = "the agent ended the turn without reporting how"
            return self._ended(TurnCompleted(outcome="failed", error=error, reason="protocol"))
        return self._completed(turn)

    def cut_off(self) -> tuple[CodexConversation, RpcStep]:
        """The turn was not handed over, or its agent is gone: the rest is left to the runtime.

        A turn that the agent runs by itself goes on.
        """
        return self._with_turn(running=self.turn.joined, joined=False), RpcStep()

    def _told_of(self, method: str, message: JsonObject) -> tuple[CodexConversation, RpcStep]:
        match method:
            case "item/started":
                return self._with_tools(*self.tools.started(object_of(message.get("item"))))
            case "item/completed":
                return self._item_completed(object_of(message.get("item")))
            case "item/agentMessage/delta":
                return self._with_text(*self.text.said(text_of(message.get("itemId")), text_of(message.get("delta"))))
            case "turn/plan/updated":
                return self, RpcStep(events=(_plan(message),))
            case "error" if message.get("willRetry") is True:
                failure = codex_failure(object_of(message.get("error")), self.lifted_at)
                words = f"the agent tries again: {failure.text}"
                return self, RpcStep(events=(RuntimeErrorReported(message=words, reason=failure.reason),))
        return self._with_tools(*self.tools.updated(method, message))

    def _item_completed(self, item: JsonObject) -> tuple[CodexConversation, RpcStep]:
        match text_of(item.get("type")):
            case "agentMessage":
                return self._with_text(*self.text.completed(text_of(item.get("id")), text_of(item.get("text"))))
            case "reasoning":
                thought = reasoning_text(item)[:_MAX_THOUGHT]
                return self, RpcStep(events=(ReasoningCompleted(text=thought),) if thought.strip() else ())
            case "plan":
                plan = PlanUpdated(summary=text_of(item.get("text"))[:_MAX_SUMMARY], detail={})
                return self, RpcStep(events=(plan,))
            case kind if kind in TOOL_TYPES:
                return self._with_tools(*self.tools.completed(item))
            case kind if kind not in SILENT_TYPES:
                return self._ignore(f"item/{kind}")
        return self, RpcStep()

    def _turn_started(self, turn_id: str) -> tuple[CodexConversation, RpcStep]:
        named = None if identifier_fault(turn_id) else ProviderTurnId(turn_id)
        if not self.turn.running:
            turn = CodexTurn(running=True, id=turn_id, started=True, is_agents=True)
            begun = TurnStarted(provider_turn_id=named, origin="agent")
            return attrs.evolve(self, turn=turn, had_turn=True), RpcStep(events=(begun,))
        if self.turn.started or self.turn.id not in (None, turn_id):
            return self, RpcStep()
        after = attrs.evolve(self._with_turn(id=turn_id, started=True), had_turn=True)
        return after, RpcStep(
            events=(TurnStarted(provider_turn_id=named),),
            calls=after._interrupt() if self.turn.interrupting else (),
        )

    def _separated(self, turn_id: str | None) -> tuple[CodexConversation, RpcStep]:
        """The turn that was handed over is not the agent's own, which must have ended to make room for it."""
        after, ended = self._with_turn(joined=False)._ended(TurnCompleted(outcome="completed"))
        return after._begun(turn_id), ended

    def _refused(self, error: str, reason: FailureReason | None) -> tuple[CodexConversation, RpcStep]:
        """The agent does not take what was handed over. A turn of its own goes on, and what it reports is late."""
        refused = TurnCompleted(outcome="failed", error=error, reason=reason)
        if not self.turn.joined:
            return self._ended(refused)
        after, own = self._with_turn(joined=False)._ended(TurnCompleted(outcome="completed"))
        return after, attrs.evolve(own, events=(*own.events, refused))

    def _completed(self, turn: JsonObject) -> tuple[CodexConversation, RpcStep]:
        if turn.get("status") == "completed":
            return self._ended(TurnCompleted(outcome="completed"))
        if turn.get("status") == "interrupted":
            by_decision = self.turn.cancelling and not self.turn.interrupting
            return self._ended(TurnCompleted(outcome="cancelled" if by_decision else "interrupted"))
        if self.turn.interrupting:
            return self._ended(TurnCompleted(outcome="interrupted"))
        failure = codex_failure(object_of(turn.get("error")), self.lifted_at)
        end = TurnCompleted(outcome="failed", error=failure.text, reason=failure.reason, retry_at=failure.retry_at)
        return self._ended(end)

    def _ended(self, end: TurnCompleted) -> tuple[CodexConversation, RpcStep]:
        """The end of the turn; a turn that joined it begins and ends with it."""
        text, messages = self.text.end_turn()
        tools, abandoned = self.tools.end_turn(failed=end.outcome != "completed")
        requests, dropped = self.requests.drop_all()
        joined: Events = (TurnStarted(), end) if self.turn.joined else ()
        after = attrs.evolve(self._with_turn(running=False, joined=False), text=text, tools=tools, requests=requests)
        return after, RpcStep(events=(*messages, *abandoned, *dropped, end, *joined))

    def _begun(self, turn_id: str | None) -> CodexConversation:
        return attrs.evolve(self, turn=CodexTurn(running=True, id=turn_id), text=self.text.begin_turn())

    def _with_turn(self, **changes: Any) -> CodexConversation:
        return attrs.evolve(self, turn=attrs.evolve(self.turn, **changes))

    def _with_text(self, text: CodexText, events: Events) -> tuple[CodexConversation, RpcStep]:
        return attrs.evolve(self, text=text), RpcStep(events=events)

    def _with_tools(self, tools: OpenTools, events: Events) -> tuple[CodexConversation, RpcStep]:
        return (self if tools is self.tools else attrs.evolve(self, tools=tools)), RpcStep(events=events)

    def _ignore(self, kind: str) -> tuple[CodexConversation, RpcStep]:
        ignored, notices = self.ignored.add(kind)
        return attrs.evolve(self, ignored=ignored), RpcStep(events=notices)

    def _interrupt(self) -> tuple[RpcCall, ...]:
        return (RpcCall(method="turn/interrupt", params={"threadId": self.thread_id, "turnId": self.turn.id}),)


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
