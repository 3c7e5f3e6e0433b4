"""Claude Code through the Claude Agent SDK.

The SDK's package contains the program and the client. The process is started like every agent's, not by the SDK, so
that it has an identity, its end can be forced, and no process of it is left. The user's configuration of Claude Code
applies: its settings, instructions, skills and MCP servers. Its tool for asking the user questions is disabled: a
question ends the turn instead.
Source: https://docs.claude.com/en/api/agent-sdk/python
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ....contracts.errors import ProviderProtocolError, ProviderUnavailable, ResumeRefused
from ....contracts.ids import TurnId
from ....contracts.values import JsonObject
from ....persistence.threads import in_thread
from ..adapter import AgentConnection, SessionRequest
from ..process.connection import open_connection
from ..process.environment import Environment, Inherited
from ..process.launch import Launch, make_launch
from ..session_config import NO_CONFIG, SessionConfig, merged
from .history import find_cut, read_messages
from .program import find_claude
from .session import ClaudeSession
from .start_options import PermissionMode, mcp_servers, start_options
from .transcripts import ClaudeTranscripts, transcripts_directory

if TYPE_CHECKING:
    from .connection import ClaudeConnection

__all__ = ["CLAUDE_ENVIRONMENT", "ClaudeProvider", "PermissionMode"]

_PROTOCOL_OPTIONS: Final = (
    *("--output-format", "stream-json", "--input-format", "stream-json", "--verbose"),
    "--include-partial-messages",
    *("--permission-prompt-tool", "stdio"),
)
CLAUDE_ENVIRONMENT: Final = (
    *("ANTHROPIC_*", "CLAUDE_*", "DISABLE_*", "ENABLE_*", "BASH_*", "MCP_*", "MAX_THINKING_TOKENS", "API_TIMEOUT_MS"),
    *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK", "CLOUD_ML_REGION", "VERTEX_*"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "USE_BUILTIN_RIPGREP"),
)
"""The environment variables that Claude Code itself reads. Keys of a cloud provider pass only if a host names them."""

_ENVIRONMENT: Final = {"CLAUDE_CODE_ENTRYPOINT": "sdk-py", "CLAUDECODE": ""}
_INSTALL: Final = "pip install 'orchestrion[claude]'"


class ClaudeProvider:
    """Starts the program at `cli_path` for each session, by default the SDK's own, else the `claude` of the PATH.

    The variables of the host's environment that `inherit_env` names (default: `INHERITED` and `CLAUDE_ENVIRONMENT`)
    pass to the agent; `env` overrides them, and None removes a variable. `shared_programs` are the command lines, with
    `*` and `?`, of daemons that agents share: they are not ended with the agent that started them.

    `permission_mode` decides what the agent asks permission for; `model` is the model of turns that name none.
    `config` is given to every session; its mode, a permission mode, comes before `permission_mode`.
    Deadlines are in seconds: `start_deadline_seconds` bounds the start up to the agent's answer to the SDK,
    `request_deadline_seconds` every later request and every write, `end_grace_seconds` each step of ending the process.
    """

    keeps_deadlines: Final = True
    takes_session_config: Final = True

    def __init__(
        self,
        *,
        name: str = "claude",
        cli_path: str | Path | None = None,
        env: Environment | None = None,
        inherit_env: Inherited | None = None,
        shared_programs: Sequence[str] = (),
        permission_mode: PermissionMode = "default",
        model: str | None = None,
        config: SessionConfig = NO_CONFIG,
        start_deadline_seconds: float = 30.0,
        request_deadline_seconds: float = 30.0,
        end_grace_seconds: float = 2.0,
    ) -> None:
        self._name = name
        self._cli_path = cli_path
        self._launch = make_launch(
            env={**_ENVIRONMENT, **(env or {})},
            inherit_env=inherit_env,
            own_env=CLAUDE_ENVIRONMENT,
            shared_programs=shared_programs,
            start_deadline_seconds=start_deadline_seconds,
            end_grace_seconds=end_grace_seconds,
            config=merged(SessionConfig(mode=permission_mode), config),
        )
        self._model = model
        self._request_deadline_seconds = request_deadline_seconds

    @property
    def name(self) -> str:
        return self._name

    @property
    def adapter_key(self) -> str:
        return "claude"

    def connect(self, request: SessionRequest) -> AbstractAsyncContextManager[AgentConnection]:
        """As `Provider.connect`. Enter and leave in one task; an error of the body leaves unwrapped."""
        return self._open_connection(request)

    @asynccontextmanager
    async def open_conversations(
        self, directory: Path, *, python: str | None = None
    ) -> AsyncGenerator[ClaudeTranscripts]:
        """As `KeepsConversations.open_conversations`. Reads files and starts no process."""
        del directory, python
        yield ClaudeTranscripts(transcripts_directory(self._launch.environment()))

    async def can_forget(self, request: SessionRequest, turns: Collection[TurnId]) -> bool:
        """As `RollsBack.can_forget`."""
        _, messages = await self._read_messages(request)
        return find_cut(messages, turns).is_certain

    async def forget(self, request: SessionRequest, turns: Collection[TurnId]) -> JsonObject | None:
        """As `RollsBack.forget`. The rest of the conversation is a new session; the old one stays as it is."""
        session, messages = await self._read_messages(request)
        found = find_cut(messages, turns)
        if not found.is_certain:
            raise ProviderProtocolError("the agent cannot identify the turns that it is to forget")
        if not found.is_needed:
            return request.resume_cursor
        return session.branch_after(found.kept[-1]).cursor() if found.kept else None

    async def _read_messages(self, request: SessionRequest) -> tuple[ClaudeSession, tuple[str, ...]]:
        await in_thread(_load_sdk)
        session = ClaudeSession.of_cursor(request.resume_cursor or {})
        return await read_messages(
            session,
            workspace=request.workspace,
            launch=await self._launch.for_session(request),
            deadline_seconds=self._request_deadline_seconds,
        )

    @asynccontextmanager
    async def _open_connection(self, request: SessionRequest) -> AsyncGenerator[AgentConnection]:
        cursor = request.resume_cursor
        session = ClaudeSession.new() if cursor is None else ClaudeSession.of_cursor(cursor)
        async with AsyncExitStack() as stack:
            if session.branch_of is not None:
                try:
                    opening = self._opened(request, session.without_branch(), resumes=True)
                    connection = await stack.enter_async_context(opening)
                except ResumeRefused:
                    session = session.with_new_id()  # the branch had no turn yet, or none that was written
                else:
                    yield connection
                    return
            yield await stack.enter_async_context(self._opened(request, session, resumes=cursor is not None))

    @asynccontextmanager
    async def _opened(
        self, request: SessionRequest, session: ClaudeSession, *, resumes: bool
    ) -> AsyncGenerator[AgentConnection]:
        connection_type = await in_thread(_load_sdk)
        launch = await self._launch.for_session(request)
        command = self._command(request, launch, session, resumes=resumes)
        async with open_connection(
            command,
            workspace=request.workspace,
            launch=launch,
            make_connection=lambda process: connection_type(
                process,
                session=session,
                resumes=resumes,
                model=request.model or self._model,
                mode=launch.config.mode or "default",
                mcp_servers=mcp_servers(launch.config),
                deadline_seconds=self._request_deadline_seconds,
            ),
        ) as connection:
            yield connection

    def _command(self, request: SessionRequest, launch: Launch, session: ClaudeSession, *, resumes: bool) -> list[str]:
        program = self._cli_path or find_claude(launch.environment())
        if program is None:
            raise ProviderUnavailable(
                "the Claude Agent SDK has no program for this platform: install Claude Code, or give cli_path"
            )
        model = request.model or self._model
        return [
            str(program),
            *_PROTOCOL_OPTIONS,
            *start_options(launch.config),
            *(() if model is None else (f"--model={model}",)),
            *_conversation_options(session, resumes=resumes),
        ]


def _conversation_options(session: ClaudeSession, *, resumes: bool) -> tuple[str, ...]:
    """The options that open a new session, an existing one, or a branch of one."""
    named = f"--session-id={session.session_id}"
    if not resumes:
        return (named,)
    if session.branch_of is None:
        return (f"--resume={session.session_id}",)
    return (f"--resume={session.branch_of}", f"--resume-session-at={session.branch_at}", "--fork-session", named)


def _load_sdk() -> type[ClaudeConnection]:
    """The connection's class. The import takes half a second: call it in a thread."""
    try:
        import_module("claude_agent_sdk")
    except ImportError as error:
        raise ProviderUnavailable(f"the Claude Agent SDK is not installed: {_INSTALL}") from error
    from .connection import ClaudeConnection

    return ClaudeConnection
