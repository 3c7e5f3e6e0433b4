"""Applied to every test of workspaces: a repository, and no git configuration but its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.git import Repository


@pytest.fixture(autouse=True)
def _only_the_repository_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.init(tmp_path / "work")
