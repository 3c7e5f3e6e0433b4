"""Agents that speak the Agent Client Protocol on their standard input and output.

An `_AcpConnection` is a `StdioConnection` with a `Conversation`, which knows the protocol.

The agent is offered no files and no terminals: it works in its workspace by its own means, and asks permission.

An agent may offer its mode, model and effort for its client to choose (`acp_options`). The provider's mode is set
whenever a session is opened, since not every agent remembers it. A turn's model and effort hold for that turn, and the
cursor keeps what the session had before. What an agent does not offer is its own configuration, and refused.
Source: https://agentclientprotocol.com/protocol/overview
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager

import attrs

from ...runtime.contracts.errors import ProviderProtocolError, SessionLost
from ...runtime.contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId
from ...runtime.contracts.provider_events import ProviderRuntimeEvent, SessionStarted
from ...runtime.contracts.values import ApprovalDecision, JsonObject
from .acp_handshake import AgentFeatures, initialize, open_session
from .acp_options import CHOSEN_BY_TURNS, NOUNS, Category, Options, offered, setting
from .acp_protocol import Conversation
from .acp_tools import text_of
from .adapter import AgentConnection, Capabilities, SessionRequest, TurnRequest
from .agent_process import AgentProcess
from .environment import Environment, Inherited
from .jsonrpc import RequestRefused
from .jsonrpc_protocol import Notification, Reply, Request
from .launch import launched
from .process_connection import connected
from .stdio_connection import StdioConnection

__all__ = ["AcpProvider"]


class AcpProvider:
    """Starts `command` for each session. Deadlines are in seconds.

    Of the host's environment passes what `inherit_env` names, by default `INHERITED`; `env` is laid over it, where None
    removes a variable. `shared_programs` are the command lines, with `*` and `?`, of daemons that the agents share:
    they are not ended with the agent that started them.

    `start_deadline_seconds` bounds the start up to the agent's `initialize` reply, `request_deadline_seconds` every
    later request and every write, `end_grace_seconds` each step of ending the process. `mode` is the mode of every
    session, None the agent's own.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "acp",
        env: Environment | None = None,
        inherit_env: Inherited | None = None,
        shared_programs: Sequence[str] = (),
        mode: str | None = None,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        if not command:
            raise ValueError("an agent's command names at least its program")
        self._command = tuple(command)
        self._name = name
        self._launch = launched(
            env=env,
            inherit_env=inherit_env,
            shared_programs=shared_programs,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=end_grace_seconds,
        )
        self._mode = mode
        self._request_deadline_seconds = request_deadline_seconds

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "acp"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped."""
        return connected(
            self._command,
            request=request,
            launch=self._launch,
            connection_over=lambda process: _AcpConnection(
                process, request, mode=self._mode, deadline_seconds=self._request_deadline_seconds
            ),
        )


class _AcpConnection(StdioConnection):
    def __init__(
        self, process: AgentProcess, request: SessionRequest, *, mode: str | None, deadline_seconds: float
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._request = request
        self._mode = mode
        self._options: Options = {}
        self._defaults: dict[str, str] = {}
        self._conversation: Conversation | None = None
        self._session_id: ProviderThreadId | None = None
        self._agent = AgentFeatures()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            resume=self._agent.can_load or self._agent.can_resume,
            approvals=True,
            model_switch="model" in self._options,
        )

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return self._session_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        return None if self._session_id is None else {"sessionId": self._session_id, **self._defaults}

    async def open(self, start_deadline_seconds: float) -> None:
        async with self._coming_up():
            self._agent = await initialize(self._peer, deadline_seconds=start_deadline_seconds)
            opened = await open_session(self._peer, self._agent, self._request, deadline_seconds=self._deadline_seconds)
            self._session_id, self._options = opened.session_id, opened.options
            self._keep_defaults()
            if self._mode is not None:
                await self._choose("mode", self._mode)
        self._conversation = Conversation(opened.session_id)
        self._events.put_nowait(SessionStarted(provider_thread_id=opened.session_id))

    async def start_turn(self, turn: TurnRequest) -> None:
        conversation = self._opened()
        prompt = self._prompt(turn)
        conversation.begin_turn()
        try:
            await self._choose_for(turn)
            with self._write_deadline():
                await self._peer.send_request(
                    "session/prompt",
                    {"sessionId": self._session_id, "prompt": prompt},
                    on_reply=self._turn_ended,
                )
        except BaseException:
            conversation.cut_off()
            raise

    async def interrupt(self) -> None:
        conversation = self._opened()
        if self._over:
            raise SessionLost(f"{self._process.program} is gone, and its turn with it")
        await self._carry_out(conversation.interrupted())

    async def respond(
        self, request: ApprovalRequestId, decision: ApprovalDecision, *, option: ApprovalOptionId | None = None
    ) -> None:
        await self._carry_out(self._opened().decided(request, decision))

    async def _take(self, message: Request | Notification) -> None:
        match message:
            case Notification(
                method="session/update", params={"update": {"sessionUpdate": "config_option_update"} as update}
            ):
                self._options = offered(update)
            case Notification(method="session/update", params=params):
                if self._conversation is not None:
                    await self._perform(self._conversation.updated(params))
            case Request(method="session/request_permission", id=request_id, params=params):
                if self._conversation is not None:
                    await self._perform(self._conversation.permission_asked(request_id, params))
                else:
                    await self._refuse(message)
            case Request():
                await self._refuse(message)
            case Notification():
                pass

    def _cut_off(self) -> Iterable[ProviderRuntimeEvent]:
        return () if self._conversation is None else self._conversation.cut_off().events

    async def _turn_ended(self, reply: Reply) -> None:
        await self._perform(self._opened().replied(reply))

    def _opened(self) -> Conversation:
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
            self._options = {**self._options, category: attrs.evolve(option, current=value), **offered(reply)}

    def _prompt(self, turn: TurnRequest) -> list[JsonObject]:
        if turn.attachments and not self._agent.takes_images:
            raise ProviderProtocolError(f"{self._process.program} takes no images: leave the attachments out")
        images = [
            {"type": "image", "mimeType": image.mime_type, "data": image.data_url.partition(",")[2]}
            for image in turn.attachments
        ]
        return [{"type": "text", "text": turn.text}, *images]
