"""The agents that every adapter's suite runs on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrion.actors.providers.adapter import RollsBack
from tests.support.claude_case import claude_case
from tests.support.codex_case import codex_case
from tests.support.provider_case import ProviderCase, RehearsalCase


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return directory


ROLLING = ("claude", "codex")
"""Those whose provider is a `RollsBack`."""


@pytest.fixture(params=["rehearsal", "claude", "codex"])
def case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    with _case_of(request.param, tmp_path, workspace) as named:
        assert isinstance(named.provider, RollsBack) == (request.param in ROLLING)
        yield named


@pytest.fixture(params=ROLLING)
def rolling_case(request: pytest.FixtureRequest, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    """The agents that roll their conversation back."""
    with _case_of(request.param, tmp_path, workspace) as named:
        yield named


@contextmanager
def _case_of(name: str, tmp_path: Path, workspace: Path) -> Iterator[ProviderCase]:
    match name:
        case "rehearsal":
            yield RehearsalCase(tmp_path / "state")
        case "claude":
            with claude_case(tmp_path, workspace) as claude:
                yield claude
        case "codex":
            with codex_case(tmp_path) as codex:
                yield codex
        case _:
            raise AssertionError(name)
