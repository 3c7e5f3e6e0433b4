"""The row ids in marks of tests, read from the source without importing or running it.

A mark counts if pytest applies it to a test: as a decorator of a test function or of a class with tests, in a
`pytestmark` of such a class or of a module with tests, and in the `marks` of a `pytest.param`. Anywhere else, or with
rows that are not literals, it is an error.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias, TypeGuard

import attrs

ROOT: Final = Path(__file__).resolve().parents[2]

_PARAM: Final = {"pytest.param", "param"}

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@attrs.frozen(kw_only=True)
class Marks:
    """The row ids that a source file's tests are marked with, and the lines of marks that mark no test."""

    rows: frozenset[str]
    faults: tuple[int, ...]


def marks_of_tests(kind: str) -> dict[str, Marks]:
    """The marks `pytest.mark.<kind>` of every file under tests/, by its path."""
    return {
        path.relative_to(ROOT).as_posix(): marks_of(path.read_text(encoding="utf-8"), kind)
        for path in sorted((ROOT / "tests").rglob("*.py"))
    }


def marks_of(source: str, kind: str) -> Marks:
    """The marks `pytest.mark.<kind>` of a test file."""
    tree = ast.parse(source)
    reader = _Reader(kind)
    readable = [mark for mark in reader.applied(tree) if mark.args and all(_is_text(row) for row in mark.args)]
    counted = {id(mark.func) for mark in readable}
    return Marks(
        rows=frozenset(ast.literal_eval(row) for mark in readable for row in mark.args),
        faults=tuple(node.lineno for node in ast.walk(tree) if reader.is_mark(node) and id(node) not in counted),
    )


@attrs.frozen
class _Reader:
    """Finds the marks of one kind."""

    kind: str

    def applied(self, tree: ast.Module) -> Iterator[ast.Call]:
        if not _has_tests(tree):
            return
        yield from self._pytestmarks(tree)
        for definition in _collected(tree):
            for decorator in definition.decorator_list:
                yield from self._marks_in(decorator)
            yield from self._pytestmarks(definition)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in _PARAM:
                yield from (
                    mark for word in node.keywords if word.arg == "marks" for mark in self._marks_in(word.value)
                )

    def is_mark(self, node: ast.AST) -> TypeGuard[ast.Attribute]:
        if not isinstance(node, ast.Attribute) or node.attr != self.kind:
            return False
        return ast.unparse(node) in (f"pytest.mark.{self.kind}", f"mark.{self.kind}")

    def _pytestmarks(self, scope: ast.Module | Definition) -> Iterator[ast.Call]:
        for node in scope.body:
            match node:
                case ast.Assign(targets=[ast.Name(id="pytestmark")], value=value):
                    yield from self._marks_in(value)
                case ast.AnnAssign(target=ast.Name(id="pytestmark"), value=ast.expr() as value):
                    yield from self._marks_in(value)
                case _:
                    pass

    def _marks_in(self, expression: ast.expr) -> Iterator[ast.Call]:
        """The marks that an expression is, or that it lists."""
        match expression:
            case ast.List(elts=members) | ast.Tuple(elts=members):
                for member in members:
                    yield from self._marks_in(member)
            case ast.Call() if self.is_mark(expression.func):
                yield expression
            case _:
                pass


def _collected(scope: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """The test functions and classes that pytest collects from a module or class."""
    for node in scope.body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name.startswith("test"):
                yield node
            case ast.ClassDef() if node.name.startswith("Test"):
                yield node
                yield from _collected(node)
            case _:
                pass


def _has_tests(tree: ast.Module) -> bool:
    return any(_collected(tree)) or any(_is_state_machine(node) for node in tree.body)


def _is_state_machine(node: ast.stmt) -> bool:
    """`TestRebuild = RebuildMachine.TestCase`, Hypothesis's form of a test."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr="TestCase")):
            return name.startswith("Test")
        case _:
            return False


def _is_text(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Constant) and isinstance(argument.value, str)
