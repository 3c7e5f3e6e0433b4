"""Codex's app-server protocol as plain values: an agent's messages become provider events. Pure.

A `CodexConversation` is the state of one thread in one app-server: the turn that runs and its id, the messages and
tools it opened, the requests that wait for a decision. It is a frozen value. Each method takes a message or a request
of the runtime, and returns the next conversation and an `RpcStep`: the events to report, the answers and the calls to
send, in order. The same messages give the same steps.

A turn is begun before its id is known, and can be interrupted only after `turn/started`, so an interrupt waits for
that. The agent ends a turn with `turn/completed`; an `error` is not an end. If that end is missing, the connection
reads the thread's state and settles the turn (`settle_turn`).

A turn that the agent starts while none runs is the agent's own. A turn that is handed over then joins it: both end
together, the agent's first. Items between turns are reported as they come; items of an earlier turn while another runs
are not. Messages and tools of sub-agents' threads are reported with the tool call that started the sub-agent. Keys of
messages, tools and requests are counted by the conversation, since the model's ids may repeat.

Source: `codex app-server generate-json-schema`
"""

from __future__ import annotations

from typing import Any

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
    ProviderRuntimeEvent,
    RuntimeErrorReported,
    SessionInfoUpdated,
    TurnCompleted,
    TurnStarted,
)
from ....contracts.values import ApprovalDecision, FailureReason, Instant, JsonObject
from ..agent_ids import bounded_id
from ..forms import declined_form
from ..ignored_frames import IgnoredFrames
from ..jsonrpc.protocol import Refusal, Reply, RequestId
from ..jsonrpc.steps import RpcAnswer, RpcCall, RpcStep
from ..loose_json import object_of, text_of
from ..redaction import plain
from .approvals import KINDS, request_detail, summary_of
from .failures import resets_at, retry_report
from .items import SILENT_TYPES, TOOL_TYPES, plan_of, thought_or_plan
from .notices import KNOWN, notice_of
from .open_requests import OpenRequests
from .open_tools import OpenTools
from .questions import ELICITATION, USER_INPUT, OpenForm, question_event, read_codex_form
from .session_info import INFO_NOTIFICATIONS, with_notification
from .streamed_text import CodexText
from .subagents import CodexSubagents
from .turns import CodexTurn, turn_end
from .usage import CodexUsage

