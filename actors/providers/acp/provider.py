"""Agents that speak the Agent Client Protocol on their standard input and output.

An `_AcpConnection` is a `StdioConnection` that holds an `AcpConversation`, which knows the protocol, and replaces it.

The agent is offered no files and no terminals: it works in its workspace by its own means, and asks permission.

An agent may offer its mode, model and effort for its client to choose (`acp_options`). The mode is set when a session
is opened (`acp_modes`); one that the agent refuses for a resumed session is reported, and the session goes on. A turn's
model and effort hold for that turn, and the cursor keeps what the session had before. What an agent does not offer is
its own configuration, and refused.

An agent that has resumed a session may still replay its history. The session is open when the replay has been quiet.
Source: https://agentclientprotocol.com/protocol/overview
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

import anyio
import attrs

from ....contracts.errors import ProviderProtocolError, ProviderUnavailable, SessionLost
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId
from ....contracts.provider_events import ProviderRuntimeEvent, SessionNotice, SessionStarted
from ....contracts.values import ApprovalDecision, JsonObject
from ...served_time import served_clock, served_deadline
from ..adapter import AgentConnection, Capabilities, SessionRequest, TurnRequest
from ..jsonrpc.peer import ReplyOverdue, RequestRefused
from ..jsonrpc.protocol import Notification, Reply, Request
from ..jsonrpc.stdio_connection import StdioConnection
from ..jsonrpc.steps import RpcStep
from ..loose_json import object_of, text_of
from ..process.agent_command import checked_command
from ..process.agent_process import AgentProcess
from ..process.connection import connected
from ..process.environment import Environment, Inherited
from ..process.first_start import FirstStart
from ..process.launch import launched
from .handshake import AgentFeatures, initialize, open_session
from .modes import cursor_of_mode, mode_ids, mode_notice, mode_to_set
from .options import CHOSEN_BY_TURNS, NOUNS, Category, Options, changed_mode, offered, setting
from .prompts import prompt_of
from .protocol import AcpConversation
from .replay import Replay

__all__ = ["AcpProvider"]

_LONGEST_REPLAY_SECONDS: Final = 5 * 60.0


class AcpProvider:
    """Starts `command` for each session. Deadlines are in seconds.

    Of the host's environment passes what `inherit_env` names, by default `INHERITED`; `env` is laid over it, where None
    removes a variable. `install` is the command that installs the program, for the error where it is missing.
    `shared_programs` are the command lines, with `*` and `?`, of daemons that the agents share:
    they are not ended with the agent that started them.

    `start_deadline_seconds` bounds the start up to the agent's `initialize` reply, `request_deadline_seconds` every
    later request and every write, `end_grace_seconds` each step of ending the process. The requests that open a session
    may take longer while the agent streams: there the deadline counts silence. `mode` is the mode of new sessions, None
    the agent's own; a conversation that is resumed goes on in the mode that it was in.

    Starts come one after the other until the first has succeeded: agents set up a new home as they start.

    Raises:
        TypeError: the command is one text instead of a sequence.
        ValueError: it names no program.
    """

    keeps_deadlines: Final = True

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "acp",
        env: Environment | None = None,
        inherit_env: Inherited | None = None,
        shared_programs: Sequence[str] = (),
        install: str | None = None,
        mode: str | None = None,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        self._command = checked_command(command)
        self._name = name
        self._launch = launched(
            env=env,
            inherit_env=inherit_env,
            shared_programs=shared_programs,
            install=install,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=end_grace_seconds,
        )
        self._mode = mode
        self._request_deadline_seconds = request_deadline_seconds
        self._first_start = FirstStart()

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "acp"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped."""
        return self._connected(request)

    @asynccontextmanager
    async def _connected(self, request: SessionRequest) -> AsyncGenerator[AgentConnection]:
        opening = connected(
            self._command,
            request=request,
            launch=self._launch,
            connection_over=lambda process: _AcpConnection(
                process, request, mode=self._mode, deadline_seconds=self._request_deadline_seconds
            ),
        )
        async with AsyncExitStack() as stack:
            yield await self._first_start.entered(opening, stack)


