"""`orchestrion agents`: which agents are on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.command_line import done, orchestrion


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the PATH where no agent is but the one that a test puts there."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join((str(directory), "/usr/bin", "/bin")))
    return directory


@pytest.mark.spec("E63")
def test_agents_are_listed_with_their_versions_or_how_to_install_them(programs: Path) -> None:
    (programs / "gemini").write_text("#!/bin/sh\necho 0.61.0\n")
    (programs / "gemini").chmod(0o755)
    listed = {one["name"]: one for one in json.loads(done("agents", "gemini", "goose", "--json"))["agents"]}
    assert list(listed) == ["gemini", "goose"]
    assert (listed["gemini"]["path"], listed["gemini"]["version"]) == (str(programs / "gemini"), "0.61.0")
    assert (listed["goose"]["path"], listed["goose"]["version"]) == (None, None)
    table = done("agents", "gemini", "goose")
    assert "0.61.0" in table
    assert "download_cli.sh | bash" in table


def test_agents_of_a_hosts_own_file_are_listed(programs: Path, tmp_path: Path) -> None:
    catalogue = tmp_path / "agents.toml"
    catalogue.write_text(
        '[agents.mine]\ntitle = "Mine"\nwebsite = "https://example.org"\nprotocol = "acp"\ncommand = ["mine"]\n'
        'install = { pip = "mine" }\nlogin = { command = "mine login" }\n'
    )
    listed = json.loads(done("agents", "mine", "--catalogue", catalogue, "--json"))["agents"]
    assert [(one["name"], one["install"]) for one in listed] == [("mine", "pip install mine")]


def test_faults_of_a_catalogue_end_the_command_with_their_places(tmp_path: Path) -> None:
    catalogue = tmp_path / "agents.toml"
    catalogue.write_text("[agents.mine]\ntitle = 5\n")
    ended = orchestrion("agents", "--catalogue", catalogue)
    assert ended.returncode == 1
    assert "expected text, found a number @ agents.mine.title" in ended.stderr
