"""The lessons and the tests name each other: every row has a test that is marked with it, every mark names a row."""

from __future__ import annotations

import re

import attrs
import pytest

from tests.support.marks import ROOT, Marks, marks_of_tests

LESSONS = ROOT / ".plans" / "lessons.md"
COLUMNS = 4

_ROW = re.compile(r"^\| *(L\d+) *\|")
_TEST_FILE = re.compile(r"tests/[\w/]+\.py")


@attrs.frozen(kw_only=True)
class Lesson:
    """A row of the lessons. `tests` are paths relative to the repository."""

    id: str
    cells: tuple[str, ...]

    @property
    def tests(self) -> tuple[str, ...]:
        return tuple(_TEST_FILE.findall(self.cells[-1]))


def lessons_of(text: str) -> tuple[Lesson, ...]:
    return tuple(
        Lesson(id=match[1], cells=tuple(cell.strip() for cell in line.strip().strip("|").split("|")))
        for line in text.splitlines()
        if (match := _ROW.match(line))
    )


@pytest.fixture(scope="module")
def lessons() -> tuple[Lesson, ...]:
    return lessons_of(LESSONS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def marks() -> dict[str, Marks]:
    return marks_of_tests("lesson")


def test_rows_are_whole_and_numbered_upwards(lessons: tuple[Lesson, ...]) -> None:
    numbers = [int(one.id[1:]) for one in lessons]
    assert numbers == sorted(set(numbers))
    assert [one.id for one in lessons if len(one.cells) != COLUMNS or not all(one.cells)] == []


def test_every_lesson_has_a_marked_test_in_each_file_that_it_names(
    lessons: tuple[Lesson, ...], marks: dict[str, Marks]
) -> None:
    unproven = {
        one.id: [path for path in one.tests if path not in marks or one.id not in marks[path].rows]
        for one in lessons
        if not one.tests or any(path not in marks or one.id not in marks[path].rows for path in one.tests)
    }
    assert unproven == {}


def test_every_mark_names_a_lesson_and_marks_a_test(lessons: tuple[Lesson, ...], marks: dict[str, Marks]) -> None:
    known = {one.id for one in lessons}
    assert {path: found.rows - known for path, found in marks.items() if found.rows - known} == {}
    assert {path: found.faults for path, found in marks.items() if found.faults} == {}


def test_a_row_is_read_with_the_files_that_it_names() -> None:
    (one,) = lessons_of("| id | x |\n|---|---|\n| L7 | was | is | tests/unit/test_a.py, tests/test_b.py |\n")
    assert (one.id, one.tests) == ("L7", ("tests/unit/test_a.py", "tests/test_b.py"))
