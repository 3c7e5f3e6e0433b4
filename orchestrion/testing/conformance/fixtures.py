"""The fixtures of scenarios: the case, the agent's workspace, both event loops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...actors.providers.adapter import RollsBack
from .case import ProviderCase

__all__ = ["anyio_backend", "case", "rolling_case", "workspace"]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The directory that the agent works in."""
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    """The agent under test. Its parameter is a `Cases`."""
    with request.param(tmp_path, workspace) as opened:
        yield opened


@pytest.fixture
def rolling_case(case: ProviderCase) -> ProviderCase:
    """An agent under test that can forget turns."""
    if not isinstance(case.provider, RollsBack):
        pytest.skip(f"the agents of {case.provider.name} cannot forget turns: the provider is no RollsBack")
    return case
