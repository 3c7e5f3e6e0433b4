"""What a host gives a session, and what each protocol makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrion.actors.providers.acp.handshake import AgentFeatures
from orchestrion.actors.providers.acp.session_params import check_config, session_params
from orchestrion.actors.providers.claude.start_options import mcp_servers, start_options
from orchestrion.actors.providers.codex.thread_params import server_names, thread_params
from orchestrion.actors.providers.redaction import without_secrets
from orchestrion.actors.providers.session_config import (
    NO_CONFIG,
    HostVariable,
    HttpMcpServer,
    SessionConfig,
    StdioMcpServer,
    merged,
    read_texts,
    secrets_of,
)
from orchestrion.contracts.errors import ProviderUnavailable

SERVERS = {
    "local": StdioMcpServer(command="serve", args=("--all",), env={"TOKEN": "abc"}),
    "remote": HttpMcpServer(url="https://mcp.example", headers={"Authorization": "Bearer abc"}),
}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"mcp_servers": {"a b": SERVERS["local"]}}, "an MCP server's name"),
        ({"additional_directories": ("relative",)}, "an absolute path"),
        ({"env": {"A=B": "x"}}, "no name of an environment variable"),
        ({"inherit_env": ("",)}, "inherit_env"),
    ],
)
def test_names_and_paths_are_checked(given: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        SessionConfig(**given)


@pytest.mark.parametrize("given", [{"inherit_env": "GH_TOKEN"}, {"additional_directories": "/srv"}])
def test_one_text_is_no_sequence(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        SessionConfig(**given)


def test_values_are_not_shown() -> None:
    config = SessionConfig(mcp_servers=SERVERS, env={"KEY": "abc"}, instructions="abc")
    assert "abc" not in repr(config)
    assert "KEY" in repr(config)
    assert "TOKEN" in repr(config)
    assert "abcdef" not in repr(HttpMcpServer(url="https://user:abcdef@mcp.example"))


def test_configs_are_merged() -> None:
    base = SessionConfig(
        mcp_servers={"local": SERVERS["local"]}, env={"A": "1", "B": "1"}, mode="plan", instructions="Be kind."
    )
    over = SessionConfig(
        mcp_servers={"remote": SERVERS["remote"]},
        additional_directories=(Path("/srv"),),
        env={"B": None},
        instructions="Be brief.",
    )
    assert merged(base, over) == SessionConfig(
        mcp_servers=SERVERS,
        additional_directories=(Path("/srv"),),
        env={"A": "1", "B": None},
        mode="plan",
        instructions="Be kind.\n\nBe brief.",
    )
    assert merged(base, NO_CONFIG) == merged(NO_CONFIG, base) == base


@pytest.mark.anyio
async def test_texts_are_read_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "from-the-host")
    given = SessionConfig(
        env={"A": HostVariable("MY_TOKEN"), "B": lambda: "from-a-function", "C": "plain-text", "D": None}
    )
    read = await read_texts(given)
    assert read.env == {"A": "from-the-host", "B": "from-a-function", "C": "plain-text", "D": None}
    assert secrets_of(given, read) == ("from-a-function", "from-the-host")


def _broken() -> str:
    raise KeyError("no keyring")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (SessionConfig(env={"A": HostVariable("NOT_SET_HERE")}), "A is to be NOT_SET_HERE of the host's"),
        (SessionConfig(env={"A": _broken}), "A was not given: KeyError"),
        (SessionConfig(env={"A": lambda: 3}), "returned int, not text"),
        (SessionConfig(additional_directories=(Path("/no/such/place"),)), "'/no/such/place' is not there"),
        (
            SessionConfig(mcp_servers={"local": StdioMcpServer(command="x", env={"A": HostVariable("NOT_SET_HERE")})}),
            "A of the MCP server 'local'",
        ),
    ],
)
async def test_what_cannot_be_read_names_itself(given: SessionConfig, fault: str) -> None:
    with pytest.raises(ProviderUnavailable, match=fault):
        await read_texts(given)


def test_secrets_are_taken_out_of_a_text() -> None:
    assert without_secrets("the key abcdef-long, abcdef", ("abcdef-long", "abcdef")) == "the key [secret], [secret]"


@pytest.mark.spec("E47")
def test_acp_session_params() -> None:
    config = SessionConfig(mcp_servers=SERVERS, additional_directories=(Path("/srv"),))
    assert session_params(Path("/work"), config) == {
        "cwd": "/work",
        "mcpServers": [
            {"name": "local", "command": "serve", "args": ["--all"], "env": [{"name": "TOKEN", "value": "abc"}]},
            {
                "type": "http",
                "name": "remote",
                "url": "https://mcp.example",
                "headers": [{"name": "Authorization", "value": "Bearer abc"}],
            },
        ],
        "additionalDirectories": ["/srv"],
    }
    assert session_params(Path("/work"), NO_CONFIG) == {"cwd": "/work", "mcpServers": []}


@pytest.mark.spec("E47")
@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (SessionConfig(sandbox="read-only"), "no sandbox"),
        (SessionConfig(instructions="Be kind."), "no instructions"),
        (SessionConfig(additional_directories=(Path("/srv"),)), "no additional directories"),
        (SessionConfig(mcp_servers=SERVERS), "'remote'"),
    ],
)
def test_what_an_acp_agent_cannot_do_is_refused(config: SessionConfig, fault: str) -> None:
    with pytest.raises(ProviderUnavailable, match=fault):
        check_config(config, AgentFeatures(), program="agent")
    if fault not in ("no sandbox", "no instructions"):
        check_config(config, AgentFeatures(takes_http_servers=True, takes_directories=True), program="agent")


@pytest.mark.spec("E47")
def test_codex_thread_params() -> None:
    config = SessionConfig(
        mcp_servers=SERVERS,
        additional_directories=(Path("/srv"),),
        mode="never",
        sandbox="workspace-write",
        instructions="Be kind.",
    )
    params = thread_params(Path("/work"), config)
    assert params == {
        "cwd": "/work",
        "sandbox": "workspace-write",
        "approvalPolicy": "never",
        "developerInstructions": "Be kind.",
        "config": {
            "mcp_servers.local": {"command": "serve", "args": ["--all"], "env": {"TOKEN": "abc"}},
            "mcp_servers.remote": {"url": "https://mcp.example", "http_headers": {"Authorization": "Bearer abc"}},
            "sandbox_workspace_write.writable_roots": ["/srv"],
        },
    }
    assert server_names(params) == ["local", "remote"]
    assert thread_params(Path("/work"), NO_CONFIG) == {"cwd": "/work"}
    with pytest.raises(ProviderUnavailable, match="no approval policy 'plan'"):
        thread_params(Path("/work"), SessionConfig(mode="plan"))


@pytest.mark.spec("E47")
def test_claude_start_options() -> None:
    config = SessionConfig(
        mcp_servers=SERVERS, additional_directories=(Path("/srv"),), mode="plan", instructions="Be kind."
    )
    options = start_options(config)
    assert options == ("--permission-mode", "plan", "--add-dir=/srv", "--append-system-prompt=Be kind.")
    assert mcp_servers(config) == {
        "local": {"type": "stdio", "command": "serve", "args": ["--all"], "env": {"TOKEN": "abc"}},
        "remote": {"type": "http", "url": "https://mcp.example", "headers": {"Authorization": "Bearer abc"}},
    }


@pytest.mark.spec("E47")
@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (SessionConfig(sandbox="read-only"), "no sandbox"),
        (SessionConfig(mode="bold"), "no permission mode 'bold'"),
        (SessionConfig(instructions="x" * 200_000), "200000 bytes"),
    ],
)
def test_what_claude_cannot_do_is_refused(config: SessionConfig, fault: str) -> None:
    with pytest.raises(ProviderUnavailable, match=fault):
        start_options(config)
