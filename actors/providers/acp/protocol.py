"""The Agent Client Protocol, version 1, as plain values: an agent's messages become provider events. Pure.

An `AcpConversation` is the state of one session of one agent process: whether a turn runs, the message and the thought
that are being streamed, the tool calls, the open permission requests and forms. It is a frozen value. Each method takes
a message or a request of the runtime, and returns the next conversation and an `RpcStep`: the events to report and the
answers to send, in order. The same messages give the same steps.

Messages after a turn, or between turns, are reported like all others: events do not name a turn, the runtime adds it.
History that the agent replays while it loads a session, or afterwards, is dropped (`replaying`).

A permission request that is answered `cancelled` does not end the turn: agents treat it as a refusal and continue. So a
decision to cancel also cancels the turn.

Keys of messages, tool calls and requests are counted by the conversation, since an agent's own ids may repeat.
Source: https://agentclientprotocol.com/protocol/schema
"""

from __future__ import annotations

from typing import Any, Final

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId
from ....contracts.provider_events import (
    ApprovalKind,
    ApprovalRequested,
    ApprovalResolved,
    PlanUpdated,
    ProviderRuntimeEvent,
    QuestionRequested,
    SessionInfoUpdated,
    SessionNotice,
    ToolCompleted,
    ToolUpdated,
    TurnOutcome,
)
from ....contracts.values import ApprovalDecision, JsonObject
from ..forms import declined_form, elicitation_answer, read_form
from ..ignored_frames import IgnoredFrames
from ..jsonrpc.protocol import Notification, Reply, RequestId, Result
from ..jsonrpc.steps import RpcAnswer, RpcStep
from ..loose_json import list_of, object_of, text_of
from .open_requests import CANCELLED, FORM_CANCELLED, AcpRequest, AcpRequests
from .options import Options
from .permissions import choose, left_out_detail, offers_of
from .session_info import with_options, with_update
from .streamed_text import AcpText
from .tool_call import clip
from .tool_calls import ToolCalls
from .turn_end import turn_end
from .usage import AcpUsage

__all__ = ["AcpConversation"]

_MAX_PLAN: Final = 32 * 1024
_MAX_SUMMARY: Final = 500
_WRITES: Final = ("edit", "delete", "move")
_WITHOUT_EVENTS: Final = frozenset(
    {
        "user_message_chunk",
        "current_mode_update",
        "config_option_update",
    }
)
"""Known kinds of updates that lead to no event here."""

