"""The Agent Client Protocol, version 1, as plain values: what an agent says becomes provider events.

An `AcpConversation` is what one session of one agent process needs: whether a turn runs, the message and the thought
that are being streamed, the tool calls, the open permission requests. It is a frozen value and does no I/O. Each method
takes what arrived or what the runtime asks, and returns the conversation after it and an `RpcStep`: the events to
report and the answers to send, in order. The same messages give the same steps.

What an agent says after its turn, or between turns, is reported like everything else: events name no turn, the runtime
knows whose they are. History that the agent replays while and after it loads a session is dropped (`replaying`).

A permission that is answered `cancelled` does not end the turn by itself: agents take it for a refusal and go on. So a
decision to cancel also cancels the turn.

Keys of messages, tool calls and requests are counted by the conversation, since an agent's own ids may come again.
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
    SessionNotice,
    ToolCompleted,
    ToolUpdated,
    TurnOutcome,
)
from ....contracts.values import ApprovalDecision, JsonObject
from ..ignored_frames import IgnoredFrames
from ..jsonrpc.protocol import Notification, Reply, RequestId
from ..jsonrpc.steps import RpcAnswer, RpcStep
from ..loose_json import list_of, object_of, text_of
from .open_permissions import CANCELLED, AcpPermission, AcpPermissions
from .permissions import choose, left_out, offers_of
from .streamed_text import AcpText
from .tool_call import clipped
from .tool_calls import ToolCalls
from .turn_end import turn_end

__all__ = ["AcpConversation"]

_MAX_PLAN: Final = 32 * 1024
_MAX_SUMMARY: Final = 500
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

Events = tuple[ProviderRuntimeEvent, ...]


@attrs.frozen(kw_only=True)
class AcpConversation:
    """`login` says how to log in with the agent, for errors that need it. `modes` are the ids of the agent's modes.

    `replaying`: the agent may still be replaying its history; updates are dropped until `replay_ended`. `running`:
    a turn was begun and has not ended. `told_of_writes`: it was reported that the agent writes without asking, or
    there is no reason to any more.
    """

    session_id: ProviderThreadId
    login: str = ""
    modes: tuple[str, ...] = ()
    replaying: bool = False
    told_of_writes: bool = False
    running: bool = False
    interrupting: bool = False
    cancelling: bool = False
    text: AcpText = attrs.field(factory=AcpText)
    tools: ToolCalls = attrs.field(factory=ToolCalls)
    permissions: AcpPermissions = attrs.field(factory=AcpPermissions)
    ignored: IgnoredFrames = attrs.field(factory=IgnoredFrames)

    def replay_ended(self) -> tuple[AcpConversation, RpcStep]:
        """From now on what arrives is reported."""
        return attrs.evolve(self, replaying=False), RpcStep()

    def begin_turn(self) -> tuple[AcpConversation, RpcStep]:
        """The events end what was said between turns.

        Raises:
            ProviderProtocolError: a turn runs, and the protocol takes one at a time.
        """
        if self.running:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        text, ended = self.text.end()
        begun = attrs.evolve(
            self, running=True, interrupting=False, cancelling=False, text=text, tools=self.tools.begin_turn()
        )
        return begun, RpcStep(events=ended)

    def updated(self, params: Any) -> tuple[AcpConversation, RpcStep]:
        """Take a `session/update` notification. One that is not known is counted, and reported now and then."""
        if self.replaying:
            return self, RpcStep()
        message = object_of(params)
        if message.get("sessionId") != self.session_id:
            return self._ignore("updates of another session")
        update = object_of(message.get("update"))
        match text_of(update.get("sessionUpdate")):
            case "agent_message_chunk":
                return self._streamed(*self.text.said(update))
            case "agent_thought_chunk":
                return self._streamed(*self.text.thought_on(update))
            case "tool_call" | "tool_call_update":
                return self._tool_told(update)
            case "plan":
                return self, RpcStep(events=(_plan(update),))
            case kind if kind in _WITHOUT_EVENTS:
                return self, RpcStep()
            case kind:
                return self._ignore(kind)

    def not_understood(self, method: str) -> tuple[AcpConversation, RpcStep]:
        """Take a notification of a method that is not known."""
        return self._ignore(method)

    def permission_asked(self, request_id: RequestId, params: Any) -> tuple[AcpConversation, RpcStep]:
        """Take a `session/request_permission` request, in a turn or between turns."""
        message = object_of(params)
        if self.replaying or self._asked_to_end is not None or message.get("sessionId") != self.session_id:
            return self, RpcStep(answers=(RpcAnswer(id=request_id, value=CANCELLED),))
        text, ended = self.text.end()
        tools, tool = self.tools.asked(object_of(message.get("toolCall")))
        offers = offers_of(message.get("options"), modes=self.modes)
        permissions, request, lost = self.permissions.ask(AcpPermission(id=request_id, offers=offers))
        asked = ApprovalRequested(
            request=request,
            kind=_KINDS.get(tool.kind, "permission"),
            summary=tool.title,
            item=tool.item,
            options=tuple(offer.option for offer in offers),
            detail={**tool.detail(), **left_out(message.get("options"), offers)},
        )
        after = attrs.evolve(self, text=text, tools=tools, permissions=permissions)
        return after, attrs.evolve(lost, events=(*ended, *lost.events, asked))

    def decided(
        self, request: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None = None
    ) -> tuple[AcpConversation, RpcStep]:
        """Answer an open request: by `option` where it is given, else as `permissions.choose` does.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: none of its options fits the decision; it stays open.
        """
        permission = self.permissions.requests.get(request)
        if permission is None:
            raise ProviderProtocolError(f"the approval request {request!r} is not open any more")
        if decision == "cancel" and self.running:
            return attrs.evolve(self, cancelling=True)._cancel()
        chosen = choose(permission.offers, decision, option)
        value = CANCELLED
        if chosen is not None:
            value = {"outcome": {"outcome": "selected", "optionId": chosen.agent_id}}
        allows_more = chosen is not None and chosen.allows and chosen.option.kind != "allow_once"
        after = attrs.evolve(
            self,
            permissions=self.permissions.without(request),
            told_of_writes=self.told_of_writes or allows_more,  # what follows is what the user allowed
        )
        return after, RpcStep(
            events=(ApprovalResolved(request=request, decision=decision),),
            answers=(RpcAnswer(id=permission.id, value=value),),
        )

    def interrupted(self) -> tuple[AcpConversation, RpcStep]:
        """The runtime asked for the turn's end: what is open, and what is asked from now on, is cancelled."""
        if not self.running:
            return self, RpcStep()
        return attrs.evolve(self, interrupting=True)._cancel()

    def replied(self, reply: Reply) -> tuple[AcpConversation, RpcStep]:
        """Take the reply to `session/prompt`: the turn's end. What is still asked is answered `cancelled`."""
        end = turn_end(reply, asked_to_end=self._asked_to_end, login=self.login)
        text, said = self.text.end()
        tools, unfinished = self.tools.end_turn(end.outcome)
        permissions, dropped = self.permissions.give_up()
        after = attrs.evolve(self, running=False, text=text, tools=tools, permissions=permissions)
        return after, attrs.evolve(dropped, events=(*said, *unfinished, *dropped.events, end))

    def cut_off(self) -> tuple[AcpConversation, RpcStep]:
        """The turn was not handed over, or its agent is gone. A thought is told; the rest is left to the runtime."""
        text, thought = self.text.end_thought()
        return attrs.evolve(self, running=False, text=text), RpcStep(events=thought)

    @property
    def _asked_to_end(self) -> TurnOutcome | None:
        """The outcome of a turn that the runtime asked to end; None while it did not."""
        if self.interrupting:
            return "interrupted"
        return "cancelled" if self.cancelling else None

    def _cancel(self) -> tuple[AcpConversation, RpcStep]:
        """The end of the turn, with every permission that is open answered as the protocol asks for then."""
        cancel = Notification(method="session/cancel", params={"sessionId": self.session_id})
        permissions, given_up = self.permissions.give_up()
        return attrs.evolve(self, permissions=permissions), attrs.evolve(given_up, notifications=(cancel,))

    def _streamed(self, text: AcpText, events: Events) -> tuple[AcpConversation, RpcStep]:
        """Most chunks continue a message, and leave the conversation as it is."""
        after = self if text is self.text else attrs.evolve(self, text=text)
        return after, RpcStep(events=events)

    def _tool_told(self, update: JsonObject) -> tuple[AcpConversation, RpcStep]:
        """The beginning and the end of a call end the message; its progress does not."""
        tools, events = self.tools.updated(update)
        if all(isinstance(event, ToolUpdated) for event in events):
            return attrs.evolve(self, tools=tools), RpcStep(events=events)
        text, ended = self.text.end()
        notice = () if self.told_of_writes else _written_unasked(tools, events)
        after = attrs.evolve(self, tools=tools, text=text, told_of_writes=self.told_of_writes or bool(notice))
        return after, RpcStep(events=(*ended, *events, *notice))

    def _ignore(self, kind: str) -> tuple[AcpConversation, RpcStep]:
        ignored, notices = self.ignored.add(kind)
        return attrs.evolve(self, ignored=ignored), RpcStep(events=notices)


def _written_unasked(tools: ToolCalls, events: Events) -> Events:
    """A notice that the agent writes without asking."""
    for event in events:
        if not isinstance(event, ToolCompleted) or event.failed:
            continue
        if event.detail.get("kind") in _WRITES and not tools.was_asked(event.item):
            summary = f"The agent changes files without asking, as its present mode allows: {event.title}"
            return (SessionNotice(kind="session.notice", summary=summary, detail={"itemId": event.item}),)
    return ()


def _plan(update: JsonObject) -> PlanUpdated:
    entries = [object_of(entry) for entry in list_of(clipped(update.get("entries"), _MAX_PLAN))]
    steps = "; ".join(text_of(entry.get("content")) for entry in entries)
    return PlanUpdated(summary=steps[:_MAX_SUMMARY], detail={"entries": entries})
