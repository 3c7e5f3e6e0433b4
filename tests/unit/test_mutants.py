"""The mutants match the tree: each still removes something, and names an existing test."""

from __future__ import annotations

import ast

import pytest

from tests.support.mutant import Mutant
from tests.support.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_a_mutant_removes_one_guard_and_names_a_test(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    ast.parse(text.replace(mutant.old, mutant.new))
    file, _, test = mutant.test.partition("::")
    name = test.partition("[")[0]
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, functions)}


def test_there_are_at_least_fifteen_and_no_guard_twice() -> None:
    assert len({mutant.guard for mutant in MUTANTS}) == len(MUTANTS) >= 15
