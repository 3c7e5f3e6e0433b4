"""One process of an ACP agent: a `StdioConnection` with an `AcpConversation`, which implements the protocol as a value.

The client offers the agent neither files nor terminals: the agent works in its workspace by its own means, and asks
for permission.

An agent may offer options for its mode, model and effort (`options.py`). The mode is set when a session is opened
(`modes.py`); if the agent refuses it for a resumed session, this is reported and the session continues. A turn's model
and effort apply to that turn; the cursor keeps the session's own. A choice that the agent does not offer is refused.

An agent that has resumed a session may still replay its history. The session is open when no history has arrived for
a while (`replay.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from ....contracts.errors import ProviderProtocolError, SessionLost
from ....contracts.ids import ApprovalOptionId, ApprovalRequestId, ProviderThreadId
from ....contracts.provider_events import ProviderRuntimeEvent, SessionInfoUpdated, SessionNotice, SessionStarted
from ....contracts.values import ApprovalDecision, JsonObject
from ..adapter import Capabilities, SessionRequest, SteerRequest, TurnRequest
from ..jsonrpc.peer import ReplyOverdue, RequestRefused
from ..jsonrpc.protocol import Notification, Reply, Request
from ..jsonrpc.stdio_connection import StdioConnection
from ..jsonrpc.steps import RpcStep
from ..loose_json import object_of, text_of
from ..process.agent_process import AgentProcess
from ..session_config import SessionConfig
from . import steering
from .handshake import AgentFeatures, initialize, open_session
from .modes import choose_mode, mode_cursor, mode_ids
from .options import NOUNS, TURN_CATEGORIES, Category, Options, read_mode_change, read_options, setting_request
from .prompts import prompt_of
from .protocol import AcpConversation
from .replay_watch import ReplayWatch
from .session_params import check_config, session_params

__all__ = ["AcpConnection"]

_WRITES_REPORTED: Final = "toldOfWrites"
"""A key of stored cursors: renaming it would report the writes of old conversations again."""


class AcpConnection(StdioConnection):
    def __init__(
        self,
        process: AgentProcess,
        request: SessionRequest,
        config: SessionConfig,
        *,
        login: str | None,
        deadline_seconds: float,
    ) -> None:
        super().__init__(process, deadline_seconds=deadline_seconds)
        self._request = request
        self._config = config
        self._mode = config.mode
        self._login = (login or process.program,)
        self._options: Options = {}
        self._defaults: dict[str, str] = {}
        self._conversation: AcpConversation | None = None
        self._session_id: ProviderThreadId | None = None
        self._agent = AgentFeatures()
        self._replay: ReplayWatch | None = None
        self._early_messages = 0
        """Unknown notifications before the session was open: a notice must not precede `SessionStarted`."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            resume=self._agent.can_load or self._agent.can_resume,
            model_switch="model" in self._options,
            steer=self._agent.can_steer,
        )

    @property
    def provider_thread_id(self) -> ProviderThreadId | None:
        return self._session_id

    @property
    def resume_cursor(self) -> JsonObject | None:
        if self._session_id is None:
            return None
        writes_reported = self._conversation is not None and self._conversation.writes_reported
        return {
            "sessionId": self._session_id,
            **self._defaults,
            **mode_cursor(self._mode, self._options),
            **({_WRITES_REPORTED: True} if writes_reported else {}),
        }

    async def open(self, start_deadline_seconds: float) -> None:
        cursor = self._request.resume_cursor
        async with self._reporting_start_failures():
            program = self._process.program
            self._agent = await initialize(
                self._peer, deadline_seconds=start_deadline_seconds, program=program, login=self._login
            )
            check_config(self._config, self._agent, program=program)
            params = session_params(self._request.workspace, self._config)
            opened = await open_session(
                self._peer, self._agent, cursor, params, deadline_seconds=self._deadline_seconds
            )
            self._options = opened.options
            self._conversation = AcpConversation(
                session_id=opened.session_id,
                login=self._agent.login,
                info=SessionInfoUpdated(logins=self._agent.logins),
                modes=mode_ids(self._options),
                replaying=True,
                writes_reported=cursor is not None and cursor.get(_WRITES_REPORTED) is True,
            )
            if cursor is not None:
                await self._wait_for_quiet()
            self._session_id = opened.session_id
            self._keep_defaults()
            await self._choose_mode()
            self._become(self._conversation.set_options(self._options))
            info = self._become(self._conversation.end_replay())
        self._report_started(SessionStarted(provider_thread_id=opened.session_id))
        for event in info.events:
            self._events.put_nowait(event)

    async def start_turn(self, turn: TurnRequest) -> None:
        conversation = self._opened()
        prompt = prompt_of(turn, takes_images=self._agent.takes_images, takes_resources=self._agent.takes_resources)
        model = self._options.get("model")
        begun = conversation.begin_turn(model=turn.model or (None if model is None else model.current))
        for event in self._become(begun).events:
            self._events.put_nowait(event)
        try:
            await self._choose_for_turn(turn)
            with self._write_deadline():
                await self._peer.send_request(
                    "session/prompt",
                    {"sessionId": self._session_id, "prompt": prompt},
                    on_reply=self._take_prompt_reply,
                )
        except BaseException:
            self._become(self._opened().abandon_turn())
            raise

    async def steer(self, request: SteerRequest) -> None:
        prompt = prompt_of(request, takes_images=self._agent.takes_images, takes_resources=self._agent.takes_resources)
        session_id = self._opened().session_id
        await steering.steer(self._peer, session_id, prompt, deadline_seconds=self._deadline_seconds)

    async def interrupt(self) -> None:
        conversation = self._opened()
        if self._over:
            raise SessionLost(f"{self._process.program} is gone, and its turn with it")
        await self._carry_out(self._become(conversation.interrupt_turn()))

    async def respond(
        self,
        request: ApprovalRequestId,
        decision: ApprovalDecision,
        *,
        option: ApprovalOptionId | None = None,
        answers: JsonObject | None = None,
    ) -> None:
        await self._carry_out(self._become(self._opened().answer_request(request, decision, option, answers)))

    async def _handle_message(self, message: Request | Notification) -> None:
        conversation, params = self._conversation, message.params
        if isinstance(message, Notification) and message.method == "session/update":
            self._note_session_update(object_of(params))
            conversation = self._conversation
        match message:
            case Request(id=request_id, method="session/request_permission") if conversation is not None:
                await self._perform(self._become(conversation.take_permission_request(request_id, params)), of=params)
            case Request(id=request_id, method="elicitation/create") if conversation is not None:
                await self._perform(self._become(conversation.take_form(request_id, params)), of=params)
            case Request():
                await self._refuse(message)
            case Notification(method="session/update") if conversation is not None:
                await self._perform(self._become(conversation.take_update(params)), of=params)
            case Notification(method=method) if conversation is not None and not conversation.replaying:
                await self._perform(self._become(conversation.count_unknown_method(method)))
            case Notification():
                self._early_messages += 1

    def _note_session_update(self, message: JsonObject) -> None:
        """Keep what an update reports about the session: its options, its mode, that history is still replayed."""
        if self._conversation is None or message.get("sessionId") != self._conversation.session_id:
            return
        update = object_of(message.get("update"))
        kind = text_of(update.get("sessionUpdate"))
        before = self._options
        if kind == "config_option_update":
            self._options = read_options(update)
        elif kind == "current_mode_update":
            self._options = read_mode_change(update, self._options)
        elif self._replay is not None:
            self._replay.note_update(kind)
        if self._options != before:
            self._report_options()

    def _report_options(self) -> None:
        for event in self._become(self._opened().set_options(self._options)).events:
            self.ledger.note_effect()
            self._events.put_nowait(event)

    async def _wait_for_quiet(self) -> None:
        """Wait until no history has arrived for a while.

        Raises:
            ProviderUnavailable: the replay does not end.
            SessionLost: the agent is gone.
        """
        self._replay = ReplayWatch()
        await self._replay.wait_for_quiet(self._process.program)
        self._replay = None
        if self._over:
            raise SessionLost(f"{self._process.program} is gone")

    async def _choose_mode(self) -> None:
        """Set a new session to the requested mode, a resumed one to the mode it was in.

        Raises:
            ProviderProtocolError: the agent refused the mode of a new session.
        """
        is_new = self._request.resume_cursor is None
        wanted = choose_mode(self._mode, self._request.resume_cursor)
        if wanted is not None:
            try:
                await self._choose("mode", wanted)
            except ProviderProtocolError as error:
                if is_new or isinstance(error, ReplyOverdue):
                    raise
                self._notices.append(
                    SessionNotice(
                        kind="session.notice",
                        summary=f"The session continues without the mode {wanted!r}: {error}",
                        detail={"mode": wanted},
                    )
                )

    @property
    def _ignored_total(self) -> int:
        return self._early_messages + (0 if self._conversation is None else self._conversation.ignored.total)

    def _abandon_turn(self) -> Iterable[ProviderRuntimeEvent]:
        return () if self._conversation is None else self._become(self._conversation.abandon_turn()).events

    async def _take_prompt_reply(self, reply: Reply) -> None:
        await self._perform(self._become(self._opened().take_prompt_reply(reply)))

    def _become(self, transition: tuple[AcpConversation, RpcStep]) -> RpcStep:
        """Keep the next conversation, and return its step."""
        self._conversation, step = transition
        return step

    def _opened(self) -> AcpConversation:
        assert self._conversation is not None, "a connection is handed out after its conversation is open"
        return self._conversation

    def _keep_defaults(self) -> None:
        """Keep the model and effort of turns that choose none: the request's, else the cursor's, else the agent's."""
        cursor = self._request.resume_cursor or {}
        asked = {"model": self._request.model}
        for category in TURN_CATEGORIES:
            if category in self._options:
                known = asked.get(category) or text_of(cursor.get(category))
                self._defaults[category] = known or self._options[category].current

    async def _choose_for_turn(self, turn: TurnRequest) -> None:
        """Set the model and effort of a turn.

        If a turn names another model and no effort, the agent chooses the effort, since each model has its own. A
        default that the agent no longer accepts is replaced by the agent's current value; otherwise every later turn
        would fail.
        """
        names_model = turn.model not in (None, self._request.model)
        named: dict[Category, str | None] = {"model": turn.model if names_model else None, "thought_level": turn.effort}
        for category in TURN_CATEGORIES:
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
            raise ProviderProtocolError(f"the agent cannot switch to {NOUNS[category]} {value!r}: configure the agent")
        if option.current != value:
            assert self._session_id is not None, "options come with a session"
            request = setting_request(self._session_id, option, value)
            reply = await self._peer.request(request.method, request.params, deadline_seconds=self._deadline_seconds)
            changed = read_options(reply)
            chosen = attrs.evolve(changed.get(category, option), current=value)
            self._options = {**self._options, **changed, category: chosen}
            self._report_options()
