"""Each class name has one meaning: no two classes of the product share it, private ones included."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import Final

from tests.support.marks import ROOT

FOLDERS: Final = ("orchestrion", "runtime", "actors", "persistence", "migrations")


def modules_by_class() -> dict[str, set[str]]:
    """The modules that define a top-level class of each name, without leading underscores."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    found[node.name.lstrip("_")].add(str(path.resolve().relative_to(ROOT.resolve())))
    return found


def test_no_two_classes_share_a_name() -> None:
    found = modules_by_class()
    assert "Runtime" in found
    assert {name: sorted(modules) for name, modules in found.items() if len(modules) > 1} == {}
