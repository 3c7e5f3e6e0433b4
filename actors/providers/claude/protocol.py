"""What Claude Code says on its way to the Claude Agent SDK, as plain values: its messages become provider events.

A `ClaudeConversation` is what is known of one session of one agent process: the turn that runs, the text that streams,
the turn's tool calls, the open permission requests. It is a frozen value. A message, or what the runtime asks, gives
the next value and a `ClaudeStep`; the same messages always give the same steps. It does no I/O, asks no clock and
draws nothing at random. It takes the messages as JSON, before the SDK gives them classes, so that it is tested without
the SDK and goes on when a field is missing or new.

A turn that the agent takes up by itself, when a background task has ended, is its own: it begins with `init`, or with a
message of the model, while no turn runs. What is handed over meanwhile waits behind it or becomes part of it; both end
then, the agent's first. Anything else that comes between turns is reported as it comes. What a subagent says is part of
the tool call that started it; the tools it calls are reported, with their parent. Messages that are not known are
counted.

Text streams as `stream_event`s and comes again whole in an `assistant` message, which counts only where its text was
not streamed: the agent answers without streaming after a broken connection.
Source: https://docs.claude.com/en/api/agent-sdk/python
"""

from __future__ import annotations

from typing import Any, Final, Self, TypeAlias

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderItemId
from ....contracts.provider_events import (
    ApprovalOption,
    ApprovalRequested,
    MessageCompleted,
    MessageDelta,
    ProviderRuntimeEvent,
    ReasoningCompleted,
    ThreadStarted,
    TurnCompleted,
    TurnOutcome,
    TurnStarted,
)
from ....contracts.values import ApprovalDecision, Instant, JsonObject
from ..agent_ids import bounded_id
from ..ignored_frames import IgnoredFrames
from ..loose_json import list_of, object_of, text_of
from .failures import claude_failure, lifted_at
from .messages import SILENT, SILENT_SYSTEM, begins_turn, compaction_notice, move_notice, retry_report
from .open_permissions import OpenPermissions
from .plans import PLANNING_TOOLS, Plan
from .session import ClaudeSession
from .streamed_text import StreamedText
from .tools import ToolUse, ToolUses, approval_kind, result_text, tool_title

__all__ = ["ClaudeConversation", "ClaudeStep"]

Events: TypeAlias = tuple[ProviderRuntimeEvent, ...]

_MAX_THOUGHT: Final = 64 * 1024


@attrs.frozen(kw_only=True)
class ClaudeStep:
    """What follows from an input: events for the runtime, and whether the agent is to be interrupted now."""

    events: Events = ()
    interrupt: bool = False


