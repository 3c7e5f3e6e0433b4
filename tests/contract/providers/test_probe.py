"""Which agents are here, found with real programs: small scripts that print versions, or do not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from orchestrion.actors.providers.catalogue.entries import AgentEntry, Installation, LoginHint
from orchestrion.actors.providers.catalogue.probe import probe_agents
from orchestrion.testing.processes import processes_of_test

pytestmark = pytest.mark.anyio


def agent_of(name: str, **fields: Any) -> AgentEntry:
    entry: dict[str, Any] = {
        "name": name,
        "title": name.title(),
        "website": "https://example.org",
        "protocol": "acp",
        "command": (name, "--acp"),
        "install": Installation(npm=name),
        "login": LoginHint(command=f"{name} login", variables=("MY_KEY",), files=("~/.agent/login.json",)),
    }
    return AgentEntry(**{**entry, **fields})


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """The environment of a host, with an empty home and a directory of programs before its PATH."""
    for name in ("bin", "home"):
        (tmp_path / name).mkdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    marks = {name: value for name, value in os.environ.items() if name == "ORCHESTRION_TEST_RUN"}
    return {"PATH": path, "HOME": str(tmp_path / "home"), **marks}


def program(host: dict[str, str], name: str, script: str) -> Path:
    path = Path(host["PATH"].split(os.pathsep)[0], name)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def login_file(host: dict[str, str]) -> Path:
    file = Path(host["HOME"], ".agent", "login.json")
    file.parent.mkdir()
    file.write_text("{}")
    return file


@pytest.mark.spec("E63")
async def test_program_version_and_login_are_found(host: dict[str, str]) -> None:
    path = program(host, "quick", 'echo "Quick agent v1.22.333-beta.1 (build 5)"')
    (found,) = await probe_agents([agent_of("quick")], host={**host, "MY_KEY": "x"})
    assert (found.path, found.version, found.login, found.fault) == (str(path), "1.22.333-beta.1", "found", None)


@pytest.mark.spec("E63")
async def test_agents_are_listed_in_order_with_what_installs_the_missing(host: dict[str, str]) -> None:
    program(host, "here", "echo 2.0")
    missing, here = await probe_agents([agent_of("missing"), agent_of("here")], host=host)
    assert (missing.path, missing.version, missing.install) == (None, None, "npm install -g missing")
    assert "'missing' was not found" in (missing.fault or "")
    assert (here.version, here.login) == ("2.0", "none")


@pytest.mark.spec("E63")
async def test_program_that_does_not_answer_is_ended(host: dict[str, str]) -> None:
    program(host, "mute", "sleep 3600 & sleep 3600")
    (found,) = await probe_agents([agent_of("mute")], host=host, deadline_seconds=0.2)
    assert (found.version, found.fault) == (None, "it did not print its version within 0.2 s")
    assert await to_thread.run_sync(processes_of_test) == []


async def test_program_that_prints_no_version_has_none(host: dict[str, str]) -> None:
    program(host, "vague", "echo latest; echo 9.9 >&2; exit 3")
    (found,) = await probe_agents([agent_of("vague")], host=host)
    assert (found.version, found.fault) == (None, "it printed no version")


@pytest.mark.spec("E63")
async def test_updaters_and_telemetry_are_kept_off(host: dict[str, str]) -> None:
    program(host, "chatty", 'echo "1.0.${NO_UPDATES:-0}"')
    (found,) = await probe_agents([agent_of("chatty", quiet={"NO_UPDATES": "7"})], host=host)
    assert found.version == "1.0.7"


async def test_login_is_found_by_its_file_or_is_unknown(host: dict[str, str]) -> None:
    elsewhere = LoginHint(command="login", files=("$AGENT_HOME/login.json",), is_elsewhere=True)
    home = login_file(host).parent
    own, other = await probe_agents([agent_of("own"), agent_of("other", login=elsewhere)], host=host)
    assert (own.login, other.login) == ("found", "unknown")
    (moved,) = await probe_agents([agent_of("other", login=elsewhere)], host={**host, "AGENT_HOME": str(home)})
    assert moved.login == "found"