_KINDS: Final[dict[str, ApprovalKind]] = {
    "execute": "command",
    "edit": "fileChange",
    "delete": "fileChange",
    "move": "fileChange",
}

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class AcpConversation:
    """`login` describes how to log in with the agent, for errors. `modes` are the ids of the agent's modes.

    `replaying`: the agent may still be replaying its history; updates are dropped until `end_replay`. `running`:
    a turn was begun and has not ended. `writes_reported`: it was reported that the agent writes without asking, or
    the user has allowed it since.
    """

    session_id: ProviderThreadId
    login: str = ""
    modes: tuple[str, ...] = ()
    replaying: bool = False
    writes_reported: bool = False
    running: bool = False
    interrupting: bool = False
    cancelling: bool = False
    text: AcpText = attrs.field(factory=AcpText)
    usage: AcpUsage = attrs.field(factory=AcpUsage)
    info: SessionInfoUpdated = attrs.field(factory=SessionInfoUpdated)
    tools: ToolCalls = attrs.field(factory=ToolCalls)
    requests: AcpRequests = attrs.field(factory=AcpRequests)
    ignored: IgnoredFrames = attrs.field(factory=IgnoredFrames)

    def end_replay(self) -> tuple[AcpConversation, RpcStep]:
        """Report updates from now on, and first what is known of the session."""
        events = () if self.info == SessionInfoUpdated() else (self.info,)
        return attrs.evolve(self, replaying=False), RpcStep(events=events)

    def set_options(self, options: Options) -> tuple[AcpConversation, RpcStep]:
        """Take the session's options, which may have changed."""
        return self._with_info(with_options(self.info, options))

    def begin_turn(self, *, model: str | None = None) -> tuple[AcpConversation, RpcStep]:
        """Begin a turn on this model, if it is known. The events end the message that was streamed between turns.

        Raises:
            ProviderProtocolError: a turn runs already, and the protocol allows one at a time.
        """
        if self.running:
            raise ProviderProtocolError("a turn is running: the agent takes one turn at a time")
        text, ended = self.text.end()
        begun = attrs.evolve(
            self,
            running=True,
            interrupting=False,
            cancelling=False,
            text=text,
            tools=self.tools.begin_turn(),
            usage=self.usage.begin_turn(model=model),
        )
        return begun, RpcStep(events=ended)

    def take_update(self, params: Any) -> tuple[AcpConversation, RpcStep]:
        """Take a `session/update` notification. One without an event is counted (`IgnoredFrames`)."""
        after, step = self._take_update(params)
        if step.events or after.ignored is not self.ignored:
            return after, step
        kind = text_of(object_of(object_of(params).get("update")).get("sessionUpdate"))
        return attrs.evolve(after, ignored=after.ignored.skip(f"replayed {kind}" if self.replaying else kind)), step

    def _take_update(self, params: Any) -> tuple[AcpConversation, RpcStep]:
        message = object_of(params)
        update = object_of(message.get("update"))
        is_own = message.get("sessionId") == self.session_id
        if is_own and update.get("sessionUpdate") in ("session_info_update", "available_commands_update"):
            return self._with_info(with_update(self.info, update))
        if self.replaying:
            return self, RpcStep()
        if not is_own:
            return self._count_ignored("updates of another session")
        match text_of(update.get("sessionUpdate")):
            case "agent_message_chunk":
                return self._with_text(*self.text.add_text(update, subagent=self.tools.parent_item(update)))
            case "agent_thought_chunk":
                return self._with_text(*self.text.add_thought(update))
            case "tool_call" | "tool_call_update":
                return self._take_tool_call(update)
            case "plan":
                return self, RpcStep(events=(_plan(update),))
            case "usage_update":
                usage, reported = self.usage.take_update(update)
                return attrs.evolve(self, usage=usage), RpcStep(events=reported)
            case kind if kind in _WITHOUT_EVENTS:
                return self, RpcStep()
            case kind:
                return self._count_ignored(kind)

    def count_unknown_method(self, method: str) -> tuple[AcpConversation, RpcStep]:
        """Count a notification with an unknown method."""
        return self._count_ignored(method)

    def take_permission_request(self, request_id: RequestId, params: Any) -> tuple[AcpConversation, RpcStep]:
        """Take a `session/request_permission` request, in a turn or between turns."""
        message = object_of(params)
        if self.replaying or self._requested_outcome is not None or message.get("sessionId") != self.session_id:
            return self, RpcStep(answers=(RpcAnswer(id=request_id, value=CANCELLED),))
        text, ended = self.text.end()
        tools, tool = self.tools.take_request(object_of(message.get("toolCall")))
        offers = offers_of(message.get("options"), modes=self.modes)
        requests, request, lost = self.requests.open(AcpRequest(id=request_id, offers=offers))
        asked = ApprovalRequested(
            request=request,
            kind=_KINDS.get(tool.kind, "permission"),
            summary=tool.title,
            item=tool.item,
            options=tuple(offer.option for offer in offers),
            detail={**tool.detail(), **left_out_detail(message.get("options"), offers)},
        )
        after = attrs.evolve(self, text=text, tools=tools, requests=requests)
        return after, attrs.evolve(lost, events=(*ended, *lost.events, asked))

    def take_form(self, request_id: RequestId, params: Any) -> tuple[AcpConversation, RpcStep]:
        """Take an `elicitation/create` request, in a turn or between turns. Only forms of a session are taken."""
        message = object_of(params)
        if self.replaying or self._requested_outcome is not None or message.get("sessionId") != self.session_id:
            return self, RpcStep(answers=(RpcAnswer(id=request_id, value=FORM_CANCELLED),))
        form = read_form(message.get("requestedSchema")) if message.get("mode") == "form" else None
        if form is None:
            answer = RpcAnswer(id=request_id, value={"action": "decline"})
            return self, RpcStep(events=(declined_form(message),), answers=(answer,))
        text, ended = self.text.end()
        requests, request, lost = self.requests.open(AcpRequest(id=request_id, fields=form.fields))
        said = text_of(message.get("message"))
        asked = QuestionRequested(
            request=request, summary=said[:_MAX_SUMMARY], questions=form.questions, detail={"message": said}
        )
        after = attrs.evolve(self, text=text, requests=requests)
        return after, attrs.evolve(lost, events=(*ended, *lost.events, asked))

    def answer_request(
        self,
        key: ApprovalRequestId,
        decision: ApprovalDecision,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> tuple[AcpConversation, RpcStep]:
        """Answer an open request: a form with `answers`, a permission with `option`, or else with the option that
        `permissions.choose` selects.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: none of its options fits the decision; it stays open.
        """
        request = self.requests.requests.get(key)
        if request is None:
            raise ProviderProtocolError(f"the approval request {key!r} is not open any more")
        if decision == "cancel" and self.running:
            return attrs.evolve(self, cancelling=True)._cancel_turn()
        allows_more = False
        if request.fields is None:
            chosen = choose(request.offers, decision, option)
            value = CANCELLED
            if chosen is not None:
                value = {"outcome": {"outcome": "selected", "optionId": chosen.agent_id}}
                allows_more = chosen.allows and chosen.option.kind != "allow_once"
        else:
            value = elicitation_answer(request.fields, decision, answers)
        after = attrs.evolve(
            self,
            requests=self.requests.remove(key),
            writes_reported=self.writes_reported or allows_more,  # the user allowed the writes that follow
        )
        return after, RpcStep(
            events=(ApprovalResolved(request=key, decision=decision),),
            answers=(RpcAnswer(id=request.id, value=value),),
        )

    def interrupt_turn(self) -> tuple[AcpConversation, RpcStep]:
        """Cancel the turn: requests that are open, and those that still come, are answered `cancelled`."""
        if not self.running:
            return self, RpcStep()
        return attrs.evolve(self, interrupting=True)._cancel_turn()

    def take_prompt_reply(self, reply: Reply) -> tuple[AcpConversation, RpcStep]:
        """Take the reply to `session/prompt`, the turn's end. Requests that are still open are answered `cancelled`."""
        end = turn_end(reply, requested_outcome=self._requested_outcome, login=self.login)
        text, said = self.text.end()
        tools, unfinished = self.tools.end_turn(end.outcome)
        requests, dropped = self.requests.cancel_all()
        used = object_of(reply.value).get("usage") if isinstance(reply, Result) else None
        usage, reported = self.usage.take_reply(used)
        after = attrs.evolve(self, running=False, text=text, tools=tools, requests=requests, usage=usage)
        return after, attrs.evolve(dropped, events=(*said, *unfinished, *dropped.events, *reported, end))

    def abandon_turn(self) -> tuple[AcpConversation, RpcStep]:
        """End a turn that was not handed over, or whose agent is gone. Only an open thought is reported here."""
        text, thought = self.text.end_thought()
        return attrs.evolve(self, running=False, text=text), RpcStep(events=thought)

    @property
    def _requested_outcome(self) -> TurnOutcome | None:
        """The outcome of a turn that was cancelled from here; None for any other."""
        if self.interrupting:
            return "interrupted"
        return "cancelled" if self.cancelling else None

    def _cancel_turn(self) -> tuple[AcpConversation, RpcStep]:
        """Send `session/cancel`, and answer every open permission request as the protocol requires then."""
        cancel = Notification(method="session/cancel", params={"sessionId": self.session_id})
        requests, cancelled = self.requests.cancel_all()
        return attrs.evolve(self, requests=requests), attrs.evolve(cancelled, notifications=(cancel,))

    def _with_text(self, text: AcpText, events: Events) -> tuple[AcpConversation, RpcStep]:
        """The conversation with this text. Most chunks continue a message and do not change it."""
        after = self if text is self.text else attrs.evolve(self, text=text)
        return after, RpcStep(events=events)

    def _with_info(self, info: SessionInfoUpdated) -> tuple[AcpConversation, RpcStep]:
        """Report the information if it has changed; while the session opens it is only kept."""
        if info == self.info:
            return self, RpcStep()
        return attrs.evolve(self, info=info), RpcStep(events=() if self.replaying else (info,))

    def _take_tool_call(self, update: JsonObject) -> tuple[AcpConversation, RpcStep]:
        """Take an announcement or an update of a tool call. Its start and its end complete the open message."""
        tools, events = self.tools.take_update(update)
        if all(isinstance(event, ToolUpdated) for event in events):
            return attrs.evolve(self, tools=tools), RpcStep(events=events)
        text, ended = self.text.end()
        notice = () if self.writes_reported else _notice_of_unasked_write(tools, events)
        after = attrs.evolve(self, tools=tools, text=text, writes_reported=self.writes_reported or bool(notice))
        return after, RpcStep(events=(*ended, *events, *notice))

    def _count_ignored(self, kind: str) -> tuple[AcpConversation, RpcStep]:
        ignored, notices = self.ignored.add(kind)
        return attrs.evolve(self, ignored=ignored), RpcStep(events=notices)


def _notice_of_unasked_write(tools: ToolCalls, events: Events) -> Events:
    """The notice that the agent changes files without asking; empty where none of these events shows that."""
    for event in events:
        if not isinstance(event, ToolCompleted) or event.failed:
            continue
        if event.detail.get("kind") in _WRITES and not tools.was_asked(event.item):
            summary = f"The agent changes files without asking, as its present mode allows: {event.title}"
            return (SessionNotice(kind="session.notice", summary=summary, detail={"itemId": event.item}),)
    return ()


def _plan(update: JsonObject) -> PlanUpdated:
    entries = [object_of(entry) for entry in list_of(clip(update.get("entries"), _MAX_PLAN))]
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})
