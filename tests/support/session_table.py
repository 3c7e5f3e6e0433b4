"""A session's states and transitions as Markdown: `python -m tests.support.session_table`.

Both are made from the rows that the unit tests run, so they show the real behaviour. With `--write` the diagram is
written between the markers of ARCHITECTURE.md, and the table between those of docs/session-machine.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final, get_args

from orchestrion.domain.session import effects as do
from orchestrion.domain.session import inputs as on
from orchestrion.domain.session.states import State
from tests.support.marks import ROOT
from tests.support.session_rows import TURN_ROWS, Row
from tests.support.steering_rows import STEERING_ROWS

ROWS: Final = (*TURN_ROWS, *STEERING_ROWS)

BEGIN: Final = "<!-- begin: python -m tests.support.session_table --write -->"
END: Final = "<!-- end -->"


def diagram() -> str:
    """The states, and which inputs lead from one to another."""
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            "    [*] --> Idle",
            *(f"    {source} --> {target}: {', '.join(inputs)}" for source, target, inputs in _edges()),
            "    Finished --> [*]",
            "```",
        ]
    )


def table() -> str:
    """One line per row."""
    return "\n".join(
        [
            "| state | input | next state | effects |",
            "|---|---|---|---|",
            *(f"| {_name(row.given)} | {_input(row)} | {_name(row.then)} | {_effects(row)} |" for row in ROWS),
        ]
    )


PAGES: Final = {ROOT / "ARCHITECTURE.md": diagram, ROOT / "docs" / "session-machine.md": table}
"""The text between the markers of each page."""


def text_between_markers(text: str) -> str:
    return text.split(f"{BEGIN}\n", 1)[1].split(f"\n{END}", 1)[0]


def _edges() -> Iterator[tuple[str, str, Sequence[str]]]:
    """Each pair of different states with the inputs that lead from one to the other, in the order of the rows."""
    inputs: dict[tuple[str, str], dict[str, None]] = {}
    for row in ROWS:
        pair = (_name(row.given), _name(row.then))
        if pair[0] != pair[1]:
            inputs.setdefault(pair, {})[type(row.when).__name__] = None
    for (source, target), names in inputs.items():
        yield source, target, tuple(names)


def _name(state: State) -> str:
    return type(state).__name__


def _input(row: Row) -> str:
    name = type(row.when).__name__
    return f"{name} ({row.of})" if row.of else name


def _effects(row: Row) -> str:
    return ", ".join(_effect(effect) for effect in row.effects) or "—"


def _effect(effect: do.Effect) -> str:
    name = type(effect).__name__
    return f"{name} {type(effect.outcome).__name__}" if isinstance(effect, do.Settle) else name


def names_of(union: object) -> frozenset[str]:
    """The names of the classes in a union."""
    return frozenset(one.__name__ for one in get_args(union))


INPUTS: Final = names_of(on.Input)


def main() -> None:
    for page, content in PAGES.items():
        if "--write" not in sys.argv[1:]:
            print(content(), end="\n\n")
            continue
        before, _, rest = page.read_text(encoding="utf-8").partition(f"{BEGIN}\n")
        _, _, after = rest.partition(f"\n{END}")
        page.write_text(f"{before}{BEGIN}\n{content()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