__all__ = ["CodexConversation"]

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class CodexConversation:
    """`had_turn`: the agent started a turn in this process. `lifted_at`: when the last reported limits reset."""

    thread_id: ProviderThreadId
    turn: CodexTurn = attrs.field(factory=CodexTurn)
    had_turn: bool = False
    text: CodexText = attrs.field(factory=CodexText)
    usage: CodexUsage = attrs.field(factory=CodexUsage)
    subagents: CodexSubagents = attrs.field(factory=CodexSubagents)
    info: SessionInfoUpdated = attrs.field(factory=SessionInfoUpdated)
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

    def set_info(self, info: SessionInfoUpdated) -> tuple[CodexConversation, RpcStep]:
        """Take what is known of the thread; it is reported if it has changed."""
        return (self, RpcStep()) if info == self.info else (attrs.evolve(self, info=info), RpcStep(events=(info,)))

    def begin_turn(self, *, model: str | None = None) -> tuple[CodexConversation, RpcStep]:
        """Begin a turn before it is handed over. If the agent runs a turn of its own, this one joins it.

        Raises:
            ProviderProtocolError: a turn that was handed over runs; Codex would steer it instead.
        """
        if not self.turn.running:
            return self._with_new_turn(None, model=model), RpcStep()
        if not self.turn.is_agents or self.turn.joined:
            raise ProviderProtocolError("a turn is running: the agent takes one turn at a time")
        return self._with_turn(joined=True), RpcStep()

    def take_turn_reply(self, reply: Reply) -> tuple[CodexConversation, RpcStep]:
        """Take the reply to `turn/start`: the turn's id, or its end where the agent refused it."""
        if not self.turn.running:
            return self, RpcStep()
        if isinstance(reply, Refusal):
            failure = reply.failure
            return self._refuse_turn(f"the agent refused the turn: {plain(failure.text)}", failure.reason)
        turn_id = text_of(object_of(object_of(reply.value).get("turn")).get("id")) or None
        if self.turn.joined and turn_id != self.turn.id:  # it waits behind the agent's own turn, or has begun already
            return self._separate_turns(turn_id)
        return (self._with_turn(id=turn_id) if self.turn.id is None else self), RpcStep()

    def take_notification(self, method: str, params: Any) -> tuple[CodexConversation, RpcStep]:
        """Take a notification. One without an event is counted (`IgnoredFrames`)."""
        after, step = self._take_notification(method, params)
        if step.events or step.calls or after.ignored is not self.ignored:
            return after, step
        is_other = object_of(params).get("threadId") not in (None, self.thread_id)
        return attrs.evolve(
            after, ignored=after.ignored.skip(f"{method} of another thread" if is_other else method)
        ), step

    def _take_notification(self, method: str, params: Any) -> tuple[CodexConversation, RpcStep]:
        message = object_of(params)
        if method == "account/rateLimits/updated":
            return attrs.evolve(self, lifted_at=resets_at(object_of(message.get("rateLimits")))), RpcStep()
        if method in INFO_NOTIFICATIONS and message.get("threadId") in (None, self.thread_id):
            return self.set_info(with_notification(self.info, method, message))
        notice = notice_of(method, message)
        if notice is not None and message.get("threadId") in (None, self.thread_id):
            return self, RpcStep(events=(notice,))
        if method not in KNOWN:
            return self._count_ignored(method)
        if message.get("threadId") != self.thread_id:
            return self._with_tools(*self.subagents.take_notification(method, message, self.tools))
        if method == "serverRequest/resolved":
            requests, events = self.requests.drop_resolved(message.get("requestId"))
            return attrs.evolve(self, requests=requests), RpcStep(events=events)
        if method == "thread/tokenUsage/updated":
            usage, reported = self.usage.take(message, has_turn=self.had_turn or self.turn.running)
            return attrs.evolve(self, usage=usage), RpcStep(events=reported)
        turn = object_of(message.get("turn"))
        turn_id = text_of(turn.get("id")) or text_of(message.get("turnId"))
        if method == "turn/started":
            return self._start_turn(turn_id)
        if self.turn.running and turn_id != self.turn.id:
            return self, RpcStep()
        if method == "turn/completed":
            return self._complete_turn(turn) if self.turn.running else (self, RpcStep())
        return self._take_turn_notification(method, message)

    def take_request(self, request_id: RequestId, method: str, params: Any) -> tuple[CodexConversation, RpcStep | None]:
        """Take a request of the agent; the step is None when the method is unknown."""
        message = object_of(params)
        if method in (USER_INPUT, ELICITATION):
            return self._take_form(request_id, method, message)
        kind = KINDS.get(method)
        if kind is None:
            return self, None
        own = message.get("threadId") == self.thread_id
        requests, request = self.requests.make(request_id, kind, message)
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
            detail={**(tool.detail() if tool is not None else {}), **request_detail(message)},
        )
        return attrs.evolve(self, requests=requests.add(request)), RpcStep(events=(asked,))

    def _take_form(self, request_id: RequestId, method: str, message: JsonObject) -> tuple[CodexConversation, RpcStep]:
        """Take questions. Those that cannot be shown are declined, late ones get an empty answer."""
        own = message.get("threadId") == self.thread_id
        is_late = own and message.get("turnId") not in (None, self.turn.id)
        form = read_codex_form(method, message)
        if form is None or not self.turn.running or self.turn.interrupting or is_late:
            answer = RpcAnswer(id=request_id, value=OpenForm(method=method, fields={}).answer("decline", None))
            return self, RpcStep(events=(declined_form(message),) if form is None else (), answers=(answer,))
        requests, request = self.requests.make_form(request_id, form[1])
        tool = self.tools.tools.get(bounded_id(text_of(message.get("itemId")))) if own else None
        asked = question_event(request.key, form[0], message, item=None if tool is None else tool.item)
        return attrs.evolve(self, requests=requests.add(request)), RpcStep(events=(asked,))

    def answer_request(
        self,
        key: ApprovalRequestId,
        decision: ApprovalDecision,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> tuple[CodexConversation, RpcStep]:
        """Answer an open request.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: it has no such option, or the option contradicts the decision; it stays open.
        """
        request = self.requests.requests.get(key)
        if request is None:
            raise ProviderProtocolError(f"the approval request {key!r} is not open any more")
        answer = request.answer(decision, option, answers)
        after = attrs.evolve(self, requests=self.requests.remove(key))
        calls: tuple[RpcCall, ...] = ()
        if decision == "cancel":
            after = after._with_turn(cancelling=True)
            calls = after._interrupt_call() if request.kind == "permission" else ()
        return after, RpcStep(
            events=(ApprovalResolved(request=key, decision=decision),),
            answers=(RpcAnswer(id=request.id, value=answer),),
            calls=calls,
        )

    def interrupt_turn(self) -> tuple[CodexConversation, RpcStep]:
        """Interrupt the turn. Its open requests are cancelled; the agent needs no answer to them."""
        if not self.turn.running:
            return self, RpcStep()
        requests, dropped = self.requests.drop_all()
        after = attrs.evolve(self._with_turn(interrupting=True), requests=requests)
        return after, RpcStep(events=dropped, calls=after._interrupt_call() if after.turn.started else ())

    def take_interrupt_reply(self, reply: Reply) -> tuple[CodexConversation, RpcStep]:
        """Take the reply to `turn/interrupt`. A refusal counts only while the turn still runs."""
        if not isinstance(reply, Refusal) or not self.turn.running:
            return self, RpcStep()
        message = f"the agent refused the interrupt: {plain(reply.failure.text)}"
        return self, RpcStep(events=(RuntimeErrorReported(message=message),))

    def settle_turn(self, turn_id: str, turn: JsonObject) -> tuple[CodexConversation, RpcStep]:
        """End a turn whose end was never reported. `turn` is the agent's own record of it, empty where it has none."""
        if self.running_turn != turn_id:
            return self, RpcStep()
        if turn.get("status") not in ("completed", "interrupted", "failed"):
            error = "the agent ended the turn without reporting how"
            return self._end_turn(TurnCompleted(outcome="failed", error=error, reason="protocol"))
        return self._complete_turn(turn)

    def abandon_turn(self) -> tuple[CodexConversation, RpcStep]:
        """End a turn that was not handed over, or whose agent is gone, without events.

        A turn of the agent's own continues.
        """
        return self._with_turn(running=self.turn.joined, joined=False), RpcStep()

    def _take_turn_notification(self, method: str, message: JsonObject) -> tuple[CodexConversation, RpcStep]:
        match method:
            case "item/started":
                return self._with_tools(*self.tools.start(object_of(message.get("item"))))
            case "item/completed":
                return self._complete_item(object_of(message.get("item")))
            case "item/agentMessage/delta":
                return self._with_text(
                    *self.text.add_text(text_of(message.get("itemId")), text_of(message.get("delta")))
                )
            case "turn/plan/updated":
                return self, RpcStep(events=(plan_of(message),))
            case "error" if message.get("willRetry") is True:
                return self, RpcStep(events=(retry_report(message, self.lifted_at),))
        return self._with_tools(*self.tools.update(method, message))

    def _complete_item(self, item: JsonObject) -> tuple[CodexConversation, RpcStep]:
        match text_of(item.get("type")):
            case "agentMessage":
                return self._with_text(*self.text.complete(text_of(item.get("id")), text_of(item.get("text"))))
            case "reasoning" | "plan":
                return self, RpcStep(events=thought_or_plan(item))
            case kind if kind in TOOL_TYPES:
                return self._with_tools(*self.tools.complete(item))
            case kind if kind not in SILENT_TYPES:
                return self._count_ignored(f"item/{kind}")
        return self, RpcStep()

    def _start_turn(self, turn_id: str) -> tuple[CodexConversation, RpcStep]:
        named = None if identifier_fault(turn_id) else ProviderTurnId(turn_id)
        if not self.turn.running:
            turn = CodexTurn(running=True, id=turn_id, started=True, is_agents=True)
            begun = TurnStarted(provider_turn_id=named, origin="agent")
            usage = self.usage.begin_turn(model=self.usage.turn.model)
            return attrs.evolve(self, turn=turn, usage=usage, had_turn=True), RpcStep(events=(begun,))
        if self.turn.started or self.turn.id not in (None, turn_id):
            return self, RpcStep()
        after = attrs.evolve(self._with_turn(id=turn_id, started=True), had_turn=True)
        return after, RpcStep(
            events=(TurnStarted(provider_turn_id=named),),
            calls=after._interrupt_call() if self.turn.interrupting else (),
        )

    def _separate_turns(self, turn_id: str | None) -> tuple[CodexConversation, RpcStep]:
        """End the agent's own turn: the turn that was handed over has another id, so it did not join."""
        after, ended = self._with_turn(joined=False)._end_turn(TurnCompleted(outcome="completed"))
        return after._with_new_turn(turn_id, model=self.usage.turn.model), ended

    def _refuse_turn(self, error: str, reason: FailureReason | None) -> tuple[CodexConversation, RpcStep]:
        """End a turn that the agent refused. If it was to join a turn of the agent's own, that one ends here too."""
        refused = TurnCompleted(outcome="failed", error=error, reason=reason)
        if not self.turn.joined:
            return self._end_turn(refused)
        after, own = self._with_turn(joined=False)._end_turn(TurnCompleted(outcome="completed"))
        return after, attrs.evolve(own, events=(*own.events, refused))

    def _complete_turn(self, record: JsonObject) -> tuple[CodexConversation, RpcStep]:
        return self._end_turn(turn_end(record, self.turn, lifted_at=self.lifted_at))

    def _end_turn(self, end: TurnCompleted) -> tuple[CodexConversation, RpcStep]:
        """End the turn, and the turn that joined it."""
        text, messages = self.text.end_turn()
        tools, abandoned = self.tools.end_turn(failed=end.outcome != "completed")
        requests, dropped = self.requests.drop_all()
        joined: Events = (TurnStarted(), end) if self.turn.joined else ()
        after = attrs.evolve(self._with_turn(running=False, joined=False), text=text, tools=tools, requests=requests)
        return after, RpcStep(events=(*messages, *abandoned, *dropped, end, *joined))

    def _with_new_turn(self, turn_id: str | None, *, model: str | None) -> CodexConversation:
        turn = CodexTurn(running=True, id=turn_id)
        return attrs.evolve(self, turn=turn, text=self.text.begin_turn(), usage=self.usage.begin_turn(model=model))

    def _with_turn(self, **changes: Any) -> CodexConversation:
        return attrs.evolve(self, turn=attrs.evolve(self.turn, **changes))

    def _with_text(self, text: CodexText, events: Events) -> tuple[CodexConversation, RpcStep]:
        return attrs.evolve(self, text=text), RpcStep(events=events)

    def _with_tools(self, tools: OpenTools, events: Events) -> tuple[CodexConversation, RpcStep]:
        if tools is self.tools:
            return self, RpcStep(events=events)
        return attrs.evolve(self, tools=tools, subagents=self.subagents.take_events(events)), RpcStep(events=events)

    def _count_ignored(self, kind: str) -> tuple[CodexConversation, RpcStep]:
        ignored, notices = self.ignored.add(kind)
        return attrs.evolve(self, ignored=ignored), RpcStep(events=notices)

    def _interrupt_call(self) -> tuple[RpcCall, ...]:
        return (RpcCall(method="turn/interrupt", params={"threadId": self.thread_id, "turnId": self.turn.id}),)
