"""A pytest plugin: scenarios that the catalogue says an agent fails are expected to fail, with the catalogue's reason.

`-p tests.support.expected_failures` with `--agent tests.support.catalogue_cases:NAME`. A scenario that passes all the
same is reported as XPASS: its quirk can go.
"""

from __future__ import annotations

import pytest

from orchestrion.actors.providers.catalogue.entries import AgentEntry, ScenarioFails
from orchestrion.actors.providers.catalogue.reading import read_catalogue

__all__ = ["pytest_collection_modifyitems"]

_CASES = "tests.support.catalogue_cases:"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    agents = {name.replace("-", "_"): entry for name, entry in read_catalogue().agents.items()}
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            name = next((part for part in agents if f"{_CASES}{part}" in item.callspec._idlist), None)
            if name is not None:
                _mark(item, agents[name])


def _mark(item: pytest.Function, agent: AgentEntry) -> None:
    names = {item.originalname, *(f"{item.originalname}[{one}]" for one in item.callspec._idlist)}
    for quirk in agent.quirks_of(ScenarioFails):
        if names.intersection(quirk.scenarios):
            item.add_marker(pytest.mark.xfail(reason=quirk.reason, strict=False))
