"""Codex through its app-server.

The native program is started, not its Node launcher: if the launcher were killed, the app-server would live on with the
thread's writer lock. Codex sets up a new home as it starts, and two processes that do so at once fail: first starts
come one after the other (`first_start.py`). A process of its own goes back in a conversation, while no other process
has the thread open.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from ....contracts.errors import ProviderUnavailable
from ....contracts.ids import TurnId
from ....contracts.values import JsonObject
from ..adapter import AgentConnection, SessionRequest
from ..jsonrpc.inquiry import inquiry_request
from ..jsonrpc.protocol import JsonRpcProtocol
from ..process.agent_command import check_command
from ..process.connection import open_connection
from ..process.environment import Environment, Inherited
from ..process.first_start import FirstStart
from ..process.launch import make_launch
from ..session_config import NO_CONFIG, SandboxMode, SessionConfig, merged
from .connection import CodexConnection
from .past_threads import CodexThreads
from .program import find_codex
from .thread_params import ApprovalPolicy, thread_params

__all__ = ["CODEX_ENVIRONMENT", "ApprovalPolicy", "CodexProvider", "SandboxMode"]

CODEX_ENVIRONMENT: Final = ("CODEX_*", "OPENAI_*", "AZURE_OPENAI_*", "RUST_LOG")
"""The environment variables that Codex itself reads."""


class CodexProvider:
    """Starts `command` for each session, by default the program of the `openai-codex` package with `app-server`.

    The variables of the host's environment that `inherit_env` names (default: `INHERITED` and `CODEX_ENVIRONMENT`) pass
    to the agent; `env` overrides them, and None removes a variable. `shared_programs` are the command lines, with `*`
    and `?`, of daemons that agents share: they are not ended with the agent that started them.

    `sandbox` and `approval_policy` bound what the agent does without asking, in new and in resumed threads; `model` is
    the one of turns that name none, None for that of Codex's own configuration. `config` is given to every session; its
    sandbox and its mode, an approval policy, come before those two. `start_deadline_seconds` bounds the
    start up to the agent's `initialize` reply, `request_deadline_seconds` every later request and every write,
    `end_grace_seconds` each step of ending the process.
    """

    keeps_deadlines: Final = True
    takes_session_config: Final = True

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        name: str = "codex",
        env: Environment | None = None,
        inherit_env: Inherited | None = None,
        shared_programs: Sequence[str] = (),
        sandbox: SandboxMode = "workspace-write",
        approval_policy: ApprovalPolicy = "on-request",
        model: str | None = None,
        config: SessionConfig = NO_CONFIG,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        self._command = None if command is None else check_command(command)
        self._name = name
        self._launch = make_launch(
            env=env,
            inherit_env=inherit_env,
            own_env=CODEX_ENVIRONMENT,
            shared_programs=shared_programs,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=end_grace_seconds,
            config=merged(SessionConfig(sandbox=sandbox, mode=approval_policy), config),
        )
        self._model = model
        self._request_deadline_seconds = request_deadline_seconds
        self._first_start = FirstStart()

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "codex"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped.

        Without a command, a missing `openai-codex` package raises `ProviderUnavailable` with the command to install it.
        """
        return self._open_connection(request)

    @asynccontextmanager
    async def open_conversations(self, directory: Path, *, python: str | None = None) -> AsyncGenerator[CodexThreads]:
        """As `KeepsConversations.open_conversations`."""
        opening = open_connection(
            self._command or _bundled_command(),
            workspace=directory,
            launch=await self._launch.for_session(inquiry_request(directory, python)),
            make_connection=lambda process: CodexThreads(
                process,
                deadline_seconds=self._request_deadline_seconds,
                protocol=JsonRpcProtocol(jsonrpc_member=False),
            ),
        )
        async with AsyncExitStack() as stack:
            yield await self._first_start.enter(opening, stack)

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        """As `RollsBack.can_forget`."""
        async with self._open_connection(request) as connection:
            return (await connection.find_first_turn(turns)).is_certain

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        """As `RollsBack.forget`. What is left may be an empty thread, which also continues."""
        async with self._open_connection(request) as connection:
            await connection.forget(turns)
            return connection.resume_cursor

    @asynccontextmanager
    async def _open_connection(self, request: SessionRequest) -> AsyncGenerator[CodexConnection]:
        launch = await self._launch.for_session(request)
        params = thread_params(request.workspace, launch.config)
        opening = open_connection(
            self._command or _bundled_command(),
            workspace=request.workspace,
            launch=launch,
            make_connection=lambda process: CodexConnection(
                process,
                request.resume_cursor,
                params,
                model=request.model or self._model,
                deadline_seconds=self._request_deadline_seconds,
            ),
        )
        async with AsyncExitStack() as stack:
            yield await self._first_start.enter(opening, stack)


def _bundled_command() -> tuple[str, ...]:
    program = find_codex()
    if program is None:
        raise ProviderUnavailable("Codex is not installed: pip install 'orchestrion[codex]'")
    return (str(program), "app-server")
