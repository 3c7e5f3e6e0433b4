"""The agents that the conformance suite runs on, and which scenarios on which backend.

Real agents start slowly: in `make test` each has one backend, and opencode, which takes seconds and 700 MB a start,
only the scenarios that are marked `vital`. The rehearsal agent runs everything on both.
`ORCHESTRION_SCENARIOS=all` runs every scenario on everything, as `make conformance` does.
`ORCHESTRION_CASE=package.module:name` names a `Cases` of somebody else's: the suite then runs on that alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

import pytest

from orchestrion.actors.providers.adapter import RollsBack
from tests.support.claude_case import claude_case
from tests.support.codex_case import codex_case
from tests.support.opencode_case import opencode_case
from tests.support.provider_case import Cases, ProviderCase, rehearsal_case
from tests.support.sdk_case import sdk_case

OWN_CASE: Final = os.environ.get("ORCHESTRION_CASE")

AGENTS: Final[dict[str, Cases]] = (
    {OWN_CASE: resolve_name(OWN_CASE)}
    if OWN_CASE
    else {
        "rehearsal": rehearsal_case,
        "sdk": sdk_case,
        "claude": claude_case,
        "codex": codex_case,
        "opencode": opencode_case,
    }
)

ONE_BACKEND: Final = {"sdk": "trio", "claude": "asyncio", "codex": "trio", "opencode": "asyncio"}
VITAL_ONLY: Final = frozenset({"opencode"})


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("ORCHESTRION_SCENARIOS") == "all":
        return
    left_out = [item for item in items if not _is_run(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _is_run(item)]


def _is_run(item: pytest.Item) -> bool:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    agent = parameters.get("case", parameters.get("rolling_case"))
    if parameters.get("anyio_backend") != ONE_BACKEND.get(str(agent), parameters.get("anyio_backend")):
        return False
    return agent not in VITAL_ONLY or item.get_closest_marker("vital") is not None


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


ROLLING: Final = tuple(AGENTS) if OWN_CASE else ("claude", "codex")
"""Those whose provider is a `RollsBack`."""


@pytest.fixture(params=AGENTS)
def case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    with AGENTS[request.param](tmp_path, workspace) as opened:
        assert OWN_CASE or isinstance(opened.provider, RollsBack) == (request.param in ROLLING)
        yield opened


@pytest.fixture(params=ROLLING)
def rolling_case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    """The agents that roll their conversation back."""
    with AGENTS[request.param](tmp_path, workspace) as opened:
        if not isinstance(opened.provider, RollsBack):
            pytest.skip("this adapter's agent cannot forget: implement RollsBack to have these scenarios run")
        yield opened