@attrs.frozen(kw_only=True)
class ClaudeConversation:
    """`prompt` is the uuid of the turn that was handed over, `is_agents` whether a turn of the agent's own runs.

    `is_taken_up` is whether the agent works on the turn; before, an interrupt would be lost on it. `error` is the kind
    of error that the turn's last message named, `lifted_at` the end of the limit that was reported last. `session` is
    where the agent keeps the conversation.
    """

    session: ClaudeSession
    prompt: str | None = None
    is_agents: bool = False
    is_taken_up: bool = False
    is_interrupting: bool = False
    is_cancelling: bool = False
    text: StreamedText = attrs.field(factory=StreamedText)
    tools: ToolUses = attrs.field(factory=ToolUses)
    permissions: OpenPermissions = attrs.field(factory=OpenPermissions)
    plan: Plan = attrs.field(factory=Plan)
    error: str = ""
    lifted_at: Instant | None = None
    ignored: IgnoredFrames = attrs.field(factory=IgnoredFrames)

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended, one of the agent's own included."""
        return self.prompt is not None or self.is_agents

    def begin_turn(self, prompt_uuid: str) -> Self:
        """A turn is about to be handed over, as a user message with this uuid. It waits behind one of the agent's own.

        Raises:
            ProviderProtocolError: a turn that was handed over runs, and the agent would merge the two.
        """
        if self.prompt is not None:
            raise ProviderProtocolError("a turn is running: the agent takes one at a time")
        return attrs.evolve(self if self.is_agents else self._without_turn(), prompt=prompt_uuid)

    def received(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        """Take a message that is no control message. One of a kind that is not known is counted."""
        if self.running or not begins_turn(message):
            return self._received(message)
        after, step = attrs.evolve(self._without_turn(), is_agents=True)._received(message)
        return after, attrs.evolve(step, events=(TurnStarted(origin="agent"), *step.events))

    def permission_asked(
        self,
        tool_name: str,
        given: JsonObject,
        *,
        tool_use_id: str | None,
        reason: str | None = None,
        options: tuple[ApprovalOption, ...] = (),
    ) -> tuple[Self, ApprovalRequestId | None, ClaudeStep]:
        """The agent wants to use a tool. None for the request where nobody is to be asked: it is to be refused."""
        if not self.running or self.is_interrupting:
            return self, None, ClaudeStep()
        permissions, request = self.permissions.ask(options)
        after, events = attrs.evolve(self, permissions=permissions)._end_blocks()
        if tool_use_id is not None:
            after, started = after._start_tool(tool_use_id, tool_name, given, None)
            events += started
        detail: JsonObject = {"toolName": tool_name, "input": given}
        if reason is not None:
            detail["reason"] = reason
        asked = ApprovalRequested(
            request=request,
            kind=approval_kind(tool_name),
            summary=tool_title(tool_name, given),
            item=None if tool_use_id is None else ProviderItemId(bounded_id(tool_use_id)),
            options=options,
            detail=detail,
        )
        return after, request, ClaudeStep(events=(*events, asked))

    def decided(
        self, request: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None = None
    ) -> tuple[Self, ClaudeStep]:
        """Answer an open request.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: the option is none of the request's, or contradicts the decision.
        """
        permissions, events = self.permissions.decide(request, decision, option)
        is_cancelling = self.is_cancelling or decision == "cancel"
        return attrs.evolve(self, permissions=permissions, is_cancelling=is_cancelling), ClaudeStep(events=events)

    def withdrawn(self, request: ApprovalRequestId) -> tuple[Self, ClaudeStep]:
        """The agent does not wait for an answer any more."""
        permissions, events = self.permissions.withdraw(request)
        return attrs.evolve(self, permissions=permissions), ClaudeStep(events=events)

    def interrupted(self) -> tuple[Self, ClaudeStep]:
        """The runtime asked for the turn's end. Before the agent took the turn up, an interrupt would be lost on it.

        What is open is cancelled, what is asked from now on is refused.
        """
        if not self.running:
            return self, ClaudeStep()
        permissions, events = self.permissions.cancel_all()
        after = attrs.evolve(self, is_interrupting=True, permissions=permissions)
        return after, ClaudeStep(events=events, interrupt=self.is_taken_up)

    def cut_off(self) -> Self:
        """The turn was not handed over, or its agent is gone. What is open is left to the runtime."""
        return attrs.evolve(self, prompt=None)

    def _without_turn(self) -> Self:
        return attrs.evolve(
            self,
            is_taken_up=False,
            is_interrupting=False,
            is_cancelling=False,
            error="",
            text=self.text.begin_turn(),
            tools=ToolUses(),
        )

    def _received(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        parent = message.get("parent_tool_use_id")
        kind = text_of(message.get("type"))
        after, events = self, Events()
        match kind:
            case "stream_event" if parent is None:
                after, events = self._streamed_on(object_of(message.get("event")))
            case "assistant":
                after, events = self._said(message, parent)
            case "user":
                after, events = self._results(object_of(message.get("message")))
            case "system":
                return self._informed(message)
            case "result":
                after, events = self._result(message)
            case "rate_limit_event":
                after = attrs.evolve(self, lifted_at=lifted_at(message))
            case _ if kind in SILENT or message.get("type") is None:
                pass
            case _:
                after, events = self._ignore(kind)
        return after, ClaudeStep(events=events)

    def _streamed_on(self, event: JsonObject) -> tuple[Self, Events]:
        index = event.get("index")
        match event.get("type"):
            case "message_start":
                text, events = self.text.begin_message(text_of(object_of(event.get("message")).get("id")))
                return attrs.evolve(self, text=text), events
            case "content_block_delta" if isinstance(index, int):
                said = text_of(object_of(event.get("delta")).get("text"))
                text, told = self.text.add(index, said) if said else (self.text, ())
                return self if text is self.text else attrs.evolve(self, text=text), told
            case "content_block_stop" if isinstance(index, int):
                text, events = self.text.end_block(index)
                return attrs.evolve(self, text=text), events
        return self, ()

    def _said(self, message: JsonObject, parent: Any) -> tuple[Self, Events]:
        content = object_of(message.get("message"))
        after = self
        if parent is None:
            after = attrs.evolve(after, error=text_of(message.get("error")) or after.error)
        identity = content.get("id")
        streamed = isinstance(identity, str) and self.text.has_streamed(identity)
        told = parent is not None or streamed or message.get("error") is not None
        events: Events = ()
        for position, block in enumerate(map(object_of, list_of(content.get("content")))):
            said: Events = ()
            match block:
                case {"type": "text", "text": str(text)} if text and not told:
                    item = ProviderItemId(f"{text_of(message.get('uuid'))}/{position}")
                    said = (MessageDelta(item=item, text=text), MessageCompleted(item=item))
                case {"type": "thinking", "thinking": str(thought)} if thought.strip() and parent is None:
                    said = (ReasoningCompleted(text=thought[:_MAX_THOUGHT]),)
                case {"type": "tool_use", "name": str(name)} if name in PLANNING_TOOLS:
                    if parent is None:
                        plan, said = after.plan.used(text_of(block.get("id")), name, object_of(block.get("input")))
                        after = attrs.evolve(after, plan=plan)
                case {"type": "tool_use" | "server_tool_use", "id": str(identity), "name": str(name)}:
                    after, said = after._start_tool(identity, name, object_of(block.get("input")), parent)
                case {"tool_use_id": str(identity)}:
                    after, said = after._end_tool(identity, block)
            events += said
        return after, events

    def _results(self, content: JsonObject) -> tuple[Self, Events]:
        after, events = self, Events()
        for block in map(object_of, list_of(content.get("content"))):
            if block.get("type") == "tool_result":
                identity = text_of(block.get("tool_use_id"))
                plan = after.plan.answered(identity, result_text(block.get("content")))
                after, ended = attrs.evolve(after, plan=plan)._end_tool(identity, block)
                events += ended
        return after, events

    def _informed(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        kind = text_of(message.get("subtype"))
        match kind:
            case "init":
                late = self.is_interrupting and not self.is_taken_up
                return attrs.evolve(self, is_taken_up=True), ClaudeStep(interrupt=late)
            case "api_retry":
                return self, ClaudeStep(events=(retry_report(message),))
            case "compact_boundary":
                return self, ClaudeStep(events=(compaction_notice(message),))
            case _ if kind in SILENT_SYSTEM or message.get("subtype") is None:
                return self, ClaudeStep()
        after, events = self._ignore(f"system/{kind}")
        return after, ClaudeStep(events=events)

    def _result(self, result: JsonObject) -> tuple[Self, Events]:
        """The end of our turn, of the agent's own, or of both in one."""
        is_ours = self.prompt is not None and self._is_ours(result)
        if not self.is_agents and not is_ours:
            return self, ()
        after, moved = self._follow(text_of(result.get("session_id")))
        after, ended = after._ended(result)
        if not self.is_agents:
            return attrs.evolve(after, prompt=None), (*moved, *ended)
        after = attrs.evolve(after, is_agents=False)
        if is_ours:
            return attrs.evolve(after, prompt=None), (*moved, *ended, TurnStarted(), ended[-1])
        return after._without_turn(), (*moved, *ended)

    def _is_ours(self, result: JsonObject) -> bool:
        """Whether a result ends our turn: it names the prompts it answers, or else where its turn came from."""
        prompts = list_of(result.get("user_message_uuids"))
        if prompts or self.is_agents:
            return self.prompt in prompts
        return result.get("origin") is None

    def _follow(self, session_id: str) -> tuple[Self, Events]:
        """A turn that has ended is written in the session that its result names: the conversation's from now on."""
        written = self.session.written()
        followed = written.followed(session_id)
        if followed is None:
            return attrs.evolve(self, session=written), ()
        thread = ThreadStarted(provider_thread_id=followed.session_id)
        return attrs.evolve(self, session=followed), (thread, move_notice(written, followed))

    def _ended(self, result: JsonObject) -> tuple[Self, Events]:
        outcome = self._outcome(result)
        end = TurnCompleted(outcome=outcome)
        if outcome == "failed":
            failure = claude_failure(result, error=self.error, limit_lifted_at=self.lifted_at)
            end = TurnCompleted(outcome=outcome, error=failure.text, reason=failure.reason, retry_at=failure.retry_at)
        text, completed = self.text.end_blocks()
        tools, unfinished = self.tools.end_turn(outcome)
        permissions, cancelled = self.permissions.cancel_all()
        after = attrs.evolve(self, text=text, tools=tools, permissions=permissions)
        return after, (*completed, *unfinished, *cancelled, end)

    def _outcome(self, result: JsonObject) -> TurnOutcome:
        if result.get("subtype") == "success" and result.get("is_error") is not True:
            return "completed"
        if self.is_interrupting:
            return "interrupted"
        if self.is_cancelling or text_of(result.get("terminal_reason")).startswith("aborted"):
            return "cancelled"
        return "failed"

    def _start_tool(self, identity: str, name: str, given: JsonObject, parent: Any) -> tuple[Self, Events]:
        if name in PLANNING_TOOLS:
            return self, ()
        tools, started = self.tools.start(ToolUse.of(identity, name, given, parent=text_of(parent) or None))
        if not started:
            return self, ()
        after, completed = attrs.evolve(self, tools=tools)._end_blocks()
        return after, (*completed, *started)

    def _end_tool(self, identity: str, block: JsonObject) -> tuple[Self, Events]:
        tools, completed = self.tools.end(identity, block)
        return attrs.evolve(self, tools=tools), completed

    def _end_blocks(self) -> tuple[Self, Events]:
        text, completed = self.text.end_blocks()
        return attrs.evolve(self, text=text), completed

    def _ignore(self, kind: str) -> tuple[Self, Events]:
        ignored, notices = self.ignored.add(kind)
        return attrs.evolve(self, ignored=ignored), notices
