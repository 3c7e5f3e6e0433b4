"""Agents that use the Agent Client Protocol on their standard input and output.
Source: https://agentclientprotocol.com/protocol/overview
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from ..adapter import AgentConnection, SessionRequest
from ..jsonrpc.inquiry import inquiry_request
from ..process.agent_command import check_command
from ..process.connection import open_connection
from ..process.environment import Environment, Inherited
from ..process.first_start import FirstStart
from ..process.launch import make_launch
from ..session_config import NO_CONFIG, SessionConfig, merged
from .connection import AcpConnection
from .past_sessions import AcpSessions

__all__ = ["AcpProvider"]


class AcpProvider:
    """Starts `command` for each session. Deadlines are in seconds.

    The variables of the host's environment that `inherit_env` names (default: `INHERITED`) pass to the agent; `env`
    overrides them, and None removes a variable. `install` is the command that installs the program, for the error if it
    is missing; `login` the one that logs in, where the agent names none, by default the program alone.
    `shared_programs` are the command lines, with `*` and `?`, of daemons that agents share: they are not ended with the
    agent that started them.

    `start_deadline_seconds` bounds the start up to the agent's `initialize` reply, `request_deadline_seconds` every
    later request and every write, `end_grace_seconds` each step of ending the process. The requests that open a session
    may take longer while the agent sends: there the deadline counts silence. `mode` is the mode of new sessions, None
    for the agent's own; a resumed conversation continues in the mode it was in. `config` is given to every session; its
    mode comes before `mode`.

    Agents start one after the other until the first start has succeeded: agents set up a new home as they start.

    Raises:
        TypeError: the command is a string instead of a sequence.
        ValueError: the command does not name a program.
    """

    keeps_deadlines: Final = True
    takes_session_config: Final = True

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str = "acp",
        env: Environment | None = None,
        inherit_env: Inherited | None = None,
        shared_programs: Sequence[str] = (),
        install: str | None = None,
        login: str | None = None,
        mode: str | None = None,
        config: SessionConfig = NO_CONFIG,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        self._command = check_command(command)
        self._name = name
        self._launch = make_launch(
            env=env,
            inherit_env=inherit_env,
            shared_programs=shared_programs,
            install=install,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=end_grace_seconds,
            config=merged(SessionConfig(mode=mode), config),
        )
        self._login = login
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
        return self._open_connection(request)

    @asynccontextmanager
    async def open_conversations(self, directory: Path, *, python: str | None = None) -> AsyncGenerator[AcpSessions]:
        """As `KeepsConversations.open_conversations`."""
        opening = open_connection(
            self._command,
            workspace=directory,
            launch=await self._launch.for_session(inquiry_request(directory, python)),
            make_connection=lambda process: AcpSessions(process, deadline_seconds=self._request_deadline_seconds),
        )
        async with AsyncExitStack() as stack:
            yield await self._first_start.enter(opening, stack)

    @asynccontextmanager
    async def _open_connection(self, request: SessionRequest) -> AsyncGenerator[AgentConnection]:
        launch = await self._launch.for_session(request)
        opening = open_connection(
            self._command,
            workspace=request.workspace,
            launch=launch,
            make_connection=lambda process: AcpConnection(
                process, request, launch.config, login=self._login, deadline_seconds=self._request_deadline_seconds
            ),
        )
        async with AsyncExitStack() as stack:
            yield await self._first_start.enter(opening, stack)
