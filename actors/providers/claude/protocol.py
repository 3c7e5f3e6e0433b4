"""The messages of Claude Code as plain values: they become provider events. Pure.

A `ClaudeConversation` is the state of one session of one agent process: the turn that runs, the text that streams, the
turn's tool calls, the open permission requests. It is a frozen value. A message, or a request of the runtime, gives the
next value and a `ClaudeStep`; the same messages always give the same steps. Messages are taken as JSON, before the SDK
makes objects of them, so that tests need no SDK and a missing or new field does no harm.

A turn that the agent begins itself, for example when a background task has ended, is the agent's own: it begins with
`init`, or with a message of the model, while no turn runs. A turn that is handed over meanwhile waits behind it or
joins it; both end then, the agent's first. Other messages between turns are reported as they come. The text of a
sub-agent and the tools it calls are reported with the tool call that started it as their parent. Messages without an
event are counted.

Text streams as `stream_event`s and comes again whole in an `assistant` message, which is used only where its text was
not streamed: after a broken connection the agent answers without streaming.
Source: https://docs.claude.com/en/api/agent-sdk/python
"""

from __future__ import annotations

from typing import Any, Final, Self

import attrs

from ....contracts.errors import ProviderProtocolError
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderItemId
from ....contracts.provider_events import (
    ApprovalOption,
    MessageCompleted,
    MessageDelta,
    ReasoningCompleted,
    SessionInfoUpdated,
    ThreadStarted,
    TurnStarted,
)
from ....contracts.values import ApprovalDecision, Instant, JsonObject
from ..forms import Form
from ..ignored_frames import IgnoredFrames
from ..loose_json import list_of, object_of, text_of
from .failures import lifted_at
from .messages import SILENT, SILENT_SYSTEM, begins_turn, kind_of, move_notice, reset_notice, system_report
from .open_permissions import OpenPermissions
from .plans import PLANNING_TOOLS, TaskList
from .requests import request_event
from .session import ClaudeSession
from .session_info import read_commands, with_init
from .steps import ClaudeStep, Events
from .streamed_text import StreamedText
from .tools import ToolUse, ToolUses, result_text, subagent_message
from .turn_end import answers_prompt, turn_end
from .usage import ClaudeUsage

__all__ = ["ClaudeConversation"]

_MAX_THOUGHT: Final = 64 * 1024


