"""The agents that the conformance suite runs on here, and which scenarios on which backend.

Real agents start slowly: in `make test` each has one backend, and opencode, which takes seconds and 700 MB a start,
only the scenarios that are marked `vital`. The rehearsal agent and the agent inside the host run everything on both.
`ORCHESTRION_SCENARIOS=all` runs every scenario on everything, as `make conformance` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from orchestrion.actors.providers.adapter import RollsBack
from orchestrion.testing.conformance import Cases, ProviderCase
from orchestrion.testing.conformance.fixtures import rolling_case, workspace
from orchestrion.testing.conformance.rehearsal import rehearsal_case
from orchestrion.testing.conformance.reporting import pytest_itemcollected, pytest_runtest_makereport
from tests.support.claude_case import claude_case
from tests.support.codex_case import codex_case
from tests.support.in_process_case import in_process_case
from tests.support.opencode_case import opencode_case
from tests.support.sdk_case import sdk_case

__all__ = ["pytest_itemcollected", "pytest_runtest_makereport", "rolling_case", "workspace"]

AGENTS: Final[dict[str, Cases]] = {
    "rehearsal": rehearsal_case,
    "in-process": in_process_case,
    "sdk": sdk_case,
    "claude": claude_case,
    "codex": codex_case,
    "opencode": opencode_case,
}
ROLLING: Final = ("in-process", "claude", "codex")
"""Those whose provider is a `RollsBack`."""

ONE_BACKEND: Final = {"sdk": "trio", "claude": "asyncio", "codex": "trio", "opencode": "asyncio"}
VITAL_ONLY: Final = frozenset({"opencode"})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", ROLLING if "rolling_case" in metafunc.fixturenames else AGENTS, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("ORCHESTRION_SCENARIOS") == "all":
        return
    left_out = [item for item in items if not _is_run(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _is_run(item)]


def _is_run(item: pytest.Item) -> bool:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    agent = parameters.get("case")
    if parameters.get("anyio_backend") != ONE_BACKEND.get(str(agent), parameters.get("anyio_backend")):
        return False
    return agent not in VITAL_ONLY or item.get_closest_marker("vital") is not None


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    with AGENTS[request.param](tmp_path, workspace) as opened:
        assert isinstance(opened.provider, RollsBack) == (request.param in ROLLING)
        yield opened
