"""Claude Code through the Claude Agent SDK.

The SDK's package brings the program and the client. The process is started as every agent's is, not by the SDK, so
that it has an identity, its end can be forced, and nothing of it is left. What the user configured for Claude Code
holds: its settings, instructions, skills and MCP servers. Its tool for asking the user questions is turned off: here
a question ends the turn.
Source: https://docs.claude.com/en/api/agent-sdk/python
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from uuid import UUID, uuid4

import anyio
from anyio import to_thread

from ...runtime.contracts.errors import ProviderUnavailable, ResumeRefused
from ...runtime.contracts.ids import ProviderThreadId
from .adapter import AgentConnection, SessionRequest
from .agent_process import agent_process

if TYPE_CHECKING:
    from .claude_connection import ClaudeConnection

__all__ = ["ClaudeProvider", "PermissionMode"]

PermissionMode: TypeAlias = Literal["default", "acceptEdits", "plan", "bypassPermissions", "dontAsk"]

_SPEAKS: Final = (
    *("--output-format", "stream-json", "--input-format", "stream-json", "--verbose"),
    "--include-partial-messages",
    *("--permission-prompt-tool", "stdio"),
    *("--disallowedTools", "AskUserQuestion"),
)
_ENVIRONMENT: Final = {"CLAUDE_CODE_ENTRYPOINT": "sdk-py", "CLAUDECODE": ""}
_INSTALL: Final = "pip install 'orchestrion[claude]'"


class ClaudeProvider:
    """Starts the program at `cli_path` for each session, by default the SDK's own, else the `claude` of the PATH.

    `env` is laid over the host's environment. `permission_mode` says what the agent asks for, `model` is what turns
    run on that name none. Deadlines are in seconds: `start_deadline_seconds` bounds the start up to the agent's
    answer to the SDK, `request_deadline_seconds` every later request and every write, `end_grace_seconds` each step
    of ending the process.
    """

    def __init__(
        self,
        *,
        name: str = "claude",
        cli_path: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        permission_mode: PermissionMode = "default",
        model: str | None = None,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        self._name = name
        self._cli_path = cli_path
        self._env = {**_ENVIRONMENT, **(env or {})}
        self._permission_mode = permission_mode
        self._model = model
        self._start_deadline_seconds = start_deadline_seconds
        self._request_deadline_seconds = request_deadline_seconds
        self._end_grace_seconds = end_grace_seconds

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "claude"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped."""
        return self._connected(request)

    @asynccontextmanager
    async def _connected(self, request: SessionRequest) -> AsyncGenerator[AgentConnection]:
        session_id, resumes = _session_id(request)
        connection_type, bundled = await to_thread.run_sync(_load_sdk)
        command = self._command(request, bundled, session_id, resumes=resumes)
        failure: Exception | None = None
        async with (
            agent_process(
                command, workspace=request.workspace, env=self._env, grace_seconds=self._end_grace_seconds
            ) as process,
            anyio.create_task_group() as tasks,
        ):
            connection = connection_type(
                process,
                session_id=session_id,
                resumes=resumes,
                model=request.model or self._model,
                deadline_seconds=self._request_deadline_seconds,
            )
            tasks.start_soon(connection.run)
            try:
                await connection.open(self._start_deadline_seconds)
                yield connection
            except Exception as error:
                failure = error
            finally:
                await connection.close()
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _command(
        self, request: SessionRequest, bundled: Path, session_id: ProviderThreadId, *, resumes: bool
    ) -> list[str]:
        program = self._cli_path or (bundled if bundled.is_file() else shutil.which("claude"))
        if program is None:
            raise ProviderUnavailable(
                "the Claude Agent SDK brings no program for this platform: install Claude Code, or give cli_path"
            )
        model = request.model or self._model
        return [
            str(program),
            *_SPEAKS,
            *("--permission-mode", self._permission_mode),
            *(() if model is None else (f"--model={model}",)),
            f"--resume={session_id}" if resumes else f"--session-id={session_id}",
        ]


def _session_id(request: SessionRequest) -> tuple[ProviderThreadId, bool]:
    """The session to resume, or a new one's id; whether it is resumed."""
    if request.resume_cursor is None:
        return ProviderThreadId(str(uuid4())), False
    named = request.resume_cursor.get("sessionId")
    try:
        return ProviderThreadId(str(UUID(named))), True
    except (ValueError, TypeError, AttributeError):
        raise ResumeRefused(f"the resume cursor names no session: {request.resume_cursor!r}") from None


def _load_sdk() -> tuple[type[ClaudeConnection], Path]:
    """The connection's class, and where the SDK's own program stands. Imports for half a second: not for the loop."""
    try:
        sdk = import_module("claude_agent_sdk")
    except ImportError as error:
        raise ProviderUnavailable(f"the Claude Agent SDK is not installed: {_INSTALL}") from error
    from .claude_connection import ClaudeConnection

    program = "claude.exe" if sys.platform == "win32" else "claude"
    return ClaudeConnection, Path(str(sdk.__file__)).parent / "_bundled" / program
