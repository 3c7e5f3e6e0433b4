"""What the options of the command line give a session."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
import pytest

from orchestrion.actors.providers.session_config import HostVariable, HttpMcpServer, SessionConfig, StdioMcpServer
from orchestrion.runtime.cli.session_options import session_config


def test_options_become_a_config(tmp_path: Path) -> None:
    servers = ("local=serve --all 'a b'", "remote=https://mcp.example")
    assert session_config(servers, [tmp_path], "read-only", ["TOKEN", "DEBUG=1"]) == SessionConfig(
        mcp_servers={
            "local": StdioMcpServer(command="serve", args=("--all", "a b")),
            "remote": HttpMcpServer(url="https://mcp.example"),
        },
        additional_directories=[tmp_path],
        sandbox="read-only",
        env={"TOKEN": HostVariable("TOKEN"), "DEBUG": "1"},
    )
    assert session_config((), (), None, ()).is_empty


def test_servers_of_a_file_take_variables_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "abc")
    local = {"command": "serve", "args": ["-v"], "env": {"TOKEN": "${TOKEN}", "PLAIN": "x"}}
    remote = {"type": "http", "url": "https://mcp.example", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    file = tmp_path / "mcp.json"
    file.write_bytes(orjson.dumps({"mcpServers": {"local": local, "remote": remote}}))
    servers = session_config((str(file),), (), None, ()).mcp_servers
    env = {"TOKEN": HostVariable("TOKEN"), "PLAIN": "x"}
    assert servers["local"] == StdioMcpServer(command="serve", args=("-v",), env=env)
    found = servers["remote"]
    assert isinstance(found, HttpMcpServer)
    header = found.headers["Authorization"]
    assert callable(header)
    assert header() == "Bearer abc"


@pytest.mark.parametrize("server", ["no-such-file.json", "name=", "a b=serve", "name='open"])
def test_server_that_is_not_understood_is_a_usage_error(server: str) -> None:
    with pytest.raises(click.BadParameter):
        session_config((server,), (), None, ())
