"""The suite on the agents that `--agent` names."""

from __future__ import annotations

import os
import sys
from pkgutil import resolve_name
from typing import Final

import pytest

from ..processes import mark_processes
from .case import Cases
from .fixtures import anyio_backend, case, rolling_case, workspace
from .reporting import pytest_itemcollected, pytest_runtest_makereport, pytest_terminal_summary

__all__ = [
    "anyio_backend",
    "case",
    "pytest_itemcollected",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
    "rolling_case",
    "workspace",
]

_MARKERS: Final = (
    "rule(name): the rule of orchestrion/testing/conformance/rules.py that a scenario proves",
    "vital: a scenario that also agents have to pass that take seconds to start",
)


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    mark_processes(anew=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        named: list[str] = metafunc.config.getoption("--agent")
        if not named:
            raise pytest.UsageError("name your agent: --agent package.module:name, where name is a Cases")
        metafunc.parametrize("case", [_resolved(one) for one in named], ids=named, indirect=True)


def _resolved(name: str) -> Cases:
    """What `package.module:name` names, where modules of the current directory can be imported too."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Cases = resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--agent {name}: {error}") from error
    return found
