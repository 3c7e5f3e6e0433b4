"""An agent's questions on a terminal: what is shown, and what a typed line answers."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrion.contracts.ids import QuestionId
from orchestrion.contracts.questions import Question, QuestionOption
from orchestrion.contracts.values import UNSET
from orchestrion.runtime.cli.run.question_form import question_lines, read_answer

OPTIONS = (QuestionOption(label="Red", description="warm"), QuestionOption(label="Blue"))


def question(**fields: Any) -> Question:
    return Question(id=QuestionId("q"), header="Colour", text="Which?", **fields)


@pytest.mark.parametrize(
    ("fields", "line", "answer"),
    [
        ({}, " some text ", "some text"),
        ({"options": OPTIONS}, "1", "Red"),
        ({"options": OPTIONS}, "blue", "Blue"),
        ({"options": OPTIONS, "free_text": True}, "green", "green"),
        ({"options": OPTIONS, "free_text": True}, "7", "7"),
        ({"options": OPTIONS, "multiple": True}, "2, red", ["Blue", "Red"]),
        ({"options": OPTIONS, "required": False}, "", UNSET),
        ({"options": OPTIONS, "schema": {"type": "string", "default": "Blue"}}, "", "Blue"),
        ({"schema": {"type": "integer"}}, "-3", -3),
        ({"schema": {"type": "number"}}, "2", 2),
        ({"schema": {"type": "number"}}, "2.5", 2.5),
        ({"schema": {"type": "boolean"}}, "Y", True),
        ({"schema": {"type": "boolean", "default": True}}, "no", False),
        ({"secret": True}, "  with spaces ", "  with spaces "),
        ({"secret": True}, "", ""),
    ],
)
def test_a_line_answers_a_question(fields: dict[str, Any], line: str, answer: object) -> None:
    assert read_answer(question(**fields), line) == answer


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, ""),
        ({"options": OPTIONS}, "3"),
        ({"options": OPTIONS}, "hunter2"),
        ({"options": OPTIONS, "multiple": True}, "1, hunter2"),
        ({"options": OPTIONS, "multiple": True}, "1, 1"),
        ({"schema": {"type": "integer"}}, "2.5"),
        ({"schema": {"type": "number"}}, "hunter2"),
        ({"schema": {"type": "boolean"}}, "hunter2"),
        ({"schema": {"type": "string", "maxLength": 3}}, "hunter2"),
    ],
)
def test_a_line_that_is_no_answer_is_refused_and_not_repeated(fields: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=r"answer") as refused:
        read_answer(question(**fields), line)
    assert "hunter2" not in str(refused.value)


def test_a_question_is_shown_with_its_options_and_how_to_answer() -> None:
    assert question_lines(question(options=OPTIONS), 1, 1) == [
        "Colour: Which?",
        "  1) Red - warm",
        "  2) Blue",
        "  [the number of an option]",
    ]
    assert question_lines(question(secret=True, required=False), 2, 3) == [
        "Colour: Which? (2 of 3)",
        "  [a secret, which is not shown and not stored; Enter leaves it out]",
    ]


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({}, "[text]"),
        ({"options": OPTIONS, "free_text": True}, "[the number of an option, or other text]"),
        ({"options": OPTIONS, "multiple": True}, "[numbers of options with commas between them]"),
        ({"schema": {"type": "boolean", "default": True}}, "[yes or no; Enter takes yes]"),
        ({"schema": {"type": "integer"}, "required": False}, "[a number; Enter leaves it out]"),
    ],
)
def test_a_hint_says_what_may_be_typed(fields: dict[str, Any], hint: str) -> None:
    assert question_lines(question(**fields), 1, 1)[-1].strip() == hint
