"""Figures: what a measure found, its floor, its targets, and how it is printed."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import attrs

__all__ = ["Figure", "Target", "at_least", "at_most", "median_of", "percentile", "print_figure", "print_table"]


Measured: TypeAlias = Literal["value", "share"]


@attrs.frozen(kw_only=True)
class Target:
    """A bound on a figure's value, or on its share of the floor."""

    of: Measured
    is_met: Callable[[float], bool]
    text: str


def at_least(bound: float, *, of: Measured = "value") -> Target:
    return Target(of=of, is_met=lambda found: found >= bound, text=f"≥ {_bound(bound, of)}")


def at_most(bound: float, *, of: Measured = "value") -> Target:
    return Target(of=of, is_met=lambda found: found <= bound, text=f"≤ {_bound(bound, of)}")


@attrs.frozen(kw_only=True)
class Figure:
    """One row of the table. `share` is the median of the rounds' shares of the floor, not `value / floor`."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    share: float | None = None
    targets: tuple[Target, ...] = ()

    @property
    def verdict(self) -> str:
        """Each target and whether it is met; empty without targets."""
        return ", ".join(f"{target.text} {'met' if self._meets(target) else 'NOT MET'}" for target in self.targets)

    def _meets(self, target: Target) -> bool:
        found = self.value if target.of == "value" else self.share
        return found is not None and target.is_met(found)


def median_of(name: str, unit: str, rounds: Sequence[tuple[float, float]], *targets: Target) -> Figure:
    """A figure from rounds of (value, floor)."""
    return Figure(
        name=name,
        unit=unit,
        value=statistics.median(value for value, _ in rounds),
        floor=statistics.median(floor for _, floor in rounds),
        share=statistics.median(value / floor for value, floor in rounds),
        targets=targets,
    )


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def print_figure(figure: Figure) -> None:
    """Print one JSON line on standard output."""
    line = {
        "name": figure.name,
        "value": round(figure.value, 3),
        "unit": figure.unit,
        "floor": None if figure.floor is None else round(figure.floor, 3),
        "share": None if figure.share is None else round(figure.share, 3),
        "target": figure.verdict or None,
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def print_table(figures: Sequence[Figure]) -> None:
    """Print all figures as a Markdown table on standard error."""
    lines = ["| | measured | raw `sqlite3` | share | target |", "|---|---|---|---|---|"]
    for figure in figures:
        floor = "" if figure.floor is None else _number(figure.floor)
        share = "" if figure.share is None else f"{figure.share:.0%}"
        lines.append(
            f"| {figure.name} | {_number(figure.value)} {figure.unit} | {floor} | {share} | {figure.verdict} |"
        )
    print("\n".join(lines), file=sys.stderr)


def _bound(bound: float, of: Measured) -> str:
    return f"{bound:.0%}" if of == "share" else f"{bound:,g}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
