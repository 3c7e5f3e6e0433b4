"""The conformance suite itself: every scenario has a rule, every rule a scenario and a row in the documents."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from orchestrion.testing.conformance import scenarios
from orchestrion.testing.conformance.rules import RULES
from tests.support.marks import ROOT


def rules_of(scenario: Callable[..., Any]) -> list[str]:
    marks: list[pytest.Mark] = getattr(scenario, "pytestmark", [])
    return [rule for mark in marks if mark.name == "rule" for rule in mark.args]


@pytest.mark.spec("E54")
def test_every_scenario_proves_one_rule_that_is_known() -> None:
    rules = {name: rules_of(scenario) for name, scenario in scenarios().items()}
    assert {name: found for name, found in rules.items() if len(found) != 1 or found[0] not in RULES} == {}


def test_every_rule_is_proven_by_a_scenario() -> None:
    proven = {rule for scenario in scenarios().values() for rule in rules_of(scenario)}
    assert proven == set(RULES)


def test_documents_list_the_rules_as_the_suite_states_them() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    table = page.partition("### Rules")[2]
    assert dict(re.findall(r"^\| ([a-z-]+) \| (.+) \|$", table, re.MULTILINE)) == {
        "rule": "what an adapter promises",
        **RULES,
    }