class _AcpConnection(StdioConnection):
    def __init__(
        self, process: AgentProcess, request: SessionRequest, *, mode: str | None, deadline_seconds: float
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._request = request
        self._mode = mode
        self._options: Options = {}
        self._defaults: dict[str, str] = {}
        self._conversation: AcpConversation | None = None
        self._session_id: ProviderThreadId | None = None
        self._agent = AgentFeatures()
        self._replay: Replay | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            resume=self._agent.can_load or self._agent.can_resume,
            model_switch="model" in self._options,
        )

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return self._session_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        if self._session_id is None:
            return None
        told = self._conversation is not None and self._conversation.told_of_writes
        return {
            "sessionId": self._session_id,
            **self._defaults,
            **cursor_of_mode(self._mode, self._options),
            **({"toldOfWrites": True} if told else {}),
        }

    async def open(self, start_deadline_seconds: float) -> None:
        cursor = self._request.resume_cursor
        async with self._reporting_start_failures():
            self._agent = await initialize(self._peer, deadline_seconds=start_deadline_seconds)
            opened = await open_session(self._peer, self._agent, self._request, deadline_seconds=self._deadline_seconds)
            self._options = opened.options
            self._conversation = AcpConversation(
                session_id=opened.session_id,
                login=self._agent.login,
                modes=mode_ids(self._options),
                replaying=True,
                told_of_writes=cursor is not None and cursor.get("toldOfWrites") is True,
            )
            if cursor is not None:
                await self._replay_quiet()
            self._session_id = opened.session_id
            self._keep_defaults()
            await self._choose_mode()
            self._become(self._conversation.replay_ended())
        self._started(SessionStarted(provider_thread_id=opened.session_id))

    async def start_turn(self, turn: TurnRequest) -> None:
        conversation = self._opened()
        prompt = prompt_of(turn, program=self._process.program, takes_images=self._agent.takes_images)
        for event in self._become(conversation.begin_turn()).events:
            self._events.put_nowait(event)
        try:
            await self._choose_for(turn)
            with self._write_deadline():
                await self._peer.send_request(
                    "session/prompt",
                    {"sessionId": self._session_id, "prompt": prompt},
                    on_reply=self._turn_ended,
                )
        except BaseException:
            self._become(self._opened().cut_off())
            raise

    async def interrupt(self) -> None:
        conversation = self._opened()
        if self._over:
            raise SessionLost(f"{self._process.program} is gone, and its turn with it")
        await self._carry_out(self._become(conversation.interrupted()))

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None:
        await self._carry_out(self._become(self._opened().decided(request, decision, option)))

    async def _take(self, message: Request | Notification) -> None:
        conversation, params = self._conversation, message.params
        if isinstance(message, Notification) and message.method == "session/update":
            self._note(object_of(params))
        match message:
            case Request() if conversation is None or message.method != "session/request_permission":
                await self._refuse(message)
            case Request(id=request_id) if conversation is not None:
                await self._perform(self._become(conversation.permission_asked(request_id, params)), of=params)
            case Notification(method="session/update") if conversation is not None:
                await self._perform(self._become(conversation.updated(params)), of=params)
            case Notification(method=method) if conversation is not None:
                await self._perform(self._become(conversation.not_understood(method)))

    def _note(self, message: JsonObject) -> None:
        """What an update tells of the session itself: its options, its mode, and that history is still replayed."""
        if self._conversation is None or message.get("sessionId") != self._conversation.session_id:
            return
        update = object_of(message.get("update"))
        kind = text_of(update.get("sessionUpdate"))
        before = self._options.get("mode")
        if kind == "config_option_update":
            self._options = offered(update)
        elif kind == "current_mode_update":
            self._options = changed_mode(update, self._options)
        elif self._replay is not None:
            self._replay = self._replay.heard(kind, served_clock().now())
        mode = self._options.get("mode")
        is_open = not self._conversation.replaying
        if is_open and mode is not None and (before is None or before.current != mode.current):
            self._events.put_nowait(mode_notice(mode, chosen_by_agent=False))

    async def _replay_quiet(self) -> None:
        """Wait until nothing of the history has come for a while.

        Raises:
            ProviderUnavailable: the replay does not end.
            SessionLost: the agent is gone.
        """
        clock = served_clock()
        try:
            with served_deadline(_LONGEST_REPLAY_SECONDS):
                self._replay = Replay(replied_at=clock.now())
                while (left := self._replay.seconds_left(clock.now())) > 0:  # noqa: ASYNC110 - quiet is no event
                    await anyio.sleep(left)
        except TimeoutError:
            raise ProviderUnavailable(
                f"{self._process.program} was still replaying its history after {_LONGEST_REPLAY_SECONDS:g} s:"
                " start the turn again later",
                reason="unresponsive",
            ) from None
        self._replay = None
        if self._over:
            raise SessionLost(f"{self._process.program} is gone")

    async def _choose_mode(self) -> None:
        """Open a new session in the mode that was asked for, a resumed one in the mode that it was in.

        Raises:
            ProviderProtocolError: the agent does not take the mode for a new session.
        """
        is_new = self._request.resume_cursor is None
        wanted = mode_to_set(self._mode, self._request.resume_cursor)
        if wanted is not None:
            try:
                await self._choose("mode", wanted)
            except ProviderProtocolError as error:
                if is_new or isinstance(error, ReplyOverdue):
                    raise
                self._notices.append(
                    SessionNotice(
                        kind="session.notice",
                        summary=f"The session goes on without the mode {wanted!r}: {error}",
                        detail={"mode": wanted},
                    )
                )
        mode = self._options.get("mode")
        if is_new and mode is not None:
            self._notices.append(mode_notice(mode, chosen_by_agent=self._mode is None))

    def _cut_off(self) -> Iterable[ProviderRuntimeEvent]:
        return () if self._conversation is None else self._become(self._conversation.cut_off()).events

    async def _turn_ended(self, reply: Reply) -> None:
        await self._perform(self._become(self._opened().replied(reply)))

    def _become(self, transition: tuple[AcpConversation, RpcStep]) -> RpcStep:
        """Hold the conversation after an input, and return what follows from it."""
        self._conversation, step = transition
        return step

    def _opened(self) -> AcpConversation:
        assert self._conversation is not None, "a connection is handed out after its conversation is open"
        return self._conversation

    def _keep_defaults(self) -> None:
        """What a turn has that chooses nothing: what was asked for, else what the cursor says, else the agent's own."""
        cursor = self._request.resume_cursor or {}
        asked = {"model": self._request.model}
        for category in CHOSEN_BY_TURNS:
            if category in self._options:
                known = asked.get(category) or text_of(cursor.get(category))
                self._defaults[category] = known or self._options[category].current

    async def _choose_for(self, turn: TurnRequest) -> None:
        """A turn that names another model and no effort leaves the effort to the agent: each model has its own.

        What no turn names and the agent offers no more gives way to what the agent has: no turn would run again.
        """
        names_model = turn.model not in (None, self._request.model)
        named: dict[Category, str | None] = {"model": turn.model if names_model else None, "thought_level": turn.effort}
        for category in CHOSEN_BY_TURNS:
            value = named[category]
            if value is not None:
                await self._choose(category, value)
            elif category in self._options and not (category == "thought_level" and names_model):
                try:
                    await self._choose(category, self._defaults.get(category, self._options[category].current))
                except RequestRefused:
                    self._defaults[category] = self._options[category].current

    async def _choose(self, category: Category, value: str) -> None:
        """Raises: ProviderProtocolError: the agent does not offer the choice, or refuses the value."""
        option = self._options.get(category)
        if option is None:
            raise ProviderProtocolError(
                f"{self._process.program} cannot switch to {NOUNS[category]} {value!r}: configure the agent"
            )
        if option.current != value:
            assert self._session_id is not None, "options come with a session"
            request = setting(self._session_id, option, value)
            reply = await self._peer.request(request.method, request.params, deadline_seconds=self._deadline_seconds)
            told = offered(reply)
            chosen = attrs.evolve(told.get(category, option), current=value)
            self._options = {**self._options, **told, category: chosen}
