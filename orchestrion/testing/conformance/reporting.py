"""What the suite shows besides pytest's own report: the rule of a failed scenario, and the outcomes by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any, Final

import pytest

from .rules import RULES

__all__ = ["pytest_itemcollected", "pytest_runtest_makereport", "pytest_terminal_summary"]

_PROPERTY: Final = "rule"
_OUTCOMES: Final = ("passed", "failed", "skipped")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name in the reports of a scenario the rule that it proves."""
    mark = item.get_closest_marker("rule")
    if mark is not None:
        item.user_properties.append((_PROPERTY, mark.args[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure the rule that its scenario proves."""
    report = yield
    if report.failed:
        report.sections.extend((f"rule {rule}", RULES[rule]) for rule in _rules_of(report))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the rules with the outcomes of their scenarios."""
    counts = [
        (rule, outcome)
        for outcome in _OUTCOMES
        for report in terminalreporter.stats.get(outcome, ())
        for rule in _rules_of(report)
    ]
    terminalreporter.section("rules of an adapter")
    for rule in RULES:
        found = Counter(outcome for one, outcome in counts if one == rule)
        line = ", ".join(f"{found[outcome]} {outcome}" for outcome in _OUTCOMES if found[outcome]) or "not run"
        terminalreporter.write_line(f"{rule:24}{line}", red=bool(found["failed"]), green=set(found) == {"passed"})


def _rules_of(report: Any) -> Iterable[str]:
    return [rule for name, rule in getattr(report, "user_properties", ()) if name == _PROPERTY]
