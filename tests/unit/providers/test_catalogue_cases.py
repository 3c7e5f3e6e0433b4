"""Agents of the catalogue as cases of the conformance suite: what is installed, and which failures are expected."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from orchestrion.actors.providers.catalogue.entries import ScenarioFails
from orchestrion.actors.providers.catalogue.reading import read_catalogue
from tests.support import catalogue_cases
from tests.support.agent_conformance import case_of, environment_of, install_command, main
from tests.support.catalogue_cases import DIRECTIONS
from tests.support.marks import ROOT

SUITE: Final = ROOT / "orchestrion" / "testing" / "conformance"
PREFIX: Final = Path("/prefix")


def test_scenarios_that_are_expected_to_fail_are_in_the_suite() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in SUITE.glob("test_*.py"))
    agents = read_catalogue().agents.values()
    named = {name for agent in agents for quirk in agent.quirks_of(ScenarioFails) for name in quirk.scenarios}
    assert named
    assert [name for name in sorted(named) if f"def {name.partition('[')[0]}(" not in source] == []


@pytest.mark.spec("E68")
def test_agents_that_are_directed_are_in_the_catalogue_with_a_case_each() -> None:
    assert set(DIRECTIONS) <= set(read_catalogue().agents)
    for name in DIRECTIONS:
        module, _, attribute = str(case_of(name)).partition(":")
        assert module == catalogue_cases.__name__
        assert callable(getattr(catalogue_cases, attribute))
    assert case_of("codex") == "tests.support.codex_case:codex_case"
    assert case_of("goose") is None


@pytest.mark.spec("E68")
@pytest.mark.parametrize(
    ("agent", "version", "last"),
    [
        ("gemini", "0.61.0", "@google/gemini-cli@0.61.0"),
        ("gemini", "latest", "@google/gemini-cli@latest"),
        ("codex", "0.163.0", "openai-codex==0.163.0"),
        ("claude", "latest", "claude-agent-sdk"),
    ],
)
def test_agent_is_installed_into_a_directory_of_its_own(agent: str, version: str, last: str) -> None:
    command = install_command(read_catalogue().find(agent), version, PREFIX)
    assert command[0] in ("npm", sys.executable)
    assert str(PREFIX) in command
    assert command[-1] == last


@pytest.mark.parametrize(("agent", "name"), [("gemini", "PATH"), ("codex", "PYTHONPATH")])
def test_installed_agent_is_found_before_any_other(agent: str, name: str) -> None:
    value = environment_of(read_catalogue().find(agent), PREFIX)[name]
    assert value.split(os.pathsep)[0].startswith(str(PREFIX))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "is not in the catalogue"), (["gemni"], "did you mean gemini?"), (["goose"], "directs")],
)
def test_agent_that_cannot_be_run_is_a_usage_error(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