@attrs.frozen(kw_only=True)
class ClaudeConversation:
    """`prompt` is the uuid of the turn that was handed over, `is_agents` whether a turn of the agent's own runs.

    `is_taken_up` is whether the agent has begun to work on the turn; an interrupt before that would have no effect.
    `error` is the kind of error of the turn's last message, `lifted_at` when the limit that was reported last resets.
    `session` is the agent's session of the conversation.
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
    plan: TaskList = attrs.field(factory=TaskList)
    usage: ClaudeUsage = attrs.field(factory=ClaudeUsage)
    info: SessionInfoUpdated = attrs.field(factory=SessionInfoUpdated)
    error: str = ""
    lifted_at: Instant | None = None
    ignored: IgnoredFrames = attrs.field(factory=IgnoredFrames)

    @property
    def running(self) -> bool:
        """Whether a turn was begun and has not ended, one of the agent's own included."""
        return self.prompt is not None or self.is_agents

    def begin_turn(self, prompt_uuid: str) -> Self:
        """Begin a turn, before it is handed over as a user message with this uuid. It waits behind the agent's own.

        Raises:
            ProviderProtocolError: a turn that was handed over runs, and the agent would merge the two.
        """
        if self.prompt is not None:
            raise ProviderProtocolError("a turn is running: the agent takes one turn at a time")
        return attrs.evolve(self if self.is_agents else self._without_turn(), prompt=prompt_uuid)

    def take_message(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        """Take a message other than a control message. One without an event is counted (`IgnoredFrames`)."""
        after, step = self._begin_or_take(message)
        if step.events or step.interrupt or after.ignored is not self.ignored:
            return after, step
        return attrs.evolve(after, ignored=after.ignored.skip(kind_of(message))), step

    def _begin_or_take(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        if self.running or not begins_turn(message):
            return self._take(message)
        after, step = attrs.evolve(self._without_turn(), is_agents=True)._take(message)
        return after, attrs.evolve(step, events=(TurnStarted(origin="agent"), *step.events))

    def set_info(self, info: SessionInfoUpdated) -> tuple[Self, Events]:
        """Take what is known of the session; it is reported if it has changed."""
        return (self, ()) if info == self.info else (attrs.evolve(self, info=info), (info,))

    def take_permission_request(
        self,
        tool_name: str,
        given: JsonObject,
        *,
        tool_use_id: str | None,
        reason: str | None = None,
        options: tuple[ApprovalOption, ...] = (),
        form: Form | None = None,
    ) -> tuple[Self, ApprovalRequestId | None, ClaudeStep]:
        """Take a request to use a tool; `form` where the tool asks questions.

        Returns None for its key where no turn runs: the caller refuses it then.
        """
        if not self.running or self.is_interrupting:
            return self, None, ClaudeStep()
        permissions, request = self.permissions.open(options)
        after, events = attrs.evolve(self, permissions=permissions)._end_blocks()
        if tool_use_id is not None:
            after, started = after._start_tool(tool_use_id, tool_name, given, None)
            events += started
        asked = request_event(
            request, tool_name, given, tool_use_id=tool_use_id, reason=reason, options=options, form=form
        )
        return after, request, ClaudeStep(events=(*events, asked))

    def answer_permission(
        self, request: ApprovalRequestId, decision: ApprovalDecision, option: ApprovalOptionId | None = None
    ) -> tuple[Self, ClaudeStep]:
        """Answer an open request.

        Raises:
            ProviderProtocolError: the request is not open.
            AnswerRefused: the request has no such option, or the option contradicts the decision.
        """
        permissions, events = self.permissions.decide(request, decision, option)
        is_cancelling = self.is_cancelling or decision == "cancel"
        return attrs.evolve(self, permissions=permissions, is_cancelling=is_cancelling), ClaudeStep(events=events)

    def withdraw_permission(self, request: ApprovalRequestId) -> tuple[Self, ClaudeStep]:
        """Close a request because the agent has stopped waiting for its answer."""
        permissions, events = self.permissions.withdraw(request)
        return attrs.evolve(self, permissions=permissions), ClaudeStep(events=events)

    def interrupt_turn(self) -> tuple[Self, ClaudeStep]:
        """Interrupt the turn; if the agent has not begun to work on it, the interrupt is sent when it does.

        Open permission requests are cancelled, later ones are refused.
        """
        if not self.running:
            return self, ClaudeStep()
        permissions, events = self.permissions.cancel_all()
        after = attrs.evolve(self, is_interrupting=True, permissions=permissions)
        return after, ClaudeStep(events=events, interrupt=self.is_taken_up)

    def abandon_turn(self) -> Self:
        """End a turn that was not handed over, or whose agent is gone, without events."""
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

    def _take(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        parent = message.get("parent_tool_use_id")
        kind = text_of(message.get("type"))
        after, events = self, Events()
        match kind:
            case "stream_event" if parent is None:
                after, events = self._take_stream_event(object_of(message.get("event")))
            case "assistant":
                after, events = self._take_assistant(message, parent)
            case "user":
                after, events = self._take_results(object_of(message.get("message")))
            case "system":
                return self._take_system(message)
            case "result":
                after, events = self._take_result(message)
            case "conversation_reset":
                after = attrs.evolve(self, usage=self.usage.reset())
                events = (reset_notice(message),)
            case "rate_limit_event":
                after = attrs.evolve(self, lifted_at=lifted_at(message))
            case _ if kind in SILENT or message.get("type") is None:
                pass
            case _:
                after, events = self._count_ignored(kind)
        return after, ClaudeStep(events=events)

    def _take_stream_event(self, event: JsonObject) -> tuple[Self, Events]:
        index = event.get("index")
        match event.get("type"):
            case "message_start":
                text, events = self.text.begin_message(text_of(object_of(event.get("message")).get("id")))
                return attrs.evolve(self, text=text), events
            case "content_block_delta" if isinstance(index, int):
                added = text_of(object_of(event.get("delta")).get("text"))
                text, deltas = self.text.add(index, added) if added else (self.text, ())
                return self if text is self.text else attrs.evolve(self, text=text), deltas
            case "message_delta":
                return attrs.evolve(self, usage=self.usage.take_message_delta(event)), ()
            case "content_block_stop" if isinstance(index, int):
                text, events = self.text.end_block(index)
                return attrs.evolve(self, text=text), events
        return self, ()

    def _take_assistant(self, message: JsonObject, parent: Any) -> tuple[Self, Events]:
        content = object_of(message.get("message"))
        after = self
        if parent is None:
            error = text_of(message.get("error")) or after.error
            after = attrs.evolve(after, error=error, usage=after.usage.take_assistant(content))
        identity = content.get("id")
        streamed = isinstance(identity, str) and self.text.has_streamed(identity)
        is_reported = parent is not None or streamed or message.get("error") is not None
        events: Events = ()
        for position, block in enumerate(map(object_of, list_of(content.get("content")))):
            found: Events = ()
            match block:
                case {"type": "text", "text": str(text)} if text and not is_reported:
                    item = ProviderItemId(f"{text_of(message.get('uuid'))}/{position}")
                    found = (MessageDelta(item=item, text=text), MessageCompleted(item=item))
                case {"type": "text", "text": str(text)} if text.strip() and parent is not None:
                    found = subagent_message(parent, text)
                case {"type": "thinking", "thinking": str(thought)} if thought.strip() and parent is None:
                    found = (ReasoningCompleted(text=thought[:_MAX_THOUGHT]),)
                case {"type": "tool_use", "name": str(name)} if name in PLANNING_TOOLS:
                    if parent is None:
                        given = object_of(block.get("input"))
                        plan, found = after.plan.take_call(text_of(block.get("id")), name, given)
                        after = attrs.evolve(after, plan=plan)
                case {"type": "tool_use" | "server_tool_use", "id": str(identity), "name": str(name)}:
                    after, found = after._start_tool(identity, name, object_of(block.get("input")), parent)
                case {"tool_use_id": str(identity)}:
                    after, found = after._end_tool(identity, block)
            events += found
        return after, events

    def _take_results(self, content: JsonObject) -> tuple[Self, Events]:
        after, events = self, Events()
        for block in map(object_of, list_of(content.get("content"))):
            if block.get("type") == "tool_result":
                identity = text_of(block.get("tool_use_id"))
                plan = after.plan.take_result(identity, result_text(block.get("content")))
                after, ended = attrs.evolve(after, plan=plan)._end_tool(identity, block)
                events += ended
        return after, events

    def _take_system(self, message: JsonObject) -> tuple[Self, ClaudeStep]:
        kind = text_of(message.get("subtype"))
        match kind:
            case "init":
                late = self.is_interrupting and not self.is_taken_up
                after, events = attrs.evolve(self, is_taken_up=True).set_info(with_init(self.info, message))
                return after, ClaudeStep(events=events, interrupt=late)
            case "commands_changed":
                commands = read_commands(message.get("commands"))
                after, events = self.set_info(attrs.evolve(self.info, commands=commands))
                return after, ClaudeStep(events=events)
            case "api_retry" | "compact_boundary":
                return self, ClaudeStep(events=(system_report(message),))
            case _ if kind in SILENT_SYSTEM or message.get("subtype") is None:
                return self, ClaudeStep()
        after, events = self._count_ignored(f"system/{kind}")
        return after, ClaudeStep(events=events)

    def _take_result(self, result: JsonObject) -> tuple[Self, Events]:
        """End the turn that was handed over, the agent's own turn, or both."""
        is_ours = self.prompt is not None and answers_prompt(result, self.prompt, is_agents=self.is_agents)
        if not self.is_agents and not is_ours:
            return self, ()
        after, moved = self._follow_session(text_of(result.get("session_id")))
        after, ended = after._end_turn(result)
        if not self.is_agents:
            return attrs.evolve(after, prompt=None), (*moved, *ended)
        after = attrs.evolve(after, is_agents=False)
        if is_ours:
            return attrs.evolve(after, prompt=None), (*moved, *ended, TurnStarted(), ended[-1])
        return after._without_turn(), (*moved, *ended)

    def _follow_session(self, session_id: str) -> tuple[Self, Events]:
        """Continue in the session that the result of a turn names: the agent wrote the turn there."""
        written = self.session.without_branch()
        followed = written.successor(session_id)
        if followed is None:
            return attrs.evolve(self, session=written), ()
        thread = ThreadStarted(provider_thread_id=followed.session_id)
        return attrs.evolve(self, session=followed), (thread, move_notice(written, followed))

    def _end_turn(self, result: JsonObject) -> tuple[Self, Events]:
        end = turn_end(
            result,
            is_interrupting=self.is_interrupting,
            is_cancelling=self.is_cancelling,
            error=self.error,
            lifted_at=self.lifted_at,
        )
        text, completed = self.text.end_blocks()
        tools, unfinished = self.tools.end_turn(end.outcome)
        permissions, cancelled = self.permissions.cancel_all()
        usage, reported = self.usage.take_result(result)
        after = attrs.evolve(self, text=text, tools=tools, permissions=permissions, usage=usage)
        return after, (*completed, *unfinished, *cancelled, *reported, end)

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

    def _count_ignored(self, kind: str) -> tuple[Self, Events]:
        ignored, notices = self.ignored.add(kind)
        return attrs.evolve(self, ignored=ignored), notices
