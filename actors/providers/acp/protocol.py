"""The Agent Client Protocol, version 1, as plain values: what an agent says becomes provider events.

A `Conversation` holds what one session of one agent process needs: whether a turn runs, the message and the thought
that are being streamed, the tool calls, the open permission requests. It does no I/O: its methods take what arrived or
what the runtime asks, and return `RpcStep`s, the events to report and the answers to send, in order.

What an agent says after its turn, or between turns, is reported like everything else: events say no turn, the runtime
knows whose they are. History that the agent replays while and after it loads a session is dropped (`replaying`).

A permission that is answered `cancelled` does not end the turn by itself: agents take it for a refusal and go on. So a
decision to cancel also cancels the turn.

The protocol has no items for text: a message lasts until a tool call begins or ends, a thought, another `messageId`,
another speaker or the turn's end. Keys of messages, tool calls and requests are counted by the conversation, since an
agent's own ids may come again. Source: https://agentclientprotocol.com/protocol/schema
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderItemId, ProviderThreadId
from ....contracts.provider_events import (
    ApprovalKind,
    ApprovalRequested,
    ApprovalResolved,
    MessageCompleted,
    MessageDelta,
    PlanUpdated,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    SessionNotice,
    ToolCompleted,
    ToolUpdated,
    TurnCompleted,
    TurnOutcome,
)
from ....contracts.values import ApprovalDecision, FailureReason, JsonObject
from ..ignored_frames import IgnoredFrames
from ..jsonrpc.protocol import Notification, Refusal, Reply, RequestId, Result
from ..jsonrpc.steps import RpcAnswer, RpcStep
from ..loose_json import list_of, object_of, text_of
from .meta import speaker_of
from .permissions import Offer, choose, left_out, offers_of
from .tool_call import clipped, content_text
from .tool_calls import ToolCalls

__all__ = ["Conversation"]

_CANCELLED: Final[JsonObject] = {"outcome": {"outcome": "cancelled"}}
_MAX_THOUGHT: Final = 64 * 1024
_MAX_PLAN: Final = 32 * 1024
_MAX_SUMMARY: Final = 500
_MAX_PERMISSIONS: Final = 64
_WRITES: Final = ("edit", "delete", "move")
_WITHOUT_EVENTS: Final = frozenset(
    {
        "user_message_chunk",
        "usage_update",
        "available_commands_update",
        "session_info_update",
        "current_mode_update",
        "config_option_update",
    }
)
"""Kinds of updates that are known and lead to no event here."""

_KINDS: Final[dict[str, ApprovalKind]] = {
    "execute": "command",
    "edit": "fileChange",
    "delete": "fileChange",
    "move": "fileChange",
}

_STOPPED: Final[dict[str, tuple[str, FailureReason | None]]] = {
    "refusal": ("the agent refused to go on", "refused"),
    "max_tokens": ("the agent reached its limit of tokens", "context_full"),
    "max_turn_requests": ("the agent reached its limit of model requests in a turn", "max_turns"),
}

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class _Permission:
    id: RequestId
    offers: tuple[Offer, ...]


class Conversation:
    """`login` says how to log in with the agent, for errors that need it. `modes` are the ids of the agent's modes.

    `replaying`: the agent may still be replaying its history; updates are dropped until `replay_ended`.
    """

    def __init__(
        self,
        session_id: ProviderThreadId,
        *,
        login: str = "",
        modes: Collection[str] = (),
        replaying: bool = False,
        told_of_writes: bool = False,
    ) -> None:
        self._session_id = session_id
        self._login = login
        self._modes = modes
        self._replaying = replaying
        self._running = False
        self._interrupting = self._cancelling = False
        self._message: ProviderItemId | None = None
        self._message_id: object = None
        self._thought = ""
        self._speaker: tuple[str, ...] = ()
        self._counts = {"message": 0, "tool": 0, "permission": 0}
        self._tools = ToolCalls(lambda: self._key("tool"))
        self._permissions: dict[ApprovalRequestId, _Permission] = {}
        self._ignored = IgnoredFrames()
        self._told_of_writes = told_of_writes

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended."""
        return self._running

    @property
    def told_of_writes(self) -> bool:
        """Whether it was reported that the agent writes without asking, or there is no reason to any more."""
        return self._told_of_writes

    @property
    def replaying(self) -> bool:
        """Whether what arrives may still be history."""
        return self._replaying

    def replay_ended(self) -> None:
        self._replaying = False

    def begin_turn(self) -> RpcStep:
        """The events end what was said between turns.

        Raises:
            ProviderProtocolError: a turn runs, and the protocol takes one at a time.
        """
        if self._running:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        self._running = True
        self._interrupting = self._cancelling = False
        self._tools.begin_turn()
        return RpcStep(events=self._boundary())

    def updated(self, params: Any) -> RpcStep:
        """Take a `session/update` notification. One that is not known is counted, and reported now and then."""
        message = object_of(params)
        update = object_of(message.get("update"))
        kind = text_of(update.get("sessionUpdate"))
        if self._replaying:
            return RpcStep()
        if message.get("sessionId") != self._session_id:
            return RpcStep(events=self._ignore("updates of another session"))
        match kind:
            case "agent_message_chunk":
                return RpcStep(events=self._said(update))
            case "agent_thought_chunk":
                return RpcStep(events=self._thought_on(update))
            case "tool_call" | "tool_call_update":
                return RpcStep(events=self._tool(update))
            case "plan":
                return RpcStep(events=(_plan(update),))
            case _ if kind in _WITHOUT_EVENTS:
                return RpcStep()
        return RpcStep(events=self._ignore(kind))

    def not_understood(self, method: str) -> RpcStep:
        """Take a notification of a method that is not known."""
        return RpcStep(events=self._ignore(method))

    def permission_asked(self, request_id: RequestId, params: Any) -> RpcStep:
        """Take a `session/request_permission` request, in a turn or between turns."""
        message = object_of(params)
        if self._replaying or self._is_ending or message.get("sessionId") != self._session_id:
            return RpcStep(answers=(RpcAnswer(id=request_id, value=_CANCELLED),))
        tool = self._tools.asked(object_of(message.get("toolCall")))
        request = ApprovalRequestId(self._key("permission"))
        lost = self._give_up_permissions(len(self._permissions) - _MAX_PERMISSIONS + 1, lost=True)
        offers = offers_of(message.get("options"), modes=self._modes)
        self._permissions[request] = _Permission(id=request_id, offers=offers)
        asked = ApprovalRequested(
            request=request,
            kind=_KINDS.get(tool.kind, "permission"),
            summary=tool.title,
            item=tool.item,
            options=tuple(offer.option for offer in offers),
            detail={**tool.detail(), **left_out(message.get("options"), offers)},
        )
        return attrs.evolve(lost, events=(*self._boundary(), *lost.events, asked))

    def decided(
        self, request: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None = None
    ) -> RpcStep:
        """Answer an open request: by `option` where it is given, else as `acp_permissions` chooses.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: none of its options fits the decision; it stays open.
        """
        permission = self._permissions.get(request)
        if permission is None:
            raise ProviderProtocolError(f"the approval request {request!r} is not open any more")
        if decision == "cancel" and self._running:
            self._cancelling = True
            return self._cancel()
        chosen = choose(permission.offers, decision, option)
        if chosen is not None and chosen.allows and chosen.option.kind != "allow_once":
            self._told_of_writes = True  # what follows is what the user allowed
        value = _CANCELLED
        if chosen is not None:
            value = {"outcome": {"outcome": "selected", "optionId": chosen.agent_id}}
        del self._permissions[request]
        return RpcStep(
            events=(ApprovalResolved(request=request, decision=decision),),
            answers=(RpcAnswer(id=permission.id, value=value),),
        )

    def interrupted(self) -> RpcStep:
        """The runtime asked for the turn's end: what is open, and what is asked from now on, is cancelled."""
        if not self._running:
            return RpcStep()
        self._interrupting = True
        return self._cancel()

    def replied(self, reply: Reply) -> RpcStep:
        """Take the reply to `session/prompt`: the turn's end. What is still asked is answered `cancelled`."""
        self._running = False
        ended = self._outcome(reply)
        dropped = self._give_up_permissions(len(self._permissions))
        events = (*self._boundary(), *self._tools.end_turn(ended.outcome), *dropped.events, ended)
        return attrs.evolve(dropped, events=events)

    def cut_off(self) -> RpcStep:
        """The turn was not handed over, or its agent is gone. A thought is told; the rest is left to the runtime."""
        self._running = False
        return RpcStep(events=self._end_thought())

    @property
    def _is_ending(self) -> bool:
        return self._interrupting or self._cancelling

    def _cancel(self) -> RpcStep:
        """The end of the turn, with every permission that is open answered as the protocol asks for then."""
        cancel = Notification(method="session/cancel", params={"sessionId": self._session_id})
        return attrs.evolve(self._give_up_permissions(len(self._permissions)), notifications=(cancel,))

    def _give_up_permissions(self, count: int, *, lost: bool = False) -> RpcStep:
        """Answer the oldest requests `cancelled`; `lost` ones nobody declined."""
        events: list[ProviderRuntimeEvent] = []
        answers: list[RpcAnswer] = []
        for request in list(self._permissions)[: max(0, count)]:
            answers.append(RpcAnswer(id=self._permissions.pop(request).id, value=_CANCELLED))
            events.append(ApprovalResolved(request=request, decision="cancel", lost=lost))
        return RpcStep(events=tuple(events), answers=tuple(answers))

    def _outcome(self, reply: Reply) -> TurnCompleted:
        """A turn that was asked to end was interrupted or cancelled, whatever the agent calls its end."""
        ended: TurnOutcome = "interrupted" if self._interrupting else "cancelled"
        match reply:
            case Refusal(failure=failure):
                if self._is_ending:
                    return TurnCompleted(outcome=ended, error=failure.text)
                text = failure.text
                if failure.reason == "unauthenticated" and self._login:
                    text = f"{text}; {self._login}"
                return TurnCompleted(outcome="failed", error=text, reason=failure.reason)
            case Result():
                stopped = text_of(object_of(reply.value).get("stopReason"))
        if self._is_ending or stopped == "cancelled":
            return TurnCompleted(outcome=ended)
        if stopped == "end_turn":
            return TurnCompleted(outcome="completed")
        unknown = ("the agent stopped for a reason that the protocol does not know", None)
        sentence, reason = _STOPPED.get(stopped, unknown)
        error = f"{sentence} ({stopped[:_MAX_SUMMARY] or 'none given'})"
        return TurnCompleted(outcome="failed", error=error, reason=reason)

    def _said(self, update: JsonObject) -> Events:
        text, message_id = content_text(update.get("content")), update.get("messageId")
        if not text:
            return ()
        events = (*self._heard(speaker_of(update)), *self._end_thought())
        if self._message is not None and message_id != self._message_id:
            events += self._end_message()
        if self._message is None:
            self._message = ProviderItemId(self._key("message"))
            self._message_id = message_id
        return (*events, MessageDelta(item=self._message, text=text))

    def _thought_on(self, update: JsonObject) -> Events:
        events = (*self._heard(speaker_of(update)), *self._end_message())
        text = content_text(update.get("content"))
        self._thought += text[: _MAX_THOUGHT - len(self._thought)]
        return events

    def _heard(self, speaker: tuple[str, ...]) -> Events:
        """Another speaker ends what the one before was saying."""
        if speaker == self._speaker:
            return ()
        self._speaker = speaker
        return self._boundary()

    def _tool(self, update: JsonObject) -> Events:
        """The beginning and the end of a call end the message; its progress does not."""
        events = self._tools.updated(update)
        if all(isinstance(event, ToolUpdated) for event in events):
            return events
        return (*self._boundary(), *events, *self._written_unasked(events))

    def _written_unasked(self, events: Events) -> Events:
        """A notice, once, that the agent writes without asking."""
        for event in events:
            if self._told_of_writes or not isinstance(event, ToolCompleted) or event.failed:
                continue
            if event.detail.get("kind") in _WRITES and not self._tools.was_asked(event.item):
                self._told_of_writes = True
                summary = f"The agent changes files without asking, as its present mode allows: {event.title}"
                return (SessionNotice(kind="session.notice", summary=summary, detail={"itemId": event.item}),)
        return ()

    def _boundary(self) -> Events:
        return (*self._end_message(), *self._end_thought())

    def _end_message(self) -> Events:
        message, self._message = self._message, None
        return () if message is None else (MessageCompleted(item=message),)

    def _end_thought(self) -> Events:
        thought, self._thought = self._thought, ""
        return (ReasoningCompleted(text=thought),) if thought.strip() else ()

    def _key(self, noun: str) -> str:
        self._counts[noun] += 1
        return f"{noun}-{self._counts[noun]}"

    def _ignore(self, kind: str) -> tuple[ProviderRuntimeEvent, ...]:
        self._ignored, notices = self._ignored.add(kind)
        return notices


def _plan(update: JsonObject) -> PlanUpdated:
    entries = [object_of(entry) for entry in list_of(clipped(update.get("entries"), _MAX_PLAN))]
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})
