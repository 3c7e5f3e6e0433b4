"""An agent on the ACP SDK, an independent implementation that checks our client's messages against its schema.

`python -m tests.support.sdk_agent DIRECTORY` speaks ACP on its standard streams and keeps each session in DIRECTORY. A
prompt is a word and its argument: `say TEXT` streams the words of the text, `write PATH CONTENT` asks for permission to
write a file, `ask TEXT|OPTION|…` asks the user to choose an option and streams it, `run TITLE` calls a tool, `use
SERVER TOOL JSON` calls a tool of an MCP server, `sleep` runs a command and `talk` streams until they are cancelled,
`fail MESSAGE` ends with an error, `model` streams the chosen model, `recall` the earlier prompts, `which` what was
chosen; `read PATH`, `overwrite PATH` and `shell PATH` ask the client to read or write a file or to run a command, and
stream the answer.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import acp
from acp import schema

from orchestrion.actors.providers.jsonrpc.protocol import METHOD_NOT_FOUND

_OPTIONS: Final = [
    schema.PermissionOption(option_id="yes", name="Yes", kind="allow_once"),
    schema.PermissionOption(option_id="ever", name="Yes, always", kind="allow_always"),
    schema.PermissionOption(option_id="no", name="No", kind="reject_once"),
]


_CHOICES: Final[dict[str, tuple[Any, list[str]]]] = {
    "mode": ("mode", ["careful", "bold"]),
    "model": ("model", ["small", "large"]),
    "thinking": ("thought_level", ["low", "high"]),
}
"""What a client may choose, by its id: its category and its values, the initial one first."""


class _Session:
    def __init__(self, file: Path, workspace: str, servers: Iterable[Any] = ()) -> None:
        self.servers = {server.name: server for server in servers}
        self.workspace = Path(workspace)
        self.chosen = {config_id: values[0] for config_id, (_, values) in _CHOICES.items()}
        self.cancelled = asyncio.Event()
        self._file = file
        self.prompts: list[str] = []
        if file.is_file():
            kept = json.loads(file.read_text())
            self.prompts = kept["prompts"]
            self.chosen |= kept["chosen"]

    def begin(self, prompt: str) -> None:
        self.cancelled.clear()
        self.prompts.append(prompt)
        self.keep()

    def keep(self) -> None:
        """Everything but the mode, as some agents do."""
        chosen = {config_id: value for config_id, value in self.chosen.items() if config_id != "mode"}
        self._file.write_text(json.dumps({"prompts": self.prompts, "chosen": chosen, "cwd": str(self.workspace)}))


def _options(session: _Session) -> list[schema.SessionConfigOptionSelect | schema.SessionConfigOptionBoolean]:
    return [
        schema.SessionConfigOptionSelect(
            type="select",
            id=config_id,
            name=config_id,
            category=category,
            current_value=session.chosen[config_id],
            options=[schema.SessionConfigSelectOption(name=value, value=value) for value in values],
        )
        for config_id, (category, values) in _CHOICES.items()
    ]


class SdkAgent:
    """The part of `acp.Agent` that our client uses."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sessions: dict[str, _Session] = {}
        self._client: acp.Client

    def on_connect(self, conn: acp.Client) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_others: Any) -> acp.InitializeResponse:
        lists = schema.SessionCapabilities(list=schema.SessionListCapabilities())
        capabilities = schema.AgentCapabilities(load_session=True, session_capabilities=lists)
        return acp.InitializeResponse(protocol_version=protocol_version, agent_capabilities=capabilities)

    async def new_session(self, cwd: str, mcp_servers: Any = (), **_others: Any) -> acp.NewSessionResponse:
        session_id = f"sdk-{uuid4().hex}"
        self._sessions[session_id] = session = _Session(self._file(session_id), cwd, mcp_servers or ())
        session.keep()
        return acp.NewSessionResponse(session_id=session_id, config_options=_options(session))

    async def load_session(
        self, cwd: str, session_id: str, mcp_servers: Any = (), **_others: Any
    ) -> acp.LoadSessionResponse:
        if not self._file(session_id).is_file():
            raise acp.RequestError.resource_not_found(session_id)
        self._sessions[session_id] = session = _Session(self._file(session_id), cwd, mcp_servers or ())
        for prompt in session.prompts:
            await self._client.session_update(session_id, acp.update_user_message_text(prompt))
            await self._say(session_id, f"you said: {prompt}")
        return acp.LoadSessionResponse(config_options=_options(session))

    async def list_sessions(
        self, cwd: str | None = None, cursor: str | None = None, **_others: Any
    ) -> schema.ListSessionsResponse:
        """One session a page, so that a client has to ask for all of them."""
        kept = [(file.stem, json.loads(file.read_text())) for file in sorted(self._directory.glob("sdk-*.json"))]
        fitting = [(name, one) for name, one in kept if cwd is None or one["cwd"] == cwd]
        start = int(cursor or 0)
        page = [
            schema.SessionInfo(session_id=name, cwd=one["cwd"], title=next(iter(one["prompts"]), None))
            for name, one in fitting[start : start + 1]
        ]
        more = str(start + 1) if start + 1 < len(fitting) else None
        return schema.ListSessionsResponse(sessions=page, next_cursor=more)

    async def set_config_option(
        self, config_id: str, session_id: str, value: str | bool, **_others: Any
    ) -> acp.SetSessionConfigOptionResponse:
        session = self._sessions[session_id]
        if value not in _CHOICES[config_id][1]:
            raise acp.RequestError.invalid_params({"value": value})
        session.chosen[config_id] = str(value)
        session.keep()
        return acp.SetSessionConfigOptionResponse(config_options=_options(session))

    async def prompt(self, session_id: str, prompt: list[Any], **_others: Any) -> acp.PromptResponse:
        session = self._sessions[session_id]
        text = "".join(block.text for block in prompt)
        earlier = list(session.prompts)
        session.begin(text)
        word, _, argument = text.partition(" ")
        match word:
            case "say":
                await self._say(session_id, argument)
            case "which":
                await self._say(session_id, " ".join(session.chosen.values()))
            case "model":
                await self._say(session_id, session.chosen["model"])
            case "use":
                await self._use(session_id, session, *argument.split(" ", 2))
            case "recall":
                await self._say(session_id, " | ".join(earlier))
            case "ask":
                await self._ask(session_id, *argument.split("|"))
            case "run":
                await self._run(session_id, argument)
            case "write":
                await self._write(session_id, session, *argument.split(" ", 1))
            case "talk":
                await self._say(session_id, "working")
                await session.cancelled.wait()
            case "sleep":
                await self._sleep(session_id, session)
            case "read" | "overwrite" | "shell":
                await self._say(session_id, await self._answer_of(session_id, word, argument))
            case "fail":
                raise acp.RequestError(-32603, argument)
        return acp.PromptResponse(stop_reason="cancelled" if session.cancelled.is_set() else "end_turn")

    async def cancel(self, session_id: str, **_others: Any) -> None:
        self._sessions[session_id].cancelled.set()

    async def _say(self, session_id: str, text: str) -> None:
        for piece in re.findall(r"\S+\s*", text):
            await self._client.session_update(session_id, acp.update_agent_message_text(piece))

    async def _ask(self, session_id: str, text: str, *options: str) -> None:
        """The values of the options are their numbers, which the user does not see."""
        offered = [schema.EnumOption(const=str(number), title=option) for number, option in enumerate(options)]
        field = schema.ElicitationStringPropertySchema(type="string", title="Choice", description=text, one_of=offered)
        form = schema.ElicitationSchema(properties={"choice": field}, required=["choice"])
        mode = schema.ElicitationFormSessionMode(session_id=session_id, requested_schema=form)
        reply = await self._client.create_elicitation(text, mode)
        content = reply.content if isinstance(reply, schema.AcceptElicitationResponse) else None
        await self._say(session_id, "nothing" if content is None else options[int(content["choice"])])

    async def _use(self, session_id: str, session: _Session, server: str, tool: str, arguments: str) -> None:
        from mcp import ClientSession, StdioServerParameters  # only a prompt of this kind needs it
        from mcp.client.stdio import stdio_client

        given = session.servers[server]
        env = {variable.name: variable.value for variable in given.env}
        parameters = StdioServerParameters(command=given.command, args=given.args, env=env)
        async with stdio_client(parameters) as (incoming, outgoing), ClientSession(incoming, outgoing) as client:
            await client.initialize()
            result = await client.call_tool(tool, json.loads(arguments))
        await self._say(session_id, str(result.content))

    async def _run(self, session_id: str, title: str) -> None:
        call = acp.start_tool_call(f"call-{uuid4().hex}", title, kind="execute", status="pending")
        await self._say(session_id, "Let me see.")
        await self._client.session_update(session_id, call)
        await self._client.session_update(session_id, acp.update_tool_call(call.tool_call_id, status="completed"))
        await self._say(session_id, "Done.")

    async def _answer_of(self, session_id: str, word: str, path: str) -> str:
        """The client's answer to a request that it has not offered to serve."""
        ask: Coroutine[Any, Any, Any]
        match word:
            case "read":
                ask = self._client.read_text_file(session_id, path)
            case "overwrite":
                ask = self._client.write_text_file(session_id, path, "overwritten")
            case _:
                ask = self._client.create_terminal(session_id, "touch", [path])
        try:
            await ask
        except acp.RequestError as error:
            return "this client does not offer it" if error.code == METHOD_NOT_FOUND else str(error)
        return "it was done"

    async def _sleep(self, session_id: str, session: _Session) -> None:
        child = await asyncio.create_subprocess_exec("sleep", "3600", start_new_session=True)
        call = acp.start_tool_call(f"call-{uuid4().hex}", "sleep 3600", kind="execute", status="in_progress")
        await self._client.session_update(session_id, call)
        await session.cancelled.wait()
        child.kill()
        await child.wait()

    async def _write(self, session_id: str, session: _Session, path: str, content: str) -> None:
        target = str(session.workspace / path)
        call = acp.start_edit_tool_call(f"call-{uuid4().hex}", f"Write {path}", target, content)
        await self._client.session_update(session_id, call)
        asked = schema.ToolCallUpdate(tool_call_id=call.tool_call_id)
        outcome = (await self._client.request_permission(session_id, asked, _OPTIONS)).outcome
        allowed = isinstance(outcome, schema.AllowedOutcome) and outcome.option_id in ("yes", "ever")
        if allowed:
            await asyncio.to_thread(Path(target).write_text, content)
        status: schema.ToolCallStatus = "completed" if allowed else "failed"
        await self._client.session_update(session_id, acp.update_tool_call(call.tool_call_id, status=status))

    def _file(self, session_id: str) -> Path:
        return self._directory / f"{session_id}.json"


if __name__ == "__main__":
    asyncio.run(acp.run_agent(cast("acp.Agent", SdkAgent(Path(sys.argv[1])))))
