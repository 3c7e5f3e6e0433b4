"""Which variables of a host its agents inherit, and which credentials do not pass with them."""

from __future__ import annotations

import re

import pytest

from orchestrion.actors.providers.claude.provider import CLAUDE_ENVIRONMENT
from orchestrion.actors.providers.codex.provider import CODEX_ENVIRONMENT
from orchestrion.actors.providers.process.environment import INHERITED, agent_environment

pytestmark = pytest.mark.lesson("L88")

LOOKS_LIKE_A_SECRET = re.compile(r"TOKEN|SECRET|KEY|PASS(?!IVE)|CREDENTIAL|AUTH(?!OR)|COOKIE|INDEX_URL|DATABASE")
HARMLESS = {"SSH_AUTH_SOCK", "GIT_SSL_KEY"}
"""A socket and a path."""

SECRETS = (
    *("HOMEBREW_GITHUB_API_TOKEN", "HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN", "NIX_CONFIG", "NVM_AUTH_HEADER"),
    *(
        "CONDA_TOKEN",
        "CONDA_CHANNELS",
        "MISE_GITHUB_TOKEN",
        "ASDF_GITHUB_TOKEN",
        "XDG_ACTIVATION_TOKEN",
        "UV_INDEX_URL",
    ),
    *("ORCHESTRION_DATABASE_KEY", "CMAKE_SECRET", "SDKMAN_TOKEN", "FNM_TOKEN", "PYENV_SECRET", "RBENV_TOKEN"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_PUBLISH_TOKEN", "NPM_CONFIG__AUTH", "NPM_TOKEN", "DATABASE_URL"),
    *("npm_config__auth", "PGPASSWORD", "GIT_CONFIG_PARAMETERS", "GIT_ASKPASS", "GIT_HTTP_EXTRA_HEADER", "GH_TOKEN"),
)


def passed(**host: str) -> dict[str, str]:
    return agent_environment(host, inherit=INHERITED)


def pairs(*given: tuple[str, str]) -> dict[str, str]:
    numbered = {"GIT_CONFIG_COUNT": str(len(given))}
    for number, (key, value) in enumerate(given):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return numbered


def test_every_inherited_name_is_written_out_and_none_is_a_secrets() -> None:
    assert [name for name in INHERITED if not name.isidentifier()] == []
    assert {name for name in INHERITED if LOOKS_LIKE_A_SECRET.search(name)} == HARMLESS
    assert len(set(INHERITED)) == len(INHERITED)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_passes_only_where_the_host_names_it(name: str) -> None:
    host = {name: "x"}
    assert agent_environment(host, inherit=INHERITED) == {}
    assert agent_environment(host, inherit=INHERITED, own=(*CLAUDE_ENVIRONMENT, *CODEX_ENVIRONMENT)) == {}
    assert agent_environment(host, inherit=[*INHERITED, name]) == host
    assert agent_environment(host, inherit="all") == host


@pytest.mark.parametrize(
    "name", ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "OPENAI_API_KEY", "CODEX_API_KEY", "AZURE_OPENAI_API_KEY"]
)
def test_an_agents_own_keys_pass(name: str) -> None:
    own = (*CLAUDE_ENVIRONMENT, *CODEX_ENVIRONMENT)
    assert agent_environment({name: "x"}, inherit=INHERITED, own=own) == {name: "x"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GOPROXY", "https://u:p@host,direct"),
        ("DOCKER_HOST", "tcp://u:p@host:2375"),
        ("HOMEBREW_BOTTLE_DOMAIN", "https://0123456789abcdef@host"),
        ("NVM_NODEJS_ORG_MIRROR", "https://:p@host/dist"),
    ],
)
def test_a_url_with_credentials_does_not_pass_unless_it_is_given(name: str, value: str) -> None:
    assert passed(**{name: value}) == {}
    assert agent_environment({name: value}, inherit=INHERITED, env={name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://u:p@host:3128"),
        ("all_proxy", "socks5://u:p@host"),
        ("DOCKER_HOST", "ssh://a-user-with-a-long-name@host"),
        ("GOPROXY", "https://proxy.golang.org,direct"),
        ("PATH", "/home/me/sk-projects-of-mine/bin:/bin"),
    ],
)
def test_proxies_and_values_without_credentials_pass(name: str, value: str) -> None:
    assert passed(**{name: value}) == {name: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("http.extraHeader", "Authorization: Basic eDp5"),
        ("http.https://host/.extraheader", "x"),
        ("url.https://x:token@host/.insteadOf", "https://host/"),
        ("remote.origin.url", "https://u:p@host/r"),
        ("credential.helper", "!f() { echo password=abc; }; f"),
        ("sendemail.smtpPass", "x"),
        ("github.token", "x"),
    ],
)
def test_pairs_of_gits_configuration_that_log_in_are_left_out(key: str, value: str) -> None:
    kept = [("safe.directory", "*"), ("core.askPass", "/bin/ask"), ("http.proxy", "http://u:p@host")]
    first, *others = kept
    assert passed(**pairs(first, (key, value), *others)) == pairs(*kept)
    assert agent_environment(pairs((key, value)), inherit=["GIT_CONFIG_*"]) == pairs((key, value))


@pytest.mark.parametrize(
    "host",
    [
        {"GIT_CONFIG_COUNT": "1"},
        {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b"},
        {**pairs(("a.b", "c")), "GIT_CONFIG_COUNT": "x"},
        {**pairs(("a.b", "c")), "GIT_CONFIG_COUNT": "99999"},
        {"GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"},
    ],
)
def test_pairs_that_are_not_whole_do_not_pass(host: dict[str, str]) -> None:
    assert passed(**host) == {}


@pytest.mark.parametrize("inherit", [INHERITED, "all"])
def test_flags_of_a_make_around_the_host_do_not_pass(inherit: tuple[str, ...]) -> None:
    flags = {"MAKEFLAGS": "-j8"}
    assert agent_environment(flags, inherit=inherit) == flags
    around = {"MAKELEVEL": "1", "MAKEFLAGS": " -j4 --jobserver-auth=3,4 -- TOKEN=x", "MFLAGS": "-j4"}
    assert agent_environment(around, inherit=inherit) == {}


@pytest.mark.parametrize("name", ["LISTEN_FDS", "NOTIFY_SOCKET", "NODE_CHANNEL_FD", "CARGO_MAKEFLAGS"])
def test_descriptors_of_the_host_alone_never_pass(name: str) -> None:
    assert agent_environment({name: "3"}, inherit="all") == {}
    assert agent_environment({}, inherit="all", env={name: "3"}) == {name: "3"}
