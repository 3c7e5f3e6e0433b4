"""The catalogue of agents: what a file may say, what its faults are called, which provider an entry becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from orchestrion.actors.providers.acp.provider import AcpProvider
from orchestrion.actors.providers.catalogue.entries import AsksInMode, ScenarioFails, SharedDaemon
from orchestrion.actors.providers.catalogue.providers import provider_from_catalogue
from orchestrion.actors.providers.catalogue.reading import parse_catalogue, read_catalogue
from orchestrion.actors.providers.claude.provider import CLAUDE_ENVIRONMENT, ClaudeProvider
from orchestrion.actors.providers.codex.provider import CODEX_ENVIRONMENT, CodexProvider
from orchestrion.contracts.errors import InvalidCatalogue, InvalidRequest
from tests.support.agents_table import PAGE, table, text_between_markers

NAMED: Final = (
    *("codex", "claude", "opencode", "gemini", "qwen", "copilot", "mistral-vibe", "kimi", "cline", "goose"),
    *("codex-acp", "claude-agent-acp"),
)

AGENT: Final = """
[agents.mine]
title = "My agent"
website = "https://example.org"
protocol = "acp"
command = ["my-agent", "--acp"]
install = { npm = "my-agent" }
login = { command = "my-agent login" }
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(InvalidCatalogue) as raised:
        parse_catalogue(text, source="agents.toml")
    assert raised.value.source == "agents.toml"
    return list(raised.value.faults)


@pytest.mark.spec("E60")
def test_catalogue_has_the_agents_that_are_documented() -> None:
    assert tuple(read_catalogue().agents) == NAMED


@pytest.mark.spec("E60")
@pytest.mark.parametrize("name", NAMED)
def test_every_agent_of_the_catalogue_becomes_a_provider(name: str) -> None:
    provider = provider_from_catalogue(name)
    assert (provider.name, provider.adapter_key) == (name, read_catalogue().find(name).protocol)


def test_documented_table_is_that_of_the_catalogue() -> None:
    assert text_between_markers(PAGE.read_text(encoding="utf-8")) == table(), (
        "python -m tests.support.agents_table --write"
    )


def test_environment_of_codex_and_claude_is_that_of_their_providers() -> None:
    catalogue = read_catalogue()
    assert catalogue.find("codex").environment == CODEX_ENVIRONMENT
    assert catalogue.find("claude").environment == CLAUDE_ENVIRONMENT


@pytest.mark.spec("E60")
def test_entry_of_a_hosts_file_is_added_and_replaces_its_namesake(tmp_path: Path) -> None:
    more = tmp_path / "agents.toml"
    more.write_text(AGENT + AGENT.replace("agents.mine", "agents.gemini"), encoding="utf-8")
    catalogue = read_catalogue(more)
    assert list(catalogue.agents) == [*NAMED, "mine"]
    assert catalogue.find("gemini").command == catalogue.find("mine").command == ("my-agent", "--acp")
    assert read_catalogue().find("gemini").command == ("gemini", "--acp")


@pytest.mark.spec("E61")
@pytest.mark.parametrize(
    ("name", "answer"),
    [("gemni", "did you mean gemini?"), ("codex-acpp", "did you mean codex-acp"), ("zzz", "there are codex, claude")],
)
def test_unknown_name_is_answered_with_names_like_it(name: str, answer: str) -> None:
    with pytest.raises(InvalidRequest, match=answer.replace("?", r"\?")):
        provider_from_catalogue(name)


@pytest.mark.spec("E60")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (AGENT.replace('"my-agent", "--acp"', ""), "command names no program @ agents.mine"),
        (
            AGENT.replace('["my-agent", "--acp"]', '"my-agent --acp"'),
            "expected a list, found text @ agents.mine.command",
        ),
        (AGENT.replace('"My agent"', "5"), "expected text, found a number @ agents.mine.title"),
        (AGENT.replace('"acp"\n', '"mcp"\n'), "@ agents.mine.protocol"),
        (AGENT.replace('title = "My agent"', ""), "required key is missing @ agents.mine.title"),
        (AGENT + 'colour = "red"', "unknown key 'colour' @ agents.mine"),
        (AGENT.replace('npm = "my-agent"', ""), "give exactly one of npm, pip and shell @ agents.mine.install"),
        (AGENT.replace("agents.mine", 'agents."My Agent"'), "is no name of an agent"),
        (AGENT + 'environment = ["A=B"]', "no name of an environment variable @ agents.mine"),
        (AGENT + '[[agents.mine.quirks]]\nkind = "shy"', "'shy' is no kind of quirk"),
        (AGENT + '[[agents.mine.quirks]]\nkind = "slow-start"\nseconds = 9.0', "required key is missing"),
        ("agents = 3", "expected a table, found a number @ agents"),
        ("[agent.mine]", "unknown table @ agent"),
        ("[agents", "Expected ']'"),
    ],
)
def test_fault_of_an_entry_is_named_with_its_place(text: str, fault: str) -> None:
    (found,) = faults_of(text)
    assert fault in found


def test_every_fault_of_a_file_is_named_at_once() -> None:
    second = AGENT.replace("agents.mine", "agents.other").replace('["my-agent", "--acp"]', "[]")
    assert len(faults_of(AGENT.replace('"My agent"', '" "') + second)) == 2


def test_file_that_is_not_there_is_an_invalid_catalogue(tmp_path: Path) -> None:
    with pytest.raises(InvalidCatalogue, match="No such file"):
        read_catalogue(tmp_path / "none.toml")


def test_quirks_are_typed_and_have_their_reasons() -> None:
    quirks = """
[[agents.mine.quirks]]
kind = "shared-daemon"
programs = ["*/my-daemon*"]
reason = "All its agents use one."
[[agents.mine.quirks]]
kind = "asks-in-mode"
mode = "careful"
reason = "It writes unasked in its own mode."
"""
    mine = parse_catalogue(AGENT + quirks, source="agents.toml").find("mine")
    assert [type(quirk) for quirk in mine.quirks] == [SharedDaemon, AsksInMode]
    assert mine.quirks_of(SharedDaemon)[0].programs == ("*/my-daemon*",)
    assert mine.quirks_of(ScenarioFails) == ()


@pytest.mark.parametrize(
    ("agent", "mode", "kind"),
    [("codex", "read-only", CodexProvider), ("claude", "plan", ClaudeProvider), ("gemini", "plan", AcpProvider)],
)
def test_mode_is_the_agents_own_kind_of_mode(agent: str, mode: str, kind: type[object]) -> None:
    assert isinstance(provider_from_catalogue(agent, mode=mode), kind)
    if agent != "gemini":
        with pytest.raises(InvalidRequest, match="mode: 'reckless' is not one of"):
            provider_from_catalogue(agent, mode="reckless")
