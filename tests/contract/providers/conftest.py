"""The agents that every adapter's suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.claude_case import claude_case
from tests.support.codex_case import codex_case
from tests.support.provider_case import ProviderCase, RehearsalCase


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


@pytest.fixture(params=["rehearsal", "claude", "codex"])
def case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    match request.param:
        case "rehearsal":
            yield RehearsalCase(tmp_path / "state")
        case "claude":
            with claude_case(tmp_path, workspace) as claude:
                yield claude
        case "codex":
            with codex_case(tmp_path) as codex:
                yield codex
        case _:
            raise AssertionError(request.param)
