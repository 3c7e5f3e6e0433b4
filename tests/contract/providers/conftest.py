"""The agents that every adapter's suite runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.provider_case import ProviderCase, RehearsalCase


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture(params=["rehearsal"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> ProviderCase:
    match request.param:
        case "rehearsal":
            return RehearsalCase(tmp_path / "state")
    raise AssertionError(request.param)
