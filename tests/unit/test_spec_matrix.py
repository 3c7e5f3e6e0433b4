"""The matrix and the tests name each other: every row has a test that is marked with it, every mark names a row."""

from __future__ import annotations

import re
from collections import Counter

import attrs
import pytest

from tests.support.marks import ROOT, Marks, marks_of, marks_of_tests

MATRIX = ROOT / ".plans" / "spec-contract-matrix.md"
COLUMNS = {"W": 7, "E": 5, "P": 5, "R": 5}
"""Tables also name their writer and readers."""
TABLE_ROWS = 17
SECOND_EDITION = 50
"""Rows E50 and later have a table of their own; its numbers may have gaps."""

_ROW = re.compile(r"^\| *([WEPR]\d+) *\|")
_TEST_FILE = re.compile(r"tests/[\w/]+\.py")
_MODULE = re.compile(r"[\w/]+\.py")


@attrs.frozen(kw_only=True)
class Row:
    """A requirement of the matrix. `tests` are paths relative to the repository."""

    id: str
    cells: tuple[str, ...]

    @property
    def tests(self) -> tuple[str, ...]:
        return tuple(_TEST_FILE.findall(self.cells[-2]))

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(_MODULE.findall(" ".join(self.cells[2:-2])))

    @property
    def status(self) -> str:
        return self.cells[-1]


def rows_of(text: str) -> tuple[Row, ...]:
    """The W, E, P and R rows of a matrix, in its order."""
    return tuple(
        Row(id=match[1], cells=tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
        for line in text.splitlines()
        if (match := _ROW.match(line))
    )


@pytest.fixture(scope="module")
def matrix() -> tuple[Row, ...]:
    return rows_of(MATRIX.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def marks() -> dict[str, Marks]:
    return marks_of_tests("spec")


def test_rows_are_whole_and_numbered_without_gaps(matrix: tuple[Row, ...]) -> None:
    assert [row.id for row in matrix if len(row.cells) != COLUMNS[row.id[0]] or not all(row.cells)] == []
    first = [row for row in matrix if not _is_of_second_edition(row)]
    sizes = Counter(row.id[0] for row in first)
    assert [row.id for row in first] == [f"{kind}{n}" for kind in "WEPR" for n in range(1, sizes[kind] + 1)]
    assert sizes["W"] == TABLE_ROWS
    assert min(sizes[kind] for kind in "WEPR") > 0


def test_rows_of_the_second_edition_come_last_in_ascending_order(matrix: tuple[Row, ...]) -> None:
    numbers = [int(row.id[1:]) for row in matrix if _is_of_second_edition(row)]
    assert numbers == sorted(set(numbers))
    assert [row for row in matrix if _is_of_second_edition(row)] == list(matrix[-len(numbers) :])


def _is_of_second_edition(row: Row) -> bool:
    return row.id.startswith("E") and int(row.id[1:]) >= SECOND_EDITION


def test_every_row_is_proven_by_a_marked_test(matrix: tuple[Row, ...], marks: dict[str, Marks]) -> None:
    proven = frozenset[str]().union(*(found.rows for found in marks.values()))
    unproven = [row.id for row in matrix if row.id not in proven]
    assert not unproven, "rows without a marked test: " + " ".join(unproven)


def test_every_mark_names_a_row(matrix: tuple[Row, ...], marks: dict[str, Marks]) -> None:
    known = {row.id for row in matrix}
    assert {path: found.rows - known for path, found in marks.items() if found.rows - known} == {}


def test_every_mark_is_on_a_test_and_spells_its_rows_out(marks: dict[str, Marks]) -> None:
    assert {path: found.faults for path, found in marks.items() if found.faults} == {}


def test_every_row_is_implemented(matrix: tuple[Row, ...]) -> None:
    assert {row.id: row.status for row in matrix if row.status != "implemented"} == {}


def test_every_row_names_test_files_that_exist(matrix: tuple[Row, ...]) -> None:
    assert [row.id for row in matrix if not row.tests] == []
    named = {path for row in matrix for path in row.tests}
    missing = sorted(path for path in named if not (ROOT / path).is_file())
    assert not missing, "files that do not exist: " + " ".join(missing)


def test_modules_that_rows_name_exist(matrix: tuple[Row, ...]) -> None:
    assert {
        row.id: missing for row in matrix if (missing := [m for m in row.modules if not (ROOT / m).is_file()])
    } == {}


APPLIED = """
import pytest
pytestmark = [pytest.mark.anyio, pytest.mark.spec("W1", "W2")]

@pytest.mark.spec("E1")
@pytest.mark.parametrize("case", [1, pytest.param(2, marks=pytest.mark.spec("E2"))])
async def test_function(case): ...

@pytest.mark.spec("P1")
class TestClass:
    pytestmark = pytest.mark.spec("P2")

    @pytest.mark.spec("P3")
    def test_method(self): ...
"""

NOT_APPLIED = """
import pytest
ROWS = ["E1"]
spec = pytest.mark.spec

@pytest.mark.spec("E2")
def prepare(): ...

@pytest.mark.spec(*ROWS)
def test_function(): ...

@pytest.mark.spec
def test_without_rows(): ...
"""

ONLY_A_MACHINE = """
pytestmark = pytest.mark.spec("P1")
TestRebuild = RebuildMachine.TestCase
"""


def test_marks_are_read_from_decorators_pytestmark_and_params() -> None:
    assert marks_of(APPLIED, "spec") == Marks(rows=frozenset({"W1", "W2", "E1", "E2", "P1", "P2", "P3"}), faults=())


def test_a_mark_that_marks_no_test_or_hides_its_rows_is_a_fault() -> None:
    found = marks_of(NOT_APPLIED, "spec")
    assert found.rows == frozenset()
    assert sorted(found.faults) == [4, 6, 9, 12]


def test_a_module_mark_counts_only_where_the_module_has_tests() -> None:
    assert marks_of(ONLY_A_MACHINE, "spec").rows == {"P1"}
    assert marks_of('pytestmark = pytest.mark.spec("P1")', "spec").rows == frozenset()


def test_rows_are_read_from_the_table_and_interpretations_are_not() -> None:
    text = "| A1 | reading |\n|---|---|\n| W1 | is so | a | b | c | tests/unit/test_x.py, tests/test_y.py | planned |\n"
    (row,) = rows_of(text)
    assert (row.id, row.tests, row.status) == ("W1", ("tests/unit/test_x.py", "tests/test_y.py"), "planned")
